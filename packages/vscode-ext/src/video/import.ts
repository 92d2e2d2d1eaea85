/** Objects of other formats for a video that is open. */
import { compressRle } from "@masklet/core";
import type { ObjectFrame, VideoChange, VideoEditorDocument, VideoStep } from "@masklet/editor";
import { type Dataset, type LabelledImage, type LabelObject, shapeMask } from "@masklet/labels";
import { ExtensionError } from "../errors.ts";
import { classesOf } from "../protocol.ts";

export interface Imported {
  readonly step: VideoStep;
  /** Objects that are left out: no track, no mask, or a frame that the video does not have. */
  readonly left: number;
}

interface Track {
  category: string | undefined;
  readonly frames: Record<number, ObjectFrame>;
}

const stemOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1).replace(/\.[^.]*$/, "");
/** A person has drawn it: tracking goes on from there, and never changes it. */
const drawn: ObjectFrame["prompt"] = { points: [], labels: [], box: null, lasso: null, isRefinement: false };

/**
 * The step that adds the tracks of `dataset` to a video's objects, accepted. Of several videos in it the one is taken that is
 * called `video`. Frames are found by the names of their files, `names`, where the video is a folder that has one of the labels',
 * else by their numbers.
 *
 * Throws an `ExtensionError` "labels-misfit": labels of another size, none of this video, or no track in them.
 */
export function importTracks(
  document: VideoEditorDocument,
  dataset: Dataset,
  { video, names }: { readonly video: string; readonly names: readonly string[] | undefined },
): Imported {
  const { width, height, count } = document;
  const images = imagesOf(dataset, video);
  const indexOf = frameFinder(images, names);
  const tracks = new Map<string, Track>();
  let left = 0;
  for (const image of images) {
    if (image.width !== width || image.height !== height) {
      throw new ExtensionError(
        "labels-misfit",
        `${image.file}: its labels are of ${image.width}x${image.height}, the video is ${width}x${height}`,
      );
    }
    const index = indexOf(image);
    for (const object of image.objects) {
      const mask = maskOf(object, image);
      if (object.track === undefined || mask === undefined || index === undefined || index >= count) {
        left++;
        continue;
      }
      const key = String(object.track);
      const track = tracks.get(key) ?? { category: undefined, frames: {} };
      track.category ??= object.category;
      track.frames[index] = { mask, score: object.score ?? null, objectScore: null, prompt: drawn };
      tracks.set(key, track);
    }
  }
  if (tracks.size === 0) {
    throw new ExtensionError("labels-misfit", `the labels have no object with a track on any of the ${count} frames`);
  }
  return { step: stepOf(document, [...tracks.values()]), left };
}

function frameFinder(
  images: readonly LabelledImage[],
  names: readonly string[] = [],
): (image: LabelledImage) => number | undefined {
  const byName = new Map(names.map((name, index) => [stemOf(name), index]));
  if (images.some(({ file }) => byName.has(stemOf(file)))) return ({ file }) => byName.get(stemOf(file));
  // COCO has no numbers of frames but in the names.
  return ({ file, frame }) => frame?.index ?? (/^\d+$/.test(stemOf(file)) ? Number(stemOf(file)) : undefined);
}

function imagesOf({ images, videos = [] }: Dataset, video: string): readonly LabelledImage[] {
  if (videos.length < 2) return images;
  if (!videos.some(({ name }) => name === video)) {
    const some = videos.slice(0, 3).map(({ name }) => name);
    throw new ExtensionError(
      "labels-misfit",
      `the labels are of ${videos.length} videos (${some.join(", ")}, ...), and none is called ${video}`,
    );
  }
  return images.filter(({ frame }) => frame?.video === video);
}

function maskOf({ shape }: LabelObject, image: LabelledImage): string | undefined {
  const rle = shapeMask(shape, image);
  return rle && compressRle(rle).counts;
}

function stepOf(document: VideoEditorDocument, tracks: readonly Track[]): VideoStep {
  const { classes, nextId, objects } = document;
  const known = new Set(classes.map(({ name }) => name));
  const missing = [...new Set(tracks.flatMap(({ category }) => category ?? []))].filter((name) => !known.has(name));
  const edge = { feather: 0, decontaminate: 0 };
  const changes: VideoChange[] = tracks.map(({ category, frames }, i) => ({
    kind: "object",
    index: objects.length + i,
    before: null,
    after: { id: nextId + i, name: null, class: category ?? null, state: "accepted", edge, frames },
  }));
  if (missing.length > 0)
    changes.unshift({ kind: "classes", before: classes, after: [...classes, ...classesOf(missing, new Map())] });
  changes.push({ kind: "nextId", before: nextId, after: nextId + tracks.length });
  return { name: "add", object: null, frame: null, count: tracks.length, changes };
}
