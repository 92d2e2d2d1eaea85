/** Labels by a path: a file, or a folder of them. */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import process from "node:process";
import {
  type Dataset,
  findLabels,
  LabelError,
  type LabelFiles,
  type LabelledImage,
  type ReadFormat,
  type ReadLabelsOptions,
  type ReadResult,
  readFormats,
  readLabels,
} from "@masklet/labels";
import { choiceOption, type OneOption } from "../usage.ts";
import { unreadable, walk } from "./folder-walk.ts";
import { Pictures, stemOf, turnedSize } from "./pictures.ts";

/** The options of every command that reads labels. */
export const readOptions: Readonly<Record<"from" | "images", OneOption<"string">>> = {
  from: {
    type: "string",
    value: "FORMAT",
    help: `What the labels are, where it cannot be told: ${readFormats.join(", ")}.`,
  },
  images: {
    type: "string",
    value: "DIR",
    help: "Where the pictures lie, if not beside the labels: YOLO's coordinates are by their sizes.",
  },
};

/** Throws a `UsageError`. */
export function readSettings({
  from,
  images,
}: {
  readonly from?: string | undefined;
  readonly images?: string | undefined;
}): ReadSettings {
  return {
    ...(from !== undefined && { format: choiceOption("--from", from, readFormats) }),
    ...(images !== undefined && { images }),
  };
}

export interface ReadSettings {
  readonly format?: ReadFormat;
  readonly images?: string;
}

/** Labels with where they came from. */
export interface LabelsRead extends ReadResult {
  readonly pictures: Pictures;
  /** The folder that names of pictures are relative to. */
  readonly folder: string;
  /** The files that may have been read. */
  readonly read: readonly string[];
}

/** A file whose labels, or pictures that tell sizes, lie in others around it. */
const needsFolder: ReadonlySet<ReadFormat> = new Set(["coco-results", "coco-panoptic", "yolo"]);

/**
 * Reads labels: of a folder all that are in it, of a file those of the file, with what belongs to it around it; COCO's results
 * with the images and categories of `instances`, where that is given. Rejects as
 * `readLabels`, with a `LabelError` "file-missing" for what cannot be read.
 */
export async function openLabels(
  path: string,
  settings: ReadSettings & Pick<ReadLabelsOptions, "problems"> & { readonly instances?: string },
  signal: AbortSignal,
): Promise<LabelsRead> {
  const { format, images, problems, instances } = settings;
  const isFolder = (await statOf(path)).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const name = basename(path);
  const files = isFolder ? filesIn(folder, await walk(folder, signal), signal) : filesIn(folder, [name], signal);
  const alone = isFolder ? files : await withSurroundings(name, folder, files, { format, instances }, signal);
  const pictures = new Pictures([...(images === undefined ? [] : [images]), folder], signal);
  const result = await readLabels(alone, {
    ...(format !== undefined && { format }),
    ...(!isFolder && { path: name }),
    ...(problems !== undefined && { problems }),
    imageSize: async (file) => {
      const head = await pictures.head(file);
      return head && turnedSize(head);
    },
  });
  const dataset = guessed.has(result.format) ? await withEndings(result.dataset, pictures) : result.dataset;
  return { ...result, dataset, pictures, folder, read: alone.paths.map((file) => join(folder, file)) };
}

/** Formats that do not tell how the names of pictures end. */
const guessed: ReadonlySet<ReadFormat> = new Set(["yolo", "voc"]);

/** The dataset with the endings that its pictures have on the disk. */
async function withEndings(dataset: Dataset, pictures: Pictures): Promise<Dataset> {
  const images: LabelledImage[] = [];
  for (const image of dataset.images) {
    const path = await pictures.find(image.file);
    const file = path === undefined ? image.file : `${stemOf(image.file)}${extname(path)}`;
    images.push(file === image.file ? image : { ...image, file });
  }
  return { ...dataset, images };
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  return stat(path).catch((cause) => {
    throw unreadable(path, cause);
  });
}

/** Where the instances of results are put, so that they may have the same name. */
const truthFolder = "instances/";

/** The file with its folder where its format needs that: a list of results, a data.yaml. */
async function withSurroundings(
  name: string,
  folder: string,
  file: LabelFiles,
  { format, instances }: { readonly format: ReadFormat | undefined; readonly instances: string | undefined },
  signal: AbortSignal,
): Promise<LabelFiles> {
  const kind = format ?? (/\.(ya?ml|txt|data|names)$/i.test(name) ? "yolo" : await kindOf(file));
  if (kind === undefined || !needsFolder.has(kind)) return file;
  if (kind === "coco-results" && instances !== undefined && /\.json$/i.test(instances)) {
    const truth = filesIn(dirname(instances), [basename(instances)], signal);
    const beside = `${truthFolder}${basename(instances)}`;
    return {
      paths: [name, beside],
      read: (path) => (path === beside ? truth.read(basename(instances)) : file.read(path)),
    };
  }
  const root = /\.ya?ml$/i.test(name) ? await yoloRoot(folder, await file.read(name)) : folder;
  const around = filesIn(root, await walk(root, signal), signal);
  if (root === folder) return around;
  return {
    paths: [name, ...around.paths.filter((path) => path !== name)],
    read: (path) => (path === name ? file.read(name) : around.read(path)),
  };
}

/** The folder that a data.yaml is about: its own, unless it names one that is there. Trainers take it from where they run. */
async function yoloRoot(folder: string, yaml: Uint8Array): Promise<string> {
  const [, named] = /^path:\s*["']?([^"'#\r\n]*?)["']?\s*(?:#.*)?$/m.exec(new TextDecoder().decode(yaml)) ?? [];
  if (named === undefined || named === "") return folder;
  for (const root of [resolve(folder, named), resolve(process.cwd(), named)]) {
    if ((await stat(root).catch(() => undefined))?.isDirectory() === true) return root;
  }
  return folder;
}

async function kindOf(files: LabelFiles): Promise<ReadFormat | undefined> {
  try {
    return (await findLabels(files))[0]?.format;
  } catch (error) {
    if (error instanceof LabelError) return undefined; // is told when it is read
    throw error;
  }
}

function filesIn(folder: string, paths: readonly string[], signal: AbortSignal): LabelFiles {
  return {
    paths,
    read: async (path) => {
      signal.throwIfAborted();
      return readFile(join(folder, path), { signal }).catch((cause) => {
        signal.throwIfAborted();
        throw unreadable(join(folder, path), cause);
      });
    },
  };
}
