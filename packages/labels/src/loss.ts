/** What a format cannot say, counted before anything is written. */
import type { Dataset, LabelObject } from "./model.ts";

/** What is lost, in words for whoever reads a report. */
export const lossMeanings = {
  attributes: "objects have attributes, which the format has no place for",
  "box-only": "left out: boxes without a mask, and the format has masks alone",
  category: "objects have a category, which the format has no place for",
  "category-details": "more than the name of categories: supercategory, colour, keypoints",
  crowd: "crowds become plain objects",
  "extra-fields": "fields that mean nothing here",
  group: "which objects belong together",
  hidden: "gone: objects that lie wholly behind others, or have no pixel",
  "holes-filled": "holes are filled: the format has single rings",
  ids: "ids: others are given, or none",
  keypoints: "keypoints",
  mask: "masks: a box is all that is left",
  "not-in-image": "cut off at the border, or outside of the image",
  occluded: "that objects are occluded",
  "outline-retraced": "other corners for the same pixels",
  overlap: "parts of objects that lie behind others",
  "parts-bridged": "parts are joined by lines a pixel wide, which are added",
  "parts-dropped": "all parts but the largest",
  "parts-split": "parts become objects of their own",
  points: "left out: points and lines",
  rotation: "boxes are turned upright",
  score: "scores",
  simplified: "outlines with fewer corners, within the IoU that was asked for",
  "too-many": "left out: more objects or classes than the format counts",
  track: "which objects are the same over frames",
  unlabelled: "that nobody has looked at an image yet: it becomes an empty one",
  video: "which video a frame is of",
} as const;

export type LossKind = keyof typeof lossMeanings;

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
