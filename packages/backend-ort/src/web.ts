import { createBackend } from "./backend.ts";
import { deviceUnavailable, runtimeMissing } from "./errors.ts";
import { Lock } from "./lock.ts";
import type { OrtBackend, OrtRuntime, OrtTuning } from "./runtime.ts";
import { sessionOptions } from "./session-options.ts";

export type { Profile, ProfiledNode } from "./profile.ts";
export type { OrtBackend, OrtExecutable, OrtRuntime, OrtTuning } from "./runtime.ts";

/** Devices of `onnxruntime-web`. */
export type OrtWebDevice = "webgpu" | "wasm";

export interface OrtWebOptions extends OrtTuning {
  /**
   * `onnxruntime-web` (for WebGPU `onnxruntime-web/webgpu`), imported whole; imported when it is needed by default. Its
   * `env` is set when the backend is made, and cannot be changed once a model is compiled.
   */
  readonly ort?: OrtRuntime;
  /** Default "webgpu" where there is an adapter, else "wasm". */
  readonly device?: OrtWebDevice;
  /**
   * Where the runtime's `.wasm` and `.mjs` lie: a URL prefix, or each one's URL, relative to the page. By default beside
   * the bundled script.
   */
  readonly wasmPaths?: string | { readonly wasm?: string | URL; readonly mjs?: string | URL };
  /** The `.wasm` itself: then nothing is fetched. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array;
}

/** ONNX Runtime for the web hangs where creates or runs overlap, also of different sessions: one at a time in the page. */
const pageLock = new Lock();

/** The part of WebGPU's types that is needed here. */
interface Adapter {
  readonly limits: { readonly maxStorageBufferBindingSize: number };
}
interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

/**
 * ONNX Runtime in the browser. On WebGPU outputs stay on the device and feed other graphs from there. Nothing is fetched
 * from another origin unless `wasmPaths` says so.
 *
 * Rejects with a `BackendError`: "runtime-missing" if `onnxruntime-web` cannot be loaded, "device-unavailable" (with
 * `details.available`) for WebGPU without an adapter.
 */
export async function createOrtBackend(options: OrtWebOptions = {}): Promise<OrtBackend> {
  const adapter = options.device === "wasm" ? null : await findAdapter();
  const device = options.device ?? (adapter === null ? "wasm" : "webgpu");
  if (device !== "wasm" && (device !== "webgpu" || adapter === null)) {
    const reason = device === "webgpu" ? "there is no WebGPU adapter" : "it is not a device of the web";
    throw deviceUnavailable(device, await availableDevices(), { reason });
  }
  const ort = options.ort ?? (await loadRuntime(device));
  const { wasmPaths, wasmBinary, threads } = options;
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = absolutePaths(wasmPaths);
  if (wasmBinary !== undefined) ort.env.wasm.wasmBinary = wasmBinary;
  if (threads !== undefined) ort.env.wasm.numThreads = threads;
  const onGpu = device === "webgpu";
  return createBackend({
    ort,
    target: onGpu ? "gpu" : "cpu",
    capabilities: {
      device,
      deviceTensors: onGpu,
      dtypes: ["fp32", "q8", "q4"],
      fusedOps: ["quantizedLinear", "attention", "layerNormalization", "gelu", "conv2d", "resample2d"],
      ...(adapter !== null && { maxTensorBytes: adapter.limits.maxStorageBufferBindingSize }),
    },
    sessionOptions: {
      ...sessionOptions(device, options),
      ...(onGpu && { preferredOutputLocation: "gpu-buffer" }),
    },
    lock: pageLock,
  });
}

type WasmPaths = NonNullable<OrtWebOptions["wasmPaths"]>;

/** The runtime imports the `.mjs`: Vite's development server rewrites, and then refuses, imports of other than whole URLs. */
function absolutePaths(paths: WasmPaths): WasmPaths {
  if (typeof paths === "string") return absolute(paths);
  return Object.fromEntries(Object.entries(paths).map(([file, path]) => [file, absolute(path)]));
}

function absolute(path: string | URL): string {
  const { document, location } = globalThis as {
    readonly document?: { readonly baseURI: string };
    readonly location?: { readonly href: string };
  };
  try {
    return new URL(path, document?.baseURI ?? location?.href).href;
  } catch {
    return String(path); // a worker from a blob has no address
  }
}

/** The devices that `createOrtBackend` would accept in this page. */
export async function availableDevices(): Promise<readonly OrtWebDevice[]> {
  return (await findAdapter()) === null ? ["wasm"] : ["webgpu", "wasm"];
}

async function findAdapter(): Promise<Adapter | null> {
  const { navigator } = globalThis as { readonly navigator?: { readonly gpu?: Gpu } };
  try {
    return (await navigator?.gpu?.requestAdapter()) ?? null;
  } catch {
    return null;
  }
}

async function loadRuntime(device: OrtWebDevice): Promise<OrtRuntime> {
  try {
    // The build with WebGPU is twice as large.
    const ort = device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
    ort.env.logLevel = "error";
    return ort;
  } catch (error) {
    throw runtimeMissing("onnxruntime-web", error);
  }
}
