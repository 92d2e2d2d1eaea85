export type { AbortSignalLike } from "./abort.ts";
export type { Backend, Capabilities } from "./backend/backend.ts";
export { type ByteSource, bytesSource } from "./checkpoint/byte-source.ts";
export { identify, openCheckpoint } from "./checkpoint/load.ts";
export { readSafetensors, writeSafetensors } from "./checkpoint/safetensors.ts";
export { decodeUtf8, encodeUtf8 } from "./checkpoint/utf8.ts";
export type { WeightEntry, WeightStore } from "./checkpoint/weight-store.ts";
export {
  BackendError,
  type BackendErrorCode,
  CheckpointError,
  type CheckpointErrorCode,
  DetectorError,
  type DetectorErrorCode,
  DownloadError,
  type DownloadErrorCode,
  FrameError,
  type FrameErrorCode,
  FrameForgottenError,
  GraphError,
  type GraphErrorCode,
  ImageError,
  type ImageErrorCode,
  MaskError,
  type MaskErrorCode,
  MaskletError,
  type MaskletErrorOptions,
  PromptError,
  type PromptErrorCode,
  RemoteError,
  type RemoteErrorCode,
  StateError,
  type StateErrorCode,
  VideoError,
  type VideoErrorCode,
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
export {
  defaultMaxPixels,
  flatten,
  type ImageLimits,
  type ImageWarning,
  type RawImage,
  type Rgb,
  type Size,
} from "./image/image.ts";
export {
  type ChunkType,
  type DecodePngOptions,
  encodeChunks,
  isPng,
  openPng,
  type PackedPng,
  type PngKind,
  type PngSamples,
  type Zlib,
} from "./image/png.ts";
export { type MaskLabels, type MaskTree, type MaskTreeOptions, maskLabels, maskTree } from "./mask/arrange.ts";
export {
  fillMaskHoles,
  type RegionOptions,
  removeMaskSpecks,
  removeSmallRegions,
  type SmallRegionOptions,
  splitMask,
} from "./mask/components.ts";
export { type Cutout, type CutoutOptions, cutout } from "./mask/cutout.ts";
export { type DecontaminateOptions, decontaminate } from "./mask/decontaminate.ts";
export { applyEffect, type Effect, type EffectName, effectNames } from "./mask/effects.ts";
export { davisPalette, decodeLabelPng, encodeLabelPng } from "./mask/label-png.ts";
export { type Box, type Mask, maskArea, maskBox, maskIou } from "./mask/mask.ts";
export type { MaskPicture } from "./mask/mask-picture.ts";
export { type MatteOptions, matteCutout } from "./mask/matte.ts";
export { growMask, smoothMask } from "./mask/morphology.ts";
export { type OverlayObject, type OverlayOptions, overlay } from "./mask/overlay.ts";
export { paletteColour } from "./mask/palette.ts";
export {
  cocoPolygons,
  maskRegions,
  type PolygonOptions,
  type Region,
  type Ring,
  rasterise,
  ringArea,
  simplifyRing,
} from "./mask/polygon.ts";
export {
  type CompressedRle,
  combineRle,
  compressRle,
  decodeRle,
  decodeRleAt,
  decompressRle,
  encodeRle,
  encodeRleAt,
  type Rle,
  type RleOperation,
  rleArea,
  rleBox,
  rleIntersection,
} from "./mask/rle.ts";
export { ringRle, strokeRle } from "./mask/stroke.ts";
export { type SvgObject, svgDocument, svgPath } from "./mask/svg.ts";
export {
  type DecoderConfig,
  type EfficientTamPresetName,
  type EncoderConfig,
  type EncoderConfigs,
  type EncoderKind,
  type HieraPresetName,
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
export type { GraphName } from "./model/graphs.ts";
export type { HieraConfig } from "./model/hiera.ts";
export type { FeatureLevels } from "./model/image-encoder.ts";
export type { PerceiverMemoryConfig } from "./model/perceiver-memory.ts";
export type { PooledMemoryConfig } from "./model/pooled-memory.ts";
export { type Precision, precisions } from "./model/precision.ts";
export { presetParameters, presetsByQuality } from "./model/preset-rank.ts";
export { type PublishedModel, presetNamed, published } from "./model/published.ts";
export type { RepVitConfig } from "./model/repvit.ts";
export type { MemorySizes } from "./model/video-memory.ts";
export type { VitConfig } from "./model/vit.ts";
export {
  type AutomaticMask,
  AutomaticMaskGenerator,
  type AutomaticMaskOptions,
  type AutomaticMaskProgress,
  type AutomaticMaskStep,
  type GenerateOptions,
} from "./predict/automatic-masks.ts";
export {
  type Detection,
  type DetectionPipeline,
  type DetectOptions,
  type Detector,
  type PipelineDetectorOptions,
  pipelineDetector,
} from "./predict/detector.ts";
export type { ImagePrediction } from "./predict/finish.ts";
export {
  type CachedImageOptions,
  type EmbeddingCache,
  MemoryEmbeddingCache,
  type MemoryEmbeddingCacheOptions,
} from "./predict/image-embedding.ts";
export {
  ImagePredictor,
  type ImagePredictorOptions,
  type PredictOptions,
  type RefineOptions,
  type SetImageOptions,
} from "./predict/image-predictor.ts";
export type { ImageReader } from "./predict/image-reader.ts";
export type { ImageSegmenter } from "./predict/image-segmenter.ts";
export {
  type LoadedFacts,
  type ModelOptions,
  type Segment,
  type SegmentModel,
  type SegmentOptions,
  SegmentResult,
} from "./predict/segment.ts";
export { type ImageJob, type ImageJobResult, type SegmentManyOptions, segmentMany } from "./predict/segment-many.ts";
export type { DownloadStage, LoadProgress, LoadStage, Progress } from "./progress.ts";
export { type Label, type MaskLogits, maskPrompt, type Point, type Prompt, type PromptBox } from "./prompt/prompt.ts";
export { type LoadOptions, loadSam2, Sam2 } from "./sam2.ts";
export { AutomaticSubjectFinder, type AutomaticSubjectOptions } from "./subject/automatic-subject.ts";
export { cutFromFlatBackground, type FlatBackgroundOptions, type FlatCutout } from "./subject/flat-background.ts";
export { BackgroundRemoval, type RemoveBackground, type RemoveBackgroundOptions } from "./subject/one-call.ts";
export {
  type BackgroundOptions,
  BackgroundRemover,
  type Foreground,
  type OutlinedSubject,
  type OutlineOptions,
  outlineSubject,
  softCutout,
} from "./subject/remove-background.ts";
export {
  type FoundSubject,
  type SoftMask,
  type SubjectDoubt,
  type SubjectFinder,
  subjectDoubts,
} from "./subject/subject.ts";
export { subjectPrompt } from "./subject/subject-prompt.ts";
export type { DType, TensorData } from "./tensor/dtype.ts";
export type { DeviceTensor, HostTensor } from "./tensor/tensor.ts";
export { compareFrameNames } from "./video/frame-names.ts";
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
export type { PushOptions, StreamSession } from "./video/stream-session.ts";
export { VideoPredictor } from "./video/video-predictor.ts";
export type {
  ObjectMask,
  ObjectPrompt,
  OnFrame,
  PropagateOptions,
  RemoveOptions,
  SignalOption,
  VideoSession,
} from "./video/video-session.ts";
export type { TrackingSession, VideoTracker } from "./video/video-tracker.ts";
