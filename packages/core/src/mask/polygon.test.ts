import { describe, expect, test } from "vitest";
import { labelComponents } from "./components.ts";
import { maskArea } from "./mask.ts";
import { cocoPolygons, maskRegions, type Ring, rasterise, regionsArea, ringArea, simplifyRing } from "./polygon.ts";
import { draw, randomMask, samples } from "./samples.ts";

const many = Array.from(
  { length: 40 },
  (_, i) => [`random ${i}`, randomMask(29, 21, (i % 10) / 10 + 0.05, 77 * i)] as const,
);

test.each([...samples, ...many])("%s comes back from its regions", (_, mask) => {
  const regions = maskRegions(mask);
  const rings = regions.flatMap(({ outline, holes }) => [outline, ...holes]);
  expect(rasterise(rings, mask)).toEqual(mask);
  expect(regionsArea(regions)).toBe(maskArea(mask));

  // One region for each component, and each alone is that component: the holes are with the right outline.
  const { labels, areas } = labelComponents(mask);
  expect(regions).toHaveLength(areas.length - 1);
  for (const [i, { outline, holes }] of regions.entries()) {
    expect(ringArea(outline)).toBeGreaterThan(0);
    for (const hole of holes) expect(ringArea(hole)).toBeLessThan(0);
    expect(rasterise([outline, ...holes], mask).data).toEqual(
      Uint8Array.from(labels, (label) => (label === i + 1 ? 1 : 0)),
    );
  }

  // Corners only: every second edge is horizontal.
  for (const ring of rings) {
    const vertical = (k: number): boolean => ring[k] === ring[(k + 2) % ring.length];
    for (let k = 0; k < ring.length; k += 2) expect(vertical(k)).not.toBe(vertical((k + 2) % ring.length));
  }
});

test("a ring, its hole, and the island inside", () => {
  const mask = draw("#####", "#...#", "#.#.#", "#...#", "#####");
  expect(maskRegions(mask)).toEqual([
    { outline: [0, 0, 5, 0, 5, 5, 0, 5], holes: [[1, 4, 4, 4, 4, 1, 1, 1]] },
    { outline: [2, 2, 3, 2, 3, 3, 2, 3], holes: [] },
  ]);
  expect(cocoPolygons(mask)).toHaveLength(2);
});

describe("simplifying", () => {
  const disc = draw(
    ...Array.from({ length: 80 }, (_, y) =>
      Array.from({ length: 80 }, (_, x) => (Math.hypot(x - 39.5, y - 39.5) < 35 ? "#" : ".")).join(""),
    ),
  );

  test("drops corners and stays within the tolerance", () => {
    const exact = maskRegions(disc)[0]?.outline ?? [];
    for (const tolerance of [1, 2, 4]) {
      const simple = maskRegions(disc, { tolerance })[0]?.outline ?? [];
      expect(simple.length).toBeLessThan(exact.length / 2);
      for (let i = 0; i < exact.length; i += 2) {
        expect(distance(simple, exact[i] as number, exact[i + 1] as number)).toBeLessThanOrEqual(tolerance + 1e-9);
      }
    }
  });

  test("keeps thin rings alive, with an area", () => {
    for (const mask of [draw("#"), draw("################"), draw("#...", ".#..", "..#.", "...#")]) {
      const [ring = []] = cocoPolygons(mask, { tolerance: 50 });
      expect(ring.length).toBeGreaterThanOrEqual(6);
      expect(ringArea(ring)).toBeGreaterThan(0);
    }
  });

  test("removes collinear corners and nothing at 0", () => {
    const ring: Ring = [0, 0, 5, 0, 10, 0, 10, 10, 0, 10];
    expect(simplifyRing(ring, 0)).toEqual(ring);
    expect(simplifyRing(ring, 0.01)).toEqual([0, 0, 10, 0, 10, 10, 0, 10]);
  });

  test("a tolerance that is none is refused", () => {
    for (const tolerance of [-1, Number.NaN]) {
      expect(() => maskRegions(disc, { tolerance })).toThrow(expect.objectContaining({ code: "tolerance" }));
    }
  });
});

describe("rasterise", () => {
  test("takes pixels by their centre, cut at the border", () => {
    expect(rasterise([[-9, -9, 1.5, -9, 1.5, 1.4, -9, 1.4]], { width: 3, height: 2 })).toEqual(draw("#..", "..."));
    expect(rasterise([[0.5, 0.5, 2.5, 0.5, 2.5, 2.5, 0.5, 2.5]], { width: 3, height: 3 })).toEqual(
      draw("##.", "##.", "..."),
    );
    expect(rasterise([[0, 0, 4, 0, 0, 4]], { width: 4, height: 4 })).toEqual(draw("###.", "##..", "#...", "...."));
  });
  test("no rings, no pixels", () => {
    expect(rasterise([], { width: 2, height: 1 })).toEqual(draw(".."));
    expect(rasterise([[], [1, 1]], { width: 2, height: 1 })).toEqual(draw(".."));
  });
  test("broken rings are refused", () => {
    for (const ring of [
      [0, 0, 1],
      [0, 0, 1, Number.NaN, 2, 2],
    ]) {
      expect(() => rasterise([ring], { width: 2, height: 2 })).toThrow(expect.objectContaining({ code: "polygon" }));
    }
    expect(() => rasterise([], { width: 0, height: 2 })).toThrow(expect.objectContaining({ code: "mask-size" }));
  });
});

/** From a point to the nearest edge of a ring. */
function distance(ring: Ring, x: number, y: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [ax, ay, bx, by] = [ring[j], ring[j + 1], ring[i], ring[i + 1]] as [number, number, number, number];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const t = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length));
    best = Math.min(best, Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)));
  }
  return best;
}
