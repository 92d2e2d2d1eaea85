import { expect, test } from "vitest";
import type { RawImage } from "../image/image.ts";
import { cutout } from "./cutout.ts";
import { decontaminate } from "./decontaminate.ts";

const alphas = ({ data }: RawImage): number[] => [...data].filter((_, i) => i % 4 === 3);
/** A red disc before green, mixed along its edge as a camera mixes. */
const side = 64;
const share = (i: number): number =>
  Math.min(1, Math.max(0, (20 - Math.hypot((i % side) - 31.5, Math.floor(i / side) - 31.5)) / 3 + 0.5));
const photo: RawImage = {
  width: side,
  height: side,
  channels: 3,
  data: Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const inside = share(Math.floor(i / 3));
    return [220 * inside, 200 * (1 - inside), 30][i % 3] as number;
  }),
};
const disc = {
  width: side,
  height: side,
  data: Uint8Array.from({ length: side * side }, (_, i) => Number(share(i) > 0.5)),
};
const green = ({ data }: RawImage): number => Math.max(...data.filter((_, i) => i % 4 === 1 && data[i + 2] !== 0));

const cut = (source: RawImage, options = {}): RawImage => cutout(source, disc, options);

test("the background's colour is gone from the edge, and the inside is as it was", () => {
  const plain = cut(photo, { feather: 2 });
  const clean = cut(decontaminate(photo, disc, { inwards: 3, feather: 2 }), { feather: 2 });
  expect(green(plain)).toBeGreaterThan(150);
  expect(green(clean)).toBeLessThan(8);
  expect(alphas(clean)).toEqual(alphas(plain));
  const middle = (side * 32 + 32) * 4;
  expect(clean.data.slice(middle, middle + 4)).toEqual(plain.data.slice(middle, middle + 4));
});

test("what is beyond the edge stays, and alpha too", () => {
  const data = Uint8Array.from({ length: side * side * 4 }, (_, i) =>
    i % 4 === 3 ? (i >> 2) % 256 : (photo.data[(i >> 2) * 3 + (i % 4)] as number),
  );
  const clean = decontaminate({ ...photo, channels: 4, data }, disc);
  expect(alphas(clean)).toEqual(alphas({ ...photo, channels: 4, data }));
  expect(clean.data.subarray(0, side * 4)).toEqual(data.subarray(0, side * 4));
});

test("a part too thin to have an inside keeps its colours", () => {
  const line = { ...disc, data: disc.data.map((_, i) => Number(Math.floor(i / side) === 32)) };
  expect(decontaminate(photo, line, { inwards: 4 }).data).toEqual(photo.data);
  expect(decontaminate(photo, disc, { inwards: 0 }).data).toEqual(photo.data);
});

test("lengths out of range are refused", () => {
  for (const options of [{ inwards: -1 }, { feather: -1 }]) {
    expect(() => decontaminate(photo, disc, options)).toThrow(expect.objectContaining({ code: "bad-option" }));
  }
});
