/**
 * PNG files as the samples that are in them (PNG specification, third edition): palette indices, grey levels and colours
 * of 1 to 16 bits, neither scaled nor converted. Picture libraries and browsers turn palettes into colours and 16 bits
 * into 8 on the way, which loses labels and measurements. Hosts bring the compression, and nothing else is theirs.
 */

import { crc32 as ownCrc32 } from "../checkpoint/crc32.ts";
import { ImageError } from "../errors.ts";
import { checkKeys, type Keys } from "../options.ts";
import type { DeepSamples } from "./depth.ts";
import { checkSize, defaultMaxPixels, type Size } from "./image.ts";

/** What a host compresses with, in zlib's format (RFC 1950). */
export interface Zlib {
  readonly deflate: (data: Uint8Array) => Promise<Uint8Array>;
  /** Rejects for data that is broken, and as soon as more than `maxLength` bytes come out. */
  readonly inflate: (data: Uint8Array, maxLength: number) => Promise<Uint8Array>;
  /** CRC-32; where the host has none, ours. */
  readonly crc32?: (data: Uint8Array) => number;
}

/** What a sample stands for. */
export type PngKind = "grey" | "rgb" | "palette" | "grey-alpha" | "rgba";

/** A PNG's samples. */
export interface PngSamples extends Size {
  readonly kind: PngKind;
  /** Bits of a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** Samples of a pixel. */
  readonly channels: number;
  /** [height, width, channels], 0 to 2^depth - 1. */
  readonly data: Uint8Array | Uint16Array;
  /** Red, green and blue of each index, where there is a palette. */
  readonly palette?: Uint8Array;
  /** Chunk tRNS: alpha of the first indices of a palette, 8 bits; else the one grey level or colour that is transparent. */
  readonly transparent?: readonly number[];
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** By the header's number of the colour type: its samples, and the depths that the specification has for it. */
const kinds: Readonly<Record<number, { kind: PngKind; channels: number; depths: readonly number[] }>> = {
  0: { kind: "grey", channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { kind: "rgb", channels: 3, depths: [8, 16] },
  3: { kind: "palette", channels: 1, depths: [1, 2, 4, 8] },
  4: { kind: "grey-alpha", channels: 2, depths: [8, 16] },
  6: { kind: "rgba", channels: 4, depths: [8, 16] },
};

/** Chunks by the four letters of their names, as a big-endian number. */
const chunkTypes = {
  IHDR: 0x49484452,
  PLTE: 0x504c5445,
  /** Coding-independent code points: what the colours are counted in. */
  cICP: 0x63494350,
  tRNS: 0x74524e53,
  IDAT: 0x49444154,
  IEND: 0x49454e44,
} as const;
export type ChunkType = keyof typeof chunkTypes;

/** Whether these bytes begin as a PNG does. */
export function isPng(file: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => file[i] === byte);
}

/** Bits of a PNG's samples, by its header; 0 for what is no PNG. */
export function pngDepth(file: Uint8Array): number {
  return isPng(file) ? (file[24] ?? 0) : 0;
}

/** A file of these chunks, in their order. */
export function encodeChunks(
  chunks: readonly (readonly [ChunkType, Uint8Array])[],
  { crc32 = ownCrc32 }: Pick<Zlib, "crc32"> = {},
): Uint8Array {
  return concat([SIGNATURE, ...chunks.map(([type, content]) => chunk(type, content, crc32))]);
}

function chunk(type: ChunkType, data: Uint8Array, crc32: (data: Uint8Array) => number): Uint8Array {
  const out = new Uint8Array(data.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  view.setUint32(4, chunkTypes[type]);
  out.set(data, 8);
  view.setUint32(data.length + 8, crc32(out.subarray(4, data.length + 8)));
  return out;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A PNG's samples as a picture's; those of a palette are no light. */
export function pngColours(png: PngSamples): DeepSamples {
  const { kind, depth, channels } = png;
  const colours = kind === "rgb" || kind === "rgba" ? 3 : 1;
  return { ...png, format: "uint", bits: depth, colours, alpha: channels > colours };
}

export interface DecodePngOptions {
  /** How errors call the file. */
  readonly name: string;
  readonly maxPixels?: number;
}

const decodeKeys: Keys<DecodePngOptions> = { name: true, maxPixels: true };

/**
 * The samples of a PNG. Rejects with an `ImageError`: "image-format" for what is no PNG or of a kind that the
 * specification does not have, "image-corrupt", "image-size", "image-too-large".
 */
export async function decodePng(file: Uint8Array, zlib: Zlib, options: DecodePngOptions): Promise<PngSamples> {
  const { compressed, length, unpack } = openPng(file, options, zlib);
  const inflated = await zlib.inflate(compressed, length).catch((cause: unknown) => {
    throw corrupt(options.name, "cannot be decompressed", cause);
  });
  return unpack(inflated);
}

/** A PNG before it is decompressed. */
export interface PackedPng {
  /** In zlib's format. */
  readonly compressed: Uint8Array;
  /** Bytes that must come out. */
  readonly length: number;
  /** The samples, from these. Throws an `ImageError` "image-corrupt". */
  readonly unpack: (inflated: Uint8Array) => PngSamples;
}

const corrupt = (name: string, problem: string, cause?: unknown): ImageError =>
  new ImageError("image-corrupt", `${name}: ${problem}`, { cause, details: { file: name } });

/** `decodePng` for who decompresses by himself. Throws what that rejects with. */
export function openPng(
  file: Uint8Array,
  options: DecodePngOptions,
  { crc32 = ownCrc32 }: Pick<Zlib, "crc32"> = {},
): PackedPng {
  checkKeys("openPng", options, decodeKeys);
  const { name, maxPixels = defaultMaxPixels } = options;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const unlike = (problem: string): ImageError =>
    new ImageError("image-format", `${name}: ${problem}`, { details: { file: name } });
  if (!isPng(file)) throw unlike("is no PNG");
  let header: DataView | undefined;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  const compressed: Uint8Array[] = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    const end = at + 8 + length;
    if (end + 4 > file.length) throw corrupt(name, "breaks off");
    if (crc32(file.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw corrupt(name, `has a broken chunk at byte ${at}`);
    }
    const content = file.subarray(at + 8, end);
    if (type === chunkTypes.IHDR && length === 13) header = new DataView(file.buffer, file.byteOffset + at + 8, 13);
    else if (type === chunkTypes.PLTE) palette = content;
    else if (type === chunkTypes.tRNS) transparency = content;
    else if (type === chunkTypes.IDAT) compressed.push(content);
    else if (type === chunkTypes.IEND) break;
    at = end + 4;
  }
  if (header === undefined) throw corrupt(name, "has no header");
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  checkSize(name, { width, height }, maxPixels);
  const [depth, number, interlace] = [header.getUint8(8), header.getUint8(9), header.getUint8(12)];
  const found = kinds[number];
  if (found === undefined || !found.depths.includes(depth) || interlace > 1) {
    throw unlike(`is a PNG of no known kind: colour type ${number}, ${depth} bits`);
  }
  const { kind, channels } = found;
  const passes = (interlace === 0 ? [[0, 0, 1, 1] as const] : adam7).map(([x0, y0, dx, dy]) => {
    const [columns, rows] = [Math.ceil((width - x0) / dx), Math.ceil((height - y0) / dy)];
    const stride = Math.ceil((columns * channels * depth) / 8);
    return { x0, y0, dx, dy, columns, rows, stride, length: columns === 0 ? 0 : rows * (stride + 1) };
  });
  const total = passes.reduce((sum, pass) => sum + pass.length, 0);
  const unpack = (filtered: Uint8Array): PngSamples => {
    if (filtered.length !== total) throw corrupt(name, "breaks off");
    const data = new (depth === 16 ? Uint16Array : Uint8Array)(width * height * channels);
    const step = Math.max(1, (channels * depth) >> 3);
    let at = 0;
    for (const { x0, y0, dx, dy, columns, rows, stride, length } of passes) {
      const lines = unfilter(filtered.subarray(at, at + length), { stride, rows: length === 0 ? 0 : rows, step });
      if (lines === undefined) throw corrupt(name, "has an unknown filter");
      at += length;
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const to = ((y0 + y * dy) * width + x0 + x * dx) * channels;
          for (let c = 0; c < channels; c++) data[to + c] = sampleAt(lines, y * stride, x * channels + c, depth);
        }
      }
    }
    const transparent = transparency === undefined ? undefined : transparentSamples(transparency, kind);
    return {
      ...{ width, height, kind, depth, channels, data },
      ...(kind === "palette" && palette !== undefined && { palette }),
      ...(transparent !== undefined && { transparent }),
    };
  };
  return { compressed: concat(compressed), length: total, unpack };
}

/** First column and row, and the steps between them, of each pass of an interlaced picture. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

function transparentSamples(chunk: Uint8Array, kind: PngKind): readonly number[] {
  if (kind === "palette") return [...chunk];
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Array.from({ length: chunk.length >> 1 }, (_, i) => view.getUint16(2 * i));
}

function sampleAt(lines: Uint8Array, row: number, index: number, depth: number): number {
  if (depth === 8) return lines[row + index] as number;
  if (depth === 16) return ((lines[row + 2 * index] as number) << 8) | (lines[row + 2 * index + 1] as number);
  const bit = index * depth;
  return ((lines[row + (bit >> 3)] as number) >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

/** Undoes PNG's filters (section 9), `step` bytes to the pixel on the left. `undefined` for a filter that is none. */
function unfilter(
  rows: Uint8Array,
  { stride, rows: height, step }: { readonly stride: number; readonly rows: number; readonly step: number },
): Uint8Array | undefined {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)] as number;
    if (filter > 4) return undefined;
    const [from, to] = [y * (stride + 1) + 1, y * stride];
    for (let x = 0; x < stride; x++) {
      const left = x < step ? 0 : (out[to + x - step] as number);
      const up = y === 0 ? 0 : (out[to + x - stride] as number);
      const corner = x < step || y === 0 ? 0 : (out[to + x - stride - step] as number);
      out[to + x] = (rows[from + x] as number) + predicted(filter, left, up, corner);
    }
  }
  return out;
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    default:
      return paeth(left, up, corner);
  }
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
