/** DAVIS: Annotations/480p/SEQUENCE/00000.png, palette PNGs whose indices are objects, the same over all frames. */
import { LabelError } from "../errors.ts";
import { baseName, groupBy, type LabelFile, type ReadContext, stem } from "../files.ts";
import { hasMask } from "../geometry/object.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, Id, LabelledImage, LabelObject, Video } from "../model.ts";
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

/**
 * Writes palette PNGs and the list of sequences. Frames of videos alone; objects need tracks, of which a video may have
 * 254. Where they are not whole numbers from 1 to 254 they are numbered in the order in which they come.
 */
export function writeDavis(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["track", "video"]), losses);
  const files: LabelFile[] = [];
  const numbersOf = trackNumbers(dataset, losses);
  for (const image of dataset.images) {
    if (image.frame === undefined) throw noFrame(image);
    const numbers = numbersOf.get(image.frame.video);
    const trackOf = (index: number): number => numbers?.get(image.objects[index]?.track as Id) as number;
    paintLabels(image, trackOf, losses);
    const { video, index } = image.frame;
    const digits = /^\d+$/.exec(stem(baseName(image.file)))?.[0] ?? String(index).padStart(5, "0");
    files.push(palettePng(`Annotations/480p/${video}/${digits}.png`, image, () => paintLabels(image, trackOf).values));
  }
  const names = [...new Set(dataset.images.map(({ frame }) => frame?.video ?? ""))];
  files.push(textFile("ImageSets/default.txt", names.map((name) => `${name}\n`).join("")));
  return { files, losses: losses.list() };
}

const MOST_TRACKS = 254;

/** Of each video, what its tracks are written as. */
function trackNumbers({ images }: Dataset, losses: Losses): ReadonlyMap<string, ReadonlyMap<Id, number>> {
  const objects = images.flatMap((image) =>
    image.objects.flatMap((object, i) => (hasMask(object) ? [{ image, name: objectName(image, i), ...object }] : [])),
  );
  const videos = groupBy(objects, ({ image }) => {
    if (image.frame === undefined) throw noFrame(image);
    return image.frame.video;
  });
  const numbers = new Map<string, ReadonlyMap<Id, number>>();
  for (const [video, ofVideo] of videos) {
    const tracks = new Set<Id>();
    for (const { name, track } of ofVideo) {
      if (track === undefined) throw new LabelError("cannot-write", `${name}: needs a track, has none`);
      tracks.add(track);
    }
    if (tracks.size > MOST_TRACKS) {
      const problem = `has ${tracks.size} tracks, and DAVIS ${MOST_TRACKS} at most`;
      throw new LabelError("cannot-write", `${video}: ${problem}`, { details: { video, tracks: tracks.size } });
    }
    const fits = (track: Id): boolean => Number.isInteger(track) && Number(track) > 0 && Number(track) <= MOST_TRACKS;
    const kept = [...tracks].every(fits);
    numbers.set(video, new Map(Array.from(tracks, (track, i) => [track, kept ? Number(track) : i + 1])));
    if (!kept) losses.add("ids", ofVideo[0]?.name ?? video, ofVideo.length);
  }
  return numbers;
}

function noFrame({ file }: LabelledImage): LabelError {
  return new LabelError("cannot-write", `${file}: is no frame of a video, and DAVIS has nothing else`);
}
