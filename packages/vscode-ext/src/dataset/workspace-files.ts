/** A dataset's folder through VS Code, wherever its files are. */
import type { ByteSource } from "@masklet/core";
import { FileSystemError, FileType, Uri, workspace } from "vscode";
import type { StateFiles } from "./drafts.ts";
import type { FolderEntry, FolderFiles } from "./files.ts";

export class WorkspaceFolderFiles implements FolderFiles {
  readonly root: Uri;
  readonly #open: ((uri: Uri) => Promise<ByteSource | undefined>) | undefined;

  constructor(root: Uri, open?: (uri: Uri) => Promise<ByteSource | undefined>) {
    this.root = root;
    this.#open = open;
  }

  uri(path: string): Uri {
    return Uri.joinPath(this.root, path);
  }

  async list(folder: string): Promise<readonly FolderEntry[]> {
    const entries: FolderEntry[] = [];
    for (const [name, type] of await workspace.fs.readDirectory(this.uri(folder))) {
      const kind = (type & FileType.Directory) !== 0 ? "folder" : (type & FileType.File) !== 0 ? "file" : undefined;
      if (kind !== undefined) entries.push({ name, kind, link: (type & FileType.SymbolicLink) !== 0 });
    }
    return entries;
  }

  async read(path: string): Promise<Uint8Array> {
    return workspace.fs.readFile(this.uri(path));
  }

  async stat(path: string): Promise<{ readonly size: number; readonly mtime: number }> {
    return workspace.fs.stat(this.uri(path));
  }

  async open(path: string): Promise<ByteSource> {
    const uri = this.uri(path);
    const source = await this.#open?.(uri);
    if (source !== undefined) return source;
    const bytes = await workspace.fs.readFile(uri);
    return {
      name: path,
      size: bytes.length,
      bytes,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
    };
  }
}

/** A folder of the extension's own. */
export class WorkspaceState implements StateFiles {
  readonly #folder: Uri;

  constructor(folder: Uri) {
    this.#folder = folder;
  }

  async list(): Promise<readonly string[]> {
    const entries = await orNothing(() => workspace.fs.readDirectory(this.#folder));
    return (entries ?? []).map(([name]) => name);
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return orNothing(() => workspace.fs.readFile(Uri.joinPath(this.#folder, name)));
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await workspace.fs.createDirectory(this.#folder);
    await workspace.fs.writeFile(Uri.joinPath(this.#folder, name), bytes);
  }

  async remove(name: string): Promise<void> {
    await orNothing(() => workspace.fs.delete(Uri.joinPath(this.#folder, name)));
  }
}

async function orNothing<T>(work: () => Thenable<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FileSystemError && error.code === "FileNotFound") return undefined;
    throw error;
  }
}
