import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { RawImage, Size } from "./image.ts";
import { resizeAntialiased, resizeBicubic, resizeBilinear, resizeImageAntialiased } from "./resize.ts";

interface Case {
  readonly from: Size;
  readonly to: Size;
  readonly antialiased: readonly number[];
  readonly bilinear: readonly number[];
  readonly bicubic: readonly number[];
}
const { cases } = JSON.parse(readFileSync(new URL("./resize.goldens.json", import.meta.url), "utf8")) as {
  readonly cases: readonly Case[];
};

/** The goldens' source pixels. */
function noise({ width, height }: Size): RawImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
  return { width, height, channels: 3, data };
}

function withAlpha({ width, height, data }: RawImage): RawImage {
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < rgba.length; i++) rgba[i] = i % 4 === 3 ? i : (data[Math.floor(i / 4) * 3 + (i % 4)] as number);
  return { width, height, channels: 4, data: rgba };
}

function maxDifference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  expect(ours.length).toBe(theirs.length);
  let max = 0;
  for (let i = 0; i < theirs.length; i++) max = Math.max(max, Math.abs((ours[i] as number) - (theirs[i] as number)));
  return max;
}

describe.each(cases)("$from.width x $from.height to $to.width x $to.height", ({ from, to, ...expected }) => {
  const source = noise(from);

  test("antialiased is torch's, alpha ignored", () => {
    const ours = resizeImageAntialiased(source, to);
    expect(
      maxDifference(
        ours.map((v) => v / 255),
        expected.antialiased,
      ),
    ).toBeLessThan(3e-7);
    expect(resizeImageAntialiased(withAlpha(source), to)).toEqual(ours);
  });

  test("a plane is resized as a channel of an image", () => {
    const red = Float32Array.from({ length: from.width * from.height }, (_, i) => source.data[i * 3] as number);
    const rgb = resizeImageAntialiased(source, to);
    const ours = resizeAntialiased(red, from, to);
    expect(
      maxDifference(
        ours,
        rgb.filter((_, i) => i % 3 === 0),
      ),
    ).toBeLessThan(1e-4);
  });

  test("bilinear is torch's", () => {
    const red = Float32Array.from({ length: from.width * from.height }, (_, i) => (source.data[i * 3] as number) / 255);
    expect(maxDifference(resizeBilinear(red, from, to), expected.bilinear)).toBeLessThan(2e-7);
  });

  test("8-bit bicubic is Pillow's, bit by bit", () => {
    expect([...resizeBicubic(source, to).data]).toEqual(expected.bicubic);
    expect(resizeBicubic(withAlpha(source), to)).toEqual(resizeBicubic(source, to));
  });
});

test("the same size gives the same pixels", () => {
  const size = { width: 9, height: 4 };
  const source = noise(size);
  const plane = Float32Array.from(source.data.subarray(0, 36));
  expect([...resizeImageAntialiased(source, size)]).toEqual([...source.data]);
  expect(resizeBicubic(source, size)).toEqual(source);
  expect(resizeAntialiased(plane, size, size)).toEqual(plane);
  expect(resizeBilinear(plane, size, size)).toEqual(plane);
});

test("a constant stays constant at any size", () => {
  for (const to of [
    { width: 1, height: 1 },
    { width: 31, height: 7 },
    { width: 1000, height: 3 },
  ]) {
    const from = { width: 17, height: 23 };
    const image: RawImage = { ...from, channels: 3, data: new Uint8Array(17 * 23 * 3).fill(201) };
    expect(resizeBicubic(image, to).data.every((v) => v === 201)).toBe(true);
    expect(
      maxDifference(resizeImageAntialiased(image, to), new Float32Array(to.width * to.height * 3).fill(201)),
    ).toBeLessThan(1e-4);
    const plane = new Float32Array(17 * 23).fill(-7.25);
    expect(resizeBilinear(plane, from, to).every((v) => v === -7.25)).toBe(true);
  }
});

test("a mask prompt shrinks by averaging", () => {
  // 4 -> 2 with a triangle two inputs wide to each side: (3, 3, 1) / 7 at the left end.
  const out = resizeAntialiased(Float32Array.of(1, 0, 0, 0), { width: 4, height: 1 }, { width: 2, height: 1 });
  expect(out[0]).toBeCloseTo(3 / 7, 6);
  expect(out[1]).toBe(0);
});

test("sizes are checked", () => {
  const plane = new Float32Array(4);
  const size = { width: 2, height: 2 };
  expect(() => resizeBilinear(plane, size, { width: 0, height: 2 })).toThrow(/positive integers, got 0x2/);
  expect(() => resizeAntialiased(plane, { width: 1.5, height: 2 }, size)).toThrow(/got 1.5x2/);
});
