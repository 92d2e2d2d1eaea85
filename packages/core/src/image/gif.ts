/**
 * The first frame of a GIF as the palette indices that are in it, which libraries and browsers turn into colours: labels
 * are lost on the way. Source: GIF89a (CompuServe, 1990) and its appendix F on LZW.
 */
import { ImageError } from "../errors.ts";
import { checkSize, type IndexedPixels } from "./image.ts";
import { concat } from "./png.ts";

/** Whether the bytes begin as a GIF's. */
export function isGif(file: Uint8Array): boolean {
  return /^GIF8[79]a$/.test(String.fromCharCode(...file.subarray(0, 6)));
}

/**
 * Decodes the first frame; what it leaves out of the picture is transparent. Throws an `ImageError`: "image-size",
 * "image-too-large", "image-corrupt".
 */
export function decodeGif(file: Uint8Array, name: string, maxPixels?: number): IndexedPixels {
  const corrupt = (problem: string): ImageError =>
    new ImageError("image-corrupt", `${name} cannot be decoded: ${problem}`, { details: { source: name } });
  const reader = new Reader(file, () => corrupt("it ends within a frame"));
  reader.skip(6);
  const [width, height, fields] = [reader.u16(), reader.u16(), reader.u8()];
  checkSize(name, { width, height }, maxPixels);
  reader.skip(2);
  let palette = reader.colours(fields);
  let transparent: number | undefined;
  for (let block = reader.u8(); block !== 0x2c; block = reader.u8()) {
    if (block !== 0x21) throw corrupt(block === 0x3b ? "it has no frame" : `it has a block of kind ${block}`);
    const label = reader.u8();
    const content = reader.blocks();
    // A graphic control extension.
    if (label === 0xf9) transparent = ((content[0] ?? 0) & 1) === 1 ? content[3] : undefined;
  }
  const [left, top, columns, rows, own] = [reader.u16(), reader.u16(), reader.u16(), reader.u16(), reader.u8()];
  if (left + columns > width || top + rows > height) throw corrupt("its frame leaves the picture");
  if ((own & 128) !== 0) palette = reader.colours(own);
  const bits = reader.u8();
  if (bits < 1 || bits > 8) throw corrupt(`its codes begin with ${bits} bits`);
  const indices = unpack(reader.blocks(), bits, columns * rows);
  if (indices === undefined) throw corrupt("its frame lacks pixels");
  const data = new Uint8Array(width * height);
  const opaque = new Uint8Array(width * height);
  const order = (own & 64) !== 0 ? interlaced(rows) : Array.from({ length: rows }, (_, y) => y);
  for (const [from, y] of order.entries()) {
    const row = indices.subarray(from * columns, (from + 1) * columns);
    const at = (top + y) * width + left;
    data.set(row, at);
    for (let x = 0; x < columns; x++) opaque[at + x] = Number(row[x] !== transparent);
  }
  return { width, height, data, palette, ...(opaque.includes(0) && { opaque }) };
}

/** The rows of an interlaced frame, as they are stored. */
function interlaced(rows: number): number[] {
  const passes: readonly (readonly [first: number, step: number])[] = [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ];
  return passes.flatMap(([first, step]) => {
    const count = Math.max(0, Math.ceil((rows - first) / step));
    return Array.from({ length: count }, (_, i) => first + i * step);
  });
}

/** LZW of codes with 12 bits at most; `undefined` where fewer than `count` indices come out. */
function unpack(data: Uint8Array, bits: number, count: number): Uint8Array | undefined {
  const out = new Uint8Array(count);
  const [clear, end] = [2 ** bits, 2 ** bits + 1];
  // Where the string of a code was written first, and how long it is.
  const starts = new Int32Array(4096);
  const lengths = new Int32Array(4096);
  let [width, next, written, last] = [bits + 1, end + 1, 0, -1];
  for (let at = 0; at + width <= 8 * data.length && written < count; ) {
    let code = 0;
    for (let bit = 0; bit < width; bit++, at++) code |= (((data[at >> 3] as number) >> (at & 7)) & 1) << bit;
    if (code === end) break;
    if (code === clear) {
      [width, next, last] = [bits + 1, end + 1, -1];
      continue;
    }
    if (code > next || (code === next && last < 0)) return undefined;
    // A new string is the last one and the first index of this one, which is its own where it is used at once.
    const start = written;
    const [from, length] =
      code < clear
        ? [-1, 1]
        : code === next
          ? [last, start - last + 1]
          : [starts[code] as number, lengths[code] as number];
    if (from < 0) out[written++] = code;
    else for (let i = 0; i < length && written < count; i++) out[written++] = out[from + i] as number;
    if (last >= 0 && next < 4096) {
      starts[next] = last;
      lengths[next++] = start - last + 1;
      if (next === 2 ** width && width < 12) width++;
    }
    last = start;
  }
  return written < count ? undefined : out;
}

/** Bytes one after another; what is beyond the end throws. */
class Reader {
  readonly #file: Uint8Array;
  readonly #cut: () => ImageError;
  #at = 0;

  constructor(file: Uint8Array, cut: () => ImageError) {
    this.#file = file;
    this.#cut = cut;
  }

  take(count: number): Uint8Array {
    const bytes = this.#file.subarray(this.#at, this.#at + count);
    if (bytes.length < count) throw this.#cut();
    this.#at += count;
    return bytes;
  }

  skip(count: number): void {
    this.take(count);
  }

  u8(): number {
    return this.take(1)[0] as number;
  }

  u16(): number {
    return this.u8() + 256 * this.u8();
  }

  /** Red, green and blue of each index, where `fields` says that there are any. */
  colours(fields: number): Uint8Array {
    return (fields & 128) === 0 ? new Uint8Array() : this.take(3 * 2 ** ((fields & 7) + 1));
  }

  /** The content of sub-blocks, up to their end. */
  blocks(): Uint8Array {
    const blocks: Uint8Array[] = [];
    for (let size = this.u8(); size > 0; size = this.u8()) blocks.push(this.take(size));
    return concat(blocks);
  }
}
