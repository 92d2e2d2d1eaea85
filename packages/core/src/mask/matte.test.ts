import { expect, test } from "vitest";
import type { RawImage } from "../image/image.ts";
import type { MaskLogits } from "../prompt/prompt.ts";
import { cutout } from "./cutout.ts";
import type { Mask } from "./mask.ts";
import { matteCutout } from "./matte.ts";

const side = 64;
const [x, y] = [(i: number): number => i % side, (i: number): number => Math.floor(i / side)];
/** A red disc before stripes, as blurred along its edge as fur is. */
const share = (i: number): number => Math.min(1, Math.max(0, (18 - Math.hypot(x(i) - 31.5, y(i) - 31.5)) / 9 + 0.5));
const ground = (i: number): readonly number[] => (x(i) % 8 < 4 ? [20, 190, 60] : [40, 170, 90]);
const photo: RawImage = {
  width: side,
  height: side,
  channels: 3,
  data: Uint8Array.from({ length: side * side * 3 }, (_, k) => {
    const [i, c] = [Math.floor(k / 3), k % 3];
    return Math.round(share(i) * ([220, 30, 40][c] as number) + (1 - share(i)) * (ground(i)[c] as number));
  }),
};
const maskWhere = (isInside: (i: number) => boolean): Mask => ({
  width: side,
  height: side,
  data: Uint8Array.from({ length: side * side }, (_, i) => Number(isInside(i))),
});
const logitsOf = (at: (i: number) => number): MaskLogits => ({
  width: side,
  height: side,
  data: Float32Array.from({ length: side * side }, (_, i) => at(i)),
});
const disc = maskWhere((i) => share(i) > 0.5);
const error = ({ data }: RawImage): number => {
  const edge = [...Array(side * side).keys()].filter((i) => share(i) > 0 && share(i) < 1);
  return edge.reduce((sum, i) => sum + Math.abs((data[4 * i + 3] as number) / 255 - share(i)), 0) / edge.length;
};

test("alpha along a blurred edge is that of the mixture, and its colour the object's", () => {
  const cut = matteCutout(photo, disc);
  expect(error(cutout(photo, disc))).toBeGreaterThan(0.2);
  expect(error(cut)).toBeLessThan(0.03);
  for (let i = 0; i < side * side; i++) {
    const [red, green, , alpha] = cut.data.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    expect(alpha === 0 || (red > 210 && green < 40), `${x(i)}, ${y(i)}: ${red}, ${green}`).toBe(true);
  }
});

test("where the model is firm the mask holds", () => {
  const logits = logitsOf((i) => (share(i) > 0.5 ? 9 : -9));
  expect(matteCutout(photo, disc, { logits }).data).toEqual(cutout(photo, disc).data);
  const unsure = logitsOf((i) => 6 * (share(i) - 0.5));
  expect(error(matteCutout(photo, disc, { logits: unsure }))).toBeLessThan(0.03);
});

test("where the mask was changed the model is not asked, and elsewhere it is", () => {
  const logits = logitsOf((i) => (share(i) > 0.5 ? 9 : -9));
  const changed = maskWhere((i) => share(i) > 0.5 || (x(i) > 40 && Math.abs(y(i) - 32) < 3));
  const reach = 6;
  const cut = matteCutout(photo, changed, { logits, reach });
  const [without, hard] = [matteCutout(photo, changed, { reach }), cutout(photo, changed)];
  const column = ({ data }: RawImage, at: number): number[] =>
    Array.from({ length: side }, (_, row) => data[4 * (row * side + at) + 3] as number);
  expect(column(cut, 52)).not.toEqual(column(hard, 52));
  expect(column(cut, 16)).toEqual(column(hard, 16));
  expect(column(without, 16)).not.toEqual(column(hard, 16));
});

test("a part too thin to have an inside keeps the mask's edge, an empty mask is empty", () => {
  const line = maskWhere((i) => y(i) === 32);
  expect(matteCutout(photo, line).data).toEqual(cutout(photo, line).data);
  expect(
    matteCutout(
      photo,
      maskWhere(() => false),
    ).data.some(Boolean),
  ).toBe(false);
});

test("alpha of the image itself is multiplied in", () => {
  const data = new Uint8Array(side * side * 4).fill(128);
  for (let i = 0; i < side * side; i++) data.set(photo.data.subarray(3 * i, 3 * i + 3), 4 * i);
  const faint = matteCutout({ ...photo, channels: 4, data }, disc);
  for (const [i, alpha] of matteCutout(photo, disc).data.entries()) {
    if (i % 4 === 3) expect(Math.abs((faint.data[i] as number) - (alpha * 128) / 255)).toBeLessThanOrEqual(1);
  }
});

test("a reach out of range and logits of another size than they say are refused", () => {
  for (const reach of [0, 257, 2.5]) {
    expect(() => matteCutout(photo, disc, { reach })).toThrow(expect.objectContaining({ code: "bad-option" }));
  }
  const logits = { width: 4, height: 4, data: new Float32Array(15) };
  expect(() => matteCutout(photo, disc, { logits })).toThrow(expect.objectContaining({ code: "mask-data-length" }));
});
