/** Drafts as labels: written into the label file of their picture, in place, and into nothing else. */
import { decompressRle } from "@masklet/core";
import { exifOrientation, imageSize, type LabelObject, type ReadFormat, turnSize } from "@masklet/labels";
import { type Memento, type Uri, workspace } from "vscode";
import { ExtensionError } from "../errors.ts";
import { newLabels } from "../image/new-labels.ts";
import { findLabelsOf, load, pathOf } from "../labels/find.ts";
import { editable, editPicture, freeClasses, readPicture } from "../labels/formats.ts";
import { alone, type FileWriter } from "../storage.ts";
import type { Draft } from "./drafts.ts";

/** Where the dataset has its labels: a picture may have others beside. */
export interface Preferred {
  readonly file: Uri | undefined;
  readonly format: ReadFormat | undefined;
}

export interface AcceptParts {
  readonly files: FileWriter;
  readonly memory: Memento;
  /** The class of drafts that have none, of those that there are; `undefined` where nobody chose. */
  readonly chooseClass: (names: readonly string[], isFree: boolean) => Promise<string | undefined>;
}

/**
 * Adds drafts to a picture's labels. Resolves with the file that was written, `undefined` where a person chose no format or
 * class. Rejects with an `ExtensionError`: "labels-read-only" for formats that are only shown; with a `LabelError`.
 */
export async function acceptDrafts(
  picture: Uri,
  drafts: readonly Draft[],
  preferred: Preferred,
  { files, memory, chooseClass }: AcceptParts,
): Promise<Uri | undefined> {
  if (!workspace.isTrusted) {
    throw new ExtensionError("labels-read-only", "nothing is written in a workspace that is not trusted");
  }
  const bytes = await workspace.fs.readFile(picture);
  const [stored, orientation] = [imageSize(bytes), exifOrientation(bytes)];
  const [first] = drafts;
  if (first === undefined) return undefined;
  const [height, width] = first.mask.size;
  const size = stored === undefined ? { width, height } : turnSize(stored, orientation);
  if (size.width !== width || size.height !== height) {
    throw new ExtensionError(
      "labels-read-only",
      `${pathOf(picture)}: is ${size.width}x${size.height}, its drafts are of ${width}x${height}: the picture has changed`,
      { details: { picture: [size.width, size.height], drafts: [width, height] } },
    );
  }
  const facts = { size, stored: stored ?? size, orientation, path: pathOf(picture) };
  const root = workspace.getWorkspaceFolder(picture)?.uri;
  const all = await findLabelsOf(picture, facts, root);
  const known =
    all.find(({ uri }) => uri.toString() === preferred.file?.toString()) ??
    all.find(({ format }) => format === preferred.format) ??
    all[0];
  const found = known ?? (await newLabels(picture, memory));
  if (found === undefined) return undefined;
  if (!editable.has(found.format)) {
    throw new ExtensionError(
      "labels-read-only",
      `${pathOf(found.uri)}: labels of the format ${found.format} are shown, and not changed`,
      {
        details: { format: found.format },
      },
    );
  }
  return alone(found.uri, async () => {
    const loaded = await load(found);
    const labels = await readPicture(loaded, facts);
    const names = (labels?.categories ?? []).map(({ name }) => name);
    const needsClass = found.format !== "davis" && drafts.some(({ category }) => category === undefined);
    const chosen = needsClass ? await chooseClass(names, freeClasses.has(found.format)) : undefined;
    if (needsClass && chosen === undefined) return undefined;
    const add = drafts.map(
      ({ mask, category = chosen }): LabelObject => ({
        shape: { kind: "mask", rle: decompressRle(mask) },
        ...(category !== undefined && { category }),
      }),
    );
    await files.write(found.uri, await editPicture(loaded, facts, { replace: new Map(), remove: new Set(), add }));
    return found.uri;
  });
}
