/**
 * Fetches a model into the browser's cache, away from the page, which checking the hash of so much would hold up. To cancel
 * it is to end the worker: nothing is kept of what is not whole.
 */
import { cachedSource } from "@masklet/core/web";
import type { OfferedModel } from "./models.ts";

/** What the page asks, once. */
export type DownloadRequest = Pick<OfferedModel, "url" | "sha256">;

/** What it answers: bytes so far, at each percent, and of those the server names; then that all is kept, or what went wrong. */
export type DownloadAnswer =
  | { readonly loaded: number; readonly total: number | undefined }
  | { readonly kept: true }
  | { readonly error: string };

const answer = (message: DownloadAnswer): void => self.postMessage(message);

self.addEventListener("message", async ({ data: { url, sha256 } }: MessageEvent<DownloadRequest>) => {
  let told = -1;
  try {
    await cachedSource(url, {
      ...(sha256 !== undefined && { sha256 }),
      onProgress: ({ loaded, total, fraction }) => {
        // Where no size is named, every megabyte.
        const step = total === undefined ? Math.floor(loaded / 1e6) : Math.floor(100 * fraction);
        if (step === told) return;
        told = step;
        answer({ loaded, total });
      },
    });
    answer({ kept: true });
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  }
});
