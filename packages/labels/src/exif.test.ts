import { encodeRle, encodeUtf8 } from "@masklet/core";
import {
  exifOrientation,
  filesOf,
  fillRegions,
  labelPixels,
  type Orientation,
  readLabels,
  shapeMask,
  traceRegions,
  turnedBack,
  turnObject,
  turnSize,
} from "@masklet/labels";
import { expect, test } from "vitest";
import { random, randomMask } from "../test/random.ts";

const orientations = [1, 2, 3, 4, 5, 6, 7, 8] as const;

test.each(orientations)("orientation %i: masks, outlines, boxes and keypoints turn alike, and back", (orientation) => {
  const next = random(orientation);
  for (let i = 0; i < 20; i++) {
    const mask = randomMask(next, 13, 9);
    const rle = encodeRle(mask);
    const turned = turnSize(mask, orientation);
    const object = {
      shape: { kind: "mask", rle } as const,
      box: { x: 1, y: 2, width: 3, height: 4 },
      keypoints: [1, 2, 2, 0, 0, 0],
    };
    const there = turnObject(object, mask, orientation);
    for (const fill of ["cracks", "centres"] as const) {
      const regions = traceRegions(rle, { fill });
      const filled = fillRegions(regions, mask, fill);
      const outlines = turnObject({ shape: { kind: "polygons", regions, fill } }, mask, orientation);
      const whole = turnObject({ shape: { kind: "mask", rle: filled } }, mask, orientation);
      expect(shapeMask(outlines.shape, turned)).toEqual(shapeMask(whole.shape, turned));
    }
    expect(turnObject(there, turned, turnedBack(orientation))).toEqual(object);
  }
});

test("upright is where EXIF says: 6 is turned clockwise by a quarter", () => {
  // The left top pixel as stored becomes the right top one.
  const stored = { kind: "mask", rle: { size: [2, 3], counts: [0, 1, 5] } } as const;
  expect(turnObject({ shape: stored }, { width: 3, height: 2 }, 6).shape).toEqual({
    kind: "mask",
    rle: { size: [3, 2], counts: [3, 1, 2] },
  });
});

test("the labels' size tells of which pixels they are", () => {
  const stored = { width: 40, height: 30 };
  const other = { width: 30, height: 40 };
  expect(labelPixels(stored, stored, 1)).toBe("same");
  expect(labelPixels(stored, stored, 6)).toBe("stored");
  expect(labelPixels(other, stored, 6)).toBe("upright");
  expect(labelPixels(stored, stored, 3)).toBe("unknown");
  expect(labelPixels({ width: 9, height: 9 }, { width: 9, height: 9 }, 8)).toBe("unknown");
  expect(labelPixels({ width: 9, height: 9 }, stored, 8)).toBe("neither");
});

/** The beginning of a JPEG with an orientation. */
function jpeg(little: boolean, value: number): Uint8Array {
  const bytes = new Uint8Array(2 + 4 + 6 + 8 + 2 + 12 + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xffd8);
  view.setUint16(2, 0xffe1);
  view.setUint16(4, bytes.length - 4);
  view.setUint32(6, 0x45786966);
  view.setUint16(12, little ? 0x4949 : 0x4d4d);
  view.setUint16(14, 42, little);
  view.setUint32(16, 8, little);
  view.setUint16(20, 1, little);
  view.setUint16(22, 0x0112, little);
  view.setUint16(24, 3, little);
  view.setUint32(26, 1, little);
  view.setUint16(30, value, little);
  return bytes;
}

test("EXIF's orientation from a JPEG of either byte order, and none from what has none", () => {
  for (const little of [true, false]) {
    for (const orientation of orientations) expect(exifOrientation(jpeg(little, orientation))).toBe(orientation);
    expect(exifOrientation(jpeg(little, 9))).toBe(1);
  }
  const whole = jpeg(true, 6);
  for (let length = 0; length < whole.length; length++) expect(exifOrientation(whole.subarray(0, length))).toBe(1);
  expect(() =>
    turnObject({ shape: { kind: "points", points: [], line: false } }, { width: 1, height: 1 }, 9 as Orientation),
  ).toThrow(expect.objectContaining({ code: "label-option" }));
});

test("YOLO's fractions are of the picture as one sees it", async () => {
  const frame = Uint8Array.of(0xff, 0xc0, 0, 11, 8, 0, 30, 0, 40, 1, 1, 0x11, 0);
  for (const [orientation, size] of [
    [1, { width: 40, height: 30 }],
    [6, { width: 30, height: 40 }],
  ] as const) {
    const files = filesOf({
      "data.yaml": encodeUtf8("names: [cat]\n"),
      "images/a.jpg": Uint8Array.of(...jpeg(true, orientation), ...frame),
      "labels/a.txt": encodeUtf8("0 0.5 0.5 1 1\n"),
    });
    const { dataset } = await readLabels(files);
    expect(dataset.images).toMatchObject([{ ...size, objects: [{ shape: { box: { x: 0, y: 0, ...size } } }] }]);
  }
});
