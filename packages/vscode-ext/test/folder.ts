/** Folders in memory, for datasets. */
import { crc32, deflateSync } from "node:zlib";
import { type Dataset, type WriteFormat, writeLabels } from "@masklet/labels";
import type { StateFiles } from "../src/dataset/drafts.ts";
import type { FolderEntry, FolderFiles } from "../src/dataset/files.ts";

export class MemoryFolder implements FolderFiles {
  readonly contents: Map<string, Uint8Array>;
  /** Paths in the order in which they were read. */
  readonly reads: string[] = [];
  readonly #times = new Map<string, number>();
  #now = 1;

  constructor(contents: Readonly<Record<string, Uint8Array | string>> = {}) {
    this.contents = new Map();
    for (const [path, bytes] of Object.entries(contents)) this.put(path, bytes);
  }

  put(path: string, bytes: Uint8Array | string): void {
    this.contents.set(path, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    this.#times.set(path, this.#now++);
  }

  async list(folder: string): Promise<readonly FolderEntry[]> {
    const prefix = folder === "" ? "" : `${folder}/`;
    const found = new Map<string, FolderEntry>();
    for (const path of this.contents.keys()) {
      if (!path.startsWith(prefix)) continue;
      const [name = "", ...rest] = path.slice(prefix.length).split("/");
      found.set(name, { name, kind: rest.length > 0 ? "folder" : "file", link: false });
    }
    return [...found.values()];
  }

  async read(path: string): Promise<Uint8Array> {
    this.reads.push(path);
    const bytes = this.contents.get(path);
    if (bytes === undefined) throw new Error(`${path} is not there`);
    return bytes;
  }

  async stat(path: string): Promise<{ readonly size: number; readonly mtime: number }> {
    const bytes = this.contents.get(path);
    if (bytes === undefined) throw new Error(`${path} is not there`);
    return { size: bytes.length, mtime: this.#times.get(path) as number };
  }
}

export class MemoryState implements StateFiles {
  readonly files: Map<string, Uint8Array> = new Map();
  async list(): Promise<readonly string[]> {
    return [...this.files.keys()];
  }
  async read(name: string): Promise<Uint8Array | undefined> {
    return this.files.get(name);
  }
  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.files.set(name, bytes);
  }
  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
}

/** A grey PNG of one colour. */
export function greyPng(width: number, height: number, grey = 128): Uint8Array {
  const rows = new Uint8Array((width + 1) * height).fill(grey);
  for (let y = 0; y < height; y++) rows[y * (width + 1)] = 0;
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const whole = Buffer.alloc(body.length + 8);
    whole.writeUInt32BE(data.length, 0);
    body.copy(whole, 4);
    whole.writeUInt32BE(crc32(body), body.length + 4);
    return whole;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** The dataset in a format, with its pictures. */
export async function folderOf(dataset: Dataset, format: WriteFormat, prefix = ""): Promise<MemoryFolder> {
  const folder = new MemoryFolder();
  for (const { path, bytes } of writeLabels(dataset, format).files)
    folder.put(prefix + path, new Uint8Array(await bytes()));
  return folder;
}
