/**
 * Detectors of every layout, on models whose boxes follow from the pixels (see blob-models.ts): no trained detector can be
 * had here.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Detection, RawImage } from "@masklet/core";
import { temporaryFolder } from "@masklet/core/node";
import { afterAll, expect, onTestFinished, test } from "vitest";
import {
  type DetectorOptions as AllOptions,
  createOrtBackend,
  type DetectorLayout,
  openDetector,
} from "../src/node.ts";
import { type BlobKind, type BlobSettings, blobModel } from "./blob-models.ts";

type Box = readonly [number, number, number, number];
const red: Box = [20, 12, 60, 40];
const blue: Box = [70, 30, 90, 54];

/** 100 x 60, black, with a red and a blue rectangle; with alpha, which detectors do not see. */
function picture(
  channels: 3 | 4 = 3,
  boxes: readonly (readonly [Box, 0 | 2])[] = [
    [red, 0],
    [blue, 2],
  ],
): RawImage {
  const data = new Uint8Array(100 * 60 * channels);
  for (const [[x0, y0, x1, y1], channel] of boxes) {
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) data[(y * 100 + x) * channels + channel] = 255;
  }
  return { width: 100, height: 60, channels, data };
}

type DetectorOptions = Omit<AllOptions, "backend">;

const backend = await createOrtBackend({ threads: 1 });
afterAll(() => backend.dispose());

async function open(kind: BlobKind, options: DetectorOptions = {}, settings: BlobSettings = {}) {
  return openDetector(blobModel(kind, settings), { backend, ...options });
}

const names = { names: "{0: 'red', 1: 'blue'}", task: "detect", description: "Ultralytics YOLO11n model" };
const labels = ["red", "blue"];

const cases: readonly [BlobKind, DetectorLayout, BlobSettings, DetectorOptions][] = [
  ["yolo", "yolo", { metadata: names }, {}],
  ["yolo", "yolo", {}, { labels }],
  ["yolo", "yolo", { dynamic: true, metadata: { ...names, imgsz: "[64, 64]" } }, {}],
  ["yolo-segment", "yolo", { metadata: { ...names, task: "segment" } }, {}],
  ["yolov5", "yolov5", { metadata: { names: "['red', \"blue\"]", stride: "32" } }, {}],
  ["yolo-end2end", "yolo-end2end", { metadata: names }, {}],
  ["ultralytics-rtdetr", "ultralytics-rtdetr", {}, { labels: [...labels, "none"] }],
  ["rtdetr", "rtdetr", {}, { labels }],
  ["rtdetr", "rtdetr", { dynamic: true }, { labels, imgsz: 64 }],
  ["transformers-rtdetr", "transformers-rtdetr", {}, { labels }],
  ["detr", "detr", {}, { labels }],
  ["detr", "detr", { dynamic: true }, { labels, imgsz: 64 }],
  ["deformable-detr", "deformable-detr", {}, { labels }],
  ["rf-detr", "rf-detr", {}, { labels }],
  ["torchvision", "torchvision", { dynamic: true }, { labels: ["background", ...labels] }],
];

test.each(cases)("%s is recognised as %s (%j, %j)", async (kind, layout, settings, options) => {
  await using detector = await open(kind, options, settings);
  expect(detector.layout).toBe(layout);
  for (const channels of [3, 4] as const) {
    const found = await detector.detect(picture(channels));
    expect(found.map(({ label }) => label).sort()).toEqual(["blue", "red"]);
    for (const { label, box, score } of found) {
      const expected = label === "red" ? red : blue;
      for (const [i, side] of box.entries()) expect(Math.abs(side - (expected[i] as number))).toBeLessThan(1.6);
      // Of logits the score is that of 8.
      expect(score).toBeCloseTo(/detr/.test(kind) && !/^(ultralytics-)?rtdetr$/.test(kind) ? 0.9997 : 0.9, 2);
    }
  }
  expect(await detector.detect(picture(3, [[blue, 2]]))).toMatchObject([{ label: "blue" }]);
  expect(await detector.detect(picture(3, []))).toEqual([]);
});

test("doubles are left out by iou, and classes, conf and maxDet choose", async () => {
  const found = async (options: DetectorOptions) => {
    await using detector = await open("yolo", { labels, ...options });
    return (await detector.detect(picture())).map(({ label, score }) => [label, Number(score.toFixed(2))]);
  };
  expect(await found({ iou: 0.99 })).toEqual([
    ["red", 0.9],
    ["blue", 0.9],
    ["red", 0.72],
  ]);
  expect(await found({ iou: 0.99, conf: 0.8 })).toEqual([
    ["red", 0.9],
    ["blue", 0.9],
  ]);
  expect(await found({ classes: ["blue"] })).toEqual([["blue", 0.9]]);
  expect(await found({ classes: [0], iou: 0.5 })).toEqual([["red", 0.9]]);
  expect(await found({ maxDet: 1 })).toHaveLength(1);
});

test.each(["yolo", "yolov5", "yolo-end2end", "detr", "rf-detr"] as const)("%s in half precision", async (kind) => {
  await using whole = await open(kind, { layout: kind, labels });
  await using halves = await open(kind, { layout: kind, labels }, { dtype: "float16" });
  // Their scores are equal but for rounding.
  const byLabel = (detections: readonly Detection[]) => detections.toSorted((a, b) => (a.label < b.label ? -1 : 1));
  const [expected, found] = [byLabel(await whole.detect(picture())), byLabel(await halves.detect(picture()))];
  expect(found.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
  for (const [i, { box, score }] of found.entries()) {
    for (const [j, edge] of box.entries()) expect(Math.abs(edge - (expected[i]?.box[j] as number))).toBeLessThan(0.3);
    expect(score).toBeCloseTo(expected[i]?.score as number, 2);
  }
});

test("without names classes are numbers", async () => {
  await using detector = await open("yolo");
  expect(detector.labels).toBeUndefined();
  expect((await detector.detect(picture())).map(({ label }) => label).sort()).toEqual(["0", "1"]);
});

test("a letterbox has its image in the middle, whatever its shape", async () => {
  await using detector = await open("yolo", { labels });
  const turned = { width: 30, height: 120, channels: 3, data: new Uint8Array(30 * 120 * 3) } as const;
  for (let y = 80; y < 100; y++) for (let x = 10; x < 30; x++) turned.data[(y * 30 + x) * 3] = 255;
  const [only] = await detector.detect(turned);
  for (const [i, side] of [10, 80, 30, 100].entries())
    expect(Math.abs((only?.box[i] as number) - side)).toBeLessThan(2);
});

test.each([
  ["transformers-rtdetr", {}, ["detr", "transformers-rtdetr"]],
  ["detr", {}, ["detr", "deformable-detr"]],
] as const)("%s without names is ambiguous, and the choices are listed", async (kind, settings, choices) => {
  await expect(open(kind, {}, settings)).rejects.toMatchObject({
    name: "DetectorError",
    code: "layout-ambiguous",
    details: { choices },
  });
  await using detector = await open(kind, { layout: kind }, settings);
  expect((await detector.detect(picture())).map(({ label }) => label).sort()).toEqual(["0", "1"]);
});

test("what may be corners and classes, or centres and two classes, is ambiguous", async () => {
  await expect(open("yolo-end2end")).rejects.toMatchObject({
    code: "layout-ambiguous",
    details: { choices: ["yolo-end2end", "ultralytics-rtdetr"] },
  });
  const description = { task: "detect", description: "Ultralytics RT-DETR-l model" };
  await using detector = await open("yolo-end2end", {}, { metadata: description });
  expect(detector.layout).toBe("ultralytics-rtdetr");
});

test.each([
  [blobModel("yolo"), { layout: "rtdetr" }, "layout-mismatch"],
  [blobModel("yolo"), { labels: ["red"] }, "layout-unknown"],
  [blobModel("yolo"), { layout: "yolo", labels: ["red"] }, "labels-mismatch"],
  [blobModel("yolo", { metadata: { task: "classify" } }), {}, "layout-unknown"],
  [blobModel("yolo", { metadata: { names: "{0: 'a', 2: 'b'}" } }), {}, "model-malformed"],
  [blobModel("yolo"), { imgsz: 640 }, "input-size"],
  [blobModel("yolo", { metadata: names }), { classes: ["green"] }, "no-such-class"],
  [Buffer.from("no model at all"), {}, "compile-failed"],
  [new Uint8Array(0), {}, "compile-failed"],
  [blobModel("yolo"), { conf: 3 }, "bad-option"],
  [blobModel("yolo"), { layout: "yolo9000" as "yolo" }, "bad-option"],
  [blobModel("yolo"), { confidence: 0.3 } as DetectorOptions, "unknown-option"],
] as const)("refused: %#", async (model, options, code) => {
  await expect(openDetector(model, { backend, ...(options as DetectorOptions) })).rejects.toMatchObject({ code });
});

test("a class beyond the names is no guess", async () => {
  await using detector = await open("yolo-end2end", { labels: ["red"], layout: "yolo-end2end" });
  await expect(detector.detect(picture())).rejects.toMatchObject({ code: "labels-mismatch" });
});

test("from a file; aborts; and nothing after dispose", async () => {
  const folder = await temporaryFolder("detector");
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "yolo.onnx");
  writeFileSync(path, blobModel("yolo", { metadata: names }));
  const detector = await openDetector(path, { backend });
  await expect(detector.detect(picture(), { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  expect(await detector.detect(picture())).toHaveLength(2);
  await detector.dispose();
  await detector.dispose();
  await expect(detector.detect(picture())).rejects.toMatchObject({ code: "disposed" });
  await expect(openDetector(join(folder, "none.onnx"), { backend })).rejects.toMatchObject({ code: "not-found" });
});
