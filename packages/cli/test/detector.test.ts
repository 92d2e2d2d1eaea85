/** `--detector` and `--text`: boxes of a detector, here a model whose boxes follow from the pixels, become masks. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blobModel } from "@masklet/backend-ort/test/blob-models";
import { decodeLabelPng, decodeRle, encodePng, maskBox, readImage } from "@masklet/core/node";
import { filesOf, readLabels } from "@masklet/labels";
import { describe, expect, test } from "vitest";
import { cli, filesIn, records, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);
const metadata = { names: "{0: 'red thing', 1: 'blue thing'}", task: "detect" };
writeFileSync(at("yolo.onnx"), blobModel("yolo", { metadata }));
writeFileSync(at("nameless.onnx"), blobModel("transformers-rtdetr"));

/** A red square and a blue one on grey-green. */
async function picture(name: string): Promise<string> {
  const [width, height] = [320, 200];
  const data = new Uint8Array(width * height * 3).fill(90);
  const paint = (x0: number, y0: number, x1: number, y1: number, colour: readonly number[]): void => {
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) data.set(colour, (y * width + x) * 3);
  };
  paint(40, 50, 120, 130, [255, 20, 20]);
  paint(200, 60, 280, 150, [20, 20, 255]);
  writeFileSync(at(name), await encodePng({ width, height, channels: 3, data }));
  return at(name);
}

const image = await picture("squares.png");

describe("a mask of each box", () => {
  const out = at("out");
  const done = cli([
    ...["segment", image, "--detector", at("yolo.onnx"), "--format", "overlay,label,mask,coco,json", "-o", out],
    ...["--model", "nano"],
  ]);

  test("with class and score in the record, the label image and COCO's file", async () => {
    const { code, stderr } = await done;
    expect([code, stderr]).toEqual([0, expect.stringContaining("2 masks: 1 red thing, 1 blue thing")]);
    expect(filesIn(out)).toEqual(
      ["1.mask.png", "2.mask.png", "coco.json", "json", "label.png", "overlay.png"].map((name) => `squares.${name}`),
    );
    const record = JSON.parse(readFileSync(join(out, "squares.json"), "utf8"));
    expect(record.categories).toEqual([
      { id: 1, name: "red thing" },
      { id: 2, name: "blue thing" },
    ]);
    const boxes = [
      { x: 40, y: 50, width: 80, height: 80 },
      { x: 200, y: 60, width: 80, height: 90 },
    ];
    for (const { category_id: category, score, segmentation, prompt } of record.annotations) {
      expect(score).toBeGreaterThan(0.85);
      expect(prompt.box).toHaveLength(4);
      const [found, expected] = [maskBox(decodeRle(segmentation)), boxes[category - 1]];
      for (const side of ["x", "y", "width", "height"] as const) {
        expect(Math.abs(found[side] - (expected?.[side] ?? 0)), `${category} ${side}`).toBeLessThan(12);
      }
    }
    const { data, width } = await decodeLabelPng(readFileSync(join(out, "squares.label.png")));
    expect(new Set([data[90 * width + 80], data[100 * width + 240]])).toEqual(new Set([1, 2]));
    const { dataset } = await readLabels(
      filesOf({ "squares.coco.json": readFileSync(join(out, "squares.coco.json")) }),
    );
    expect(dataset.images[0]?.objects.map(({ category }) => category).sort()).toEqual(["blue thing", "red thing"]);
  });

  test("an overlay names them", async () => {
    await done;
    const [before, after] = await Promise.all([readImage(image), readImage(join(out, "squares.overlay.png"))]);
    expect(after.data).not.toEqual(before.data);
  });
});

test("classes, conf, max-det and names of a data.yaml", async () => {
  writeFileSync(at("data.yaml"), "names:\n  0: rouge\n  1: bleu\n");
  const args = ["segment", image, "--detector", at("yolo.onnx"), "--json", "--model", "nano"];
  const found = async (...more: readonly string[]) => {
    const [record] = records(await cli([...args, ...more]));
    return record?.annotations.map(({ category_id }) => category_id);
  };
  expect(await found("--classes", "blue thing")).toEqual([2]);
  expect(await found("--conf", "0.99")).toEqual([]);
  expect(await found("--max-det", "1", "--names", at("data.yaml"), "--classes", "rouge")).toEqual([1]);
});

test("a layout that is not clear is said, with the choices", async () => {
  const args = ["segment", image, "--detector", at("nameless.onnx"), "--json", "--model", "nano"];
  const { code, stderr } = await cli(args);
  expect([code, stderr]).toEqual([1, expect.stringContaining("detr or transformers-rtdetr")]);
  expect((await cli([...args, "--detector-layout", "transformers-rtdetr"])).code).toBe(0);
});

test.skipIf(existsSync(new URL("../node_modules/@huggingface/transformers", import.meta.url)))(
  "--text without transformers.js says how to install it",
  async () => {
    const { code, stderr } = await cli(["segment", image, "--text", "red car", "--json", "--model", "nano"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("npm install @huggingface/transformers")]);
  },
);

test.each([
  [["--detector", "a.onnx", "--everything"], "both say what to find"],
  [["--detector", "a.onnx", "--text", "car"], "both say what to find"],
  [["--detector", "a.onnx", "--point", "1,2"], "both say what to find"],
  [["--point", "1,2", "--conf", "0.5"], "--conf is for --detector"],
  [["--everything", "--iou", "0.5"], "--iou is for --detector"],
  [["--detector", "a.onnx", "--multimask"], "a box is not ambiguous"],
  [["--detector", "a.onnx", "--points-per-side", "4"], "--points-per-side is for --everything"],
  [["--detector", "a.onnx", "--detector-layout", "yolo9000"], "--detector-layout takes yolo,"],
  [["--detector", "a.onnx", "--imgsz", "big"], "--imgsz takes a whole number"],
  [["--detector", "a.onnx", "--names", "none.yaml"], "--names none.yaml cannot be read"],
  [["--text", "car", "--iou", "0.5"], "--iou is for an ONNX file"],
] as const)("%j is refused", async (args, problem) => {
  const { code, stderr } = await cli(["segment", image, ...args, "--model", "nano"]);
  expect(stderr).toContain(problem);
  expect(code).toBe(2);
});

test("a dataset of what it finds: classes by the detector's numbers, and going on needs the same detector", async () => {
  await picture("pictures.png");
  const line = (detector: string): readonly string[] => [
    ...["annotate", at("pictures.png"), "--detector", at(detector), "--out-format", "yolo", "-o", at("dataset")],
    ...["--model", "nano"],
  ];
  expect(await cli(line("missing.onnx"))).toMatchObject({ code: 2, stderr: expect.stringContaining("no such file") });
  const { code, stderr } = await cli(line("yolo.onnx"));
  expect([code, stderr]).toEqual([0, expect.stringContaining("1 picture, 2 objects: ")]);
  const written = (name: string): string => readFileSync(join(at("dataset"), name), "utf8");
  expect(written("data.yaml")).toMatch(/"0": red thing\s+"1": blue thing/);
  const rows = filesIn(join(at("dataset"), "labels")).map((name) => written(join("labels", name)));
  expect(rows.join("").match(/^\d+/gm)?.sort()).toEqual(["0", "1"]);
  const again = await cli(line("yolo.onnx"));
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("1 picture, 2 objects: ")]);
  writeFileSync(at("other.onnx"), blobModel("yolo", { metadata: { ...metadata, names: "{0: 'a', 1: 'b'}" } }));
  expect((await cli(line("other.onnx"))).stderr).toContain("[resume-mismatch]");
});
