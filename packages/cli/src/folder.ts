/** Folders that results go to. */
import { access, constants, mkdir, readdir, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { MaskletError, systemReason } from "@masklet/core/node";

/** Made before any work, so that a folder that cannot be written is told at once. */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new MaskletError("write-failed", `cannot write to the folder ${folder}: ${systemReason(cause)}`, {
      cause,
      details: { path: folder },
    });
  }
}

/** As `mkdir` with `recursive`, which never returns where a folder refuses new ones with ENOENT, as /proc does. */
async function makeFolder(folder: string, parents = true): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" && parents) {
      await makeFolder(dirname(resolve(folder)));
      await makeFolder(folder, false);
    } else if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
      throw error;
    }
  }
}

/** A folder's entries; none if there is no such folder. */
export async function listed(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

/** Removes the files of a folder whose names match. */
export async function removeMatching(folder: string, matches: (name: string) => boolean): Promise<void> {
  for (const name of await listed(folder)) if (matches(name)) await rm(join(folder, name), { force: true });
}

/** Whether a killed run was writing a file under the temporary name `name`; with `target`, a file of that name. */
export function isUnfinished(name: string, target?: string): boolean {
  const kept = unfinishedName(name);
  // Of a long name the temporary one has the beginning alone.
  return (
    kept !== undefined && (target === undefined || kept === target || (kept.length > 50 && target.startsWith(kept)))
  );
}

/** The name, or its beginning, of the file that was being written under the temporary name `name`. */
export function unfinishedName(name: string): string | undefined {
  return /^\.(.+)\.[0-9a-f]{12}\.tmp$/s.exec(name)?.[1];
}

/** Equal for paths of one file, even before it exists. */
export async function fileKey(path: string): Promise<string> {
  const absolute = resolve(path);
  const real = await realpath(absolute).catch(async () => {
    const parent = await realpath(dirname(absolute)).catch(() => dirname(absolute));
    return join(parent, basename(absolute));
  });
  return folded(real);
}

/** Only Linux's file systems usually tell `A` from `a`. */
export function folded(path: string): string {
  return process.platform === "linux" ? path : path.normalize("NFC").toLowerCase();
}
