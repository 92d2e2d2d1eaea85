/**
 * TIFF files as the samples that are in them (TIFF 6.0, its Technical Notes 1 to 3, and BigTIFF): measurements of any
 * depth, signed or floating, and the indices of palettes. Picture libraries turn these into 8 bits of colour, each by a
 * rule of its own, or cut them off.
 *
 * Read here: strips and tiles, both byte orders, uncompressed, LZW, Deflate and PackBits, with their predictors.
 */
import { ImageError } from "../errors.ts";
import { checkSize, defaultMaxPixels, type Size } from "./image.ts";
import type { Zlib } from "./png.ts";

export type SampleFormat = "uint" | "int" | "float";

/** The first picture of a TIFF. */
export interface TiffSamples extends Size {
  readonly kind: "grey" | "rgb" | "palette";
  readonly format: SampleFormat;
  /** Bits of a sample. */
  readonly bits: number;
  /** Samples of a pixel: those of the kind, then alpha if there is any, then others. */
  readonly channels: number;
  /** Whether the sample after those of the kind is alpha. */
  readonly alpha: boolean;
  /** Whether the smallest value is white. */
  readonly whiteIsZero: boolean;
  /** EXIF's number, 1 where pixels lie as they are shown. */
  readonly orientation: number;
  /** What stands for "nothing measured", if the file says it as GDAL does. */
  readonly noData: number | undefined;
  /** [height, width, channels] */
  readonly data: SampleArray;
  /** Of palettes: red, green and blue of each index, 8 bits. */
  readonly palette: Uint8Array | undefined;
}

export type SampleArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** Whether these bytes begin as a TIFF does. */
export function isTiff(file: Uint8Array): boolean {
  const [a, b, c, d] = file;
  return (
    (a === 0x49 && b === 0x49 && (c === 42 || c === 43) && d === 0) ||
    (a === 0x4d && b === 0x4d && c === 0 && (d === 42 || d === 43))
  );
}

const tags = {
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  channels: 277,
  rowsPerStrip: 278,
  stripLengths: 279,
  planar: 284,
  predictor: 317,
  colours: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileLengths: 325,
  extraSamples: 338,
  sampleFormat: 339,
  noData: 42113,
} as const;

const formats: Readonly<Record<number, SampleFormat>> = { 1: "uint", 2: "int", 3: "float", 4: "uint" };
const whiteIsZero = 0;
const kinds: Readonly<Record<number, TiffSamples["kind"]>> = {
  [whiteIsZero]: "grey",
  1: "grey",
  2: "rgb",
  3: "palette",
};

/** What a file says of its first picture. */
export interface TiffHeader {
  readonly format: SampleFormat | undefined;
  readonly bits: number;
  readonly isPalette: boolean;
}

/** Rejects as `decodeTiff`. */
export function tiffHeader(file: Uint8Array, name: string): TiffHeader {
  const fields = guarded(name, () => readFields(file));
  return {
    format: formats[fields.one(tags.sampleFormat, 1)],
    bits: fields.one(tags.bits, 1),
    isPalette: kinds[fields.one(tags.photometric, 1)] === "palette",
  };
}

export interface DecodeTiffOptions {
  /** How errors call the file. */
  readonly name: string;
  readonly maxPixels?: number;
}

/**
 * The samples of the first picture; `undefined` where the file is of a kind that is not read here: another compression,
 * CMYK and its like, complex numbers. Rejects with an `ImageError`: "image-corrupt", "image-size", "image-too-large".
 */
export async function decodeTiff(
  file: Uint8Array,
  { inflate }: Pick<Zlib, "inflate">,
  { name, maxPixels = defaultMaxPixels }: DecodeTiffOptions,
): Promise<TiffSamples | undefined> {
  const fields = guarded(name, () => readFields(file));
  const [width, height] = [fields.one(tags.width, 0), fields.one(tags.height, 0)];
  checkSize(name, { width, height }, maxPixels);
  const channels = fields.one(tags.channels, 1);
  const allBits = fields.all(tags.bits);
  const bits = allBits[0] ?? 1;
  const format = formats[fields.one(tags.sampleFormat, 1)];
  const photometric = fields.one(tags.photometric, 1);
  const kind = kinds[photometric];
  const [compression, predictor] = [fields.one(tags.compression, 1), fields.one(tags.predictor, 1)];
  const read = format === undefined ? undefined : sampleReader(format, bits);
  const own = kind === "rgb" ? 3 : 1;
  const isRead =
    kind !== undefined &&
    format !== undefined &&
    read !== undefined &&
    allBits.every((one) => one === bits) &&
    channels >= own &&
    channels <= 64 &&
    fields.one(tags.fillOrder, 1) === 1 &&
    isKnownCompression(compression) &&
    (predictor === 1 || (predictor === 2 && [8, 16, 32].includes(bits)) || (predictor === 3 && format === "float"));
  if (!isRead) return undefined;

  const tiled = fields.all(tags.tileOffsets).length > 0;
  const part = tiled
    ? { width: fields.one(tags.tileWidth, 0), height: fields.one(tags.tileHeight, 0) }
    : { width, height: Math.min(height, fields.one(tags.rowsPerStrip, height)) };
  const offsets = fields.all(tiled ? tags.tileOffsets : tags.stripOffsets);
  const lengths = fields.all(tiled ? tags.tileLengths : tags.stripLengths);
  const separate = fields.one(tags.planar, 1) === 2;
  const [across, down] = [Math.ceil(width / part.width), Math.ceil(height / part.height)];
  const planes = separate ? channels : 1;
  if (
    !(part.width > 0 && part.height > 0) ||
    offsets.length < across * down * planes ||
    lengths.length < offsets.length
  ) {
    throw corrupt(name, "its parts are missing");
  }
  // Four samples a pixel, as of the largest picture that is accepted.
  for (const one of [part, { width, height }]) {
    checkSize(name, { width: one.width * channels, height: one.height }, 4 * Math.max(maxPixels, 2 ** 16));
  }
  const data = new (arrayFor(format, bits))(width * height * channels);
  const samples = part.width * (separate ? 1 : channels);
  const stride = Math.ceil((samples * bits) / 8);
  for (const [i, offset] of offsets.slice(0, across * down * planes).entries()) {
    const place = i % (across * down);
    const [x0, y0] = [(place % across) * part.width, Math.floor(place / across) * part.height];
    const rows = tiled ? part.height : Math.min(part.height, height - y0);
    const packed = file.subarray(offset, offset + (lengths[i] as number));
    const bytes = await decompress(packed, {
      ...{ compression, inflate, name },
      length: rows * stride,
      most: part.height * stride,
    });
    const layout = { bits, stride, step: separate ? 1 : channels, littleEndian: fields.littleEndian };
    if (predictor === 2) undoDifferences(bytes, layout);
    if (predictor === 3) undoFloatDifferences(bytes, layout);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const littleEndian = predictor === 3 ? false : fields.littleEndian;
    const columns = Math.min(part.width, width - x0);
    const plane = separate ? Math.floor(i / (across * down)) : 0;
    const each = separate ? 1 : channels;
    for (let y = 0; y < Math.min(rows, height - y0); y++) {
      for (let x = 0; x < columns; x++) {
        const to = ((y0 + y) * width + x0 + x) * channels + plane;
        for (let c = 0; c < each; c++) data[to + c] = read(view, y * stride, x * each + c, littleEndian);
      }
    }
  }
  const alpha = channels > own && [1, 2].includes(fields.all(tags.extraSamples)[0] ?? 0);
  const noData = Number.parseFloat(fields.text(tags.noData));
  const colours = fields.all(tags.colours);
  const entries = colours.length / 3;
  return {
    ...{ width, height, kind, format, bits, channels, alpha, data },
    whiteIsZero: photometric === whiteIsZero,
    orientation: fields.one(tags.orientation, 1),
    noData: Number.isNaN(noData) ? undefined : noData,
    palette:
      kind === "palette"
        ? Uint8Array.from(
            { length: colours.length },
            (_, i) => (colours[(i % 3) * entries + Math.floor(i / 3)] as number) >> 8,
          )
        : undefined,
  };
}

/** What is out of bounds in a file is what makes it corrupt. */
function guarded<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw corrupt(name, "its fields point beyond its end", cause);
  }
}

function corrupt(name: string, problem: string, cause?: unknown): ImageError {
  return new ImageError("image-corrupt", `${name}: the TIFF is broken: ${problem}`, { cause, details: { file: name } });
}

interface Fields {
  readonly littleEndian: boolean;
  one(tag: number, otherwise: number): number;
  all(tag: number): readonly number[];
  text(tag: number): string;
}

/** Bytes of a value of each field type, by the type's number; those left out are no numbers that are asked for. */
const sizes: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  6: 1,
  8: 2,
  9: 4,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

/** The fields of the first directory. Throws a `RangeError` where they lie beyond the file. */
function readFields(file: Uint8Array): Fields {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const littleEndian = file[0] === 0x49;
  const big = view.getUint16(2, littleEndian) === 43;
  const offsetAt = (at: number): number =>
    big ? Number(view.getBigUint64(at, littleEndian)) : view.getUint32(at, littleEndian);
  const directory = offsetAt(big ? 8 : 4);
  const count = big ? offsetAt(directory) : view.getUint16(directory, littleEndian);
  const [first, step, inline] = big ? [directory + 8, 20, 8] : [directory + 2, 12, 4];
  const places = new Map<number, { readonly type: number; readonly count: number; readonly at: number }>();
  for (let i = 0; i < count; i++) {
    const at = first + i * step;
    const type = view.getUint16(at + 2, littleEndian);
    const values = offsetAt(at + 4);
    const place = at + step - inline;
    const long = values * (sizes[type] ?? 1) > inline;
    places.set(view.getUint16(at, littleEndian), { type, count: values, at: long ? offsetAt(place) : place });
  }
  const valueAt = (type: number, at: number): number => {
    switch (sizes[type]) {
      case 1:
        return view.getUint8(at);
      case 2:
        return view.getUint16(at, littleEndian);
      case 8:
        return Number(view.getBigUint64(at, littleEndian));
      default:
        return view.getUint32(at, littleEndian);
    }
  };
  const all = (tag: number): readonly number[] => {
    const place = places.get(tag);
    const size = sizes[place?.type ?? 0];
    if (place === undefined || size === undefined) return [];
    if (place.count * size > file.length) throw new RangeError("more values than bytes");
    return Array.from({ length: place.count }, (_, i) => valueAt(place.type, place.at + i * size));
  };
  const known = new Map(Object.values(tags).map((tag) => [tag as number, all(tag)]));
  return {
    littleEndian,
    all: (tag) => known.get(tag) ?? [],
    one: (tag, otherwise) => known.get(tag)?.[0] ?? otherwise,
    text: (tag) => String.fromCharCode(...(known.get(tag) ?? []).slice(0, 100)),
  };
}

function isKnownCompression(compression: number): boolean {
  return [1, 5, 8, 32773, 32946].includes(compression);
}

interface DecompressOptions {
  readonly compression: number;
  /** Of what comes out. */
  readonly length: number;
  /** Writers may fill up the last strip to its full height. */
  readonly most: number;
  readonly inflate: Zlib["inflate"];
  readonly name: string;
}

/** A copy that may be written to, `length` bytes long. */
async function decompress(
  packed: Uint8Array,
  { compression, length, most, inflate, name }: DecompressOptions,
): Promise<Uint8Array> {
  let bytes: Uint8Array;
  switch (compression) {
    case 5:
      bytes = unpackLzw(packed, length);
      break;
    case 8:
    case 32946:
      try {
        bytes = await inflate(packed, most);
      } catch (cause) {
        throw corrupt(name, "it cannot be decompressed", cause);
      }
      break;
    case 32773:
      bytes = unpackBits(packed, length);
      break;
    default:
      bytes = packed;
  }
  if (bytes.length < length) throw corrupt(name, "it breaks off");
  return new Uint8Array(bytes.subarray(0, length)); // `slice` of a Buffer would be no copy
}

/** TIFF 6.0, section 13: codes of 9 to 12 bits, the highest bit first, one code earlier longer than GIF's. */
function unpackLzw(packed: Uint8Array, length: number): Uint8Array {
  const [clear, end] = [256, 257];
  const out = new Uint8Array(length);
  // An entry is what came out at `starts`, `lengths` bytes long: every new one is the last one and its next byte.
  const starts = new Uint32Array(4096 + 1);
  const lengths = new Uint32Array(4096 + 1);
  let [entries, width, at, bit] = [258, 9, 0, 0];
  let last: { readonly start: number; readonly length: number } | undefined;
  while (at < length && bit + width <= packed.length * 8) {
    let code = 0;
    for (let i = 0; i < width; i++, bit++) {
      code = (code << 1) | (((packed[bit >> 3] as number) >> (7 - (bit & 7))) & 1);
    }
    if (code === end) break;
    if (code === clear) {
      [entries, width, last] = [258, 9, undefined];
      continue;
    }
    const start = at;
    if (code < 256) out[at++] = code;
    else {
      const known = code < entries;
      if (!known && (last === undefined || code > entries)) break; // broken: what is there is too short
      const from = known ? (starts[code] as number) : (last as { start: number }).start;
      const count = known ? (lengths[code] as number) : (last as { length: number }).length + 1;
      for (let i = 0; i < count && at < length; i++) out[at++] = out[from + i] as number;
    }
    if (last !== undefined && entries < 4096) {
      starts[entries] = last.start;
      lengths[entries] = last.length + 1;
      entries++;
    }
    last = { start, length: at - start };
    if (entries + 1 >= 2 ** width && width < 12) width++;
  }
  return out.subarray(0, at);
}

/** TIFF 6.0, section 9. */
function unpackBits(packed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let [from, at] = [0, 0];
  while (from < packed.length && at < length) {
    const count = ((packed[from++] as number) << 24) >> 24;
    if (count >= 0) {
      out.set(packed.subarray(from, from + Math.min(count + 1, length - at)), at);
      at += count + 1;
      from += count + 1;
    } else if (count > -128) {
      out.fill(packed[from++] ?? 0, at, at + 1 - count);
      at += 1 - count;
    }
  }
  return out.subarray(0, Math.min(at, length));
}

interface Layout {
  readonly bits: number;
  /** Bytes of a row. */
  readonly stride: number;
  /** Samples from one pixel to the next. */
  readonly step: number;
  readonly littleEndian: boolean;
}

/** Predictor 2 (section 14): each sample is the difference to the one before it in its channel. */
function undoDifferences(bytes: Uint8Array, { bits, stride, step, littleEndian }: Layout): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bits / 8;
  for (let row = 0; row < bytes.length; row += stride) {
    for (let at = row + step * size; at < row + stride; at += size) {
      const before = at - step * size;
      if (size === 1) view.setUint8(at, view.getUint8(at) + view.getUint8(before));
      else if (size === 2)
        view.setUint16(at, view.getUint16(at, littleEndian) + view.getUint16(before, littleEndian), littleEndian);
      else view.setUint32(at, view.getUint32(at, littleEndian) + view.getUint32(before, littleEndian), littleEndian);
    }
  }
}

/** Predictor 3 (Technical Note 3): bytes by their rank, the highest first, and these as differences. -> big-endian. */
function undoFloatDifferences(bytes: Uint8Array, { bits, stride, step }: Layout): void {
  const size = bits / 8;
  const count = stride / size;
  for (let row = 0; row < bytes.length; row += stride) {
    const line = bytes.slice(row, row + stride);
    for (let i = step; i < stride; i++) line[i] = (line[i] as number) + (line[i - step] as number);
    for (let i = 0; i < count; i++) {
      for (let b = 0; b < size; b++) bytes[row + i * size + b] = line[b * count + i] as number;
    }
  }
}

type SampleReader = (view: DataView, row: number, index: number, littleEndian: boolean) => number;

/** `undefined` for samples that are not read here. */
function sampleReader(format: SampleFormat, bits: number): SampleReader | undefined {
  switch (`${format}${bits}`) {
    case "uint8":
      return (view, row, i) => view.getUint8(row + i);
    case "int8":
      return (view, row, i) => view.getInt8(row + i);
    case "uint16":
      return (view, row, i, little) => view.getUint16(row + 2 * i, little);
    case "int16":
      return (view, row, i, little) => view.getInt16(row + 2 * i, little);
    case "uint32":
      return (view, row, i, little) => view.getUint32(row + 4 * i, little);
    case "int32":
      return (view, row, i, little) => view.getInt32(row + 4 * i, little);
    case "uint64":
      return (view, row, i, little) => Number(view.getBigUint64(row + 8 * i, little));
    case "int64":
      return (view, row, i, little) => Number(view.getBigInt64(row + 8 * i, little));
    case "float16":
      return (view, row, i, little) => halfFloat(view.getUint16(row + 2 * i, little));
    case "float32":
      return (view, row, i, little) => view.getFloat32(row + 4 * i, little);
    case "float64":
      return (view, row, i, little) => view.getFloat64(row + 8 * i, little);
  }
  if (format !== "uint" || bits < 1 || bits > 16) return undefined;
  return (view, row, i) => {
    let value = 0;
    for (let bit = i * bits; bit < (i + 1) * bits; bit++) {
      value = (value << 1) | ((view.getUint8(row + (bit >> 3)) >> (7 - (bit & 7))) & 1);
    }
    return value;
  };
}

/** IEEE 754 binary16. */
function halfFloat(half: number): number {
  const sign = half >> 15 === 0 ? 1 : -1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function arrayFor(format: SampleFormat, bits: number): new (length: number) => SampleArray {
  if (format === "float") return bits <= 32 ? Float32Array : Float64Array;
  if (bits > 32) return Float64Array;
  if (format === "int") return bits <= 8 ? Int8Array : bits <= 16 ? Int16Array : Int32Array;
  return bits <= 8 ? Uint8Array : bits <= 16 ? Uint16Array : Uint32Array;
}
