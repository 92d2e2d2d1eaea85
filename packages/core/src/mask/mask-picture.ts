/**
 * Which pixels of a picture are the object, when the picture was made to be a mask. Tools save masks in many ways, and no
 * file says which: white on black, 1 on 0, a palette of labels, 16 bits, an object that is only in alpha. The rules:
 *
 * - transparent pixels (alpha under half, or under half of the largest where none reaches half) are background. Where there
 *   are any, all that is opaque is the object, unless the opaque pixels are mostly black and one other grey, or a palette's
 *   labels;
 * - a palette with colours in it is a label map by its indices: 0 is background, and 255 beside other labels is VOC's
 *   "void", background too. A palette of greys alone is one, or soft edges: what follows decides. Programs that make
 *   pictures smaller put colours in an order of their own: where index 0 is not black and another one is, the one of
 *   these two that has more of the picture's edge is the background, and that is said;
 * - of two values, the brighter one is the object (of colours, the one that is not black);
 * - of more values, a picture of flat areas is a label map: whole numbers, 0 or less is background; the label of a
 *   colour is red + 256 green + 65536 blue, as COCO's panoptic pictures have it;
 * - anything else is a mask with soft edges: the object is what is at least halfway between the darkest and the
 *   brightest value. Fractions from 0 to 1 are probabilities and halved at 0.5, fractions on both sides of 0 are logits.
 */
import { MaskError } from "../errors.ts";
import type { ImageWarning, IndexedPixels, RawImage, Size } from "../image/image.ts";
import type { PngSamples } from "../image/png.ts";
import type { TiffSamples } from "../image/tiff.ts";
import type { Mask } from "./mask.ts";

/** A picture that holds masks. */
export interface MaskPicture extends Size {
  /**
   * The objects' labels, ascending: those of a label map; of a plain mask the one value that is the object, 1 if it has
   * soft edges. Empty where no pixel is an object's.
   */
  readonly labels: readonly number[];
  /**
   * The mask of one label; if none is given, of the only one there is, empty where there is none.
   *
   * Throws a `MaskError`: "no-such-label", or "several-labels" where one has to be chosen.
   */
  mask(label?: number): Mask;
}

/** A picture's pixels, one number each. */
export interface MaskValues extends Size {
  /** Palette indices, grey levels, or red + 256 green + 65536 blue. */
  readonly values: ArrayLike<number>;
  readonly kind: "palette" | "grey" | "colour";
  /** The level that is white, of greys. */
  readonly white: number;
  /** Of palettes: red, green and blue of each index. */
  readonly palette?: Uint8Array;
  /** 0 where a pixel is transparent; left out where none is. */
  readonly opaque?: Uint8Array;
  /** Whether values near each other may be one: then it is no label map. */
  readonly lossy?: boolean;
}

const VOID = 255;

/** The masks in a picture, by the rules above. `name` is how errors and warnings call it. */
export function maskPicture(
  picture: MaskValues,
  name: string,
  onWarning?: (warning: ImageWarning) => void,
): MaskPicture {
  const { width, height } = picture;
  const found = findObjects(picture, (black, background) => {
    const message =
      `${name}: index 0 of its palette is not black, and index ${black} is; index ${background}, which has more of ` +
      "the picture's edge, is taken for the background";
    onWarning?.({ code: "palette-order", message, details: { source: name, black, background } });
  });
  const labels = [...found.keys()].sort((a, b) => a - b);
  const list = labels.slice(0, 20).join(", ") + (labels.length > 20 ? ", ..." : "");
  const details = { source: name, labels };
  return {
    ...{ width, height, labels },
    mask: (label) => {
      if (label === undefined && labels.length > 1) {
        throw new MaskError("several-labels", `${name} has the labels ${list}: say which one is the object`, {
          details,
        });
      }
      const chosen = label ?? labels[0];
      const isObject = chosen === undefined ? () => false : found.get(chosen);
      if (isObject === undefined) {
        throw new MaskError("no-such-label", `${name} has no label ${chosen}, only ${list || "background"}`, {
          details: { ...details, label: chosen },
        });
      }
      const data = new Uint8Array(width * height);
      for (let i = 0; i < data.length; i++) if (isObject(i)) data[i] = 1;
      return { width, height, data };
    },
  };
}

/** Whether a pixel, by its index, is the object's. */
type IsObject = (pixel: number) => boolean;

function findObjects(
  picture: MaskValues,
  onOrder: (black: number, background: number) => void,
): ReadonlyMap<number, IsObject> {
  const { values, opaque } = picture;
  const stats = statistics(picture);
  const used = [...stats.keys()];
  const isOpaque: IsObject = opaque === undefined ? () => true : (i) => opaque[i] !== 0;
  const labelled = (labels: readonly number[]): ReadonlyMap<number, IsObject> =>
    new Map(labels.map((label) => [label, (i) => values[i] === label && isOpaque(i)]));

  const [first = 0] = used;
  if (used.length === 0) return new Map();
  const coloured = picture.kind === "palette" && !isGrey(picture, used);
  const light = (value: number): number => lightness(picture, value);
  if (opaque !== undefined && !coloured) {
    const ordered = [...used].sort((a, b) => light(a) - light(b));
    const [dark, bright] = [ordered[0] as number, ordered.at(-1) as number];
    const count = (value: number): number => stats.get(value)?.pixels ?? 0;
    const all = used.reduce((sum, value) => sum + count(value), 0);
    const isBlackAndWhite =
      picture.kind !== "colour" && used.length > 1 && light(dark) === 0 && 2 * (count(dark) + count(bright)) >= all;
    if (!isBlackAndWhite) return new Map([[used.length === 1 && first > 0 ? first : 1, isOpaque]]);
    return used.length === 2 ? labelled([bright]) : softMask(picture, used, isOpaque);
  }
  if (opaque !== undefined && used.length === 1) return new Map([[Math.max(1, first), isOpaque]]);
  if (coloured || (picture.kind === "palette" && used.length === 2 && used.includes(0))) {
    const background = paletteBackground(picture, used, onOrder);
    const isLabel = (label: number): boolean => label !== background && label !== VOID;
    return labelled(used.filter((label) => label !== background && !(label === VOID && used.some(isLabel))));
  }
  if (used.length <= 2) {
    // Where there are values under 0, only those above it are an object's: logits, or labels with -1 for none.
    const bright = light(first) > light(used.at(-1) as number) ? first : (used.at(-1) as number);
    return light(bright) > 0 ? labelled([bright]) : new Map();
  }
  if (isLabelMap(picture, stats)) return labelled(used.filter((label) => label > 0));
  return softMask(picture, used, isOpaque);
}

/** Which of a palette's indices is the background. */
function paletteBackground(
  { values, width, height, opaque, palette }: MaskValues,
  used: readonly number[],
  onOrder: (black: number, background: number) => void,
): number {
  const isBlack = (index: number): boolean =>
    palette?.subarray(3 * index, 3 * index + 3).every((level) => level === 0) === true;
  const black = isBlack(0) || !used.includes(0) ? undefined : used.find(isBlack);
  if (black === undefined) return 0;
  let [zeros, blacks] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if ((x > 0 && y > 0 && x < width - 1 && y < height - 1) || opaque?.[i] === 0) continue;
    if (values[i] === 0) zeros++;
    else if (values[i] === black) blacks++;
  }
  const background = blacks > zeros ? black : 0;
  onOrder(black, background);
  return background;
}

/** How often each value occurs among the opaque pixels, and how often with the same value right, below and across. */
function statistics({ values, width, height, opaque }: MaskValues): ReadonlyMap<number, Occurrence> {
  const found = new Map<number, Occurrence>();
  let last: { readonly value: number; readonly occurrence: Occurrence } | undefined;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (opaque?.[i] === 0) continue;
      const value = values[i] as number;
      if (Number.isNaN(value)) continue; // what a float says where nothing was measured
      if (last?.value !== value) {
        const occurrence = found.get(value) ?? { pixels: 0, flat: 0 };
        found.set(value, occurrence);
        last = { value, occurrence };
      }
      const { occurrence } = last;
      occurrence.pixels++;
      const inside = x + 1 < width && y + 1 < height;
      if (inside && values[i + 1] === value && values[i + width] === value && values[i + width + 1] === value) {
        occurrence.flat++;
      }
    }
  }
  return found;
}

interface Occurrence {
  pixels: number;
  flat: number;
}

/**
 * Antialiased, blurred and lossy edges have values that no 2x2 pixels share; labels cover areas. What is darker than an
 * eighth of white throughout is no picture of a mask either.
 */
function isLabelMap(picture: MaskValues, stats: ReadonlyMap<number, Occurrence>): boolean {
  const used = [...stats.keys()];
  if (picture.lossy === true || !used.every(Number.isInteger)) return false;
  const lights = used.map((value) => lightness(picture, value));
  const [low, high] = [least(lights), most(lights)];
  if (picture.kind !== "colour" && high < picture.white / 8) return true;
  let [pixels, flat] = [0, 0];
  for (const [i, occurrence] of [...stats.values()].entries()) {
    if (lights[i] === low || lights[i] === high) continue;
    pixels += occurrence.pixels;
    flat += occurrence.flat;
  }
  return flat >= pixels / 2;
}

function softMask(picture: MaskValues, used: readonly number[], isOpaque: IsObject): ReadonlyMap<number, IsObject> {
  const { values, white } = picture;
  const lights = used.map((value) => lightness(picture, value));
  const [low, high] = [least(lights), most(lights)];
  const fractions = !used.every(Number.isInteger);
  const level = low < 0 ? Number.MIN_VALUE : fractions && high <= 1 ? 0.5 : (low + high) / 2;
  // Noise around one value is that value.
  const even = !fractions && low >= 0 && high - low < white / 8;
  const isObject: IsObject = even
    ? () => low >= white / 2
    : (i) => lightness(picture, values[i] as number) >= level && isOpaque(i);
  return high >= level && !(even && low < white / 2) ? new Map([[1, isObject]]) : new Map();
}

function lightness({ kind, palette }: MaskValues, value: number): number {
  if (kind === "grey") return value;
  if (kind === "palette") return palette?.[3 * value] ?? value;
  const [red, green, blue] = [value & 255, (value >> 8) & 255, value >> 16];
  // ITU-R BT.601; any colour is brighter than black.
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/** Whether the indices that are used have greys alone, each its own. */
function isGrey({ palette = new Uint8Array() }: MaskValues, used: readonly number[]): boolean {
  const greys = used.map((index) => {
    const [red, green, blue] = palette.subarray(3 * index, 3 * index + 3);
    return red === green && green === blue ? red : undefined;
  });
  return greys.every((grey) => grey !== undefined) && new Set(greys).size === greys.length;
}

const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

/** A PNG's samples as one number a pixel. */
export function pngMaskValues(png: PngSamples): MaskValues {
  const { width, height, kind, depth, channels, data, palette, transparent } = png;
  const white = kind === "palette" ? 255 : 2 ** depth - 1;
  const alpha = (at: number): number => {
    if (kind === "palette") return transparent?.[data[at] as number] ?? white;
    if (channels % 2 === 0) return data[at + channels - 1] as number;
    return transparent?.every((level, c) => data[at + c] === level) === true ? 0 : white;
  };
  const opaque = transparent === undefined && channels % 2 === 1 ? undefined : opaquePixels(png, alpha, white);
  if (kind === "palette") {
    return { width, height, kind, white: 255, values: data, ...(palette && { palette }), ...seen(opaque) };
  }
  return samplesAsValues({ width, height, channels, colours: channels >= 3 ? 3 : 1, data }, white, opaque);
}

/** The indices of a picture that has a palette. */
export function indexedMaskValues({ width, height, data, palette, opaque }: IndexedPixels): MaskValues {
  return { width, height, kind: "palette", white: 255, values: data, palette, ...seen(opaque) };
}

/** Decoded 8-bit pixels as one number each. */
export function imageMaskValues(image: RawImage): MaskValues {
  const { width, height, channels, data } = image;
  const opaque = channels === 3 ? undefined : opaquePixels(image, (at) => data[at + 3] as number, 255);
  return samplesAsValues({ width, height, channels, colours: 3, data }, 255, opaque);
}

/** 1 for each pixel that is opaque, by its alpha, which `alpha` knows by where its samples begin; `white` is all of it. */
function opaquePixels(
  { width, height, channels }: Size & { readonly channels: number },
  alpha: (at: number) => number,
  white: number,
): Uint8Array {
  const opaque = new Uint8Array(width * height);
  let largest = 0;
  for (let i = 0; i < opaque.length; i++) largest = Math.max(largest, alpha(i * channels));
  // Overlays are thin, and some write 1 for opaque.
  const half = largest >= white / 2 ? white / 2 : largest / 2 || white;
  for (let i = 0; i < opaque.length; i++) if (alpha(i * channels) >= half) opaque[i] = 1;
  return opaque;
}

/** A TIFF's samples as one number a pixel: of grey, the first. */
export function tiffMaskValues(tiff: TiffSamples): MaskValues {
  const { width, height, kind, format, bits, channels, alpha, data, palette, whiteIsZero } = tiff;
  if (kind === "palette" && channels === 1) {
    return { width, height, kind, white: 255, values: data, ...(palette && { palette }) };
  }
  const colours = kind === "rgb" ? 3 : 1;
  const white = format === "float" ? 1 : 2 ** (format === "int" ? bits - 1 : bits) - 1;
  const opaque = alpha ? opaquePixels(tiff, (at) => data[at + colours] as number, white) : undefined;
  const light = whiteIsZero && format === "uint" ? data.map((value) => white - value) : data;
  return samplesAsValues({ width, height, channels, colours, data: light }, white, opaque);
}

/** Samples of a pixel, one after the other: those of its colour first. */
interface Samples extends Size {
  readonly channels: number;
  readonly colours: 1 | 3;
  readonly data: ArrayLike<number>;
}

/** Grey levels where the colours are all grey, else red + 256 green + 65536 blue; more than 8 bits become 8 there. */
function samplesAsValues(samples: Samples, white: number, opaque: Uint8Array | undefined): MaskValues {
  const { width, height, channels, colours, data } = samples;
  const count = width * height;
  let grey = true;
  for (let i = 0, at = 0; colours === 3 && i < count && grey; i++, at += channels) {
    grey = opaque?.[i] === 0 || (data[at] === data[at + 1] && data[at] === data[at + 2]);
  }
  const size = { width, height, ...seen(opaque) };
  if (grey && channels === 1) return { ...size, kind: "grey", white, values: data };
  const values = new Float64Array(count);
  const scale = white === 255 ? 1 : 255 / white;
  for (let i = 0, at = 0; i < count; i++, at += channels) {
    const level = (channel: number): number => Math.round((data[at + channel] as number) * scale);
    values[i] = grey ? (data[at] as number) : level(0) + 256 * level(1) + 65536 * level(2);
  }
  return grey ? { ...size, kind: "grey", white, values } : { ...size, kind: "colour", white: 255, values };
}

/** Nothing where all is opaque, as it mostly is. */
function seen(opaque: Uint8Array | undefined): { readonly opaque?: Uint8Array } {
  return opaque?.includes(0) === true ? { opaque } : {};
}
