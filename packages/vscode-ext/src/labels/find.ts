/**
 * Finds the labels of a picture without being told where they are: beside it, where each format's own tools have them, and in
 * files for many pictures in the folders around, up to the workspace's.
 */
import { decodeUtf8 } from "@masklet/core";
import { filesOf, LabelError, type ReadFormat, findLabels as sniff } from "@masklet/labels";
import { FileSystemError, FileType, Uri, workspace } from "vscode";
import { type LabelBytes, type PictureFacts, readPicture } from "./formats.ts";

/** Labels that were found. */
export interface FoundLabels {
  readonly format: ReadFormat;
  /** The file that holds them, which may not be there yet: a picture of a YOLO dataset that nobody has labelled. */
  readonly uri: Uri;
  /** Files that say more of them. */
  readonly others: readonly Uri[];
}

/** Folders above a picture's that are looked into. */
const LEVELS = 6;
/** JSON and XML that are larger are taken for labels by their beginning alone. */
const SNIFF = 64 * 2 ** 20;
/** Files of a folder that are opened to see whether they are labels of many pictures. */
const MOST = 64;

export const folderOf = (uri: Uri): Uri => Uri.joinPath(uri, "..");
export const nameOf = (uri: Uri): string => uri.path.slice(uri.path.lastIndexOf("/") + 1);
const stemOf = (name: string): string => name.replace(/\.[^.]+$/, "");

/** A file's bytes; `undefined` where there is none. */
export async function readIfThere(uri: Uri): Promise<Uint8Array | undefined> {
  try {
    return await workspace.fs.readFile(uri);
  } catch (error) {
    if (error instanceof FileSystemError && (error.code === "FileNotFound" || error.code === "FileIsADirectory"))
      return undefined;
    throw error;
  }
}

async function namesIn(folder: Uri): Promise<ReadonlyMap<string, FileType>> {
  try {
    return new Map(await workspace.fs.readDirectory(folder));
  } catch {
    return new Map(); // a folder that cannot be read has no labels for us
  }
}

/** A file and those around it as bytes. */
export async function load({ format, uri, others }: FoundLabels): Promise<LabelBytes> {
  const more = await Promise.all(
    others.map(
      async (other): Promise<readonly [string, Uint8Array | undefined]> => [pathOf(other), await readIfThere(other)],
    ),
  );
  return {
    format,
    path: pathOf(uri),
    bytes: await readIfThere(uri),
    others: Object.fromEntries(more.filter((one): one is readonly [string, Uint8Array] => one[1] !== undefined)),
  };
}

/** As labels name files: without the slash at the front. */
export const pathOf = (uri: Uri): string => uri.path.replace(/^\//, "");

/** The folders from the picture's up to `root`. */
function foldersAround(picture: Uri, root: Uri | undefined): readonly Uri[] {
  const folders: Uri[] = [];
  for (let at = folderOf(picture); folders.length < LEVELS; at = folderOf(at)) {
    folders.push(at);
    if (at.path === "/" || at.path === folderOf(at).path || (root !== undefined && at.path === root.path)) break;
  }
  return folders;
}

/** What a file of many pictures is, by its version: files are read once, and not again until they change. */
const sniffed = new Map<string, { readonly version: string; readonly format: ReadFormat | undefined }>();

async function formatOf(uri: Uri): Promise<ReadFormat | undefined> {
  const stat = await workspace.fs.stat(uri);
  const version = `${stat.mtime}:${stat.size}`;
  const known = sniffed.get(uri.toString());
  if (known?.version === version) return known.format;
  const bytes = await workspace.fs.readFile(uri);
  const format = await formatOfBytes(bytes, pathOf(uri));
  sniffed.set(uri.toString(), { version, format });
  return format;
}

async function formatOfBytes(bytes: Uint8Array, path: string): Promise<ReadFormat | undefined> {
  if (bytes.length > SNIFF) {
    const head = decodeUtf8(bytes.subarray(0, 2 ** 16)) ?? String.fromCharCode(...bytes.subarray(0, 2 ** 12));
    return /"(images|annotations|categories|info|licenses)"\s*:/.test(head) ? "coco" : undefined;
  }
  try {
    const [found] = await sniff(filesOf({ [path]: bytes }));
    return found?.format;
  } catch (error) {
    if (error instanceof LabelError) return undefined;
    throw error;
  }
}

/**
 * All labels of a picture that are there, the likeliest first; those in files for many only where the file names the picture.
 * `root` is the folder above which nothing is looked for.
 */
export async function findLabelsOf(
  uri: Uri,
  facts: PictureFacts,
  root: Uri | undefined,
): Promise<readonly FoundLabels[]> {
  const found: FoundLabels[] = [];
  const folder = folderOf(uri);
  const stem = stemOf(nameOf(uri));
  const beside = await namesIn(folder);
  for (const name of [`${stem}.json`, `${stem}.xml`]) {
    if (beside.get(name) === undefined) continue;
    const file = Uri.joinPath(folder, name);
    const format = await formatOf(file);
    if (format === "labelme" || format === "sa1b" || format === "labelme-xml" || format === "voc") {
      found.push({ format, uri: file, others: [] });
    }
  }
  const folders = foldersAround(uri, root);
  const yolo = await findYolo(uri, folders);
  if (yolo !== undefined) found.push(yolo);
  found.push(...(await findMaps(uri)));
  found.push(...(await findFilesOfMany(facts, folders)));
  return found;
}

/** The last folder `images` is `labels`, and the name ends in .txt; else the file lies beside. */
export function yoloFile(uri: Uri): Uri {
  const at = uri.path.lastIndexOf("/images/");
  const path = at < 0 ? uri.path : `${uri.path.slice(0, at)}/labels/${uri.path.slice(at + "/images/".length)}`;
  return uri.with({
    path: `${path.slice(0, path.lastIndexOf("/") + 1)}${stemOf(path.slice(path.lastIndexOf("/") + 1))}.txt`,
  });
}

async function findYolo(uri: Uri, folders: readonly Uri[]): Promise<FoundLabels | undefined> {
  const file = yoloFile(uri);
  const bytes = await readIfThere(file);
  const isRows = bytes !== undefined && /^[\s\d.eE+-]*$/.test(decodeUtf8(bytes.subarray(0, 4096)) ?? "x");
  if (bytes !== undefined && !isRows) return undefined;
  for (const folder of folders) {
    const names = [...(await namesIn(folder)).keys()];
    const yamls = names
      .filter((name) => /^(data|dataset)\.ya?ml$/i.test(name))
      .concat(names.filter((name) => /\.ya?ml$/i.test(name)));
    for (const name of yamls) {
      const yaml = Uri.joinPath(folder, name);
      const text = decodeUtf8((await readIfThere(yaml)) ?? new Uint8Array()) ?? "";
      if (!/^\s*names\s*:/m.test(text)) continue;
      // A dataset without a file for the picture: nobody has labelled it yet.
      if (bytes !== undefined || /^\s*(train|val)\s*:/m.test(text))
        return { format: "yolo", uri: file, others: [yaml] };
    }
    const list =
      bytes === undefined ? undefined : names.find((name) => /^(classes\.txt|obj\.names|obj\.data)$/.test(name));
    if (list !== undefined) {
      const others = list === "obj.data" ? [list, "obj.names"] : [list];
      return { format: "yolo", uri: file, others: others.map((name) => Uri.joinPath(folder, name)) };
    }
  }
  return undefined;
}

/** Maps of labels, in the folders that DAVIS, VOC and Cityscapes have for them. */
async function findMaps(uri: Uri): Promise<readonly FoundLabels[]> {
  const found: FoundLabels[] = [];
  const isThere = async (path: string): Promise<boolean> => {
    try {
      return (await workspace.fs.stat(uri.with({ path }))).type === FileType.File;
    } catch {
      return false;
    }
  };
  const at = uri.path.lastIndexOf("/JPEGImages/");
  if (at >= 0) {
    const base = uri.path.slice(0, at);
    const rest = stemOf(uri.path.slice(at + "/JPEGImages/".length));
    const davis = `${base}/Annotations/${rest}.png`;
    if (rest.includes("/") && (await isThere(davis)))
      found.push({ format: "davis", uri: uri.with({ path: davis }), others: [] });
    const objects = `${base}/SegmentationObject/${rest}.png`;
    const xml = `${base}/Annotations/${rest}.xml`;
    if (await isThere(objects)) {
      const others = [`${base}/SegmentationClass/${rest}.png`, `${base}/labelmap.txt`].map((path) =>
        uri.with({ path }),
      );
      found.push({ format: "voc", uri: uri.with({ path: objects }), others });
    } else if (await isThere(xml)) found.push({ format: "voc", uri: uri.with({ path: xml }), others: [] });
  }
  const city = /^(.*)\/leftImg8bit\/(.*)_leftImg8bit\.\w+$/.exec(uri.path);
  if (city !== null) {
    for (const kind of ["gtFine", "gtCoarse"]) {
      const path = `${city[1]}/${kind}/${city[2]}_${kind}_polygons.json`;
      if (await isThere(path)) found.push({ format: "cityscapes", uri: uri.with({ path }), others: [] });
    }
  }
  return found;
}

async function findFilesOfMany(facts: PictureFacts, folders: readonly Uri[]): Promise<readonly FoundLabels[]> {
  const found: FoundLabels[] = [];
  for (const folder of folders) {
    for (const within of ["", "annotations", "labels"]) {
      const at = within === "" ? folder : Uri.joinPath(folder, within);
      const names = await namesIn(at);
      const stems = new Set([...names.keys()].filter((name) => !/\.(json|xml)$/i.test(name)).map(stemOf));
      const files = [...names].filter(
        // One that is called as a picture beside it is that picture's alone.
        ([name, type]) => (type & FileType.File) !== 0 && /\.(json|xml)$/i.test(name) && !stems.has(stemOf(name)),
      );
      for (const [name] of files.slice(0, MOST)) {
        const uri = Uri.joinPath(at, name);
        const format = await formatOf(uri);
        if (format !== "coco" && format !== "cvat" && format !== "label-studio") continue;
        const labels: FoundLabels = { format, uri, others: [] };
        if ((await readPicture(await load(labels), facts).catch(() => undefined)) !== undefined) found.push(labels);
      }
    }
  }
  return found;
}
