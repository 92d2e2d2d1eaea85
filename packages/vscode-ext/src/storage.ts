/** Files that are written whole or not at all, one writer at a time. */
import { FilePermission, type Uri, workspace } from "vscode";

/** How a place writes files. */
export interface FileWriter {
  /** Rejects, and leaves what was there, where it cannot be written. */
  write(uri: Uri, bytes: Uint8Array): Promise<void>;
  /** Whether a file may be written, or made where it is not there. */
  isWritable(uri: Uri): Promise<boolean>;
}

const queues = new Map<string, Promise<unknown>>();

/** Runs `work` once everything before it on the same file has ended. */
export async function alone<T>(uri: Uri, work: () => Promise<T>): Promise<T> {
  const key = uri.toString();
  const before = queues.get(key) ?? Promise.resolve();
  const done = before.then(work, work);
  queues.set(key, done);
  try {
    return await done;
  } finally {
    if (queues.get(key) === done) queues.delete(key);
  }
}

/** Where there is nothing but VS Code's own file system, which writes as it can. */
export const fileSystem: FileWriter = {
  write: async (uri, bytes) => workspace.fs.writeFile(uri, bytes),
  isWritable: async (uri) => {
    if (workspace.fs.isWritableFileSystem(uri.scheme) === false) return false;
    try {
      const { permissions = 0 } = await workspace.fs.stat(uri);
      return (permissions & FilePermission.Readonly) === 0;
    } catch {
      return true; // it is not there yet
    }
  },
};

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return a === b;
  return a.every((byte, i) => byte === b[i]);
}
