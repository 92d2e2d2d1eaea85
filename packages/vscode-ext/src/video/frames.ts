/** Folders of pictures that are the frames of a video. */
import { compareFrameNames } from "@masklet/core";
import { FileType, l10n, type Uri, workspace } from "vscode";
import { ExtensionError } from "../errors.ts";
import { nameOf } from "../labels/find.ts";

/** Those that the page decodes. */
const pictures = /\.(jpe?g|jpe|jfif|png|webp|avif|bmp|gif)$/i;
const stem = (name: string): string => name.replace(/\.[^.]*$/, "");

export async function isFolder(uri: Uri): Promise<boolean> {
  return ((await workspace.fs.stat(uri)).type & FileType.Directory) !== 0;
}

/**
 * The pictures of a folder in the order of the frames: by the numbers in their names, as core's `framesFromFolder` has them.
 * Rejects with an `ExtensionError` "not-found" where there is none, or two have the same number.
 */
export async function frameNames(folder: Uri): Promise<readonly string[]> {
  const compare = (a: string, b: string): number => compareFrameNames(stem(a), stem(b));
  const names = (await workspace.fs.readDirectory(folder))
    .filter(([name, type]) => (type & FileType.Directory) === 0 && !name.startsWith(".") && pictures.test(name))
    .map(([name]) => name)
    .sort(compare);
  if (names.length === 0) {
    throw new ExtensionError(
      "not-found",
      l10n.t("{0} has no JPEG, PNG, WebP, AVIF, BMP or GIF in it.", nameOf(folder)),
    );
  }
  const twice = names.findIndex((name, i) => i > 0 && compare(names[i - 1] as string, name) === 0);
  if (twice > 0) {
    throw new ExtensionError(
      "not-found",
      l10n.t(
        "{0} and {1} have the same number: keep one of them in the folder.",
        names[twice - 1] as string,
        names[twice] as string,
      ),
    );
  }
  return names;
}
