/**
 * Images in the browser, in windows and workers.
 *
 * The browser decodes: EXIF orientation is applied, colour profiles are converted to sRGB, and of an animation the first
 * frame is taken. 16 bits become 8; a PNG whose samples lie low in them is read here, by the rule in image/depth.ts. Alpha is kept as a fourth channel, straight; canvases hold it premultiplied, so
 * colours under full transparency come back as black and faint ones a little rounded.
 */
import { type AbortSignalLike, abortable } from "../abort.ts";
import { withoutQuery } from "../checkpoint/http-error.ts";
import { ImageError } from "../errors.ts";
import { decodeBmpIndices, isBmp } from "../image/bmp.ts";
import { depthRange, rangeWarning, toBytes } from "../image/depth.ts";
import { decodeGif, isGif } from "../image/gif.ts";
import {
  checkImage,
  checkSize,
  defaultMaxPixels,
  type ImageLimits,
  type ImageWarning,
  type RawImage,
  type Size,
} from "../image/image.ts";
import { decodePng, isPng, pngColours, pngDepth } from "../image/png.ts";
import { type Mask, maskImage } from "../mask/mask.ts";
import {
  imageMaskValues,
  indexedMaskValues,
  type MaskPicture,
  type MaskValues,
  maskPicture,
  pngMaskValues,
} from "../mask/mask-picture.ts";
import { checkAwaited, checkKeys, type Keys } from "../options.ts";
import { zlib } from "./label-png.ts";

/** What the browser can draw, files, and addresses, which are relative to the page. */
export type WebImageSource =
  | string
  | URL
  | Blob
  | ImageData
  | ImageBitmap
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLVideoElement
  | VideoFrame;

/** Options of `imageFrom`. */
export interface ImageFromOptions extends ImageLimits {
  readonly signal?: AbortSignalLike;
  /** Hears of what was done to a picture that its reader may not expect: called once for each warning. */
  readonly onWarning?: (warning: ImageWarning) => void;
}

/** Options of `maskFrom`. */
export interface MaskFromOptions extends ImageLimits {
  /** Which label is the object, where the picture is a label map: `labels` of `maskPictureFrom` are there. */
  readonly label?: number;
  readonly signal?: AbortSignalLike;
  /** Hears of what was done to a picture that its reader may not expect: called once for each warning. */
  readonly onWarning?: (warning: ImageWarning) => void;
}

/**
 * The pixels of a browser's image as RGBA: all that its file has, which of one for screens of "2x" (`srcset`, `<picture>`)
 * are more than `naturalWidth` says (`imagePoint` tells where a click is in them). SVG is drawn at its size. What was passed in is neither
 * closed nor changed; an `<img>` that is still loading is waited for.
 *
 * Rejects with an `ImageError`: `image-format` (SVG in a worker), `image-not-found` (404), `image-unreadable` (an address that cannot be fetched, or from
 * another site without CORS), `image-corrupt` (a Blob the browser cannot decode, an element without a picture),
 * `image-too-large` (for a Blob only known once the browser has decoded it), `image-size`, `image-cross-origin` (a
 * picture or canvas from another site without CORS); with the signal's reason once it is aborted.
 */
export async function imageFrom(source: WebImageSource, options: ImageFromOptions = {}): Promise<RawImage> {
  checkKeys("imageFrom", options, imageFromKeys);
  checkAwaited("imageFrom", "the picture", source);
  const { maxPixels = defaultMaxPixels, signal, onWarning } = options;
  signal?.throwIfAborted();
  if (typeof source === "string" || source instanceof URL) {
    return imageFrom(await fetchBlob(source, signal), options);
  }
  if (source instanceof Blob) {
    const deep = await abortable(decodeDeep(source, maxPixels, onWarning), signal);
    if (deep !== undefined) return deep;
    if (await abortable(isSvg(source), signal)) {
      const typed = new Blob([source], { type: "image/svg+xml" });
      return drawUrl(URL.createObjectURL(typed), maxPixels, signal);
    }
    const bitmap = await abortable(decodeBlob(source), signal, (late) => late.close());
    try {
      return draw(bitmap, bitmap, maxPixels);
    } finally {
      bitmap.close();
    }
  }
  if (isImageElement(source) && !source.complete) {
    await abortable(
      source.decode().catch(() => {}), // what has failed to load is 0x0
      signal,
    );
  }
  if (isImageElement(source) && choosesFile(source)) {
    const file = fileOf(source);
    await abortable(
      file.decode().catch(() => {}), // what has failed to load is 0x0
      signal,
    );
    return draw(file, naturalSize(file), maxPixels);
  }
  if (source instanceof ImageData) {
    checkSize("imageFrom", source, maxPixels);
    if (source.colorSpace === "srgb" && source.data instanceof Uint8ClampedArray) {
      return { width: source.width, height: source.height, channels: 4, data: source.data.slice() };
    }
    const { context } = canvas(source);
    context.putImageData(source, 0, 0); // converts to the canvas's sRGB
    return pixelsOf(context, source);
  }
  return draw(source, naturalSize(source), maxPixels);
}

async function fetchBlob(source: string | URL, signal: AbortSignalLike | undefined): Promise<Blob> {
  const address = URL.canParse(source, globalThis.location?.href)
    ? new URL(source, globalThis.location?.href)
    : undefined;
  const name =
    address === undefined ? String(source) : address.protocol === "data:" ? "data: URL" : withoutQuery(address.href);
  const unreadable = (problem: string, cause?: unknown): ImageError =>
    new ImageError("image-unreadable", `${name} cannot be read: ${problem}`, { cause, details: { url: name } });
  if (address === undefined) throw unreadable("it is no address");
  const controller = new AbortController();
  const load = async (): Promise<Blob> => {
    const response = await fetch(address, { signal: controller.signal }).catch((cause: unknown) => {
      throw unreadable("the connection failed, or the server does not allow this page to read it (CORS)", cause);
    });
    if (response.ok) {
      return response.blob().catch((cause: unknown) => {
        throw unreadable("the connection broke off", cause);
      });
    }
    await response.body?.cancel();
    const code = response.status === 404 || response.status === 410 ? "image-not-found" : "image-unreadable";
    throw new ImageError(code, `${name} cannot be read: the server answers ${response.status}`, {
      details: { url: name, status: response.status },
    });
  };
  const stop = (): void => controller.abort();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await abortable(load(), signal);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** Bytes of a PNG that tell its kind. */
const pngHead = 33;

/** A PNG of 16 bits whose samples lie low in them; `undefined` for everything else. */
async function decodeDeep(
  blob: Blob,
  maxPixels: number,
  onWarning: ImageFromOptions["onWarning"],
): Promise<RawImage | undefined> {
  if (pngDepth(new Uint8Array(await blob.slice(0, pngHead).arrayBuffer())) !== 16) return undefined;
  const name = nameOf(blob);
  const samples = pngColours(await decodePng(new Uint8Array(await blob.arrayBuffer()), zlib, { name, maxPixels }));
  const range = depthRange(samples);
  if (range.isTypes) return undefined;
  onWarning?.(rangeWarning(name, samples, range));
  return toBytes(samples, range);
}

const nameOf = (blob: Blob): string => (typeof File !== "undefined" && blob instanceof File ? blob.name : "picture");

/**
 * The mask in a picture file, by the rules in mask/mask-picture.ts: white on black, 1 on 0 or any other two values, an
 * object that is in alpha alone, soft edges; of a label map (palette indices, which no canvas tells, grey or coloured
 * areas) one label.
 *
 * Rejects as `imageFrom`, and with a `MaskError`: "several-labels" for a label map of which no label was asked for,
 * "no-such-label". The mask may be empty.
 */
export async function maskFrom(source: Blob, given: MaskFromOptions = {}): Promise<Mask> {
  checkKeys("maskFrom", given, maskFromKeys);
  const { label, ...options } = given;
  return (await maskPictureFrom(source, options)).mask(label);
}

/** The masks in a picture file, by label: as `maskFrom`, for label maps with several objects. Rejects as `imageFrom`. */
export async function maskPictureFrom(
  source: Blob,
  options: Omit<MaskFromOptions, "label"> = {},
): Promise<MaskPicture> {
  checkKeys("maskPictureFrom", options, maskPictureKeys);
  checkAwaited("maskPictureFrom", "the picture", source);
  const { signal, onWarning } = options;
  signal?.throwIfAborted();
  return maskPicture(await maskValues(source, options), nameOf(source), onWarning);
}

async function maskValues(source: Blob, options: Omit<MaskFromOptions, "label">): Promise<MaskValues> {
  const { maxPixels = defaultMaxPixels, signal } = options;
  const name = nameOf(source);
  const head = new Uint8Array(await source.slice(0, pngHead).arrayBuffer());
  if (isPng(head) || isGif(head) || isBmp(head)) {
    const file = new Uint8Array(await source.arrayBuffer());
    if (isPng(head)) return pngMaskValues(await abortable(decodePng(file, zlib, { name, maxPixels }), signal));
    const indexed = isGif(head) ? decodeGif(file, name, maxPixels) : decodeBmpIndices(file, name, maxPixels);
    if (indexed !== undefined) return indexedMaskValues(indexed);
  }
  return { ...imageMaskValues(await imageFrom(source, options)), lossy: /jpe?g|avif/.test(source.type) };
}

/** File types that `encodeBlob` writes. */
export interface EncodeOptions {
  /** `image/png` if not given. */
  readonly type?: "image/png" | "image/webp";
  /** WebP's, 0 to 1; 0.9 if not given. */
  readonly quality?: number;
}

/**
 * The image as a PNG or WebP file. Rejects with an `ImageError`: as `checkImage`, or `image-encode` where the browser
 * cannot write that type or size.
 */
export async function encodeBlob(image: RawImage, options: EncodeOptions = {}): Promise<Blob> {
  checkKeys("encodeBlob", options, encodeKeys);
  const { type = "image/png", quality = 0.9 } = options;
  checkImage("encodeBlob", image, { maxPixels: Number.POSITIVE_INFINITY });
  const { context, surface } = canvas(image);
  context.putImageData(imageDataFrom(image), 0, 0);
  let blob: Blob;
  try {
    blob = await surface.convertToBlob({ type, quality });
  } catch (cause) {
    throw new ImageError("image-encode", `encodeBlob: the browser cannot encode ${image.width}x${image.height}`, {
      cause,
    });
  }
  if (blob.type !== type) {
    throw new ImageError("image-encode", `encodeBlob: this browser cannot write ${type}, it gave ${blob.type}`, {
      details: { type, got: blob.type },
    });
  }
  return blob;
}

/** The mask as a black and white PNG file. Rejects as `encodeBlob`. */
export async function encodeMaskBlob(mask: Mask): Promise<Blob> {
  return encodeBlob(maskImage(mask));
}

/** The image for a canvas's `putImageData`; RGB becomes opaque RGBA. Pixels are copied. */
export function imageDataFrom(image: RawImage): ImageData {
  checkImage("imageDataFrom", image, { maxPixels: Number.POSITIVE_INFINITY });
  const { width, height, channels, data } = image;
  const out = new ImageData(width, height);
  if (channels === 4) out.data.set(data);
  else {
    for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
      out.data[to] = data[from] as number;
      out.data[to + 1] = data[from + 1] as number;
      out.data[to + 2] = data[from + 2] as number;
      out.data[to + 3] = 255;
    }
  }
  return out;
}

/** By its type, or where a file has none by its beginning. */
async function isSvg(blob: Blob): Promise<boolean> {
  if (blob.type !== "") return /^image\/svg\+xml\b/i.test(blob.type);
  return /^\s*(<\?xml|<!--|<!doctype svg|<svg)/i.test(await blob.slice(0, 256).text());
}

/** What browsers decode in a document alone: drawings. Revokes the address. */
async function drawUrl(url: string, maxPixels: number, signal: AbortSignalLike | undefined): Promise<RawImage> {
  try {
    if (typeof Image === "undefined") {
      throw new ImageError(
        "image-format",
        "imageFrom: browsers draw SVG in a document, not in a worker: call it there",
      );
    }
    const image = new Image();
    image.src = url;
    await abortable(image.decode(), signal).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new ImageError("image-corrupt", "imageFrom: the browser cannot draw this SVG", { cause });
    });
    return draw(image, naturalSize(image), maxPixels);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function isImageElement(source: unknown): source is HTMLImageElement {
  return typeof HTMLImageElement !== "undefined" && source instanceof HTMLImageElement;
}

/** Whether the browser chose what it shows, by `srcset` or `<picture>`: `naturalWidth` is divided by a density then. */
export function choosesFile(image: HTMLImageElement): boolean {
  return image.currentSrc !== "" && (image.srcset !== "" || image.parentElement instanceof HTMLPictureElement);
}

/**
 * The file that an element shows, with all of its pixels: browsers have it at hand, so it is complete at once (HTML's
 * "list of available images").
 */
export function fileOf({ crossOrigin, currentSrc }: HTMLImageElement): HTMLImageElement {
  return Object.assign(new Image(), { crossOrigin, src: currentSrc });
}

async function decodeBlob(blob: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, { imageOrientation: "from-image", premultiplyAlpha: "default" });
  } catch (cause) {
    const type = blob.type === "" ? "of unknown type" : `of type ${blob.type}`;
    throw new ImageError("image-corrupt", `imageFrom: the browser cannot decode this Blob ${type}`, {
      cause,
      details: { type: blob.type, size: blob.size },
    });
  }
}

export function naturalSize(source: Exclude<WebImageSource, string | URL | Blob | ImageData>): Size {
  if (isImageElement(source)) {
    return { width: source.naturalWidth, height: source.naturalHeight };
  }
  if (typeof HTMLVideoElement !== "undefined" && source instanceof HTMLVideoElement) {
    return { width: source.videoWidth, height: source.videoHeight };
  }
  if (typeof VideoFrame !== "undefined" && source instanceof VideoFrame) {
    return { width: source.displayWidth, height: source.displayHeight };
  }
  const { width, height } = source as ImageBitmap | HTMLCanvasElement | OffscreenCanvas;
  return { width, height };
}

function draw(source: CanvasImageSource, { width, height }: Size, maxPixels: number): RawImage {
  if (width === 0 || height === 0) {
    throw new ImageError("image-corrupt", `imageFrom: the picture is ${width}x${height}; has it loaded?`);
  }
  checkSize("imageFrom", { width, height }, maxPixels);
  const { context } = canvas({ width, height });
  context.drawImage(source, 0, 0, width, height);
  return pixelsOf(context, { width, height });
}

/** A canvas to draw on and read back; without `alpha` it is black where nothing is drawn. */
export function canvas(
  { width, height }: Size,
  { alpha = true }: { readonly alpha?: boolean } = {},
): {
  readonly surface: OffscreenCanvas;
  readonly context: OffscreenCanvasRenderingContext2D;
} {
  const surface = new OffscreenCanvas(width, height);
  const context = surface.getContext("2d", { alpha, colorSpace: "srgb", willReadFrequently: true });
  if (context === null) {
    throw new ImageError("image-too-large", `the browser gives no canvas of ${width}x${height}`, {
      details: { width, height },
    });
  }
  return { surface, context };
}

export function pixelsOf(context: OffscreenCanvasRenderingContext2D, { width, height }: Size): RawImage {
  try {
    const { data } = context.getImageData(0, 0, width, height, { colorSpace: "srgb" });
    return { width, height, channels: 4, data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.length) };
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "SecurityError") {
      throw new ImageError(
        "image-cross-origin",
        "imageFrom: the picture comes from another site, which does not allow its pixels to be read (CORS)",
        { cause },
      );
    }
    throw new ImageError("image-too-large", `imageFrom: the browser cannot read ${width}x${height} pixels back`, {
      cause,
      details: { width, height },
    });
  }
}

const maskFromKeys: Keys<MaskFromOptions> = { maxPixels: true, signal: true, label: true, onWarning: true };

const maskPictureKeys: Keys<Omit<MaskFromOptions, "label">> = { maxPixels: true, signal: true, onWarning: true };

const encodeKeys: Keys<EncodeOptions> = { type: true, quality: true };

export const imageFromKeys: Keys<ImageFromOptions> = { maxPixels: true, signal: true, onWarning: true };
