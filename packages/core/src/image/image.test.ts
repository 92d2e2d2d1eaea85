import { describe, expect, test } from "vitest";
import { checkImage, flatten, type RawImage } from "./image.ts";
import { imageNet, preprocessFrame, preprocessImage } from "./preprocess.ts";

const pixels = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37) % 256);

describe("checkImage", () => {
  const good: RawImage = { width: 2, height: 3, channels: 3, data: pixels(18) };
  test("takes images, plain and clamped", () => {
    checkImage("test", good);
    checkImage("test", { width: 2, height: 3, channels: 4, data: new Uint8ClampedArray(24) });
    checkImage("test", { width: 1, height: 5000, channels: 3, data: pixels(15000) });
  });
  test.each([
    [{ ...good, width: 0 }, {}, "image-size"],
    [{ ...good, width: Number.NaN }, {}, "image-size"],
    [{ ...good, height: -3 }, {}, "image-size"],
    [{ ...good, height: 2.5 }, {}, "image-size"],
    [{ ...good, width: 30000, height: 30000 }, {}, "image-too-large"],
    [good, { maxPixels: 5 }, "image-too-large"],
    [{ ...good, channels: 1 as unknown as 3 }, {}, "image-channels"],
    [{ ...good, channels: 4 as const }, {}, "image-data-length"],
    [{ ...good, data: [...good.data] as unknown as Uint8Array }, {}, "image-data"],
  ] as const)("%#: refuses with its code", (image, limits, code) => {
    expect(() => checkImage("test", image, limits)).toThrow(expect.objectContaining({ code, name: "ImageError" }));
  });
});

test("flatten composes over the background", () => {
  const image: RawImage = {
    width: 3,
    height: 1,
    channels: 4,
    data: Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 128),
  };
  expect([...flatten(image).data]).toEqual([10, 20, 30, 255, 255, 255, 127, 177, 255]);
  expect([...flatten(image, [0, 0, 0]).data.subarray(3, 6)]).toEqual([0, 0, 0]);
  const rgb: RawImage = { width: 1, height: 1, channels: 3, data: pixels(3) };
  expect(flatten(rgb)).toBe(rgb);
});

describe("preprocessing", () => {
  const image: RawImage = { width: 4, height: 4, channels: 3, data: pixels(48) };
  const normalised = [...image.data].map(
    (v, i) => (v / 255 - (imageNet.mean[i % 3] as number)) / (imageNet.std[i % 3] as number),
  );

  test.each([preprocessImage, preprocessFrame])(
    "%o is channels-last, normalised by ImageNet's colours",
    (preprocess) => {
      const { dims, data } = preprocess(image, 4);
      expect(dims).toEqual([1, 4, 4, 3]);
      expect(data).toHaveLength(48);
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(normalised[i] as number, 5);
    },
  );

  test.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
  ])("takes %i x %i", (width, height) => {
    const grey = { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(128) } as const;
    for (const { data } of [preprocessImage(grey, 16), preprocessFrame(grey, 16)]) {
      for (let i = 0; i < 3; i++) {
        const expected = (128 / 255 - (imageNet.mean[i] as number)) / (imageNet.std[i] as number);
        expect(data.filter((_, k) => k % 3 === i).every((v) => Math.abs(v - expected) < 1e-5)).toBe(true);
      }
    }
  });
});
