/** For those who write a backend, or work on graphs: the contract, the graphs and what backends share. */
export { Abort, type AbortSignalLike, abortable } from "../abort.ts";
export { bytesSource } from "../checkpoint/byte-source.ts";
export { toFloat16, toFloat32 } from "../checkpoint/convert.ts";
export type { WeightEntry, WeightStore } from "../checkpoint/weight-store.ts";
export {
  BackendError,
  CheckpointError,
  DetectorError,
  GraphError,
  MaskletError,
  type MaskletErrorOptions,
} from "../errors.ts";
export { freeAll } from "../free.ts";
export { GraphBuilder } from "../graph/builder.ts";
export { type GraphCost, graphCost } from "../graph/cost.ts";
export {
  addDims,
  bindDim,
  broadcastDims,
  type Dim,
  type DimBindings,
  dimNames,
  divDims,
  formatDims,
  isOptional,
  mulDims,
  sizeOf,
} from "../graph/dim.ts";
export { bindFeeds, checkOutputs, signatureOf } from "../graph/feeds.ts";
export type { AnyOpNode, Graph, OpNode, OpValue, Value, ValueSource, ValueType } from "../graph/graph.ts";
export { liveness, neededFor } from "../graph/liveness.ts";
export type { Attributes, Inputs, OpKind, Ops, OpTable, ValueDType, WeightBits } from "../graph/ops.ts";
export {
  type Initializer,
  loadInitializers,
  type PreparedGraph,
  type PrepareOptions,
  prepareGraph,
} from "../graph/prepare.ts";
export { printGraph } from "../graph/print.ts";
export { type QuantizedWeight, quantizeWeight, WEIGHT_BLOCK } from "../graph/quantize.ts";
export { validateGraph } from "../graph/validate.ts";
export { checkImage } from "../image/image.ts";
export { imageNet } from "../image/preprocess.ts";
export { type LinearTaps, linearTaps, resizeBilinear, resizeImageAntialiased } from "../image/resize.ts";
export {
  attentionGraph,
  type GraphName,
  graphBuilders,
  imageEncoderGraph,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
} from "../model/graphs.ts";
export { checkInventory } from "../model/inventory.ts";
export { type Precision, type PrecisionOptions, precisions, withPrecision } from "../model/precision.ts";
export {
  checkAwaited,
  checkChoice,
  checkInteger,
  checkKeys,
  checkOption,
  type Keys,
  signalKeys,
} from "../options.ts";
export { clipBox } from "../predict/detector.ts";
export { Queue } from "../queue.ts";
export { byteSize, type DType, type TensorData } from "../tensor/dtype.ts";
export { type DeviceTensor, elementCount, float32, type HostTensor, int32, type Tensor } from "../tensor/tensor.ts";
export type {
  Backend,
  Capabilities,
  CompileOptions,
  Executable,
  RunOptions,
  Signature,
  SignatureEntry,
} from "./backend.ts";
export { backendContract } from "./contract.ts";
export { checkHostTensor, DeviceTensors, disposeAll, RuntimeTensor } from "./device-tensors.ts";
export { evaluateNode, type ResolvedNode, resolveNode } from "./reference-kernels.ts";
