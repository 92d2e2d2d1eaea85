import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Mask, maskArea, maskBox } from "./mask.ts";
import {
  type CompressedRle,
  combineRle,
  compressRle,
  decodeRle,
  decodeRleAt,
  decompressRle,
  encodeRle,
  encodeRleAt,
  type Rle,
  type RleOperation,
  rleArea,
  rleBox,
  rleIntersection,
} from "./rle.ts";
import { draw, randomMask, randomNumbers, samples } from "./samples.ts";

test.each(samples)("%s survives run lengths and their string", (_, mask) => {
  const rle = encodeRle(mask);
  const compressed = compressRle(rle);
  expect(decodeRle(rle)).toEqual(mask);
  expect(decodeRle(compressed)).toEqual(mask);
  expect(decompressRle(compressed)).toEqual(rle);
  for (const any of [rle, compressed]) {
    expect(rleArea(any)).toBe(maskArea(mask));
    expect(rleBox(any)).toEqual(maskBox(mask));
  }
});

test.each(samples)("%s somewhere in an image is what it is as a mask of that image", (_, mask) => {
  for (const [x, y, right, foot] of [
    [0, 0, 0, 0],
    [3, 0, 1, 0],
    [0, 2, 0, 0],
    [0, 0, 0, 1],
    [2, 1, 4, 3],
  ] as const) {
    const image = { x, y, width: x + mask.width + right, height: y + mask.height + foot };
    const data = new Uint8Array(image.width * image.height);
    for (let row = 0; row < mask.height; row++) {
      data.set(mask.data.subarray(row * mask.width, (row + 1) * mask.width), (y + row) * image.width + x);
    }
    const { width, height } = image;
    expect(encodeRleAt(mask, maskBox(mask), image)).toEqual(encodeRle({ width, height, data }));
  }
});

test("what two masks share", () => {
  for (const [, a] of samples) {
    for (const [, b] of samples) {
      if (a.width !== b.width || a.height !== b.height) continue;
      const both = a.data.reduce((sum, value, i) => sum + (value !== 0 && b.data[i] !== 0 ? 1 : 0), 0);
      expect(rleIntersection(encodeRle(a), compressRle(encodeRle(b)))).toBe(both);
    }
  }
  expect(() => rleIntersection(encodeRle(draw("#")), encodeRle(draw("##")))).toThrow(
    expect.objectContaining({ code: "mask-size-mismatch" }),
  );
});

test("counts go down the columns, background first", () => {
  expect(encodeRle(draw(".#", "##"))).toEqual({ size: [2, 2], counts: [1, 3] });
  expect(encodeRle(draw("#.", "##"))).toEqual({ size: [2, 2], counts: [0, 2, 1, 1] });
});

// pycocotools 2.0.11, mask.encode of a 700x900 mask with [0:700, 0:2], [5, 5] and [699, 899] set.
test("long runs, first and last pixel", () => {
  const rle: Rle = { size: [700, 900], counts: [0, 1400, 2105, 1, 626493, 1] };
  expect(compressRle(rle).counts).toBe("0h[1iQ2YdNThQc00");
});

test.each([
  [{ size: [2, 2], counts: [1, 4] }, "rle-counts"],
  [{ size: [2, 2], counts: [1, 2] }, "rle-counts"],
  [{ size: [2, 2], counts: [5, -1] }, "rle-counts"],
  [{ size: [2, 2], counts: [1.5, 2.5] }, "rle-counts"],
  [{ size: [2, 2], counts: [Number.NaN] }, "rle-counts"],
  [{ size: [0, 2], counts: [] }, "rle-size"],
  [{ size: [2, 2.5], counts: [5] }, "rle-size"],
  [{ size: [1e9, 1e9], counts: [1e18] }, "rle-size"],
  [{ size: [2, 2], counts: "13!" }, "rle-string"],
  [{ size: [2, 2], counts: "1S" }, "rle-string"],
  [{ size: [2, 2], counts: "oooooooooo0" }, "rle-string"],
  [{ size: [2, 2], counts: "1é" }, "rle-string"],
] as const)("%o is refused", (rle, code) => {
  for (const read of [decodeRle, rleArea, rleBox]) {
    expect(() => read(rle as Rle | CompressedRle)).toThrow(expect.objectContaining({ code, name: "MaskError" }));
  }
});

test("runs without length are no object", () => {
  expect(rleBox({ size: [2, 2], counts: [1, 0, 3] })).toEqual({ x: 0, y: 0, width: 0, height: 0 });
  expect(rleBox({ size: [2, 2], counts: [1, 0, 1, 1, 1] })).toEqual({ x: 1, y: 0, width: 1, height: 1 });
});

interface Golden {
  readonly [picture: string]: {
    readonly size: readonly [number, number];
    readonly cases: readonly {
      readonly masks: readonly (readonly number[])[];
      readonly coco: readonly { readonly counts: string; readonly area: number; readonly bbox: readonly number[] }[];
    }[];
  };
}
describe("without looking at all pixels", () => {
  const random = randomNumbers(3);
  const pairs = Array.from({ length: 200 }, () => {
    const [width, height] = [1 + Math.floor(random() * 9), 1 + Math.floor(random() * 9)];
    const one = (): Mask => randomMask(width, height, random(), 1 + Math.floor(random() * 1e9));
    return [one(), one()] as const;
  });
  const pixelwise: Record<RleOperation, (a: number, b: number) => number> = {
    union: (a, b) => a | b,
    intersection: (a, b) => a & b,
    difference: (a, b) => a & ~b & 1,
    xor: (a, b) => a ^ b,
  };

  test.each(Object.keys(pixelwise) as RleOperation[])("%s is that of the pixels, in the same counts", (operation) => {
    for (const [a, b] of pairs) {
      const data = a.data.map((pixel, i) => pixelwise[operation](pixel, b.data[i] as number));
      expect(combineRle(encodeRle(a), compressRle(encodeRle(b)), operation)).toEqual(encodeRle({ ...a, data }));
    }
  });

  test("a box of a mask is that box of its pixels, also beyond the image", () => {
    for (const [mask] of pairs) {
      const box = { x: Math.floor(random() * 6) - 3, y: Math.floor(random() * 6) - 3, width: 4, height: 5 };
      const data = Uint8Array.from({ length: 20 }, (_, i) => {
        const [x, y] = [box.x + (i % 4), box.y + Math.floor(i / 4)];
        return x < 0 || x >= mask.width ? 0 : (mask.data[y * mask.width + x] ?? 0);
      });
      expect(decodeRleAt(encodeRle(mask), box)).toEqual({ width: 4, height: 5, data });
    }
  });

  test("refuses masks of two sizes, an operation there is not, and a box without pixels", () => {
    const [a, b] = [encodeRle(draw("#.")), encodeRle(draw("#", "."))];
    expect(() => combineRle(a, b, "union")).toThrow(expect.objectContaining({ code: "mask-size-mismatch" }));
    expect(() => combineRle(a, a, "nor" as "xor")).toThrow(expect.objectContaining({ code: "bad-option" }));
    expect(() => decodeRleAt(a, { x: 0, y: 0, width: 0, height: 1 })).toThrow(
      expect.objectContaining({ code: "mask-size" }),
    );
  });
});

const goldens = new URL("../../../../../shared/goldens/nano/image.json", import.meta.url);

describe.skipIf(!existsSync(goldens))("pycocotools' strings, areas and boxes (needs ../shared/goldens)", () => {
  test("of every golden mask", () => {
    let masks = 0;
    for (const { size, cases } of Object.values(JSON.parse(readFileSync(goldens, "utf8")) as Golden)) {
      for (const { masks: counts, coco } of cases) {
        for (const [i, expected] of coco.entries()) {
          const rle: Rle = { size, counts: counts[i] ?? [] };
          const mask = decodeRle(rle);
          expect(encodeRle(mask)).toEqual(rle);
          expect(compressRle(rle).counts).toBe(expected.counts);
          expect(decompressRle({ size, counts: expected.counts })).toEqual(rle);
          expect(rleArea(rle)).toBe(expected.area);
          const [x, y, width, height] = expected.bbox;
          expect(rleBox(rle)).toEqual({ x, y, width, height });
          expect(maskArea(mask)).toBe(expected.area);
          expect(maskBox(mask)).toEqual({ x, y, width, height });
          masks++;
        }
      }
    }
    expect(masks).toBeGreaterThan(30);
  });
});

test("the box of a mask is found wherever its bytes lie, and whatever in it is set", () => {
  const next = randomNumbers(9);
  for (let round = 0; round < 400; round++) {
    const [width, height, offset] = [1 + Math.floor(next() * 9), 1 + Math.floor(next() * 9), Math.floor(next() * 4)];
    const data = new Uint8Array(new ArrayBuffer(offset + width * height + 5), offset, width * height);
    for (let i = Math.floor(next() * 4); i > 0; i--) data[Math.floor(next() * data.length)] = next() < 0.5 ? 1 : 255;
    const set = [...data].flatMap((value, i) => (value === 0 ? [] : [[i % width, Math.floor(i / width)] as const]));
    const [xs, ys] = [set.map(([x]) => x), set.map(([, y]) => y)];
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    const wanted =
      set.length === 0
        ? { x: 0, y: 0, width: 0, height: 0 }
        : { x, y, width: Math.max(...xs) - x + 1, height: Math.max(...ys) - y + 1 };
    expect(maskBox({ width, height, data })).toEqual(wanted);
  }
});
