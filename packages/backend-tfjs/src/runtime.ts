/** TensorFlow.js as its own types have it: for the inside alone, as few compile them without `skipLibCheck`. */
import type { TfRuntime } from "./public.ts";

type Tfjs = typeof import("@tensorflow/tfjs-core");

/** What the backend uses of TensorFlow.js. */
export type Tensorflow = Pick<Tfjs, keyof TfRuntime>;

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

/** What was handed over, as what it is. */
export const asTensorflow = (tf: TfRuntime): Tensorflow => tf as unknown as Tensorflow;
