/** SA-1B (one JSON for each picture) and SA-V (one for each video): masks without classes. */
import { compressRle, decodeRle, encodeUtf8, MaskletRecorder, parseSav, rleBox } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, groupBy, normalPath, type ReadContext, stem } from "../files.ts";
import { hasMask } from "../geometry/object.ts";
import { runsArea } from "../geometry/rle.ts";
import { Fields } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, Id, JsonObject, JsonValue, LabelledImage, LabelObject, Video } from "../model.ts";
import { extraOf, readRle } from "./coco.ts";
import { mapNames } from "./coco-panoptic.ts";
import { maskOf, objectName, type Written } from "./format.ts";

const imageFields = new Set(["image_id", "width", "height", "file_name"]);
const objectFields = new Set(["id", "segmentation", "bbox", "area", "predicted_iou"]);

/** Reads SA-1B's files. `predicted_iou` becomes the score; the rest of an annotation is kept as it is. */
export async function readSa1b(paths: readonly string[], context: ReadContext): Promise<Dataset> {
  const images: LabelledImage[] = [];
  for (const path of paths) {
    const root = new Fields(parseJson(await context.read(path), path), path);
    const image = root.fields("image");
    const size = { width: image.length("width"), height: image.length("height") };
    const objects: LabelObject[] = [];
    for (const [i, value] of root.list("annotations").entries()) {
      context.attempt(path, `annotations[${i}]`, () => {
        const fields = new Fields(value, `annotations[${i}]`);
        objects.push({
          shape: { kind: "mask", rle: readRle(fields.fields("segmentation"), size) },
          ...(fields.has("id") ? { id: fields.id("id") } : {}),
          ...(fields.has("predicted_iou") ? { score: fields.number("predicted_iou") } : {}),
          ...extraOf(fields, objectFields),
        });
      });
    }
    images.push({
      file: normalPath(image.string("file_name")),
      ...size,
      ...(image.has("image_id") ? { id: image.id("image_id") } : {}),
      objects,
      labelled: true,
      ...extraOf(image, imageFields),
    });
  }
  return { categories: [], images };
}

/** Writes one SA-1B file for each picture. Classes have no place there. */
export function writeSa1b(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["score", "extra-fields", "ids"]), losses);
  const names = mapNames(dataset.images);
  const files = dataset.images.map((image, i) => {
    const annotations: JsonObject[] = [];
    for (const [k, object] of image.objects.entries()) {
      if (!hasMask(object)) {
        losses.add(object.shape.kind === "box" ? "box-only" : "points", objectName(image, k));
        continue;
      }
      const rle = maskOf(object, image);
      const { x, y, width, height } = rleBox(rle);
      annotations.push({
        id: object.id ?? k + 1,
        segmentation: { size: [...rle.size], counts: compressRle(rle).counts },
        bbox: [x, y, width, height],
        area: runsArea(rle),
        ...(object.score === undefined ? {} : { predicted_iou: object.score }),
        ...object.extra,
      });
    }
    const { width, height, file, extra } = image;
    const root: JsonObject = {
      image: { image_id: image.id ?? i + 1, width, height, file_name: file, ...extra },
      annotations,
    };
    return { path: `${stem(names[i] as string)}.json`, bytes: async () => encodeUtf8(printJson(root)) };
  });
  return { files, losses: losses.list() };
}

/** Reads SA-V's `*_manual.json` or `*_auto.json`, one for each video. */
export async function readSav(paths: readonly string[], context: ReadContext): Promise<Dataset> {
  const images: LabelledImage[] = [];
  const videos: Video[] = [];
  for (const path of paths) {
    const value = parseJson(await context.read(path), path) as JsonObject;
    const sav = parseSav(value);
    const { video_width: width, video_height: height, video_frame_count: frames, masklet, masklet_id: ids } = sav;
    // SA-V labels every fourth frame, and a video of its own may label each.
    const every = Math.max(1, Math.round(frames / Math.max(1, masklet.length)));
    const name = sav.video_id;
    const known = new Set(["video_id", "video_frame_count", "video_height", "video_width", "masklet", "masklet_id"]);
    const extra = new Fields(value, path).rest(known);
    videos.push({ name, width, height, frames, every, ...(extra === undefined ? {} : { extra }) });
    for (const [place, masks] of masklet.entries()) {
      const objects: LabelObject[] = [];
      for (const [k, rle] of masks.entries()) {
        context.attempt(path, `masklet[${place}][${k}]`, () => {
          if (rle === null) return;
          const mask = readRle(new Fields(rle as unknown as JsonValue, `masklet[${place}][${k}]`), { width, height });
          if (runsArea(mask) === 0) return; // out of sight
          objects.push({ shape: { kind: "mask", rle: mask }, track: ids[k] as Id, keyframe: true });
        });
      }
      const index = place * every;
      const file = `${name}/${String(index).padStart(5, "0")}.jpg`;
      images.push({ file, width, height, objects, labelled: true, frame: { video: name, index } });
    }
  }
  return { categories: [], images, videos };
}

/** Writes one `NAME_manual.json` for each video. Frames of videos alone; objects need tracks, whole numbers. */
export function writeSav(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["track", "video"]), losses);
  for (const image of dataset.images) {
    if (image.frame !== undefined) continue;
    throw new LabelError("cannot-write", `${image.file}: is no frame of a video, and SA-V has nothing else`);
  }
  const files = Array.from(
    groupBy(dataset.images, ({ frame }) => frame?.video ?? ""),
    ([name, frames]) => {
      const video = dataset.videos?.find((one) => one.name === name);
      const every = video?.every ?? 1;
      const recorder = new MaskletRecorder(frames[0] as LabelledImage, { every });
      let last = 0;
      for (const image of frames) {
        const frame = image.frame?.index ?? 0;
        last = Math.max(last, frame);
        if (frame % every !== 0) {
          throw new LabelError(
            "cannot-write",
            `${image.file}: every ${every}th frame of ${name} is labelled, not ${frame}`,
          );
        }
        const tracks = new Set<number>();
        const objects = image.objects.flatMap((object, i) => {
          const where = objectName(image, i);
          if (!hasMask(object)) {
            losses.add(object.shape.kind === "box" ? "box-only" : "points", where);
            return [];
          }
          const id = typeof object.track === "number" ? object.track : Number.NaN;
          if (!Number.isSafeInteger(id) || tracks.has(id)) {
            throw new LabelError(
              "cannot-write",
              `${where}: needs a track of its own, a whole number, has ${object.track}`,
            );
          }
          tracks.add(id);
          return [{ id, mask: decodeRle(maskOf(object, image)) }];
        });
        recorder.add({ frame, objects });
      }
      const frameCount = Math.max(video?.frames ?? 0, last + 1);
      const { video_duration: duration } = video?.extra ?? {};
      const annotation = recorder.annotation({
        videoId: name,
        frameCount,
        duration: typeof duration === "number" ? duration : 0,
      });
      const root = { ...video?.extra, ...annotation } as unknown as JsonObject;
      return { path: `${baseName(name)}_manual.json`, bytes: async () => encodeUtf8(printJson(root)) };
    },
  );
  return { files, losses: losses.list() };
}
