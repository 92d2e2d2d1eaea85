/** The files of a picture that others may change. */
import { Disposable, RelativePattern, type Uri, workspace } from "vscode";
import { folderOf, nameOf } from "../labels/find.ts";
import type { ImageDocument } from "./document.ts";

/** Watches the picture, and the label file, which may be another later. */
export function watchFiles(
  document: ImageDocument,
  failed: (error: unknown) => void,
): Disposable & { readonly again: () => void } {
  const on = (uri: Uri, run: () => Promise<void>): Disposable => {
    const watcher = workspace.createFileSystemWatcher(new RelativePattern(folderOf(uri), nameOf(uri)));
    const changed = (): void => void run().catch(failed);
    for (const event of [watcher.onDidChange, watcher.onDidCreate, watcher.onDidDelete]) event(changed);
    return watcher;
  };
  const picture = on(document.uri, () => document.pictureChanged());
  let labels: Disposable | undefined;
  let watched: string | undefined;
  const again = (): void => {
    const uri = document.labels?.uri;
    if (uri?.toString() === watched) return;
    labels?.dispose();
    watched = uri?.toString();
    labels = uri && on(uri, () => document.changed());
  };
  again();
  const made = new Disposable(() => {
    picture.dispose();
    labels?.dispose();
  });
  return Object.assign(made, { again });
}
