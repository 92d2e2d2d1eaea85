/** What was found in an image, in COCO's words (and SA-1B's, which add the scores). */
import {
  compressRle,
  type Mask,
  maskRegions,
  type Point,
  type Prompt,
  type Rle,
  rleArea,
  rleBox,
} from "@masklet/core/node";
import type { ModelFacts } from "../models.ts";

/** One mask. */
export interface Annotation<S extends Segmentation = CompressedRle> {
  /** The object's id: a number where it is one. With `--multimask` three annotations share it. */
  readonly id: number | string;
  /** Which of an object's three masks, 1 to 3; with `--multimask` only. */
  readonly multimask?: number;
  /** By `OutputMode`; with prompts always compressed run lengths. */
  readonly segmentation: S;
  /** Left, top, width, height. */
  readonly bbox: readonly [number, number, number, number];
  /** In pixels. */
  readonly area: number;
  readonly predicted_iou: number;
  readonly stability_score: number;
  /** A logit: above 0, the model sees an object. */
  readonly object_score?: number;
  /** In pixels of the image; `mask` is the path that was given. */
  readonly prompt?: Pick<Prompt, "points" | "labels" | "box"> & {
    readonly mask?: string;
    readonly mask_label?: number;
  };
  /** With `--detector`: the detector's own, and one of `categories`. */
  readonly score?: number;
  readonly category_id?: number;
  /** With `--everything`: the point that showed it, in pixels. */
  readonly point_coords?: readonly [Point];
  /** With `--everything`: the part of the image that the model saw, as left, top, width, height. */
  readonly crop_box?: readonly [number, number, number, number];
}

/** How masks are written in records: names of Meta's generator, and COCO's polygons. */
export const outputModes = ["coco_rle", "uncompressed_rle", "polygon"] as const;

export type OutputMode = (typeof outputModes)[number];

/** Run lengths, compressed (`coco_rle`) or not, or polygons, flat corners; what has holes stays run lengths then. */
export type Segmentation = CompressedRle | Rle | readonly (readonly number[])[];

export interface CompressedRle {
  readonly size: readonly [height: number, width: number];
  readonly counts: string;
}

/** One class. */
export interface Category {
  readonly id: number;
  readonly name: string;
}

/** One image. */
export interface ImageRecord<S extends Segmentation = CompressedRle> {
  readonly image: {
    /** The image's place on the command line, from 1; not with prompts. */
    readonly image_id?: number;
    readonly file_name: string;
    readonly width: number;
    readonly height: number;
  };
  /** With `--detector`: what its classes are called. */
  readonly categories?: readonly Category[];
  readonly annotations: readonly Annotation<S>[];
  readonly model: ModelFacts;
  /** Of masklet. */
  readonly version: string;
}

/** What only some ways to find masks know of them. */
export type MaskFacts = Pick<
  Annotation,
  "object_score" | "prompt" | "point_coords" | "crop_box" | "score" | "category_id"
>;

/** A mask with what is known of it. */
export interface FoundMask {
  readonly id: string;
  readonly multimask?: number;
  readonly rle: Rle;
  /** Of `rle`; of many masks made anew each time, because hundreds would not fit into memory. */
  readonly mask: Mask;
  /** Whether it is the object's mask of highest predicted IoU. */
  readonly best: boolean;
  readonly predictedIou: number;
  readonly stabilityScore: number;
  /** What an overlay writes on it. */
  readonly label?: string;
  readonly facts: MaskFacts;
}

export function annotationOf(found: FoundMask, mode: OutputMode): Annotation<Segmentation> {
  const { id, multimask, rle, predictedIou, stabilityScore, facts } = found;
  const { x, y, width, height } = rleBox(rle);
  const { object_score: objectScore, score, ...others } = facts;
  return {
    id: /^(0|[1-9]\d{0,14})$/.test(id) ? Number(id) : id,
    ...(multimask === undefined ? {} : { multimask }),
    segmentation: segmentationOf(found, mode),
    bbox: [x, y, width, height],
    area: rleArea(rle),
    predicted_iou: rounded(predictedIou),
    stability_score: rounded(stabilityScore),
    ...(objectScore === undefined ? {} : { object_score: rounded(objectScore) }),
    ...(score === undefined ? {} : { score: rounded(score) }),
    ...others,
  };
}

function segmentationOf({ rle, mask }: FoundMask, mode: OutputMode): Segmentation {
  if (mode === "uncompressed_rle") return { size: rle.size, counts: [...rle.counts] };
  const regions = mode === "polygon" ? maskRegions(mask) : [];
  // A list of polygons is their union: it has no way to say a hole.
  if (regions.length === 0 || regions.some(({ holes }) => holes.length > 0)) return compressRle(rle);
  return regions.map(({ outline }) => outline);
}

/** Scores are float32; further digits mean nothing. */
function rounded(score: number): number {
  return Number(score.toFixed(6));
}
