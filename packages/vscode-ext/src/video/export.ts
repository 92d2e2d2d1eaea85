/** The objects of a video in the formats of others. */
import { decompressRle, rleArea } from "@masklet/core";
import type { VideoEditorDocument } from "@masklet/editor";
import { type Dataset, type LabelledImage, type LabelObject, type Written, writeLabels } from "@masklet/labels";

/** Formats that know which object of one frame is which of another. */
export const trackFormats = ["davis", "sav", "coco", "cvat-video"] as const;
export type TrackFormat = (typeof trackFormats)[number];

export interface ExportOptions {
  /** What the video is called. */
  readonly video: string;
  /** The frames' files, where they have some; those of a video file are named by their numbers, from 00000.jpg. */
  readonly names: readonly string[] | undefined;
  /** Frames per second, where the video says it. */
  readonly rate: number | undefined;
  /** The class of objects that have none. */
  readonly className: string;
  /** Drafts too, or what was accepted alone. */
  readonly drafts: boolean;
}

/** Those that have no object without one. */
export const needsClass: ReadonlySet<TrackFormat> = new Set(["coco", "cvat-video"]);

/** SA-V's and DAVIS's, for frames that say nothing of it. */
const RATE = 24;

/**
 * Tracks as files that are not written yet, and what the format leaves out. Frames of which nothing is known are left out; an
 * object that is not to be seen on a frame is so in SA-V, whose masks may be empty, and has no mask there in the others.
 * Throws as `writeLabels`.
 */
export function exportTracks(document: VideoEditorDocument, format: TrackFormat, options: ExportOptions): Written {
  return writeLabels(datasetOf(document, format, options), format);
}

function datasetOf(
  { width, height, count, classes, objects }: VideoEditorDocument,
  format: TrackFormat,
  { video, names, rate = RATE, className, drafts }: ExportOptions,
): Dataset {
  const chosen = objects.filter(({ state }) => drafts || state === "accepted");
  const frames = new Set(chosen.flatMap((object) => Object.keys(object.frames).map(Number)));
  const images = [...frames]
    .sort((a, b) => a - b)
    .map((index): LabelledImage => {
      const found = chosen.flatMap(({ id, class: named, frames: known }): LabelObject[] => {
        const here = known[index];
        if (here === undefined) return [];
        const rle = { size: [height, width] as const, counts: here.mask };
        if (format !== "sav" && rleArea(rle) === 0) return [];
        const category = named ?? (needsClass.has(format) ? className : null);
        return [
          {
            shape: { kind: "mask", rle: decompressRle(rle) },
            track: id,
            ...(category !== null && { category }),
            ...(here.score !== null && { score: here.score }),
          },
        ];
      });
      const name = names?.[index] ?? `${String(index).padStart(5, "0")}.jpg`;
      return { file: `${video}/${name}`, width, height, objects: found, labelled: true, frame: { video, index } };
    });
  const used = new Set(images.flatMap((image) => image.objects.flatMap(({ category }) => category ?? [])));
  const known = classes.filter(({ name }) => used.has(name));
  const categories = [
    ...known.map(({ name, colour }) => ({ name, ...(colour !== null && { colour }) })),
    ...[...used].filter((name) => !known.some((one) => one.name === name)).map((name) => ({ name })),
  ];
  const extra = format === "sav" ? { extra: { video_duration: count / rate } } : {};
  return { categories, images, videos: [{ name: video, width, height, frames: count, ...extra }] };
}
