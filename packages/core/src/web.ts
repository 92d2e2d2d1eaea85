/** For browsers: all of core, models by name or address, and pictures from the DOM. */
export * from "./index.ts";
export { createWorkerPredictor, type WorkerPredictorOptions } from "./remote/client.ts";
export { type CachedSourceOptions, cachedSource, hubUrl } from "./web/cache.ts";
export { type CameraFramesOptions, cameraFrames } from "./web/camera.ts";
export { type EncodeVideoOptions, encodeVideo } from "./web/encode-video.ts";
export { type FileFrames, framesFromFiles } from "./web/frame-files.ts";
export {
  type EncodeOptions,
  encodeBlob,
  encodeMaskBlob,
  type ImageFromOptions,
  imageDataFrom,
  imageFrom,
  type MaskFromOptions,
  maskFrom,
  maskPictureFrom,
  type WebImageSource,
} from "./web/image.ts";
export { imagePoint, type PictureElement } from "./web/image-point.ts";
export { decodeLabelPng, encodeLabelPng } from "./web/label-png.ts";
export { loadSam2 } from "./web/load.ts";
export {
  autoModel,
  type CreateSegmentOptions,
  cachedModels,
  createRemoveBackground,
  createSegment,
  forgetModel,
} from "./web/segment.ts";
export { openSource as openModelSource, type WebModelSource } from "./web/source.ts";
export {
  type OpenVideoOptions,
  openVideo,
  type VideoFrames,
  type VideoInfo,
  type VideoSource,
} from "./web/video.ts";

export { type ServeWorkerOptions, serveWorker } from "./web/worker.ts";
