import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { maskArea, maskBox } from "./mask.ts";
import {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  encodeRleAt,
  type Rle,
  rleArea,
  rleBox,
  rleIntersection,
} from "./rle.ts";
import { draw, samples } from "./samples.ts";

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
