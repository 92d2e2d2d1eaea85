/** What a format cannot say, counted before anything is written. */
import type { Dataset, LabelObject } from "./model.ts";

/**
 * - `holes-filled`, `parts-split`, `parts-bridged`, `parts-dropped`: the format has single rings only. `parts-bridged`
 *   counts objects; the bridges' pixels are added to them.
 * - `overlap`: objects of which a part lies behind another and is gone; `hidden`: those that are gone altogether.
 * - `mask`: a box is all that is left of it. `box-only`: left out, because the format has masks alone.
 * - `points`: points and lines, which the format does not have.
 * - `outline-retraced`: other corners, the same pixels. `simplified`: fewer corners, within the IoU that was asked for.
 * - `too-many`: more objects of a picture, or classes, than the format counts.
 * - `not-in-image`: a polygon or box was cut off at the border, or lies outside.
 * - the others: what of an object, image, category or the dataset is left out.
 */
export type LossKind =
  | "attributes"
  | "box-only"
  | "category"
  | "category-details"
  | "crowd"
  | "extra-fields"
  | "group"
  | "hidden"
  | "holes-filled"
  | "ids"
  | "keypoints"
  | "mask"
  | "not-in-image"
  | "occluded"
  | "outline-retraced"
  | "overlap"
  | "parts-bridged"
  | "parts-dropped"
  | "parts-split"
  | "points"
  | "rotation"
  | "score"
  | "simplified"
  | "too-many"
  | "track"
  | "unlabelled"
  | "video";

export interface Loss {
  readonly kind: LossKind;
  /** How many objects, images or categories it befalls. */
  readonly count: number;
  /** The first of them. */
  readonly example: string;
}

/** Counts losses by kind. */
export class Losses {
  readonly #found = new Map<LossKind, Loss>();

  add(kind: LossKind, example: string, count = 1): void {
    if (count === 0) return;
    const before = this.#found.get(kind);
    this.#found.set(kind, { kind, count: (before?.count ?? 0) + count, example: before?.example ?? example });
  }

  list(): readonly Loss[] {
    return [...this.#found.values()];
  }
}

/** What a format keeps beside shapes. */
export type Kept =
  | "attributes"
  | "category"
  | "category-details"
  | "crowd"
  | "extra-fields"
  | "group"
  | "ids"
  | "keypoints"
  | "occluded"
  | "score"
  | "track"
  | "unlabelled"
  | "video";

/** Counts what of the dataset a format leaves out because it has no place for it. */
export function countUnkept(dataset: Dataset, kept: ReadonlySet<Kept>, losses: Losses): void {
  const count = (kind: Kept, holds: boolean, example: () => string): void => {
    if (holds && !kept.has(kind)) losses.add(kind, example());
  };
  for (const category of dataset.categories) {
    const { supercategory, colour, keypoints, thing, extra } = category;
    const detailed = [supercategory, colour, keypoints, thing, extra].some((one) => one !== undefined && one !== "");
    count("category-details", detailed, () => category.name);
  }
  count("extra-fields", dataset.extra !== undefined, () => "the dataset");
  for (const image of dataset.images) {
    count("unlabelled", !image.labelled, () => image.file);
    count("video", image.frame !== undefined, () => image.file);
    count("ids", image.id !== undefined, () => image.file);
    count("extra-fields", image.extra !== undefined, () => image.file);
    for (const [i, object] of image.objects.entries()) countObject(object, () => `${image.file}, object ${i}`, count);
  }
}

function countObject(
  { category, crowd, score, keypoints, group, track, occluded, attributes, id, extra }: LabelObject,
  where: () => string,
  count: (kind: Kept, holds: boolean, example: () => string) => void,
): void {
  count("category", category !== undefined, where);
  count("crowd", crowd === true, where);
  count("score", score !== undefined, where);
  count("keypoints", keypoints !== undefined, where);
  count("group", group !== undefined, where);
  count("track", track !== undefined, where);
  count("occluded", occluded === true, where);
  count("attributes", attributes !== undefined && Object.keys(attributes).length > 0, where);
  count("ids", id !== undefined, where);
  count("extra-fields", extra !== undefined, where);
}
