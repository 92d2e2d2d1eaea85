/** Any file of the web: a picture or a video that somebody gave the address of. */
import { open } from "node:fs/promises";
import type { AbortSignalLike } from "../../abort.ts";
import { withoutQuery } from "../../checkpoint/http-error.ts";
import { DownloadError } from "../../errors.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { type OnProgress, rising, share } from "../../progress.ts";
import { writeFailed } from "../files.ts";
import { writeAll } from "./blob.ts";
import { fetchBody } from "./body.ts";
import { type Connection, isSystemError, withSignal } from "./request.ts";

export interface FetchOptions {
  /** More bytes than these are refused, by what the server says where it does, else when they have come. */
  readonly maxBytes: number;
  /** `item` is the address without its query. */
  readonly onProgress?: OnProgress<"download">;
  readonly signal?: AbortSignalLike;
  /** How long the other side may stay silent, in ms: 30 s unless set. */
  readonly timeoutMs?: number;
  /** How often in a row a cut, silence, 429 or 5xx is tried again: 5 unless set. */
  readonly retries?: number;
  /** The pause before the first of these, in ms, doubled each time: 500 unless set. */
  readonly retryDelayMs?: number;
  /** Instead of Node's own, for a proxy for instance. It must not follow redirects when it is told `manual`. */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * The bytes at an http or https address, with the patience of model downloads and without any token. What was cut goes on
 * where it stopped, if the server has ranges and its ETag or date shows that it is the same file.
 *
 * Rejects with the signal's reason or a `DownloadError`: "too-large"; "unauthorized", "forbidden", "not-on-server",
 * "rate-limited", "server-error", "http-error" by the server's answer; "connection-failed", "stalled",
 * "response-malformed".
 */
export async function fetchBytes(url: string | URL, options: FetchOptions): Promise<Uint8Array> {
  checkKeys("fetchBytes", options, fetchKeys);
  let chunks: Uint8Array[] = [];
  await receive(String(url), options, async (chunk, position) => {
    if (position === 0) chunks = [];
    chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

/** As `fetchBytes`, into a file that is made or replaced. Rejects with a `MaskletError` "write-failed", too. */
export async function fetchToFile(url: string | URL, path: string, options: FetchOptions): Promise<void> {
  checkKeys("fetchToFile", options, fetchKeys);
  try {
    const file = await open(path, "w");
    try {
      await receive(String(url), options, async (chunk, position) => {
        if (position === 0) await file.truncate();
        await writeAll(file, chunk, position);
      });
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isSystemError(error)) throw writeFailed(path, error);
    throw error;
  }
}

/** Hands on what comes, and where it belongs: at position 0 it begins anew. */
async function receive(
  url: string,
  { maxBytes, onProgress, signal: given, timeoutMs = 30_000, retries = 5, retryDelayMs = 500, fetch }: FetchOptions,
  take: (chunk: Uint8Array, position: number) => Promise<void>,
): Promise<void> {
  const item = withoutQuery(url);
  const told = onProgress && rising(onProgress);
  const check = (bytes: number): void => {
    if (bytes <= maxBytes) return;
    throw new DownloadError("too-large", `${item}: it has ${bytes} bytes or more, at most ${maxBytes} are fetched`, {
      details: { url: item, bytes, maxBytes },
    });
  };
  await withSignal(given, (signal) => {
    const connection: Connection = {
      fetch: fetch ?? globalThis.fetch,
      token: undefined,
      tokenOrigin: "",
      timeoutMs,
      retries,
      retryDelayMs,
      signal,
    };
    return fetchBody(url, connection, {
      onTotal: check,
      take: async (chunk, position, total) => {
        const loaded = position + chunk.length;
        check(loaded);
        await take(chunk, position);
        told?.({ stage: "download", item, loaded, total, fraction: total === undefined ? 0 : share(loaded, total) });
      },
    });
  });
}

const fetchKeys: Keys<FetchOptions> = {
  maxBytes: true,
  onProgress: true,
  signal: true,
  timeoutMs: true,
  retries: true,
  retryDelayMs: true,
  fetch: true,
};
