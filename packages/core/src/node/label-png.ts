/**
 * Label maps as PNG: the pixel is the object's id, the palette is DAVIS's, so that a viewer shows the ids as colours and
 * a program reads them as they are. Picture libraries turn palettes into colours on the way, which loses the ids.
 */
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { ImageError } from "../errors.ts";
import type { LabelMap } from "../eval/masklets.ts";
import { checkSize } from "../image/image.ts";

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

/** A label map as an 8-bit palette PNG. Throws an `ImageError`: "image-size", "image-data-length". */
export function encodeLabelPng({ width, height, data }: LabelMap): Uint8Array {
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
  const rows = Buffer.alloc(height * (width + 1)); // each row after its filter's number, none
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, PALETTE, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", davisPalette()),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  out.set(body, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/**
 * The label map of a PNG: palette indices as they are, or 8-bit grey. `name` is how errors call it. Throws an
 * `ImageError`: "image-format" for what is no PNG or one of another kind, "image-corrupt", "image-too-large".
 */
export function decodeLabelPng(bytes: Uint8Array, name = "bytes"): LabelMap {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (code: "image-format" | "image-corrupt", problem: string, cause?: unknown): ImageError =>
    new ImageError(code, `${name}: ${problem}`, { cause, details: { file: name } });
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) throw fail("image-format", "is no PNG");
  let header: Buffer | undefined;
  const data: Buffer[] = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const length = file.readUInt32BE(at);
    const type = file.toString("latin1", at + 4, at + 8);
    if (at + 12 + length > file.length) throw fail("image-corrupt", "breaks off");
    const body = file.subarray(at + 8, at + 8 + length);
    if (crc32(file.subarray(at + 4, at + 8 + length)) !== file.readUInt32BE(at + 8 + length)) {
      throw fail("image-corrupt", `has a broken ${type} chunk`);
    }
    if (type === "IHDR" && length === 13) header = body;
    else if (type === "IDAT") data.push(body);
    else if (type === "IEND") break;
    at += 12 + length;
  }
  if (header === undefined) throw fail("image-corrupt", "has no header");
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  checkSize(name, { width, height });
  const [depth = 0, kind = 0, , , interlaced = 0] = header.subarray(8);
  const isLabels =
    interlaced === 0 && ((kind === PALETTE && [1, 2, 4, 8].includes(depth)) || (kind === GREY && depth === 8));
  if (!isLabels) throw fail("image-format", "is no label map: it needs a palette or 8-bit grey, not interlaced");
  const stride = Math.ceil((width * depth) / 8);
  let rows: Buffer;
  try {
    rows = inflateSync(Buffer.concat(data), { maxOutputLength: height * (stride + 1) });
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
