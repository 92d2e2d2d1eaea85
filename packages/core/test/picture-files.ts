/** PNG and TIFF files of any kind of sample, written for tests: what picture libraries do not write. */
import { deflateSync } from "node:zlib";
import { crc32 } from "../src/checkpoint/crc32.ts";

export interface PngContent {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA */
  readonly colourType: 0 | 2 | 3 | 4 | 6;
  readonly depth: number;
  /** [height, width, channels] */
  readonly samples: ArrayLike<number>;
  readonly palette?: readonly number[];
  readonly tRNS?: readonly number[];
}

const channelsOf = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;

export function pngFile({ width, height, colourType, depth, samples, palette, tRNS }: PngContent): Uint8Array {
  const channels = channelsOf[colourType];
  const stride = Math.ceil((width * channels * depth) / 8);
  const rows = Buffer.alloc(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * channels; i++) {
      const value = samples[y * width * channels + i] as number;
      const at = y * (stride + 1) + 1;
      if (depth === 16) rows.writeUInt16BE(value, at + 2 * i);
      else {
        const bit = i * depth;
        const byte = at + (bit >> 3);
        rows[byte] = (rows[byte] as number) | (value << (8 - depth - (bit & 7)));
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    ...(palette === undefined ? [] : [chunk("PLTE", Buffer.from(palette))]),
    ...(tRNS === undefined ? [] : [chunk("tRNS", Buffer.from(tRNS))]),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

export interface TiffContent {
  readonly width: number;
  readonly height: number;
  readonly format: "uint" | "int" | "float";
  readonly bits: 8 | 16 | 32 | 64;
  readonly channels?: number;
  /** [height, width, channels] */
  readonly samples: ArrayLike<number>;
  readonly bigEndian?: boolean;
  /** 0 white is zero, 1 black is zero, 2 RGB, 3 palette. Default 1, or 2 for three channels. */
  readonly photometric?: number;
  /** Red, green and blue of each of 256 indices, 8 bits. */
  readonly palette?: readonly number[];
  readonly deflate?: boolean;
  /** Tag 338: 2 for alpha. */
  readonly extraSamples?: number;
  readonly orientation?: number;
  readonly noData?: string;
  /** Writes tiles of 16 x 16 in place of one strip. */
  readonly tiled?: boolean;
}

export function tiffFile(content: TiffContent): Uint8Array {
  const { width, height, format, bits, channels = 1, samples, bigEndian = false, palette } = content;
  const bytes = bits / 8;
  const part = content.tiled === true ? { width: 16, height: 16 } : { width, height };
  const parts: Buffer[] = [];
  for (let y0 = 0; y0 < height; y0 += part.height) {
    for (let x0 = 0; x0 < width; x0 += part.width) {
      const part0 = new DataView(new ArrayBuffer(part.width * part.height * channels * bytes));
      for (let y = 0; y < Math.min(part.height, height - y0); y++) {
        for (let x = 0; x < Math.min(part.width, width - x0); x++) {
          for (let c = 0; c < channels; c++) {
            const value = samples[((y0 + y) * width + x0 + x) * channels + c] as number;
            writeSample(part0, ((y * part.width + x) * channels + c) * bytes, value, {
              format,
              bits,
              little: !bigEndian,
            });
          }
        }
      }
      const raw = Buffer.from(part0.buffer);
      parts.push(content.deflate === true ? deflateSync(raw) : raw);
    }
  }
  const tiled = content.tiled === true;
  const entries: [tag: number, type: 2 | 3 | 4, values: readonly number[]][] = [
    [256, 4, [width]],
    [257, 4, [height]],
    [258, 3, Array.from({ length: channels }, () => bits)],
    [259, 3, [content.deflate === true ? 8 : 1]],
    [262, 3, [content.photometric ?? (channels === 3 ? 2 : 1)]],
    ...(tiled ? [] : ([[273, 4, parts.map(() => 0)]] as const).map((e) => [...e] as [number, 4, number[]])),
    [274, 3, [content.orientation ?? 1]],
    [277, 3, [channels]],
    ...(tiled
      ? ([
          [322, 3, [16]],
          [323, 3, [16]],
          [324, 4, parts.map(() => 0)],
          [325, 4, parts.map(({ length }) => length)],
        ] as [number, 3 | 4, number[]][])
      : ([
          [278, 4, [height]],
          [279, 4, parts.map(({ length }) => length)],
        ] as [number, 3 | 4, number[]][])),
    ...(palette === undefined
      ? []
      : ([[320, 3, [0, 1, 2].flatMap((c) => palette.filter((_, i) => i % 3 === c).map((v) => v * 257))]] as [
          number,
          3,
          number[],
        ][])),
    ...(content.extraSamples === undefined ? [] : ([[338, 3, [content.extraSamples]]] as [number, 3, number[]][])),
    [339, 3, Array.from({ length: channels }, () => ({ uint: 1, int: 2, float: 3 })[format])],
    ...(content.noData === undefined
      ? []
      : ([[42113, 2, [...Buffer.from(`${content.noData}\0`)]]] as [number, 2, number[]][])),
  ];
  entries.sort(([a], [b]) => a - b);
  const sizes = { 2: 1, 3: 2, 4: 4 } as const;
  const directory = 8;
  let free = directory + 2 + 12 * entries.length + 4;
  const places = entries.map(([, type, values]) => {
    const length = values.length * sizes[type];
    if (length <= 4) return undefined;
    const place = free;
    free += length;
    return place;
  });
  let at = free;
  const offsets = parts.map(({ length }) => {
    const offset = at;
    at += length;
    return offset;
  });
  const view = new DataView(new ArrayBuffer(at));
  const little = !bigEndian;
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, little);
  view.setUint32(4, directory, little);
  view.setUint16(directory, entries.length, little);
  for (const [i, [tag, type, given]] of entries.entries()) {
    const values = tag === 273 || tag === 324 ? offsets : given;
    const entry = directory + 2 + 12 * i;
    view.setUint16(entry, tag, little);
    view.setUint16(entry + 2, type, little);
    view.setUint32(entry + 4, values.length, little);
    const place = places[i];
    if (place !== undefined) view.setUint32(entry + 8, place, little);
    for (const [j, value] of values.entries()) {
      const to = (place ?? entry + 8) + j * sizes[type];
      if (type === 2) view.setUint8(to, value);
      else if (type === 3) view.setUint16(to, value, little);
      else view.setUint32(to, value, little);
    }
  }
  const file = Buffer.from(view.buffer);
  for (const [i, bytes] of parts.entries()) file.set(bytes, offsets[i] as number);
  return file;
}

interface Sample {
  readonly format: "uint" | "int" | "float";
  readonly bits: number;
  readonly little: boolean;
}

function writeSample(view: DataView, at: number, value: number, { format, bits, little }: Sample): void {
  if (format === "float") {
    if (bits === 32) view.setFloat32(at, value, little);
    else view.setFloat64(at, value, little);
  } else if (bits === 8) view.setInt8(at, value);
  else if (bits === 16) view.setInt16(at, value, little);
  else if (bits === 32) view.setInt32(at, value, little);
  else view.setBigInt64(at, BigInt(value), little);
}
