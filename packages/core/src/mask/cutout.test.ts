import { describe, expect, test } from "vitest";
import type { RawImage } from "../image/image.ts";
import { cutout } from "./cutout.ts";
import { draw } from "./samples.ts";

const mask = draw(".......", "..##...", "..###..", ".......", ".......");
const image: RawImage = {
  width: 7,
  height: 5,
  channels: 3,
  data: Uint8Array.from({ length: 7 * 5 * 3 }, (_, i) => 1 + (i % 200)),
};
const alphas = ({ data }: RawImage): number[] => [...data].filter((_, i) => i % 4 === 3);

test("keeps the object's pixels and nothing else", () => {
  const out = cutout(image, mask);
  expect([out.width, out.height, out.channels, out.x, out.y]).toEqual([7, 5, 4, 0, 0]);
  expect(alphas(out)).toEqual([...mask.data].map((v) => v * 255));
  for (let i = 0; i < mask.data.length; i++) {
    const colours = [...out.data.subarray(i * 4, i * 4 + 3)];
    expect(colours).toEqual(mask.data[i] === 1 ? [...image.data.subarray(i * 3, i * 3 + 3)] : [0, 0, 0]);
  }
});

describe("cropped", () => {
  test("to the object", () => {
    const out = cutout(image, mask, { crop: true });
    expect([out.x, out.y, out.width, out.height]).toEqual([2, 1, 3, 2]);
    expect(alphas(out)).toEqual([255, 255, 0, 255, 255, 255]);
    expect([...out.data.subarray(0, 3)]).toEqual([...image.data.subarray((7 + 2) * 3, (7 + 2) * 3 + 3)]);
  });
  test("with padding, transparent beyond the image", () => {
    const out = cutout(image, mask, { crop: true, padding: 3 });
    expect([out.x, out.y, out.width, out.height]).toEqual([-1, -2, 9, 8]);
    expect(alphas(out).filter((a) => a === 255)).toHaveLength(5);
    expect(alphas(out)[3 * 9 + 3]).toBe(255);
  });
  test("an empty mask has nothing to crop to", () => {
    const empty = { ...mask, data: new Uint8Array(35) };
    expect(() => cutout(image, empty, { crop: true })).toThrow(expect.objectContaining({ code: "empty-mask" }));
    expect(alphas(cutout(image, empty)).every((a) => a === 0)).toBe(true);
  });
});

describe("feathered", () => {
  // The left half of a wide picture: the edge is between columns 19 and 20.
  const half = draw(...Array.from({ length: 9 }, () => "#".repeat(20) + ".".repeat(20)));
  const wide: RawImage = { width: 40, height: 9, channels: 3, data: new Uint8Array(40 * 9 * 3).fill(90) };

  test("alpha falls across the edge, evenly to both sides, and not at the image's border", () => {
    const row = alphas(cutout(wide, half, { feather: 5 })).slice(4 * 40, 5 * 40);
    expect(row.slice(0, 15)).toEqual(new Array(15).fill(255));
    expect(row.slice(25)).toEqual(new Array(15).fill(0));
    for (let x = 15; x < 25; x++) {
      expect(row[x]).toBeLessThanOrEqual(row[x - 1] as number);
      expect((row[x] as number) + (row[39 - x] as number)).toBeCloseTo(255, -0.5);
    }
    expect(row[19]).toBeGreaterThan(128);
    expect(row[19]).toBeLessThan(200);
  });
  test("a crop makes room for it", () => {
    const out = cutout(image, mask, { crop: true, feather: 1.5 });
    expect([out.x, out.y, out.width, out.height]).toEqual([0, -1, 7, 6]);
  });
});

test("the image's own alpha stays", () => {
  const data = new Uint8Array(7 * 5 * 4).fill(100);
  expect(Math.max(...alphas(cutout({ width: 7, height: 5, channels: 4, data }, mask)))).toBe(100);
});

test("what does not fit is refused", () => {
  expect(() => cutout(image, draw("#"))).toThrow(expect.objectContaining({ code: "mask-size-mismatch" }));
  for (const options of [{ feather: -1 }, { padding: Number.NaN }, { padding: 1e9 }]) {
    expect(() => cutout(image, mask, options)).toThrow(expect.objectContaining({ code: "cutout-option" }));
  }
});
