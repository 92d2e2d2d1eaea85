/** SAM 2 in a module worker, so that a page stays responsive while it computes. */
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { PromptError } from "../errors.ts";
import { type RemoteHost, type Sam2HostOptions, serveSam2 } from "../remote/host.ts";
import type { PortLike } from "../remote/port.ts";
import { blobSource } from "./blob-source.ts";

/**
 * Serves SAM 2 to the page that made this worker. To be called while the worker's script runs for the first time, not
 * after an `await`: messages that come before are lost.
 *
 * Checkpoints are bytes or Blobs (files, read in parts), unless `open` says otherwise. The page's end is a `RemoteClient`
 * or `createWorkerPredictor`.
 */
export function serveWorker(options: Sam2HostOptions): RemoteHost {
  // A worker's own scope, which the types of a page do not have.
  const scope = globalThis as unknown as PortLike;
  return serveSam2(scope, { open: openWeb, ...options });
}

async function openWeb(source: unknown): Promise<ByteSource | Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof Blob) return blobSource(source);
  throw new PromptError("bad-option", `load: this worker takes a Uint8Array or a Blob, got ${typeof source}`, {
    details: { option: "source", expected: "a Uint8Array or a Blob", got: typeof source },
  });
}
