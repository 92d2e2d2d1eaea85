import { ImageError } from "../errors.ts";
import { checkAwaited } from "../options.ts";

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * 8-bit sRGB pixels, row by row from the top left, channels interleaved: `data` is [height, width, channels].
 *
 * With four channels the last is straight (not premultiplied) alpha. The model has no notion of transparency, so the
 * predictors drop alpha and see the colours stored beneath it, as Meta's code does (`convert("RGB")`). To have it see
 * what a viewer shows, `flatten` the image first.
 */
export interface RawImage extends Size {
  readonly channels: 3 | 4;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A picture of palette indices. */
export interface IndexedPixels extends Size {
  /** [height, width] */
  readonly data: Uint8Array;
  /** Red, green and blue of each index, one after another. */
  readonly palette: Uint8Array;
  /** 0 where a pixel is transparent; left out where none is. */
  readonly opaque?: Uint8Array;
}

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** 2^27 pixels: lets a 108-megapixel phone photo through (about 400 MB as RGB) and stops most bombs. */
export const defaultMaxPixels: number = 2 ** 27;

/** What was done to a picture that its reader may not expect. */
export interface ImageWarning {
  /**
   * "range-scaled": its samples were brought to 8 bits by the range that was found in them, not by their type's;
   * "unfinished": a JPEG without its end marker, all of whose pixels are there all the same;
   * "palette-order": a mask's palette whose index 0 is not black while another one is, so that the picture's edge told
   * which of them is the background.
   */
  readonly code: "range-scaled" | "unfinished" | "palette-order";
  /** For people. */
  readonly message: string;
  /** The facts of the message as fields. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Options of every function that takes pictures from outside. */
export interface ImageLimits {
  /** The largest width * height that is accepted; `defaultMaxPixels` if not given. */
  readonly maxPixels?: number;
}

/**
 * Throws an `ImageError` unless width and height are positive integers with at most `maxPixels` pixels between them:
 * `image-size` or `image-too-large`. `where` opens the message.
 */
export function checkSize(where: string, { width, height }: Size, maxPixels: number = defaultMaxPixels): void {
  if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0)) {
    throw new ImageError("image-size", `${where}: width and height must be positive integers, got ${width}x${height}`, {
      details: { width, height },
    });
  }
  if (width * height > maxPixels) {
    throw new ImageError(
      "image-too-large",
      `${where}: ${width}x${height} is ${width * height} pixels, maxPixels is ${maxPixels}`,
      { details: { width, height, maxPixels } },
    );
  }
}

/**
 * Throws an `ImageError` unless `image` is one: `image-size`, `image-too-large`, `image-channels`, `image-data` (not
 * bytes) or `image-data-length`. `where` opens the message.
 */
export function checkImage(where: string, image: RawImage, { maxPixels = defaultMaxPixels }: ImageLimits = {}): void {
  checkAwaited(where, "the image", image);
  if (typeof image !== "object" || image === null) {
    throw new ImageError("image-data", `${where}: an image is { width, height, channels, data }, got ${typeof image}`);
  }
  checkSize(where, image, maxPixels);
  const { width, height, channels, data } = image;
  if (channels !== 3 && channels !== 4) {
    throw new ImageError("image-channels", `${where}: channels must be 3 (RGB) or 4 (RGBA), got ${channels}`, {
      details: { channels },
    });
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new ImageError("image-data", `${where}: data must be a Uint8Array or a Uint8ClampedArray`);
  }
  const expected = width * height * channels;
  if (data.length !== expected) {
    throw new ImageError(
      "image-data-length",
      `${where}: ${width}x${height} with ${channels} channels takes ${expected} bytes, data has ${data.length}`,
      { details: { width, height, channels, expected, length: data.length } },
    );
  }
}

/** The pixels of `image` over an opaque `background` (white if not given), without alpha. RGB images come back as they are. */
export function flatten(image: RawImage, background: Rgb = [255, 255, 255]): RawImage {
  checkImage("flatten", image, { maxPixels: Number.POSITIVE_INFINITY });
  if (image.channels === 3) return image;
  const { width, height, data: rgba } = image;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    const alpha = rgba[from + 3] as number;
    for (let c = 0; c < 3; c++) {
      // Rounded to nearest: 255 keeps the pixel, 0 gives the background, exactly.
      data[to + c] = ((rgba[from + c] as number) * alpha + (background[c] as number) * (255 - alpha) + 127) / 255;
    }
  }
  return { width, height, channels: 3, data };
}
