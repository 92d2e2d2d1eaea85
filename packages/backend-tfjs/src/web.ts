import { checkKeys, type Keys } from "@masklet/core/backend";
import {
  createRemoveBackground,
  createSegment,
  type RemoveBackground,
  type Segment,
  type WebImageSource,
  type WebModelSource,
} from "@masklet/core/web";
import { createBackend } from "./backend.ts";
import { runtimeMissing } from "./errors.ts";
import type { TfjsBackend, TfRuntime, WasmOptions } from "./public.ts";
import { asTensorflow, type Tensorflow } from "./runtime.ts";
import { type Candidate, startable, startEngine } from "./start.ts";
import { setUpWasm } from "./wasm.ts";

export type { TfjsBackend, TfRuntime, WasmFile, WasmOptions } from "./public.ts";

/** Engines of TensorFlow.js in a browser. */
export type TfjsWebEngine = "webgpu" | "webgl" | "wasm" | "cpu";

export interface TfjsWebOptions extends WasmOptions {
  /**
   * TensorFlow.js, imported whole, with the engine registered; imported when it is needed by default. It is shared: its
   * current engine changes when the backend computes.
   */
  readonly tf?: TfRuntime;
  /** Default: the first of "webgpu", "webgl" (where it has float32), "wasm", "cpu" that starts. */
  readonly engine?: TfjsWebEngine;
}

/**
 * TensorFlow.js in the browser. Outputs stay on the device and feed other graphs from there. Nothing is fetched from
 * another origin unless `wasmPaths` says so.
 *
 * Rejects with a `BackendError`: "runtime-missing" if the package of `engine` cannot be loaded, "device-unavailable"
 * (with `details.available`) if it does not start. A backend whose device is lost rejects with "device-lost" from then
 * on; one made after that gets a new device.
 */
export async function createTfjsBackend(options: TfjsWebOptions = {}): Promise<TfjsBackend> {
  checkKeys("createTfjsBackend", options, webKeys);
  const { engine } = options;
  const started = await startEngine({ candidates: candidates(options), engine, pause });
  return createBackend(started, pause);
}

/** The engines that `createTfjsBackend` would accept in this page, by starting each. */
export async function availableEngines(
  options: Omit<TfjsWebOptions, "engine"> = {},
): Promise<readonly TfjsWebEngine[]> {
  const { engine: _, ...known } = webKeys;
  checkKeys("availableEngines", options, known);
  return (await startable(candidates(options), pause)) as readonly TfjsWebEngine[];
}

/** A turn for other events; timers would wait milliseconds, in a page that is not seen a second. */
function pause(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

function candidates({ tf, engine, ...wasmOptions }: TfjsWebOptions): readonly Candidate[] {
  const core = (): Promise<Tensorflow> => load("@tensorflow/tfjs-core", () => import("@tensorflow/tfjs-core"));
  return [
    {
      engine: "webgpu",
      load: async () => {
        // Asked first: the engine's own complaint goes to the console.
        if (!(await hasAdapter())) throw new Error("there is no WebGPU adapter");
        if (tf !== undefined) return asTensorflow(tf);
        const name = "@tensorflow/tfjs-backend-webgpu";
        await load(name, () => import("@tensorflow/tfjs-backend-webgpu"));
        return core();
      },
    },
    {
      engine: "webgl",
      load: async () => {
        if (tf === undefined) {
          await load("@tensorflow/tfjs-backend-webgl", () => import("@tensorflow/tfjs-backend-webgl"));
        }
        const runtime = tf === undefined ? await core() : asTensorflow(tf);
        const env = runtime.env();
        if (env.getNumber("WEBGL_VERSION") === 0) throw new Error("there is no WebGL");
        if (engine === undefined && !env.getBool("WEBGL_RENDER_FLOAT32_CAPABLE")) {
          throw new Error("its WebGL computes in float16");
        }
        return runtime;
      },
    },
    {
      engine: "wasm",
      load: async () => {
        if (tf !== undefined) return asTensorflow(tf);
        const name = "@tensorflow/tfjs-backend-wasm";
        const [runtime, wasm] = await Promise.all([core(), load(name, () => import("@tensorflow/tfjs-backend-wasm"))]);
        await setUpWasm(runtime, wasm, wasmOptions);
        return runtime;
      },
    },
    {
      engine: "cpu",
      load: async () => {
        if (tf !== undefined) return asTensorflow(tf);
        await load("@tensorflow/tfjs-backend-cpu", () => import("@tensorflow/tfjs-backend-cpu"));
        return core();
      },
    },
  ];
}

async function load<T>(name: string, importing: () => Promise<T>): Promise<T> {
  try {
    return await importing();
  } catch (cause) {
    throw runtimeMissing(name, cause);
  }
}

/** The part of WebGPU's types that is needed here. */
interface Gpu {
  requestAdapter(): Promise<object | null>;
}

async function hasAdapter(): Promise<boolean> {
  const { navigator } = globalThis as { readonly navigator?: { readonly gpu?: Gpu } };
  try {
    return ((await navigator?.gpu?.requestAdapter()) ?? null) !== null;
  } catch {
    return false;
  }
}

const webKeys: Keys<TfjsWebOptions> = { tf: true, engine: true, wasmPaths: true, wasmBinary: true, threads: true };
/**
 * One object of an image in one call, on the first engine that starts unless another `backend` is given. Images are
 * what `imageFrom` of `@masklet/core/web` opens: an element, a Blob, an address, pixels. Files are Blobs.
 *
 *     const found = await segment(document.querySelector("img"), { points: [[581, 532]] });
 *     await found.cutout();
 */
export const segment: Segment<WebImageSource, Blob, WebModelSource> = /* @__PURE__ */ createSegment({
  createBackend: () => createTfjsBackend(),
  nano: async () => (await import("@masklet/model-nano")).nanoModel,
});

/**
 * What an image is about, cut out in one call: by colour on a flat background, else with the model that `segment` keeps,
 * whose options it shares.
 *
 *     const { cutout, sure } = await removeBackground(document.querySelector("img"));
 */
export const removeBackground: RemoveBackground<WebImageSource, Blob, WebModelSource> =
  /* @__PURE__ */ createRemoveBackground(segment);
