/**
 * Image files in Node, through the optional package `sharp`, which is loaded when it is first needed.
 *
 * What `readImage` does with what it finds:
 * - formats: JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP; of several frames or pages the first;
 * - EXIF orientation is applied, so pixels are as a viewer shows them;
 * - an embedded ICC profile is converted to sRGB; without one, colours are taken as sRGB, CMYK as SWOP's;
 * - 16 bits a channel become 8, grey and palettes become RGB;
 * - alpha is kept, straight, as a fourth channel, if the file has one (a GIF always may); else there are three.
 */
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Sharp, SharpConstructor, SharpOptions } from "sharp";
import { type AbortSignalLike, abortable } from "../abort.ts";
import { ImageError, MaskletError } from "../errors.ts";
import { decodeBmp, isBmp } from "../image/bmp.ts";
import {
  checkImage,
  checkSize,
  defaultMaxPixels,
  type ImageLimits,
  type ImageWarning,
  type RawImage,
} from "../image/image.ts";
import { checkMask, type Mask } from "../mask/mask.ts";
import { makeParents, systemReason, temporaryBeside } from "./files.ts";

/** Where an image comes from: a path, a `file:` URL, or the file's bytes. */
export type ImageSource = string | URL | Uint8Array;

/** Options of `readImage` and `readMask`. */
export interface ReadImageOptions extends ImageLimits {
  readonly signal?: AbortSignalLike;
  /** Hears of what was done to a picture that its reader may not expect: called once for each warning. */
  readonly onWarning?: (warning: ImageWarning) => void;
}

const formats: readonly string[] = ["jpeg", "png", "webp", "heif", "tiff", "gif"];

/**
 * Decodes an image file to 8-bit sRGB (see the top of this file for alpha, profiles, bit depths and orientation).
 *
 * Rejects with an `ImageError`: `image-not-found`, `image-unreadable`, `image-url` (not `file:`), `image-format`,
 * `image-too-large` (more than `maxPixels`; nothing is decoded), `image-corrupt` (truncated or broken; the decoder's
 * error is the cause), `sharp-missing`; with the signal's reason once it is aborted.
 */
export async function readImage(source: ImageSource, options: ReadImageOptions = {}): Promise<RawImage> {
  const { name, data, info } = await decode("readImage", source, options, (image) => image.toColourspace("srgb"));
  const { width, height, channels } = info;
  if (channels === 3 || channels === 4) return { width, height, channels, data };
  return { width, height, ...fromGrey(name, data, channels) };
}

/** Grey with or without alpha as RGB(A). */
function fromGrey(name: string, grey: Uint8Array, from: number): Pick<RawImage, "channels" | "data"> {
  if (from !== 1 && from !== 2) {
    throw new ImageError("image-format", `${name} decodes to ${from} channels, expected 1 to 4`, {
      details: { source: name, channels: from },
    });
  }
  const channels = from === 1 ? 3 : 4;
  const data = new Uint8Array((grey.length / from) * channels);
  for (let i = 0, o = 0; i < grey.length; i += from, o += channels) {
    data.fill(grey[i] as number, o, o + 3);
    if (from === 2) data[o + 3] = grey[i + 1] as number;
  }
  return { channels, data };
}

/**
 * Decodes an image file to a mask: 1 where it is lighter than half (128 of 255 and up) and not transparent. Rejects as
 * `readImage`.
 */
export async function readMask(source: ImageSource, options: ReadImageOptions = {}): Promise<Mask> {
  const { data, info } = await decode("readMask", source, options, (image) =>
    image.flatten({ background: "#000000" }).toColourspace("b-w"),
  );
  const { width, height, channels } = info;
  const mask = new Uint8Array(width * height);
  for (let i = 0; i < mask.length; i++) mask[i] = (data[i * channels] as number) >= 128 ? 1 : 0;
  return { width, height, data: mask };
}

/** How `encodeWebp` compresses. */
export interface WebpOptions {
  /** 1 to 100; 90 if not given. Colours only: alpha is always kept exactly. */
  readonly quality?: number;
  /** Keeps every pixel exactly. */
  readonly lossless?: boolean;
}

/** The image as a PNG file, lossless. Rejects with an `ImageError`: as `checkImage`, `image-encode`, `sharp-missing`. */
export async function encodePng(image: RawImage): Promise<Uint8Array> {
  return encode("encodePng", image, (raw) => raw.png({ compressionLevel: 6, adaptiveFiltering: true }));
}

/** The image as a WebP file of at most 16383 pixels a side. Rejects as `encodePng`. */
export async function encodeWebp(
  image: RawImage,
  { quality = 90, lossless = false }: WebpOptions = {},
): Promise<Uint8Array> {
  return encode("encodeWebp", image, (raw) => raw.webp({ quality, lossless, exact: lossless, alphaQuality: 100 }));
}

/** The mask as an 8-bit grey PNG file, 0 or 255. Rejects as `encodePng`; a `MaskError` for what is no mask. */
export async function encodeMaskPng(mask: Mask): Promise<Uint8Array> {
  checkMask("encodeMaskPng", mask);
  const { width, height } = mask;
  const grey = mask.data.map((pixel) => (pixel === 0 ? 0 : 255));
  const sharp = await loadSharp("encodeMaskPng");
  return bytesOf("encodeMaskPng", () =>
    sharp(grey, { raw: { width, height, channels: 1 }, limitInputPixels: false })
      .toColourspace("b-w")
      .png({ compressionLevel: 9 }),
  );
}

/** Options of `writeFileAtomic`. */
export interface WriteOptions {
  readonly signal?: AbortSignalLike;
}

/**
 * Writes a file wholly or not at all: into a new file beside it, synced, then renamed over it. When that fails or is
 * aborted, the new file is removed and an older one at `path` is as it was. A folder that is not there is made.
 *
 * Rejects with a `MaskletError` `write-failed` (unwritable folder, full disk; the system's error is the cause), or with
 * the signal's reason.
 */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array | string,
  { signal }: WriteOptions = {},
): Promise<void> {
  signal?.throwIfAborted();
  const temporary = temporaryBeside(path);
  let created = false;
  try {
    const file = await openNew(temporary);
    created = true;
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    await rename(temporary, path);
  } catch (cause) {
    if (created) await rm(temporary, { force: true }).catch(() => {});
    if (signal?.aborted === true) throw signal.reason;
    throw writeFailed(path, cause);
  }
}

/** Opens a file that must not be there yet, making its folder where that is missing. Rejects with the system's error. */
export async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    await makeParents(path);
    return await open(path, "wx");
  }
}

export function writeFailed(path: string, cause: unknown): MaskletError {
  return new MaskletError("write-failed", `${path} cannot be written: ${systemReason(cause)}`, {
    cause,
    details: { path, code: errorCode(cause) },
  });
}

interface Decoded {
  readonly name: string;
  readonly data: Uint8Array;
  readonly info: { readonly width: number; readonly height: number; readonly channels: number };
}

async function decode(
  where: string,
  source: ImageSource,
  { maxPixels = defaultMaxPixels, signal, onWarning }: ReadImageOptions,
  convert: (image: Sharp) => Sharp,
): Promise<Decoded> {
  signal?.throwIfAborted();
  const name = source instanceof Uint8Array ? "bytes" : String(source);
  const sharp = await loadSharp(where);
  const file = source instanceof Uint8Array ? source : await abortable(readBytes(source), signal);
  const settings: SharpOptions = { failOn: "error", limitInputPixels: false, pages: 1 };

  const corrupt = (cause: unknown): ImageError =>
    new ImageError("image-corrupt", `${name} cannot be decoded: ${reason(cause)}`, {
      cause,
      details: { source: name },
    });
  if (file.length === 0) throw unknownFormat(name, "empty");
  if (isBmp(file)) {
    const { data, width, height, channels } = decodeBmp(file, name, maxPixels);
    return { name, ...(await pixelsOf(convert(sharp(data, { raw: { width, height, channels } })), signal)) };
  }
  // Only the header is read here, so a bomb is refused before a pixel of it is decoded.
  const header = await abortable(sharp(file, settings).metadata(), signal).catch((cause: unknown) => {
    if (signal?.aborted === true) throw signal.reason;
    if (/unsupported image format/i.test(reason(cause))) throw unknownFormat(name, "of no known format", cause);
    throw corrupt(cause);
  });
  if (!formats.includes(header.format) || (header.format === "heif" && header.compression !== "av1")) {
    throw unknownFormat(
      name,
      header.compression === undefined ? header.format : `${header.format} (${header.compression})`,
    );
  }
  checkSize(name, { width: header.width, height: header.pageHeight ?? header.height }, maxPixels);

  try {
    return { name, ...(await pixelsOf(convert(sharp(file, settings).autoOrient()), signal)) };
  } catch (cause) {
    if (signal?.aborted === true) throw signal.reason;
    if (header.format !== "jpeg") throw corrupt(cause);
    // With an end marker, what misses pixels is told by a warning: then it is as broken as it looked.
    const ended = Buffer.concat([file, Uint8Array.of(0xff, 0xd9)]);
    const image = sharp(ended, { ...settings, failOn: "warning" }).autoOrient();
    const decoded = await pixelsOf(convert(image), signal).catch(() => {
      if (signal?.aborted === true) throw signal.reason;
      throw corrupt(cause);
    });
    const message = `${name}: the JPEG lacks its end marker; all its pixels are there`;
    onWarning?.({ code: "unfinished", message, details: { source: name } });
    return { name, ...decoded };
  }
}

async function pixelsOf(image: Sharp, signal: AbortSignalLike | undefined): Promise<Omit<Decoded, "name">> {
  const pixels = image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const { data, info } = await abortable(pixels, signal);
  return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), info };
}

async function readBytes(source: string | URL): Promise<Uint8Array> {
  if (source instanceof URL && source.protocol !== "file:") {
    throw new ImageError("image-url", `${source}: only file: URLs are read; fetch it and pass the bytes`, {
      details: { url: source.href },
    });
  }
  const path = source instanceof URL ? fileURLToPath(source) : source;
  try {
    return await readFile(path);
  } catch (cause) {
    const code = errorCode(cause) === "ENOENT" ? "image-not-found" : "image-unreadable";
    throw new ImageError(code, `${path} cannot be read: ${systemReason(cause)}`, { cause, details: { path } });
  }
}

async function encode(where: string, image: RawImage, to: (raw: Sharp) => Sharp): Promise<Uint8Array> {
  checkImage(where, image, { maxPixels: Number.POSITIVE_INFINITY });
  const { width, height, channels, data } = image;
  const sharp = await loadSharp(where);
  return bytesOf(where, () => to(sharp(data, { raw: { width, height, channels }, limitInputPixels: false })));
}

async function bytesOf(where: string, pipeline: () => Sharp): Promise<Uint8Array> {
  try {
    const file = await pipeline().toBuffer();
    return new Uint8Array(file.buffer, file.byteOffset, file.length);
  } catch (cause) {
    throw new ImageError("image-encode", `${where}: ${reason(cause)}`, { cause });
  }
}

async function loadSharp(where: string): Promise<SharpConstructor> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    throw new ImageError(
      "sharp-missing",
      `${where}: reading and writing image files needs the package sharp, which could not be loaded (npm install sharp). ` +
        "Pixels that are decoded already need no package.",
      { cause },
    );
  }
}

function unknownFormat(name: string, format: string, cause?: unknown): ImageError {
  return new ImageError("image-format", `${name} is ${format}, expected JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP`, {
    cause,
    details: { source: name, format },
  });
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
