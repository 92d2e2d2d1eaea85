import { describe, expect, test } from "vitest";
import type { RawImage, Rgb } from "../image/image.ts";
import type { Mask } from "./mask.ts";
import { overlay } from "./overlay.ts";
import { paletteColour } from "./palette.ts";
import { draw } from "./samples.ts";

const size = 60;
const grey: RawImage = { width: size, height: size, channels: 3, data: new Uint8Array(size * size * 3).fill(100) };
const square: Mask = {
  width: size,
  height: size,
  data: Uint8Array.from({ length: size * size }, (_, i) => {
    const x = i % size;
    const y = Math.floor(i / size);
    return x >= 15 && x < 45 && y >= 15 && y < 45 ? 1 : 0;
  }),
};
const red: Rgb = [255, 0, 0];
const pixel = ({ data, channels }: RawImage, x: number, y: number): number[] => [
  ...data.subarray((y * size + x) * channels, (y * size + x + 1) * channels),
];

test("tints inside, outlines the edge, leaves the rest", () => {
  const out = overlay(grey, [{ mask: square, colour: red }], { fill: 0.5, outline: 4 });
  expect(pixel(out, 30, 30)).toEqual([178, 50, 50]);
  for (const x of [14, 15, 44, 45]) expect(pixel(out, x, 30)).toEqual([255, 0, 0]);
  expect(pixel(out, 5, 30)).toEqual([100, 100, 100]);
  expect(pixel(out, 30, 58)).toEqual([100, 100, 100]);
  expect(grey.data.every((v) => v === 100)).toBe(true);
});

test("the outline is as wide as asked", () => {
  for (const outline of [1, 2, 4, 9]) {
    const out = overlay(grey, [{ mask: square, colour: red }], { fill: 0, outline });
    let covered = 0;
    for (let x = 0; x < 30; x++) covered += ((pixel(out, x, 30)[0] as number) - 100) / 155;
    expect(covered).toBeCloseTo(outline, 0.7);
  }
});

test("no outline, no fill, no object: no change", () => {
  expect(overlay(grey, [{ mask: square }], { fill: 0, outline: 0 })).toEqual(grey);
  expect(overlay(grey, [{ mask: { ...square, data: new Uint8Array(size * size) } }])).toEqual(grey);
  expect(overlay(grey, [])).toEqual(grey);
});

test("later objects lie on top; colours come from the palette", () => {
  const out = overlay(grey, [{ mask: square }, { mask: square }], { fill: 1, outline: 0 });
  expect(pixel(out, 30, 30)).toEqual([...paletteColour(1)]);
});

test("transparent ground becomes visible where it is painted", () => {
  const clear: RawImage = { width: size, height: size, channels: 4, data: new Uint8ClampedArray(size * size * 4) };
  const out = overlay(clear, [{ mask: square, colour: red }], { fill: 1 });
  expect(pixel(out, 30, 30)).toEqual([255, 0, 0, 255]);
  expect(pixel(out, 2, 2)).toEqual([0, 0, 0, 0]);
});

describe("what does not fit is refused", () => {
  test.each([{ fill: 1.1 }, { fill: Number.NaN }, { outline: -1 }, { outline: 1e6 }])("%o", (options) => {
    expect(() => overlay(grey, [], options)).toThrow(expect.objectContaining({ code: "overlay-option" }));
  });
  test("a mask of another size", () => {
    expect(() => overlay(grey, [{ mask: draw("#") }])).toThrow(expect.objectContaining({ code: "mask-size-mismatch" }));
  });
});

test("sixty palette colours are all different", () => {
  expect(new Set(Array.from({ length: 60 }, (_, i) => paletteColour(i).join())).size).toBe(60);
});
