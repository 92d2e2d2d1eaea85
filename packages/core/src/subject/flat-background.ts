/**
 * Pictures on a flat background (logos, drawings, products): told by the colours alone, exactly. No model is asked.
 *
 * A pixel at the edge is a mix, `alpha * object + (1 - alpha) * background`; the background is known, the object's colour
 * is that of the nearest pixel inside which lies on the same line from the background, and so alpha is.
 */
import { checkImage, type RawImage, type Rgb } from "../image/image.ts";
import type { Mask } from "../mask/mask.ts";
import { checkKeys, type Keys } from "../options.ts";
import { borderShare, eachBorderPixel, type SubjectDoubt } from "./subject.ts";

export interface FlatBackgroundOptions {
  /**
   * Whether what the object encloses and has the background's colour is a hole, transparent too. Default true; false for
   * objects that are partly of the background's colour.
   */
  readonly holes?: boolean;
}

/** An object on a flat background, without it. */
export interface FlatCutout {
  /** Straight alpha; colours at the edge are the object's own. All 0 where alpha is. */
  readonly image: RawImage & { readonly channels: 4 };
  /** Where alpha is half or more. */
  readonly mask: Mask;
  /** The background's colour; `undefined` where it was transparent already. */
  readonly background: Rgb | undefined;
  readonly unsure: readonly SubjectDoubt[];
}

/** A background, and by how much its pixels differ from it in any channel. */
interface Background {
  readonly colour: Rgb;
  readonly tolerance: number;
}

/** How far, in pixels, an edge is mixed with the background; and how far from such a pixel the object's colour is sought. */
const BAND = 2;
const REACH = 4;

/** By how much a mix may miss its line, in levels: the three colours were each rounded. JPEG mixes hue more widely. */
const ROUNDING = 1.5;

/** JPEG's noise on a flat colour; and beside edges, where it rings. */
const MAX_NOISE = 12;
const RINGING = 16;

/**
 * The object of a picture whose border is of one colour, or transparent; `undefined` for any other picture. The colour
 * must be that of six in ten pixels at the border exactly, or of 95 in 100 roughly, as in JPEGs.
 *
 * Throws an `ImageError` for what is no image.
 */
export function cutFromFlatBackground(image: RawImage, options: FlatBackgroundOptions = {}): FlatCutout | undefined {
  checkKeys("cutFromFlatBackground", options, flatKeys);
  checkImage("cutFromFlatBackground", image, { maxPixels: Number.POSITIVE_INFINITY });
  if (isTransparentAround(image)) return finish(image, alphaOf(image), undefined);
  const background = backgroundOf(image);
  if (background === undefined) return undefined;
  const ground = groundOf(image, background, options.holes ?? true);
  const { alpha, colours } = unmix(image, ground, background);
  const given = alphaOf(image);
  for (let i = 0; i < alpha.length; i++) alpha[i] = Math.round(((alpha[i] as number) * (given[i] as number)) / 255);
  const cut = finish({ ...image, channels: 3, data: colours }, alpha, background.colour);
  return isFaint(image, ground, background) ? { ...cut, unsure: [...cut.unsure, "soft-edge"] } : cut;
}

function isTransparentAround(image: RawImage): boolean {
  if (image.channels !== 4) return false;
  let [clear, all] = [0, 0];
  eachBorderPixel(image, (at) => {
    all++;
    if (image.data[4 * at + 3] === 0) clear++;
  });
  return clear >= 0.6 * all;
}

function alphaOf({ width, height, channels, data }: RawImage): Uint8Array {
  const alpha = new Uint8Array(width * height).fill(255);
  if (channels === 4) for (let i = 0; i < alpha.length; i++) alpha[i] = data[4 * i + 3] as number;
  return alpha;
}

function backgroundOf(image: RawImage): Background | undefined {
  const { channels, data } = image;
  const counts = new Map<number, number>();
  let all = 0;
  let seeThrough = false;
  eachBorderPixel(image, (at) => {
    const i = at * channels;
    const key = ((data[i] as number) << 16) | ((data[i + 1] as number) << 8) | (data[i + 2] as number);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (channels === 4 && data[i + 3] !== 255) seeThrough = true;
    all++;
  });
  if (seeThrough) return undefined;
  const [mode, count] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most));
  const colour: Rgb = [mode >> 16, (mode >> 8) & 255, mode & 255];
  const distances: number[] = [];
  for (const [key, times] of counts) {
    const distance = Math.max(
      Math.abs((key >> 16) - colour[0]),
      Math.abs(((key >> 8) & 255) - colour[1]),
      Math.abs((key & 255) - colour[2]),
    );
    if (distance <= MAX_NOISE) for (let i = 0; i < times; i++) distances.push(distance);
  }
  const ringing = rings(image, colour) ? RINGING : 0;
  if (count >= 0.6 * all && count >= 0.995 * distances.length) return { colour, tolerance: ringing };
  if (distances.length < 0.95 * all) return undefined;
  distances.sort((a, b) => a - b);
  const noise = 1 + (distances[Math.floor(0.995 * (distances.length - 1))] as number);
  return { colour, tolerance: Math.max(noise, ringing) };
}

/** Whether the background is noisy beside the object, as in JPEGs: antialiasing alone leaves few pixels so near to it. */
function rings(image: RawImage, colour: Rgb): boolean {
  const far = new Uint8Array(image.width * image.height);
  let near = 0;
  for (let at = 0; at < far.length; at++) {
    const distance = difference(image, at, colour);
    if (distance > MAX_NOISE) far[at] = 1;
    else if (distance > 0) near++;
  }
  if (near === 0) return false;
  const beside = widened(far, image.width, 1);
  let edge = 0;
  for (let at = 0; at < far.length; at++) if (far[at] === 0 && beside[at] !== 0) edge++;
  return near > edge;
}

/** The largest difference of a pixel from a colour, over the channels. */
function difference({ channels, data }: RawImage, at: number, [r, g, b]: Rgb): number {
  const i = at * channels;
  return Math.max(
    Math.abs((data[i] as number) - r),
    Math.abs((data[i + 1] as number) - g),
    Math.abs((data[i + 2] as number) - b),
  );
}

/** 1 for the background: what is of its colour, or that of it which the border reaches. */
function groundOf(image: RawImage, { colour, tolerance }: Background, holes: boolean): Uint8Array {
  const { width, height } = image;
  const ground = new Uint8Array(width * height);
  for (let i = 0; i < ground.length; i++) if (difference(image, i, colour) <= tolerance) ground[i] = 1;
  if (holes && tolerance === 0) return ground;
  // Noise makes small holes where the object has nearly the background's colour.
  const least = holes ? Math.max(16, ground.length / 10_000) : Number.POSITIVE_INFINITY;
  const seen = new Uint8Array(ground.length);
  const region = new Int32Array(ground.length);
  for (let start = 0; start < ground.length; start++) {
    if (ground[start] === 0 || seen[start] !== 0) continue;
    let [count, isOutside] = [1, false];
    region[0] = start;
    seen[start] = 1;
    for (let i = 0; i < count; i++) {
      const at = region[i] as number;
      const x = at % width;
      const y = (at - x) / width;
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) isOutside = true;
      for (const next of [x > 0 ? at - 1 : -1, x < width - 1 ? at + 1 : -1, at - width, at + width]) {
        if (next < 0 || next >= ground.length || ground[next] === 0 || seen[next] !== 0) continue;
        seen[next] = 1;
        region[count++] = next;
      }
    }
    if (isOutside || count >= least) continue;
    for (let i = 0; i < count; i++) ground[region[i] as number] = 0;
  }
  return ground;
}

function unmix(
  image: RawImage,
  ground: Uint8Array,
  { colour, tolerance }: Background,
): { readonly alpha: Uint8Array; readonly colours: Uint8Array } {
  const { width, height, channels, data } = image;
  const alpha = new Uint8Array(ground.length);
  const colours = new Uint8Array(3 * ground.length);
  const near = widened(ground, width, BAND);
  const vectors = new Int16Array(3 * ground.length); // from the background's colour
  for (let at = 0; at < ground.length; at++) {
    for (let c = 0; c < 3; c++) vectors[3 * at + c] = (data[at * channels + c] as number) - (colour[c] as number);
  }
  for (let at = 0; at < ground.length; at++) {
    if (ground[at] !== 0) continue;
    const r = vectors[3 * at] as number;
    const g = vectors[3 * at + 1] as number;
    const b = vectors[3 * at + 2] as number;
    const length = r * r + g * g + b * b;
    let object = at;
    let share = 1;
    if (near[at] !== 0) {
      const x0 = at % width;
      const y0 = (at - x0) / width;
      // Of those inside the nearest, of those at the edge the one farthest from the background's colour.
      let nearest = Number.POSITIVE_INFINITY;
      let farthest = length;
      for (let y = Math.max(0, y0 - REACH); y <= Math.min(height - 1, y0 + REACH); y++) {
        for (let x = Math.max(0, x0 - REACH); x <= Math.min(width - 1, x0 + REACH); x++) {
          const other = y * width + x;
          if (ground[other] !== 0) continue;
          const isInside = near[other] === 0;
          const distance = (x - x0) ** 2 + (y - y0) ** 2;
          if (isInside ? distance >= nearest : nearest < Number.POSITIVE_INFINITY) continue;
          const s = vectors[3 * other] as number;
          const t = vectors[3 * other + 1] as number;
          const u = vectors[3 * other + 2] as number;
          const otherLength = s * s + t * t + u * u;
          if (otherLength < length || (!isInside && otherLength <= farthest)) continue;
          const mix = (r * s + g * t + b * u) / otherLength;
          const miss = Math.max(Math.abs(r - mix * s), Math.abs(g - mix * t), Math.abs(b - mix * u));
          if (mix <= 0 || miss > ROUNDING + 3 * tolerance) continue;
          if (isInside) nearest = distance;
          else farthest = otherLength;
          object = other;
          share = mix;
        }
      }
    }
    // Ringing may go beyond the background's colour, which no mix does.
    if (
      object === at &&
      tolerance > 0 &&
      near[at] !== 0 &&
      Math.max(Math.abs(r), Math.abs(g), Math.abs(b)) <= 2 * tolerance
    )
      share = 0;
    alpha[at] = Math.round(255 * share);
    for (let c = 0; c < 3; c++) colours[3 * at + c] = data[object * channels + c] as number;
  }
  return { alpha, colours };
}

/** 1 within `reach` pixels of one that is set, in both directions; the image's own border is none. */
function widened(ground: Uint8Array, width: number, reach: number): Uint8Array {
  const along = (source: Uint8Array, step: number, count: number): Uint8Array => {
    const out = new Uint8Array(source.length);
    for (let at = 0; at < source.length; at++) {
      const i = Math.floor(at / step) % count;
      for (let k = Math.max(-reach, -i); k <= Math.min(reach, count - 1 - i); k++) {
        if (source[at + k * step] !== 0) out[at] = 1;
      }
    }
    return out;
  };
  return along(along(ground, 1, width), width, ground.length / width);
}

/** Whether much of the object hardly differs from the background, other than at its edge. */
function isFaint(image: RawImage, ground: Uint8Array, { colour, tolerance }: Background): boolean {
  const near = widened(ground, image.width, BAND);
  let [faint, object] = [0, 0];
  for (let at = 0; at < ground.length; at++) {
    if (ground[at] !== 0) continue;
    object++;
    const distance = difference(image, at, colour);
    // What is of its very colour was meant to be kept.
    if (near[at] === 0 && distance > tolerance && distance <= 24 + tolerance) faint++;
  }
  return faint > 0.02 * object;
}

function finish(colours: RawImage, alpha: Uint8Array, background: Rgb | undefined): FlatCutout {
  const { width, height, channels } = colours;
  const data = new Uint8Array(4 * alpha.length);
  for (let i = 0; i < alpha.length; i++) {
    if (alpha[i] === 0) continue;
    for (let c = 0; c < 3; c++) data[4 * i + c] = colours.data[channels * i + c] as number;
    data[4 * i + 3] = alpha[i] as number;
  }
  const mask: Mask = { width, height, data: alpha.map((value) => (value >= 128 ? 1 : 0)) };
  const unsure: SubjectDoubt[] = [];
  if (!mask.data.includes(1)) unsure.push("no-subject");
  if (borderShare(mask) > 0.1) unsure.push("cut-off");
  return { image: { width, height, channels: 4, data }, mask, background, unsure };
}

const flatKeys: Keys<FlatBackgroundOptions> = { holes: true };
