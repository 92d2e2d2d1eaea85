/**
 * Whose a pixel is where objects overlap: the one's with the strongest logit, the first of equals (reference:
 * `_apply_non_overlapping_constraints` of modeling/sam2_base.py). Frames are large and objects many, so pixels are gone
 * through object by object, in plain loops.
 */
import type { Size } from "../image/image.ts";
import { linearTaps } from "../image/resize.ts";
import type { Mask } from "../mask/mask.ts";
import type { MaskLogits } from "../prompt/prompt.ts";

/** Where objects do not win a pixel, their logits are at most this. */
const LOSING_LOGIT = -10;

/** An object's mask at the video's size, and the logits it comes from, at that size or low. */
export interface Claim {
  readonly mask: Mask;
  readonly lowResLogits: MaskLogits;
  readonly logits?: Float32Array;
}

/** [height, width]: the place in `claims`, from 1, of the object that has the pixel; 0 where no mask has it. */
export function pixelOwners(claims: readonly Claim[], { width, height }: Size): Uint16Array {
  const owners = new Uint16Array(width * height);
  const logitAt = claims.map((claim) => logitReader(claim, { width, height }));
  for (const [i, { mask }] of claims.entries()) {
    const { data } = mask;
    const own = logitAt[i] as LogitReader;
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        if (data[at] === 0) continue;
        const owner = owners[at] as number;
        if (owner === 0 || own(x, y) > (logitAt[owner - 1] as LogitReader)(x, y)) owners[at] = i + 1;
      }
    }
  }
  return owners;
}

type LogitReader = (x: number, y: number) => number;

/** One object's logit at a pixel of the video, rounded as `upsampleLogits` rounds it. */
function logitReader({ logits, lowResLogits }: Claim, { width, height }: Size): LogitReader {
  if (logits !== undefined) return (x, y) => logits[y * width + x] as number;
  const { width: side, data } = lowResLogits;
  const columns = linearTaps(side, width);
  const rows = linearTaps(lowResLogits.height, height);
  return (x, y) => {
    const left = columns.low[x] as number;
    const right = columns.high[x] as number;
    const w = columns.weight[x] as number;
    const above = (rows.low[y] as number) * side;
    const below = (rows.high[y] as number) * side;
    const v = rows.weight[y] as number;
    const top = Math.fround((data[above + left] as number) * (1 - w) + (data[above + right] as number) * w);
    const bottom = Math.fround((data[below + left] as number) * (1 - w) + (data[below + right] as number) * w);
    return Math.fround(top * (1 - v) + bottom * v);
  };
}

/** At each pixel, the logits of all objects but the strongest are pushed down, in place. */
export function suppressOverlaps(logits: readonly Float32Array[]): void {
  const [first, ...others] = logits;
  if (first === undefined) return;
  const strongest = first.slice();
  const winners = new Uint16Array(first.length);
  for (const [i, own] of others.entries()) {
    for (let p = 0; p < own.length; p++) {
      const logit = own[p] as number;
      if (logit > (strongest[p] as number)) {
        strongest[p] = logit;
        winners[p] = i + 1;
      }
    }
  }
  for (const [i, own] of logits.entries()) {
    for (let p = 0; p < own.length; p++) {
      if (winners[p] !== i && (own[p] as number) > LOSING_LOGIT) own[p] = LOSING_LOGIT;
    }
  }
}
