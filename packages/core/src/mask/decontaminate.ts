/** The background's colours taken out of an object's edge, where a lens or a scaler has mixed both. */
import { checkImage, type RawImage } from "../image/image.ts";
import { checkInteger, checkKeys, checkOption, type Keys } from "../options.ts";
import { type Area, areaAround } from "./blur.ts";
import { fillSmoothly } from "./fill.ts";
import { checkMaskFits, type Mask } from "./mask.ts";
import { growMask } from "./morphology.ts";

/** How much of an edge is not trusted. */
export interface DecontaminateOptions {
  /** Pixels inwards from the mask's edge whose colours may be mixed. Default 2. */
  readonly inwards?: number;
  /** The `feather` of the cutout: what shows beyond the mask under it gets the object's colours too. Default 0. */
  readonly feather?: number;
}

/**
 * The image with the colours along the object's edge gone on smoothly from its inside, so that no rim of the old
 * background shows on another one: for `cutout`, with the same mask. Parts too thin to have an inside keep their colours;
 * farther out the image is as it was, and so is alpha.
 *
 * Throws an `ImageError` for what is no image, a `MaskError` "mask-size-mismatch", a `PromptError` "bad-option" for an
 * `inwards` that is no integer from 0 to 4096, or a `feather` that is no number of them.
 */
export function decontaminate(image: RawImage, mask: Mask, options: DecontaminateOptions = {}): RawImage {
  checkKeys("decontaminate", options, decontaminateKeys);
  const { inwards = 2, feather = 0 } = options;
  checkInteger("decontaminate", { inwards }, 0, 4096);
  checkOption("decontaminate", { feather }, "a number from 0 to 4096", feather >= 0 && feather <= 4096);
  const outwards = Math.ceil(feather * Math.SQRT2); // as far as its kernel's corners
  checkImage("decontaminate", image, { maxPixels: Number.POSITIVE_INFINITY });
  checkMaskFits("decontaminate", mask, image);
  const { width, height, channels } = image;
  const data = Uint8Array.from(image.data);
  const area = inwards > 0 ? areaAround(mask, outwards + 1) : undefined; // background all around, so that the edge is one
  if (area === undefined) return { width, height, channels, data };
  const size = { width: area.width, height: area.height };
  const object: Mask = { ...size, data: crop(mask.data, width, 1, area) };
  const inside = growMask(object, -inwards);
  const thick = growMask(inside, inwards);
  const isKnown = (i: number): boolean => inside.data[i] === 1 || (object.data[i] !== 0 && thick.data[i] === 0);
  const hole: Mask = { ...size, data: object.data.map((_, i) => (isKnown(i) ? 0 : 1)) };
  const shown = growMask(object, outwards);
  const { data: filled } = fillSmoothly({ ...size, channels, data: crop(data, width, channels, area) }, hole);
  for (let i = 0; i < shown.data.length; i++) {
    if (shown.data[i] === 0) continue;
    const to = ((area.y + Math.floor(i / area.width)) * width + area.x + (i % area.width)) * channels;
    for (let c = 0; c < 3; c++) data[to + c] = filled[i * channels + c] as number;
  }
  return { width, height, channels, data };
}

function crop(data: Uint8Array, width: number, channels: number, area: Area): Uint8Array {
  const out = new Uint8Array(area.width * area.height * channels);
  for (let y = 0; y < area.height; y++) {
    const from = ((area.y + y) * width + area.x) * channels;
    out.set(data.subarray(from, from + area.width * channels), y * area.width * channels);
  }
  return out;
}

const decontaminateKeys: Keys<DecontaminateOptions> = { inwards: true, feather: true };
