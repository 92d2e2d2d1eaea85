/** From the decoder's candidates to masks at the image's size (reference: sam2_image_predictor.py, `_predict`). */
import type { Size } from "../image/image.ts";
import { removeSmallRegions } from "../mask/components.ts";
import type { Mask } from "../mask/mask.ts";
import { upsampleLogits, upsampleMask } from "../mask/postprocess.ts";
import { meanLogitMagnitude, selectSingleMask, stabilityScore } from "../mask/score.ts";
import type { MaskLogits } from "../prompt/prompt.ts";
import type { Candidates } from "./decode.ts";

/** The masks of one prompt: 3 with `multimaskOutput`, else 1. All arrays have one entry for each. */
export interface ImagePrediction {
  /** At the image's size. */
  readonly masks: readonly Mask[];
  /** The model's own estimate of each mask's IoU with the true one, 0 to 1. */
  readonly iouPredictions: readonly number[];
  /** IoU of the masks at logits +1 and -1 around the threshold, at low resolution: how firm the edge is. */
  readonly stabilityScores: readonly number[];
  /** Mean of |logit| at low resolution: near 0 where the model guesses. */
  readonly meanLogitMagnitudes: readonly number[];
  /** Whether there is an object, as a logit; above 0 says yes. */
  readonly objectScore: number;
  /** Logits at a quarter of the model's image size, clamped to -32 to 32: the `maskInput` of the next call. */
  readonly lowResLogits: readonly MaskLogits[];
  /** Logits at the image's size, row by row, with `returnLogits`. */
  readonly logits?: readonly Float32Array[];
  /** The mask with the highest predicted IoU, the first of equals: the very object in `masks`. */
  readonly best: Mask;
  /** The best mask's predicted IoU. */
  readonly bestIou: number;
  /** The best mask's entry in `lowResLogits`. */
  readonly bestLogits: MaskLogits;
}

export interface FinishOptions {
  /** The image. */
  readonly size: Size;
  /** Side of the low-resolution masks. */
  readonly side: number;
  readonly maskThreshold: number;
  readonly maxHoleArea: number;
  readonly maxSpeckArea: number;
  readonly multimaskOutput: boolean;
  readonly returnLogits: boolean;
}

const ALTERNATIVES = [1, 2, 3] as const;
const LOGIT_LIMIT = 32;
const STABILITY_DELTA = 1;

/** Chooses among the decoder's four masks and brings them to the image's size. */
export function finishPrediction({ logits, iou, objectScore }: Candidates, options: FinishOptions): ImagePrediction {
  const { size, side, maskThreshold: threshold, maxHoleArea, maxSpeckArea } = options;
  const low = { width: side, height: side };
  const chosen = options.multimaskOutput ? ALTERNATIVES : [selectSingleMask({ logits, iou })];
  const raw = chosen.map((i) => logits.subarray(i * side * side, (i + 1) * side * side));
  const cleaned =
    maxHoleArea > 0 || maxSpeckArea > 0
      ? raw.map((one) => removeSmallRegions(one, { ...low, maxHoleArea, maxSpeckArea, threshold }))
      : raw;
  const masks = cleaned.map((one) => upsampleMask(one, low, size, { threshold }));
  const iouPredictions = chosen.map((i) => iou[i] as number);
  const lowResLogits = raw.map((one) => ({ ...low, data: clampLogits(one) }));
  const best = iouPredictions.reduce((a, iou, b) => (iou > (iouPredictions[a] as number) ? b : a), 0);
  return {
    masks,
    iouPredictions,
    stabilityScores: raw.map((one) => stabilityScore(one, { delta: STABILITY_DELTA, threshold })),
    meanLogitMagnitudes: raw.map(meanLogitMagnitude),
    objectScore,
    lowResLogits,
    ...(options.returnLogits ? { logits: cleaned.map((one) => upsampleLogits(one, low, size)) } : {}),
    best: masks[best] as Mask,
    bestIou: iouPredictions[best] as number,
    bestLogits: lowResLogits[best] as MaskLogits,
  };
}

export function clampLogits(logits: Float32Array): Float32Array {
  const clamped = logits.slice();
  for (let i = 0; i < clamped.length; i++) {
    const logit = clamped[i] as number;
    if (logit > LOGIT_LIMIT) clamped[i] = LOGIT_LIMIT;
    else if (logit < -LOGIT_LIMIT) clamped[i] = -LOGIT_LIMIT;
  }
  return clamped;
}
