/**
 * Outlines of masks as polygons, and back.
 *
 * Contours run along the cracks between pixels, so corners are whole numbers with (0, 0) at the image's top left corner
 * and a polygon holds exactly the pixels it surrounds: filling all rings with the even-odd rule gives the mask back.
 */
import { MaskError } from "../errors.ts";
import type { Size } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
import { checkMask, type Mask } from "./mask.ts";

/** Corners of a closed polygon in pixels, flat: x0, y0, x1, y1, ... The last corner joins the first. */
export type Ring = readonly number[];

/**
 * One 8-connected part of a mask: its outline, clockwise as seen, and its holes, counter-clockwise. What lies within a
 * hole is a region of its own.
 */
export interface Region {
  readonly outline: Ring;
  readonly holes: readonly Ring[];
}

/** How closely polygons follow the mask. */
export interface PolygonOptions {
  /** Largest distance in pixels by which a dropped corner may miss the polygon (Douglas-Peucker); 0, the default, drops none. */
  readonly tolerance?: number;
}

/** East, south, west, north. */
const stepX = [1, 0, -1, 0] as const;
const stepY = [0, 1, 0, -1] as const;
const south = 1;
const north = 3;

/** The regions of a mask in reading order, none for an empty mask. Throws a `MaskError` for what is no mask. */
export function maskRegions(mask: Mask, options: PolygonOptions = {}): readonly Region[] {
  checkKeys("maskRegions", options, polygonKeys);
  const { tolerance = 0 } = options;
  checkMask("maskRegions", mask);
  if (!(tolerance >= 0)) {
    throw new MaskError("tolerance", `maskRegions: tolerance must be a distance in pixels, got ${tolerance}`, {
      details: { tolerance },
    });
  }
  const { width, height, data } = mask;
  const stride = width + 2; // a border of background spares every look at a pixel its bounds check
  const pixels = new Uint8Array(stride * (height + 2));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels[(y + 1) * stride + x + 1] = data[y * width + x] === 0 ? 0 : 1;
  }
  // For the crack at the left of each pixel: which region's contour runs there, 1 + its index.
  const owner = new Int32Array(pixels.length);
  const regions: { outline: Ring; holes: Ring[] }[] = [];

  /** Follows the crack from (x, y), a corner of padded pixels, with the object always on the right. */
  const trace = (startX: number, startY: number, startDirection: number, region: number): Ring => {
    const ring: number[] = [];
    let x = startX;
    let y = startY;
    let direction = startDirection;
    do {
      if (direction === north) owner[(y - 1) * stride + x] = region;
      else if (direction === south) owner[y * stride + x] = region;
      x += stepX[direction] as number;
      y += stepY[direction] as number;
      // The two pixels ahead, at the left and at the right of the way on.
      const aheadX = x + (direction === 0 || direction === south ? 0 : -1);
      const aheadY = y + (direction === south || direction === 2 ? 0 : -1);
      const left = aheadY * stride + aheadX;
      const right = left + (direction === 0 ? stride : direction === south ? -1 : direction === 2 ? -stride : 1);
      // Left first: parts that touch at a corner stay one region.
      const turn = pixels[left] === 1 ? -1 : pixels[right] === 1 ? 0 : 1;
      if (turn !== 0) ring.push(x - 1, y - 1);
      direction = (direction + turn + 4) % 4;
    } while (x !== startX || y !== startY || direction !== startDirection);
    return simplifyRing(ring, tolerance);
  };

  for (let y = 1; y <= height; y++) {
    let region = 0; // of the last crack passed in this row
    for (let x = 1; x <= width + 1; x++) {
      const at = y * stride + x;
      const inside = pixels[at] === 1;
      if (inside === (pixels[at - 1] === 1)) continue;
      if (owner[at] === 0) {
        // The first crack met of an outline has the object at its right, that of a hole at its left.
        if (inside) {
          const next = { outline: [] as Ring, holes: [] };
          const id = regions.push(next);
          next.outline = trace(x, y + 1, north, id);
        } else {
          regions[region - 1]?.holes.push(trace(x, y, south, region));
        }
      }
      region = owner[at] as number;
    }
  }
  return regions;
}

/**
 * A mask as COCO polygons: the outline of every region. COCO's polygons cannot say what a hole is, so holes are filled;
 * use run lengths where they matter.
 */
export function cocoPolygons(mask: Mask, options?: PolygonOptions): readonly Ring[] {
  return maskRegions(mask, options).map(({ outline }) => outline);
}

/** Area of a ring in pixels (shoelace): positive clockwise as seen (outlines), negative the other way (holes). */
export function ringArea(ring: Ring): number {
  let sum = 0;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    sum += (ring[j] as number) * (ring[i + 1] as number) - (ring[i] as number) * (ring[j + 1] as number);
  }
  return sum / 2;
}

/** Area of regions without their holes, in pixels. */
export function regionsArea(regions: readonly Region[]): number {
  return regions.reduce(
    (sum, { outline, holes }) => holes.reduce((rest, hole) => rest + ringArea(hole), sum + ringArea(outline)),
    0,
  );
}

/**
 * The mask of all pixels whose centre lies inside an odd number of rings (even-odd rule). What lies outside the image is
 * cut off. Throws a `MaskError`: `mask-size`, or `polygon` for a ring that is no list of finite pairs.
 */
export function rasterise(rings: readonly Ring[], { width, height }: Size): Mask {
  const data = new Uint8Array(width > 0 && height > 0 ? width * height : 0);
  const mask: Mask = { width, height, data };
  checkMask("rasterise", mask);
  /** For each row of pixels, where edges cross the line through its centres. */
  const crossings: (number[] | undefined)[] = new Array(height);
  for (const [index, ring] of rings.entries()) {
    if (ring.length % 2 !== 0 || !ring.every(Number.isFinite)) {
      throw new MaskError(
        "polygon",
        `rasterise: rings[${index}] must hold finite x, y pairs, ${ring.length} numbers came`,
        {
          details: { index, length: ring.length },
        },
      );
    }
    for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
      let [x0, y0, x1, y1] = [ring[j], ring[j + 1], ring[i], ring[i + 1]] as [number, number, number, number];
      if (y0 === y1) continue;
      if (y0 > y1) [x0, y0, x1, y1] = [x1, y1, x0, y0];
      // An edge owns its upper end: rows with y0 <= y + 0.5 < y1.
      const last = Math.min(Math.ceil(y1 - 0.5), height);
      for (let y = Math.max(Math.ceil(y0 - 0.5), 0); y < last; y++) {
        const x = x0 + ((y + 0.5 - y0) / (y1 - y0)) * (x1 - x0);
        const row = crossings[y];
        if (row === undefined) crossings[y] = [x];
        else row.push(x);
      }
    }
  }
  for (const [y, row] of crossings.entries()) {
    if (row === undefined) continue;
    row.sort((a, b) => a - b);
    for (let i = 0; i + 1 < row.length; i += 2) {
      const from = Math.max(Math.ceil((row[i] as number) - 0.5), 0);
      const to = Math.min(Math.ceil((row[i + 1] as number) - 0.5), width);
      if (from < to) data.fill(1, y * width + from, y * width + to);
    }
  }
  return mask;
}

/**
 * A ring without the corners that lie within `tolerance` of it (Douglas-Peucker, between its first corner and the one
 * farthest away). A ring too thin for that tolerance is simplified with a smaller one, so that none vanishes.
 */
export function simplifyRing(ring: Ring, tolerance: number): Ring {
  const count = ring.length / 2;
  if (tolerance <= 0 || count <= 3) return ring;
  const squared = tolerance * tolerance;
  const keep = new Uint8Array(count + 1); // corner `count` is corner 0 again
  const xAt = (i: number): number => ring[(i % count) * 2] as number;
  const yAt = (i: number): number => ring[(i % count) * 2 + 1] as number;
  let far = 0;
  let farDistance = 0;
  for (let i = 1; i < count; i++) {
    const distance = (xAt(i) - xAt(0)) ** 2 + (yAt(i) - yAt(0)) ** 2;
    if (distance > farDistance) [far, farDistance] = [i, distance];
  }
  keep[0] = 1;
  keep[far] = 1;
  const stack = [0, far, far, count];
  while (stack.length > 0) {
    const to = stack.pop() as number;
    const from = stack.pop() as number;
    const dx = xAt(to) - xAt(from);
    const dy = yAt(to) - yAt(from);
    const length = dx * dx + dy * dy;
    let worst = 0;
    let worstDistance = squared;
    for (let i = from + 1; i < to; i++) {
      const px = xAt(i) - xAt(from);
      const py = yAt(i) - yAt(from);
      // Distance to the segment, not to its line: a contour may fold back behind an end.
      const t = length === 0 ? 0 : Math.min(Math.max((px * dx + py * dy) / length, 0), 1);
      const distance = (px - t * dx) ** 2 + (py - t * dy) ** 2;
      if (distance > worstDistance) [worst, worstDistance] = [i, distance];
    }
    if (worst === 0) continue;
    keep[worst] = 1;
    stack.push(from, worst, worst, to);
  }
  const kept: number[] = [];
  for (let i = 0; i < count; i++) if (keep[i] === 1) kept.push(xAt(i), yAt(i));
  return kept.length < 6 ? simplifyRing(ring, tolerance < 0.1 ? 0 : tolerance / 2) : kept;
}

const polygonKeys: Keys<PolygonOptions> = { tolerance: true };
