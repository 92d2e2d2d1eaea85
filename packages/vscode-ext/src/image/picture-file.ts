/** A picture's own file: what its header says, without decoding it. */
import { exifOrientation, imageSize, type Orientation, turnSize } from "@masklet/labels";
import { l10n, type Uri, workspace } from "vscode";
import { pathOf } from "../labels/find.ts";
import type { PictureFacts } from "../labels/formats.ts";

export interface PictureFile {
  readonly bytes: number;
  /** Another for every change of the file. */
  readonly version: string;
  /** Why the picture cannot be shown: its bytes are not here. */
  readonly missing: string | undefined;
  /** `undefined` where the header is not understood: the page decodes it and says. */
  readonly facts: PictureFacts | undefined;
}

const LFS = "version https://git-lfs.github.com/spec/";

/** Rejects as VS Code's file system. */
export async function readPictureFile(uri: Uri): Promise<PictureFile> {
  const [stat, bytes] = await Promise.all([workspace.fs.stat(uri), workspace.fs.readFile(uri)]);
  const file = { bytes: stat.size, version: `${stat.mtime}:${stat.size}`, missing: undefined, facts: undefined };
  if (bytes.length < 1024 && new TextDecoder().decode(bytes.subarray(0, LFS.length)) === LFS) {
    const missing = l10n.t("This is a pointer of Git LFS: the picture itself was not fetched. Run `git lfs pull`.");
    return { ...file, missing };
  }
  const stored = imageSize(bytes);
  if (stored === undefined) return file;
  const orientation: Orientation = exifOrientation(bytes);
  return { ...file, facts: { size: turnSize(stored, orientation), stored, orientation, path: pathOf(uri) } };
}
