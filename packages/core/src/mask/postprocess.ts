/**
 * The decoder's low-resolution logits at the image's size: bilinear, without antialias, then a threshold.
 * Reference: sam2/utils/transforms.py, postprocess_masks.
 */
import { checkSize, type Size } from "../image/image.ts";
import { type LinearTaps, linearTaps, resizeBilinear } from "../image/resize.ts";
import type { Mask } from "./mask.ts";

/** One mask's logits [from.height, from.width] -> [to.height, to.width]. */
export function upsampleLogits(logits: Float32Array, from: Size, to: Size): Float32Array {
  return resizeBilinear(logits, from, to);
}

/** 1 where a logit is above the threshold, else 0. */
export function binarise(logits: Float32Array, threshold = 0): Uint8Array {
  const mask = new Uint8Array(logits.length);
  for (let i = 0; i < logits.length; i++) mask[i] = (logits[i] as number) > threshold ? 1 : 0;
  return mask;
}

/** Options of `upsampleMask`. */
export interface ThresholdOptions {
  /** The logit above which a pixel belongs to the mask; 0 if not given. */
  readonly threshold?: number;
}

/**
 * One mask's logits [from.height, from.width] -> the binary mask at `to`: where `upsampleLogits` is above the threshold.
 *
 * An output pixel lies between four low-resolution ones, and where these agree there is nothing to compute. Only the
 * cells along the mask's edge are interpolated, so 64 masks cost little more than clearing their memory.
 */
export function upsampleMask(
  logits: Float32Array,
  from: Size,
  to: Size,
  { threshold = 0 }: ThresholdOptions = {},
): Mask {
  checkSize("upsampleMask", from, Number.POSITIVE_INFINITY);
  checkSize("upsampleMask", to, Number.POSITIVE_INFINITY);
  const { width, height } = to;
  const columns = linearTaps(from.width, width);
  const rows = linearTaps(from.height, height);
  const cells = cellStarts(columns.low);
  const data = new Uint8Array(width * height);
  const top = new Float32Array(width);
  const bottom = new Float32Array(width);
  // Spans of columns, [start, end) in pairs, of the current row of cells.
  const inside: number[] = [];
  const mixed: number[] = [];

  for (let y = 0; y < height; ) {
    const lowRow = (rows.low[y] as number) * from.width;
    const highRow = (rows.high[y] as number) * from.width;
    spansOf(logits, [lowRow, highRow], columns, cells, threshold, { inside, mixed });
    interpolateSpans(logits, lowRow, columns, mixed, top);
    interpolateSpans(logits, highRow, columns, mixed, bottom);
    // All output rows between these two input rows.
    const low = rows.low[y];
    for (; y < height && rows.low[y] === low; y++) {
      const at = y * width;
      const w = rows.weight[y] as number;
      for (let s = 0; s < inside.length; s += 2)
        data.fill(1, at + (inside[s] as number), at + (inside[s + 1] as number));
      for (let s = 0; s < mixed.length; s += 2) {
        for (let x = mixed[s] as number; x < (mixed[s + 1] as number); x++) {
          // Rounded as the logits are, so that both ways agree on every pixel.
          const logit = Math.fround((top[x] as number) * (1 - w) + (bottom[x] as number) * w);
          data[at + x] = logit > threshold ? 1 : 0;
        }
      }
    }
  }
  return { width, height, data };
}

/**
 * How many pixels `upsampleMask` would set, without making the mask: of a cell whose corners agree all or none, along the
 * edge those that are above the threshold.
 */
export function upsampledArea(
  logits: Float32Array,
  from: Size,
  { width, height }: Size,
  { threshold = 0 }: ThresholdOptions = {},
): number {
  const columns = linearTaps(from.width, width);
  const rows = linearTaps(from.height, height);
  const cells = cellStarts(columns.low);
  const [top, bottom] = [new Float32Array(width), new Float32Array(width)];
  const inside: number[] = [];
  const mixed: number[] = [];
  let area = 0;
  for (let y = 0; y < height; ) {
    const [lowRow, highRow] = [(rows.low[y] as number) * from.width, (rows.high[y] as number) * from.width];
    spansOf(logits, [lowRow, highRow], columns, cells, threshold, { inside, mixed });
    interpolateSpans(logits, lowRow, columns, mixed, top);
    interpolateSpans(logits, highRow, columns, mixed, bottom);
    let sure = 0;
    for (let s = 0; s < inside.length; s += 2) sure += (inside[s + 1] as number) - (inside[s] as number);
    const low = rows.low[y];
    for (; y < height && rows.low[y] === low; y++) {
      area += sure;
      const w = rows.weight[y] as number;
      for (let s = 0; s < mixed.length; s += 2) {
        for (let x = mixed[s] as number; x < (mixed[s + 1] as number); x++) {
          if (Math.fround((top[x] as number) * (1 - w) + (bottom[x] as number) * w) > threshold) area++;
        }
      }
    }
  }
  return area;
}

/**
 * Of the cells between two rows of logits, as spans of output columns, [start, end) in pairs: those whose four corners
 * are all above the threshold, and those of which some are.
 */
function spansOf(
  logits: Float32Array,
  [lowRow, highRow]: readonly [number, number],
  columns: LinearTaps,
  cells: readonly number[],
  threshold: number,
  { inside, mixed }: { readonly inside: number[]; readonly mixed: number[] },
): void {
  inside.length = 0;
  mixed.length = 0;
  for (let c = 0; c + 1 < cells.length; c++) {
    const start = cells[c] as number;
    const end = cells[c + 1] as number;
    const left = columns.low[start] as number;
    const right = columns.high[start] as number;
    const above =
      Number((logits[lowRow + left] as number) > threshold) +
      Number((logits[lowRow + right] as number) > threshold) +
      Number((logits[highRow + left] as number) > threshold) +
      Number((logits[highRow + right] as number) > threshold);
    if (above === 0) continue;
    const spans = above === 4 ? inside : mixed;
    if (spans.at(-1) === start) spans[spans.length - 1] = end;
    else spans.push(start, end);
  }
}

/** One row of logits at the output's columns, inside the spans alone. */
function interpolateSpans(
  logits: Float32Array,
  row: number,
  columns: LinearTaps,
  spans: readonly number[],
  into: Float32Array,
): void {
  for (let s = 0; s < spans.length; s += 2) {
    for (let x = spans[s] as number; x < (spans[s + 1] as number); x++) {
      const w = columns.weight[x] as number;
      into[x] =
        (logits[row + (columns.low[x] as number)] as number) * (1 - w) +
        (logits[row + (columns.high[x] as number)] as number) * w;
    }
  }
}

/** Where a new cell starts among the outputs, and the number of outputs at the end. */
function cellStarts(low: Int32Array): readonly number[] {
  const starts: number[] = [];
  for (let i = 0; i < low.length; i++) if (i === 0 || low[i] !== low[i - 1]) starts.push(i);
  starts.push(low.length);
  return starts;
}
