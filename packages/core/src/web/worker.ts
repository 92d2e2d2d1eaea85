/** SAM 2 in a module worker, so that a page stays responsive while it computes. */
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { PromptError } from "../errors.ts";
import { type OpenOptions, type RemoteHost, type Sam2HostOptions, serveSam2 } from "../remote/host.ts";
import type { PortLike } from "../remote/port.ts";
import { openSource } from "./source.ts";

/** Options of `serveWorker`. */
export interface ServeWorkerOptions extends Sam2HostOptions {
  /** Where the client is, if not at the other side of the worker: a port that was handed over. */
  readonly port?: PortLike;
}

/**
 * Serves SAM 2 to the page that made this worker. To be called while the worker's script runs for the first time, not
 * after an `await`: messages that come before are lost.
 *
 * A checkpoint is what `loadSam2` takes in a browser and a message can carry: one of Meta's names or an address, as a
 * string, which the worker fetches; a Blob, which is read in parts; bytes; unless `open` says otherwise. The page's end is
 * a `RemoteClient` or `createWorkerPredictor`.
 */
export function serveWorker({ port, ...options }: ServeWorkerOptions): RemoteHost {
  // A worker's own scope, which the types of a page do not have.
  return serveSam2(port ?? (globalThis as unknown as PortLike), { open: openWeb, ...options });
}

async function openWeb(source: unknown, options: OpenOptions): Promise<ByteSource | Uint8Array> {
  if (typeof source === "string" || source instanceof Uint8Array || source instanceof Blob) {
    return openSource(source, options);
  }
  const expected = "a name, an address, a Blob or a Uint8Array";
  throw new PromptError("bad-option", `load: this worker takes ${expected}, got ${typeof source}`, {
    details: { option: "source", expected, got: typeof source },
  });
}
