import { setImmediate } from "node:timers/promises";
import util from "node:util";
import { checkKeys, type Keys } from "@masklet/core/backend";
import {
  createRemoveBackground,
  createSegment,
  type ImageSource,
  type RemoveBackground,
  type Segment,
  type SegmentModelSource,
} from "@masklet/core/node";
import { createBackend } from "./backend.ts";
import { runtimeMissing } from "./errors.ts";
import type { TfjsBackend, TfRuntime, WasmOptions } from "./public.ts";
import { asTensorflow, type Tensorflow } from "./runtime.ts";
import { type Candidate, startable, startEngine } from "./start.ts";
import { setUpWasm } from "./wasm.ts";

export type { TfjsBackend, TfRuntime, WasmFile, WasmOptions } from "./public.ts";

/** Engines of TensorFlow.js in Node. "node-gpu" and "node" are libtensorflow, whose packages you install yourself. */
export type TfjsNodeEngine = "node-gpu" | "node" | "wasm" | "cpu";

export interface TfjsNodeOptions extends Pick<WasmOptions, "wasmBinary"> {
  /**
   * TensorFlow.js, imported whole, with the engine registered; imported when it is needed by default. It is shared: its
   * current engine changes when the backend computes.
   */
  readonly tf?: TfRuntime;
  /** Default: the first of "node-gpu", "node", "wasm", "cpu" that starts. */
  readonly engine?: TfjsNodeEngine;
}

/**
 * TensorFlow.js in Node.
 *
 * Operations block the event loop while they compute; between them others get a turn, and an abort takes effect.
 *
 * Rejects with a `BackendError`: "runtime-missing" if the package of `engine` cannot be loaded, "device-unavailable"
 * (with `details.available`) if it does not start.
 */
export async function createTfjsBackend(options: TfjsNodeOptions = {}): Promise<TfjsBackend> {
  checkKeys("createTfjsBackend", options, nodeKeys);
  const { engine } = options;
  const started = await startEngine({ candidates: candidates(options), engine, pause });
  return createBackend(started, pause);
}

/** The engines that `createTfjsBackend` would accept on this machine, by starting each. */
export async function availableEngines(options: Pick<TfjsNodeOptions, "tf"> = {}): Promise<readonly TfjsNodeEngine[]> {
  checkKeys("availableEngines", options, { tf: true });
  return (await startable(candidates(options), pause)) as readonly TfjsNodeEngine[];
}

const pause = (): Promise<void> => setImmediate();

function candidates({ tf, wasmBinary }: TfjsNodeOptions): readonly Candidate[] {
  const own = async (load: () => Promise<Tensorflow>): Promise<Tensorflow> =>
    tf === undefined ? await load() : asTensorflow(tf);
  const native = (name: string) => (): Promise<Tensorflow> => {
    restoreIsNullOrUndefined();
    return own(() => load(name));
  };
  return [
    { engine: "node-gpu", load: native("@tensorflow/tfjs-node-gpu") },
    { engine: "node", load: native("@tensorflow/tfjs-node") },
    {
      engine: "wasm",
      load: () =>
        own(async () => {
          const core = await load("@tensorflow/tfjs-core");
          const wasm = await import("@tensorflow/tfjs-backend-wasm").catch((cause: unknown) => {
            throw runtimeMissing("@tensorflow/tfjs-backend-wasm", cause);
          });
          await setUpWasm(core, wasm, { ...(wasmBinary && { wasmBinary }) });
          return core;
        }),
    },
    {
      engine: "cpu",
      load: () =>
        own(async () => {
          const core = await load("@tensorflow/tfjs-core");
          await load("@tensorflow/tfjs-backend-cpu");
          return core;
        }),
    },
  ];
}

/** Imports a package by name: the type checker need not find those that only some install. */
async function load(name: string): Promise<Tensorflow> {
  try {
    return (await import(name)) as Tensorflow;
  } catch (cause) {
    throw runtimeMissing(name, cause);
  }
}

/** `@tensorflow/tfjs-node` 4.22 calls a function that Node 23 removed. */
function restoreIsNullOrUndefined(): void {
  if ("isNullOrUndefined" in util) return;
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined });
}

const nodeKeys: Keys<TfjsNodeOptions> = { tf: true, engine: true, wasmBinary: true };
/**
 * One object of an image in one call, on the first engine that starts unless another `backend` is given. Images are
 * what `readImage` of `@masklet/core/node` opens: a path, an address, bytes, pixels. Files are bytes.
 *
 *     const found = await segment("photo.jpg", { points: [[581, 532]] });
 *     await found.cutout();
 */
export const segment: Segment<ImageSource, Uint8Array, SegmentModelSource> = /* @__PURE__ */ createSegment({
  createBackend: () => createTfjsBackend(),
  nano: async () => (await import("@masklet/model-nano")).nanoModel,
});

/**
 * What an image is about, cut out in one call: by colour on a flat background, else with the model that `segment` keeps,
 * whose options it shares.
 *
 *     const { cutout, sure } = await removeBackground("photo.jpg");
 */
export const removeBackground: RemoveBackground<ImageSource, Uint8Array, SegmentModelSource> =
  /* @__PURE__ */ createRemoveBackground(segment);
