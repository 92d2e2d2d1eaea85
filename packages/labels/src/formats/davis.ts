/** DAVIS: Annotations/480p/SEQUENCE/00000.png, palette PNGs whose indices are objects, the same over all frames. */
import { LabelError } from "../errors.ts";
import { baseName, groupBy, type LabelFile, type ReadContext, stem } from "../files.ts";
import { hasMask } from "../geometry/object.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, LabelledImage, LabelObject, Video } from "../model.ts";
import { objectName, textFile, type Written } from "./format.ts";
import { paintLabels, palettePng } from "./label-map.ts";
import { mapMasks } from "./voc.ts";

export const davisPath: RegExp = /(?:^|\/)Annotations\/((?:480p|1080p|Full-Resolution|4K)\/)?([^/]+)\/(\d+)\.png$/;

export async function readDavis(context: ReadContext): Promise<Dataset> {
  const maps = context.files.paths.flatMap((path) => {
    const [, resolution = "", video, frame] = davisPath.exec(path) ?? [];
    return video === undefined ? [] : [{ path, resolution, video, frame: frame as string }];
  });
  const resolutions = [...new Set(maps.map(({ resolution }) => resolution))];
  if (resolutions.length > 1) {
    throw new LabelError("format-ambiguous", `DAVIS: there are ${resolutions.join(" and ")}: give the files of one`);
  }
  const images: LabelledImage[] = [];
  const videos: Video[] = [];
  for (const [video, frames] of groupBy(maps, (map) => map.video)) {
    frames.sort((a, b) => Number(a.frame) - Number(b.frame));
    let size: { width: number; height: number } | undefined;
    for (const { path, frame, resolution } of frames) {
      const { width, height, masks } = mapMasks(await context.read(path), path);
      size ??= { width, height };
      if (width !== size.width || height !== size.height) {
        throw new LabelError(
          "annotation-invalid",
          `${path}: is ${width}x${height}, the frames before ${size.width}x${size.height}`,
        );
      }
      const objects = Array.from(
        masks,
        ([track, rle]): LabelObject => ({ shape: { kind: "mask", rle }, track, keyframe: true }),
      );
      const file = `JPEGImages/${resolution}${video}/${frame}.jpg`;
      images.push({ file, width, height, objects, labelled: true, frame: { video, index: Number(frame) } });
    }
    if (size !== undefined) videos.push({ name: video, ...size, frames: Number(frames.at(-1)?.frame ?? 0) + 1 });
  }
  return { categories: [], images, videos };
}

/** Writes palette PNGs and the list of sequences. Frames of videos alone; objects need tracks, whole numbers from 1 to 254. */
export function writeDavis(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["track", "video"]), losses);
  const files: LabelFile[] = [];
  for (const image of dataset.images) {
    if (image.frame === undefined) {
      throw new LabelError("cannot-write", `${image.file}: is no frame of a video, and DAVIS has nothing else`);
    }
    const trackOf = (index: number): number => {
      const track = Number(image.objects[index]?.track);
      if (Number.isInteger(track) && track > 0 && track < 255) return track;
      throw new LabelError(
        "cannot-write",
        `${objectName(image, index)}: needs a track from 1 to 254, has ${image.objects[index]?.track}`,
      );
    };
    for (const [i, object] of image.objects.entries()) if (hasMask(object)) trackOf(i);
    paintLabels(image, trackOf, losses);
    const { video, index } = image.frame;
    const digits = /^\d+$/.exec(stem(baseName(image.file)))?.[0] ?? String(index).padStart(5, "0");
    files.push(palettePng(`Annotations/480p/${video}/${digits}.png`, image, () => paintLabels(image, trackOf).values));
  }
  const names = [...new Set(dataset.images.map(({ frame }) => frame?.video ?? ""))];
  files.push(textFile("ImageSets/default.txt", names.map((name) => `${name}\n`).join("")));
  return { files, losses: losses.list() };
}
