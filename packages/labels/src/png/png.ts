/**
 * PNG with its samples as they are: palette indices, ids of 16 bits, colours. Picture libraries and browsers turn them
 * into colours of 8 bits on the way. Compression is fflate's, so that there is no host and nothing to wait for.
 */
import { crc32, type Size } from "@masklet/core";
import { unzlibSync, zlibSync } from "fflate";
import { LabelError } from "../errors.ts";

/** Samples of a PNG: `channels` to a pixel, row by row. */
export interface Png extends Size {
  readonly kind: "grey" | "grey-alpha" | "rgb" | "rgba" | "palette";
  readonly channels: 1 | 2 | 3 | 4;
  /** Bits of a sample in the file. */
  readonly depth: 1 | 2 | 4 | 8 | 16;
  readonly samples: Uint8Array | Uint16Array;
  /** RGB for each index, where `kind` is `palette`. */
  readonly palette?: Uint8Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const kinds = { grey: 0, rgb: 2, palette: 3, "grey-alpha": 4, rgba: 6 } as const;
const channelsOf = { grey: 1, rgb: 3, palette: 1, "grey-alpha": 2, rgba: 4 } as const;

/** Start and step of Adam7's passes. */
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/**
 * The samples of a PNG. Throws a `LabelError`: "png-unsupported" for what is no PNG (JPEG does not keep ids),
 * "png-malformed" for one that is broken.
 */
export function decodePng(file: Uint8Array, name = "bytes"): Png {
  const fail = (problem: string, cause?: unknown): LabelError =>
    new LabelError("png-malformed", `${name}: ${problem}`, { cause, details: { file: name } });
  if (!signature.every((byte, i) => file[i] === byte)) {
    throw new LabelError("png-unsupported", `${name}: is no PNG, and no other kind of picture keeps ids exactly`, {
      details: { file: name },
    });
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let header: DataView | undefined;
  let palette: Uint8Array | undefined;
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > file.length) throw fail("breaks off");
    if (crc32(file.subarray(at + 4, end)) !== view.getUint32(end)) throw fail(`has a broken chunk at byte ${at}`);
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const content = file.subarray(at + 8, end);
    if (type === "IHDR" && content.length === 13) header = new DataView(file.buffer, file.byteOffset + at + 8, 13);
    else if (type === "PLTE") palette = content.slice();
    else if (type === "IDAT") parts.push(content);
    else if (type === "IEND") break;
    at = end + 4;
  }
  if (header === undefined) throw fail("has no header");
  const [width, height, depth] = [header.getUint32(0), header.getUint32(4), header.getUint8(8) as Png["depth"]];
  const kind = (Object.keys(kinds) as Png["kind"][]).find((one) => kinds[one] === header.getUint8(9));
  if (kind === undefined || ![1, 2, 4, 8, 16].includes(depth) || width === 0 || height === 0) {
    throw fail("has a header that makes no sense");
  }
  const channels = channelsOf[kind];
  if ((depth < 8 && channels > 1) || (kind === "palette" && depth === 16)) throw fail("has a depth that cannot be");
  const interlaced = header.getUint8(12) === 1;
  const plans = interlaced ? passes : ([[0, 0, 1, 1]] as const);
  const sizes = plans.map(([x, y, dx, dy]) => {
    const columns = Math.ceil((width - x) / dx);
    const rows = Math.ceil((height - y) / dy);
    return { columns, rows, stride: columns > 0 && rows > 0 ? Math.ceil((columns * channels * depth) / 8) : 0 };
  });
  const expected = sizes.reduce((sum, { rows, stride }) => sum + (stride > 0 ? rows * (stride + 1) : 0), 0);
  const data = concat(parts);
  // Nothing is compressed farther than 1032 to 1: a header that promises more is not believed.
  if (expected > data.length * 1032 + 64 || width * height > 2 ** 28) throw fail("has less in it than its header says");
  let raw: Uint8Array;
  try {
    raw = unzlibSync(data, { out: new Uint8Array(expected) });
  } catch (cause) {
    throw fail("cannot be decompressed", cause);
  }
  if (raw.length !== expected) throw fail("breaks off");
  const samples = depth === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
  const pixelBytes = Math.max(1, (channels * depth) >> 3);
  let from = 0;
  for (const [pass, [x0, y0, dx, dy]] of plans.entries()) {
    const { columns, rows, stride } = sizes[pass] as (typeof sizes)[number];
    if (stride === 0) continue;
    const lines = unfilter(raw.subarray(from, from + rows * (stride + 1)), stride, rows, pixelBytes);
    if (lines === undefined) throw fail("has an unknown filter");
    from += rows * (stride + 1);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns * channels; i++) {
        const bit = i * depth;
        const at = row * stride + (bit >> 3);
        const byte = lines[at] as number;
        const value =
          depth === 16
            ? (byte << 8) | (lines[at + 1] as number)
            : (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
        const [x, channel] = [x0 + Math.floor(i / channels) * dx, i % channels];
        samples[((y0 + row * dy) * width + x) * channels + channel] = value;
      }
    }
  }
  return { width, height, kind, channels, depth, samples, ...(kind === "palette" && palette ? { palette } : {}) };
}

/** Undoes PNG's filters (PNG specification, section 9). */
function unfilter(raw: Uint8Array, stride: number, rows: number, pixel: number): Uint8Array | undefined {
  const out = new Uint8Array(stride * rows);
  for (let y = 0; y < rows; y++) {
    const filter = raw[y * (stride + 1)] as number;
    if (filter > 4) return undefined;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x < pixel ? 0 : (out[at - pixel] as number);
      const up = y === 0 ? 0 : (out[at - stride] as number);
      const corner = x < pixel || y === 0 ? 0 : (out[at - stride - pixel] as number);
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] as number;
      out[at] = (raw[y * (stride + 1) + 1 + x] as number) + predicted;
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

/** A PNG of 8 or 16 bits, without interlace. */
export function encodePng({ width, height, kind, channels, depth, samples, palette }: Png): Uint8Array {
  if (depth < 8) throw new LabelError("png-unsupported", `encodePng: writes 8 or 16 bits, got ${depth}`);
  const bytes = depth >> 3;
  const stride = width * channels * bytes;
  const raw = new Uint8Array(height * (stride + 1));
  for (let y = 0, from = 0; y < height; y++) {
    let to = y * (stride + 1) + 1; // after the filter's number, none
    for (let i = 0; i < width * channels; i++, from++) {
      const value = samples[from] as number;
      if (bytes === 2) raw[to++] = value >> 8;
      raw[to++] = value;
    }
  }
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header.set([depth, kinds[kind]], 8);
  return concat([
    signature,
    chunk("IHDR", header),
    ...(palette === undefined ? [] : [chunk("PLTE", palette)]),
    chunk("IDAT", zlibSync(raw, { level: 6 })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(content, 8);
  view.setUint32(content.length + 8, crc32(out.subarray(4, content.length + 8)));
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
