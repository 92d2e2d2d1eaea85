import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onnxFile } from "@masklet/backend-ort/test/onnx-file";
import { encodePng, maskArea, type RawImage, readImage, readMask } from "@masklet/core/node";
import { beforeAll, expect, test } from "vitest";
import { cli, filesIn, type RunResult, scene, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);

function cutout(...args: readonly string[]): Promise<RunResult> {
  return cli(["cutout", ...args]);
}

/** A red ring on a blue ground, 64 x 64. */
function ring(): RawImage {
  const data = new Uint8Array(3 * 64 * 64);
  for (let i = 0; i < 64 * 64; i++) data.set(inRing(i) ? [220, 20, 30] : [10, 40, 200], 3 * i);
  return { width: 64, height: 64, channels: 3, data };
}

function inRing(i: number): boolean {
  const distance = Math.hypot((i % 64) - 31.5, Math.floor(i / 64) - 31.5);
  return distance < 24 && distance > 10;
}

/** The ring in front of stripes: no flat background. */
function striped(): RawImage {
  const { data, ...size } = ring();
  return {
    ...size,
    data: Uint8Array.from(data).map((value, k) => {
      const i = Math.floor(k / 3);
      return inRing(i) ? value : k % 3 === 0 ? 0 : 40 + 2 * (i % 64);
    }),
  };
}

/** A model with the inputs and outputs of U2-Net's file, whose shares are how red a pixel is. */
const redness = onnxFile({
  nodes: Array.from({ length: 7 }, (_, i) => ({ op: "Conv", inputs: ["input.1", "kernel"], outputs: [`${1959 + i}`] })),
  initializers: [{ name: "kernel", dims: [1, 3, 1, 1], data: Float32Array.of(1, -0.5, -0.5) }],
  inputs: [{ name: "input.1", dims: [1, 3, 320, 320] }],
  outputs: Array.from({ length: 7 }, (_, i) => ({ name: `${1959 + i}`, dims: [1, 1, 320, 320] })),
});

/** The same, as a file that does not say which model it is. */
const nameless = onnxFile({
  nodes: [{ op: "Conv", inputs: ["input_image", "kernel"], outputs: ["output_image"] }],
  initializers: [{ name: "kernel", dims: [1, 3, 1, 1], data: Float32Array.of(9, -4, -5) }],
  inputs: [{ name: "input_image", dims: [1, 3, "h", "w"] }],
  outputs: [{ name: "output_image", dims: [1, 1, "h", "w"] }],
});

beforeAll(async () => {
  writeFileSync(at("logo.png"), await encodePng(ring()));
  writeFileSync(at("striped.png"), await encodePng(striped()));
  writeFileSync(at("u2net.onnx"), redness);
  writeFileSync(at("nameless.onnx"), nameless);
  copyFileSync(scene, at("scene.png"));
});

test("a logo comes out exactly, with its hole, and no model is looked for", async () => {
  const { code, stdout, stderr } = await cutout(at("logo.png"), "--model", at("none.pt"), "-o", at("logo"));
  expect([code, stdout.toString()]).toEqual([0, `${at("logo", "logo.cutout.png")}\n`]);
  expect(stderr).toBe(`${at("logo.png")}: cut from a flat background\n`);
  const { data } = await readImage(at("logo", "logo.cutout.png"));
  for (let i = 0; i < 64 * 64; i++) {
    const expected = inRing(i) ? [220, 20, 30, 255] : [0, 0, 0, 0];
    if (expected.some((value, c) => data[4 * i + c] !== value)) expect.fail(`pixel ${i}`);
  }
});

test("holes filled, cropped, on a colour, as WebP, with mask and record", async () => {
  const out = at("options");
  const args = ["--fill-holes", "--crop", "--padding", "2", "--background", "#00ff00", "--webp"];
  const { code } = await cutout(at("logo.png"), ...args, "--format", "cutout,mask,json", "-o", out);
  expect(code).toBe(0);
  expect(filesIn(out)).toEqual(["logo.cutout.webp", "logo.json", "logo.mask.png"]);
  const cut = await readImage(join(out, "logo.cutout.webp"));
  expect([cut.width, cut.height, cut.channels]).toEqual([52, 52, 3]);
  const mask = await readMask(join(out, "logo.mask.png"));
  expect(mask.data[32 * 64 + 32]).toBe(1);
  expect(JSON.parse(readFileSync(join(out, "logo.json"), "utf8"))).toEqual({
    image: { file_name: "logo.png", width: 64, height: 64 },
    method: "flat-background",
    sure: true,
    unsure: [],
    segmentation: { size: [64, 64], counts: expect.any(String) },
    bbox: [8, 8, 48, 48],
    area: maskArea(mask),
    version: expect.any(String),
  });
});

test("many things are none: it says that it is unsure, and ends with 4", async () => {
  const { code, stdout, stderr } = await cutout(at("scene.png"), "--model", "nano", "--json");
  expect(code).toBe(4);
  const record = JSON.parse(stdout.toString());
  expect(record).toMatchObject({ method: "outline", sure: false, model: { name: "sam2.1-hiera-nano" } });
  expect(record.unsure).toContain("weak");
  expect(stderr).toContain("unsure: it stands out little");
});

test("a subject model finds it, and SAM 2 draws the outline, or its soft mask is taken", async () => {
  const args = [at("striped.png"), "--subject-model", at("u2net.onnx"), "--json"];
  const soft = await cutout(...args, "--soft", "--model", at("none.pt"));
  expect(soft.stderr).toContain("cut by its soft mask");
  const record = JSON.parse(soft.stdout.toString());
  expect(record).toMatchObject({
    method: "soft-mask",
    subject_model: { file: "u2net.onnx", kind: "u2net", licence: "Apache-2.0" },
  });
  expect(record).not.toHaveProperty("model");
  const ringArea = Array.from({ length: 64 * 64 }, (_, i) => i).filter(inRing).length;
  expect(Math.abs(record.area - ringArea)).toBeLessThan(0.03 * ringArea);
  const drawn = await cutout(...args, "--model", "nano");
  expect(JSON.parse(drawn.stdout.toString()).subject_model).toEqual(record.subject_model);
});

test("a file that does not say which model it is", async () => {
  const args = [at("striped.png"), "--subject-model", at("nameless.onnx"), "--soft", "-o", at("nameless")];
  const refused = await cutout(...args);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("isnet (IS-Net (DIS), isnet-general-use), birefnet (BiRefNet");
  expect(refused.stderr).toContain("[model-ambiguous]");
  expect((await cutout(...args, "--subject-kind", "birefnet")).code).toBe(0);
  const { stderr } = await cutout(...args, "--subject-kind", "rmbg-2.0");
  expect(stderr).toContain("rmbg-2.0 is not for commercial use: CC-BY-NC-4.0");
});

test("one that fails does not stop the others, and a run is gone on with", async () => {
  const pictures = at("pictures");
  mkdirSync(pictures);
  writeFileSync(join(pictures, "a.png"), "no picture");
  copyFileSync(at("logo.png"), join(pictures, "b.png"));
  copyFileSync(at("logo.png"), join(pictures, "c.png"));
  const first = await cutout(pictures, "-o", at("many"));
  expect([first.code, filesIn(at("many"))]).toEqual([3, ["b.cutout.png", "c.cutout.png"]]);
  expect(first.stderr).toContain("a.png is of no known format");
  writeFileSync(join(pictures, "a.png"), readFileSync(at("logo.png")));
  const second = await cutout(pictures, "-o", at("many"), "--skip-existing");
  expect([second.code, second.stdout.toString()]).toEqual([0, `${at("many", "a.cutout.png")}\n`]);
  expect(second.stderr).toContain("2 of 3 images had all results already");
});

test("a model that cannot be had is told once", async () => {
  copyFileSync(at("striped.png"), at("striped2.png"));
  const { code, stderr } = await cutout(at("striped.png"), at("striped2.png"), "--model", at("none.pt"), "-o", at("x"));
  expect(code).toBe(1);
  expect(stderr.match(/not-found/g)).toHaveLength(1);
});

test("aborted, it ends with 130 and leaves nothing half-written", async () => {
  const abort = new AbortController();
  const out = at("aborted");
  const { code } = await cli(["cutout", at("logo.png"), at("striped.png"), "--model", "nano", "-o", out], {
    signal: abort.signal,
    onStdout: () => abort.abort(),
  });
  expect([code, filesIn(out)]).toEqual([130, ["logo.cutout.png"]]);
});

test("to standard output", async () => {
  const { code, stdout } = await cutout(at("logo.png"), "-o", "-");
  expect(code).toBe(0);
  expect((await readImage(stdout)).channels).toBe(4);
});

test.each([
  { args: [], problem: "needs an image" },
  { args: ["logo.png", "--soft"], problem: "--soft needs --subject-model" },
  { args: ["logo.png", "--subject-kind", "isnet"], problem: "--subject-kind needs --subject-model" },
  { args: ["logo.png", "--subject-model", "m.onnx", "--subject-kind", "isnett"], problem: "did you mean isnet?" },
  { args: ["logo.png", "--padding", "3"], problem: "--padding 3 needs --crop" },
  { args: ["logo.png", "--background", "green"], problem: '--background takes #rrggbb, white or black, got "green"' },
  { args: ["logo.png", "--format", "mask", "--crop"], problem: "--crop is for cutouts" },
  { args: ["logo.png", "--json", "--webp"], problem: "--webp is for cutouts" },
  { args: ["logo.png", "other.png", "-o", "-"], problem: "exactly one result, but there are 2" },
  { args: ["logo.png", "-o", "-", "--json"], problem: "both want standard output" },
  { args: ["logo.png", "-o", "-", "--skip-existing"], problem: "--skip-existing is for results in files" },
  { args: ["a/logo.png", "b/logo.png"], problem: "would give it" },
])("usage: $problem", async ({ args, problem }) => {
  const { code, stderr } = await cutout(...args);
  expect(code).toBe(2);
  expect(stderr).toContain(problem);
});
