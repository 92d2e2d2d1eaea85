/** How alike two masks are, and which predicted object is which true one. */
import { boundaryF, decodeRle, type Rle, rleBox } from "@masklet/core";
import { rleIntersection, rleIou, runsArea } from "../geometry/rle.ts";

/** Boundary IoU looks at this share of the image's diagonal on the inner side of a mask's edge (Cheng et al., 2021). */
const boundaryShare = 0.02;

/** Measures of a predicted mask, 0 to 1. */
export interface MaskScores {
  readonly iou: number;
  /** IoU of the masks' inner edges alone. */
  readonly boundaryIou: number;
  /** DAVIS's contour accuracy. */
  readonly f: number;
}

export const noScores: MaskScores = { iou: 0, boundaryIou: 0, f: 0 };

export function maskScores(predicted: Rle, truth: Rle): MaskScores {
  const [ours, theirs] = [decodeRle(predicted), decodeRle(truth)];
  return { iou: rleIou(predicted, truth), boundaryIou: boundaryIou(predicted, truth), f: boundaryF(ours, theirs) };
}

/**
 * IoU of the pixels that lie in a mask and at most `round(0.02 diagonal)` steps, at least 1, from what is not in it; beyond the
 * image nothing is (reference: bowenc0221/boundary-iou-api, `mask_to_boundary`). 1 where both are empty.
 */
export function boundaryIou(predicted: Rle, truth: Rle): number {
  const [height, width] = truth.size;
  const radius = Math.max(1, Math.round(boundaryShare * Math.hypot(width, height)));
  const [ours, theirs] = [edgeOf(predicted, radius), edgeOf(truth, radius)];
  let [both, either] = [0, 0];
  for (let i = 0; i < ours.length; i++) {
    const [a, b] = [ours[i] as number, theirs[i] as number];
    both += a & b;
    either += a | b;
  }
  return either === 0 ? 1 : both / either;
}

/** Pixels of a mask that a square of `radius` around them does not leave inside. */
function edgeOf(rle: Rle, radius: number): Uint8Array {
  const { width, height, data } = decodeRle(rle);
  const box = rleBox(rle);
  const inner = new Uint8Array(data.length);
  // Along rows into `inner`, then along columns over it: a square is both.
  for (let y = box.y; y < box.y + box.height; y++) erodeLine(data, inner, y * width, 1, width, radius);
  const kept = new Uint8Array(data.length);
  for (let x = box.x; x < box.x + box.width; x++) erodeLine(inner, kept, x, width, height, radius);
  return data.map((value, i) => (value !== 0 && kept[i] === 0 ? 1 : 0));
}

/** Keeps what has `radius` ones on both sides along a line. */
function erodeLine(
  from: Uint8Array,
  to: Uint8Array,
  start: number,
  step: number,
  length: number,
  radius: number,
): void {
  let run = 0;
  for (let i = 0, at = start; i < length; i++, at += step) {
    run = from[at] === 0 ? 0 : run + 1;
    if (run > 2 * radius) to[at - radius * step] = 1;
  }
}

/** An object with its mask, as it is matched. */
export interface Candidate {
  readonly rle: Rle;
}

/** Pairs of places among `predicted` and `truth`, each in one at most, by falling IoU; none with an IoU of `above` or less. */
export function pairUp(
  predicted: readonly Candidate[],
  truth: readonly Candidate[],
  above: number,
): readonly { readonly predicted: number; readonly truth: number; readonly iou: number }[] {
  const all: { predicted: number; truth: number; iou: number }[] = [];
  for (const [p, { rle }] of predicted.entries()) {
    for (const [t, other] of truth.entries()) {
      const iou = rleIou(rle, other.rle);
      if (iou > above) all.push({ predicted: p, truth: t, iou });
    }
  }
  all.sort((a, b) => b.iou - a.iou);
  const [ours, theirs] = [new Set<number>(), new Set<number>()];
  return all.filter((pair) => {
    if (ours.has(pair.predicted) || theirs.has(pair.truth)) return false;
    ours.add(pair.predicted);
    theirs.add(pair.truth);
    return true;
  });
}

/** The share of a mask that lies in any of the others. */
export function shareWithin(rle: Rle, others: readonly Rle[]): number {
  const area = runsArea(rle);
  return area === 0 ? 0 : Math.max(0, ...others.map((other) => rleIntersection(rle, other) / area));
}
