import { checkKeys, type Keys, type OpKind, precisions, Queue } from "@masklet/core/backend";
import type { InferenceSession } from "onnxruntime-common";
import { createBackend } from "./backend.ts";
import { deviceLost, deviceUnavailable, messageOf, runtimeMissing, wasmMissing } from "./errors.ts";
import { findAdapter, type GpuAdapter, isSoftware, maxTensorBytes, openDevice } from "./gpu.ts";
import { probeModel } from "./probe.ts";
import type { OrtBackend, OrtRuntime, OrtTuning } from "./runtime.ts";
import { sessionOptions } from "./session-options.ts";

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
   * Who computes attention: "fused" is one kernel of ONNX Runtime, "composed" products and a softmax, over blocks of
   * queries so that the scores have room. Default on WebGPU "fused", except on an adapter without a GPU, where that kernel
   * is wrong; on wasm "fused" up to 32 MiB of scores.
   */
  readonly attention?: "fused" | "composed";
  /**
   * Where the runtime's `.wasm` and `.mjs` lie: a URL prefix, or each one's URL, relative to the page. By default beside
   * the bundled script.
   */
  readonly wasmPaths?: string | { readonly wasm?: string | URL; readonly mjs?: string | URL };
  /** The `.wasm` itself: then nothing is fetched. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array;
}

/** ONNX Runtime for the web hangs where creates or runs overlap, also of different sessions: one at a time in the page. */
const pageLock = new Queue();

/** As its types have it where there are those of a page. */
type Device = InferenceSession.WebGpuExecutionProviderOption["device"];

/** Bytes of attention scores at a time: more gains nothing, and wasm's memory never shrinks. */
const SCORE_BYTES = 32 * 2 ** 20;

/** Workgroup storage that ONNX Runtime's flash attention takes for each channel of a head, in float32. */
const FLASH_BYTES_PER_CHANNEL = 128;

/**
 * ONNX Runtime in the browser. On WebGPU outputs stay on the device and feed other graphs from there. Nothing is fetched
 * from another origin unless `wasmPaths` says so.
 *
 * A WebGPU backend has a device of its own, with all that the adapter has to give. If the device is lost, everything
 * rejects with "device-lost" from then on; a backend made after that gets another.
 *
 * Rejects with a `BackendError`: "runtime-missing" if `onnxruntime-web` cannot be loaded or does not find its `.wasm` (the
 * message names `wasmPaths`), "device-unavailable" (with
 * `details.available`) for WebGPU without an adapter, or without WebAssembly SIMD, which both devices need.
 */
export async function createOrtBackend(options: OrtWebOptions = {}): Promise<OrtBackend> {
  checkKeys("createOrtBackend", options, webKeys);
  const { device = "auto" } = options;
  if (!hasSimd()) throw deviceUnavailable(device, [], { reason: "it needs WebAssembly with SIMD" });
  const adapter = device === "wasm" ? null : await findAdapter();
  if (device === "wasm" || (device === "auto" && adapter === null)) return createWasmBackend(options);
  if (device !== "webgpu" && device !== "auto") {
    throw deviceUnavailable(device, await availableDevices(), { reason: "it is not a device of the web" });
  }
  if (adapter === null) throw deviceUnavailable(device, ["wasm"], { reason: "there is no WebGPU adapter" });
  return await createGpuBackend(adapter, options);
}

async function createWasmBackend(options: OrtWebOptions): Promise<OrtBackend> {
  const { attention } = options;
  const ort = await setUp(options, () => import("onnxruntime-web/wasm"));
  const session = sessionOptions("wasm", options);
  // Tells now, not at the first model, that the runtime does not find its files.
  await pageLock
    .run(async () => (await ort.InferenceSession.create(probeModel(), session)).release())
    .catch((cause: unknown) => Promise.reject(wasmMissing(ort.env.wasm.wasmPaths, cause)));
  return createBackend({
    ort,
    target: "cpu",
    capabilities: {
      device: "wasm",
      deviceTensors: false,
      dtypes: precisions,
      fusedOps: fusedOps(attention !== "composed"),
    },
    attention: {
      // The kernel holds all scores at once, and counts a head's operations in 31 bits.
      fuses: ({ headWidth, scores, bytes }) =>
        attention === undefined ? bytes <= SCORE_BYTES && 2 * headWidth * scores < 2 ** 31 : attention === "fused",
      scoreBytes: SCORE_BYTES,
    },
    sessionOptions: session,
    lock: pageLock,
  });
}

async function createGpuBackend(adapter: GpuAdapter, options: OrtWebOptions): Promise<OrtBackend> {
  // Flash attention is wrong where a shader's subgroups are emulated.
  const { attention = isSoftware(adapter) ? "composed" : "fused" } = options;
  // The build with WebGPU is twice as large.
  const ort = await setUp(options, () => import("onnxruntime-web/webgpu"));
  const device = await openDevice(adapter);
  const { maxComputeWorkgroupStorageSize } = device.limits;
  const lost = new AbortController();
  void device.lost.then(({ reason, message }) => lost.abort(deviceLost(message || reason)));
  const onDevice: InferenceSession.SessionOptions = {
    ...sessionOptions("webgpu", options),
    executionProviders: [{ name: "webgpu", device: device as Device }],
    preferredOutputLocation: "gpu-buffer",
  };
  // What a session puts out cannot be freed once the last one on the device is gone: this one stays to the end.
  const anchor = await pageLock
    .run(() => ort.InferenceSession.create(probeModel(), onDevice))
    .catch((cause: unknown) => {
      device.destroy();
      if (isStart(cause)) throw wasmMissing(ort.env.wasm.wasmPaths, cause);
      throw deviceUnavailable("webgpu", ["wasm"], { reason: messageOf(cause), cause });
    });
  return createBackend({
    ort,
    target: "gpu",
    capabilities: {
      device: "webgpu",
      deviceTensors: true,
      dtypes: adapter.features.has("shader-f16") ? precisions : precisions.filter((dtype) => dtype !== "fp16"),
      fusedOps: fusedOps(attention === "fused"),
      maxTensorBytes: maxTensorBytes(device.limits),
    },
    attention: {
      fuses: ({ headWidth }) =>
        attention === "fused" && headWidth * FLASH_BYTES_PER_CHANNEL <= maxComputeWorkgroupStorageSize,
      scoreBytes: Math.min(SCORE_BYTES, maxTensorBytes(device.limits)),
    },
    sessionOptions: onDevice,
    lock: pageLock,
    lost: lost.signal,
    release: async () => {
      await pageLock.run(() => anchor.release());
      device.destroy();
    },
  });
}

/** Whether the runtime itself could not start: its files are not where it looks for them. */
function isStart(error: unknown): boolean {
  return /no available backend|initWasm|dynamically imported|failed to fetch|wasm.*(streaming|magic|compile)/i.test(
    messageOf(error),
  );
}

function fusedOps(attention: boolean): readonly OpKind[] {
  const others = ["quantizedLinear", "layerNormalization", "gelu", "conv2d", "resample2d"] as const;
  return attention ? ["attention", ...others] : others;
}

/** The devices that `createOrtBackend` would accept in this page. */
export async function availableDevices(): Promise<readonly OrtWebDevice[]> {
  if (!hasSimd()) return [];
  return (await findAdapter()) === null ? ["wasm"] : ["webgpu", "wasm"];
}

/** Asked first: after its own complaint ONNX Runtime cannot be started again. */
function hasSimd(): boolean {
  // A function that splats an i8x16 and counts its bits.
  const code = [10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  const module = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, ...code);
  const { WebAssembly } = globalThis as { readonly WebAssembly?: { validate(module: Uint8Array): boolean } };
  return WebAssembly?.validate(module) ?? false;
}

async function setUp(
  { ort: given, wasmPaths, wasmBinary, threads }: OrtWebOptions,
  load: () => Promise<OrtRuntime>,
): Promise<OrtRuntime> {
  const ort = given ?? (await loadRuntime(load));
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = absolutePaths(wasmPaths);
  if (wasmBinary !== undefined) ort.env.wasm.wasmBinary = wasmBinary;
  // Without shared memory there is one, and asking for more is answered on the console.
  if (threads !== undefined) ort.env.wasm.numThreads = typeof SharedArrayBuffer === "undefined" ? 1 : threads;
  return ort;
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

async function loadRuntime(load: () => Promise<OrtRuntime>): Promise<OrtRuntime> {
  try {
    const ort = await load();
    ort.env.logLevel = "error";
    return ort;
  } catch (error) {
    throw runtimeMissing(error, { name: "onnxruntime-web" });
  }
}

const webKeys: Keys<OrtWebOptions> = {
  ort: true,
  device: true,
  attention: true,
  wasmPaths: true,
  wasmBinary: true,
  threads: true,
  arena: true,
  memoryPattern: true,
  graphOptimization: true,
};
