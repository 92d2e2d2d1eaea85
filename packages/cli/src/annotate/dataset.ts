/** Labels of what was found. */
import { decompressRle, type Size } from "@masklet/core/node";
import type { Category, Dataset, JsonObject, LabelledImage, LabelObject, WriteFormat } from "@masklet/labels";
import type { PictureRecord } from "./folder.ts";
import type { Item } from "./items.ts";
import type { Found } from "./outcome.ts";

/** An item with the labels that it had, and with what was found in it. */
export interface Annotated {
  readonly item: Item;
  readonly image: LabelledImage | undefined;
  /** `undefined` where nothing was asked. */
  readonly record: PictureRecord | undefined;
  /** As labels see it. */
  readonly size: Size;
}

/** Formats with a place for the model's own scores. */
const scored: ReadonlySet<WriteFormat> = new Set(["coco", "coco-results", "sa1b"]);

/**
 * The dataset as it is written. Of labels everything is kept, but boxes that became masks; objects without a mask stay as they
 * were, and so do pictures that failed. A picture that nobody has labelled and nothing was asked of stays unlabelled.
 */
export function datasetOf(annotated: readonly Annotated[], base: Dataset, format: WriteFormat): Dataset {
  const names = new Set(base.categories.map(({ name }) => name));
  const categories: Category[] = [...base.categories];
  const images = annotated.map(({ item, image, record, size }): LabelledImage => {
    const found = record !== undefined && "objects" in record ? record.objects : undefined;
    for (const { category } of found ?? []) {
      if (category === undefined || names.has(category)) continue;
      names.add(category);
      categories.push({ name: category });
    }
    const had = image?.objects ?? [];
    const bySource = new Map(found?.flatMap((one) => (one.source === undefined ? [] : [[one.source, one]])));
    const objects = had.map((object, i) => masked(object, bySource.get(i), format));
    for (const one of found ?? []) {
      if (one.source === undefined) objects.push(...newObject(one, format));
    }
    return {
      file: item.file,
      ...size,
      ...(item.frame !== undefined && { frame: item.frame }),
      ...image,
      objects,
      labelled: image?.labelled === true || found !== undefined,
    };
  });
  const { videos = [] } = base;
  const known = new Set(videos.map(({ name }) => name));
  const added = images.flatMap(({ frame, width, height }) => {
    if (frame === undefined || known.has(frame.video)) return [];
    known.add(frame.video);
    const last = images.reduce(
      (most, one) => (one.frame?.video === frame.video ? Math.max(most, one.frame.index) : most),
      0,
    );
    return [{ name: frame.video, width, height, frames: last + 1 }];
  });
  const all = [...videos, ...added];
  return { ...base, categories, images, ...(all.length > 0 && { videos: all }) };
}

/** The object with its mask, whose box is its own. */
function masked(object: LabelObject, found: Found | undefined, format: WriteFormat): LabelObject {
  if (found?.segmentation === undefined) return object;
  const { box, area, shape, ...kept } = object;
  return {
    ...kept,
    ...scoresOf(found, format, object),
    shape: { kind: "mask", rle: decompressRle(found.segmentation) },
  };
}

function newObject(found: Found, format: WriteFormat): readonly LabelObject[] {
  const { segmentation, category, score } = found;
  if (segmentation === undefined) return [];
  const object = { ...(category !== undefined && { category }), ...(score !== undefined && { score }) };
  return [{ ...object, ...scoresOf(found, format, object), shape: { kind: "mask", rle: decompressRle(segmentation) } }];
}

function scoresOf(
  { predicted_iou, stability_score }: Found,
  format: WriteFormat,
  { score, extra }: Pick<LabelObject, "score" | "extra">,
): Pick<LabelObject, "score" | "extra"> {
  if (!scored.has(format)) return {};
  if (format === "coco-results") return { score: score ?? predicted_iou };
  const scores: JsonObject = { predicted_iou, stability_score };
  return format === "sa1b"
    ? { score: predicted_iou, extra: { ...extra, stability_score } }
    : { extra: { ...extra, ...scores } };
}
