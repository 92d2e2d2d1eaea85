/** Which pixels outlines hold, by the rules of the tools that wrote them. */
import { type Box, encodeRle, type Mask, type Region, type Ring, type Rle, rasterise, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import type { FillRule } from "../model.ts";

/** Coordinates are followed pixel by pixel outside of the image too; beyond this they are an error of the file. */
const farthest = 2 ** 20;
/** Pixels of the largest image whose masks are painted. */
const mostPixels = 2 ** 28;

/** An empty mask of an image. Throws a `LabelError` "annotation-invalid" for a size that no image has. */
export function blankMask(where: string, { width, height }: Size): Mask & { readonly data: Uint8Array } {
  if (!(isLength(width) && isLength(height) && width * height <= mostPixels)) {
    throw new LabelError("annotation-invalid", `${where}: an image of ${width}x${height} pixels cannot be`, {
      details: { width, height },
    });
  }
  return { width, height, data: new Uint8Array(width * height) };
}

function isLength(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

/**
 * The mask that regions mean in an image of this size. Throws a `LabelError` "annotation-invalid" for rings that are no
 * lists of finite pairs near the image.
 */
export function fillRegions(regions: readonly Region[], size: Size, fill: FillRule): Rle {
  const mask = blankMask("fillRegions", size);
  for (const { outline, holes } of regions) {
    for (const ring of [outline, ...holes]) checkRing(ring);
    if (fill === "cocoapi") paintCocoapi(mask, outline);
    else if (fill === "centres") paintCentres(mask, outline);
    else add(mask, rasterise([outline, ...holes], size));
  }
  // Only exact outlines have holes in any format; the other rules are for single rings.
  return encodeRle(mask);
}

/** The mask that a box means. Throws as `fillRegions`. */
export function fillBox(box: Box, size: Size, fill: FillRule, rotation = 0): Rle {
  return fillRegions([{ outline: boxRing(box, rotation), holes: [] }], size, fill);
}

/** A box's corners, clockwise from its left top; `rotation` turns it clockwise by degrees around its centre. */
export function boxRing({ x, y, width, height }: Box, rotation = 0): Ring {
  const corners = [x, y, x + width, y, x + width, y + height, x, y + height];
  if (rotation === 0) return corners;
  const [cx, cy] = [x + width / 2, y + height / 2];
  const [cos, sin] = [Math.cos((rotation * Math.PI) / 180), Math.sin((rotation * Math.PI) / 180)];
  return corners.map((value, i) => {
    const [dx, dy] = i % 2 === 0 ? [value - cx, at(corners, i + 1) - cy] : [at(corners, i - 1) - cx, value - cy];
    return i % 2 === 0 ? cx + dx * cos - dy * sin : cy + dx * sin + dy * cos;
  });
}

function checkRing(ring: Ring): void {
  if (ring.length >= 2 && ring.length % 2 === 0 && ring.every((value) => Math.abs(value) <= farthest)) return;
  throw new LabelError(
    "annotation-invalid",
    `a polygon must hold x, y pairs of at most ${farthest}, got ${ring.length} numbers: ${ring.slice(0, 8)}`,
    { details: { length: ring.length } },
  );
}

function add(mask: Mask, other: Mask): void {
  for (let i = 0; i < mask.data.length; i++) if (other.data[i] !== 0) mask.data[i] = 1;
}

/**
 * As pycocotools' `rleFrPoly`: the outline is drawn five times as large; where it steps from one column to the next, the
 * middle column of the five toggles inside and outside from there downwards.
 */
function paintCocoapi({ width, height, data }: Mask, ring: Ring): void {
  const scale = 5;
  const corners = ring.map((value) => Math.trunc(scale * value + 0.5));
  const toggles: number[] = [];
  let [lastU, lastV] = [Number.NaN, 0];
  const visit = (u: number, v: number): void => {
    if (u !== lastU && !Number.isNaN(lastU)) {
      const x = ((u < lastU ? u : u - 1) + 0.5) / scale - 0.5;
      if (Number.isInteger(x) && x >= 0 && x <= width - 1) {
        const y = (Math.min(v, lastV) + 0.5) / scale - 0.5;
        toggles.push(x * height + Math.ceil(Math.min(Math.max(y, 0), height)));
      }
    }
    [lastU, lastV] = [u, v];
  };
  for (let i = 0; i < corners.length; i += 2) {
    let [xs, ys] = [at(corners, i), at(corners, i + 1)];
    let [xe, ye] = [at(corners, (i + 2) % corners.length), at(corners, (i + 3) % corners.length)];
    const [dx, dy] = [Math.abs(xe - xs), Math.abs(ye - ys)];
    const flat = dx >= dy;
    const flip = flat ? xs > xe : ys > ye;
    if (flip) [xs, ys, xe, ye] = [xe, ye, xs, ys];
    const steps = flat ? dx : dy;
    const slope = steps === 0 ? 0 : (flat ? ye - ys : xe - xs) / steps;
    for (let d = 0; d <= steps; d++) {
      const t = flip ? steps - d : d;
      if (flat) visit(xs + t, Math.trunc(ys + slope * t + 0.5));
      else visit(Math.trunc(xs + slope * t + 0.5), ys + t);
    }
  }
  toggles.sort((a, b) => a - b);
  // Runs along columns, which may go on into the next: so do pycocotools'.
  for (let k = 0; k < toggles.length; k += 2) {
    const to = toggles[k + 1] ?? width * height;
    for (let i = at(toggles, k); i < to; i++) data[(i % height) * width + Math.floor(i / height)] = 1;
  }
}

/** As OpenCV's `fillPoly` with whole coordinates: the lines between the corners, and the pixels within. */
function paintCentres(mask: Mask, ring: Ring): void {
  const { width, height, data } = mask;
  const corners = ring.map(Math.round);
  const crossings = new Map<number, number[]>();
  for (let i = 0; i < corners.length; i += 2) {
    let [x0, y0] = [at(corners, i), at(corners, i + 1)];
    let [x1, y1] = [at(corners, (i + 2) % corners.length), at(corners, (i + 3) % corners.length)];
    paintLine(mask, x0, y0, x1, y1);
    if (y0 === y1) continue;
    if (y0 > y1) [x0, y0, x1, y1] = [x1, y1, x0, y0];
    for (let y = Math.max(y0, 0); y < Math.min(y1, height); y++) {
      const x = x0 + ((y - y0) * (x1 - x0)) / (y1 - y0);
      const row = crossings.get(y);
      if (row === undefined) crossings.set(y, [x]);
      else row.push(x);
    }
  }
  for (const [y, row] of crossings) {
    row.sort((a, b) => a - b);
    for (let i = 0; i + 1 < row.length; i += 2) {
      const from = Math.max(Math.ceil(at(row, i)), 0);
      const to = Math.min(Math.floor(at(row, i + 1)), width - 1);
      if (from <= to) data.fill(1, y * width + from, y * width + to + 1);
    }
  }
}

/** Bresenham's line, 8-connected: cut at the border first, and then from left to right, as OpenCV draws it. */
function paintLine({ width, height, data }: Mask, ...ends: [x0: number, y0: number, x1: number, y1: number]): void {
  const cut = clipLine(width - 1, height - 1, ends);
  if (cut === undefined) return;
  let [x0, y0, x1, y1] = cut;
  if (x0 > x1) [x0, y0, x1, y1] = [x1, y1, x0, y0];
  const [dx, dy] = [x1 - x0, Math.abs(y1 - y0)];
  const down = y1 < y0 ? -1 : 1;
  const [long, short] = dx >= dy ? [dx, dy] : [dy, dx];
  let error = long - 2 * short;
  for (let step = 0, x = x0, y = y0; step <= long; step++) {
    data[y * width + x] = 1;
    const aside = error < 0;
    error += (aside ? 2 * long : 0) - 2 * short;
    if (dx >= dy || aside) x++;
    if (dx < dy || aside) y += down;
  }
}

type Line = readonly [x0: number, y0: number, x1: number, y1: number];

/** What of a line lies within 0..right, 0..bottom, in whole pixels: first by rows, then by columns. */
function clipLine(right: number, bottom: number, [x0, y0, x1, y1]: Line): Line | undefined {
  if (Math.max(y0, y1) < 0 || Math.min(y0, y1) > bottom) return undefined;
  const clamp = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
  // Each end is moved along what is left of the line by the one before it.
  const toRow = (x: number, y: number, ox: number, oy: number): number =>
    y === clamp(y, bottom) ? x : x + Math.trunc(((clamp(y, bottom) - y) * (ox - x)) / (oy - y));
  const ax = toRow(x0, y0, x1, y1);
  const ay = clamp(y0, bottom);
  const bx = toRow(x1, y1, ax, ay);
  const by = clamp(y1, bottom);
  if (Math.max(ax, bx) < 0 || Math.min(ax, bx) > right) return undefined;
  const cy = ax === clamp(ax, right) ? ay : ay + Math.trunc(((clamp(ax, right) - ax) * (by - ay)) / (bx - ax));
  const cx = clamp(ax, right);
  const dy = bx === clamp(bx, right) ? by : by + Math.trunc(((clamp(bx, right) - bx) * (cy - by)) / (cx - bx));
  return [cx, cy, clamp(bx, right), dy];
}

function at(values: readonly number[], i: number): number {
  return values[i] as number;
}
