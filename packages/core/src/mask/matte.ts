/**
 * How much of each pixel along an edge is the object: hair, fur, glass, motion blur. In a band along the mask's edge each
 * pixel's colour is taken for a mixture, I = alpha F + (1 - alpha) B, of an object's and a background's colour that are
 * normally distributed as those known around it are (Chuang et al. 2001, "A Bayesian approach to digital matting", with
 * one number for a colour's spread); what the model thought, or the mask itself, is the prior of alpha.
 */
import { MaskError } from "../errors.ts";
import type { RawImage } from "../image/image.ts";
import { resizeBilinear } from "../image/resize.ts";
import { checkInteger, checkKeys, type Keys } from "../options.ts";
import type { MaskLogits } from "../prompt/prompt.ts";
import { type Area, areaAround, blurMask } from "./blur.ts";
import { type Cutout, cutout } from "./cutout.ts";
import { dilate } from "./dilate.ts";
import type { Mask } from "./mask.ts";

/** Where alpha is looked for. */
export interface MatteOptions {
  /** Pixels to both sides of the mask's edge in which the object may be mixed with the background. Default 12. */
  readonly reach?: number;
  /**
   * What the model thought of the mask, its `lowResLogits`: where they are firm the mask holds, so that firm edges stay
   * firm and hair is looked for where the model hesitates. Near to where the mask was changed they are not asked.
   */
  readonly logits?: MaskLogits;
}

/** The model is firm from this logit on: 0.98 as a probability. */
const FIRM = 4;

/** A logit nearer to 0 says nothing against a mask: it may have been rounded. */
const OPINION = 0.25;

/** Variance of the noise of a picture's colours, of 255. */
const NOISE = 5 ** 2;

/** Variance of alpha where the prior is firm: a strand may be where the mask has none. */
const LEAST_VARIANCE = 0.05;

/** Of alpha: what is nearer to 0 or 1 is not seen, and would be noise. */
const UNSEEN = 0.03;

/** Side of the squares that are computed at a time. */
const TILE = 128;

/**
 * The object of `mask` cut out of `image` with soft alpha along its edge, and with its own colours there, without the
 * background's: RGBA with straight alpha, of the image's size. Beyond `reach` it is as `cutout` makes it; alpha that the
 * image had itself is kept by multiplication.
 *
 * Throws an `ImageError` for what is no image, a `MaskError` "mask-size-mismatch", or "mask-data-length" for logits that are
 * not of the size they say, a `PromptError` "bad-option" for a reach that is no integer from 1 to 256.
 */
export function matteCutout(image: RawImage, mask: Mask, options: MatteOptions = {}): Cutout {
  checkKeys("matteCutout", options, matteKeys);
  const { reach = 12, logits } = options;
  checkInteger("matteCutout", { reach }, 1, 256);
  const out = cutout(image, mask);
  if (logits !== undefined) checkLogits(logits);
  const area = areaAround(mask, reach);
  if (area === undefined) return out;
  const prior = priorOf(mask, area, reach, logits);
  for (let y = 0; y < area.height; y += TILE) {
    for (let x = 0; x < area.width; x += TILE) mixTile({ image, mask, area, prior, reach, out: out.data }, x, y);
  }
  return out;
}

/** Of the area: alpha before the colours are seen; -1 where the mask holds. */
function priorOf(mask: Mask, area: Area, reach: number, logits: MaskLogits | undefined): Float32Array {
  const { width } = area;
  const prior = blurMask(mask, area, reach / 2, reach);
  const thought = logits && crop(resizeBilinear(logits.data, logits, mask), mask.width, area);
  const object = crop(mask.data, mask.width, area).map((inside) => (inside === 0 ? 0 : 1));
  const near = dilate(object, width, reach);
  const ground = object.map((inside) => 1 - inside);
  const far = dilate(ground, width, reach);
  // Where the mask is another than the model's, and around it.
  const against = object.map((inside, i) => Number((thought?.[i] ?? 0) * (inside === 1 ? -1 : 1) > OPINION));
  const changed = dilate(against, width, reach);
  for (let i = 0; i < prior.length; i++) {
    if (near[i] === 0 || far[i] === 0) prior[i] = -1;
    else if (thought !== undefined && changed[i] === 0) {
      const logit = thought[i] as number;
      prior[i] = Math.abs(logit) < FIRM ? 1 / (1 + Math.exp(-logit)) : -1;
    }
  }
  return prior;
}

function crop<T extends Uint8Array | Float32Array>(data: T, stride: number, { x, y, width, height }: Area): T {
  const out = data.slice(0, width * height) as T;
  for (let row = 0; row < height; row++) {
    const from = (y + row) * stride + x;
    out.set(data.subarray(from, from + width), row * width);
  }
  return out;
}

interface Matting {
  readonly image: RawImage;
  readonly mask: Mask;
  readonly area: Area;
  readonly prior: Float32Array;
  readonly reach: number;
  readonly out: Uint8Array | Uint8ClampedArray;
}

/** The pixels of one square whose alpha is open. */
function mixTile({ image, mask, area, prior, reach, out }: Matting, tileX: number, tileY: number): void {
  const right = Math.min(area.width, tileX + TILE);
  const bottom = Math.min(area.height, tileY + TILE);
  const open: number[] = [];
  for (let y = tileY; y < bottom; y++) {
    for (let x = tileX; x < right; x++) if ((prior[y * area.width + x] as number) >= 0) open.push(y * area.width + x);
  }
  if (open.length === 0) return;
  // Known colours lie up to `reach` beyond the edge, which lies up to `reach` from here: as far as two boxes see.
  const radius = reach + 1;
  const [left, top] = [Math.max(0, tileX - 2 * radius), Math.max(0, tileY - 2 * radius)];
  const width = Math.min(area.width, right + 2 * radius) - left;
  const height = Math.min(area.height, bottom + 2 * radius) - top;
  const { channels, data: source } = image;
  // Of object and background each: how many pixels are known, their colours, their squares.
  const planes = Array.from({ length: 10 }, () => new Float32Array(width * height));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if ((prior[(top + y) * area.width + left + x] as number) >= 0) continue;
      const pixel = (area.y + top + y) * mask.width + area.x + left + x;
      const from = mask.data[pixel] === 0 ? 5 : 0;
      const at = pixel * channels;
      if (channels === 4 && source[at + 3] === 0) continue; // it has no colour
      (planes[from] as Float32Array)[i] = 1;
      let squares = 0;
      for (let c = 0; c < 3; c++) {
        const value = source[at + c] as number;
        (planes[from + 1 + c] as Float32Array)[i] = value;
        squares += value ** 2;
      }
      (planes[from + 4] as Float32Array)[i] = squares;
    }
  }
  for (const plane of planes) for (let pass = 0; pass < 2; pass++) boxSum(plane, width, height, radius);
  for (const i of open) {
    const [x, y] = [i % area.width, Math.floor(i / area.width)];
    const seen = (y - top) * width + x - left;
    const pixel = (area.y + y) * mask.width + area.x + x;
    const [object, ground] = [colourAt(planes, 0, seen), colourAt(planes, 5, seen)];
    // A part too thin to have an inside keeps the mask's edge.
    if (object === undefined || ground === undefined) continue;
    const [from, to] = [pixel * channels, 4 * pixel];
    const own = channels === 4 ? (source[from + 3] as number) : 255;
    const alpha = mixAt(source, from, object, ground, prior[i] as number, out, to);
    out[to + 3] = Math.round(alpha * own);
    if (out[to + 3] === 0) out.fill(0, to, to + 3);
  }
}

/** A mean colour, and the variance of each of its channels. */
interface Colour {
  readonly mean: readonly [number, number, number];
  readonly variance: number;
}

function colourAt(planes: readonly Float32Array[], from: number, i: number): Colour | undefined {
  const sum = (k: number): number => (planes[from + k] as Float32Array)[i] as number;
  const count = sum(0);
  if (count < 0.5) return undefined;
  const mean = [sum(1) / count, sum(2) / count, sum(3) / count] as const;
  const variance = (sum(4) / count - mean[0] ** 2 - mean[1] ** 2 - mean[2] ** 2) / 3;
  return { mean: [...mean], variance: Math.max(0, variance) };
}

/** Writes the object's colour, and gives the most probable alpha. */
function mixAt(
  source: RawImage["data"],
  from: number,
  { mean: F, variance: spreadF }: Colour,
  { mean: B, variance: spreadB }: Colour,
  prior: number,
  out: Uint8Array | Uint8ClampedArray,
  to: number,
): number {
  let [along, apart] = [0, 0];
  for (let c = 0; c < 3; c++) {
    const d = (F[c] as number) - (B[c] as number);
    along += ((source[from + c] as number) - (B[c] as number)) * d;
    apart += d * d;
  }
  const belief = 1 / Math.max(LEAST_VARIANCE, prior * (1 - prior));
  let alpha = prior;
  let variance = 0;
  // The spread of a mixture depends on alpha: a few rounds settle it.
  for (let round = 0; round < 3; round++) {
    variance = NOISE + alpha ** 2 * spreadF + (1 - alpha) ** 2 * spreadB;
    alpha = Math.min(1, Math.max(0, (along / variance + prior * belief) / (apart / variance + belief)));
  }
  if (alpha < UNSEEN) return 0;
  if (alpha > 1 - UNSEEN) alpha = 1;
  for (let c = 0; c < 3; c++) {
    const value = source[from + c] as number;
    const rest = value - alpha * (F[c] as number) - (1 - alpha) * (B[c] as number);
    const colour = alpha === 1 ? value : (F[c] as number) + (alpha * spreadF * rest) / variance;
    out[to + c] = Math.min(255, Math.max(0, Math.round(colour)));
  }
  return alpha;
}

/** Each value becomes the sum of those within `radius` of it, in a square. */
function boxSum(plane: Float32Array, width: number, height: number, radius: number): void {
  const line = new Float64Array(Math.max(width, height) + 1);
  const sum = (start: number, step: number, count: number): void => {
    for (let i = 0; i < count; i++) line[i + 1] = (line[i] as number) + (plane[start + i * step] as number);
    for (let i = 0; i < count; i++) {
      const [low, high] = [Math.max(0, i - radius), Math.min(count, i + radius + 1)];
      plane[start + i * step] = (line[high] as number) - (line[low] as number);
    }
  };
  for (let y = 0; y < height; y++) sum(y * width, 1, width);
  for (let x = 0; x < width; x++) sum(x, width, height);
}

function checkLogits({ width, height, data }: MaskLogits): void {
  if (data.length === width * height) return;
  throw new MaskError(
    "mask-data-length",
    `matteCutout: logits of ${width}x${height} have ${width * height} values, data has ${data.length}`,
    { details: { width, height, expected: width * height, length: data.length } },
  );
}

const matteKeys: Keys<MatteOptions> = { reach: true, logits: true };
