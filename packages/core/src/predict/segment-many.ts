import type { AbortSignalLike } from "../abort.ts";
import { checkImage, type RawImage, type Size } from "../image/image.ts";
import type { Prompt } from "../prompt/prompt.ts";
import type { Sam2 } from "../sam2.ts";
import {
  checkOption,
  type ImagePrediction,
  ImagePredictor,
  type ImagePredictorOptions,
  type PredictOptions,
} from "./image-predictor.ts";

/** One image to segment. */
export interface ImageJob {
  /** A function is called when the image's turn is near, so that images are decoded beside the model and not all at once. */
  readonly image: RawImage | (() => Promise<RawImage>);
  /** Prompts, or what makes them of the image. */
  readonly prompts: readonly Prompt[] | ((image: RawImage) => readonly Prompt[] | Promise<readonly Prompt[]>);
}

export interface SegmentManyOptions
  extends ImagePredictorOptions,
    Pick<PredictOptions, "multimaskOutput" | "returnLogits"> {
  /** Images that are decoded before their turn. Default 2. */
  readonly readAhead?: number;
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/** What became of one job: its masks, or why there are none. */
export type ImageJobResult<J extends ImageJob = ImageJob> =
  | { readonly job: J; readonly size: Size; readonly predictions: readonly ImagePrediction[] }
  | { readonly job: J; readonly error: unknown };

interface Waiting<J> {
  readonly job: J;
  readonly image: Promise<RawImage | { readonly error: unknown }>;
}

/**
 * Segments many images, in their order, with one predictor: the next ones are decoded while the model computes, and
 * small ones share runs of the encoder (`imagesPerRun`). What is wrong with one image or its prompts is its result, and
 * the others go on. Jobs are taken as they are needed; leaving the loop ends their iteration and frees everything.
 *
 * Throws a `PromptError` "bad-option" for an option out of range.
 */
export async function* segmentMany<J extends ImageJob>(
  model: Sam2,
  jobs: Iterable<J> | AsyncIterable<J>,
  { readAhead = 2, signal, multimaskOutput, returnLogits, ...options }: SegmentManyOptions = {},
): AsyncGenerator<ImageJobResult<J>, void, void> {
  checkOption("segmentMany", { readAhead }, "an integer from 0", Number.isSafeInteger(readAhead) && readAhead >= 0);
  const predicting = {
    ...(multimaskOutput === undefined ? {} : { multimaskOutput }),
    ...(returnLogits === undefined ? {} : { returnLogits }),
    ...(signal && { signal }),
  };
  using predictor = new ImagePredictor(model, options);
  const { imagesPerRun } = predictor;
  const iterator = Symbol.asyncIterator in jobs ? jobs[Symbol.asyncIterator]() : jobs[Symbol.iterator]();
  const waiting: Waiting<J>[] = [];
  let ended = false;
  try {
    for (;;) {
      while (!ended && waiting.length < imagesPerRun + readAhead) {
        signal?.throwIfAborted();
        const { done, value } = await iterator.next();
        if (done === true) ended = true;
        else waiting.push({ job: value, image: decoded(value, options) });
      }
      const run = waiting.splice(0, imagesPerRun);
      if (run.length === 0) return;
      const images = await Promise.all(run.map(({ image }) => image));
      const good = images.filter((image): image is RawImage => !("error" in image));
      await predictor.setImages(good, signal && { signal });
      for (const [i, { job }] of run.entries()) {
        const image = images[i] as (typeof images)[number];
        if ("error" in image) {
          yield { job, error: image.error };
          continue;
        }
        yield await segmented(job, image, (prompts) =>
          predictor.predictMany(prompts, { ...predicting, image: good.indexOf(image) }),
        ).catch((error: unknown) => {
          signal?.throwIfAborted();
          return { job, error };
        });
      }
    }
  } finally {
    await iterator.return?.();
  }
}

/** Never rejects: nobody may wait for it any more. */
async function decoded(
  { image }: ImageJob,
  limits: ImagePredictorOptions,
): Promise<RawImage | { readonly error: unknown }> {
  try {
    const found = typeof image === "function" ? await image() : image;
    checkImage("segmentMany", found, limits.maxPixels === undefined ? {} : { maxPixels: limits.maxPixels });
    return found;
  } catch (error) {
    return { error };
  }
}

async function segmented<J extends ImageJob>(
  job: J,
  image: RawImage,
  predict: (prompts: readonly Prompt[]) => Promise<readonly ImagePrediction[]>,
): Promise<ImageJobResult<J>> {
  const prompts = typeof job.prompts === "function" ? await job.prompts(image) : job.prompts;
  return { job, size: { width: image.width, height: image.height }, predictions: await predict(prompts) };
}
