/** What the declarations of the entries say: without TensorFlow.js's types, which compile with `skipLibCheck` alone. */
import type { Backend } from "@masklet/core/backend";

/**
 * What the backend uses of TensorFlow.js, by name. `@tensorflow/tfjs-core`, `@tensorflow/tfjs`, `@tensorflow/tfjs-node` and
 * `@tensorflow/tfjs-node-gpu`, imported whole, all fit.
 */
export type TfRuntime = { readonly [F in TfFunction]: (...args: never[]) => unknown } & {
  readonly fused: object;
  readonly image: object;
};

type TfFunction =
  | "add"
  | "batchNorm"
  | "cast"
  | "clone"
  | "concat"
  | "cos"
  | "div"
  | "engine"
  | "env"
  | "equal"
  | "erf"
  | "findBackend"
  | "findBackendFactory"
  | "floor"
  | "floorDiv"
  | "gather"
  | "getBackend"
  | "getKernel"
  | "greater"
  | "matMul"
  | "maxPool"
  | "maximum"
  | "mean"
  | "memory"
  | "minimum"
  | "mul"
  | "notEqual"
  | "pad"
  | "registerBackend"
  | "registerKernel"
  | "relu"
  | "removeBackend"
  | "reshape"
  | "rsqrt"
  | "scalar"
  | "setBackend"
  | "sigmoid"
  | "sin"
  | "slice"
  | "softmax"
  | "sqrt"
  | "square"
  | "squaredDifference"
  | "sub"
  | "tensor"
  | "tidy"
  | "tile"
  | "transpose"
  | "where"
  | "zeros";

/** The engines of TensorFlow.js. "node" and "node-gpu" are libtensorflow. */
export type TfjsEngine = "webgpu" | "webgl" | "wasm" | "cpu" | "node-gpu" | "node";

/** The TensorFlow.js backend. */
export interface TfjsBackend extends Backend {
  /** Device tensors that were made and not disposed of yet. */
  readonly liveTensors: number;
}

/** The files of the wasm engine: without SIMD, with it, and with threads too. */
export type WasmFile =
  | "tfjs-backend-wasm.wasm"
  | "tfjs-backend-wasm-simd.wasm"
  | "tfjs-backend-wasm-threaded-simd.wasm";

/** Settings of the wasm engine, which count before it is started for the first time. */
export interface WasmOptions {
  /** Where the engine's files lie: a URL prefix, or each one's URL. By default beside the script. */
  readonly wasmPaths?: string | { readonly [F in WasmFile]: string };
  /** One of the two files without threads, as bytes: then nothing is fetched. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array;
  /** Threads that share the work of one operation; more than one needs a cross-origin isolated page. */
  readonly threads?: number;
}
