/**
 * From masks to outlines. Between pixels (`cracks`, by core) or along the pixels of the border (`centres`); with holes, or
 * as one ring that reaches them by bridges, for formats that know nothing else.
 */

import {
  decodeRle,
  type Mask,
  maskRegions,
  type Region,
  type Ring,
  type Rle,
  type Size,
  simplifyRing,
} from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { LabelError } from "../errors.ts";
import type { FillRule, MaskShape, PolygonShape } from "../model.ts";
import { fillRegions } from "./fill.ts";
import { rleIou } from "./rle.ts";

export interface TraceOptions {
  /** What the outlines must mean: see `FillRule`. */
  readonly fill: FillRule;
  /**
   * Least intersection over union of what the outlines mean with the mask; corners are dropped as far as it allows. 1,
   * the default, keeps all corners.
   */
  readonly minIou?: number;
}

const traceKeys: Keys<TraceOptions> = { fill: true, minIou: true };

/**
 * The regions of a mask, in reading order, whose filling by the rule gives the mask back: exactly, or to `minIou`.
 * `cocoapi` and `centres` have no holes: those of the mask are filled, and `minIou` counts from there.
 * Throws a `LabelError` "label-option", a `PromptError` "unknown-option".
 */
export function traceRegions(rle: Rle, options: TraceOptions): readonly Region[] {
  checkKeys("traceRegions", options, traceKeys);
  const { fill, minIou = 1 } = options;
  checkIou(minIou);
  const mask = decodeRle(rle);
  const exact = maskRegions(mask);
  if (fill === "cracks") {
    return simplest(rle, minIou, fill, exact, (tolerance) => maskRegions(mask, { tolerance }));
  }
  const rings = exact.map(({ outline }) => (fill === "centres" ? straight(borderPixels(outline)) : outline));
  return simplifyRings(rings, mask, fill, minIou);
}

/** How outlines came about: as they were, with other corners, or drawn because there were none. */
export type OutlineSource = "kept" | "retraced" | "traced";

/**
 * Outlines of a shape by a rule: its own where they mean its mask by that rule too, to `minIou`; else those of its mask.
 */
export function outlinesOf(
  shape: MaskShape | PolygonShape,
  size: Size,
  options: TraceOptions,
): { readonly regions: readonly Region[]; readonly source: OutlineSource; readonly rle: Rle } {
  checkKeys("outlinesOf", options, traceKeys);
  const { fill, minIou = 1 } = options;
  checkIou(minIou);
  const rle = shape.kind === "mask" ? shape.rle : fillRegions(shape.regions, size, shape.fill);
  if (shape.kind === "polygons") {
    const single = fill === "cracks" || shape.regions.every(({ holes }) => holes.length === 0);
    const kept = fill === shape.fill || (single && rleIou(fillRegions(shape.regions, size, fill), rle) >= minIou);
    if (single && kept) return { regions: shape.regions, source: "kept", rle };
  }
  return { regions: traceRegions(rle, options), source: shape.kind === "mask" ? "traced" : "retraced", rle };
}

/** Rings of objects without holes, with fewer corners as far as `minIou` allows. */
export function simplifyRings(
  rings: readonly Ring[],
  { width, height }: Pick<Mask, "width" | "height">,
  fill: FillRule,
  minIou: number,
): readonly Region[] {
  checkIou(minIou);
  const regions = rings.map((outline) => ({ outline, holes: [] }));
  if (minIou === 1) return regions;
  const whole = fillRegions(regions, { width, height }, fill);
  return simplest(whole, minIou, fill, regions, (tolerance) =>
    rings.map((ring) => ({ outline: simplifyRing(ring, tolerance), holes: [] })),
  );
}

function checkIou(minIou: number): void {
  if (minIou > 0 && minIou <= 1) return;
  throw new LabelError("label-option", `minIou must be above 0 and at most 1, got ${minIou}`, {
    details: { option: "minIou", got: minIou },
  });
}

/** The coarsest of ever finer simplifications that is still near enough. */
function simplest(
  whole: Rle,
  minIou: number,
  fill: FillRule,
  exact: readonly Region[],
  simplified: (tolerance: number) => readonly Region[],
): readonly Region[] {
  if (minIou === 1) return exact;
  const [height, width] = whole.size;
  for (let tolerance = 16; tolerance >= 0.25; tolerance /= Math.SQRT2) {
    const regions = simplified(tolerance);
    if (rleIou(fillRegions(regions, { width, height }, fill), whole) >= minIou) return regions;
  }
  return exact;
}

/** East, south, west, north; the pixel at the right hand of a step from (x, y). */
const rightX = [0, -1, -1, 0];
const rightY = [0, 0, -1, -1];

/** The pixels at the right hand of a ring that runs between pixels: the border of an outline or of a hole. */
function borderPixels(ring: Ring): number[] {
  const pixels: number[] = [];
  for (let i = 0; i < ring.length; i += 2) {
    let [x, y] = [at(ring, i), at(ring, i + 1)];
    const [toX, toY] = [at(ring, (i + 2) % ring.length), at(ring, (i + 3) % ring.length)];
    const [dx, dy] = [Math.sign(toX - x), Math.sign(toY - y)];
    const direction = dx > 0 ? 0 : dy > 0 ? 1 : dx < 0 ? 2 : 3;
    for (; x !== toX || y !== toY; x += dx, y += dy) {
      const [px, py] = [x + at(rightX, direction), y + at(rightY, direction)];
      const last = pixels.length;
      if (last === 0 || pixels[last - 2] !== px || pixels[last - 1] !== py) pixels.push(px, py);
    }
  }
  const last = pixels.length;
  if (last > 2 && pixels[0] === pixels[last - 2] && pixels[1] === pixels[last - 1]) pixels.length = last - 2;
  return pixels;
}

/** Without the pixels amid straight lines. */
function straight(pixels: readonly number[]): Ring {
  const count = pixels.length;
  if (count <= 4) return pixels;
  const ring: number[] = [];
  for (let i = 0; i < count; i += 2) {
    const [x, y] = [at(pixels, i), at(pixels, i + 1)];
    const [beforeX, beforeY] = [at(pixels, (i + count - 2) % count), at(pixels, (i + count - 1) % count)];
    const [nextX, nextY] = [at(pixels, (i + 2) % count), at(pixels, (i + 3) % count)];
    // Steps are single, so that equal differences mean one direction.
    if (x - beforeX !== nextX - x || y - beforeY !== nextY - y) ring.push(x, y);
  }
  return ring;
}

/**
 * Each region of a mask as a single ring through the centres of its pixels. Holes are reached by bridges along the
 * object's own pixels, there and back, so that `fillPoly` gives exactly the region.
 */
export function bridgedRings(rle: Rle): readonly Ring[] {
  const mask = decodeRle(rle);
  return maskRegions(mask).map(({ outline, holes }) => {
    let ring = borderPixels(outline);
    for (const hole of holes) ring = joined(mask, ring, borderPixels(hole));
    return straight(ring);
  });
}

/** Two rings of pixels of one 8-connected region as one, by the shortest way between them on pixels of the object. */
function joined({ width, height, data }: Mask, ring: number[], hole: readonly number[]): number[] {
  const place = new Map<number, number>();
  for (let i = 0; i < ring.length; i += 2) place.set(at(ring, i + 1) * width + at(ring, i), i);
  const from = new Map<number, number>();
  let wave: number[] = [];
  for (let i = 0; i < hole.length; i += 2) {
    const pixel = at(hole, i + 1) * width + at(hole, i);
    if (from.has(pixel)) continue;
    from.set(pixel, -1);
    wave.push(pixel);
  }
  for (const start of wave) if (place.has(start)) return splice(ring, place.get(start) ?? 0, hole, [start], width);
  while (wave.length > 0) {
    const next: number[] = [];
    for (const pixel of wave) {
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const [nx, ny] = [x + dx, y + dy];
          const near = ny * width + nx;
          if (nx < 0 || ny < 0 || nx >= width || ny >= height || data[near] === 0 || from.has(near)) continue;
          from.set(near, pixel);
          if (place.has(near)) {
            const path: number[] = [];
            for (let p = near; p >= 0; p = from.get(p) ?? -1) path.push(p);
            return splice(ring, place.get(near) ?? 0, hole, path, width);
          }
          next.push(near);
        }
      }
    }
    wave = next;
  }
  return ring; // a hole lies within its region, so that there is a way
}

/** `path` leads from a pixel of the ring, at `place`, to one of the hole. */
function splice(
  ring: readonly number[],
  place: number,
  hole: readonly number[],
  path: readonly number[],
  width: number,
): number[] {
  const target = path.at(-1) ?? 0;
  let start = 0;
  while (at(hole, start + 1) * width + at(hole, start) !== target) start += 2;
  const pixel = (p: number): number[] => [p % width, Math.floor(p / width)];
  const around = [...hole.slice(start), ...hole.slice(0, start), ...hole.slice(start, start + 2)];
  return [
    ...ring.slice(0, place + 2),
    ...path.slice(1, -1).flatMap(pixel),
    ...around,
    ...path.slice(1, -1).reverse().flatMap(pixel),
    ...ring.slice(place),
  ];
}

/**
 * Rings as one, joined by straight bridges from each to the nearest corner of those before. By `fillPoly` the bridges
 * belong to the object.
 */
export function bridgeParts(rings: readonly Ring[]): Ring {
  let [whole = [], ...rest] = rings.map((ring) => [...ring]);
  while (rest.length > 0) {
    let best = { distance: Number.POSITIVE_INFINITY, part: 0, from: 0, to: 0 };
    for (const [part, ring] of rest.entries()) {
      for (let i = 0; i < whole.length; i += 2) {
        for (let j = 0; j < ring.length; j += 2) {
          const distance = (at(whole, i) - at(ring, j)) ** 2 + (at(whole, i + 1) - at(ring, j + 1)) ** 2;
          if (distance < best.distance) best = { distance, part, from: i, to: j };
        }
      }
    }
    const { part, from, to } = best;
    const ring = rest[part] ?? [];
    rest = rest.filter((_, i) => i !== part);
    const around = [...ring.slice(to), ...ring.slice(0, to + 2)];
    whole = [...whole.slice(0, from + 2), ...around, ...whole.slice(from)];
  }
  return whole;
}

function at(values: readonly number[], i: number): number {
  return values[i] as number;
}
