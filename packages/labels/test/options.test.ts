import { bytesSource, encodeRle } from "@masklet/core";
import { called, testOptions, wrong } from "@masklet/core/test/options-suite";
import * as labels from "@masklet/labels";
import { describe, expect, test } from "vitest";

const none = new Uint8Array();
const rle = encodeRle({ width: 1, height: 1, data: new Uint8Array(1) });
const empty: labels.Dataset = { categories: [], images: [] };

testOptions([new URL("../etc/index.api.md", import.meta.url)], {
  "CocoFile.open": () => labels.CocoFile.open(bytesSource(none), wrong),
  editCvat: () => called(labels.editCvat, none, {}),
  editLabelMe: () => called(labels.editLabelMe, none, {}),
  editLabelStudio: () => called(labels.editLabelStudio, none, { task: 0 }),
  editYolo: () => called(labels.editYolo, none, {}),
  evaluateDataset: () => labels.evaluateDataset(empty, empty, wrong),
  outlinesOf: () => called(labels.outlinesOf, { kind: "mask", rle }, rle),
  readLabels: () => labels.readLabels(labels.filesOf({}), wrong),
  traceRegions: () => called(labels.traceRegions, rle),
  writeLabels: () => labels.writeLabels(empty, "coco", wrong),
});

describe("formats", () => {
  test.each(labels.writeFormats)("%s", (format) => {
    const write = (options: object): unknown => labels.writeLabels(empty, format, options);
    expect(() => write(wrong)).toThrow(expect.objectContaining({ code: "unknown-option" }));
  });

  test.each([
    ["coco", { segmentation: "polygons" }],
    ["cvat-images", { shapes: "mask" }],
    ["labelme", { shapes: "rle" }],
    ["yolo", { task: "segmentation" }],
    ["yolo", { parts: "all" }],
  ] as const)("%s with %o", (format, options) => {
    const write = (): unknown => labels.writeLabels(empty, format, options as object);
    expect(write).toThrow(expect.objectContaining({ code: "bad-option" }));
  });

  test("that there are not", async () => {
    expect(() => labels.writeLabels(empty, "cocco" as "coco")).toThrow(
      expect.objectContaining({ code: "bad-option", details: expect.objectContaining({ option: "format" }) }),
    );
    for (const options of [{ format: "yolov8" }, { problems: "ignore" }]) {
      await expect(labels.readLabels(labels.filesOf({}), options as object)).rejects.toMatchObject({
        code: "bad-option",
      });
    }
  });

  test("edits that are misspelt", async () => {
    await expect(labels.editLabelMe(none, { removed: new Set([1]) } as object)).rejects.toMatchObject({
      code: "unknown-option",
      details: { suggestion: "remove" },
    });
  });
});
