/**
 * Pictures of more than 8 bits, signed or floating, as the 8 bits that the model sees. The rule, the same everywhere:
 *
 * - unsigned samples that use the upper half of their type's range keep it: 0 is black and the type's largest value is
 *   white; so do fractions from 0 to 1 that reach 0.5;
 * - anything else is brought from its own range, smallest value to largest, to 0..255: 12 bits in 16, distances,
 *   Hounsfield units, signed and floating measurements. All channels share the range, alpha has the type's;
 * - what was not measured is black and counts for no range: NaN, infinities, the value that GDAL's tag names, the values
 *   that are widely used for it (-9999, -99999, -32768 and less than -10^30), and the type's largest value where all others
 *   are under a quarter of it.
 *
 * No gamma is applied: equal steps in the file are equal steps in what comes out.
 */
import type { ImageWarning, RawImage, Size } from "./image.ts";
import type { SampleFormat } from "./tiff.ts";

/** A picture's samples as they are in its file. */
export interface DeepSamples extends Size {
  readonly format: SampleFormat;
  readonly bits: number;
  /** Samples of a pixel. */
  readonly channels: number;
  /** Of those, how many are light: 1 for grey, 3 for red, green and blue. */
  readonly colours: 1 | 3;
  /** Whether the sample after them is alpha. */
  readonly alpha: boolean;
  readonly whiteIsZero?: boolean;
  readonly noData?: number | undefined;
  /** [height, width, channels] */
  readonly data: ArrayLike<number>;
}

/** What becomes black and white. */
export interface DepthRange {
  readonly from: number;
  readonly to: number;
  /** Whether that is the type's range, and not what was found in the picture. */
  readonly isTypes: boolean;
}

/** The range that a picture's samples are brought to 8 bits by, as the rule above has it. */
export function depthRange(samples: DeepSamples): DepthRange {
  const { data, channels, colours, format, bits } = samples;
  const top = format === "uint" ? 2 ** bits - 1 : Number.POSITIVE_INFINITY;
  const measured = isMeasured(samples);
  let [low, high, highBelowTop] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = 0; at < data.length; at += channels) {
    for (let c = 0; c < colours; c++) {
      const value = data[at + c] as number;
      if (!measured(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
      if (value < top && value > highBelowTop) highBelowTop = value;
    }
  }
  if (high === top && low < highBelowTop && highBelowTop < top / 4) high = highBelowTop;
  const white = format === "uint" ? top : 1;
  const isTypes = format === "int" ? false : low >= 0 && high <= white && (high >= white / 2 || low === high);
  if (isTypes) return { from: 0, to: white, isTypes };
  return low <= high ? { from: low, to: high, isTypes } : { from: 0, to: 1, isTypes };
}

/** What is to be said of a picture that a range of its own was used for. */
export function rangeWarning(name: string, { format, bits }: DeepSamples, { from, to }: DepthRange): ImageWarning {
  const samples = { uint: "unsigned", int: "signed", float: "floating" }[format];
  const message = `${name} has ${bits}-bit ${samples} samples: ${shown(from)} is read as black, ${shown(to)} as white`;
  return { code: "range-scaled", message, details: { source: name, format, bits, from, to } };
}

const shown = (value: number): string => String(Number(value.toPrecision(6)));

/** The picture with 8 bits a channel, by a range. */
export function toBytes(samples: DeepSamples, { from, to }: DepthRange): RawImage {
  const { width, height, data, channels, colours, alpha, whiteIsZero = false } = samples;
  const measured = isMeasured(samples);
  const out = new Uint8ClampedArray(width * height * (alpha ? 4 : 3));
  const scale = to > from ? 255 / (to - from) : 0;
  const light = (value: number): number => {
    if (!measured(value) || value > to) return 0;
    const byte = (value - from) * scale;
    return whiteIsZero ? 255 - byte : byte;
  };
  const opaque = alpha ? opaqueLevel(samples) : 1;
  for (let at = 0, o = 0; at < data.length; at += channels) {
    for (let c = 0; c < 3; c++) out[o++] = light(data[at + (colours === 3 ? c : 0)] as number);
    if (alpha) out[o++] = ((data[at + colours] as number) * 255) / opaque;
  }
  return { width, height, channels: alpha ? 4 : 3, data: new Uint8Array(out.buffer) };
}

/** The alpha of what is opaque: the type's largest value; of floats 1, or 255 where some are more than 1. */
function opaqueLevel({ data, channels, colours, format, bits }: DeepSamples): number {
  if (format !== "float") return 2 ** (format === "int" ? bits - 1 : bits) - 1;
  for (let at = colours; at < data.length; at += channels) if ((data[at] as number) > 1) return 255;
  return 1;
}

const unmeasured: ReadonlySet<number> = new Set([-9999, -99999, -32768]);

function isMeasured({ format, noData }: DeepSamples): (value: number) => boolean {
  if (format === "uint") return (value) => value !== noData;
  return (value) => Number.isFinite(value) && value !== noData && Math.abs(value) < 1e30 && !unmeasured.has(value);
}
