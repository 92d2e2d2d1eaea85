import type { Backend } from "@masklet/core/backend";

type Tfjs = typeof import("@tensorflow/tfjs-core");

/**
 * What the backend uses of TensorFlow.js. `@tensorflow/tfjs-core`, `@tensorflow/tfjs`, `@tensorflow/tfjs-node` and
 * `@tensorflow/tfjs-node-gpu`, imported whole, all fit.
 */
export type TfRuntime = Pick<
  Tfjs,
  | "engine"
  | "env"
  | "findBackend"
  | "findBackendFactory"
  | "getBackend"
  | "getKernel"
  | "memory"
  | "registerBackend"
  | "registerKernel"
  | "removeBackend"
  | "setBackend"
  | "tidy"
> &
  TfOps;

/** The operations that the kernels are made of. */
export type TfOps = Pick<
  Tfjs,
  | "add"
  | "batchNorm"
  | "cast"
  | "clone"
  | "concat"
  | "div"
  | "equal"
  | "erf"
  | "floor"
  | "floorDiv"
  | "fused"
  | "gather"
  | "greater"
  | "image"
  | "matMul"
  | "maximum"
  | "maxPool"
  | "mean"
  | "minimum"
  | "mul"
  | "notEqual"
  | "pad"
  | "relu"
  | "reshape"
  | "rsqrt"
  | "scalar"
  | "sigmoid"
  | "sin"
  | "cos"
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
  | "zeros"
>;

/** The engines of TensorFlow.js. "node" and "node-gpu" are libtensorflow. */
export type TfjsEngine = "webgpu" | "webgl" | "wasm" | "cpu" | "node-gpu" | "node";

/** The TensorFlow.js backend. */
export interface TfjsBackend extends Backend {
  /** Device tensors that were made and not disposed of yet. */
  readonly liveTensors: number;
}
