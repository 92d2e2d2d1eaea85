import { BackendError } from "@masklet/core/backend";
import type * as WasmPackage from "@tensorflow/tfjs-backend-wasm";
import type { WasmOptions } from "./public.ts";
import type { Tensorflow } from "./runtime.ts";

/** Imports the wasm engine and starts it with the bytes, or from the place, that the options name. */
export async function setUpWasm(
  tf: Tensorflow,
  wasm: Pick<typeof WasmPackage, "setThreadsCount" | "setWasmPaths">,
  { wasmPaths, wasmBinary, threads }: WasmOptions,
): Promise<void> {
  if (tf.engine().registry["wasm"] !== undefined) return;
  if (threads !== undefined && threads > 1) wasm.setThreadsCount(threads);
  if ((threads ?? ownThreads()) === 1 || wasmBinary !== undefined) tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (wasmPaths !== undefined) wasm.setWasmPaths(typeof wasmPaths === "string" ? wasmPaths : { ...wasmPaths });
  if (wasmBinary === undefined) return;
  // A file that is none leaves the engine waiting for ever.
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { validate(bytes: ArrayBuffer | Uint8Array): boolean };
  };
  if (!WebAssembly.validate(wasmBinary)) {
    throw new BackendError("device-unavailable", "TensorFlow.js: wasmBinary is no wasm module that runs here");
  }
  const file = "masklet:tfjs-backend-wasm.wasm";
  wasm.setWasmPaths(
    {
      "tfjs-backend-wasm.wasm": file,
      "tfjs-backend-wasm-simd.wasm": file,
      "tfjs-backend-wasm-threaded-simd.wasm": file,
    },
    true,
  );
  // Through the platform's fetch and no URL, which a page's policy could refuse.
  const { platform } = tf.env();
  const original = platform.fetch.bind(platform);
  platform.fetch = async (path, init) => {
    return path === file ? new Response(wasmBinary as Uint8Array<ArrayBuffer>) : original(path, init);
  };
  try {
    await tf.setBackend("wasm");
  } finally {
    platform.fetch = original;
  }
}

/**
 * How many threads the engine takes by itself: half of the cores, four at most. Its build with threads starts eight workers
 * before it computes, which are nothing but time and memory where one of them works.
 */
function ownThreads(): number {
  const { navigator } = globalThis as { readonly navigator?: { readonly hardwareConcurrency?: number } };
  return Math.min(4, Math.max(1, Math.floor((navigator?.hardwareConcurrency ?? 1) / 2)));
}

/**
 * Starts the wasm engine: `tf.setBackend`, made safe for minified bundles.
 *
 * TensorFlow.js gives its threads the source of one of its functions, in a blob. The one variable that the function takes
 * from around it is undeclared there; under the name that a minifier gave it, the function throws, and the engine waits
 * for its threads for ever.
 */
export async function startWasm(tf: Tensorflow): Promise<boolean> {
  const { Blob } = globalThis;
  globalThis.Blob = class extends Blob {
    constructor(...[parts = [], options]: ConstructorParameters<typeof Blob>) {
      super(parts.map(declareOuter), options);
    }
  };
  try {
    return await tf.setBackend("wasm");
  } finally {
    globalThis.Blob = Blob;
  }
}

/** Properties keep their names: what a thread's script is, if there is no other, is the variable looked for. */
function declareOuter<T>(part: T): T | string {
  const outer = typeof part === "string" ? /mainScriptUrlOrBlob(?:"\])?\s*\|\|\s*([\w$]+)/.exec(part)?.[1] : undefined;
  return outer === undefined ? part : `var ${outer};${part}`;
}
