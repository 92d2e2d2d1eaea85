import type { RawImage, Size } from "../image/image.ts";
import type { Prompt } from "../prompt/prompt.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import type { ImagePrediction } from "./finish.ts";
import type { CachedImageOptions } from "./image-embedding.ts";
import type { PredictOptions, RefineOptions, SetImageOptions } from "./image-predictor.ts";

/**
 * Segments objects in images, wherever the model is: `ImagePredictor` has it here, `RemoteImagePredictor` at the far end
 * of a port. What each call takes, gives and rejects with is said at `ImagePredictor`.
 */
export interface ImageSegmenter {
  /** Sizes of the images that are set. */
  readonly imageSizes: readonly Size[];
  setImage(image: RawImage, options?: SetImageOptions & CachedImageOptions): Promise<void>;
  setImages(images: readonly RawImage[], options?: SetImageOptions): Promise<void>;
  saveImage(index?: number, options?: SetImageOptions): Promise<Uint8Array>;
  loadImages(files: readonly Uint8Array[], options?: SetImageOptions): Promise<void>;
  predict(prompt: Prompt, options?: PredictOptions): Promise<ImagePrediction>;
  predictMany(prompts: readonly Prompt[], options?: PredictOptions): Promise<readonly ImagePrediction[]>;
  refine(prompt: Prompt, options?: RefineOptions): Promise<ImagePrediction>;
  imageEmbedding(index?: number): Promise<HostTensor>;
  reset(): Promise<void>;
  /** Resolves when the images are freed; calls still queued reject. May be called more than once. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
