import { readdir, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { AbortSignalLike } from "../../abort.ts";
import { CheckpointError, DownloadError } from "../../errors.ts";
import { presetNamed, published } from "../../model/published.ts";
import { checkKeys, type Keys, signalKeys } from "../../options.ts";
import { type Progress, share } from "../../progress.ts";
import { cacheFolder, findInCache, findPreset, type ResolveOptions, resolveKeys, sharedFile } from "../resolve.ts";
import { type Digest, digestNamed, digestOf } from "./blob.ts";
import { foldersOf, repositoryOf } from "./download.ts";
import { isLocked } from "./lock.ts";
import { withSignal } from "./request.ts";

export interface VerifyOptions extends ResolveOptions {
  readonly signal?: AbortSignalLike;
  /** `item` is a file. */
  readonly onProgress?: (progress: Progress<"verify">) => void;
}

/** A cached file, and whether it is what was published. */
export interface VerifiedFile {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Of the file as it lies there; `git-sha1` is how Git names a blob. */
  readonly algorithm: "sha256" | "git-sha1";
  readonly digest: string;
  /** What it should be; undefined where the cache does not tell, as for files that were put there by hand. */
  readonly expected: string | undefined;
  /** undefined where nothing is expected. */
  readonly intact: boolean | undefined;
}

/**
 * Computes the hashes of a cached model's checkpoint and config and compares them with the names of their blobs, and
 * that of Meta's `.pt` with the known one. Needs no network.
 *
 * Rejects with a `CheckpointError`: "not-downloaded", "not-found" for what cannot be a model's name, "read-failed"; with
 * the signal's reason. A damaged file is a result and no error.
 */
export async function verifyModel(name: string, options: VerifyOptions): Promise<readonly VerifiedFile[]> {
  checkKeys("verifyModel", options, verifyKeys);
  const cache = options.cacheDir ?? cacheFolder(options.env);
  const repository = repositoryOf(name);
  const preset = presetNamed(name);
  const files = await (preset === undefined ? findInCache(cache, repository) : findPreset(cache, preset));
  if (files === undefined) {
    throw new CheckpointError("not-downloaded", `${name} is not in ${cache}`, { details: { model: name, cache } });
  }
  const blobs = join(foldersOf(cache, repository).folder, "blobs");
  const paths = files.config === undefined ? [files.checkpoint] : [files.checkpoint, files.config];
  return withSignal(options.signal, async (signal) => {
    const verified: VerifiedFile[] = [];
    for (const [i, path] of paths.entries()) {
      const file = basename(path);
      try {
        const { size } = await stat(path);
        const expected = officialDigest(name, file) ?? (await blobDigest(path, size, blobs));
        const algorithm = expected?.algorithm ?? "sha256";
        // The config counts for nothing.
        const report = (loaded: number): void =>
          options.onProgress?.({
            stage: "verify",
            item: file,
            loaded,
            total: size,
            fraction: i === 0 ? share(loaded, size) : 1,
          });
        const digest = await digestOf(path, algorithm, signal, report);
        const intact = expected && digest === expected.hex;
        verified.push({ path, size, algorithm, digest, expected: expected?.hex, intact });
      } catch (cause) {
        if (!(cause instanceof Error && "syscall" in cause)) throw cause;
        throw new CheckpointError("read-failed", `${path}: it cannot be read: ${cause.message}`, {
          cause,
          details: { file: path },
        });
      }
    }
    return verified;
  });
}

function officialDigest(name: string, file: string): Digest | undefined {
  const preset = presetNamed(name);
  const known = preset && published[preset];
  if (known?.sha256 === undefined || file !== known.file) return undefined;
  return { algorithm: "sha256", hex: known.sha256 };
}

/** What the blob behind a link is called; behind a hard link or a copy, the only blob of this size. */
async function blobDigest(path: string, size: number, blobs: string): Promise<Digest | undefined> {
  const target = await realpath(path);
  if (dirname(target) === (await realpath(blobs).catch(() => ""))) return digestNamed(basename(target));
  const names: string[] = [];
  for (const name of await readdir(blobs).catch((): string[] => [])) {
    if (digestNamed(name) !== undefined && (await stat(join(blobs, name))).size === size) names.push(name);
  }
  const [only, second] = names;
  return only === undefined || second !== undefined ? undefined : digestNamed(only);
}

/**
 * The SHA-256 of a checkpoint, lower-case hexadecimal: what its blob in the Hugging Face cache is called, by which it was
 * checked when it was downloaded, else what its bytes give. Rejects with a `CheckpointError` "read-failed", or the signal's
 * reason.
 */
export async function checkpointSha256(
  path: string,
  options: { readonly signal?: AbortSignalLike } = {},
): Promise<string> {
  checkKeys("checkpointSha256", options, signalKeys);
  const { signal } = options;
  try {
    const target = await realpath(path);
    const named = basename(dirname(target)) === "blobs" ? digestNamed(basename(target)) : undefined;
    if (named?.algorithm === "sha256") return named.hex;
    return await withSignal(signal, (own) => digestOf(path, "sha256", own));
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new CheckpointError("read-failed", `${path}: it cannot be read: ${cause.message}`, {
      cause,
      details: { file: path },
    });
  }
}

/**
 * Removes a model from the cache, all revisions, with what is left of an unfinished download; Python's tools have it no
 * longer either. Of a repository that holds several published models only this one's file goes. Resolves with the bytes
 * that this freed, 0 if there was nothing.
 *
 * Rejects with a `CheckpointError` "not-found" for what cannot be a model's name, or a `DownloadError`: "in-use" while
 * a process of Masklet downloads it, "cache-unwritable".
 */
export async function removeModel(name: string, options: ResolveOptions): Promise<number> {
  checkKeys("removeModel", options, resolveKeys);
  const { env, cacheDir } = options;
  const { folder, locks } = foldersOf(cacheDir ?? cacheFolder(env), repositoryOf(name));
  for (const lock of await readdir(locks).catch((): string[] => [])) {
    if (lock.endsWith(".masklet.lock") && (await isLocked(join(locks, lock)))) {
      throw new DownloadError("in-use", `${name} is being downloaded by another process`, { details: { lock } });
    }
  }
  const preset = presetNamed(name);
  const file = preset && sharedFile(preset);
  const freed = file === undefined ? await bytesIn(folder) : 0;
  try {
    if (file !== undefined) return await removeFile(folder, file);
    // What makes it count as downloaded goes first, should this be interrupted.
    for (const path of [join(folder, "snapshots"), folder, locks]) await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw new DownloadError("cache-unwritable", `${folder}: cannot be removed`, { cause, details: { path: folder } });
  }
  return freed;
}

/** Removes one file of all revisions, and what its links lead to. Resolves with the bytes that this freed. */
async function removeFile(folder: string, file: string): Promise<number> {
  const snapshots = join(folder, "snapshots");
  const blobs = new Set<string>();
  for (const revision of await readdir(snapshots).catch((): string[] => [])) {
    const path = join(snapshots, revision, file);
    const blob = await realpath(path).catch(() => undefined);
    if (blob !== undefined) blobs.add(blob);
  }
  let freed = 0;
  for (const blob of blobs) freed += (await stat(blob)).size;
  for (const revision of await readdir(snapshots).catch((): string[] => [])) {
    await rm(join(snapshots, revision, file), { force: true });
  }
  for (const blob of blobs) await rm(blob, { force: true });
  return freed;
}

/** What files take, each counted once: links and hard links add nothing. */
async function bytesIn(folder: string): Promise<number> {
  const sizes = new Map<number, number>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const { ino, size } = await stat(join(entry.parentPath, entry.name));
    sizes.set(ino, size);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

const verifyKeys: Keys<VerifyOptions> = { env: true, cacheDir: true, signal: true, onProgress: true };
