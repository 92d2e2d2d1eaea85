export type { AbortSignalLike } from "./abort.ts";
export { abortable } from "./abort.ts";
export type {
  Backend,
  Capabilities,
  CompileOptions,
  Executable,
  RunOptions,
  Signature,
  SignatureEntry,
} from "./backend/backend.ts";
export { checkHostTensor, DeviceTensors, disposeAll, RuntimeTensor } from "./backend/device-tensors.ts";
export { type ResolvedNode, resolveNode } from "./backend/reference-kernels.ts";
export { type ByteSource, bytesSource } from "./checkpoint/byte-source.ts";
export { toFloat16 } from "./checkpoint/convert.ts";
export { identify, openCheckpoint } from "./checkpoint/load.ts";
export { readSafetensors, writeSafetensors } from "./checkpoint/safetensors.ts";
export type { WeightEntry, WeightStore } from "./checkpoint/weight-store.ts";
export {
  BackendError,
  CheckpointError,
  DownloadError,
  FrameError,
  FrameForgottenError,
  GraphError,
  ImageError,
  MaskError,
  MaskletError,
  type MaskletErrorOptions,
  PromptError,
  RemoteError,
  StateError,
  VideoError,
} from "./errors.ts";
export {
  boundaryF,
  type EvaluateOptions,
  evaluateLabels,
  evaluateMasklet,
  type LabelMap,
  type LabelsScore,
  type MaskletScore,
  objectMask,
} from "./eval/masklets.ts";
export { GraphBuilder } from "./graph/builder.ts";
export { type GraphCost, graphCost } from "./graph/cost.ts";
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
} from "./graph/dim.ts";
export { bindFeeds, checkOutputs, signatureOf } from "./graph/feeds.ts";
export type { AnyOpNode, Graph, OpNode, OpValue, Value, ValueSource, ValueType } from "./graph/graph.ts";
export { liveness, neededFor } from "./graph/liveness.ts";
export type { Attributes, Inputs, OpKind, Ops, OpTable, ValueDType, WeightBits } from "./graph/ops.ts";
export { type Initializer, type PreparedGraph, type PrepareOptions, prepareGraph } from "./graph/prepare.ts";
export { printGraph } from "./graph/print.ts";
export { type QuantizedWeight, quantizeWeight, WEIGHT_BLOCK } from "./graph/quantize.ts";
export { validateGraph } from "./graph/validate.ts";
export {
  defaultMaxPixels,
  flatten,
  type ImageLimits,
  type RawImage,
  type Rgb,
  type Size,
} from "./image/image.ts";
export { removeSmallRegions, type SmallRegionOptions } from "./mask/components.ts";
export { type Cutout, type CutoutOptions, cutout } from "./mask/cutout.ts";
export { applyEffect, type Effect, type EffectName, effectNames } from "./mask/effects.ts";
export { type Box, type Mask, maskArea, maskBox, maskIou } from "./mask/mask.ts";
export { type OverlayObject, type OverlayOptions, overlay } from "./mask/overlay.ts";
export { paletteColour } from "./mask/palette.ts";
export { cocoPolygons, maskRegions, type PolygonOptions, type Region, type Ring, rasterise } from "./mask/polygon.ts";
export {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  type Rle,
  rleArea,
  rleBox,
} from "./mask/rle.ts";
export { type SvgObject, svgDocument, svgPath } from "./mask/svg.ts";
export {
  type DecoderConfig,
  type EncoderConfig,
  type EncoderConfigs,
  type EncoderKind,
  isPresetName,
  type MemoryConfig,
  type MemoryConfigs,
  type MemoryKind,
  type PresetName,
  parseConfig,
  presets,
  type Sam2Config,
} from "./model/config.ts";
export type { FeaturePyramidConfig } from "./model/feature-pyramid.ts";
export type { FullMemoryConfig } from "./model/full-memory.ts";
export { type Geometry, geometry, type TokenMap } from "./model/geometry.ts";
export {
  type GraphName,
  imageEncoderGraph,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
} from "./model/graphs.ts";
export type { HieraConfig } from "./model/hiera.ts";
export { checkInventory } from "./model/inventory.ts";
export { type Precision, type PrecisionOptions, precisions, withPrecision } from "./model/precision.ts";
export type { MemorySizes } from "./model/video-memory.ts";
export { type CachedImageOptions, EmbeddingCache, type EmbeddingCacheOptions } from "./predict/image-embedding.ts";
export {
  type ImagePrediction,
  ImagePredictor,
  type ImagePredictorOptions,
  type PredictOptions,
  type RefineOptions,
  type SetImageOptions,
} from "./predict/image-predictor.ts";
export { type ImageJob, type ImageJobResult, type SegmentManyOptions, segmentMany } from "./predict/segment-many.ts";
export { type Label, type MaskLogits, maskPrompt, type Point, type Prompt, type PromptBox } from "./prompt/prompt.ts";
export { Queue } from "./queue.ts";
export { type LoadOptions, type LoadProgress, Sam2 } from "./sam2.ts";
export { byteSize, type DType, type TensorData } from "./tensor/dtype.ts";
export { type DeviceTensor, elementCount, float32, type HostTensor, int32, type Tensor } from "./tensor/tensor.ts";
export type { FrameResult, VideoObject } from "./video/frame-result.ts";
export {
  type FrameOptions,
  type FrameSource,
  type FramesFromOptions,
  framesFrom,
  type IteratedFrames,
} from "./video/frame-source.ts";
export { labelMap } from "./video/label-map.ts";
export type { FrameHistory, MemoryEstimate } from "./video/memory-bank.ts";
export type { VideoOptions } from "./video/options.ts";
export {
  type MaskletFrame,
  type MaskletObject,
  MaskletRecorder,
  type MaskletRecorderOptions,
  parseSav,
  type SavAnnotation,
  type SavOptions,
  savFrames,
} from "./video/sav.ts";
export { type PushOptions, StreamSession } from "./video/stream-session.ts";
export { VideoPredictor } from "./video/video-predictor.ts";
export {
  type ObjectMask,
  type ObjectPrompt,
  type OnFrame,
  type PropagateOptions,
  type RemoveOptions,
  type SignalOption,
  VideoSession,
} from "./video/video-session.ts";
