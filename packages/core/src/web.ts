/** For browsers: all of core, models by name or address, and pictures from the DOM. */
import { loadingSteps } from "./progress.ts";
import { checkLoadOptions, type LoadOptions, loadSam2 as loadOpened, type Sam2 } from "./sam2.ts";
import { openSource, type WebModelSource } from "./web/source.ts";

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
export { decodeLabelPng, encodeLabelPng } from "./web/label-png.ts";
export type { WebModelSource } from "./web/source.ts";
export {
  type OpenVideoOptions,
  openVideo,
  type VideoFrames,
  type VideoInfo,
  type VideoSource,
} from "./web/video.ts";

import { checkAwaited } from "./options.ts";

export { serveWorker } from "./web/worker.ts";

/**
 * Loads a SAM 2 model. `source` is one of Meta's names (`sam2.1-hiera-tiny`), which is fetched from Hugging Face, or an
 * address, both kept in Cache Storage and rejecting as `cachedSource` does; a Blob or file, which is read in parts; bytes
 * or a `ByteSource`. Rejects as `loadSam2` of `@masklet/core`, too.
 */
export async function loadSam2(source: WebModelSource, options: LoadOptions): Promise<Sam2> {
  checkAwaited("loadSam2", "the source", source);
  checkLoadOptions(options);
  const { signal, onProgress } = options;
  const steps = onProgress && loadingSteps(onProgress);
  const opened = await openSource(source, {
    ...(signal && { signal }),
    ...(steps && { onProgress: steps.fetching }),
  });
  return loadOpened(opened, { ...options, ...(steps && { onProgress: steps.compiling }) });
}
