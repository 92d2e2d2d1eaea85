/**
 * No published weights are here: the models of these tests are made by hand, with the inputs and outputs of the
 * published files and one convolution whose output follows from the pixels, so that every step from colours to shares
 * shows in the result.
 */
import { BackendError, type RawImage } from "@masklet/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createOrtBackend,
  type OrtBackend,
  openSubjectFinder,
  type SubjectModelKind,
  subjectModels,
} from "../src/node.ts";
import { DATA_TYPE } from "../src/onnx/schema.ts";
import { onnxFile } from "./onnx-file.ts";

let backend: OrtBackend;
beforeAll(async () => {
  backend = await createOrtBackend({ threads: 1 });
});
afterAll(() => backend.dispose());

interface Shape {
  readonly input: string;
  readonly output: string;
  readonly side?: number;
  /** Outputs in all. */
  readonly outputs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** y = scale * (red - green), of the normalised colours. */
function redness({ input, output, side, outputs = 1, metadata = {} }: Shape, scale = 1): Uint8Array {
  const dims = side === undefined ? ["batch", 3, "height", "width"] : [1, 3, side, side];
  const names = [output, ...Array.from({ length: outputs - 1 }, (_, i) => `side${i}`)];
  return onnxFile({
    nodes: names.map((name) => ({ op: "Conv", inputs: [input, "kernel"], outputs: [name] })),
    initializers: [{ name: "kernel", dims: [1, 3, 1, 1], data: Float32Array.of(scale, -scale, 0) }],
    inputs: [{ name: input, dims }],
    outputs: names.map((name) => ({ name, dims: [dims[0] as number, 1, dims[2] as number, dims[3] as number] })),
    metadata,
  });
}

/** A square of one colour in the middle of another. */
function square(
  [r, g, b]: readonly [number, number, number],
  ground: readonly [number, number, number],
  side = 64,
): RawImage {
  const data = new Uint8Array(3 * side * side);
  for (let i = 0; i < side * side; i++) {
    const inside = [i % side, Math.floor(i / side)].every((x) => x >= side / 4 && x < (3 * side) / 4);
    data.set(inside ? [r, g, b] : ground, 3 * i);
  }
  return { width: side, height: side, channels: 3, data };
}

const published: readonly (Shape & { readonly kind: SubjectModelKind })[] = [
  { kind: "u2net", input: "input.1", output: "1959", side: 320, outputs: 7 },
  { kind: "isnet", input: "input_image", output: "output_image", side: 1024, outputs: 12 },
  { kind: "birefnet", input: "input_image", output: "output_image", side: 1024 },
  { kind: "modnet", input: "input", output: "output" },
  { kind: "rmbg-1.4", input: "input", output: "output", side: 1024 },
  { kind: "rmbg-2.0", input: "pixel_values", output: "alphas", side: 1024 },
];

test.each(published)("$kind: each colour becomes what the model was trained on, each output a share", async (shape) => {
  const { kind } = shape;
  // Small, so that nothing takes long; what is published is larger.
  const small = { ...shape, ...(shape.side !== undefined && { side: 32 }) };
  await using finder = await openSubjectFinder(redness(small), { backend, kind });
  const [inside, outside] = [[200, 40, 90] as const, [60, 80, 100] as const];
  const found = await finder.find(square(inside, outside));
  const { mean, std, white, output } = subjectModels[kind];
  const raw = ([r, g]: readonly [number, number, number]): number => {
    const scale = white === 255 ? 255 : 200;
    return (r / scale - mean[0]) / std[0] - (g / scale - mean[1]) / std[1];
  };
  const clamp = (x: number): number => Math.min(1, Math.max(0, x));
  const expected = {
    logits: [1 / (1 + Math.exp(-raw(inside))), 1 / (1 + Math.exp(-raw(outside)))],
    shares: [clamp(raw(inside)), clamp(raw(outside))],
    stretched: [1, 0],
  }[output];
  expect(found.data[32 * 64 + 32]).toBeCloseTo(expected[0] as number, 4);
  expect(found.data[2 * 64 + 2]).toBeCloseTo(expected[1] as number, 4);
  expect([found.width, found.height, found.data.length]).toEqual([64, 64, 4096]);
});

test("in half precision", async () => {
  const halves = onnxFile({
    nodes: [
      { op: "Cast", inputs: ["input"], outputs: ["x"], attributes: { to: DATA_TYPE.float32 } },
      { op: "Conv", inputs: ["x", "kernel"], outputs: ["y"] },
      { op: "Cast", inputs: ["y"], outputs: ["output"], attributes: { to: DATA_TYPE.float16 } },
    ],
    initializers: [{ name: "kernel", dims: [1, 3, 1, 1], data: Float32Array.of(1, -1, 0) }],
    inputs: [{ name: "input", dtype: "float16", dims: [1, 3, 32, 32] }],
    outputs: [{ name: "output", dtype: "float16", dims: [1, 1, 32, 32] }],
  });
  const whole = redness({ input: "input", output: "output", side: 32 });
  const [expected, found] = await Promise.all(
    [whole, halves].map(async (file) => {
      await using finder = await openSubjectFinder(file, { backend, kind: "birefnet" });
      return (await finder.find(square([200, 40, 90], [60, 80, 100]))).data;
    }),
  );
  for (const [i, share] of (found as Float32Array).entries())
    expect(Math.abs(share - (expected?.[i] as number))).toBeLessThan(2e-3);
});

test("what is stretched from little is doubted", async () => {
  const shape = published[1] as Shape;
  await using finder = await openSubjectFinder(redness({ ...shape, side: 32 }, 0.1), { backend, kind: "isnet" });
  expect((await finder.find(square([200, 40, 90], [60, 80, 100]))).unsure).toEqual(["weak"]);
  await using firm = await openSubjectFinder(redness({ ...shape, side: 32 }), { backend, kind: "isnet" });
  expect((await firm.find(square([200, 40, 90], [60, 80, 100]))).unsure).toBeUndefined();
});

test("MODNet keeps proportions, in multiples of 32", async () => {
  const model = await backend.openModel(redness({ input: "input", output: "output" }));
  const seen: unknown[] = [];
  const watched = {
    ...backend,
    openModel: async () => ({
      ...model,
      name: model.name,
      inputs: model.inputs,
      outputs: model.outputs,
      metadata: model.metadata,
      dispose: () => model.dispose(),
      run: async (feeds: Parameters<typeof model.run>[0]) => {
        seen.push(feeds["input"]?.dims);
        return model.run(feeds);
      },
    }),
  } as unknown as OrtBackend;
  await using finder = await openSubjectFinder(new Uint8Array(), { backend: watched, kind: "modnet" });
  const { data } = square([200, 40, 90], [60, 80, 100], 96);
  await finder.find({ width: 128, height: 72, channels: 3, data });
  expect(seen).toEqual([[1, 3, 512, 896]]);
});

test.each([
  { name: "U2-Net by its seven outputs at 320", shape: published[0] as Shape, kind: "u2net" },
  { name: "IS-Net by its twelve outputs", shape: published[1] as Shape, kind: "isnet" },
  { name: "MODNet of a fixed size", shape: { input: "input", output: "output", side: 512 }, kind: "modnet" },
  {
    name: "what the exporter wrote",
    shape: { ...(published[2] as Shape), metadata: { model_name: "BiRefNet_lite" } },
    kind: "birefnet",
  },
])("told by itself: $name", async ({ shape, kind }) => {
  await using finder = await openSubjectFinder(redness(shape), { backend });
  expect(finder.kind).toBe(kind);
  expect(finder.nonCommercial).toBe(false);
});

test.each([
  { name: "one output of input_image", shape: published[2] as Shape, choices: ["isnet", "birefnet"] },
  { name: "input and output", shape: published[3] as Shape, choices: ["modnet", "rmbg-1.4"] },
  { name: "a non-commercial model, though it is told", shape: published[5] as Shape, choices: ["rmbg-2.0"] },
  { name: "nothing known", shape: { input: "x", output: "y" }, choices: Object.keys(subjectModels) },
])("not told, but with the choices: $name", async ({ shape, choices }) => {
  const error = await openSubjectFinder(redness(shape), { backend }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(BackendError);
  expect(error).toMatchObject({ code: "model-ambiguous", details: { choices } });
  for (const choice of choices) expect((error as Error).message).toContain(choice);
  expect((error as Error).message.includes("not for commercial use")).toBe(
    choices.some((one) => one.startsWith("rmbg")),
  );
});

test("a file of something else is refused", async () => {
  const detector = onnxFile({
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
    inputs: [{ name: "x", dims: [1, 10] }],
    outputs: [{ name: "y", dims: [1, 10] }],
  });
  await expect(openSubjectFinder(detector, { backend })).rejects.toMatchObject({
    code: "unsupported",
    message:
      "bytes: a model that finds subjects has one input of floats [n, 3, height, width], a picture, got x: float32 [1, 10]",
  });
  await expect(openSubjectFinder("/nowhere/u2net.onnx", { backend })).rejects.toMatchObject({ code: "not-found" });
  await expect(
    openSubjectFinder(redness(published[0] as Shape), { backend, kind: "rembg" as "u2net" }),
  ).rejects.toMatchObject({ code: "model-ambiguous", message: expect.stringContaining("there is no kind rembg") });
});
