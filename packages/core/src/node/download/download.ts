import { mkdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { AbortSignalLike } from "../../abort.ts";
import { CheckpointError, DownloadError } from "../../errors.ts";
import { type PresetName, presets } from "../../model/config.ts";
import { presetParameters } from "../../model/preset-rank.ts";
import { type PublishedModel, presetNamed, presetsIn, published } from "../../model/published.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { type DownloadStage, type Progress, rising, share } from "../../progress.ts";
import { writeFileAtomic } from "../image.ts";
import {
  cacheFolder,
  type Environment,
  findInCache,
  findPreset,
  type ModelFiles,
  meant,
  repositoryFolder,
  resolveModel,
} from "../resolve.ts";
import { type FileProgress, fetchFile, type Place, type RemoteFile } from "./blob.ts";
import { type Connection, isSystemError, malformed, request, withRetries, withSignal } from "./request.ts";
import { hubSettings } from "./settings.ts";

export interface DownloadOptions {
  /**
   * Where `huggingface_hub`'s variables are read from: `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`,
   * `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `HF_HUB_DOWNLOAD_TIMEOUT` (seconds of silence, 30 unless set).
   */
  readonly env: Environment;
  /** The cache, instead of the one `env` names. */
  readonly cacheDir?: string;
  /** "hub" (the default) is Hugging Face; "meta" is Meta's own server, which has the `.pt` of its models. */
  readonly from?: "hub" | "meta";
  readonly signal?: AbortSignalLike;
  /** `item` is a file, `model.safetensors`; bytes of an earlier try are included. */
  readonly onProgress?: (progress: Progress<DownloadStage>) => void;
  /** How often in a row a cut, silence, 429 or 5xx is tried again: 5 unless set. */
  readonly retries?: number;
  /** The pause before the first of these, in ms, doubled each time: 500 unless set. */
  readonly retryDelayMs?: number;
  /** Instead of Node's own, for a proxy for instance. It must not follow redirects when it is told `manual`. */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * Fetches a published model (`sam2.1-hiera-tiny`), or any other SAM 2 model on Hugging Face (`owner/model`), into the
 * cache that Python's tools share, and says where its files are. What is there already is not asked for again.
 *
 * An aborted or failed download goes on where it stopped when it is asked for next. Of processes that want the same file
 * one fetches it, and the others wait. The token goes to the hub itself and to no server that it redirects to.
 *
 * Rejects with the signal's reason, a `CheckpointError` "not-found" for a name that is none, or a `DownloadError`:
 * "offline", "endpoint-invalid", "token-invalid"; "unauthorized", "forbidden", "not-on-server", "range-refused",
 * "rate-limited", "server-error", "http-error" by the server's answer; "connection-failed", "stalled",
 * "response-malformed", "hash-mismatch"; "disk-full", "cache-unwritable".
 */
export async function downloadModel(name: string, options: DownloadOptions): Promise<ModelFiles> {
  checkKeys("downloadModel", options, downloadKeys);
  const { env, from = "hub" } = options;
  const repository = repositoryOf(name);
  const preset = presetNamed(name);
  const direct = preset === undefined ? undefined : directFile(published[preset]);
  if (from === "meta" && direct === undefined) {
    const names = Object.keys(published).filter((other) => directFile(published[other as PresetName]) !== undefined);
    throw noModel(name, "Meta's server has only", names);
  }
  const cache = options.cacheDir ?? cacheFolder(env);
  const found = await (preset === undefined ? findInCache(cache, repository) : findPreset(cache, preset));
  if (found !== undefined) return found;
  const fetched = withHub(repository, options, (hub) => {
    if (from === "meta" && direct !== undefined) return fromMeta(direct, hub);
    return modelFromHub(preset === undefined ? undefined : published[preset], hub);
  });
  return fetched.catch((error: unknown) => Promise.reject(withWaysOut(error, name, from, preset)));
}

/** Failures of the way to the bytes, which another way may not have. */
const ofTheWay: ReadonlySet<string> = new Set([
  ...["offline", "unauthorized", "forbidden", "not-on-server", "rate-limited", "server-error", "http-error"],
  ...["connection-failed", "stalled", "response-malformed"],
]);

/** The same error, saying also how large the model is and where else it can be had. */
function withWaysOut(error: unknown, name: string, from: "hub" | "meta", preset: PresetName | undefined): unknown {
  if (!(error instanceof DownloadError) || !ofTheWay.has(error.code)) return error;
  const size = preset === undefined ? "" : ` (about ${(modelBytes(preset) / 1e6).toFixed(0)} MB)`;
  const mirror = "a mirror of Hugging Face is named with HF_ENDPOINT";
  const meta = `Meta's own server is asked with from: "meta", masklet models pull ${preset} --from meta`;
  const hub = `Hugging Face is asked without --from meta`;
  const hasDirect = preset !== undefined && directFile(published[preset]) !== undefined;
  // Nobody is asked, wherever they are.
  const ways = error.code === "offline" ? [] : from === "meta" ? [hub] : hasDirect ? [mirror, meta] : [mirror];
  return new DownloadError(error.code, `${name}${size} could not be fetched: ${[error.message, ...ways].join("; ")}`, {
    cause: error,
    details: { ...error.details, model: name, ...(preset !== undefined && { modelBytes: modelBytes(preset) }) },
  });
}

/** About how large a published model's file is: four bytes for each of its numbers. */
export function modelBytes(name: PresetName): number {
  return 4 * presetParameters(name);
}

/**
 * Fetches one file of a model or dataset on Hugging Face (`owner/model`, `datasets/owner/name`) into the same cache, and
 * says where it is. What is there already is not asked for again. Rejects as `downloadModel`.
 */
export async function downloadFile(repository: string, name: string, options: DownloadOptions): Promise<string> {
  checkKeys("downloadFile", options, downloadKeys);
  const { folder } = foldersOf(options.cacheDir ?? cacheFolder(options.env), repository);
  const main = await readFile(join(folder, "refs", "main"), "utf8").catch(() => "");
  const cached = join(folder, "snapshots", main.trim(), name);
  if (main !== "" && (await stat(cached).catch(() => undefined))?.isFile() === true) return cached;
  return withHub(repository, options, async (hub) => {
    const commit = new Commit(hub);
    const path = await commit.get(name);
    await commit.refer();
    return path;
  });
}

/** Part of a file's way that is the download; the rest is its hash. */
const FETCHED = 0.9;

/** What a download is made with. */
interface Hub {
  /** `https://huggingface.co/owner/model/resolve` */
  readonly resolve: string;
  readonly connection: Connection;
  /** `part` is how much of the whole download it counts for. */
  readonly save: (file: RemoteFile, place: Place, part: number) => Promise<string>;
  readonly place: (revision: string) => Place;
}

async function withHub<T>(repository: string, options: DownloadOptions, use: (hub: Hub) => Promise<T>): Promise<T> {
  const { env, onProgress } = options;
  const cache = options.cacheDir ?? cacheFolder(env);
  const { endpoint, token, offline, timeoutMs } = await hubSettings(env);
  if (offline) {
    throw new DownloadError(
      "offline",
      `${repository} is not in ${cache}, and offline (HF_HUB_OFFLINE) nothing is downloaded`,
      {
        details: { repository, cache },
      },
    );
  }
  return withSignal(options.signal, async (signal) => {
    const connection: Connection = {
      fetch: options.fetch ?? globalThis.fetch,
      token,
      tokenOrigin: new URL(endpoint).origin,
      timeoutMs,
      retries: options.retries ?? 5,
      retryDelayMs: options.retryDelayMs ?? 500,
      signal,
    };
    const told = onProgress && rising(onProgress);
    const save = (file: RemoteFile, place: Place, part: number): Promise<string> => {
      const report: FileProgress = (stage, loaded) => {
        const done = share(loaded, file.size);
        const fraction = part * (stage === "verify" ? FETCHED + (1 - FETCHED) * done : FETCHED * done);
        told?.({ stage, item: file.name, loaded, total: file.size, fraction });
      };
      return fetchFile(file, place, connection, report);
    };
    const place = (revision: string): Place => ({ ...foldersOf(cache, repository), revision });
    try {
      return await use({ resolve: `${endpoint}/${repository}/resolve`, connection, save, place });
    } catch (error) {
      if (isSystemError(error)) throw unwritable(cache, error);
      throw error;
    }
  });
}

/** As `resolveModel`, but a published model that is not on this machine is downloaded first: rejects as both do. */
export async function obtainModel(nameOrPath: string, options: DownloadOptions): Promise<ModelFiles> {
  checkKeys("obtainModel", options, downloadKeys);
  try {
    const { env, cacheDir } = options;
    return await resolveModel(nameOrPath, { env, ...(cacheDir !== undefined && { cacheDir }) });
  } catch (error) {
    if (!(error instanceof CheckpointError && error.code === "not-downloaded")) throw error;
    return downloadModel(nameOrPath, options);
  }
}

/** `facebook/sam2.1-hiera-tiny`. Throws a `CheckpointError` "not-found" for what cannot be a model's name. */
export function repositoryOf(name: string): string {
  const preset = presetNamed(name);
  if (preset !== undefined) return published[preset].repository;
  const several = presetsIn(name);
  if (several.length > 0) throw noModel(name, "it holds several models, of which one is to be named", several);
  if (/^\w[\w.-]*\/\w[\w.-]*$/.test(name)) return name;
  throw noModel(name, "a model is called owner/model as on Hugging Face, or is one of");
}

/** A repository's folder in the cache, and that of its locks. */
export function foldersOf(cache: string, repository: string): Omit<Place, "revision"> {
  const folder = repositoryFolder(cache, repository);
  return { folder, locks: join(cache, ".locks", basename(folder)) };
}

function noModel(name: string, why: string, names: readonly string[] = Object.keys(presets)): CheckpointError {
  return new CheckpointError("not-found", `${name}: ${why}${meant(name)} (${names.join(", ")})`, {
    details: { file: name, names },
  });
}

/** Files of one commit: what `main` refers to when the first of them is asked for. */
class Commit {
  readonly #hub: Hub;
  #revision = "main";

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  async get(name: string, part = 1): Promise<string> {
    const { resolve, connection, save, place } = this.#hub;
    const { url, size, etag, commit } = await ask(`${resolve}/${this.#revision}/${name}`, connection);
    if (etag === undefined || commit === undefined) throw malformed(url, "ETag or X-Repo-Commit is missing");
    this.#revision = commit;
    // The commit's own address: `main` may move on meanwhile.
    return save({ name, size, etag, url: `${resolve}/${commit}/${name}` }, place(commit), part);
  }

  async getIfThere(name: string, part = 1): Promise<string | undefined> {
    try {
      return await this.get(name, part);
    } catch (error) {
      const isMissing = error instanceof DownloadError && error.code === "not-on-server";
      if (isMissing && error.details["reason"] !== "RepoNotFound") return undefined;
      throw error;
    }
  }

  /** Lets `main` refer to it in the cache. */
  async refer(): Promise<void> {
    const main = join(this.#hub.place(this.#revision).folder, "refs", "main");
    await mkdir(dirname(main), { recursive: true });
    await writeFileAtomic(main, this.#revision);
  }
}

async function modelFromHub(official: PublishedModel | undefined, hub: Hub): Promise<ModelFiles> {
  const commit = new Commit(hub);
  if (official?.safetensors === false) {
    const checkpoint = await commit.get(official.file);
    await commit.refer();
    return { checkpoint };
  }
  // Published models are recognised without a config, and a repository with their .pt alone has none.
  const config = await commit.getIfThere("config.json", 0);
  const checkpoint =
    official === undefined
      ? await commit.get("model.safetensors")
      : ((await commit.getIfThere("model.safetensors")) ?? (await commit.get(official.file)));
  await commit.refer();
  return config === undefined ? { checkpoint } : { checkpoint, config };
}

interface DirectFile {
  readonly address: string;
  readonly name: string;
  readonly sha256: string;
}

/** What Meta publishes beside the hub. */
function directFile({ direct, file, sha256 }: PublishedModel): DirectFile | undefined {
  return direct === undefined || sha256 === undefined ? undefined : { address: direct, name: file, sha256 };
}

/** Into the same cache, at the place that "not-downloaded" names. */
async function fromMeta({ address, name, sha256 }: DirectFile, { connection, save, place }: Hub): Promise<ModelFiles> {
  const { url, size } = await ask(address, connection);
  const file = { url, size, name, etag: sha256 };
  return { checkpoint: await save(file, place("main"), 1) };
}

interface Answer {
  readonly url: string;
  readonly size: number;
  readonly etag: string | undefined;
  /** The commit that the revision stands for. */
  readonly commit: string | undefined;
}

/** What a server says of a file without sending it. The hub does so itself, before it redirects to where the bytes lie. */
function ask(url: string, connection: Connection): Promise<Answer> {
  return withRetries(connection, () => {
    let commit: string | undefined;
    const options = {
      method: "HEAD",
      isAnswer: ({ headers }: Response) => headers.has("x-linked-etag") && headers.has("x-linked-size"),
      onResponse: ({ headers }: Response) => {
        commit ??= matching(/^[0-9a-f]{40}$/, headers.get("x-repo-commit"));
      },
    } as const;
    return request(url, options, connection, async ({ headers }) => {
      const size = matching(/^\d{1,15}$/, headers.get("x-linked-size") ?? headers.get("content-length"));
      if (size === undefined) throw malformed(url, "the file's size is missing");
      const etag = headers.get("x-linked-etag") ?? headers.get("etag");
      return {
        url,
        size: Number(size),
        // Both become names in the file system.
        etag: matching(/^[\w-]{1,128}$/, etag?.replace(/^W\//, "").replaceAll('"', "") ?? null),
        commit,
      };
    });
  });
}

function matching(pattern: RegExp, value: string | null): string | undefined {
  return value !== null && pattern.test(value) ? value : undefined;
}

function unwritable(cache: string, cause: Error & { readonly code: string }): DownloadError {
  const full = cause.code === "ENOSPC" || cause.code === "EDQUOT";
  return new DownloadError(
    full ? "disk-full" : "cache-unwritable",
    `${cache}: ${full ? "the disk is full; what arrived is kept" : "cannot be written to"}: ${cause.message}`,
    { cause, details: { path: cache } },
  );
}

const downloadKeys: Keys<DownloadOptions> = {
  env: true,
  cacheDir: true,
  from: true,
  signal: true,
  onProgress: true,
  retries: true,
  retryDelayMs: true,
  fetch: true,
};
