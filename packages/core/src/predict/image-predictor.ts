import type { AbortSignalLike } from "../abort.ts";
import { PromptError, StateError } from "../errors.ts";
import { graphCost } from "../graph/cost.ts";
import { checkImage, defaultMaxPixels, type RawImage, type Size } from "../image/image.ts";
import { maskIou } from "../mask/mask.ts";
import { geometry } from "../model/geometry.ts";
import { imageEncoderGraph } from "../model/graphs.ts";
import { checkAwaited, checkInteger, checkKeys, checkOption, type Keys, signalKeys } from "../options.ts";
import { checkPrompts, copyPrompt, encodePrompt, type Prompt } from "../prompt/prompt.ts";
import { CallQueue } from "../queue.ts";
import type { Sam2 } from "../sam2.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { type Candidates, decodeMany } from "./decode.ts";
import { collect, type Encoded, encodeImages, release, uploadFeatures } from "./encode.ts";
import { finishPrediction, type ImagePrediction } from "./finish.ts";
import {
  type CachedImageOptions,
  type EmbeddingCache,
  readCached,
  readEmbedding,
  writeEmbedding,
} from "./image-embedding.ts";
import { isPixels } from "./image-reader.ts";
import type { ImageSegmenter } from "./image-segmenter.ts";

/** Settings of an `ImagePredictor` (reference: `SAM2ImagePredictor`). */
export interface ImagePredictorOptions {
  /** The logit above which a pixel belongs to the mask. Default 0. */
  readonly maskThreshold?: number;
  /** Holes of at most this many low-resolution pixels (a quarter of the model's image size) are filled. Default 0. */
  readonly maxHoleArea?: number;
  /** Specks of at most this many low-resolution pixels are removed. Default 0. */
  readonly maxSpeckArea?: number;
  /** Larger images are refused with an `ImageError`; `defaultMaxPixels` if not given. */
  readonly maxPixels?: number;
  /**
   * Prompts in one run of the decoder; more are run in turns. Default 16: 64 are a little faster for each, and take four
   * times the memory (1.6 GB for a full-size model).
   */
  readonly promptsPerRun?: number;
  /**
   * Images in one run of the encoder, for `setImages`. Default as many as take 256 MiB together, at most 4: on a CPU that
   * is one for a full-size model, whose single run fills it.
   */
  readonly imagesPerRun?: number;
}

export interface SetImageOptions {
  readonly signal?: AbortSignalLike;
}

export interface PredictOptions {
  /**
   * Three masks (whole, part, subpart) instead of one: better for a single ambiguous click. Default true, as in the
   * reference.
   */
  readonly multimaskOutput?: boolean;
  /** Also returns logits at the image's size. Default false. */
  readonly returnLogits?: boolean;
  /** Which of the images given to `setImages`. Default 0. */
  readonly image?: number;
  /**
   * For clicks that outrun the model: when a newer call with `latest` has come, this one is dropped with a `StateError`
   * "superseded".
   */
  readonly latest?: boolean;
  /** Aborting rejects at once with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

export interface RefineOptions extends PredictOptions {
  /** Decoder runs after the first, at most. Default 3. */
  readonly iterations?: number;
  /** Ends when the masks of two runs have at least this IoU. Default 0.995. */
  readonly until?: number;
  /** Sees every run's prediction, the first one too. */
  readonly onStep?: (prediction: ImagePrediction, iteration: number) => void;
}

/**
 * Segments objects in images: `setImage` encodes an image once, every `predict` after it costs one run of the decoder
 * (reference: sam2_image_predictor.py, `SAM2ImagePredictor`).
 *
 * Calls may overlap: they are queued. A call that fails or is aborted changes nothing; the image set before stays.
 *
 * Images are pixels, or whatever `loadSam2` of the entry that loaded the model opens: paths, addresses and bytes in Node,
 * elements, Blobs and addresses in a page.
 */
export class ImagePredictor<Source = never> implements ImageSegmenter {
  readonly model: Sam2<Source>;
  readonly #options: Required<Omit<ImagePredictorOptions, "imagesPerRun">>;
  #imagesPerRun: number | undefined;
  readonly #calls = new CallQueue("the predictor");
  #images: readonly Encoded[] = [];

  /** Throws a `PromptError` "bad-option" that names an option out of range. */
  constructor(model: Sam2<Source>, options: ImagePredictorOptions = {}) {
    checkAwaited("ImagePredictor", "the model", model);
    checkKeys("ImagePredictor", options, predictorKeys);
    const {
      maskThreshold = 0,
      maxHoleArea = 0,
      maxSpeckArea = 0,
      maxPixels = defaultMaxPixels,
      promptsPerRun = 16,
      imagesPerRun,
    } = options;
    checkOption("ImagePredictor", { maskThreshold }, "a finite number", Number.isFinite(maskThreshold));
    checkOption("ImagePredictor", { maxHoleArea }, "a number from 0", maxHoleArea >= 0);
    checkOption("ImagePredictor", { maxSpeckArea }, "a number from 0", maxSpeckArea >= 0);
    checkOption("ImagePredictor", { maxPixels }, "a number from 1", maxPixels >= 1);
    checkInteger("ImagePredictor", { promptsPerRun }, 1);
    if (imagesPerRun !== undefined) checkInteger("ImagePredictor", { imagesPerRun }, 1);
    this.model = model;
    this.#options = { maskThreshold, maxHoleArea, maxSpeckArea, maxPixels, promptsPerRun };
    this.#imagesPerRun = imagesPerRun;
  }

  /** Images in one run of the encoder. */
  get imagesPerRun(): number {
    this.#imagesPerRun ??= defaultImagesPerRun(this.model);
    return this.#imagesPerRun;
  }

  /** Sizes of the images that are set. */
  get imageSizes(): readonly Size[] {
    return this.#images.map(({ size }) => size);
  }

  /**
   * Encodes an image of any size, RGB or RGBA (alpha is dropped), in place of those set before. Rejects with an
   * `ImageError` for pixels that do not fit their size or what cannot be opened, and with what the cache throws; the image
   * set before stays then.
   *
   * With `cache` and `key` the encoder runs only where the cache has no file for the key, or one that is malformed, of
   * another size or of other weights, which is replaced.
   */
  async setImage(image: RawImage | Source, options: SetImageOptions & CachedImageOptions = {}): Promise<void> {
    checkKeys("setImage", options, setImageKeys);
    const { signal, cache, key } = options;
    if (cache === undefined || key === undefined) return this.setImages([image], signal && { signal });
    const encode = (): Promise<readonly Encoded[]> =>
      collect(signal, (encoded) => this.#encodeCached(image, { cache, key, signal, encoded }));
    await this.#replace("setImage", encode, signal);
  }

  /**
   * Encodes several images; `predict` chooses one by its index (reference: `set_image_batch`). Pixels are read when the
   * call's turn comes: they must not change before it has settled.
   */
  async setImages(images: readonly (RawImage | Source)[], options: SetImageOptions = {}): Promise<void> {
    checkKeys("setImages", options, signalKeys);
    const { signal } = options;
    const encode = async (): Promise<readonly Encoded[]> => {
      const opened: RawImage[] = [];
      for (const image of images) opened.push(await this.#open(image, signal));
      const imagesPerRun = opened.length > 1 ? this.imagesPerRun : 1;
      return collect(signal, async (encoded) => {
        for (let at = 0; at < opened.length; at += imagesPerRun) {
          encoded.push(...(await encodeImages(this.model, opened.slice(at, at + imagesPerRun), signal)));
        }
      });
    };
    await this.#replace("setImage", encode, signal);
  }

  /**
   * An encoded image as a safetensors file, for `loadImages` of this or another predictor, process or page: 16 MB for a
   * full-size model.
   */
  async saveImage(index = 0, options: SetImageOptions = {}): Promise<Uint8Array> {
    checkKeys("saveImage", options, signalKeys);
    const { signal } = options;
    return this.#calls.run("saveImage", signal, () => this.#save(this.#image("saveImage", index)));
  }

  /**
   * Sets images that `saveImage` wrote, in place of those set before; the encoder does not run. Rejects with a
   * `CheckpointError`: "embedding-mismatch" for what other weights encoded, "embedding-malformed", or as
   * `readSafetensors` for what is no such file at all.
   */
  async loadImages(files: readonly Uint8Array[], options: SetImageOptions = {}): Promise<void> {
    checkKeys("loadImages", options, signalKeys);
    const { signal } = options;
    const load = (): Promise<readonly Encoded[]> =>
      collect(signal, async (encoded) => {
        for (const file of files) encoded.push(uploadFeatures(this.model, await readEmbedding(this.model, file)));
      });
    await this.#replace("loadImages", load, signal);
  }

  /** The masks of one prompt. Rejects with a `PromptError` or, before `setImage` and after `dispose`, a `StateError`. */
  async predict(prompt: Prompt, options: PredictOptions = {}): Promise<ImagePrediction> {
    const [prediction] = await this.predictMany([prompt], options);
    return prediction as ImagePrediction;
  }

  /** The masks of many prompts on one image, in their order; those with equally many points share runs of the decoder. */
  async predictMany(prompts: readonly Prompt[], options: PredictOptions = {}): Promise<readonly ImagePrediction[]> {
    checkKeys("predict", options, predictKeys);
    checkPrompts(prompts, "predictMany");
    const asked = prompts.map((prompt, i) => copyPrompt(prompt, nameOf(i, prompts)));
    const checkLatest = this.#calls.ticket("predict", options.latest);
    return this.#calls.run("predict", options.signal, () => this.#predict(asked, options, checkLatest));
  }

  /**
   * Feeds the best mask back as `maskInput`, with the same prompt, until it no longer changes or `iterations` are done:
   * the reference's advice for tight masks. -> the last prediction; `multimaskOutput` is about the first run alone. The
   * loop is one call in the queue: all of it sees the same image.
   */
  async refine(prompt: Prompt, options: RefineOptions = {}): Promise<ImagePrediction> {
    checkKeys("refine", options, refineKeys);
    const { iterations = 3, until = 0.995, onStep } = options;
    checkInteger("refine", { iterations }, 0);
    checkOption("refine", { until }, "an IoU, 0 to 1", until >= 0 && until <= 1);
    const asked = copyPrompt(prompt, "predict");
    const checkLatest = this.#calls.ticket("predict", options.latest);
    const loop = async (): Promise<ImagePrediction> => {
      let [prediction] = (await this.#predict([asked], options, checkLatest)) as [ImagePrediction];
      onStep?.(prediction, 0);
      for (let i = 1; i <= iterations; i++) {
        const { best: before, bestLogits: maskInput } = prediction;
        const again = { ...options, multimaskOutput: false };
        [prediction] = (await this.#predict([{ ...asked, maskInput }], again, checkLatest, true)) as [ImagePrediction];
        onStep?.(prediction, i);
        if (maskIou(before, prediction.best) >= until) break;
      }
      return prediction;
    };
    return this.#calls.run("refine", options.signal, loop);
  }

  /** The stride-16 features of an image, [1, (S / 16)^2, width], as host data (reference: `get_image_embedding`). */
  imageEmbedding(index = 0): Promise<HostTensor> {
    const read = (): Promise<HostTensor> => this.#image("imageEmbedding", index).features.imageEmbeddings.read();
    return this.#calls.run("imageEmbedding", undefined, read);
  }

  /** Forgets the images, after the calls queued before (reference: `reset_predictor`). */
  reset(): Promise<void> {
    return this.#calls.run("reset", undefined, async () => this.#forget());
  }

  /**
   * Frees the images once the call under way has ended, and resolves then; calls still queued reject. May be called more
   * than once.
   */
  dispose(): Promise<void> {
    return this.#calls.dispose(async () => this.#forget());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #replace(
    where: string,
    encode: () => Promise<readonly Encoded[]>,
    signal: AbortSignalLike | undefined,
  ): Promise<void> {
    const encoded = await this.#calls.run(where, signal, encode, release);
    release(this.#images);
    this.#images = encoded;
  }

  #forget(): void {
    release(this.#images);
    this.#images = [];
  }

  #image(where: string, index: number): Encoded {
    const image = this.#images[index];
    if (image !== undefined) return image;
    if (this.#images.length === 0) throw new StateError("no-image", `${where}: call setImage first`);
    throw new PromptError("no-such-image", `${where}: image is ${index}, but ${this.#images.length} are set`, {
      details: { image: index, images: this.#images.length },
    });
  }

  async #open(image: RawImage | Source, signal: AbortSignalLike | undefined): Promise<RawImage> {
    const { maxPixels } = this.#options;
    const { readImage } = this.model;
    const pixels =
      readImage === undefined || isPixels(image)
        ? (image as RawImage) // what is neither is refused below
        : await readImage(image, { maxPixels, ...(signal && { signal }) });
    checkImage("setImage", pixels, { maxPixels });
    return pixels;
  }

  /** Adds the image to `encoded`, from the cache if it is there, else into it. */
  async #encodeCached(
    source: RawImage | Source,
    {
      cache,
      key,
      signal,
      encoded,
    }: { cache: EmbeddingCache; key: string; signal: AbortSignalLike | undefined; encoded: Encoded[] },
  ): Promise<void> {
    const image = await this.#open(source, signal);
    const file = await cache.get(key);
    const known = file && (await readCached(this.model, file, image));
    if (known !== undefined) {
      encoded.push(uploadFeatures(this.model, known));
      return;
    }
    const [fresh] = (await encodeImages(this.model, [image], signal)) as [Encoded];
    encoded.push(fresh);
    const made = await this.#save(fresh);
    signal?.throwIfAborted();
    await cache.set(key, made);
  }

  async #save({ size, features }: Encoded): Promise<Uint8Array> {
    const read: Record<string, HostTensor<"float32">> = {};
    for (const [name, tensor] of Object.entries(features)) read[name] = (await tensor.read()) as HostTensor<"float32">;
    return writeEmbedding(this.model, { size, features: read });
  }

  async #predict(
    prompts: readonly Prompt[],
    options: PredictOptions,
    checkLatest: () => void,
    isRefinement = false,
  ): Promise<readonly ImagePrediction[]> {
    checkLatest();
    const { signal, multimaskOutput = true, returnLogits = false } = options;
    const { size, features } = this.#image("predict", options.image ?? 0);
    const { imageSize } = this.model.config;
    const encoded = prompts.map((prompt, i) =>
      encodePrompt(prompt, { image: size, imageSize, where: nameOf(i, prompts), isRefinement }),
    );
    const side = geometry(this.model.config).maskSide;
    const finishing = { ...this.#options, size, side, multimaskOutput, returnLogits };
    const predictions = new Array<ImagePrediction>(prompts.length);
    const { promptsPerRun } = this.#options;
    for await (const run of decodeMany(this.model, features, encoded, { promptsPerRun, signal })) {
      signal?.throwIfAborted();
      checkLatest();
      for (const [j, i] of run.prompts.entries()) {
        predictions[i] = finishPrediction(run.candidates[j] as Candidates, finishing);
      }
    }
    return predictions;
  }
}

/** How errors call a prompt. */
const nameOf = (index: number, { length }: readonly Prompt[]): string =>
  length === 1 ? "predict" : `predict: prompt ${index}`;

const BATCH_BYTES = 2 ** 28;

function defaultImagesPerRun({ config }: Sam2): number {
  const { peakActivationBytes } = graphCost(imageEncoderGraph(config), { images: 1 });
  return Math.max(1, Math.min(4, Math.floor(BATCH_BYTES / peakActivationBytes)));
}

export const predictorKeys: Keys<ImagePredictorOptions> = {
  maskThreshold: true,
  maxHoleArea: true,
  maxSpeckArea: true,
  maxPixels: true,
  promptsPerRun: true,
  imagesPerRun: true,
};
const setImageKeys: Keys<SetImageOptions & CachedImageOptions> = { signal: true, cache: true, key: true };
export const predictKeys: Keys<PredictOptions> = {
  multimaskOutput: true,
  returnLogits: true,
  image: true,
  latest: true,
  signal: true,
};
export const refineKeys: Keys<RefineOptions> = { ...predictKeys, iterations: true, until: true, onStep: true };
