import { readFileSync } from "node:fs";
import { compressRle, encodeRle, maskArea, maskRegions, type Region, type Rle, rasterise } from "@masklet/core";
import { expect, test } from "vitest";
import { random, randomMask } from "../../test/random.ts";
import { fillBox, fillRegions } from "./fill.ts";
import { shapeBox, topology } from "./object.ts";
import { placeCrop, rleIntersection, rleIou, rleMinus, rleUnion, runsArea } from "./rle.ts";
import { bridgedRings, bridgeParts, traceRegions } from "./trace.ts";

const goldens = JSON.parse(
  readFileSync(new URL("../../test/fill.goldens.json", import.meta.url), "utf8"),
) as readonly Golden[];

interface Golden {
  readonly ring: readonly number[];
  readonly size: readonly [number, number];
  readonly cocoapi: string;
  /** Not given where the polygon leaves the image: OpenCV's cut there is its own. */
  readonly centres: string | null;
}

const masks = (() => {
  const next = random(7);
  return Array.from({ length: 400 }, () => randomMask(next, 1 + Math.floor(next() * 24), 1 + Math.floor(next() * 24)));
})();

test("pixels of polygons are those of pycocotools' frPyObjects and OpenCV's fillPoly", () => {
  for (const { ring, size, cocoapi, centres } of goldens) {
    const [height, width] = size;
    const filled = (fill: "cocoapi" | "centres"): string =>
      compressRle(fillRegions([{ outline: ring, holes: [] }], { width, height }, fill)).counts;
    expect(filled("cocoapi")).toBe(cocoapi);
    if (centres !== null) expect(filled("centres")).toBe(centres);
  }
});

/** A mask whose holes are filled. */
const withoutHoles = (rle: Rle): Rle => {
  const [height, width] = rle.size;
  return rleUnion(
    traceRegions(rle, { fill: "cracks" }).map(({ outline }) => encodeRle(rasterise([outline], { width, height }))),
    { width, height },
  );
};

test.each(["cracks", "cocoapi", "centres"] as const)("outlines mean the mask again by the rule %s", (fill) => {
  let holes = 0;
  for (const mask of masks) {
    const rle = encodeRle(mask);
    const expected = fill === "cracks" ? rle : withoutHoles(rle);
    holes += expected.counts.length === rle.counts.length ? 0 : 1;
    expect(fillRegions(traceRegions(rle, { fill }), mask, fill)).toEqual(expected);
  }
  if (fill !== "cracks") expect(holes).toBeGreaterThan(30);
});

test("bridges give every region as one ring, holes and all", () => {
  let holes = 0;
  for (const mask of masks) {
    const rle = encodeRle(mask);
    const rings = bridgedRings(rle);
    expect(rings).toHaveLength(topology(rle).parts);
    holes += topology(rle).holes;
    const filled = fillRegions(
      rings.map((outline) => ({ outline, holes: [] })),
      mask,
      "centres",
    );
    expect(filled).toEqual(rle);
  }
  expect(holes).toBeGreaterThan(40);
});

test("parts joined by bridges hold all pixels, and those of the bridges", () => {
  for (const mask of masks.filter((one) => maskArea(one) > 0)) {
    const rle = encodeRle(mask);
    const ring = bridgeParts(bridgedRings(rle));
    const filled = fillRegions([{ outline: ring, holes: [] }], mask, "centres");
    expect(rleIntersection(filled, rle)).toBe(runsArea(rle));
    expect(maskRegions({ ...mask, data: new Uint8Array(mask.data.length) })).toEqual([]);
    if (topology(rle).parts === 1) expect(filled).toEqual(rle);
  }
});

test.each(["cracks", "cocoapi", "centres"] as const)("fewer corners, no farther than the IoU allows: %s", (fill) => {
  const next = random(3);
  let [before, after] = [0, 0];
  const corners = (regions: readonly Region[]): number =>
    regions.reduce((sum, { outline, holes }) => sum + outline.length + holes.flat().length, 0);
  for (let i = 0; i < 40; i++) {
    const mask = randomMask(next, 120, 100);
    const rle = fill === "cracks" ? encodeRle(mask) : withoutHoles(encodeRle(mask));
    if (runsArea(rle) === 0) continue;
    const simple = traceRegions(rle, { fill, minIou: 0.95 });
    expect(rleIou(fillRegions(simple, mask, fill), rle)).toBeGreaterThanOrEqual(0.95);
    before += corners(traceRegions(rle, { fill }));
    after += corners(simple);
  }
  expect(after).toBeLessThan(before * 0.8);
});

test("an IoU that is none is refused", () => {
  expect(() => traceRegions({ size: [1, 1], counts: [0, 1] }, { fill: "cracks", minIou: 0 })).toThrow(
    expect.objectContaining({ code: "label-option" }),
  );
});

test("sets of run lengths are sets of pixels", () => {
  const next = random(5);
  for (let i = 0; i < 200; i++) {
    const [a, b] = [randomMask(next, 13, 9), randomMask(next, 13, 9)];
    const of = (keep: (i: number) => boolean): Rle =>
      encodeRle({ ...a, data: a.data.map((_, k) => (keep(k) ? 1 : 0)) });
    const [one, two] = [encodeRle(a), encodeRle(b)];
    expect(rleUnion([one, two], a)).toEqual(of((k) => a.data[k] === 1 || b.data[k] === 1));
    expect(rleMinus(one, two)).toEqual(of((k) => a.data[k] === 1 && b.data[k] === 0));
    expect(rleIntersection(one, two)).toBe(runsArea(of((k) => a.data[k] === 1 && b.data[k] === 1)));
  }
});

test("a crop is put in its place, and cut off at the border", () => {
  const next = random(6);
  for (let i = 0; i < 100; i++) {
    const crop = randomMask(next, 1 + Math.floor(next() * 8), 1 + Math.floor(next() * 8));
    const [left, top] = [Math.floor(next() * 12) - 4, Math.floor(next() * 10) - 4];
    const data = new Uint8Array(10 * 7);
    crop.data.forEach((value, k) => {
      const [x, y] = [left + (k % crop.width), top + Math.floor(k / crop.width)];
      if (x >= 0 && y >= 0 && x < 10 && y < 7) data[y * 10 + x] = value;
    });
    const rle = placeCrop(crop, (x, y) => crop.data[y * crop.width + x] === 1, left, top, { width: 10, height: 7 });
    expect(rle).toEqual(encodeRle({ width: 10, height: 7, data }));
  }
});

test("boxes by each rule", () => {
  const size = { width: 6, height: 5 };
  const box = { x: 1, y: 1, width: 3, height: 2 };
  expect(runsArea(fillBox(box, size, "cracks"))).toBe(6);
  expect(runsArea(fillBox(box, size, "cocoapi"))).toBe(6);
  expect(runsArea(fillBox(box, size, "centres"))).toBe(12);
  expect(fillBox({ ...box, height: 1 }, size, "cracks", 90)).toEqual(
    fillBox({ x: 2, y: 0, width: 1, height: 3 }, size, "cracks"),
  );
  expect(shapeBox({ kind: "box", box, fill: "centres" }, size)).toEqual(box);
});

test.each([[[0, 0, 1]], [[0, 0, Number.NaN, 1, 2, 2]], [[0, 0, 1e9, 1, 2, 2]], [[]]])("no ring: %j", (outline) => {
  expect(() => fillRegions([{ outline, holes: [] }], { width: 4, height: 4 }, "cocoapi")).toThrow(
    expect.objectContaining({ code: "annotation-invalid" }),
  );
});
