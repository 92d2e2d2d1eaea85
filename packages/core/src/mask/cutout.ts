import { MaskError } from "../errors.ts";
import { checkImage, type RawImage } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
import { type Area, blurMask } from "./blur.ts";
import { checkMaskFits, type Mask, maskBox } from "./mask.ts";

/** How an object is cut out. */
export interface CutoutOptions {
  /**
   * Softens the edge: alpha is the mask under a Gaussian that reaches this many pixels to both sides (sigma is half of
   * it). 0, the default, keeps the edge hard.
   */
  readonly feather?: number;
  /** Cuts the picture down to the object, its feathered edge included. Off by default: the picture keeps its size. */
  readonly crop?: boolean;
  /** With `crop`: pixels left free around the object; beyond the image they are transparent. 0 by default. */
  readonly padding?: number;
}

/** An object on transparent ground, and where its top left corner lies in the image it was cut from. */
export interface Cutout extends RawImage {
  readonly channels: 4;
  readonly x: number;
  readonly y: number;
}

/**
 * The object of `mask` cut out of `image`: RGBA with straight alpha. Where alpha is 0 the colours are 0 too, so nothing of
 * the background stays in the file; alpha the image had itself is kept by multiplication.
 *
 * Throws an `ImageError` for what is no image, a `MaskError` for a mask of another size (`mask-size-mismatch`), an option
 * that is no length (`cutout-option`), or a mask that is empty when it should be cropped to (`empty-mask`).
 */
export function cutout(image: RawImage, mask: Mask, options: CutoutOptions = {}): Cutout {
  checkKeys("cutout", options, cutoutKeys);
  const { feather = 0, crop = false, padding = 0 } = options;
  checkImage("cutout", image, { maxPixels: Number.POSITIVE_INFINITY });
  checkMaskFits("cutout", mask, image);
  for (const [name, value] of Object.entries({ feather, padding })) {
    if (!(value >= 0 && value <= 4096)) {
      throw new MaskError("cutout-option", `cutout: ${name} must be 0 to 4096 pixels, got ${value}`, {
        details: { option: name, value },
      });
    }
  }
  const area = crop ? around(mask, Math.ceil(feather) + Math.round(padding)) : { x: 0, y: 0, ...sizeOf(image) };
  const alpha = feather > 0 ? blurMask(mask, area, feather / 2, feather) : undefined;
  const { channels, data: source } = image;
  const data = new Uint8Array(area.width * area.height * 4);
  for (let y = Math.max(0, -area.y); y < area.height && area.y + y < image.height; y++) {
    for (let x = Math.max(0, -area.x); x < area.width && area.x + x < image.width; x++) {
      const pixel = (area.y + y) * image.width + area.x + x;
      const from = pixel * channels;
      const to = (y * area.width + x) * 4;
      const inside = alpha === undefined ? (mask.data[pixel] === 0 ? 0 : 1) : (alpha[y * area.width + x] as number);
      const opacity = Math.round(inside * (channels === 4 ? (source[from + 3] as number) : 255));
      if (opacity === 0) continue;
      data[to] = source[from] as number;
      data[to + 1] = source[from + 1] as number;
      data[to + 2] = source[from + 2] as number;
      data[to + 3] = opacity;
    }
  }
  return { ...area, channels: 4, data };
}

function around(mask: Mask, margin: number): Area {
  const { x, y, width, height } = maskBox(mask);
  if (width === 0) throw new MaskError("empty-mask", "cutout: the mask is empty, there is nothing to crop to");
  return { x: x - margin, y: y - margin, width: width + 2 * margin, height: height + 2 * margin };
}

function sizeOf({ width, height }: RawImage): { width: number; height: number } {
  return { width, height };
}

const cutoutKeys: Keys<CutoutOptions> = { feather: true, crop: true, padding: true };
