/** For browsers: all of core, and pictures from the DOM. */
export * from "./index.ts";
export { createWorkerPredictor, type WorkerPredictorOptions } from "./remote/client.ts";
export {
  type EncodeOptions,
  encodeBlob,
  encodeMaskBlob,
  type ImageFromOptions,
  imageDataFrom,
  imageFrom,
  type WebImageSource,
} from "./web/image.ts";
export { serveWorker } from "./web/worker.ts";
