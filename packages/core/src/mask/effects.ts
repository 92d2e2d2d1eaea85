/**
 * What is made of a picture once its objects are known: each effect by its name, for one picture or frame after frame of
 * a video. Sizes that are not given follow the picture's shorter side, so that a video looks the same in all resolutions.
 */
import { MaskError } from "../errors.ts";
import { checkImage, type RawImage, type Rgb, type Size } from "../image/image.ts";
import { linearTaps, resizeAntialiased, resizeImageAntialiased } from "../image/resize.ts";
import { checkKeys, type Keys } from "../options.ts";
import { areaAround, blurMask } from "./blur.ts";
import { cutout } from "./cutout.ts";
import { dilate } from "./dilate.ts";
import { fillSmoothly } from "./fill.ts";
import { checkMaskFits, type Mask } from "./mask.ts";
import { type OverlayObject, type OverlayOptions, overlay } from "./overlay.ts";

/** An image of the effect's own, to be written to. */
interface Canvas extends RawImage {
  readonly data: Uint8Array;
}

/** Softens the edge between object and background over this many pixels to both sides. */
interface Feathered {
  /** 1/500 of the shorter side if not given, at least 1; 0 keeps the edge hard. */
  readonly feather?: number;
}

/** An effect and its options. */
export type Effect =
  /** Objects tinted and outlined. */
  | ({ readonly name: "overlay" } & OverlayOptions)
  /** Objects on transparent ground, as RGBA; hard edges if `feather` is not given. */
  | { readonly name: "cutout"; readonly feather?: number }
  /**
   * Objects before a blurred background. `sigma` is the Gaussian's standard deviation in pixels, as of CSS's blur();
   * 1/40 of the shorter side if not given. The objects' own colours do not run into the background.
   */
  | ({ readonly name: "blur"; readonly sigma?: number } & Feathered)
  /** Objects in colour, the background in grey: BT.709's luma, as CSS's grayscale(). */
  | ({ readonly name: "grey" } & Feathered)
  /**
   * Objects before a darker background: `dim`, 0 to 1, is the share of light that is taken, 0.7 if not given. `outline`
   * is the width in pixels of a line around each, in its colour; 0, none, if not given.
   */
  | ({ readonly name: "spotlight"; readonly dim?: number; readonly outline?: number } & Feathered)
  /**
   * Objects removed. What was behind them is not known and not invented: the hole gets one colour, or, if `colour` is not
   * given, the smooth surface between the colours around it (the solution of Laplace's equation), which is good for small
   * objects on plain ground and a blur elsewhere. `grow` removes so many pixels around an object too, where its colour
   * still shows; 1/150 of the shorter side if not given, at least 2.
   */
  | { readonly name: "erase"; readonly colour?: Rgb; readonly grow?: number };

export type EffectName = Effect["name"];

/** Every effect's name. */
export const effectNames: readonly EffectName[] = ["overlay", "cutout", "blur", "grey", "spotlight", "erase"];

/**
 * The image under an effect; `image` itself is not changed. Size and channels stay, but for "cutout", which gives RGBA.
 * Alpha that the image has is kept ("erase" fills it as it fills colours). At feather 0, and elsewhere beyond the
 * feathered edge, the objects' pixels are exactly those of the image; for "erase" the background's are.
 *
 * Throws an `ImageError` for what is no image; a `MaskError` for a mask of another size, or an option out of range:
 * "effect-option", "overlay-option", "cutout-option".
 */
export function applyEffect(image: RawImage, objects: readonly OverlayObject[], effect: Effect | EffectName): RawImage {
  const chosen: Effect = typeof effect === "string" ? { name: effect } : effect;
  if (Object.hasOwn(effectKeys, chosen.name)) checkKeys("applyEffect", chosen, effectKeys[chosen.name] as Keys<Effect>);
  if (chosen.name === "overlay") {
    const { name: _, ...options } = chosen;
    return overlay(image, objects, options);
  }
  checkImage("applyEffect", image, { maxPixels: Number.POSITIVE_INFINITY });
  const union = unionMask(objects, image);
  const shorter = Math.min(image.width, image.height);
  switch (chosen.name) {
    case "cutout": {
      const { name: _, ...options } = chosen;
      const { width, height, channels, data } = cutout(image, union, options);
      return { width, height, channels, data };
    }
    case "blur": {
      const { sigma = Math.max(1, shorter / 40) } = chosen;
      check("sigma", sigma, 0.5, 4096);
      return before(blurBackground(image, union, sigma), image, union, chosen);
    }
    case "grey":
      return before(grey(image), image, union, chosen);
    case "spotlight": {
      const { dim = 0.7, outline = 0 } = chosen;
      check("dim", dim, 0, 1);
      const lit = before(dimmed(image, 1 - dim), image, union, chosen);
      return outline === 0 ? lit : overlay(lit, objects, { fill: 0, outline });
    }
    case "erase": {
      const { colour, grow = Math.max(2, shorter / 150) } = chosen;
      check("grow", grow, 0, 4096);
      const hole = { ...union, data: dilate(union.data, union.width, Math.round(grow)) };
      return colour === undefined ? fillSmoothly(image, hole) : painted(image, hole, colour);
    }
    default:
      throw new MaskError(
        "effect-option",
        `applyEffect: no effect ${(chosen satisfies never as Effect).name}, expected one of ${effectNames.join(", ")}`,
        { details: { option: "name", value: (chosen as Effect).name } },
      );
  }
}

function check(option: string, value: number, low: number, high: number): void {
  if (value >= low && value <= high) return;
  throw new MaskError("effect-option", `applyEffect: ${option} must be ${low} to ${high}, got ${value}`, {
    details: { option, value },
  });
}

/** Where any of the objects is. */
function unionMask(objects: readonly OverlayObject[], { width, height }: Size): Mask {
  const data = new Uint8Array(width * height);
  for (const { mask } of objects) {
    checkMaskFits("applyEffect", mask, { width, height });
    for (let i = 0; i < data.length; i++) if (mask.data[i] !== 0) data[i] = 1;
  }
  return { width, height, data };
}

/** The objects of `image` before `background`, which is written to. */
function before(
  background: Canvas,
  image: RawImage,
  union: Mask,
  { feather = Math.max(1, Math.min(image.width, image.height) / 500) }: Feathered,
): RawImage {
  check("feather", feather, 0, 4096);
  const { width, channels, data: source } = image;
  const { data } = background;
  const area = areaAround(union, Math.ceil(feather));
  if (area === undefined) return background;
  const soft = feather > 0 ? blurMask(union, area, feather / 2, feather) : undefined;
  for (let y = 0; y < area.height; y++) {
    for (let x = 0; x < area.width; x++) {
      const pixel = (area.y + y) * width + area.x + x;
      const share = soft === undefined ? (union.data[pixel] as number) : (soft[y * area.width + x] as number);
      if (share === 0) continue;
      for (let at = pixel * channels; at < pixel * channels + 3; at++) {
        const below = data[at] as number;
        data[at] = Math.round(below + ((source[at] as number) - below) * share);
      }
    }
  }
  return background;
}

function grey(image: RawImage): Canvas {
  const { channels } = image;
  const data = new Uint8Array(image.data);
  for (let i = 0; i < data.length; i += channels) {
    const luma = 0.2126 * (data[i] as number) + 0.7152 * (data[i + 1] as number) + 0.0722 * (data[i + 2] as number);
    data[i] = data[i + 1] = data[i + 2] = Math.round(luma);
  }
  return { ...image, data };
}

function dimmed(image: RawImage, light: number): Canvas {
  const { channels } = image;
  const data = new Uint8Array(image.data);
  const table = Uint8Array.from({ length: 256 }, (_, value) => Math.round(value * light));
  for (let i = 0; i < data.length; i++) {
    if (channels === 3 || (i & 3) !== 3) data[i] = table[data[i] as number] as number;
  }
  return { ...image, data };
}

function painted(image: RawImage, hole: Mask, colour: Rgb): RawImage {
  const { channels } = image;
  const data = new Uint8Array(image.data);
  const pixel = channels === 3 ? colour : [...colour, 255];
  for (let i = 0; i < hole.data.length; i++) if (hole.data[i] !== 0) data.set(pixel, i * channels);
  return { ...image, data };
}

/**
 * The background under a Gaussian that looks at background alone: colours weighted by how much background there is,
 * blurred, and divided by the blurred weights. A Gaussian leaves nothing that a grid of sigma / 2 could not hold, so it
 * runs on one that is so much smaller.
 */
function blurBackground(image: RawImage, union: Mask, sigma: number): Canvas {
  const { width, height, channels } = image;
  const data = new Uint8Array(image.data);
  for (let i = 0; i < union.data.length; i++) {
    if (union.data[i] !== 0) data.fill(0, i * channels, i * channels + 3);
  }
  const cell = Math.max(1, sigma / 2);
  const small = { width: Math.ceil(width / cell), height: Math.ceil(height / cell) };
  const colours = resizeImageAntialiased({ ...image, data }, small);
  const background = new Float32Array(union.data.length);
  for (let i = 0; i < background.length; i++) background[i] = 1 - (union.data[i] as number);
  const shares = resizeAntialiased(background, image, small);
  // The two resizes are tents as wide as a cell to both sides: together their variance is a third of its square.
  const rest = Math.sqrt(sigma ** 2 - (cell > 1 ? cell ** 2 / 3 : 0)) / cell;
  const blurred = gaussian(colours, small, 3, rest);
  const weights = gaussian(shares, small, 1, rest);
  for (let i = 0; i < weights.length; i++) {
    const weight = Math.max(weights[i] as number, 1e-6); // nothing but objects around: never seen
    for (let c = 3 * i; c < 3 * i + 3; c++) blurred[c] = (blurred[c] as number) / weight;
  }
  const columns = linearTaps(small.width, width);
  const rows = linearTaps(small.height, height);
  for (let y = 0; y < height; y++) {
    const top = (rows.low[y] as number) * small.width;
    const bottom = (rows.high[y] as number) * small.width;
    const v = rows.weight[y] as number;
    for (let x = 0; x < width; x++) {
      const left = columns.low[x] as number;
      const right = columns.high[x] as number;
      const u = columns.weight[x] as number;
      const at = (y * width + x) * channels;
      for (let c = 0; c < 3; c++) {
        const above =
          (blurred[3 * (top + left) + c] as number) * (1 - u) + (blurred[3 * (top + right) + c] as number) * u;
        const below =
          (blurred[3 * (bottom + left) + c] as number) * (1 - u) + (blurred[3 * (bottom + right) + c] as number) * u;
        data[at + c] = Math.round(above * (1 - v) + below * v);
      }
    }
  }
  return { ...image, data };
}

/** Interleaved planes [height, width, channels] under a Gaussian; beyond the border its pixels go on. */
function gaussian(planes: Float32Array, { width, height }: Size, channels: number, sigma: number): Float32Array {
  const reach = Math.ceil(3 * sigma);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  const along = (source: Float32Array, count: number, step: number): Float32Array => {
    const out = new Float32Array(source.length);
    for (let at = 0; at < source.length; at++) {
      const i = Math.floor(at / step) % count;
      let sum = 0;
      for (let k = -reach; k <= reach; k++) {
        const other = Math.min(Math.max(i + k, 0), count - 1);
        sum += (source[at + (other - i) * step] as number) * (kernel[k + reach] as number);
      }
      out[at] = sum / total;
    }
    return out;
  };
  return along(along(planes, width, channels), height, channels * width);
}

type EffectOf<N extends EffectName> = Extract<Effect, { readonly name: N }>;

const effectKeys: { readonly [N in EffectName]: Keys<EffectOf<N>> } = {
  overlay: { name: true, fill: true, outline: true },
  cutout: { name: true, feather: true },
  blur: { name: true, sigma: true, feather: true },
  grey: { name: true, feather: true },
  spotlight: { name: true, dim: true, outline: true, feather: true },
  erase: { name: true, colour: true, grow: true },
};
