/** Every format that the editor's objects are written in. */
import {
  type CompressedRle,
  cutout,
  decodeRle,
  decompressRle,
  type FrameSource,
  maskLabels,
  type OverlayObject,
  overlay,
  paletteColour,
  type RawImage,
  type Rle,
  svgDocument,
} from "@masklet/core";
import { encodeBlob, encodeLabelPng, encodeMaskBlob } from "@masklet/core/web";
import type { EditorSession, VideoEditorSession } from "@masklet/editor";
import type { Category, Dataset, LabelledImage, WriteFormat } from "@masklet/labels";
import type { ExportFormat, VideoFormat } from "./formats.ts";
import { zip } from "./zip.ts";

export interface Exported {
  readonly name: string;
  readonly blob: Blob;
  /** What the format could not hold; empty for most. */
  readonly losses: readonly string[];
}

interface NamedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * The session's objects in a format: one file, or a zip of several. Rejects where there is no object, or with a `LabelError`
 * where the format cannot hold them.
 */
export async function exportAs(
  format: ExportFormat,
  session: EditorSession,
  image: RawImage,
  file: string,
): Promise<Exported> {
  const { objects } = session.document;
  if (objects.length === 0) throw new Error("There is no object yet: click on one first.");
  const stem = file.replace(/\.[^.]*$/, "") || "picture";
  const one = (name: string, blob: Blob): Exported => ({ name, blob, losses: [] });
  const each = async (ending: string, make: (id: number) => Promise<Blob>): Promise<Exported> => {
    const files = await Promise.all(
      objects.map(async ({ id }) => ({
        path: objects.length === 1 ? `${stem}.${ending}` : `${stem}.${id}.${ending}`,
        bytes: new Uint8Array(await (await make(id)).arrayBuffer()),
      })),
    );
    return { ...packed(`${stem}.${ending.split(".")[0]}s`, files), losses: [] };
  };
  switch (format) {
    case "cutout":
      return each("cutout.png", (id) => encodeBlob(session.cutout(image, id, { crop: true })));
    case "webp":
      return each("cutout.webp", (id) => encodeBlob(session.cutout(image, id, { crop: true }), { type: "image/webp" }));
    case "mask":
      return each("mask.png", (id) => encodeMaskBlob(session.mask(id)));
    case "overlay":
      return one(`${stem}.overlay.png`, await encodeBlob(overlay(image, masksOf(session))));
    case "svg":
      return one(`${stem}.svg`, new Blob([svgDocument(masksOf(session))], { type: "image/svg+xml" }));
    case "session":
      return one(`${stem}.session.json`, new Blob([JSON.stringify(session.save())], { type: "application/json" }));
    case "label": {
      const map = maskLabels(
        objects.map(({ id }) => decompressRle(session.rle(id))),
        "area",
      );
      return one(`${stem}.label.png`, pngBlob(await encodeLabelPng(map)));
    }
    default:
      return labelsAs(format, session, file, stem);
  }
}

const pngBlob = (bytes: Uint8Array): Blob => new Blob([bytes as BlobPart], { type: "image/png" });

/** In the editor's colours, which are the palette's by id unless the class has one. */
function masksOf(session: EditorSession): readonly (OverlayObject & { readonly id: string })[] {
  const { classes, objects } = session.document;
  return objects.map(({ id, name, class: named }) => ({
    mask: session.mask(id),
    id: String(id),
    label: name ?? named ?? String(id),
    colour: classes.find((one) => one.name === named)?.colour ?? paletteColour(id - 1),
  }));
}

async function labelsAs(format: WriteFormat, session: EditorSession, file: string, stem: string): Promise<Exported> {
  const { width, height, objects } = session.document;
  const isDavis = format === "davis";
  const image: LabelledImage = {
    file,
    width,
    height,
    id: 1,
    labelled: true,
    objects: objects.map((one) => ({
      shape: { kind: "mask", rle: decompressRle(session.rle(one.id)) },
      category: one.class ?? unnamed,
      ...(isDavis && { track: one.id }),
      // What a person has changed nobody has scored; formats of results want a number.
      ...((one.score !== null || format === "coco-results") && { score: one.score ?? 1 }),
    })),
    ...(isDavis && { frame: { video: stem, index: 0 } }),
  };
  const videos = isDavis ? [{ name: stem, width, height, frames: 1 }] : [];
  return written(format, { categories: categoriesOf(objects), images: [image], videos }, stem);
}

/** A format with classes needs one for every object. */
const unnamed = "object";

function categoriesOf(objects: readonly { readonly class: string | null }[]): readonly Category[] {
  return [...new Set(objects.map((one) => one.class ?? unnamed))].map((name, i) => ({ name, id: i + 1 }));
}

async function written(format: WriteFormat, dataset: Dataset, stem: string): Promise<Exported> {
  const { writeLabels } = await import("@masklet/labels");
  const { files, losses } = writeLabels(dataset, format);
  const bytes = await Promise.all(files.map(async (one) => ({ path: one.path, bytes: await one.bytes() })));
  return {
    ...packed(`${stem}.${format}`, bytes),
    losses: losses.map(({ kind, count }) => `${kind} (${count})`),
  };
}

/** As `exportAs`, of the frames of a video on which there is anything. Several files come as a zip. */
export async function exportVideoAs(
  format: VideoFormat,
  session: VideoEditorSession,
  video: FrameSource,
  file: string,
): Promise<Exported> {
  const { document } = session;
  const { width, height, count, objects } = document;
  const stem = file.replace(/\.[^.]*$/, "") || "video";
  const digits = (frame: number): string => String(frame).padStart(5, "0");
  const on = (frame: number) => objects.filter(({ frames }) => frames[frame] !== undefined);
  const frames = Array.from({ length: count }, (_, frame) => frame).filter((frame) => on(frame).length > 0);
  if (frames.length === 0) throw new Error("There is no object yet: click on one first.");
  if (format === "session") {
    const blob = new Blob([JSON.stringify(session.save())], { type: "application/json" });
    return { name: `${stem}.session.json`, blob, losses: [] };
  }
  const rleOn = (id: number, frame: number): Rle => decompressRle(session.rle(id, frame) as CompressedRle);
  if (format === "davis" || format === "sav" || format === "coco" || format === "cvat-video" || format === "mots") {
    const images = frames.map(
      (frame): LabelledImage => ({
        file: `${stem}/${digits(frame)}.jpg`,
        width,
        height,
        id: frame + 1,
        labelled: true,
        objects: on(frame).map(({ id, class: named }) => ({
          shape: { kind: "mask", rle: rleOn(id, frame) },
          category: named ?? unnamed,
          track: id,
        })),
        frame: { video: stem, index: frame },
      }),
    );
    const videos = [{ name: stem, width, height, frames: count }];
    return written(format, { categories: categoriesOf(objects), images, videos }, stem);
  }
  const files: NamedFile[] = [];
  for (const frame of frames) {
    const masks = on(frame).map(({ id }) => ({
      id: String(id),
      mask: decodeRle(rleOn(id, frame)),
      colour: paletteColour(id - 1),
    }));
    const add = async (path: string, blob: Blob): Promise<void> => {
      files.push({ path, bytes: new Uint8Array(await blob.arrayBuffer()) });
    };
    if (format === "labels") {
      const rles = on(frame).map(({ id }) => rleOn(id, frame));
      const { data } = maskLabels(rles, "area");
      const ids = [0, ...on(frame).map(({ id }) => id)];
      const map = { width, height, data: data.map((value) => ids[value] ?? 0) };
      await add(`${digits(frame)}.png`, pngBlob(await encodeLabelPng(map)));
      continue;
    }
    const image = await video.frame(frame);
    if (image === undefined) continue;
    if (format === "overlays") await add(`${digits(frame)}.png`, await encodeBlob(overlay(image, masks)));
    else
      for (const { id, mask } of masks) await add(`${digits(frame)}.${id}.png`, await encodeBlob(cutout(image, mask)));
  }
  return { ...packed(`${stem}.${format}`, files), losses: [] };
}

/** One file as it is, several as a zip. */
function packed(name: string, files: readonly NamedFile[]): Pick<Exported, "name" | "blob"> {
  const [only] = files;
  if (only === undefined || files.length > 1) return { name: `${name}.zip`, blob: zip(files) };
  const base = only.path.split("/").at(-1) as string;
  return { name: base, blob: new Blob([only.bytes as BlobPart], { type: typeOf(base) }) };
}

function typeOf(name: string): string {
  const types: Readonly<Record<string, string>> = { png: "image/png", webp: "image/webp", json: "application/json" };
  return types[name.split(".").at(-1) ?? ""] ?? "application/octet-stream";
}
