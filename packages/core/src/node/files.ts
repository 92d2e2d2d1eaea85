/** What the file system says, in words, and names that it takes. */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { MaskletError } from "../errors.ts";

const words: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of its path is a file, not a folder",
  EISDIR: "it is a folder",
  EACCES: "permission is denied",
  EPERM: "the system does not permit it",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the device",
  EDQUOT: "the disk quota is used up",
  ENAMETOOLONG: "the name is too long for the file system",
  ELOOP: "its symbolic links lead in circles",
  EMFILE: "too many files are open",
  EEXIST: "a file of this name is there already",
};

/**
 * What the system says of a file that could not be had, in words: without its path and the system call, which a message
 * has elsewhere or has no need of.
 */
export function systemReason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  return words[code] === undefined ? message : `${words[code]} (${code})`;
}

/** The code of a system's error, such as `ENOENT`; `undefined` for others. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The error of a file that could not be written. */
export function writeFailed(path: string, cause: unknown): MaskletError {
  return new MaskletError("write-failed", `${path} cannot be written: ${systemReason(cause)}`, {
    cause,
    details: { path, code: errorCode(cause) },
  });
}

/**
 * What JSON says, in UTF-8 or, as some programs of Windows write it, in UTF-16; with or without a byte order mark. Throws
 * as `JSON.parse`.
 */
export function parseJson(json: Uint8Array | string): unknown {
  if (typeof json === "string") return JSON.parse(json.replace(/^\ufeff/, ""));
  const encoding =
    json[0] === 0xff && json[1] === 0xfe ? "utf-16le" : json[0] === 0xfe && json[1] === 0xff ? "utf-16be" : "utf-8";
  return JSON.parse(new TextDecoder(encoding).decode(json)); // which drops the mark
}

/** Names of up to this many bytes leave room for what a temporary name adds, on every file system. */
const shortName = 100;

/**
 * A new name for what will be renamed to `path` once it is whole: in the same folder, where renaming is one step. It is
 * no longer than a long name, so that whatever name the file system takes can be written.
 */
export function temporaryBeside(path: string): string {
  const name = basename(path);
  const suffix = `.${randomBytes(6).toString("hex")}.tmp`;
  const bytes = Buffer.byteLength(name);
  const kept = bytes <= shortName ? name : firstBytes(name, bytes - suffix.length - 1);
  return join(dirname(path), `.${kept}${suffix}`);
}

/** As much of the text as fits into `length` bytes, whole characters alone. */
function firstBytes(text: string, length: number): string {
  let taken = "";
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > length) break;
    taken += character;
  }
  return taken;
}

/** Makes the folder of `path`, and those above it. Rejects with the system's error. */
export async function makeParents(path: string): Promise<void> {
  await makeFolder(dirname(path));
}

/** As `mkdir` with `recursive`, which never returns where a folder refuses new ones with ENOENT, as /proc does. */
async function makeFolder(folder: string, parents = true): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST" || code === "EISDIR" || dirname(folder) === folder) return; // what it is shows when it is used
    if (code !== "ENOENT" || !parents) throw error;
    await makeFolder(dirname(folder));
    await makeFolder(folder, false);
  }
}

/**
 * The user's home. `undefined` where there is none: no HOME, and no entry in the list of users, as in many containers.
 */
export function homeFolder(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

/** A new, empty temporary folder. Rejects with a `MaskletError` "write-failed" that names the variable to set. */
export async function temporaryFolder(prefix: string): Promise<string> {
  const parent = tmpdir();
  try {
    return await mkdtemp(join(parent, prefix));
  } catch (cause) {
    throw new MaskletError(
      "write-failed",
      `${parent}: no temporary folder can be made there: ${systemReason(cause)}; set TMPDIR (on Windows TEMP) to a folder that can be written to`,
      { cause, details: { path: parent, code: cause instanceof Error && "code" in cause ? cause.code : undefined } },
    );
  }
}
