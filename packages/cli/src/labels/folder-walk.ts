/** Every file below a folder. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemReason } from "@masklet/core/node";
import { LabelError } from "@masklet/labels";

/**
 * Paths of all files below `folder`, relative to it, with forward slashes, in the order of their names. Links are followed,
 * each folder once; what is hidden is left out. Rejects with a `LabelError` "file-missing".
 */
export async function walk(folder: string, signal: AbortSignal): Promise<readonly string[]> {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = async (inside: string): Promise<void> => {
    signal.throwIfAborted();
    const path = join(folder, inside);
    const real = await realpath(path);
    if (seen.has(real)) return;
    seen.add(real);
    const entries = await readdir(path, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".")) continue;
      const name = inside === "" ? entry.name : `${inside}/${entry.name}`;
      const kind = entry.isSymbolicLink() ? await stat(join(folder, name)).catch(() => undefined) : entry;
      if (kind?.isDirectory() === true) await visit(name);
      else if (kind?.isFile() === true) found.push(name);
    }
  };
  try {
    await visit("");
  } catch (cause) {
    signal.throwIfAborted();
    throw unreadable(folder, cause);
  }
  return found;
}

/** What the system says of a file or folder that cannot be read, as a `LabelError` "file-missing". */
export function unreadable(path: string, cause: unknown): LabelError {
  return new LabelError("file-missing", `${path}: cannot be read: ${systemReason(cause)}`, {
    cause,
    details: { file: path },
  });
}
