/** What was found in an image, in COCO's words (and SA-1B's, which add the scores). */
import { compressRle, encodeRle, type Mask, type Prompt, rleArea, rleBox } from "@masklet/core/node";
import type { ModelFacts } from "../models.ts";

/** One mask. */
export interface Annotation {
  /** The object's id: a number where it is one. With `--multimask` three annotations share it. */
  readonly id: number | string;
  /** Which of an object's three masks, 1 to 3; with `--multimask` only. */
  readonly multimask?: number;
  /** Compressed run lengths. */
  readonly segmentation: { readonly size: readonly [height: number, width: number]; readonly counts: string };
  /** Left, top, width, height. */
  readonly bbox: readonly [number, number, number, number];
  /** In pixels. */
  readonly area: number;
  readonly predicted_iou: number;
  readonly stability_score: number;
  /** A logit: above 0, the model sees an object. */
  readonly object_score: number;
  /** In pixels of the image; `mask` is the path that was given. */
  readonly prompt: Pick<Prompt, "points" | "labels" | "box"> & { readonly mask?: string; readonly mask_label?: number };
}

/** One image. */
export interface ImageRecord {
  readonly image: { readonly file_name: string; readonly width: number; readonly height: number };
  readonly annotations: readonly Annotation[];
  readonly model: ModelFacts;
  /** Of masklet. */
  readonly version: string;
}

/** A mask with what is known of it. */
export interface FoundMask {
  readonly id: string;
  readonly multimask?: number;
  readonly mask: Mask;
  /** Whether it is the object's mask of highest predicted IoU. */
  readonly best: boolean;
  readonly predictedIou: number;
  readonly stabilityScore: number;
  readonly objectScore: number;
  readonly prompt: Annotation["prompt"];
}

export function annotationOf(found: FoundMask): Annotation {
  const { id, multimask, mask, predictedIou, stabilityScore, objectScore, prompt } = found;
  const rle = encodeRle(mask);
  const { x, y, width, height } = rleBox(rle);
  return {
    id: /^(0|[1-9]\d{0,14})$/.test(id) ? Number(id) : id,
    ...(multimask === undefined ? {} : { multimask }),
    segmentation: compressRle(rle),
    bbox: [x, y, width, height],
    area: rleArea(rle),
    predicted_iou: rounded(predictedIou),
    stability_score: rounded(stabilityScore),
    object_score: rounded(objectScore),
    prompt,
  };
}

/** Scores are float32; further digits mean nothing. */
function rounded(score: number): number {
  return Number(score.toFixed(6));
}
