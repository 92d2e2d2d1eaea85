/** Scores of masks, from their logits. Reference: sam2/modeling/sam/mask_decoder.py and sam2/utils/amg.py. */

/** Where a mask's edge is looked for, and how far to both sides. */
export interface StabilityOptions {
  /** Distance of the two thresholds from `threshold`, in logits: 0.05 in the decoder, 1 in automatic masks. */
  readonly delta: number;
  /** The logit above which a pixel belongs to the mask; 0 if not given. */
  readonly threshold?: number;
}

/**
 * How little a mask depends on its threshold: pixels above `threshold + delta` over pixels above `threshold - delta`,
 * an IoU, since one set holds the other. Nothing over nothing is 1.
 */
export function stabilityScore(logits: Float32Array, { delta, threshold = 0 }: StabilityOptions): number {
  // Compared in float32, as tensors are.
  const high = Math.fround(threshold + delta);
  const low = Math.fround(threshold - delta);
  let inner = 0;
  let outer = 0;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number;
    if (logit > low) {
      outer++;
      if (logit > high) inner++;
    }
  }
  return outer === 0 ? 1 : Math.fround(inner / outer);
}

/** Mean of |logit|: how decided the mask is, near 0 where the model guesses. 0 for no logits. */
export function meanLogitMagnitude(logits: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.abs(logits[i] as number);
  return logits.length === 0 ? 0 : sum / logits.length;
}

/** The decoder's four masks of one prompt. */
export interface SelectMaskOptions {
  /** [4, h, w]: mask 0 is the single-mask token's, 1 to 3 are the candidates. */
  readonly logits: Float32Array;
  /** [4], predicted IoU. */
  readonly iou: ArrayLike<number>;
  /** As in `StabilityOptions`; 0.05 if not given. */
  readonly delta?: number;
  /** Mask 0 is taken from this stability on; 0.98 if not given. */
  readonly minStability?: number;
}

/**
 * Which mask answers a single-mask prompt: 0 if it is stable enough, else the candidate with the highest predicted IoU,
 * the first of equals (`dynamic_multimask_via_stability`). -> index into the four.
 */
export function selectSingleMask({ logits, iou, delta = 0.05, minStability = 0.98 }: SelectMaskOptions): number {
  const single = logits.subarray(0, logits.length / 4);
  if (stabilityScore(single, { delta }) >= Math.fround(minStability)) return 0;
  let best = 1;
  for (let i = 2; i < 4; i++) if ((iou[i] as number) > (iou[best] as number)) best = i;
  return best;
}
