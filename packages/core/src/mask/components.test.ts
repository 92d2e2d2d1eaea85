import { describe, expect, test } from "vitest";
import type { Size } from "../image/image.ts";
import {
  fillHoles,
  fillMaskHoles,
  labelComponents,
  removeMaskSpecks,
  removeSmallRegions,
  splitMask,
} from "./components.ts";
import type { Mask } from "./mask.ts";
import { maskRegions, rasterise } from "./polygon.ts";
import { draw, randomMask, randomNumbers, samples } from "./samples.ts";

/** The slow definition: flood fill over the eight neighbours, in reading order. */
function floodLabels({ width, height, data }: Mask): Int32Array {
  const labels = new Int32Array(data.length);
  let next = 0;
  for (let start = 0; start < data.length; start++) {
    if (data[start] === 0 || labels[start] !== 0) continue;
    next++;
    const stack = [start];
    labels[start] = next;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const x = at % width;
      const y = (at - x) / width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const n = ny * width + nx;
          if (data[n] === 0 || labels[n] !== 0) continue;
          labels[n] = next;
          stack.push(n);
        }
      }
    }
  }
  return labels;
}

const many = Array.from(
  { length: 60 },
  (_, i) => [`random ${i}`, randomMask(31, 19, (i % 10) / 10 + 0.05, 31 * i)] as const,
);

test.each([...samples, ...many])("labels of %s are flood fill's", (_, mask) => {
  const { labels, areas } = labelComponents(mask);
  expect(labels).toEqual(floodLabels(mask));
  const counted = new Int32Array(areas.length);
  for (const label of labels) counted[label] = (counted[label] as number) + 1;
  expect(areas).toEqual(counted);
});

const sizeOf = ({ width, height }: Size): Size => ({ width, height });

describe("small regions", () => {
  const logits = (mask: Mask): Float32Array => Float32Array.from(mask.data, (v) => (v === 1 ? 3 : -3));
  const shape = draw(
    "#.......", // a speck of 1
    "..#####.",
    "..#.#.#.", // holes of 1 and 1
    "..#####.",
    "......##", // joined through a corner
    "........",
  );

  test("fills small holes, drops small specks, and leaves the rest alone", () => {
    const out = removeSmallRegions(logits(shape), { ...sizeOf(shape), maxHoleArea: 1, maxSpeckArea: 1 });
    expect(out[0]).toBe(-10);
    expect([out[2 * 8 + 3], out[2 * 8 + 5]]).toEqual([10, 10]);
    const touched = [0, 2 * 8 + 3, 2 * 8 + 5];
    expect([...out].every((v, i) => touched.includes(i) || v === logits(shape)[i])).toBe(true);
  });

  test("0 turns either off", () => {
    expect(removeSmallRegions(logits(shape), sizeOf(shape))).toEqual(logits(shape));
    expect(removeSmallRegions(logits(shape), { ...sizeOf(shape), maxSpeckArea: 1 })[2 * 8 + 3]).toBe(-3);
    expect(removeSmallRegions(logits(shape), { ...sizeOf(shape), maxHoleArea: 1 })[0]).toBe(3);
  });

  test("both are found in the mask as it came", () => {
    // The ring has 8 pixels and a hole of 1. Filled first it would have 9 and stay.
    const ring = draw(".....", ".###.", ".#.#.", ".###.", ".....");
    const out = removeSmallRegions(logits(ring), { ...sizeOf(ring), maxHoleArea: 1, maxSpeckArea: 8 });
    expect(out[12]).toBe(10);
    expect([...out].filter((v) => v === -10)).toHaveLength(8);
  });

  test("regions at the border count, a logit of exactly the threshold is background", () => {
    const out = removeSmallRegions(Float32Array.of(2, 5, 9), { width: 3, height: 1, maxHoleArea: 1, threshold: 2 });
    expect([...out]).toEqual([12, 5, 9]);
  });

  test("fillHoles sets 0.1, 8 pixels and less", () => {
    const next = randomNumbers(5);
    const plate = new Float32Array(20 * 20).map(() => 1 + next());
    for (let i = 0; i < 8; i++) plate[3 * 20 + 3 + i] = 0;
    for (let i = 0; i < 9; i++) plate[9 * 20 + 3 + i] = -1;
    const out = fillHoles(plate, { width: 20, height: 20 });
    expect(out[3 * 20 + 3]).toBe(Math.fround(0.1));
    expect(out[9 * 20 + 3]).toBe(-1);
    expect([...out].filter((v, i) => v !== plate[i])).toHaveLength(8);
  });

  test("sizes must fit", () => {
    expect(() => fillHoles(new Float32Array(7), { width: 2, height: 4 })).toThrow(/has 8 pixels, data has 7/);
  });
});

describe("editing a mask by its regions", () => {
  test.each(samples)("%s: holes filled are the outlines filled, and no hole is left", (_, mask) => {
    const filled = fillMaskHoles(mask);
    // What lies in a hole is covered by the outline around it.
    const outlines = maskRegions(mask).map(({ outline }) => rasterise([outline], mask).data);
    expect(filled.data).toEqual(mask.data.map((_, i) => Number(outlines.some((data) => data[i] === 1))));
    expect(maskRegions(filled).flatMap(({ holes }) => holes)).toEqual([]);
  });

  test("only holes up to the size that is asked for are filled", () => {
    const mask = draw("#######", "#..#.##", "#######");
    expect(fillMaskHoles(mask, { maxArea: 1 })).toEqual(draw("#######", "#..####", "#######"));
  });

  test("specks go up to the size that is asked for, and otherwise all but the largest part", () => {
    const mask = draw("##..#", "....#", "#...#");
    expect(removeMaskSpecks(mask)).toEqual(draw("....#", "....#", "....#"));
    expect(removeMaskSpecks(mask, { maxArea: 1 })).toEqual(draw("##..#", "....#", "....#"));
    expect(removeMaskSpecks(draw("#.#"))).toEqual(draw("#.."));
  });

  test("parts are split, the largest first, and make up the mask together", () => {
    const mask = draw("##..#", "....#", "#...#");
    expect(splitMask(mask)).toEqual([
      draw("....#", "....#", "....#"),
      draw("##...", ".....", "....."),
      draw(".....", ".....", "#...."),
    ]);
    expect(splitMask(draw("..."))).toEqual([]);
  });

  test("sizes of regions are checked, and options known by name", () => {
    expect(() => fillMaskHoles(draw("#"), { maxArea: -1 })).toThrow(expect.objectContaining({ code: "bad-option" }));
    expect(() => removeMaskSpecks(draw("#"), { area: 1 } as object)).toThrow(/there is no option area/);
  });
});
