import type { AbortSignalLike } from "../abort.ts";
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { httpError, withoutQuery } from "../checkpoint/http-error.ts";
import { sha256Of } from "../checkpoint/sha256.ts";
import { DownloadError } from "../errors.ts";
import { presetNamed, published } from "../model/published.ts";
import { checkKeys, type Keys } from "../options.ts";
import { type Progress, share } from "../progress.ts";
import { blobSource } from "./blob-source.ts";

export interface CachedSourceOptions {
  /** The name of the cache in the page's Cache Storage: "masklet" unless set. `caches.delete(name)` empties it. */
  readonly cacheName?: string;
  /**
   * What the bytes must have, lower-case hexadecimal: checked when they have arrived, which takes as much memory as the
   * file for a moment, and remembered with what is kept.
   */
  readonly sha256?: string;
  readonly signal?: AbortSignalLike;
  /** `item` is the address without its query; `fraction` stays 0 where the server names no size. Not called for what is cached. */
  readonly onProgress?: (progress: Progress<"download">) => void;
  /** Instead of the browser's, to send a header for instance. */
  readonly fetch?: typeof globalThis.fetch;
}

/** The header by which a kept file tells the SHA-256 that it was checked against. */
const CHECKED = "x-masklet-sha256";

/**
 * The address of a model's file on Hugging Face: a published model's name (`sam2.1-hiera-tiny`), or `owner/model`. `file`
 * is `model.safetensors` unless set, or the authors' checkpoint where that is all that is there; `revision` is a branch, a
 * tag or a commit.
 */
export function hubUrl(model: string, file?: string, revision = "main"): string {
  const preset = presetNamed(model);
  const known = preset && published[preset];
  const repository = known?.repository ?? (model.includes("/") ? model : `facebook/${model}`);
  const name = file ?? (known?.safetensors === false ? known.file : "model.safetensors");
  return `https://huggingface.co/${repository}/resolve/${revision}/${name}`;
}

/**
 * A file of the web, downloaded once and kept in Cache Storage, where the browser has it on disk: `read` takes ranges of
 * it without holding the rest in memory. Tabs that want the same file at once download it once. It is kept whole or not
 * at all; an aborted download starts again.
 *
 * Rejects with the signal's reason, or a `DownloadError`: "cache-unavailable" (pages that are neither https nor
 * localhost, some private windows), "quota-exceeded" (`details`: `needed`, and `usage` of this site, in bytes, as far as
 * they are known), "hash-mismatch", "connection-failed" (CORS too), and by the answer's status "unauthorized",
 * "forbidden", "not-on-server", "range-refused", "rate-limited", "server-error", "http-error".
 */
export async function cachedSource(url: string | URL, options: CachedSourceOptions = {}): Promise<ByteSource> {
  checkKeys("cachedSource", options, cacheKeys);
  const { cacheName = "masklet", sha256, signal } = options;
  signal?.throwIfAborted();
  const address = new URL(url, globalThis.location?.href).href;
  const name = withoutQuery(address);
  const cache = await openCache(cacheName, name);
  const controller = new AbortController();
  const find = async (): Promise<Blob | undefined> => {
    const kept = await cache.match(address, { ignoreVary: true });
    if (kept === undefined || sha256 === undefined || kept.headers.get(CHECKED) === sha256) return kept?.blob();
    // What was kept unchecked, or as another file.
    await cache.delete(address);
    return undefined;
  };
  const obtain = async (): Promise<Blob> => {
    const cached = await find();
    if (cached !== undefined) return cached;
    await store(cache, address, options, controller.signal);
    const stored = await find();
    if (stored !== undefined) return stored;
    throw new DownloadError("cache-unavailable", `${name}: the browser removed it as soon as it was stored`, {
      details: { url: name },
    });
  };
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const lock = `masklet ${cacheName} ${address}`;
    const blob = await navigator.locks.request(lock, { signal: controller.signal }, obtain);
    signal?.throwIfAborted();
    return blobSource(blob, name, sha256);
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function openCache(cacheName: string, name: string): Promise<Cache> {
  try {
    return await globalThis.caches.open(cacheName);
  } catch (cause) {
    const message =
      `${name}: there is no Cache Storage here: it needs https or localhost, and some private windows have none. ` +
      "Fetch the file yourself and load its bytes";
    throw new DownloadError("cache-unavailable", message, { cause, details: { url: name } });
  }
}

async function store(
  cache: Cache,
  address: string,
  { sha256, onProgress, fetch = globalThis.fetch }: CachedSourceOptions,
  signal: AbortSignal,
): Promise<void> {
  const name = withoutQuery(address);
  const failed = (reason: string, cause?: unknown): DownloadError =>
    new DownloadError("connection-failed", `${name}: ${reason}`, { cause, details: { url: name } });
  const response = await fetch(address, { signal }).catch((cause: unknown) => {
    throw failed("the connection failed, or the server does not allow this page to read it (CORS)", cause);
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw httpError(address, response, Date.now());
  }
  const length = response.headers.get("content-length");
  const total = length === null ? undefined : Number(length);
  let loaded = 0;
  // The browser may replace what the stream fails with.
  let failure: { readonly error: unknown } | undefined;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, stream) => {
        loaded += chunk.byteLength;
        try {
          const fraction = total === undefined ? 0 : share(loaded, total);
          onProgress?.({ stage: "download", item: name, loaded, total, fraction });
        } catch (error) {
          failure = { error };
          throw error;
        }
        stream.enqueue(chunk);
      },
      flush: (stream) => {
        if (total === undefined || loaded >= total) return;
        failure = { error: failed(`it ended after ${loaded} of ${total} bytes`) };
        stream.error(failure.error);
      },
    }),
  );
  const headers = new Headers(response.headers);
  if (sha256 !== undefined) headers.set(CHECKED, sha256);
  try {
    const body = sha256 === undefined ? counted : await checked(name, counted, sha256);
    signal.throwIfAborted();
    await cache.put(address, new Response(body, { headers }));
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (failure !== undefined) throw failure.error;
    if (cause instanceof DownloadError) throw cause;
    if (cause instanceof Error && cause.name === "QuotaExceededError") throw await quotaExceeded(name, total, cause);
    throw failed("the download broke off", cause);
  }
}

async function quotaExceeded(name: string, needed: number | undefined, cause: unknown): Promise<DownloadError> {
  // Not the quota: against fingerprinting, browsers name one that has little to do with what they grant.
  const { usage }: StorageEstimate = await navigator.storage.estimate().catch(() => ({}));
  const more = needed === undefined ? "the file" : `${needed} bytes`;
  const used = usage === undefined ? "" : ` beside the ${usage} it has`;
  return new DownloadError(
    "quota-exceeded",
    `${name}: the browser does not let this site store ${more}${used}. Free disk space, leave the private window, ` +
      "delete other data of this site, or take a smaller model",
    {
      cause,
      details: { url: name, ...(needed !== undefined && { needed }), ...(usage !== undefined && { usage }) },
    },
  );
}

/** The whole of a stream, if it has the hash; before anything of it is kept. */
async function checked(url: string, stream: ReadableStream<Uint8Array>, expected: string): Promise<Blob> {
  const blob = await new Response(stream as BodyInit).blob();
  const actual = await sha256Of(new Uint8Array(await blob.arrayBuffer()));
  if (actual === expected) return blob;
  const message = `${url}: its SHA-256 should be ${expected}, but is ${actual}: it was damaged on its way, or is another file`;
  throw new DownloadError("hash-mismatch", message, { details: { url, algorithm: "sha256", expected, actual } });
}

const cacheKeys: Keys<CachedSourceOptions> = {
  cacheName: true,
  sha256: true,
  signal: true,
  onProgress: true,
  fetch: true,
};
