/** SAM 2 in a worker thread, so that a server answers while it computes. */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { parentPort } from "node:worker_threads";
import { CheckpointError, PromptError, StateError } from "../errors.ts";
import type { Sam2Config } from "../model/config.ts";
import {
  type OpenedModel,
  type OpenOptions,
  type RemoteHost,
  type Sam2HostOptions,
  serveSam2,
} from "../remote/host.ts";
import type { PortLike } from "../remote/port.ts";
import { obtainModel } from "./download/download.ts";
import { fileSource } from "./file-source.ts";

/**
 * Serves SAM 2 to whoever made this worker thread. A checkpoint is what `loadSam2` takes in Node and a message can carry:
 * a name or a path, as a string or a `file:` URL, one of Meta's models is fetched; bytes; unless `open` says otherwise.
 * Whoever sends messages may thus have any model file of this machine opened. The other end is a `RemoteClient` or
 * `createWorkerPredictor`.
 *
 * Throws a `StateError` "no-parent" outside worker threads.
 */
export function serveWorkerWith(
  options: Sam2HostOptions,
  readConfig: (path: string) => Promise<Sam2Config>,
): RemoteHost {
  if (parentPort === null) {
    throw new StateError("no-parent", "serveWorker: this is no worker thread; serveSam2 takes the port to serve on");
  }
  const open = (source: unknown, given: OpenOptions): Promise<OpenedModel> => openNode(source, given, readConfig);
  return serveSam2(parentPort as PortLike, { open, ...options });
}

async function openNode(
  source: unknown,
  { signal, onProgress }: OpenOptions,
  readConfig: (path: string) => Promise<Sam2Config>,
): Promise<OpenedModel> {
  if (source instanceof Uint8Array) return { source };
  if (typeof source !== "string") {
    const expected = "a name, a path, a file: URL or a Uint8Array";
    throw new PromptError("bad-option", `load: this worker takes ${expected}, got ${typeof source}`, {
      details: { option: "source", expected, got: typeof source },
    });
  }
  const { checkpoint, config } = await obtainModel(pathOf(source), { env: process.env, signal, onProgress });
  return { source: await fileSource(checkpoint), ...(config !== undefined && { config: () => readConfig(config) }) };
}

/** A URL object came over as its text. */
function pathOf(source: string): string {
  if (source.startsWith("file:")) return fileURLToPath(source);
  if (!/^https?:\/\//i.test(source)) return source;
  throw new CheckpointError("not-found", `${source}: only file: URLs are opened; download it, and give its path`, {
    details: { url: source },
  });
}
