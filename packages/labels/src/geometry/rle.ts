/** Run lengths among themselves, without pixels in between. */
import type { Rle, Size } from "@masklet/core";

/** Where the runs of ones begin and end, as positions in COCO's order (column by column). */
function intervals({ counts }: Rle): number[] {
  const ends: number[] = [];
  let at = 0;
  for (const [i, count] of counts.entries()) {
    if (i % 2 === 1 && count > 0) {
      // A run that begins where the last one ended goes on with it.
      if (ends.length > 0 && ends[ends.length - 1] === at) ends[ends.length - 1] = at + count;
      else ends.push(at, at + count);
    }
    at += count;
  }
  return ends;
}

/** Pixels in both. Sizes must agree. */
export function rleIntersection(a: Rle, b: Rle): number {
  const [one, two] = [intervals(a), intervals(b)];
  let both = 0;
  for (let i = 0, j = 0; i < one.length && j < two.length; ) {
    const [oneEnd, twoEnd] = [one[i + 1] as number, two[j + 1] as number];
    both += Math.max(0, Math.min(oneEnd, twoEnd) - Math.max(one[i] as number, two[j] as number));
    if (oneEnd < twoEnd) i += 2;
    else j += 2;
  }
  return both;
}

/** Pixels of the ones, without a look at the counts' validity. */
export function runsArea({ counts }: Rle): number {
  return counts.reduce((area, count, i) => area + (i % 2) * count, 0);
}

/** Intersection over union; 1 where both are empty. */
export function rleIou(a: Rle, b: Rle): number {
  const both = rleIntersection(a, b);
  const either = runsArea(a) + runsArea(b) - both;
  return either === 0 ? 1 : both / either;
}

/** The pixels of `a` that are not in `b`. */
export function rleMinus(a: Rle, b: Rle): Rle {
  const [one, two] = [intervals(a), intervals(b)];
  const kept: number[] = [];
  for (let i = 0, j = 0; i < one.length; i += 2) {
    let from = one[i] as number;
    const to = one[i + 1] as number;
    while (j < two.length && (two[j + 1] as number) <= from) j += 2;
    for (let k = j; k < two.length && (two[k] as number) < to; k += 2) {
      if ((two[k] as number) > from) kept.push(from, two[k] as number);
      from = Math.max(from, two[k + 1] as number);
    }
    if (from < to) kept.push(from, to);
  }
  return fromIntervals(kept, a.size);
}

/** The pixels of any of them. */
export function rleUnion(all: readonly Rle[], size: Size): Rle {
  const pairs: [number, number][] = [];
  for (const rle of all) {
    const ends = intervals(rle);
    for (let i = 0; i < ends.length; i += 2) pairs.push([ends[i] as number, ends[i + 1] as number]);
  }
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [from, to] of pairs) {
    const last = merged.length - 1;
    if (last > 0 && from <= (merged[last] as number)) merged[last] = Math.max(merged[last] as number, to);
    else merged.push(from, to);
  }
  return fromIntervals(merged, [size.height, size.width]);
}

function fromIntervals(ends: readonly number[], size: Rle["size"]): Rle {
  const counts: number[] = [];
  let at = 0;
  for (const end of ends) {
    counts.push(end - at);
    at = end;
  }
  const rest = size[0] * size[1] - at;
  if (rest > 0 || counts.length === 0) counts.push(rest);
  return { size, counts };
}

/**
 * The run lengths of an image in which `crop` lies at (left, top); what of it lies outside is cut off. Its pixels are
 * those that `inside` says.
 */
export function placeCrop(
  crop: Size,
  inside: (x: number, y: number) => boolean,
  left: number,
  top: number,
  { width, height }: Size,
): Rle {
  const ends: number[] = [];
  const from = Math.max(0, -left);
  for (let x = from; x < Math.min(crop.width, width - left); x++) {
    const column = (left + x) * height + top;
    for (let y = Math.max(0, -top); y < Math.min(crop.height, height - top); y++) {
      if (!inside(x, y)) continue;
      const start = column + y;
      if (ends.length > 0 && ends[ends.length - 1] === start) ends[ends.length - 1] = start + 1;
      else ends.push(start, start + 1);
    }
  }
  return fromIntervals(ends, [height, width]);
}
