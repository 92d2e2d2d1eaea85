/**
 * How good tracked masks are, by the measures of DAVIS (Perazzi et al. 2016) as the SA-V evaluator computes them: region
 * similarity J, contour accuracy F, and their mean J&F. Reference: sav_dataset/utils/sav_benchmark.py.
 */
import { MaskError } from "../errors.ts";
import { dilate } from "../mask/dilate.ts";
import { checkMaskFits, type Mask, maskIou } from "../mask/mask.ts";
import { checkKeys, type Keys } from "../options.ts";

/** All between 0 and 1; DAVIS prints them as percentages. */
export interface MaskletScore {
  /** Mean over frames of the masks' IoU; 1 where both are empty. */
  readonly j: number;
  /** Mean over frames of the boundaries' F-measure. */
  readonly f: number;
  /** (j + f) / 2 */
  readonly jAndF: number;
}

export interface EvaluateOptions {
  /** Leaves out the first frame, which is given away, and the last, as DAVIS and SA-V do. Default true. */
  readonly skipFirstAndLast?: boolean;
  /** How far apart boundaries may be and still match, as a share of the image's diagonal. Default 0.008. */
  readonly boundary?: number;
}

/** Object ids by pixel, row by row from the top left; 0 is background. */
export interface LabelMap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface LabelsScore {
  /** By object id: those of the truth. */
  readonly objects: ReadonlyMap<number, MaskletScore>;
  /** Mean over objects. */
  readonly mean: MaskletScore;
}

/**
 * F-measure of two masks' boundaries: the harmonic mean of how much of each lies within a disk of
 * `ceil(boundary * diagonal)` pixels around the other. 1 where neither has one, 0 where just one has.
 */
export function boundaryF(predicted: Mask, truth: Mask, options: EvaluateOptions = {}): number {
  checkKeys("boundaryF", options, evaluateKeys);
  const { boundary = 0.008 } = options;
  checkMaskFits("boundaryF", predicted, truth);
  const radius = Math.ceil(boundary * Math.hypot(truth.width, truth.height));
  const [ours, theirs] = [boundaryOf(predicted), boundaryOf(truth)];
  const [ourPixels, theirPixels] = [count(ours), count(theirs)];
  if (ourPixels === 0 && theirPixels === 0) return 1;
  if (ourPixels === 0 || theirPixels === 0) return 0;
  const precision = overlap(ours, dilate(theirs, truth.width, radius)) / ourPixels;
  const recall = overlap(theirs, dilate(ours, truth.width, radius)) / theirPixels;
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/**
 * One object's masks, frame by frame, against the true ones. Frames before either shows the object do not count. Throws
 * a `MaskError`: "masklet-length" for unequal numbers of frames, "masklet-empty" if no frame counts, and for masks of
 * unequal size.
 */
export function evaluateMasklet(
  predicted: readonly Mask[],
  truth: readonly Mask[],
  options: EvaluateOptions = {},
): MaskletScore {
  checkKeys("evaluateMasklet", options, evaluateKeys);
  if (predicted.length !== truth.length) {
    throw new MaskError("masklet-length", `evaluate: ${predicted.length} frames, the truth has ${truth.length}`, {
      details: { predicted: predicted.length, truth: truth.length },
    });
  }
  const { skipFirstAndLast = true } = options;
  const frames = truth.map((_, i) => i).slice(...(skipFirstAndLast ? [1, -1] : []));
  const first = frames.findIndex((i) => hasAny(truth[i]) || hasAny(predicted[i]));
  const counted = first < 0 ? [] : frames.slice(first);
  if (counted.length === 0) {
    const which = skipFirstAndLast ? `${truth.length}, without the first and the last,` : truth.length;
    throw new MaskError("masklet-empty", `evaluate: no frame of ${which} shows the object`, {
      details: { frames: truth.length },
    });
  }
  const mean = (measure: (a: Mask, b: Mask) => number): number =>
    counted.reduce((sum, i) => sum + measure(predicted[i] as Mask, truth[i] as Mask), 0) / counted.length;
  const j = mean(maskIou);
  const f = mean((a, b) => boundaryF(a, b, options));
  return { j, f, jAndF: (j + f) / 2 };
}

/**
 * Label maps, frame by frame, against the true ones: every object that the truth shows in a frame that counts. Throws as
 * `evaluateMasklet`, and a `MaskError` "masklet-empty" for a truth without any object.
 */
export function evaluateLabels(
  predicted: readonly LabelMap[],
  truth: readonly LabelMap[],
  options: EvaluateOptions = {},
): LabelsScore {
  checkKeys("evaluateLabels", options, evaluateKeys);
  const { skipFirstAndLast = true } = options;
  const shown = truth.slice(...(skipFirstAndLast ? [1, -1] : []));
  const ids = new Set(shown.flatMap(({ data }) => [...new Set(data)]));
  ids.delete(0);
  const scores = [...ids]
    .sort((a, b) => a - b)
    .map((id): readonly [number, MaskletScore] => {
      const of = (maps: readonly LabelMap[]): readonly Mask[] => maps.map((map) => objectMask(map, id));
      return [id, evaluateMasklet(of(predicted), of(truth), options)];
    });
  if (scores.length === 0) {
    throw new MaskError("masklet-empty", `evaluate: the truth shows no object in ${shown.length} frames`, {
      details: { frames: shown.length },
    });
  }
  const mean = (key: keyof MaskletScore): number =>
    scores.reduce((sum, [, score]) => sum + score[key], 0) / scores.length;
  return { objects: new Map(scores), mean: { j: mean("j"), f: mean("f"), jAndF: mean("jAndF") } };
}

/** Where a label map shows one object. */
export function objectMask({ width, height, data }: LabelMap, id: number): Mask {
  return { width, height, data: data.map((label) => (label === id ? 1 : 0)) };
}

function hasAny(mask: Mask | undefined): boolean {
  return mask?.data.some((value) => value !== 0) ?? false;
}

/** Pixels that differ from their right, lower or lower right neighbour: the boundary, half a pixel up and to the left. */
function boundaryOf({ width, height, data }: Mask): Uint8Array {
  const edge = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const inside = data[at] !== 0;
      const [right, below] = [x + 1 < width, y + 1 < height];
      const differs =
        (right && (data[at + 1] !== 0) !== inside) ||
        (below && (data[at + width] !== 0) !== inside) ||
        (right && below && (data[at + width + 1] !== 0) !== inside);
      if (differs) edge[at] = 1;
    }
  }
  return edge;
}

function count(pixels: Uint8Array): number {
  return pixels.reduce((sum, value) => sum + value, 0);
}

function overlap(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, i) => sum + (value & (b[i] as number)), 0);
}

const evaluateKeys: Keys<EvaluateOptions> = { skipFirstAndLast: true, boundary: true };
