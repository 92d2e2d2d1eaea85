import { expect, test } from "vitest";
import { growMask, smoothMask } from "./morphology.ts";
import { draw, randomMask, samples } from "./samples.ts";

test("grows and shrinks by a disk, and the image's border wears nothing away", () => {
  const dot = draw(".....", ".....", "..#..", ".....", ".....");
  const disk = draw("..#..", ".###.", "#####", ".###.", "..#..");
  expect(growMask(dot, 2)).toEqual(disk);
  expect(growMask(disk, -2)).toEqual(dot);
  expect(growMask(draw("###.", "###.", "...."), -1)).toEqual(draw("##..", "....", "...."));
});

test.each(samples)("%s: shrinking is growing what is outside, by every distance in pixels", (_, mask) => {
  const { width } = mask;
  for (const pixels of [0, 1, 3]) {
    const near = (wanted: number, at: number): boolean =>
      mask.data.some(
        (pixel, i) =>
          pixel === wanted &&
          Math.hypot((i % width) - (at % width), Math.floor(i / width) - Math.floor(at / width)) <= pixels,
      );
    expect(growMask(mask, pixels).data).toEqual(mask.data.map((_, at) => Number(near(1, at))));
    expect(growMask(mask, -pixels).data).toEqual(mask.data.map((_, at) => Number(!near(0, at))));
  }
});

test("smooths away what is thin, and leaves straight edges where they are", () => {
  const half = draw("....####", "....####", "....####", "....####");
  expect(smoothMask(half, 1)).toEqual(half);
  const spike = draw(...Array.from({ length: 15 }, (_, y) => (y < 8 ? ".......#......." : "###############")));
  const { data } = smoothMask(spike, 2);
  expect(data.subarray(0, 5 * 15).includes(1)).toBe(false);
  expect(data.subarray(9 * 15).includes(0)).toBe(false);
  expect(smoothMask(draw("...", "..."), 2)).toEqual(draw("...", "..."));
});

test("options out of range are refused", () => {
  const mask = randomMask(4, 4, 0.5, 1);
  for (const call of [() => growMask(mask, 0.5), () => smoothMask(mask, 0), () => smoothMask(mask, Number.NaN)]) {
    expect(call).toThrow(expect.objectContaining({ code: "bad-option" }));
  }
});
