/** Figma's store of images: what it takes, by which name, and how it refuses. */
import { createHash } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import { encodeChunks, openPng, type PngSamples } from "@masklet/core";

export interface StoredBytes {
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Throws with Figma's texts for what it does not take. */
export function storeBytes(bytes: Uint8Array): StoredBytes {
  const size = sizeOf(bytes);
  if (size === undefined) throw new Error("in createImage: Image type is unsupported");
  const { width, height } = size;
  if (width < 1 || height < 1) throw new Error("in createImage: Image is too small");
  if (width > 4096 || height > 4096) throw new Error("in createImage: Image is too large");
  return { hash: createHash("sha1").update(bytes).digest("hex"), bytes: Uint8Array.from(bytes), width, height };
}

function sizeOf(bytes: Uint8Array): { width: number; height: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (...codes: readonly number[]): boolean => codes.every((code, i) => bytes[i] === code);
  if (starts(0x89, 0x50, 0x4e, 0x47) && bytes.length > 24)
    return { width: view.getUint32(16), height: view.getUint32(20) };
  if (starts(0x47, 0x49, 0x46, 0x38)) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (!starts(0xff, 0xd8)) return undefined;
  for (let at = 2; at + 9 < bytes.length; at += 2 + view.getUint16(at + 2)) {
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
  }
  return undefined;
}

/** A PNG of this size, of one grey; different greys have different hashes. */
export function pngOf(width: number, height: number, grey = 0): Uint8Array {
  return pngFrom(width, height, 0, 1, new Uint8Array(width * height).fill(grey));
}

/** A PNG of 8 bits of these samples; `colourType` is the header's. */
export function pngFrom(
  width: number,
  height: number,
  colourType: number,
  channels: number,
  data: Uint8Array,
): Uint8Array {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, colourType);
  const stride = width * channels;
  const rows = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  return encodeChunks([
    ["IHDR", new Uint8Array(header.buffer)],
    ["IDAT", deflateSync(rows)],
    ["IEND", new Uint8Array()],
  ]);
}

/** The samples of a PNG. */
export function pixelsOf(png: Uint8Array): PngSamples {
  const { compressed, unpack } = openPng(png, { name: "a stored image" });
  return unpack(new Uint8Array(inflateSync(compressed)));
}
