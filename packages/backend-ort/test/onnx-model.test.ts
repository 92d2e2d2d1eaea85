import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendError } from "@masklet/core";
import { fileSource } from "@masklet/core/node";
import { floats } from "@masklet/core/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOrtBackend, type OrtBackend } from "../src/node.ts";
import { onnxFile } from "./onnx-file.ts";

/** y = 2 x, for any number of rows of two, and what an exporter may write beside it. */
const double = onnxFile({
  nodes: [{ op: "Mul", inputs: ["x", "two"], outputs: ["y"] }],
  initializers: [{ name: "two", dims: [], data: Float32Array.of(2) }],
  inputs: [{ name: "x", dims: ["rows", 2] }],
  outputs: [{ name: "y", dims: ["rows", 2] }],
  metadata: { names: "{0: 'person', 1: 'straße'}", stride: "32" },
});

let backend: OrtBackend;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-test-"));
  backend = await createOrtBackend({ threads: 1 });
});
afterAll(async () => {
  await backend.dispose();
  await rm(folder, { recursive: true });
});

test("bytes and a file are one model, with its shapes and what the exporter wrote", async () => {
  const path = join(folder, "double.onnx");
  await writeFile(path, double);
  for (const source of [double, await fileSource(path)]) {
    await using model = await backend.openModel(source);
    expect(model.inputs).toEqual([{ name: "x", dtype: "float32", dims: ["rows", 2] }]);
    expect(model.outputs).toEqual([{ name: "y", dtype: "float32", dims: ["rows", 2] }]);
    expect(model.metadata).toEqual({ names: "{0: 'person', 1: 'straße'}", stride: "32" });
    const { y } = await model.run({ x: floats([2, 2], 1, 2, 3, -4) });
    expect(y).toEqual(floats([2, 2], 2, 4, 6, -8));
  }
});

test("halves, integers and bytes go in and out", async () => {
  const dtypes = ["float16", "int32", "int64", "uint8", "bool"] as const;
  const data = [
    Uint16Array.of(0x3c00, 0xc000),
    Int32Array.of(1, -2),
    BigInt64Array.of(1n, -2n),
    Uint8Array.of(1, 255),
    Uint8Array.of(1, 0),
  ];
  const model = await backend.openModel(
    onnxFile({
      nodes: dtypes.map((dtype) => ({ op: "Identity", inputs: [dtype], outputs: [`${dtype}Out`] })),
      inputs: dtypes.map((dtype) => ({ name: dtype, dtype, dims: [2] })),
      outputs: dtypes.map((dtype) => ({ name: `${dtype}Out`, dtype, dims: [2] })),
    }),
  );
  const feeds = dtypes.map((dtype, i) => [dtype, { dtype, dims: [2], data: data[i] }] as const);
  const results = await model.run(Object.fromEntries(feeds) as never);
  for (const [dtype, fed] of feeds) expect(results[`${dtype}Out`]).toEqual(fed);
});

test.each([
  { feeds: {}, problem: "the input x is missing" },
  { feeds: { x: floats([1, 2], 1, 2), z: floats([1], 1) }, problem: "there is no input z; there are x" },
  { feeds: { x: floats([1, 3], 1, 2, 3) }, problem: "input x is float32 [rows, 2], and got float32 [1, 3]" },
  {
    feeds: { x: { dtype: "int32", dims: [1, 2], data: Int32Array.of(1, 2) } as const },
    problem: "input x is float32 [rows, 2], and got int32 [1, 2]",
  },
])("$problem", async ({ feeds, problem }) => {
  await using model = await backend.openModel(double);
  await expect(model.run(feeds as never)).rejects.toMatchObject({ code: "bad-feeds", message: `bytes: ${problem}` });
});

test("an option that a run does not have", async () => {
  await using model = await backend.openModel(double);
  await expect(model.run({}, { misspelt: 1 } as object)).rejects.toMatchObject({
    code: "unknown-option",
  });
});

test("weights in a file beside the model are found", async () => {
  const weights = Float32Array.of(3);
  await writeFile(join(folder, "weights.bin"), new Uint8Array(weights.buffer));
  const path = join(folder, "triple.onnx");
  await writeFile(
    path,
    onnxFile({
      nodes: [{ op: "Mul", inputs: ["x", "three"], outputs: ["y"] }],
      initializers: [{ name: "three", dims: [], data: { location: "weights.bin", offset: 0, length: 4 } }],
      inputs: [{ name: "x", dims: ["n"] }],
      outputs: [{ name: "y", dims: ["n"] }],
    }),
  );
  await using model = await backend.openModel(await fileSource(path));
  expect((await model.run({ x: floats([2], 1, 2) }))["y"]).toEqual(floats([2], 3, 6));
});

test("what is no model or is gone is an error that says so", async () => {
  const path = join(folder, "no.onnx");
  await writeFile(path, "no model");
  await expect(backend.openModel(await fileSource(path))).rejects.toMatchObject({
    code: "compile-failed",
    message: expect.stringContaining(path),
  });
  await expect(backend.openModel(Uint8Array.of(0x72, 5))).rejects.toMatchObject({ code: "compile-failed" });
  const model = await backend.openModel(double);
  await model.dispose();
  await model.dispose();
  await expect(model.run({ x: floats([1, 2], 1, 2) })).rejects.toBeInstanceOf(BackendError);
});

test("aborting rejects with the reason, and the model stays usable", async () => {
  await using model = await backend.openModel(double);
  const abort = new AbortController();
  const running = model.run({ x: floats([1, 2], 1, 2) }, { signal: abort.signal });
  abort.abort("enough");
  await expect(running).rejects.toBe("enough");
  await expect(backend.openModel(double, { signal: abort.signal })).rejects.toBe("enough");
  expect((await model.run({ x: floats([1, 2], 1, 2) }))["y"]).toEqual(floats([1, 2], 2, 4));
});

test("goes with its backend", async () => {
  const other = await createOrtBackend({ threads: 1 });
  const model = await other.openModel(double);
  await other.dispose();
  await expect(model.run({ x: floats([1, 2], 1, 2) })).rejects.toMatchObject({ code: "disposed" });
  await expect(other.openModel(double)).rejects.toMatchObject({ code: "disposed" });
});
