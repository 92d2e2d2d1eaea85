/**
 * One picture's labels in a file of any format: read as objects, and changed in the file's bytes. Everything here is about
 * bytes; which file it is, and when it is written, is others' business.
 */
import { bytesSource, type Size } from "@masklet/core";
import {
  type Category,
  CocoFile,
  editCvat,
  editLabelMap,
  editLabelMe,
  editLabelStudio,
  editYolo,
  filesOf,
  type LabelledImage,
  type LabelObject,
  labelPixels,
  type ObjectEdits,
  type Orientation,
  type ReadFormat,
  readLabels,
  shapeMask,
  turnedBack,
  turnObject,
  writeLabels,
} from "@masklet/labels";
import { ExtensionError } from "../errors.ts";
import { byPlace } from "./places.ts";

/** The picture that labels are for. */
export interface PictureFacts {
  /** As it is shown: upright. */
  readonly size: Size;
  /** As its file has it. */
  readonly stored: Size;
  readonly orientation: Orientation;
  /** With forward slashes: its whole path. */
  readonly path: string;
}

/** A picture's labels as a file has them, in the pixels of the upright picture. */
export interface PictureLabels {
  readonly objects: readonly LabelObject[];
  readonly categories: readonly Category[];
  /** `false`: the file says nothing of the picture. */
  readonly labelled: boolean;
  /** What is odd about them, for people. */
  readonly notes: readonly string[];
}

/** The file that holds labels, and what else is needed to understand it. */
export interface LabelBytes {
  readonly format: ReadFormat;
  /** With forward slashes. */
  readonly path: string;
  /** `undefined`: the file is not there yet. */
  readonly bytes: Uint8Array | undefined;
  /** Other files, by their paths: the classes of YOLO, VOC's map of classes. */
  readonly others: Readonly<Record<string, Uint8Array>>;
}

/** Formats whose files are changed in place; the others are shown. */
export const editable: ReadonlySet<ReadFormat> = new Set(["coco", "cvat", "davis", "label-studio", "labelme", "yolo"]);

/** Formats that take a class which is not among those they list. */
export const freeClasses: ReadonlySet<ReadFormat> = new Set(["labelme"]);

/** Whether a path that labels name is that of a picture: by as much of it as they say. */
export function isNamed(named: string, picture: string): boolean {
  const name = named.replaceAll("\\", "/").replace(/^(\.\/)+/, "");
  return picture === name || picture.endsWith(`/${name.replace(/^\/+/, "")}`);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The picture's entry among those of its labels: by the whole path as the labels say it, else by a name that is there once. */
export function entryOf<T extends { readonly file: string }>(entries: readonly T[], picture: string): T | undefined {
  const exact = entries.filter(({ file }) => isNamed(file, picture));
  if (exact.length > 0) return exact.reduce((best, one) => (one.file.length > best.file.length ? one : best));
  const named = entries.filter(({ file }) => baseName(file.replaceAll("\\", "/")) === baseName(picture));
  return named.length === 1 ? named[0] : undefined;
}

/** An entry of a COCO file, for those that hold many: the index is made once for each version of the file. */
async function cocoEntry(file: CocoFile, picture: string): Promise<Awaited<ReturnType<CocoFile["image"]>> | undefined> {
  const entries = await Promise.all(Array.from({ length: file.imageCount }, (_, i) => file.image(i)));
  return entryOf(entries, picture);
}

async function readDataset(
  labels: LabelBytes,
  { path, size }: PictureFacts,
): Promise<{
  readonly entry: LabelledImage | undefined;
  readonly index: number;
  readonly categories: readonly Category[];
  readonly notes: string[];
}> {
  // A YOLO file that is not there yet is one without rows.
  const bytes = labels.bytes ?? (labels.format === "yolo" ? new Uint8Array() : undefined);
  const contents = { ...labels.others, ...(bytes === undefined ? {} : { [labels.path]: bytes }) };
  const files = filesOf(contents);
  const { dataset, findings } = await readLabels(
    // Of YOLO the picture's name is needed, which is all that is looked at.
    labels.format === "yolo" ? { ...files, paths: [...files.paths, path] } : files,
    {
      format: labels.format,
      // The picture's own size; other pictures of the file are of no matter, but must not be left out.
      imageSize: () => size,
      problems: "collect",
    },
  );
  const { images, categories } = dataset;
  // What is about one picture is about this one, whatever name it says.
  const single = labels.format !== "coco" && labels.format !== "cvat" && labels.format !== "label-studio";
  const entry = entryOf(images, path) ?? (single && images.length === 1 ? images[0] : undefined);
  const notes = findings.map(({ at, message }) => `${at}: ${message}`);
  return { entry, index: entry === undefined ? -1 : images.indexOf(entry), categories, notes };
}

/**
 * The labels of a picture; `undefined` where a file for many says nothing of it. Rejects with a `LabelError` for a file that
 * is not what it should be.
 */
export async function readPicture(labels: LabelBytes, picture: PictureFacts): Promise<PictureLabels | undefined> {
  if (labels.format === "coco" && labels.bytes !== undefined) {
    const file = await CocoFile.open(bytesSource(labels.bytes, labels.path));
    const entry = await cocoEntry(file, picture.path);
    if (entry === undefined) return undefined;
    const objects = (await file.objectsOf(entry.id)).map(({ object }) => object);
    const categories = file.categories.map((name) => ({ name }));
    return upright({ objects, categories, labelled: true, notes: [] }, entry, picture);
  }
  if (labels.format === "labelme" && labels.bytes === undefined) {
    return { objects: [], categories: [], labelled: false, notes: [] };
  }
  const { entry, categories, notes } = await readDataset(labels, picture);
  if (entry === undefined) return undefined;
  return upright(
    { objects: entry.objects, categories, labelled: entry.labelled && labels.bytes !== undefined, notes },
    entry,
    picture,
  );
}

/** Labels of stored pixels are shown on the upright picture; those of another size are not shown at all. */
function upright(labels: PictureLabels, of: Size, { size, stored, orientation }: PictureFacts): PictureLabels {
  switch (labelPixels(of, stored, orientation)) {
    case "stored":
      return { ...labels, objects: labels.objects.map((object) => turnObject(object, of, orientation)) };
    case "neither":
      throw new ExtensionError(
        "labels-read-only",
        `the labels are of a picture of ${of.width}x${of.height}, this one is ${size.width}x${size.height}`,
        { details: { labels: [of.width, of.height], picture: [size.width, size.height] } },
      );
    default:
      return labels;
  }
}

/**
 * The file with edits of the picture's objects, which go by their order in `readPicture`. Without edits it is the same
 * bytes. Rejects with an `ExtensionError` "labels-read-only" for a format that is only shown, and with a `LabelError`.
 */
export async function editPicture(
  labels: LabelBytes,
  picture: PictureFacts,
  edits: Required<ObjectEdits>,
): Promise<Uint8Array> {
  const { format, path } = labels;
  const bytes = labels.bytes ?? new Uint8Array();
  if (edits.replace.size === 0 && edits.remove.size === 0 && edits.add.length === 0) return bytes;
  if (format === "coco") return editCoco(bytes, path, picture, edits);
  if (format === "labelme" && labels.bytes === undefined) return newLabelMe(picture, edits.add);
  const { entry, index, categories } = await readDataset(labels, picture);
  if (entry === undefined) throw unknownPicture(path, picture);
  const turned = stored(edits, entry, picture);
  switch (format) {
    case "labelme":
      return editLabelMe(bytes, byPlace(entry.objects, turned), { file: path });
    case "yolo": {
      const classes = categories.map(({ name }) => name);
      return editYolo(bytes, byPlace(entry.objects, turned), { file: path, size: entry, classes });
    }
    case "cvat":
      if (entry.frame !== undefined) {
        throw new ExtensionError("labels-read-only", `${path}: tracks of a video are shown, and edited in CVAT`);
      }
      return editCvat(bytes, byPlace(entry.objects, turned), { file: path, image: entry.file });
    case "label-studio": {
      const idOf = (place: number): string => String(entry.objects[place]?.id);
      return editLabelStudio(
        bytes,
        {
          task: index,
          replace: new Map(Array.from(turned.replace, ([place, object]) => [idOf(place), object])),
          remove: new Set(Array.from(turned.remove, idOf)),
          add: turned.add,
        },
        { file: path },
      );
    }
    case "davis": {
      const trackOf = (object: LabelObject | undefined): number => Number(object?.track);
      const taken = new Set(entry.objects.map(trackOf));
      const masks = new Map<number, ReturnType<typeof shapeMask>>();
      for (const place of turned.remove) masks.set(trackOf(entry.objects[place]), undefined);
      for (const [place, object] of turned.replace) {
        masks.set(trackOf(entry.objects[place]), shapeMask(object.shape, entry));
      }
      for (const object of turned.add) {
        let track = 1;
        while (taken.has(track)) track++;
        taken.add(track);
        masks.set(track, shapeMask(object.shape, entry));
      }
      return editLabelMap(bytes, { masks }, path);
    }
    default:
      throw new ExtensionError(
        "labels-read-only",
        `${path}: labels of the format ${format} are shown, and not changed`,
        {
          details: { format },
        },
      );
  }
}

async function newLabelMe({ path, size }: PictureFacts, objects: readonly LabelObject[]): Promise<Uint8Array> {
  const image = { file: baseName(path), ...size, objects, labelled: true };
  const names = new Set(objects.flatMap(({ category }) => category ?? []));
  const [file] = writeLabels({ categories: Array.from(names, (name) => ({ name })), images: [image] }, "labelme").files;
  return (await file?.bytes()) ?? new Uint8Array();
}

async function editCoco(
  bytes: Uint8Array,
  path: string,
  picture: PictureFacts,
  edits: Required<ObjectEdits>,
): Promise<Uint8Array> {
  const file = await CocoFile.open(bytesSource(bytes, path));
  const entry = await cocoEntry(file, picture.path);
  if (entry === undefined) throw unknownPicture(path, picture);
  const objects = await file.objectsOf(entry.id);
  const { replace, remove, add } = stored(edits, entry, picture);
  const placeOf = (index: number): number => objects[index]?.place ?? -1;
  for (const [index, object] of replace) await file.replace(placeOf(index), object);
  for (const index of remove) file.remove(placeOf(index));
  for (const object of add) await file.add(entry.id, object);
  const parts: Uint8Array[] = [];
  for await (const part of file.stream()) parts.push(part);
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Edits in the pixels that the labels are of. */
function stored(
  edits: Required<ObjectEdits>,
  of: Size,
  { size, stored, orientation }: PictureFacts,
): Required<ObjectEdits> {
  if (labelPixels(of, stored, orientation) !== "stored") return edits;
  const back = (object: LabelObject): LabelObject => turnObject(object, size, turnedBack(orientation));
  return {
    replace: new Map(Array.from(edits.replace, ([place, object]) => [place, back(object)])),
    remove: edits.remove,
    add: edits.add.map(back),
  };
}

function unknownPicture(path: string, picture: PictureFacts): ExtensionError {
  return new ExtensionError("labels-read-only", `${path}: says nothing of ${picture.path}`, {
    details: { picture: picture.path },
  });
}
