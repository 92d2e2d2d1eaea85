/**
 * Label maps as PNG: the pixel is the object's id, the palette is DAVIS's, so that a viewer shows the ids as colours and
 * a program reads them as they are. Picture libraries and browsers turn palettes into colours on the way, which loses the
 * ids. Hosts bring the compression, and nothing else is theirs.
 */
import { crc32 as ownCrc32 } from "../checkpoint/crc32.ts";
import { ImageError } from "../errors.ts";
import type { LabelMap } from "../eval/masklets.ts";
import { checkSize } from "../image/image.ts";

/** What a host compresses with, in zlib's format (RFC 1950). */
export interface Zlib {
  readonly deflate: (data: Uint8Array) => Promise<Uint8Array>;
  /** Rejects for data that is broken, and as soon as more than `maxLength` bytes come out. */
  readonly inflate: (data: Uint8Array, maxLength: number) => Promise<Uint8Array>;
  /** CRC-32; where the host has none, ours. */
  readonly crc32?: (data: Uint8Array) => number;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const GREY = 0;
const PALETTE = 3;

/** The palette of DAVIS and PASCAL VOC: each id's bits, three at a time from the lowest, are the highest bits of red, green and blue. */
export function davisPalette(): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (let id = 0; id < 256; id++) {
    for (let bit = 0; bit < 8; bit++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = 3 * id + channel;
        palette[at] = (palette[at] as number) | (((id >> (3 * bit + channel)) & 1) << (7 - bit));
      }
    }
  }
  return palette;
}

/** A label map as an 8-bit palette PNG. Rejects with an `ImageError`: "image-size", "image-data-length". */
export async function encodeLabelPng({ width, height, data }: LabelMap, zlib: Zlib): Promise<Uint8Array> {
  checkSize("encodeLabelPng", { width, height });
  if (data.length !== width * height) {
    throw new ImageError(
      "image-data-length",
      `encodeLabelPng: ${width}x${height} takes ${width * height} labels, got ${data.length}`,
      {
        details: { width, height, length: data.length },
      },
    );
  }
  const rows = new Uint8Array(height * (width + 1)); // each row after its filter's number, none
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header.set([8, PALETTE, 0, 0, 0], 8);
  const chunks: readonly [ChunkType, Uint8Array][] = [
    ["IHDR", header],
    ["PLTE", davisPalette()],
    ["IDAT", await zlib.deflate(rows)],
    ["IEND", new Uint8Array(0)],
  ];
  return concat([SIGNATURE, ...chunks.map(([type, content]) => chunk(type, content, zlib))]);
}

function chunk(type: ChunkType, data: Uint8Array, { crc32 = ownCrc32 }: Zlib): Uint8Array {
  const out = new Uint8Array(data.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  view.setUint32(4, chunkTypes[type]);
  out.set(data, 8);
  view.setUint32(data.length + 8, crc32(out.subarray(4, data.length + 8)));
  return out;
}

/** Chunks by the four letters of their names, as a big-endian number. */
const chunkTypes = { IHDR: 0x49484452, PLTE: 0x504c5445, IDAT: 0x49444154, IEND: 0x49454e44 } as const;
type ChunkType = keyof typeof chunkTypes;

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * The label map of a PNG: palette indices as they are, or 8-bit grey. `name` is how errors call it. Rejects with an
 * `ImageError`: "image-format" for what is no PNG or one of another kind, "image-corrupt", "image-too-large".
 */
export async function decodeLabelPng(
  file: Uint8Array,
  { inflate, crc32 = ownCrc32 }: Zlib,
  name = "bytes",
): Promise<LabelMap> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const fail = (code: "image-format" | "image-corrupt", problem: string, cause?: unknown): ImageError =>
    new ImageError(code, `${name}: ${problem}`, { cause, details: { file: name } });
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) throw fail("image-format", "is no PNG");
  let header: DataView | undefined;
  const data: Uint8Array[] = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    const end = at + 8 + length;
    if (end + 4 > file.length) throw fail("image-corrupt", "breaks off");
    if (crc32(file.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw fail("image-corrupt", `has a broken chunk at byte ${at}`);
    }
    if (type === chunkTypes.IHDR && length === 13) header = new DataView(file.buffer, file.byteOffset + at + 8, 13);
    else if (type === chunkTypes.IDAT) data.push(file.subarray(at + 8, end));
    else if (type === chunkTypes.IEND) break;
    at = end + 4;
  }
  if (header === undefined) throw fail("image-corrupt", "has no header");
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  checkSize(name, { width, height });
  const [depth, kind, interlaced] = [header.getUint8(8), header.getUint8(9), header.getUint8(12)];
  const isLabels =
    interlaced === 0 && ((kind === PALETTE && [1, 2, 4, 8].includes(depth)) || (kind === GREY && depth === 8));
  if (!isLabels) throw fail("image-format", "is no label map: it needs a palette or 8-bit grey, not interlaced");
  const stride = Math.ceil((width * depth) / 8);
  let rows: Uint8Array;
  try {
    rows = await inflate(concat(data), height * (stride + 1));
  } catch (cause) {
    throw fail("image-corrupt", "cannot be decompressed", cause);
  }
  if (rows.length !== height * (stride + 1)) throw fail("image-corrupt", "breaks off");
  const lines = unfilter(rows, stride, height);
  if (lines === undefined) throw fail("image-corrupt", "has an unknown filter");
  return { width, height, data: unpack(lines, { width, height, depth, stride }) };
}

/** Undoes PNG's filters for one byte per pixel (PNG specification, section 9). */
function unfilter(rows: Uint8Array, stride: number, height: number): Uint8Array | undefined {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x === 0 ? 0 : (out[at - 1] as number);
      const up = y === 0 ? 0 : (out[at - stride] as number);
      const corner = x === 0 || y === 0 ? 0 : (out[at - stride - 1] as number);
      const predicted =
        filter === 0
          ? 0
          : filter === 1
            ? left
            : filter === 2
              ? up
              : filter === 3
                ? (left + up) >> 1
                : filter === 4
                  ? paeth(left, up, corner)
                  : undefined;
      if (predicted === undefined) return undefined;
      out[at] = (rows[y * (stride + 1) + 1 + x] as number) + predicted;
    }
  }
  return out;
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** One label a byte, from several. */
function unpack(
  lines: Uint8Array,
  { width, height, depth, stride }: { width: number; height: number; depth: number; stride: number },
): Uint8Array {
  if (depth === 8) return lines;
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = lines[y * stride + (bit >> 3)] as number;
      out[y * width + x] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  }
  return out;
}
