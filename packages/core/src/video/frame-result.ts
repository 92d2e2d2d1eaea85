import type { Size } from "../image/image.ts";
import type { Mask } from "../mask/mask.ts";
import { binarise, upsampleLogits, upsampleMask } from "../mask/postprocess.ts";
import type { MaskLogits } from "../prompt/prompt.ts";
import type { Decoded } from "./memory-bank.ts";
import { pixelOwners, suppressOverlaps } from "./overlaps.ts";
import { noObject } from "./track-step.ts";

/** One object on one frame. */
export interface VideoObject {
  readonly id: number;
  /** At the video's size. */
  readonly mask: Mask;
  /** Whether the object is there, as a logit: above 0 says yes. -1024 if nothing is known of it on this frame. */
  readonly objectScore: number;
  /** The model's own estimate of the mask's IoU with the true one, 0 to 1; 1 for a mask prompt. */
  readonly iouPrediction: number;
  /** Logits at a quarter of the model's image size, -1024 where the object is absent; not to be written to. */
  readonly lowResLogits: MaskLogits;
  /** Logits at the video's size, row by row, with `returnLogits`. */
  readonly logits?: Float32Array;
}

/** All objects on one frame, in the order they first came. */
export interface FrameResult {
  readonly frame: number;
  readonly objects: readonly VideoObject[];
}

export interface FrameResultOptions {
  readonly size: Size;
  /** Side of the low-resolution logits. */
  readonly side: number;
  readonly nonOverlappingMasks: boolean;
  readonly returnLogits: boolean;
}

/** What is known of each object on a frame, at the video's size. */
export function frameResult(
  frame: number,
  known: ReadonlyMap<number, Decoded | undefined>,
  { size, side, nonOverlappingMasks, returnLogits }: FrameResultOptions,
): FrameResult {
  const low = { width: side, height: side };
  const blank = new Float32Array(side * side).fill(noObject);
  const all = Array.from(known, ([id, decoded]) => ({
    id,
    objectScore: decoded?.objectScore ?? noObject,
    iouPrediction: decoded?.iouPrediction ?? 0,
    lowResLogits: { ...low, data: decoded?.logits ?? blank },
  }));
  const separate = nonOverlappingMasks && all.length > 1;
  if (!returnLogits) {
    const objects = all.map((one) => ({ ...one, mask: upsampleMask(one.lowResLogits.data, low, size) }));
    if (separate) removeOverlaps(objects, size);
    return { frame, objects };
  }
  const logits = all.map(({ lowResLogits }) => upsampleLogits(lowResLogits.data, low, size));
  if (separate) suppressOverlaps(logits);
  return {
    frame,
    objects: all.map((one, i) => {
      const own = logits[i] as Float32Array;
      return { ...one, mask: { ...size, data: binarise(own) }, logits: own };
    }),
  };
}

/** Leaves each pixel to its owner's mask, in place: what `suppressOverlaps` comes to, without logits at the video's size. */
function removeOverlaps(objects: readonly VideoObject[], size: Size): void {
  const owners = pixelOwners(objects, size);
  for (const [i, { mask }] of objects.entries()) {
    const { data } = mask;
    for (let p = 0; p < data.length; p++) if (data[p] !== 0 && owners[p] !== i + 1) data[p] = 0;
  }
}
