/**
 * COCO's run-length encoding: lengths of alternating runs of 0 and 1, 0 first, reading the mask column by column; and
 * its compressed string, each count (from the third on, its difference to the one two before) in groups of five bits.
 * Strings, areas and boxes are those of pycocotools (`maskApi.c`).
 */
import { MaskError } from "../errors.ts";
import { checkOption } from "../options.ts";
import { type Box, checkMask, emptyBox, type Mask, maskBox } from "./mask.ts";

/** Run lengths as numbers. `size` is [height, width], COCO's order. */
export interface Rle {
  readonly size: readonly [height: number, width: number];
  readonly counts: readonly number[];
}

/** Run lengths as COCO's compressed string. */
export interface CompressedRle {
  readonly size: readonly [height: number, width: number];
  readonly counts: string;
}

/** The run lengths of a mask. Throws a `MaskError` for what is none. */
export function encodeRle(mask: Mask): Rle {
  checkMask("encodeRle", mask);
  const whole = { x: 0, y: 0, width: mask.width, height: mask.height };
  // Columns lie apart in memory, rows do not: the box is found by rows, and columns are looked at within it alone.
  return encodeRleAt(mask, maskBox(mask), whole);
}

/**
 * The run lengths of an image in which a mask lies at `(x, y)`, with background around it. `box`, in the mask's pixels,
 * holds all of the object: the other pixels are not looked at.
 */
export function encodeRleAt({ data, width: stride }: Mask, box: Box, { x, y, width, height }: Box): Rle {
  const counts: number[] = [];
  const end = box.x + box.width;
  const pixels = width * height;
  let value = 0;
  let begun = 0; // where the run under way began, column by column
  const turn = (at: number): void => {
    counts.push(at - begun);
    begun = at;
    value = 1 - value;
  };
  for (let column = box.x; column < end; column++) {
    const head = (x + column) * height + y;
    let i = box.y * stride + column;
    for (let row = box.y; row < box.y + box.height; row++, i += stride) {
      if ((data[i] === 0 ? 0 : 1) !== value) turn(head + row);
    }
    // Only a box as high as the image lets a run go on in the next column.
    if (value === 1 && (box.height < height || column + 1 === end)) turn(head + box.y + box.height);
  }
  if (begun < pixels) counts.push(pixels - begun);
  return { size: [height, width], counts };
}

/**
 * The mask of run lengths, compressed or not. Throws a `MaskError`: `rle-size` for a size that is none, `rle-counts`
 * for counts that are no natural numbers or do not add up to height * width, `rle-string` for a broken string.
 */
export function decodeRle(rle: Rle | CompressedRle): Mask {
  const { size, counts } = checkRle("decodeRle", rle);
  const [height, width] = size;
  const data = new Uint8Array(width * height);
  let at = 0;
  for (let k = 0; k < counts.length; k++) {
    const count = counts[k] as number;
    if (k % 2 === 1) {
      let i = (at % height) * width + Math.floor(at / height);
      for (let left = count; left > 0; left--) {
        data[i] = 1;
        i += width;
        if (i >= data.length) i -= data.length - 1; // the head of the next column
      }
    }
    at += count;
  }
  return { width, height, data };
}

/**
 * The part of a mask that lies in `box`, as a mask of the box's size; beyond the image nothing is set. Costs what is in
 * the box, not what is in the image. Throws as `decodeRle`, and a `MaskError` "mask-size" for a box without pixels.
 */
export function decodeRleAt(rle: Rle | CompressedRle, { x, y, width, height }: Box): Mask {
  const { size, counts } = checkRle("decodeRleAt", rle);
  const [rows] = size;
  const mask: Mask = { width, height, data: new Uint8Array(Math.max(0, width * height) || 0) };
  checkMask("decodeRleAt", mask);
  let at = 0;
  for (let k = 0; k < counts.length; k++) {
    const begun = at;
    at += counts[k] as number;
    if (k % 2 === 0 || at === begun) continue;
    const last = Math.min(x + width - 1, Math.floor((at - 1) / rows));
    for (let column = Math.max(x, Math.floor(begun / rows)); column <= last; column++) {
      const to = Math.min(y + height, at - column * rows, rows);
      const from = Math.max(y, begun - column * rows, 0);
      for (let row = from, i = (from - y) * width + column - x; row < to; row++, i += width) mask.data[i] = 1;
    }
  }
  return mask;
}

/** Pixels inside both, which are of one size. Throws as `decodeRle`, or a `MaskError` "mask-size-mismatch". */
export function rleIntersection(a: Rle | CompressedRle, b: Rle | CompressedRle): number {
  const [one, two] = checkOneSize("rleIntersection", a, b);
  let both = 0;
  let [i, j] = [0, 0];
  let [endA, endB] = [one.counts[0] ?? 0, two.counts[0] ?? 0];
  let at = 0;
  while (i < one.counts.length && j < two.counts.length) {
    const end = Math.min(endA, endB);
    if (i % 2 === 1 && j % 2 === 1) both += end - at;
    at = end;
    if (endA === end) endA += one.counts[++i] ?? 0;
    if (endB === end) endB += two.counts[++j] ?? 0;
  }
  return both;
}

/** Of two masks: in either, in both, in the first alone, in one alone. */
export type RleOperation = "union" | "intersection" | "difference" | "xor";

const holds: { readonly [K in RleOperation]: (a: boolean, b: boolean) => boolean } = {
  union: (a, b) => a || b,
  intersection: (a, b) => a && b,
  difference: (a, b) => a && !b,
  xor: (a, b) => a !== b,
};

/**
 * Two masks of one size as one, run by run, without looking at pixels. "xor" is what changed between two masks, and
 * applied again it undoes that change. The counts are those that `encodeRle` gives. Throws as `rleIntersection`, and a
 * `PromptError` "bad-option" for an operation that there is not.
 */
export function combineRle(a: Rle | CompressedRle, b: Rle | CompressedRle, operation: RleOperation): Rle {
  const [one, two] = checkOneSize("combineRle", a, b);
  checkOption("combineRle", { operation }, `one of ${Object.keys(holds).join(", ")}`, Object.hasOwn(holds, operation));
  const inside = holds[operation];
  const pixels = one.size[0] * one.size[1];
  const counts: number[] = [];
  let value = false;
  let begun = 0;
  let [i, j] = [0, 0];
  let [endA, endB] = [one.counts[0] ?? 0, two.counts[0] ?? 0];
  for (let at = 0; at < pixels; at = Math.min(endA, endB)) {
    while (endA === at) endA += one.counts[++i] as number;
    while (endB === at) endB += two.counts[++j] as number;
    if (inside(i % 2 === 1, j % 2 === 1) === value) continue;
    counts.push(at - begun);
    begun = at;
    value = !value;
  }
  counts.push(pixels - begun);
  return { size: one.size, counts };
}

/** Run lengths as the compressed string, `counts` of COCO's JSON. */
export function compressRle({ size, counts }: Rle): CompressedRle {
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let x = (counts[i] as number) - (i > 2 ? (counts[i - 2] as number) : 0);
    for (let more = true; more; ) {
      let group = x & 31;
      x >>= 5;
      more = x !== ((group & 16) === 0 ? 0 : -1); // what is left is more than the sign
      if (more) group |= 32;
      text += String.fromCharCode(group + 48);
    }
  }
  return { size, counts: text };
}

/** The run lengths of a compressed string. Throws as `decodeRle`. */
export function decompressRle(rle: CompressedRle): Rle {
  return checkRle("decompressRle", rle);
}

/** Pixels inside. Throws as `decodeRle`. */
export function rleArea(rle: Rle | CompressedRle): number {
  return checkRle("rleArea", rle).counts.reduce((area, count, i) => area + (i % 2) * count, 0);
}

/** The smallest box around the object; all 0 if there is none. Throws as `decodeRle`. */
export function rleBox(rle: Rle | CompressedRle): Box {
  const { size, counts } = checkRle("rleBox", rle);
  const [height, width] = size;
  let [left, top, right, bottom] = [width, height, -1, -1];
  let at = 0;
  for (let k = 0; k < counts.length; k++) {
    const count = counts[k] as number;
    const last = at + count - 1;
    if (k % 2 === 1 && count > 0) {
      const column = Math.floor(at / height);
      const lastColumn = Math.floor(last / height);
      const across = column < lastColumn; // then it holds the foot of one column and the head of the next
      left = Math.min(left, column);
      right = Math.max(right, lastColumn);
      top = Math.min(top, across ? 0 : at % height);
      bottom = Math.max(bottom, across ? height - 1 : last % height);
    }
    at += count;
  }
  return right < 0 ? emptyBox : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** Two masks, checked, which must be of one size. */
function checkOneSize(where: string, a: Rle | CompressedRle, b: Rle | CompressedRle): readonly [Rle, Rle] {
  const [one, two] = [checkRle(where, a), checkRle(where, b)];
  if (one.size.join() !== two.size.join()) {
    throw new MaskError("mask-size-mismatch", `${where}: [${one.size}] and [${two.size}] are not of one size`, {
      details: { sizes: [one.size, two.size] },
    });
  }
  return [one, two];
}

/** Checked, uncompressed run lengths: they come from files as often as from here. */
function checkRle(where: string, rle: Rle | CompressedRle): Rle {
  const { size, counts }: { readonly size?: unknown; readonly counts?: unknown } = rle ?? {};
  const [height, width]: readonly unknown[] = Array.isArray(size) && size.length === 2 ? size : [];
  if (!(isLength(height) && isLength(width) && height * width < 2 ** 31)) {
    throw new MaskError("rle-size", `${where}: size must be [height, width] in whole pixels, got [${String(size)}]`, {
      details: { size },
    });
  }
  const numbers: unknown = typeof counts === "string" ? parse(where, counts) : counts;
  if (!Array.isArray(numbers)) {
    throw new MaskError("rle-counts", `${where}: counts must be a string or a list of numbers, got ${typeof counts}`);
  }
  const pixels = height * width;
  let total = 0;
  for (const [i, count] of numbers.entries()) {
    if (count !== 0 && !isLength(count)) {
      throw new MaskError("rle-counts", `${where}: counts[${i}] is ${String(count)}, no run length`, {
        details: { index: i, count },
      });
    }
    total += count;
  }
  if (total !== pixels) {
    throw new MaskError("rle-counts", `${where}: ${height}x${width} has ${pixels} pixels, counts add up to ${total}`, {
      details: { size, expected: pixels, total },
    });
  }
  return { size: [height, width], counts: numbers };
}

function isLength(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}

function parse(where: string, text: string): readonly number[] {
  const counts: number[] = [];
  for (let at = 0; at < text.length; ) {
    let x = 0;
    let shift = 0;
    for (let more = true; more; shift += 5, at++) {
      const group = text.charCodeAt(at) - 48; // NaN past the end
      if (!(group >= 0 && group < 64) || shift > 30) {
        throw new MaskError("rle-string", `${where}: counts is no run-length string, it breaks at character ${at}`, {
          details: { index: at },
        });
      }
      x |= (group & 31) << shift;
      more = (group & 32) !== 0;
      if (!more && (group & 16) !== 0 && shift < 27) x |= -1 << (shift + 5);
    }
    counts.push(x + (counts.length > 2 ? (counts[counts.length - 2] as number) : 0));
  }
  return counts;
}
