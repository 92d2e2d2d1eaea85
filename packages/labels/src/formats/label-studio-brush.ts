/**
 * Label Studio's brush masks: a bit stream (thi.ng's rle-pack) of the picture as flattened RGBA, of which alpha is the
 * mask. 32 bits of length, 5 of word size - 1, four times 4 of run size - 1; then runs: a bit (repeat or literal), two that
 * choose the size, the length - 1, and one word or as many.
 */
import type { Rle, Size } from "@masklet/core";
import { LabelError } from "../errors.ts";

/** Alpha from which a pixel belongs to the object; brushes have soft edges. */
const threshold = 128;

/** The mask of a brush. Throws a `LabelError` "annotation-invalid" where it is broken or of another size. */
export function decodeBrush(bytes: readonly number[], { width, height }: Size): Rle {
  const fail = (problem: string): LabelError => new LabelError("annotation-invalid", `brush: ${problem}`);
  let bit = 0;
  const read = (count: number): number => {
    let value = 0;
    for (let k = 0; k < count; k++, bit++) {
      const byte = bytes[bit >> 3];
      if (byte === undefined) throw fail("breaks off");
      value = value * 2 + ((byte >> (7 - (bit & 7))) & 1);
    }
    return value;
  };
  const length = read(32);
  const pixels = width * height;
  if (length !== pixels * 4 || pixels > 2 ** 28) throw fail(`is of ${length / 4} pixels, the image has ${pixels}`);
  const wordSize = read(5) + 1;
  const sizes = [read(4), read(4), read(4), read(4)].map((size) => size + 1);
  // Row by row: where the object begins and ends.
  const ends: number[] = [];
  let inside = false;
  const turn = (pixel: number, alpha: number): void => {
    if (alpha >= threshold === inside) return;
    inside = !inside;
    ends.push(pixel);
  };
  for (let i = 0; i < length; ) {
    const repeat = read(1) === 1;
    const end = i + 1 + read(sizes[read(2)] as number);
    if (end > length) throw fail("is longer than its length");
    if (repeat) {
      const value = read(wordSize);
      const alpha = i + ((3 - (i & 3) + 4) & 3); // the first alpha of the run
      if (alpha < end) turn(alpha >> 2, value);
      i = end;
    } else {
      for (; i < end; i++) {
        const value = read(wordSize);
        if ((i & 3) === 3) turn(i >> 2, value);
      }
    }
  }
  if (inside) ends.push(pixels);
  // Column by column: each crossing of a column is looked at once for each pixel of a run.
  const columns: number[][] = Array.from({ length: ends.length > 0 ? width : 0 }, () => []);
  for (let k = 0; k < ends.length; k += 2) {
    for (let pixel = ends[k] as number; pixel < (ends[k + 1] as number); pixel++) {
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      const column = columns[x] as number[];
      if (column[column.length - 1] === y) column[column.length - 1] = y + 1;
      else column.push(y, y + 1);
    }
  }
  const counts: number[] = [];
  let [at, last] = [0, -1];
  for (const [x, column] of columns.entries()) {
    for (const [k, y] of column.entries()) {
      const position = x * height + y;
      // A run that ends a column goes on with one that begins the next.
      if (k % 2 === 0 && position === last && counts.length > 0) {
        at -= counts.pop() as number;
        continue;
      }
      counts.push(position - at);
      at = position;
      if (k % 2 === 1) last = position;
    }
  }
  if (at < pixels || counts.length === 0) counts.push(pixels - at);
  return { size: [height, width], counts };
}

/** A mask as a brush, 0 or 255 in all four channels. */
export function encodeBrush({ size: [height, width], counts }: Rle): number[] {
  const data = new Uint8Array(width * height);
  let at = 0;
  for (const [i, count] of counts.entries()) {
    if (i % 2 === 1) for (let k = at; k < at + count; k++) data[(k % height) * width + Math.floor(k / height)] = 1;
    at += count;
  }
  const bytes: number[] = [];
  let [held, bits] = [0, 0];
  const write = (value: number, size: number): void => {
    for (let k = size - 1; k >= 0; k--) {
      held = (held << 1) | (Math.floor(value / 2 ** k) & 1);
      if (++bits === 8) {
        bytes.push(held);
        [held, bits] = [0, 0];
      }
    }
  };
  const sizes = [3, 4, 8, 16];
  write(data.length * 4, 32);
  write(8 - 1, 5);
  for (const size of sizes) write(size - 1, 4);
  for (let i = 0; i < data.length; ) {
    let end = i;
    while (end < data.length && data[end] === data[i]) end++;
    for (let left = (end - i) * 4; left > 0; ) {
      const run = Math.min(left, 2 ** 16);
      const choice = sizes.findIndex((size) => run - 1 < 2 ** size);
      write(1, 1);
      write(choice, 2);
      write(run - 1, sizes[choice] as number);
      write(data[i] === 1 ? 255 : 0, 8);
      left -= run;
    }
    i = end;
  }
  write(0, 8 - bits); // a whole byte where nothing is left, as Label Studio's own encoder does
  return bytes;
}
