import type { BackendError } from "@masklet/core/backend";
import { Engine, lockOf } from "./engine.ts";
import { engineUnavailable, messageOf } from "./errors.ts";
import type { TfjsEngine } from "./public.ts";
import type { Tensorflow } from "./runtime.ts";
import { webgpuDevice } from "./traits.ts";
import { startWasm } from "./wasm.ts";

/** An engine that an entry point knows how to get. */
export interface Candidate {
  readonly engine: TfjsEngine;
  /** Imports what it needs. Throws why it cannot be had. */
  readonly load: () => Promise<Tensorflow>;
}

/** The name that TensorFlow.js knows an engine by. */
export const registeredName = (engine: TfjsEngine): string =>
  engine === "node" || engine === "node-gpu" ? "tensorflow" : engine;

export interface StartOptions {
  /** Best first. */
  readonly candidates: readonly Candidate[];
  /** The one asked for; by default the first that starts. */
  readonly engine?: TfjsEngine | undefined;
  readonly pause: () => Promise<void>;
}

/** Starts the engine asked for, or the best that there is. Rejects with a `BackendError` ("device-unavailable"). */
export async function startEngine({ candidates, engine, pause }: StartOptions): Promise<Engine> {
  const failures: string[] = [];
  for (const candidate of candidates) {
    if (engine !== undefined && candidate.engine !== engine) continue;
    try {
      return await start(candidate, pause);
    } catch (cause) {
      if (engine === undefined) {
        failures.push(`${candidate.engine}: ${messageOf(cause)}`);
        continue;
      }
      if (isMissing(cause)) throw cause;
      const others = candidates.filter((other) => other.engine !== engine);
      throw engineUnavailable(engine, await startable(others, pause), { cause, reason: messageOf(cause) });
    }
  }
  if (engine === undefined) throw engineUnavailable("any", [], { reason: failures.join("; ") });
  throw engineUnavailable(engine, await startable(candidates, pause), { reason: "it is not one of this host's" });
}

const isMissing = (error: unknown): error is BackendError =>
  typeof error === "object" && error !== null && "code" in error && error.code === "runtime-missing";

/** The engines that start, by starting each. */
export async function startable(
  candidates: readonly Candidate[],
  pause: () => Promise<void>,
): Promise<readonly TfjsEngine[]> {
  const found: TfjsEngine[] = [];
  for (const candidate of candidates) {
    const works = await start(candidate, pause).then(
      () => true,
      () => false,
    );
    if (works) found.push(candidate.engine);
  }
  return found;
}

async function start({ engine, load }: Candidate, pause: () => Promise<void>): Promise<Engine> {
  const tf = await load();
  const name = registeredName(engine);
  return lockOf(tf).run(async () => {
    if (tf.findBackendFactory(name) === null) throw new Error("TensorFlow.js has no such engine here");
    await forgetIfLost(tf, name, pause);
    // It resolves with false where the engine does not start.
    if (!(await (name === "wasm" ? startWasm(tf) : tf.setBackend(name)))) throw new Error("it does not start");
    requirePackage(tf, engine);
    return new Engine(tf, engine);
  });
}

/** Both packages of libtensorflow call their engine the same. */
function requirePackage(tf: Tensorflow, engine: TfjsEngine): void {
  if (engine !== "node" && engine !== "node-gpu") return;
  const { isGPUPackage = false } = tf.engine().backend as { readonly isGPUPackage?: boolean };
  if (isGPUPackage !== (engine === "node-gpu")) {
    throw new Error(`the runtime is @tensorflow/tfjs-node${isGPUPackage ? "-gpu" : ""}`);
  }
}

/** Registers an engine anew whose device is gone, so that the next one gets another device. */
async function forgetIfLost(tf: Tensorflow, name: string, pause: () => Promise<void>): Promise<void> {
  const device = name === "webgpu" ? webgpuDevice(tf) : undefined;
  const isLost = device === undefined ? contextIsLost(tf, name) : await Promise.race([lost(device.lost), pause()]);
  if (isLost !== true) return;
  const factory = tf.findBackendFactory(name);
  tf.removeBackend(name);
  tf.registerBackend(name, factory);
}

const lost = (promise: Promise<unknown>): Promise<true> => promise.then(() => true);

function contextIsLost(tf: Tensorflow, name: string): boolean {
  const backend = tf.engine().registry[name] as
    | { readonly gpgpu?: { readonly gl?: { isContextLost(): boolean } } }
    | undefined;
  return backend?.gpgpu?.gl?.isContextLost() ?? false;
}
