import type { AbortSignalLike } from "../abort.ts";
import { checkImage, type RawImage } from "../image/image.ts";
import { checkAwaited, checkInteger, checkKeys, type Keys } from "../options.ts";
import type { Prompt } from "../prompt/prompt.ts";
import type { Sam2 } from "../sam2.ts";
import type { ImagePrediction } from "./finish.ts";
import type { CachedImageOptions } from "./image-embedding.ts";
import {
  ImagePredictor,
  type ImagePredictorOptions,
  type PredictOptions,
  predictorKeys,
  type RefineOptions,
} from "./image-predictor.ts";

/** One image to segment. */
export interface ImageJob {
  /** A function is called when the image's turn is near, so that images are decoded beside the model and not all at once. */
  readonly image: RawImage | (() => Promise<RawImage>);
  /** Prompts, or what makes them of the image. */
  readonly prompts: readonly Prompt[] | ((image: RawImage) => readonly Prompt[] | Promise<readonly Prompt[]>);
  /** With `cache`: what tells the image from others, as for `setImage`. */
  readonly key?: string;
}

export interface SegmentManyOptions
  extends ImagePredictorOptions,
    Pick<PredictOptions, "multimaskOutput" | "returnLogits">,
    Pick<CachedImageOptions, "cache"> {
  /** Refines each prompt's best mask, as `ImagePredictor.refine`. Default not. */
  readonly refine?: Pick<RefineOptions, "iterations" | "until">;
  /** Images that are decoded before their turn. Default 2. */
  readonly readAhead?: number;
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/** What became of one job: the image and its masks, or why there are none. */
export type ImageJobResult<J extends ImageJob = ImageJob> =
  | { readonly job: J; readonly image: RawImage; readonly predictions: readonly ImagePrediction[] }
  | { readonly job: J; readonly error: unknown };

interface Waiting<J> {
  readonly job: J;
  readonly image: Promise<RawImage | { readonly error: unknown }>;
}

/**
 * Segments many images, in their order, with one predictor: the next ones are decoded while the model computes, and
 * small ones share runs of the encoder (`imagesPerRun`), unless there is a `cache`. What is wrong with one image or its
 * prompts, and a run of the encoder that fails, is the result of those images alone, and the others go on. Jobs are taken
 * as they are needed; leaving the loop ends their iteration and frees everything.
 *
 * Throws a `PromptError` "bad-option" for an option out of range.
 */
export async function* segmentMany<J extends ImageJob>(
  model: Sam2,
  jobs: Iterable<J> | AsyncIterable<J>,
  given: SegmentManyOptions = {},
): AsyncGenerator<ImageJobResult<J>, void, void> {
  checkAwaited("segmentMany", "the model", model);
  checkKeys("segmentMany", given, segmentKeys);
  const { readAhead = 2, signal, multimaskOutput, returnLogits, cache, refine, ...options } = given;
  if (refine !== undefined) checkKeys("segmentMany: refine", refine, refineKeys);
  checkInteger("segmentMany", { readAhead }, 0);
  const predicting = {
    ...(multimaskOutput === undefined ? {} : { multimaskOutput }),
    ...(returnLogits === undefined ? {} : { returnLogits }),
    ...(signal && { signal }),
  };
  await using predictor = new ImagePredictor(model, options);
  const imagesPerRun = cache === undefined ? predictor.imagesPerRun : 1;
  const set = (images: readonly RawImage[], key: string | undefined): Promise<void> => {
    const [image] = images;
    if (cache === undefined || key === undefined || image === undefined) {
      return predictor.setImages(images, signal && { signal });
    }
    return predictor.setImage(image, { cache, key, ...(signal && { signal }) });
  };
  const predict = async (image: number, prompts: readonly Prompt[]): Promise<readonly ImagePrediction[]> => {
    if (refine === undefined) return predictor.predictMany(prompts, { ...predicting, image });
    const refined: ImagePrediction[] = [];
    for (const prompt of prompts) refined.push(await predictor.refine(prompt, { ...predicting, ...refine, image }));
    return refined;
  };
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
      const failure = await set(good, run[0]?.job.key).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      signal?.throwIfAborted();
      for (const [i, { job }] of run.entries()) {
        const image = images[i] as (typeof images)[number];
        if ("error" in image || failure !== undefined) {
          yield { job, error: "error" in image ? image.error : failure?.error };
          continue;
        }
        yield await segmented(job, image, (prompts) => predict(good.indexOf(image), prompts)).catch(
          (error: unknown) => {
            signal?.throwIfAborted();
            return { job, error };
          },
        );
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
  return { job, image, predictions: await predict(prompts) };
}

const segmentKeys: Keys<SegmentManyOptions> = {
  ...predictorKeys,
  multimaskOutput: true,
  returnLogits: true,
  cache: true,
  refine: true,
  readAhead: true,
  signal: true,
};

const refineKeys: Keys<NonNullable<SegmentManyOptions["refine"]>> = { iterations: true, until: true };
