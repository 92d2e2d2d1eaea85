/**
 * The three resizes SAM 2's host code uses, each the arithmetic of the library Meta's code calls:
 *
 * - `resizeAntialiased`: `F.interpolate(mode="bilinear", antialias=True, align_corners=False)` on floats, for images
 *   (through torchvision's Resize) and mask prompts;
 * - `resizeBilinear`: the same without antialias, for mask logits;
 * - `resizeBicubic`: Pillow's 8-bit `Image.resize` with its default filter, for video frames of a folder.
 *
 * All sample at pixel centres: output i looks at input (i + 0.5) * input / output.
 */
import { checkImage, checkSize, type RawImage, type Size } from "./image.ts";

/** For output i: `count[i]` inputs from `first[i]`, weighted by `weights[i * taps ...]`, which add up to 1. */
interface Filter {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Float64Array;
}

/** Rounds an intermediate result: torch computes its filter in float32, Pillow in float64. */
type Rounding = (value: number) => number;

interface Kernel {
  readonly radius: number;
  readonly at: (x: number) => number;
  readonly round: Rounding;
}

/** Triangle, in torch's float32. */
const triangle: Kernel = { radius: 1, at: (x) => Math.max(0, 1 - Math.abs(x)), round: Math.fround };

/** Keys' cubic with a = -0.5, in Pillow's float64. */
const cubic: Kernel = {
  radius: 2,
  at: (value) => {
    const x = Math.abs(value);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  },
  round: (value) => value,
};

/** Weights along one axis; downsampling stretches the kernel by the scale (torch and Pillow share the scheme). */
function filterFor(input: number, output: number, { radius, at, round }: Kernel): Filter {
  const scale = round(input / output);
  const stretch = Math.max(scale, 1);
  const support = round(radius * stretch);
  const inverse = round(1 / stretch);
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const count = new Int32Array(output);
  const weights = new Float64Array(output * taps);
  for (let i = 0; i < output; i++) {
    const centre = round(scale * (i + 0.5));
    const from = Math.max(Math.trunc(round(centre - support) + 0.5), 0);
    const to = Math.min(Math.trunc(round(centre + support) + 0.5), input, from + taps);
    const at0 = i * taps;
    let total = 0;
    for (let j = from; j < to; j++) {
      const weight = round(at(round((round(j - centre) + 0.5) * inverse)));
      weights[at0 + j - from] = weight;
      total = round(total + weight);
    }
    for (let j = 0; j < to - from; j++) weights[at0 + j] = round((weights[at0 + j] as number) / total);
    first[i] = from;
    count[i] = to - from;
  }
  return { taps, first, count, weights };
}

/**
 * Vertical half of an antialiased resize. `resizeRow(y, into, at)` writes input row y, resized horizontally, to
 * `into[at ...]`; every row is asked for once, in order, and only as many are kept as the filter spans.
 */
function blendRows(
  rowLength: number,
  filter: Filter,
  out: Float32Array,
  resizeRow: (y: number, into: Float32Array, at: number) => void,
): void {
  const { taps, first, count, weights } = filter;
  const ring = new Float32Array(taps * rowLength);
  let ready = 0;
  for (let y = 0; y < first.length; y++) {
    const from = first[y] as number;
    const rows = count[y] as number;
    for (ready = Math.max(ready, from); ready < from + rows; ready++)
      resizeRow(ready, ring, (ready % taps) * rowLength);
    const at = y * rowLength;
    // Four rows at a time; those past the last are the first again, weighing nothing.
    const rowAt = (k: number): number => ((from + (k < rows ? k : 0)) % taps) * rowLength;
    const weightAt = (k: number): number => (k < rows ? (weights[y * taps + k] as number) : 0);
    for (let k = 0; k < rows; k += 4) {
      const [a, b, c, d] = [rowAt(k), rowAt(k + 1), rowAt(k + 2), rowAt(k + 3)];
      const [wa, wb, wc, wd] = [weightAt(k), weightAt(k + 1), weightAt(k + 2), weightAt(k + 3)];
      for (let x = 0; x < rowLength; x++) {
        const sum =
          (ring[a + x] as number) * wa +
          (ring[b + x] as number) * wb +
          (ring[c + x] as number) * wc +
          (ring[d + x] as number) * wd;
        out[at + x] = k === 0 ? sum : (out[at + x] as number) + sum;
      }
    }
  }
}

/**
 * Antialiased bilinear resize of one float plane: `source` [from.height, from.width] -> [to.height, to.width].
 * Throws an `ImageError` (`image-size`) for empty sizes.
 */
export function resizeAntialiased(source: Float32Array, from: Size, to: Size): Float32Array {
  checkSizes("resizeAntialiased", from, to);
  const { taps, first, count, weights } = filterFor(from.width, to.width, triangle);
  const out = new Float32Array(to.width * to.height);
  blendRows(to.width, filterFor(from.height, to.height, triangle), out, (y, into, at) => {
    for (let x = 0; x < to.width; x++) {
      const start = y * from.width + (first[x] as number);
      const taps0 = x * taps;
      let sum = 0;
      for (let k = 0; k < (count[x] as number); k++) {
        sum += (source[start + k] as number) * (weights[taps0 + k] as number);
      }
      into[at + x] = sum;
    }
  });
  return out;
}

/**
 * Antialiased bilinear resize of an image's colours, alpha dropped, into floats of 0 to 255:
 * -> [to.height, to.width, 3]. Throws an `ImageError` for what is no image.
 */
export function resizeImageAntialiased(image: RawImage, to: Size): Float32Array {
  checkImage("resizeImageAntialiased", image, { maxPixels: Number.POSITIVE_INFINITY });
  checkSize("resizeImageAntialiased", to, Number.POSITIVE_INFINITY);
  const { width, height, channels } = image;
  const data = bytes(image.data);
  const { taps, first, count, weights } = filterFor(width, to.width, triangle);
  const out = new Float32Array(to.width * to.height * 3);
  blendRows(to.width * 3, filterFor(height, to.height, triangle), out, (y, into, at) => {
    for (let x = 0, o = at; x < to.width; x++, o += 3) {
      let p = (y * width + (first[x] as number)) * channels;
      const end = x * taps + (count[x] as number);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let k = x * taps; k < end; k++, p += channels) {
        const weight = weights[k] as number;
        red += (data[p] as number) * weight;
        green += (data[p + 1] as number) * weight;
        blue += (data[p + 2] as number) * weight;
      }
      into[o] = red;
      into[o + 1] = green;
      into[o + 2] = blue;
    }
  });
  return out;
}

/** For output i: inputs `low[i]` and `high[i]`, the second weighing `weight[i]`, the first the rest. */
export interface LinearTaps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly weight: Float32Array;
}

/** The two neighbours of each output along one axis, in torch's float32 (bilinear, no antialias, corners not aligned). */
export function linearTaps(input: number, output: number): LinearTaps {
  const scale = Math.fround(input / output);
  const low = new Int32Array(output);
  const high = new Int32Array(output);
  const weight = new Float32Array(output);
  for (let i = 0; i < output; i++) {
    // Rounded once: torch's compiler fuses the multiplication and the subtraction.
    const position = Math.max(Math.fround(scale * (i + 0.5) - 0.5), 0);
    const index = Math.min(Math.floor(position), input - 1);
    low[i] = index;
    high[i] = Math.min(index + 1, input - 1);
    weight[i] = Math.min(position - index, 1);
  }
  return { low, high, weight };
}

/**
 * Bilinear resize of one float plane without antialias: `source` [from.height, from.width] -> [to.height, to.width],
 * rows first, then columns, as torch does. Throws an `ImageError` (`image-size`) for empty sizes.
 */
export function resizeBilinear(source: Float32Array, from: Size, to: Size): Float32Array {
  checkSizes("resizeBilinear", from, to);
  const { low, high, weight } = linearTaps(from.width, to.width);
  const vertical = linearTaps(from.height, to.height);
  const out = new Float32Array(to.width * to.height);
  const expand = (y: number, into: Float32Array): void => {
    const at = y * from.width;
    for (let x = 0; x < to.width; x++) {
      const w = weight[x] as number;
      into[x] =
        (source[at + (low[x] as number)] as number) * (1 - w) + (source[at + (high[x] as number)] as number) * w;
    }
  };
  let top = new Float32Array(to.width);
  let bottom = new Float32Array(to.width);
  let topRow = -1;
  let bottomRow = -1;
  for (let y = 0; y < to.height; y++) {
    const lowRow = vertical.low[y] as number;
    const highRow = vertical.high[y] as number;
    if (lowRow === bottomRow) {
      [top, bottom] = [bottom, top];
      [topRow, bottomRow] = [bottomRow, topRow];
    }
    if (lowRow !== topRow) expand(lowRow, top);
    topRow = lowRow;
    if (highRow !== bottomRow) expand(highRow, bottom);
    bottomRow = highRow;
    const w = vertical.weight[y] as number;
    const v = 1 - w;
    const at = y * to.width;
    for (let x = 0; x < to.width; x++) out[at + x] = (top[x] as number) * v + (bottom[x] as number) * w;
  }
  return out;
}

/** Fraction bits of Pillow's 8-bit filters: 32 minus 8 for the pixel and 2 for the overshoot. */
const precision = 22;

/**
 * Pillow's 8-bit bicubic resize (a = -0.5, antialiased): alpha is dropped, both passes work on integers, and the rows
 * between them are rounded to 8 bits. Equal to `Image.convert("RGB").resize(...)` bit by bit. Throws an `ImageError`
 * for what is no image.
 */
export function resizeBicubic(image: RawImage, to: Size): RawImage {
  checkImage("resizeBicubic", image, { maxPixels: Number.POSITIVE_INFINITY });
  checkSize("resizeBicubic", to, Number.POSITIVE_INFINITY);
  const { width, height, channels } = image;
  const source = bytes(image.data);
  const horizontal = fixedPoint(filterFor(width, to.width, cubic));
  const vertical = fixedPoint(filterFor(height, to.height, cubic));
  const half = 1 << (precision - 1);
  const rowLength = to.width * 3;

  const between = new Uint8ClampedArray(height * rowLength);
  for (let y = 0; y < height; y++) {
    for (let x = 0, o = y * rowLength; x < to.width; x++, o += 3) {
      let p = (y * width + (horizontal.first[x] as number)) * channels;
      const end = x * horizontal.taps + (horizontal.count[x] as number);
      let red = half;
      let green = half;
      let blue = half;
      for (let k = x * horizontal.taps; k < end; k++, p += channels) {
        const weight = horizontal.weights[k] as number;
        red += Math.imul(source[p] as number, weight);
        green += Math.imul(source[p + 1] as number, weight);
        blue += Math.imul(source[p + 2] as number, weight);
      }
      between[o] = red >> precision;
      between[o + 1] = green >> precision;
      between[o + 2] = blue >> precision;
    }
  }

  const clamped = new Uint8ClampedArray(to.height * rowLength);
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < to.height; y++) {
    sums.fill(half);
    for (let k = 0; k < (vertical.count[y] as number); k++) {
      const weight = vertical.weights[y * vertical.taps + k] as number;
      const row = ((vertical.first[y] as number) + k) * rowLength;
      for (let x = 0; x < rowLength; x++) {
        sums[x] = (sums[x] as number) + Math.imul(between[row + x] as number, weight);
      }
    }
    for (let x = 0; x < rowLength; x++) clamped[y * rowLength + x] = (sums[x] as number) >> precision;
  }
  return { width: to.width, height: to.height, channels: 3, data: bytes(clamped) };
}

function fixedPoint({ weights, ...filter }: Filter): Omit<Filter, "weights"> & { readonly weights: Int32Array } {
  // Halves away from zero, as C's cast after adding +-0.5.
  return {
    ...filter,
    weights: new Int32Array(weights.map((w) => Math.trunc(w * 2 ** precision + (w < 0 ? -0.5 : 0.5)))),
  };
}

/** The same memory as plain bytes: loops over one kind of array stay fast. */
function bytes(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  return data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
}

function checkSizes(where: string, from: Size, to: Size): void {
  checkSize(where, from, Number.POSITIVE_INFINITY);
  checkSize(where, to, Number.POSITIVE_INFINITY);
}
