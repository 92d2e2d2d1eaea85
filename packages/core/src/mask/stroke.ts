/** What a hand draws, as run lengths: columns of a stroke or of a ring, without a mask of the whole image in between. */
import { checkSize, type Size } from "../image/image.ts";
import { checkOption } from "../options.ts";
import type { Point } from "../prompt/prompt.ts";
import { type Ring, rasterise } from "./polygon.ts";
import { encodeRleAt, type Rle } from "./rle.ts";

/**
 * The pixels whose centres lie within `radius` of the line through `points` (one point: of it), in an image of `size`.
 * What lies outside the image is cut off. Throws a `PromptError` "bad-option" for points that are none or not finite, or
 * a radius that is not above 0; an `ImageError` "image-size".
 */
export function strokeRle(points: readonly Point[], radius: number, size: Size): Rle {
  checkSize("strokeRle", size, 2 ** 31 - 1);
  checkOption("strokeRle", { radius }, "a length above 0", radius > 0 && radius < Number.POSITIVE_INFINITY);
  const finite = points.length > 0 && points.every(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  checkOption("strokeRle", { points }, "finite [x, y], one at least", finite);
  const { width, height } = size;
  const columns = new Map<number, [from: number, to: number][]>();
  for (const [i, end] of points.entries()) {
    const start = points[i - 1] ?? end;
    if (i === 0 && points.length > 1) continue;
    const left = Math.max(0, Math.ceil(Math.min(start[0], end[0]) - radius - 0.5));
    const right = Math.min(width - 1, Math.floor(Math.max(start[0], end[0]) + radius - 0.5));
    for (let column = left; column <= right; column++) {
      const [low, high] = across(start, end, radius, column + 0.5);
      const from = Math.max(0, Math.ceil(low - 0.5));
      const to = Math.min(height, Math.floor(high - 0.5) + 1);
      if (from >= to) continue;
      const spans = columns.get(column);
      if (spans === undefined) columns.set(column, [[from, to]]);
      else spans.push([from, to]);
    }
  }
  const counts: number[] = [];
  let begun = 0; // where the run under way began
  let end = 0; // of the last span, which the next may join
  const span = (from: number, to: number): void => {
    if (from > end || counts.length === 0) {
      if (counts.length > 0) counts.push(end - begun);
      counts.push(from - end);
      begun = from;
    }
    end = to;
  };
  for (const column of [...columns.keys()].sort((a, b) => a - b)) {
    const spans = (columns.get(column) ?? []).sort(([a], [b]) => a - b);
    let [from, to] = spans[0] as [number, number];
    for (const [nextFrom, nextTo] of spans) {
      if (nextFrom > to) {
        span(column * height + from, column * height + to);
        [from, to] = [nextFrom, nextTo];
      } else to = Math.max(to, nextTo);
    }
    span(column * height + from, column * height + to);
  }
  if (counts.length > 0) counts.push(end - begun);
  if (end < width * height) counts.push(width * height - end);
  return { size: [height, width], counts };
}

/** Where the column at `x` enters and leaves the hull of the discs around both ends. */
function across([x0, y0]: Point, [x1, y1]: Point, radius: number, x: number): readonly [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const take = (y: number): void => {
    low = Math.min(low, y);
    high = Math.max(high, y);
  };
  for (const [cx, cy] of [
    [x0, y0],
    [x1, y1],
  ] as const) {
    const half = Math.sqrt(radius ** 2 - (x - cx) ** 2);
    if (Number.isNaN(half)) continue;
    take(cy - half);
    take(cy + half);
  }
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length === 0) return [low, high];
  // The two lines that touch both discs.
  for (const side of [-1, 1]) {
    const [ox, oy] = [(-side * radius * (y1 - y0)) / length, (side * radius * (x1 - x0)) / length];
    const t = (x - (x0 + ox)) / (x1 - x0);
    if (t >= 0 && t <= 1) take(y0 + oy + t * (y1 - y0));
  }
  return [low, high];
}

/** As `rasterise` of one ring, in run lengths. Throws as it does. */
export function ringRle(ring: Ring, { width, height }: Size): Rle {
  const [x, right] = extent(ring, 0, width);
  const [y, bottom] = extent(ring, 1, height);
  const area = { x: 0, y: 0, width: right - x, height: bottom - y };
  const shifted = ring.map((value, i) => value - (i % 2 === 0 ? x : y));
  return encodeRleAt(rasterise([shifted], area), area, { x, y, width, height });
}

/** From where to where a ring lies in the image along an axis, at least one pixel. */
function extent(ring: Ring, axis: 0 | 1, size: number): readonly [from: number, to: number] {
  let [low, high] = [size, 0];
  for (let i = axis; i < ring.length; i += 2) {
    low = Math.min(low, ring[i] as number);
    high = Math.max(high, ring[i] as number);
  }
  const from = Math.min(size - 1, Math.max(0, Math.floor(low) || 0));
  return [from, Math.max(from + 1, Math.min(size, Math.ceil(high) || 0))];
}
