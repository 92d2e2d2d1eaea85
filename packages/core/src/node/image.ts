/**
 * Image files in Node, through the optional package `sharp`, which is loaded when it is first needed.
 *
 * What `readImage` does with what it finds:
 * - formats: JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP; of several frames or pages the first;
 * - EXIF orientation is applied, so pixels are as a viewer shows them;
 * - an embedded ICC profile is converted to sRGB; without one, colours are taken as sRGB, CMYK as SWOP's;
 * - 16 bits a channel, signed and floating samples become 8 bits by the rule in image/depth.ts, and `onWarning` hears of
 *   it where that is not the type's own range; grey and palettes become RGB;
 * - alpha is kept, straight, as a fourth channel, if the file has one (a GIF always may); else there are three.
 */
import { readFile, rename, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Sharp, SharpConstructor, SharpOptions } from "sharp";
import { type AbortSignalLike, abortable } from "../abort.ts";
import { withoutQuery } from "../checkpoint/http-error.ts";
import { DownloadError, ImageError } from "../errors.ts";
import { decodeBmp, decodeBmpIndices, isBmp } from "../image/bmp.ts";
import { type DeepSamples, depthRange, rangeWarning, toBytes } from "../image/depth.ts";
import { decodeGif, isGif } from "../image/gif.ts";
import {
  checkImage,
  checkSize,
  defaultMaxPixels,
  type ImageLimits,
  type ImageWarning,
  type RawImage,
} from "../image/image.ts";
import { oriented } from "../image/orientation.ts";
import { decodePng, isPng, pngColours, pngDepth } from "../image/png.ts";
import { decodeTiff, isTiff, type TiffHeader, type TiffSamples, tiffHeader } from "../image/tiff.ts";
import { checkMask, type Mask } from "../mask/mask.ts";
import {
  imageMaskValues,
  indexedMaskValues,
  type MaskPicture,
  type MaskValues,
  maskPicture,
  pngMaskValues,
  tiffMaskValues,
} from "../mask/mask-picture.ts";
import { checkAwaited, checkKeys, type Keys } from "../options.ts";
import { fetchBytes } from "./download/address.ts";
import { errorCode, systemReason, temporaryBeside, writeFailed } from "./files.ts";
import { zlib } from "./label-png.ts";
import { openNew } from "./open-new.ts";

/** Where an image comes from: a path, an address (`file:`, `http:`, `https:`, `data:`), or the file's bytes or Blob. */
export type ImageSource = string | URL | Uint8Array | Blob;

/** Options of `readImage`. */
export interface ReadImageOptions extends ImageLimits {
  readonly signal?: AbortSignalLike;
  /** Hears of what was done to a picture that its reader may not expect: called once for each warning. */
  readonly onWarning?: (warning: ImageWarning) => void;
}

/** Options of `readMask`. */
export interface ReadMaskOptions extends ImageLimits {
  /** Which label is the object, where the picture is a label map: `labels` of `readMaskPicture` are there. */
  readonly label?: number;
  readonly signal?: AbortSignalLike;
  /** As of `readImage`. */
  readonly onWarning?: (warning: ImageWarning) => void;
}

const formats: readonly string[] = ["jpeg", "png", "webp", "heif", "tiff", "gif"];

/**
 * Decodes an image file to 8-bit sRGB (see the top of this file for alpha, profiles, bit depths and orientation).
 *
 * Rejects with an `ImageError`: `image-not-found`, `image-unreadable` (a server that refuses, or sends more than 256 MiB,
 * too), `image-url` (an address of another kind), `image-format`,
 * `image-too-large` (more than `maxPixels`; nothing is decoded), `image-corrupt` (truncated or broken; the decoder's
 * error is the cause), `sharp-missing`; with the signal's reason once it is aborted.
 */
export async function readImage(source: ImageSource, options: ReadImageOptions = {}): Promise<RawImage> {
  checkKeys("readImage", options, readKeys);
  const opened = await openImage("readImage", source, options);
  const deep = await decodeDeep(opened, options);
  if (deep !== undefined) return deep;
  const { name } = opened;
  const { data, info } = await decode(opened, options, (image) => image.toColourspace("srgb"));
  const { width, height, channels } = info;
  if (channels === 3 || channels === 4) return { width, height, channels, data };
  return { width, height, ...fromGrey(name, data, channels) };
}

/** A picture of more than 8 bits that is not brought to 8 by its type's range; `undefined` for all others. */
async function decodeDeep(
  { name, where, file }: Opened,
  { maxPixels = defaultMaxPixels, signal, onWarning }: ReadImageOptions,
): Promise<RawImage | undefined> {
  let samples: DeepSamples;
  if (isTiff(file)) {
    const header = tiffHeader(file, name);
    if (header.format === "uint" && header.bits <= 8) return undefined;
    const tiff = await abortable(decodeTiff(file, zlib, { name, maxPixels }), signal);
    if (tiff === undefined) {
      if (header.format === "uint" && header.bits <= 16) return undefined;
      throw unreadTiff(name, header);
    }
    samples = tiffColours(name, oriented(tiff, tiff.orientation));
  } else if (pngDepth(file) === 16) {
    // What ICC profiles and EXIF say is sharp's to apply: only pictures that would come out dark are read here.
    const png = await abortable(decodePng(file, zlib, { name, maxPixels }), signal);
    samples = pngColours(oriented(png, await pngOrientation(where, file)));
  } else {
    return undefined;
  }
  const range = depthRange(samples);
  if (range.isTypes && samples.format === "uint" && samples.bits <= 16) return undefined;
  if (!range.isTypes) onWarning?.(rangeWarning(name, samples, range));
  return toBytes(samples, range);
}

function tiffColours(name: string, tiff: TiffSamples): DeepSamples {
  const colours = tiff.kind === "rgb" ? 3 : 1;
  const channels = tiff.channels - (tiff.alpha ? 1 : 0);
  if (tiff.kind === "palette" || (colours === 1 && channels > 1)) throw tooManyChannels(name, tiff.channels);
  return { ...tiff, colours };
}

function unreadTiff(name: string, { format, bits, isPalette }: TiffHeader): ImageError {
  const samples = format === undefined ? "complex" : isPalette ? "palette" : format;
  const problem = `a TIFF of ${bits}-bit ${samples} samples, packed in a way that is not read`;
  return unknownFormat(name, problem);
}

/** How a PNG is stored, by EXIF's number: its samples are read here, and that is not. */
async function pngOrientation(where: string, file: Uint8Array): Promise<number> {
  const header = await (await loadSharp(where))(file, { limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  return header?.orientation ?? 1;
}

function tooManyChannels(name: string, channels: number): ImageError {
  return new ImageError("image-format", `${name} decodes to ${channels} channels, expected 1 to 4`, {
    details: { source: name, channels },
  });
}

/** Grey with or without alpha as RGB(A). */
function fromGrey(name: string, grey: Uint8Array, from: number): Pick<RawImage, "channels" | "data"> {
  if (from !== 1 && from !== 2) throw tooManyChannels(name, from);
  const channels = from === 1 ? 3 : 4;
  const data = new Uint8Array((grey.length / from) * channels);
  for (let i = 0, o = 0; i < grey.length; i += from, o += channels) {
    data.fill(grey[i] as number, o, o + 3);
    if (from === 2) data[o + 3] = grey[i + 1] as number;
  }
  return { channels, data };
}

/**
 * Decodes an image file to a mask, by the rules in mask/mask-picture.ts: white on black, 1 on 0 or any other two values,
 * an object that is in alpha alone, soft edges; of a label map (palette indices, grey or coloured areas) one label.
 *
 * Rejects as `readImage`, and with a `MaskError`: "several-labels" for a label map of which no label was asked for,
 * "no-such-label". The mask may be empty.
 */
export async function readMask(source: ImageSource, given: ReadMaskOptions = {}): Promise<Mask> {
  checkKeys("readMask", given, maskKeys);
  const { label, ...options } = given;
  return (await readPicture("readMask", source, options)).mask(label);
}

/** The masks in an image file, by label: as `readMask`, for label maps with several objects. Rejects as `readImage`. */
export async function readMaskPicture(
  source: ImageSource,
  options: Omit<ReadMaskOptions, "label"> = {},
): Promise<MaskPicture> {
  checkKeys("readMaskPicture", options, pictureKeys);
  return readPicture("readMaskPicture", source, options);
}

async function readPicture(
  where: string,
  source: ImageSource,
  options: Omit<ReadMaskOptions, "label">,
): Promise<MaskPicture> {
  const opened = await openImage(where, source, options);
  return maskPicture(await maskValues(opened, options), opened.name, options.onWarning);
}

async function maskValues(opened: Opened, options: Omit<ReadMaskOptions, "label">): Promise<MaskValues> {
  const { where, name, file } = opened;
  const { maxPixels = defaultMaxPixels, signal } = options;
  if (isTiff(file)) {
    const tiff = await abortable(decodeTiff(file, zlib, { name, maxPixels }), signal);
    if (tiff !== undefined) return tiffMaskValues(oriented(tiff, tiff.orientation));
    const header = tiffHeader(file, name);
    if (header.format !== "uint" || header.bits > 8 || header.isPalette) throw unreadTiff(name, header);
  }
  if (isPng(file)) {
    const png = await abortable(decodePng(file, zlib, { name, maxPixels }), signal);
    return pngMaskValues(oriented(png, await pngOrientation(where, file)));
  }
  const indexed = isGif(file)
    ? decodeGif(file, name, maxPixels)
    : isBmp(file)
      ? decodeBmpIndices(file, name, maxPixels)
      : undefined;
  if (indexed !== undefined) return indexedMaskValues(indexed);
  const { format, data, info } = await decode(opened, options, (image) => image.ensureAlpha().toColourspace("srgb"));
  const { width, height, channels } = info;
  if (channels !== 4) throw tooManyChannels(name, channels);
  return { ...imageMaskValues({ width, height, channels, data }), lossy: format === "jpeg" || format === "heif" };
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
export async function encodeWebp(image: RawImage, options: WebpOptions = {}): Promise<Uint8Array> {
  checkKeys("encodeWebp", options, webpKeys);
  const { quality = 90, lossless = false } = options;
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
 * aborted, the new file is removed and an older one at `path` is as it was. A folder that is not there is made. Bytes that
 * come in pieces may be made of the older file, which stays until the last of them.
 *
 * Rejects with a `MaskletError` `write-failed` (unwritable folder, full disk; the system's error is the cause), or with
 * the signal's reason.
 */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array | string | AsyncIterable<Uint8Array>,
  options: WriteOptions = {},
): Promise<void> {
  checkKeys("writeFileAtomic", options, writeKeys);
  const { signal } = options;
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

/** A file's bytes, and what errors say of it. */
interface Opened {
  readonly where: string;
  readonly name: string;
  readonly file: Uint8Array;
}

async function openImage(
  where: string,
  source: ImageSource,
  { signal }: { readonly signal?: AbortSignalLike },
): Promise<Opened> {
  checkAwaited(where, "the source", source);
  signal?.throwIfAborted();
  const name = nameOf(source);
  await loadSharp(where);
  const file = source instanceof Uint8Array ? source : await abortable(readBytes(source, signal), signal);
  if (file.length === 0) throw unknownFormat(name, "empty");
  return { where, name, file };
}

interface Decoded {
  /** sharp's name of it. */
  readonly format: string;
  readonly data: Uint8Array;
  readonly info: { readonly width: number; readonly height: number; readonly channels: number };
}

async function decode(
  { where, name, file }: Opened,
  { maxPixels = defaultMaxPixels, signal, onWarning }: ReadImageOptions,
  convert: (image: Sharp) => Sharp,
): Promise<Decoded> {
  const sharp = await loadSharp(where);
  const settings: SharpOptions = { failOn: "error", limitInputPixels: false, pages: 1 };
  const corrupt = (cause: unknown): ImageError =>
    new ImageError("image-corrupt", `${name} cannot be decoded: ${reason(cause)}`, {
      cause,
      details: { source: name },
    });
  if (isBmp(file)) {
    const { data, width, height, channels } = decodeBmp(file, name, maxPixels);
    const pixels = await pixelsOf(convert(sharp(data, { raw: { width, height, channels } })), signal);
    return { format: "bmp", ...pixels };
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
    return { format: header.format, ...(await pixelsOf(convert(sharp(file, settings).autoOrient()), signal)) };
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
    return { format: header.format, ...decoded };
  }
}

async function pixelsOf(image: Sharp, signal: AbortSignalLike | undefined): Promise<Omit<Decoded, "format">> {
  const pixels = image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const { data, info } = await abortable(pixels, signal);
  return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), info };
}

/** How messages call an image; an address without its query, which may hold a secret. */
function nameOf(source: ImageSource): string {
  if (source instanceof Uint8Array) return "bytes";
  if (source instanceof Blob) return source instanceof File ? source.name : "blob";
  const url = urlOf(source);
  if (url === undefined || url.protocol === "file:") return String(source);
  return url.protocol === "data:" ? "data: URL" : withoutQuery(url.href);
}

/** The address that a source is. A path is none, and neither is `C:\\picture.png`. */
function urlOf(source: string | URL): URL | undefined {
  if (source instanceof URL) return source;
  return /^(https?|file):\/\/|^data:/i.test(source) && URL.canParse(source) ? new URL(source) : undefined;
}

async function readBytes(source: string | URL | Blob, signal: AbortSignalLike | undefined): Promise<Uint8Array> {
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  const url = urlOf(source);
  if (url !== undefined && url.protocol !== "file:") return fetchImage(url, signal);
  const path = url === undefined ? String(source) : fileURLToPath(url);
  try {
    return await readFile(path);
  } catch (cause) {
    const code = errorCode(cause) === "ENOENT" ? "image-not-found" : "image-unreadable";
    throw new ImageError(code, `${path} cannot be read: ${systemReason(cause)}`, { cause, details: { path } });
  }
}

/** More than any picture within `defaultMaxPixels` is likely to take. */
const maxBytes = 2 ** 28;

/** The picture at an address, as an `ImageError` says what kept it away. */
async function fetchImage(url: URL, signal: AbortSignalLike | undefined): Promise<Uint8Array> {
  const name = nameOf(url);
  if (!["http:", "https:", "data:"].includes(url.protocol)) {
    const problem = "only file:, http:, https: and data: addresses are read";
    throw new ImageError("image-url", `${name}: ${problem}; fetch it and pass the bytes`, {
      details: { url: name },
    });
  }
  try {
    return await fetchBytes(url, { maxBytes, retries: 2, ...(signal && { signal }) });
  } catch (cause) {
    if (!(cause instanceof DownloadError)) throw cause;
    const code = cause.code === "not-on-server" ? "image-not-found" : "image-unreadable";
    const problem = url.protocol === "data:" ? "it is malformed" : cause.message.replace(`${name}: `, "");
    throw new ImageError(code, `${name} cannot be read: ${problem}`, {
      cause,
      details: { ...cause.details, url: name },
    });
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
      `${where}: reading and writing image files needs the package sharp, which could not be loaded ` +
        // Its binaries are optional dependencies, which --omit=optional leaves out.
        "(npm install --include=optional sharp). Pixels that are decoded already need no package.",
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

const readKeys: Keys<ReadImageOptions> = { maxPixels: true, signal: true, onWarning: true };

const maskKeys: Keys<ReadMaskOptions> = { maxPixels: true, signal: true, label: true, onWarning: true };

const pictureKeys: Keys<Omit<ReadMaskOptions, "label">> = { maxPixels: true, signal: true, onWarning: true };

const webpKeys: Keys<WebpOptions> = { quality: true, lossless: true };

const writeKeys: Keys<WriteOptions> = { signal: true };
