import { expect, test } from "vitest";
import type { Point } from "../prompt/prompt.ts";
import { rasterise } from "./polygon.ts";
import { decodeRle, encodeRle } from "./rle.ts";
import { draw, randomNumbers } from "./samples.ts";
import { ringRle, strokeRle } from "./stroke.ts";

/** From a pixel's centre to the nearest point of the line. */
function distance([x, y]: Point, points: readonly Point[]): number {
  return Math.min(
    ...points.map(([x1, y1], i) => {
      const [x0, y0] = points[i - 1] ?? [x1, y1];
      const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
      const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length));
      return Math.hypot(x0 + t * (x1 - x0) - x, y0 + t * (y1 - y0) - y);
    }),
  );
}

test("a stroke is the pixels whose centres are near its line, in the counts of their mask", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 300; round++) {
    const size = { width: 1 + Math.floor(random() * 20), height: 1 + Math.floor(random() * 20) };
    const points = Array.from(
      { length: 1 + Math.floor(random() * 4) },
      (): Point => [random() * 26 - 3, random() < 0.3 ? 7 : random() * 26 - 3],
    );
    const radius = 0.3 + random() * 6;
    const data = Uint8Array.from({ length: size.width * size.height }, (_, i) =>
      Number(distance([(i % size.width) + 0.5, Math.floor(i / size.width) + 0.5], points) <= radius),
    );
    const stroke = strokeRle(points, radius, size);
    expect(decodeRle(stroke).data, `round ${round}`).toEqual(data);
    expect(stroke).toEqual(encodeRle({ ...size, data }));
  }
});

test("one point is a disc", () => {
  expect(decodeRle(strokeRle([[2.5, 1.5]], 1, { width: 5, height: 3 }))).toEqual(draw("..#..", ".###.", "..#.."));
});

test("a ring is what rasterise makes of it, also where it leaves the image", () => {
  const size = { width: 12, height: 9 };
  const random = randomNumbers(2);
  for (let round = 0; round < 200; round++) {
    const ring = Array.from({ length: 2 * (3 + Math.floor(random() * 4)) }, () => random() * 20 - 4);
    expect(ringRle(ring, size)).toEqual(encodeRle(rasterise([ring], size)));
  }
  expect(ringRle([-9, -9, -5, -9, -5, -5], size)).toEqual({ size: [9, 12], counts: [108] });
});

test("refuses lines and radii that are none", () => {
  const size = { width: 4, height: 4 };
  for (const [points, radius] of [
    [[], 1],
    [[[Number.NaN, 0]], 1],
    [[[0, 0]], 0],
    [[[0, 0]], Number.POSITIVE_INFINITY],
  ] as const) {
    expect(() => strokeRle(points as readonly Point[], radius, size)).toThrow(
      expect.objectContaining({ code: "bad-option" }),
    );
  }
  expect(() => ringRle([0, 0, 1], size)).toThrow(expect.objectContaining({ code: "polygon" }));
});
