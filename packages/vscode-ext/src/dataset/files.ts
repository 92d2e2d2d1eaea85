/** A dataset's folder as the extension sees it, wherever it lies: on a disk, on a server, in a virtual workspace. */
import type { ByteSource } from "@masklet/core";
import type { LabelFiles } from "@masklet/labels";

/** Paths have forward slashes and are relative to the folder. */
export interface FolderFiles {
  /** What a folder holds; of links, what they lead to. */
  list(folder: string): Promise<readonly FolderEntry[]>;
  /** Rejects for what is not there. */
  read(path: string): Promise<Uint8Array>;
  stat(path: string): Promise<{ readonly size: number; readonly mtime: number }>;
  /** Opens a file for reading in parts, where the place can: a COCO file need not be in memory then. */
  open?(path: string): Promise<ByteSource>;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: "file" | "folder";
  readonly link: boolean;
}

/** Folders that are never looked into. */
const passed = new Set(["node_modules", "__pycache__", "$RECYCLE.BIN"]);
const deepest = 32;

/**
 * Paths of all files of the folder, in the order of their names. What is hidden is left out; a linked folder is followed
 * unless it lies in one, so that links in a circle end. `found` is told how many there are as they come.
 */
export async function walkFolder(
  files: FolderFiles,
  { signal, found }: { readonly signal: AbortSignal; readonly found?: (count: number) => void },
): Promise<readonly string[]> {
  const paths: string[] = [];
  const visit = async (folder: string, depth: number, linked: boolean): Promise<void> => {
    signal.throwIfAborted();
    const entries = await files.list(folder);
    for (const { name, kind, link } of [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (name.startsWith(".") || passed.has(name)) continue;
      const path = folder === "" ? name : `${folder}/${name}`;
      if (kind === "file") paths.push(path);
      else if (depth < deepest && !(link && linked)) await visit(path, depth + 1, linked || link);
    }
    found?.(paths.length);
  };
  await visit("", 0, false);
  return paths;
}

/** Some of the folder's files as readers of labels take them; each is read once. */
export function labelFiles(files: FolderFiles, paths: readonly string[], signal: AbortSignal): LabelFiles {
  const held = new Map<string, Promise<Uint8Array>>();
  return {
    paths,
    read: (path) => {
      signal.throwIfAborted();
      const known = held.get(path) ?? files.read(path);
      held.set(path, known);
      return known;
    },
  };
}
