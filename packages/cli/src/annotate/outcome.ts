/** What became of one picture. */
import {
  type CompressedRle,
  compressRle,
  encodeRle,
  type ImagePredictorOptions,
  type Mask,
  type Rle,
  rleArea,
  type Size,
} from "@masklet/core/node";
import type { Item } from "./items.ts";

/** One object, as it is kept until the labels are written. */
export interface Found {
  /** Which of the labels' objects it was made of. */
  readonly source?: number;
  readonly category?: string;
  readonly score?: number;
  /** Left out where the model sees nothing. */
  readonly segmentation?: CompressedRle;
  /** The model's own estimate of the mask's IoU with the true one. */
  readonly predicted_iou: number;
  readonly stability_score: number;
}

export type Outcome =
  | { readonly item: Item; readonly size: Size; readonly objects: readonly Found[] }
  | { readonly item: Item; readonly error: unknown };

/** How masks are made. */
export interface Settings {
  readonly predictor: ImagePredictorOptions;
  readonly signal: AbortSignal;
}

export function foundOf(
  object: Pick<Found, "source" | "category" | "score">,
  mask: Mask | Rle,
  { iou, stability }: { readonly iou: number; readonly stability: number },
  place: (mask: Rle) => Rle = (rle) => rle,
): Found {
  const rle = "data" in mask ? encodeRle(mask) : mask;
  return {
    ...object,
    ...(rleArea(rle) > 0 && { segmentation: compressRle(place(rle)) }),
    predicted_iou: rounded(iou),
    stability_score: rounded(stability),
  };
}

/** Scores are float32; further digits mean nothing. */
function rounded(score: number): number {
  return Number(score.toFixed(6));
}
