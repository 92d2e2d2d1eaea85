import { describe, expect, test } from "vitest";
import type { RawImage } from "../image/image.ts";
import { dilate } from "./dilate.ts";
import { applyEffect, type Effect, effectNames } from "./effects.ts";
import type { Mask } from "./mask.ts";
import { overlay } from "./overlay.ts";
import { draw, randomMask, randomNumbers } from "./samples.ts";

const size = { width: 60, height: 40 };
const next = randomNumbers(7);
const noise = (channels: 3 | 4): RawImage => ({
  ...size,
  channels,
  data: Uint8Array.from({ length: size.width * size.height * channels }, () => Math.floor(next() * 256)),
});
const rectangle = (x0: number, y0: number, x1: number, y1: number): Mask => ({
  ...size,
  data: Uint8Array.from({ length: size.width * size.height }, (_, i) => {
    const [x, y] = [i % size.width, Math.floor(i / size.width)];
    return x >= x0 && x < x1 && y >= y0 && y < y1 ? 1 : 0;
  }),
});
const objects = [{ mask: rectangle(5, 5, 20, 20) }, { mask: rectangle(30, 10, 50, 35) }];
const inside = (i: number): boolean => objects.some(({ mask }) => mask.data[i] === 1);
const pixel = ({ channels, data }: RawImage, i: number): number[] => [
  ...data.subarray(i * channels, (i + 1) * channels),
];
const pixels = size.width * size.height;

describe.each([3, 4] as const)("%i channels", (channels) => {
  const image = noise(channels);
  const original = Uint8Array.from(image.data);

  test.each<Effect>([
    { name: "blur", feather: 0 },
    { name: "grey", feather: 0 },
    { name: "spotlight", feather: 0 },
  ])("$name keeps the objects' pixels, and alpha, exactly", (effect) => {
    const out = applyEffect(image, objects, effect);
    expect([out.width, out.height, out.channels]).toEqual([60, 40, channels]);
    let changed = 0;
    for (let i = 0; i < pixels; i++) {
      if (inside(i)) expect(pixel(out, i)).toEqual(pixel(image, i));
      else if (pixel(out, i).join() !== pixel(image, i).join()) changed++;
      expect(pixel(out, i)[3]).toBe(pixel(image, i)[3]);
    }
    expect(changed).toBeGreaterThan(0.9 * (pixels - 15 * 15 - 20 * 25));
    expect(image.data).toEqual(original);
  });

  test.each<Effect>([
    { name: "erase", grow: 0 },
    { name: "erase", grow: 0, colour: [1, 2, 3] },
  ])("erase changes nothing else", (effect) => {
    const out = applyEffect(image, objects, effect);
    for (let i = 0; i < pixels; i++) {
      if (!inside(i)) expect(pixel(out, i)).toEqual(pixel(image, i));
      else if (effect.name === "erase" && effect.colour !== undefined) {
        expect(pixel(out, i)).toEqual([1, 2, 3, ...(channels === 4 ? [255] : [])]);
      }
    }
    expect(image.data).toEqual(original);
  });

  test("feather blends across the edge and nowhere else", () => {
    const hard = applyEffect(image, objects, { name: "spotlight", feather: 0, dim: 1 });
    const soft = applyEffect(image, objects, { name: "spotlight", feather: 3, dim: 1 });
    for (const [x, kept] of [
      [0, true],
      [1, true],
      [4, false],
      [5, false],
      [9, true],
      [12, true],
    ] as const) {
      const i = 12 * 60 + x;
      expect(pixel(soft, i).join() === pixel(hard, i).join(), `column ${x}`).toBe(kept);
    }
  });
});

const image = noise(3);

test("cutout's alpha is the objects'", () => {
  const out = applyEffect(image, objects, "cutout");
  expect(out).not.toHaveProperty("x");
  for (let i = 0; i < pixels; i++) {
    expect(pixel(out, i)).toEqual(inside(i) ? [...pixel(image, i), 255] : [0, 0, 0, 0]);
  }
});

test("overlay is overlay", () => {
  expect(applyEffect(image, objects, { name: "overlay", fill: 0.9, outline: 0 })).toEqual(
    overlay(image, objects, { fill: 0.9, outline: 0 }),
  );
});

test("grey is luma", () => {
  const plain: RawImage = { width: 1, height: 1, channels: 3, data: Uint8Array.of(200, 100, 50) };
  const out = applyEffect(plain, [], "grey");
  expect([...out.data]).toEqual([118, 118, 118]); // 0.2126 * 200 + 0.7152 * 100 + 0.0722 * 50 = 117.65
});

test("spotlight takes its share of light, and outlines", () => {
  const out = applyEffect(image, objects, { name: "spotlight", dim: 0.5, feather: 0 });
  for (const i of [0, 59, 60 * 39])
    expect(pixel(out, i)).toEqual(pixel(image, i).map((value) => Math.round(value / 2)));
  const lined = applyEffect(image, [{ mask: objects[0]?.mask as Mask, colour: [255, 0, 0] }], {
    name: "spotlight",
    dim: 1,
    outline: 4,
  });
  expect(pixel(lined, 4 * 60 + 12)).toEqual([255, 0, 0]);
});

describe("blur", () => {
  const flat = (background: number, object: number, mask: Mask): RawImage => {
    const data = new Uint8Array(pixels * 3).fill(background);
    for (let i = 0; i < pixels; i++) if (mask.data[i] === 1) data.fill(object, 3 * i, 3 * i + 3);
    return { ...size, channels: 3, data };
  };

  test.each([0.5, 2, 6, 20])("sigma %f: an object does not glow", (sigma) => {
    const [{ mask }] = objects as [{ mask: Mask }];
    const out = applyEffect(flat(40, 255, mask), [{ mask }], { name: "blur", sigma, feather: 0 });
    expect(out.data).toEqual(flat(40, 255, mask).data);
  });

  test.each([0.8, 3, 7.5])("sigma %f: an edge becomes the normal distribution", (sigma) => {
    const half = rectangle(30, 0, 60, 40);
    const out = applyEffect(flat(0, 250, half), [], { name: "blur", sigma });
    const share = (distance: number): number => {
      let below = 0; // the normal distribution by summing its density
      for (let z = -8; z < distance / sigma; z += 0.001)
        below += (Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)) * 0.001;
      return below;
    };
    for (const x of [20, 25, 28, 29, 30, 31, 34, 39]) {
      expect(Math.abs((pixel(out, 20 * 60 + x)[0] as number) - 250 * share(x + 0.5 - 30)), `column ${x}`).toBeLessThan(
        6,
      );
    }
  });
});

describe("erase", () => {
  test("continues a slope, which is harmonic, over the hole", () => {
    const slope: RawImage = {
      ...size,
      channels: 3,
      data: Uint8Array.from({ length: pixels * 3 }, (_, i) => {
        const at = Math.floor(i / 3);
        return 20 + 2 * (at % 60) + 2 * Math.floor(at / 60);
      }),
    };
    const painted = applyEffect(slope, objects, { name: "erase", colour: [255, 0, 0], grow: 0 });
    const out = applyEffect(painted, objects, { name: "erase", grow: 0 });
    const worst = Math.max(...Array.from(out.data, (value, i) => Math.abs(value - (slope.data[i] as number))));
    expect(worst).toBeLessThanOrEqual(4); // of 196 levels
  });

  test("an object's rim goes with it", () => {
    const out = applyEffect(image, objects, { name: "erase", colour: [9, 9, 9], grow: 3 });
    expect(pixel(out, 2 * 60 + 10)).toEqual([9, 9, 9]);
    expect(pixel(out, 1 * 60 + 10)).toEqual(pixel(image, 60 + 10));
  });

  test("nothing left around is grey; no object changes nothing", () => {
    const all = applyEffect(image, [{ mask: rectangle(0, 0, 60, 40) }], "erase");
    expect(new Set(all.data)).toEqual(new Set([128]));
    expect(applyEffect(image, [], "erase").data).toEqual(image.data);
  });

  test("an object in a corner takes what is beside it", () => {
    const flat: RawImage = { ...size, channels: 3, data: new Uint8Array(pixels * 3).fill(77) };
    const painted = applyEffect(flat, [{ mask: rectangle(40, 20, 60, 40) }], {
      name: "erase",
      colour: [0, 0, 0],
      grow: 0,
    });
    expect(applyEffect(painted, [{ mask: rectangle(40, 20, 60, 40) }], { name: "erase", grow: 0 })).toEqual(flat);
  });
});

test.each<[Effect, object]>([
  [
    { name: "blur", sigma: 0 },
    { option: "sigma", value: 0 },
  ],
  [
    { name: "grey", feather: -1 },
    { option: "feather", value: -1 },
  ],
  [
    { name: "spotlight", dim: 1.5 },
    { option: "dim", value: 1.5 },
  ],
  [
    { name: "erase", grow: Number.NaN },
    { option: "grow", value: Number.NaN },
  ],
  [JSON.parse('{ "name": "melt" }'), { option: "name", value: "melt" }],
])("%j is out of range", (effect, details) => {
  expect(() => applyEffect(image, objects, effect)).toThrow(
    expect.objectContaining({ name: "MaskError", code: "effect-option", details }),
  );
});

test.each(effectNames)("%s refuses masks of another size, and what is no image", (name) => {
  expect(() => applyEffect(image, [{ mask: draw("##", "##") }], name)).toThrow(
    expect.objectContaining({ code: "mask-size-mismatch" }),
  );
  expect(() => applyEffect({ ...image, width: 61 }, objects, name)).toThrow(
    expect.objectContaining({ code: "image-data-length" }),
  );
});

test("dilating sets what lies within the disk", () => {
  for (const [radius, share] of [
    [0, 0.5],
    [1, 0.1],
    [3, 0.02],
    [4, 0.9],
  ] as const) {
    const { width, height, data } = randomMask(23, 17, share, 5 + radius);
    const out = dilate(data, width, radius);
    for (let at = 0; at < data.length; at++) {
      const near = data.some(
        (value, other) =>
          value === 1 &&
          Math.hypot((other % width) - (at % width), Math.floor(other / width) - Math.floor(at / width)) <= radius,
      );
      expect(out[at]).toBe(near ? 1 : 0);
    }
    expect(out).toHaveLength(width * height);
  }
});
