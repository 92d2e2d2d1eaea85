/**
 * Windows bitmaps (BMP): 1, 2, 4, 8, 16, 24 and 32 bits a pixel, run lengths, bit fields, either way up. What sharp and
 * its kin do not read. Source: Microsoft's "Bitmap Header Types" and "Bitmap Compression".
 */
import { ImageError } from "../errors.ts";
import { checkSize, type IndexedPixels, type RawImage } from "./image.ts";

/** Whether the bytes begin as a bitmap's. */
export function isBmp(file: Uint8Array): boolean {
  return (
    file.length >= 26 && file[0] === 0x42 && file[1] === 0x4d && file[15] === 0 && file[16] === 0 && file[17] === 0
  );
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly bottomUp: boolean;
  readonly bits: number;
  /** BI_RGB, BI_RLE8, BI_RLE4, BI_BITFIELDS; BI_ALPHABITFIELDS is taken for the last. */
  readonly compression: 0 | 1 | 2 | 3;
  /** Where the pixels begin. */
  readonly offset: number;
  /** Red, green, blue, alpha; 0 where there is none. */
  readonly masks: readonly number[];
  /** Red, green, blue of each index, one after another. */
  readonly palette: Uint8Array;
}

/**
 * Decodes a bitmap: RGB, or RGBA where the file says which bits are alpha and not all of them are 0. Throws an
 * `ImageError`: "image-format" for what no decoder of pixels can read (JPEG inside, for instance), "image-size",
 * "image-too-large", "image-corrupt".
 */
export function decodeBmp(file: Uint8Array, name: string, maxPixels?: number): RawImage {
  const header = readHeader(file, name, maxPixels);
  const { width, height, bits, masks } = header;
  const indexed = bits <= 8;
  const pixels = readPixels(file, header, name);
  const alpha = !indexed && masks[3] !== 0 && pixels.some((pixel) => (pixel & (masks[3] as number)) !== 0);
  const channels = alpha ? 4 : 3;
  const scales = masks.map(scaleOf);
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = pixels[y * width + x] as number;
      const at = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) {
        data[at + c] = indexed ? (header.palette[3 * pixel + c] ?? 0) : (scales[c] as Scale)(pixel);
      }
    }
  }
  return { width, height, channels, data };
}

/** The indices of a bitmap that has a palette, `undefined` for one that has none. Throws as `decodeBmp`. */
export function decodeBmpIndices(file: Uint8Array, name: string, maxPixels?: number): IndexedPixels | undefined {
  const header = readHeader(file, name, maxPixels);
  const { width, height, bits, palette } = header;
  return bits > 8 ? undefined : { width, height, data: Uint8Array.from(readPixels(file, header, name)), palette };
}

type Scale = (pixel: number) => number;

/** What a mask's bits are as 8 of them. */
function scaleOf(mask: number): Scale {
  if (mask === 0) return () => 255;
  const shift = 31 - Math.clz32(mask & -mask);
  const max = mask >>> shift;
  return (pixel) => Math.round((((pixel & mask) >>> shift) / max) * 255);
}

function readHeader(file: Uint8Array, name: string, maxPixels: number | undefined): Header {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const size = view.getUint32(14, true);
  const cut = (): ImageError => corrupt(name, "it ends within its header");
  if (size !== 12 && size < 40) throw corrupt(name, `its header has ${size} bytes`);
  if (file.length < 14 + size) throw cut();
  const core = size === 12;
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const signed = core ? view.getInt16(20, true) : view.getInt32(22, true);
  const height = Math.abs(signed);
  const bits = view.getUint16(core ? 24 : 28, true);
  const coded = core ? 0 : view.getUint32(30, true);
  const used = core ? 0 : view.getUint32(46, true);
  checkSize(name, { width, height }, maxPixels);
  const compression = coded === 6 ? 3 : coded;
  const fits =
    (compression === 0 && [1, 2, 4, 8, 16, 24, 32].includes(bits)) ||
    (compression === 1 && bits === 8) ||
    (compression === 2 && bits === 4) ||
    (compression === 3 && (bits === 16 || bits === 32));
  if (!fits) {
    throw new ImageError(
      "image-format",
      `${name} is a BMP of ${bits} bits with compression ${coded}, which is not read`,
      {
        details: { source: name, format: "bmp", bits, compression: coded },
      },
    );
  }
  let next = 14 + size;
  const fields = (count: number, at: number): number[] => {
    if (file.length < at + 4 * count) throw cut();
    return Array.from({ length: count }, (_, i) => view.getUint32(at + 4 * i, true) | 0);
  };
  let masks = bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [0xff0000, 0xff00, 0xff, 0];
  if (compression === 3) {
    // Newer headers hold the masks, the oldest is followed by them.
    const count = size >= 56 || coded === 6 ? 4 : 3;
    masks = [...fields(count, 54), 0].slice(0, 4);
    if (size === 40) next += 4 * count;
  }
  const palette = new Uint8Array(3 * 2 ** Math.min(bits, 8));
  if (bits <= 8) {
    const entry = core ? 3 : 4;
    const count = Math.min(used === 0 ? 2 ** bits : used, 2 ** bits);
    if (file.length < next + entry * count) throw cut();
    for (let i = 0; i < count; i++) {
      const at = next + entry * i;
      palette.set([file[at + 2] as number, file[at + 1] as number, file[at] as number], 3 * i);
    }
  }
  return {
    width,
    height,
    bottomUp: signed > 0,
    bits,
    compression: compression as Header["compression"],
    offset: view.getUint32(10, true),
    masks,
    palette,
  };
}

/** Each pixel's index or bits, row by row from the top. */
function readPixels(file: Uint8Array, header: Header, name: string): Int32Array {
  const { width, height, compression, bottomUp } = header;
  const stored = compression === 1 || compression === 2 ? runLengths(file, header) : packed(file, header, name);
  if (!bottomUp) return stored;
  const pixels = new Int32Array(stored.length);
  for (let y = 0; y < height; y++) pixels.set(stored.subarray(y * width, (y + 1) * width), (height - 1 - y) * width);
  return pixels;
}

/** Each pixel's index or bits, row by row as they are stored: rows end at multiples of four bytes. */
function packed(file: Uint8Array, { width, height, bits, offset }: Header, name: string): Int32Array {
  const stride = Math.ceil((width * bits) / 32) * 4;
  // The last row's padding may be missing.
  const needed = offset + stride * (height - 1) + Math.ceil((width * bits) / 8);
  if (file.length < needed) throw corrupt(name, `it has ${file.length} of ${needed} bytes`);
  const pixels = new Int32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const row = offset + y * stride;
    for (let x = 0; x < width; x++) pixels[i++] = pixelAt(file, row, x, bits);
  }
  return pixels;
}

function pixelAt(file: Uint8Array, row: number, x: number, bits: number): number {
  const byte = (at: number): number => file[row + at] as number;
  if (bits < 8) {
    const bit = x * bits;
    return (byte(bit >> 3) >> (8 - bits - (bit & 7))) & (2 ** bits - 1);
  }
  if (bits === 8) return byte(x);
  const at = (x * bits) / 8;
  if (bits === 16) return byte(at) | (byte(at + 1) << 8);
  const rgb = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16);
  return bits === 24 ? rgb : rgb | (byte(at + 3) << 24);
}

/** Pixels that the runs leave out have index 0. */
function runLengths(file: Uint8Array, { width, height, compression, offset }: Header): Int32Array {
  const pixels = new Int32Array(width * height);
  let [x, y] = [0, 0];
  const put = (index: number): void => {
    if (x < width && y < height) pixels[y * width + x] = index;
    x++;
  };
  const half = (byte: number, i: number): number => (compression === 1 ? byte : i % 2 === 0 ? byte >> 4 : byte & 15);
  for (let at = offset; at + 1 < file.length && y < height; ) {
    const [count, value] = [file[at] as number, file[at + 1] as number];
    at += 2;
    if (count > 0) {
      for (let i = 0; i < count; i++) put(half(value, i));
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      [x, y] = [x + (file[at] ?? 0), y + (file[at + 1] ?? 0)];
      at += 2;
    } else {
      for (let i = 0; i < value; i++) put(half(file[at + (compression === 1 ? i : i >> 1)] ?? 0, i));
      const bytes = compression === 1 ? value : (value + 1) >> 1;
      at += bytes + (bytes % 2);
    }
  }
  return pixels;
}

function corrupt(name: string, problem: string): ImageError {
  return new ImageError("image-corrupt", `${name} cannot be decoded: ${problem}`, { details: { source: name } });
}
