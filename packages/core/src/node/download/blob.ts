/**
 * One file into the cache: `blobs/<etag>` holds its bytes, `snapshots/<revision>/<name>` links to them.
 *
 * The part lies in `blobs/<etag>.masklet.incomplete`, not in `huggingface_hub`'s `.incomplete`: the lock that Python
 * holds while it appends to that one cannot be seen from Node.
 */
import { createHash, randomUUID } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, link, mkdir, open, rename, rm, stat, statfs, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { withoutQuery } from "../../checkpoint/http-error.ts";
import { DownloadError } from "../../errors.ts";
import { fetchBody } from "./body.ts";
import { withLock } from "./lock.ts";
import { type Connection, isSystemError } from "./request.ts";

/** How a file of the hub is named by its content: LFS files by SHA-256, others as Git names a blob. */
export interface Digest {
  readonly algorithm: "sha256" | "git-sha1";
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

/** The digest that an ETag or a blob's name is, if it is one. */
export function digestNamed(name: string): Digest | undefined {
  if (/^[0-9a-f]{64}$/.test(name)) return { algorithm: "sha256", hex: name };
  if (/^[0-9a-f]{40}$/.test(name)) return { algorithm: "git-sha1", hex: name };
  return undefined;
}

/** A file's digest, lower-case hexadecimal. Rejects with the system's error or the signal's reason. */
export async function digestOf(
  path: string,
  algorithm: Digest["algorithm"],
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => {},
): Promise<string> {
  const hash = createHash(algorithm === "sha256" ? "sha256" : "sha1");
  if (algorithm === "git-sha1") hash.update(`blob ${(await stat(path)).size}\0`);
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    signal.throwIfAborted();
    hash.update(chunk);
    done += chunk.length;
    onProgress(done);
  }
  return hash.digest("hex");
}

/** A file to fetch. */
export interface RemoteFile {
  /** Where it is asked for; redirects are followed anew each time, since what they lead to expires. */
  readonly url: string;
  readonly name: string;
  readonly size: number;
  /** Its ETag, and the blob's name. */
  readonly etag: string;
}

/** Where in the cache it goes. */
export interface Place {
  /** `models--owner--name` */
  readonly folder: string;
  /** Its folder in `.locks`. */
  readonly locks: string;
  /** The folder in `snapshots`. */
  readonly revision: string;
}

/** What is done with the file, and how many bytes of it. */
export type FileProgress = (phase: "download" | "wait" | "verify", loaded: number) => void;

/** Makes sure that the cache has the file, and returns its path. Rejects as `downloadModel`. */
export async function fetchFile(
  file: RemoteFile,
  { folder, locks, revision }: Place,
  connection: Connection,
  onProgress: FileProgress,
): Promise<string> {
  const blob = join(folder, "blobs", file.etag);
  const part = `${blob}.masklet.incomplete`;
  const pointer = join(folder, "snapshots", revision, file.name);
  await Promise.all([dirname(blob), dirname(pointer), locks].map((path) => mkdir(path, { recursive: true })));
  if ((await sizeOf(pointer)) === file.size) return pointer;
  await withLock(
    join(locks, `${file.etag}.masklet.lock`),
    async () => {
      if ((await sizeOf(blob)) !== file.size) await fetchBlob(file, part, blob, connection, onProgress);
      if ((await sizeOf(pointer)) !== file.size) await pointTo(blob, pointer);
    },
    {
      signal: connection.signal,
      onWait: async () => onProgress("wait", (await sizeOf(part)) ?? 0),
    },
  );
  return pointer;
}

async function fetchBlob(
  file: RemoteFile,
  part: string,
  blob: string,
  connection: Connection,
  onProgress: FileProgress,
): Promise<void> {
  const { signal } = connection;
  const expected = digestNamed(file.etag);
  for (let first = true; ; first = false) {
    if (((await sizeOf(part)) ?? 0) > file.size) await rm(part);
    await fetchPart(file, part, connection, onProgress);
    if (expected === undefined) break;
    const actual = await digestOf(part, expected.algorithm, signal, (bytes) => onProgress("verify", bytes));
    if (actual === expected.hex) break;
    await rm(part, { force: true });
    // Once more from the start: an older part may have been what was wrong.
    if (first) continue;
    throw new DownloadError(
      "hash-mismatch",
      `${withoutQuery(file.url)}: what arrived has ${expected.algorithm} ${actual} instead of ${expected.hex}`,
      { details: { url: withoutQuery(file.url), algorithm: expected.algorithm, expected: expected.hex, actual } },
    );
  }
  await rename(part, blob);
  await syncFolder(dirname(blob));
}

/** Brings the part to its full size, synced. */
async function fetchPart(
  file: RemoteFile,
  part: string,
  connection: Connection,
  onProgress: FileProgress,
): Promise<void> {
  // Written at positions, never appended to or cut: see `withLock`.
  const handle = await open(part, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    const position = (await handle.stat()).size;
    await checkSpace(part, file.size - position);
    onProgress("download", position);
    await fetchBody(file.url, connection, {
      from: position,
      size: file.size,
      take: async (chunk, at) => {
        await writeAll(handle, chunk, at);
        onProgress("download", at + chunk.length);
      },
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What `writeAll` needs of a `FileHandle`, without Node's types. */
interface Writable {
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
}

/** Writes all bytes at a position; the system may take them in parts. */
export async function writeAll(handle: Writable, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function checkSpace(path: string, needed: number): Promise<void> {
  const disk = await statfs(dirname(path)).catch(() => undefined);
  const free = disk === undefined ? Number.POSITIVE_INFINITY : disk.bavail * disk.bsize;
  if (needed <= free) return;
  throw new DownloadError("disk-full", `${dirname(path)}: ${needed} more bytes are needed, ${free} are free`, {
    details: { path: dirname(path), needed, free },
  });
}

/** A relative link, as `huggingface_hub` makes them; where none can be made, a hard link, or else a copy. */
async function pointTo(blob: string, pointer: string): Promise<void> {
  const temporary = join(dirname(pointer), `.${basename(pointer)}.${randomUUID()}`);
  try {
    await symlink(relative(dirname(pointer), blob), temporary, "file")
      .catch(() => link(blob, temporary))
      .catch(() => copyFile(blob, temporary));
    await rename(temporary, pointer);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(pointer));
}

/** So that a name survives a power cut. Not every system opens folders. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path);
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** Through links; undefined where there is no file. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true ? found.size : undefined;
}
