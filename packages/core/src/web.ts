/** For browsers: all of core, models by name or address, and pictures from the DOM. */
import { loadingSteps } from "./progress.ts";
import { type LoadOptions, loadSam2 as loadOpened, type Sam2 } from "./sam2.ts";
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
export { serveWorker } from "./web/worker.ts";

/**
 * Loads a SAM 2 model. `source` is a published model's name (`sam2.1-hiera-tiny`), which is fetched from Hugging Face, or an
 * address, both kept in Cache Storage and rejecting as `cachedSource` does; a Blob or file, which is read in parts; bytes
 * or a `ByteSource`. Rejects as `loadSam2` of `@masklet/core`, too.
 */
export async function loadSam2(source: WebModelSource, options: LoadOptions): Promise<Sam2> {
  const { signal, onProgress } = options;
  const steps = onProgress && loadingSteps(onProgress);
  const opened = await openSource(source, {
    ...(signal && { signal }),
    ...(steps && { onProgress: steps.fetching }),
  });
  return loadOpened(opened, { ...options, ...(steps && { onProgress: steps.compiling }) });
}
