/** Which pictures to annotate, and what labels call them. */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, parse, relative, resolve, sep } from "node:path";
import { isImageName, openVideo, type RawImage, readImage, type VideoFrames } from "@masklet/core/node";
import { LabelError, type LabelledImage } from "@masklet/labels";
import { unreadable, walk } from "../labels/folder-walk.ts";
import { type PictureHead, pictureHead } from "../labels/pictures.ts";
import { openLabels, type ReadSettings } from "../labels/read.ts";
import { findInputs, isAddress } from "../segment/inputs.ts";
import { count, UsageError } from "../usage.ts";

/** One picture to annotate. */
export interface Item {
  /** What labels call it, with forward slashes. */
  readonly file: string;
  /** The file that it comes from. */
  readonly path: string;
  /** Of a video: which frame of which. */
  readonly frame?: { readonly video: string; readonly index: number };
  /** Its pixels, upright. */
  readonly read: () => Promise<RawImage>;
  /** What its header says; `undefined` where that takes decoding it. */
  readonly head: () => Promise<PictureHead | undefined>;
}

export interface ItemOptions extends Pick<ReadSettings, "images"> {
  readonly maxPixels: number | undefined;
  /** Of a video every so many frames. */
  readonly every: number;
  readonly signal: AbortSignal;
}

/** Items, and what must be closed when they are done with. */
export interface Items {
  readonly list: readonly Item[];
  close(): Promise<void>;
}

/**
 * The pictures of folders (with those below), patterns, lists of paths (`.txt`), labels (`data.yaml`, COCO's JSON and others),
 * and videos, in the order of their names. Throws a `UsageError` where there is none, or two would have one name.
 */
export async function findItems(sources: readonly string[], options: ItemOptions): Promise<Items> {
  const found: Item[] = [];
  const videos: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const video of videos) await video.close();
  };
  try {
    const files: string[] = [];
    for (const source of sources) {
      if (source === "-" || isAddress(source)) {
        throw new UsageError(`SOURCE is a folder, pattern, list, labels or video, got ${source}`);
      }
      const there = await stat(source).catch(() => undefined);
      const ending = extname(source).toLowerCase();
      if (there?.isDirectory() === true) {
        const paths = (await walk(source, options.signal)).filter(isImageName);
        if (paths.length === 0) throw new UsageError(`${source}: the folder has no picture`);
        for (const path of paths) found.push(ofFile(path, join(source, path), options));
      } else if (there?.isFile() === true && ending === ".txt") {
        found.push(...(await ofList(source, options)));
      } else if (there?.isFile() === true && [".json", ".yaml", ".yml", ".xml"].includes(ending)) {
        found.push(...(await ofLabels(source, options)));
      } else if (there?.isFile() === true && !isImageName(source)) {
        const { maxPixels, signal } = options;
        const video = await openVideo(source, { signal, ...(maxPixels !== undefined && { maxPixels }) });
        videos.push(video);
        found.push(...framesOf(source, video, options));
      } else {
        const inputs = await findInputs([source]);
        const problem = inputs.find((input) => input.problem !== undefined)?.problem;
        if (problem !== undefined) throw new UsageError(problem);
        if (there === undefined && inputs.some((input) => input.source === source)) {
          throw new UsageError(`${source}: there is no such file or folder`);
        }
        files.push(...inputs.map((input) => input.source));
      }
    }
    const base = commonFolder(files);
    for (const path of files) found.push(ofFile(slashes(relative(base, resolve(path))), path, options));
    return { list: inOrder(found), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function slashes(path: string): string {
  return sep === "/" ? path : path.replaceAll(sep, "/");
}

function ofFile(file: string, path: string, { signal, maxPixels }: ItemOptions): Item {
  return {
    file,
    path,
    read: () => readImage(path, { signal, ...(maxPixels !== undefined && { maxPixels }) }),
    head: () => pictureHead(path),
  };
}

function commonFolder(files: readonly string[]): string {
  const folders = files.map((file) => dirname(resolve(file)).split(sep));
  const [first = []] = folders;
  const length = first.findIndex((part, i) => folders.some((folder) => folder[i] !== part));
  return length < 0 ? first.join(sep) : first.slice(0, length).join(sep) || sep;
}

/** A path to a line, relative to the list's folder or to where we are. */
async function ofList(list: string, options: ItemOptions): Promise<readonly Item[]> {
  const text = await readFile(list, "utf8").catch((cause) => {
    throw unreadable(list, cause);
  });
  const paths: string[] = [];
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    const named = line.trim();
    if (named === "") continue;
    const beside = isAbsolute(named) ? named : join(dirname(list), named);
    paths.push((await stat(beside).catch(() => undefined)) === undefined ? named : beside);
  }
  const base = commonFolder(paths);
  return paths.map((path) => ofFile(slashes(relative(base, resolve(path))), path, options));
}

/** The pictures that labels are about. */
async function ofLabels(path: string, options: ItemOptions): Promise<readonly Item[]> {
  const { images, signal } = options;
  const { dataset, pictures, format } = await openLabels(
    path,
    { ...(images !== undefined && { images }), problems: "collect" },
    signal,
  );
  const found: Item[] = [];
  const missing: string[] = [];
  for (const { file } of dataset.images) {
    const picture = await pictures.find(file);
    if (picture === undefined) missing.push(file);
    else found.push(ofFile(file, picture, options));
  }
  if (missing.length === 0) return found;
  const where = `${path}: ${missing.length} of ${count(dataset.images.length, "picture")} of these ${format} labels`;
  throw new LabelError(
    "file-missing",
    `${where} cannot be found, ${missing[0]} first; say where they lie with --images`,
    {
      details: { file: missing[0], missing: missing.length },
    },
  );
}

function framesOf(path: string, video: VideoFrames, { every }: ItemOptions): readonly Item[] {
  const name = parse(path).name;
  return Array.from({ length: Math.ceil(video.info.frames / every) }, (_, i): Item => {
    const index = i * every;
    return {
      file: `${name}/${String(index).padStart(5, "0")}.jpg`,
      path,
      frame: { video: name, index },
      read: async () => {
        const image = await video.frame(index);
        if (image !== undefined) return image;
        throw new LabelError("file-missing", `${path}: has no frame ${index}`, {
          details: { file: path, frame: index },
        });
      },
      head: async () => undefined,
    };
  });
}

const byNumber = new Intl.Collator("en", { numeric: true });

function inOrder(items: readonly Item[]): readonly Item[] {
  const byFile = new Map<string, Item>();
  for (const item of items) {
    const other = byFile.get(item.file);
    // Given twice, as by a folder and a list of it.
    if (other !== undefined && resolve(other.path) === resolve(item.path)) continue;
    if (other !== undefined) {
      throw new UsageError(
        `${other.path} and ${item.path} would both be ${item.file}: give the folder that holds both`,
      );
    }
    byFile.set(item.file, item);
  }
  return [...byFile.values()].sort((a, b) => byNumber.compare(a.file, b.file) || (a.file < b.file ? -1 : 1));
}

/**
 * Which of the labels' images each item is: of the same frame, or the one whose path ends as the item's does, whatever the
 * endings of the names. Throws a `UsageError` where two are as near, and where two items are one image.
 */
export function matchItems(items: readonly Item[], images: readonly LabelledImage[]): ReadonlyMap<Item, LabelledImage> {
  const stem = (file: string): string => file.normalize("NFC").replace(/\.[^./]+$/, "");
  const byName = new Map<string, LabelledImage[]>();
  const frames = new Map<number, LabelledImage[]>();
  for (const image of images) {
    const name = basename(stem(image.file));
    byName.set(name, [...(byName.get(name) ?? []), image]);
    if (image.frame !== undefined) frames.set(image.frame.index, [...(frames.get(image.frame.index) ?? []), image]);
  }
  const found = new Map<Item, LabelledImage>();
  const taken = new Map<LabelledImage, Item>();
  for (const item of items) {
    const whole = stem(item.file);
    const named = item.frame === undefined ? (byName.get(basename(whole)) ?? []) : (frames.get(item.frame.index) ?? []);
    const ends = (image: LabelledImage): boolean => {
      const other = stem(image.file);
      return `/${other}`.endsWith(`/${whole}`) || `/${whole}`.endsWith(`/${other}`);
    };
    const same = named.filter((image) => image.file === item.file);
    const near =
      item.frame === undefined ? named.filter(ends) : named.filter((image) => image.frame?.video === item.frame?.video);
    const candidates = same.length > 0 ? same : near.length > 0 ? near : named;
    const [image, other] = candidates;
    if (image === undefined) continue;
    if (other !== undefined) {
      throw new UsageError(
        `${item.file} may be ${image.file} or ${other.file} of the labels: give the folder that their names begin in`,
      );
    }
    const before = taken.get(image);
    if (before !== undefined)
      throw new UsageError(`both ${before.path} and ${item.path} would be ${image.file} of the labels`);
    taken.set(image, item);
    found.set(item, image);
  }
  return found;
}
