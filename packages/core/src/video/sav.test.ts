import { describe, expect, test } from "vitest";
import type { Mask } from "../mask/mask.ts";
import { draw } from "../mask/samples.ts";
import { MaskletRecorder, parseSav, type SavAnnotation, savFrames } from "./sav.ts";

const big = draw("....", ".##.", ".##.");
const small = draw("....", "...#", "....");
const none = draw("....", "....", "....");
const size = { width: 4, height: 3 };
const frames: readonly (readonly [frame: number, masks: Readonly<Record<number, Mask>>])[] = [
  [3, { 5: big, 2: none }], // they come backwards
  [2, { 5: none, 2: small }],
  [1, { 5: small }],
  [0, { 5: none }],
];
const recorder = (): MaskletRecorder => {
  const masklets = new MaskletRecorder(size);
  for (const [frame, masks] of frames) {
    // Ids in an object literal come in their own order.
    masklets.add({
      frame,
      objects: Object.entries(masks)
        .map(([id, mask]) => ({ id: Number(id), mask }))
        .reverse(),
    });
  }
  return masklets;
};
const options = { videoId: "clip", frameCount: 5, duration: 2.5 };

test("what is written is SA-V's, field by field", () => {
  const rle = (counts: string) => ({ size: [3, 4], counts });
  const [no, bigRle, smallRle] = [rle("<"), rle("42102"), rle(":11")];
  expect(recorder().annotation({ ...options, edited: new Map([[5, 2]]) })).toEqual({
    video_id: "clip",
    video_duration: 2.5,
    video_frame_count: 5,
    video_height: 3,
    video_width: 4,
    video_resolution: 12,
    masklet: [
      [no, null],
      [smallRle, null],
      [no, smallRle],
      [bigRle, no],
      [null, null],
    ].map(([a, b]) => [a, b]),
    masklet_id: [5, 2],
    masklet_size_rel: [2.5 / 12, 1 / 12],
    masklet_size_abs: [2.5, 1],
    masklet_size_bucket: ["small", "small"],
    masklet_visibility_changes: [2, 1],
    masklet_first_appeared_frame: [1, 2],
    masklet_frame_count: [4, 2],
    masklet_edited_frame_count: [2, 0],
    masklet_type: ["manual", "auto"],
    masklet_stability_score: [null, null],
    masklet_num: 2,
  });
});

test("masks come back through JSON, and make the same file again", () => {
  const annotation = recorder().annotation(options);
  const read = [...savFrames(JSON.parse(JSON.stringify(annotation)))];
  expect(read.map(({ frame }) => frame)).toEqual([0, 1, 2, 3, 4]);
  for (const [frame, masks] of frames) {
    expect(Object.fromEntries(read[frame]?.objects.map(({ id, mask }) => [id, mask]) ?? [])).toEqual(masks);
  }
  expect(read[4]?.objects).toEqual([]);
  const again = new MaskletRecorder(size);
  for (const frame of read) again.add(frame);
  expect(again.annotation(options)).toEqual(annotation);
});

test("every so many frames, as SA-V annotates", () => {
  const masklets = new MaskletRecorder(size, { every: 4 });
  for (let frame = 0; frame < 10; frame++) masklets.add({ frame, objects: [{ id: 1, mask: frame < 8 ? none : big }] });
  const annotation = masklets.annotation({ ...options, frameCount: 10 });
  expect(annotation.masklet).toHaveLength(3);
  expect(annotation.masklet_first_appeared_frame).toEqual([2]);
  expect([...savFrames(annotation, { every: 4 })].map(({ frame }) => frame)).toEqual([0, 4, 8]);
});

test("an object that is never seen, and no object at all", () => {
  const masklets = new MaskletRecorder(size);
  expect(masklets.annotation({ ...options, frameCount: 1 })).toMatchObject({ masklet: [[]], masklet_num: 0 });
  masklets.add({ frame: 0, objects: [{ id: 1, mask: none }] });
  expect(masklets.annotation(options)).toMatchObject({
    masklet_size_abs: [0],
    masklet_visibility_changes: [0],
    masklet_first_appeared_frame: [-1],
    masklet_frame_count: [1],
  });
});

test("sizes are counted by area", () => {
  const square = (side: number): Mask => ({
    width: 100,
    height: 100,
    data: Uint8Array.from({ length: 10_000 }, (_, i) => (i % 100 < side && i < side * 100 ? 1 : 0)),
  });
  const masklets = new MaskletRecorder({ width: 100, height: 100 });
  masklets.add({ frame: 0, objects: [31, 32, 95, 96].map((side) => ({ id: side, mask: square(side) })) });
  expect(masklets.annotation(options).masklet_size_bucket).toEqual(["small", "medium", "medium", "large"]);
});

describe("what makes no sense is a typed error", () => {
  test.each([
    ["frame", -1],
    ["frame", 0.5],
  ])("%s %f", (option, value) => {
    expect(() => recorder().add({ frame: value, objects: [] })).toThrow(
      expect.objectContaining({ code: "sav-option", details: { option, value } }),
    );
  });

  test("fewer frames than recorded, no step, another size", () => {
    expect(() => recorder().annotation({ ...options, frameCount: 3 })).toThrow(
      expect.objectContaining({ code: "sav-option", details: { option: "frameCount", value: 3 } }),
    );
    expect(() => new MaskletRecorder(size, { every: 0 })).toThrow(expect.objectContaining({ code: "sav-option" }));
    const masklets = recorder();
    const before = masklets.annotation(options);
    expect(() =>
      masklets.add({
        frame: 0,
        objects: [
          { id: 5, mask: big },
          { id: 6, mask: draw("#") },
        ],
      }),
    ).toThrow(expect.objectContaining({ code: "mask-size-mismatch" }));
    expect(masklets.annotation(options)).toEqual(before);
  });

  const good = recorder().annotation(options);
  test.each<[string, Partial<Record<keyof SavAnnotation, unknown>> | null]>([
    ["it", null],
    ["video_width", { ...good, video_width: 0 }],
    ["masklet_id", { ...good, masklet_id: [1, 1] }],
    ["masklet", { ...good, masklet: "none" }],
    ["masklet[0]", { ...good, masklet: [[null]] }],
    ["masklet[0][1]", { ...good, masklet: [[null, { size: [4, 3], counts: "<" }]] }],
    ["masklet[0][0]", { ...good, masklet: [[{ size: [3, 4], counts: [12] }, null]] }],
  ])("%s", (field, json) => {
    expect(() => parseSav(json)).toThrow(
      expect.objectContaining({
        code: "sav-malformed",
        message: expect.stringContaining(`SA-V annotation: ${field} should be`),
      }),
    );
  });

  test("run lengths that break are found when they are decoded", () => {
    const [first] = savFrames({ ...good, masklet: [[{ size: [3, 4], counts: "<" }, null]] });
    expect(first?.objects).toEqual([{ id: 5, mask: none }]);
    expect(() => [...savFrames({ ...good, masklet: [[{ size: [3, 4], counts: "\n" }, null]] })]).toThrow(
      expect.objectContaining({ code: "rle-string" }),
    );
  });
});

test("hours of frames", () => {
  const masklets = new MaskletRecorder({ width: 1, height: 1 });
  const frameCount = 150_000; // more than a call takes arguments
  const objects = [{ id: 1, mask: { width: 1, height: 1, data: new Uint8Array([1]) } }];
  for (let frame = 0; frame < frameCount; frame++) masklets.add({ frame, objects });
  expect(masklets.annotation({ ...options, frameCount }).masklet_frame_count).toEqual([frameCount]);
});
