import type { AbortSignalLike } from "../abort.ts";
import { PromptError, StateError } from "../errors.ts";
import { graphCost } from "../graph/cost.ts";
import { checkImage, defaultMaxPixels, type RawImage, type Size } from "../image/image.ts";
import { preprocessImage } from "../image/preprocess.ts";
import { removeSmallRegions } from "../mask/components.ts";
import { type Mask, maskIou } from "../mask/mask.ts";
import { upsampleLogits, upsampleMask } from "../mask/postprocess.ts";
import { meanLogitMagnitude, selectSingleMask, stabilityScore } from "../mask/score.ts";
import { geometry } from "../model/geometry.ts";
import { imageEncoderGraph } from "../model/graphs.ts";
import {
  checkPrompts,
  copyPrompt,
  type EncodedPrompt,
  encodePrompt,
  type MaskLogits,
  type Prompt,
} from "../prompt/prompt.ts";
import { CallQueue } from "../queue.ts";
import type { Sam2 } from "../sam2.ts";
import { type DeviceTensor, float32, type HostTensor, int32 } from "../tensor/tensor.ts";
import {
  type CachedImageOptions,
  type HostFeatures,
  readEmbedding,
  setCachedImage,
  splitFeatures,
  writeEmbedding,
} from "./image-embedding.ts";

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

/** The masks of one prompt: 3 with `multimaskOutput`, else 1. All arrays have one entry for each. */
export interface ImagePrediction {
  /** At the image's size. */
  readonly masks: readonly Mask[];
  /** The model's own estimate of each mask's IoU with the true one, 0 to 1. */
  readonly iouPredictions: readonly number[];
  /** IoU of the masks at logits +1 and -1 around the threshold, at low resolution: how firm the edge is. */
  readonly stabilityScores: readonly number[];
  /** Mean of |logit| at low resolution: near 0 where the model guesses. */
  readonly meanLogitMagnitudes: readonly number[];
  /** Whether there is an object, as a logit; above 0 says yes. */
  readonly objectScore: number;
  /** Logits at a quarter of the model's image size, clamped to -32 to 32: the `maskInput` of the next call. */
  readonly lowResLogits: readonly MaskLogits[];
  /** Logits at the image's size, row by row, with `returnLogits`. */
  readonly logits?: readonly Float32Array[];
  /** Index of the mask with the highest predicted IoU. */
  readonly best: number;
}

const MULTIMASKS = 3;
const LOGIT_LIMIT = 32;
const STABILITY_DELTA = 1;
const FEATURES = ["imageEmbeddings", "highRes1", "highRes0"] as const;

/** One encoded image. */
interface Encoded {
  readonly size: Size;
  readonly features: Readonly<Record<(typeof FEATURES)[number], DeviceTensor>>;
}

/** What the decoder returned for one prompt. */
interface Decoded {
  readonly logits: Float32Array;
  readonly iou: Float32Array;
  readonly objectScore: number;
}

/**
 * Segments objects in images: `setImage` encodes an image once, every `predict` after it costs one run of the decoder
 * (reference: sam2_image_predictor.py, `SAM2ImagePredictor`).
 *
 * Calls may overlap: they are queued. A call that fails or is aborted changes nothing; the image set before stays.
 */
export class ImagePredictor {
  readonly model: Sam2;
  readonly #options: Required<Omit<ImagePredictorOptions, "imagesPerRun">>;
  #imagesPerRun: number | undefined;
  readonly #calls = new CallQueue("the predictor");
  #images: readonly Encoded[] = [];

  /** Throws a `PromptError` "bad-option" that names an option out of range. */
  constructor(model: Sam2, options: ImagePredictorOptions = {}) {
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
    const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
    checkOption("ImagePredictor", { promptsPerRun }, "a positive integer", isCount(promptsPerRun));
    checkOption("ImagePredictor", { imagesPerRun }, "a positive integer", isCount(imagesPerRun ?? 1));
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
   * `ImageError` for pixels that do not fit their size.
   */
  setImage(image: RawImage, options: SetImageOptions & CachedImageOptions = {}): Promise<void> {
    return setCachedImage(this, image, options);
  }

  /**
   * Encodes several images; `predict` chooses one by its index (reference: `set_image_batch`). Pixels are read when the
   * call's turn comes: they must not change before it has settled.
   */
  async setImages(images: readonly RawImage[], { signal }: SetImageOptions = {}): Promise<void> {
    const encode = async (): Promise<readonly Encoded[]> => {
      const { maxPixels } = this.#options;
      for (const image of images) checkImage("setImage", image, { maxPixels });
      const imagesPerRun = images.length > 1 ? this.imagesPerRun : 1;
      return collect(signal, async (encoded) => {
        for (let at = 0; at < images.length; at += imagesPerRun) {
          encoded.push(...(await this.#encode(images.slice(at, at + imagesPerRun), signal)));
        }
      });
    };
    await this.#replace("setImage", encode, signal);
  }

  /**
   * An encoded image as a safetensors file, for `loadImages` of this or another predictor, process or page: 16 MB for a
   * full-size model.
   */
  saveImage(index = 0, { signal }: SetImageOptions = {}): Promise<Uint8Array> {
    const save = async (): Promise<Uint8Array> => {
      const { size, features } = this.#image("saveImage", index);
      const read: Record<string, HostTensor<"float32">> = {};
      for (const name of FEATURES) read[name] = (await features[name].read()) as HostTensor<"float32">;
      return writeEmbedding(this.model, { size, features: read });
    };
    return this.#calls.run("saveImage", signal, save);
  }

  /**
   * Sets images that `saveImage` wrote, in place of those set before; the encoder does not run. Rejects with a
   * `CheckpointError`: "embedding-mismatch" for what other weights encoded, "embedding-malformed", or as
   * `readSafetensors` for what is no such file at all.
   */
  async loadImages(files: readonly Uint8Array[], { signal }: SetImageOptions = {}): Promise<void> {
    const load = (): Promise<readonly Encoded[]> =>
      collect(signal, async (encoded) => {
        for (const file of files) encoded.push(this.#upload(await readEmbedding(this.model, file)));
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
    const { iterations = 3, until = 0.995, onStep } = options;
    checkOption("refine", { iterations }, "an integer from 0", Number.isSafeInteger(iterations) && iterations >= 0);
    checkOption("refine", { until }, "an IoU, 0 to 1", until >= 0 && until <= 1);
    const asked = copyPrompt(prompt, "predict");
    const checkLatest = this.#calls.ticket("predict", options.latest);
    const loop = async (): Promise<ImagePrediction> => {
      let [prediction] = (await this.#predict([asked], options, checkLatest)) as [ImagePrediction];
      onStep?.(prediction, 0);
      for (let i = 1; i <= iterations; i++) {
        const before = prediction.masks[prediction.best] as Mask;
        const maskInput = prediction.lowResLogits[prediction.best] as MaskLogits;
        const again = { ...options, multimaskOutput: false };
        [prediction] = (await this.#predict([{ ...asked, maskInput }], again, checkLatest)) as [ImagePrediction];
        onStep?.(prediction, i);
        if (maskIou(before, prediction.masks[0] as Mask) >= until) break;
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

  /** Frees the images once the call under way has ended; calls still queued reject. May be called more than once. */
  dispose(): void {
    void this.#calls.dispose(async () => this.#forget());
  }

  [Symbol.dispose](): void {
    this.dispose();
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

  /** One run of the encoder. */
  async #encode(images: readonly RawImage[], signal: AbortSignalLike | undefined): Promise<readonly Encoded[]> {
    const encoder = await this.model.executable("imageEncoder");
    const { imageSize } = this.model.config;
    const sizes = images.map(({ width, height }) => ({ width, height }));
    const [first, ...others] = images.map((image) => preprocessImage(image, imageSize));
    if (first === undefined) return [];
    if (others.length === 0) {
      const features = (await encoder.run({ image: first }, signal && { signal })) as Encoded["features"];
      return sizes.map((size) => ({ size, features }));
    }
    const pixels = new Float32Array(images.length * first.data.length);
    for (const [i, { data }] of [first, ...others].entries()) pixels.set(data, i * data.length);
    const image = float32([images.length, ...first.dims.slice(1)], pixels);
    const outputs = await encoder.run({ image }, signal && { signal });
    try {
      // A device's tensor cannot be cut: through the host, and back.
      const read: Record<string, HostTensor> = {};
      for (const name of FEATURES) read[name] = (await outputs[name]?.read()) as HostTensor;
      return splitFeatures(read, images.length).map((features, i) =>
        this.#upload({ size: sizes[i] as Size, features }),
      );
    } finally {
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
  }

  #upload({ size, features }: HostFeatures): Encoded {
    const uploaded = Object.entries(features).map(([name, tensor]) => [name, this.model.upload(tensor)]);
    return { size, features: Object.fromEntries(uploaded) as Encoded["features"] };
  }

  async #predict(
    prompts: readonly Prompt[],
    options: PredictOptions,
    checkLatest: () => void,
  ): Promise<readonly ImagePrediction[]> {
    checkLatest();
    const { signal } = options;
    const image = this.#image("predict", options.image ?? 0);
    const { imageSize } = this.model.config;
    const encoded = prompts.map((prompt, i) =>
      encodePrompt(prompt, { image: image.size, imageSize, where: nameOf(i, prompts) }),
    );
    const predictions = new Array<ImagePrediction>(prompts.length);
    for (const run of this.#runs(encoded)) {
      const inputs = run.map((i) => encoded[i] as EncodedPrompt);
      const decoded = await this.#decode(image, inputs, signal);
      signal?.throwIfAborted();
      checkLatest();
      for (const [j, i] of run.entries()) predictions[i] = this.#finish(decoded[j] as Decoded, image.size, options);
    }
    return predictions;
  }

  /** Indices of the prompts that share a run: equally many points, at most `promptsPerRun`. */
  #runs(prompts: readonly EncodedPrompt[]): readonly (readonly number[])[] {
    const byPoints = new Map<number, number[][]>();
    for (const [i, { labels }] of prompts.entries()) {
      const runs = byPoints.get(labels.length) ?? [[]];
      byPoints.set(labels.length, runs);
      const open = runs.at(-1) as number[];
      if (open.length < this.#options.promptsPerRun) open.push(i);
      else runs.push([i]);
    }
    return [...byPoints.values()].flat();
  }

  async #decode(
    image: Encoded,
    prompts: readonly EncodedPrompt[],
    signal: AbortSignalLike | undefined,
  ): Promise<readonly Decoded[]> {
    const decoder = await this.model.executable("maskDecoder");
    const outputs = await decoder.run(decoderFeeds(image, prompts, geometry(this.model.config).maskSide), {
      outputs: ["lowResMasks", "iouPredictions", "objectScores"],
      ...(signal && { signal }),
    });
    try {
      const read = async (name: string): Promise<Float32Array> => (await outputs[name]?.read())?.data as Float32Array;
      const logits = await read("lowResMasks");
      const iou = await read("iouPredictions");
      const objectScores = await read("objectScores");
      const size = logits.length / prompts.length;
      return prompts.map((_, i) => ({
        logits: logits.subarray(i * size, (i + 1) * size),
        iou: iou.subarray(i * 4, i * 4 + 4),
        objectScore: objectScores[i] as number,
      }));
    } finally {
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
  }

  /** Chooses among the decoder's four masks and brings them to the image's size. */
  #finish(decoded: Decoded, size: Size, options: PredictOptions): ImagePrediction {
    const { maskThreshold: threshold, maxHoleArea, maxSpeckArea } = this.#options;
    const { multimaskOutput = true, returnLogits = false } = options;
    const side = geometry(this.model.config).maskSide;
    const low = { width: side, height: side };
    const chosen = multimaskOutput
      ? Array.from({ length: MULTIMASKS }, (_, i) => i + 1)
      : [selectSingleMask({ logits: decoded.logits, iou: decoded.iou })];
    const raw = chosen.map((i) => decoded.logits.subarray(i * side * side, (i + 1) * side * side));
    const cleaned = raw.map((logits) =>
      maxHoleArea > 0 || maxSpeckArea > 0
        ? removeSmallRegions(logits, { ...low, maxHoleArea, maxSpeckArea, threshold })
        : logits,
    );
    const iouPredictions = chosen.map((i) => decoded.iou[i] as number);
    return {
      masks: cleaned.map((logits) => upsampleMask(logits, low, size, { threshold })),
      iouPredictions,
      stabilityScores: raw.map((logits) => stabilityScore(logits, { delta: STABILITY_DELTA, threshold })),
      meanLogitMagnitudes: raw.map(meanLogitMagnitude),
      objectScore: decoded.objectScore,
      lowResLogits: raw.map((logits) => ({ ...low, data: clampLogits(logits) })),
      ...(returnLogits ? { logits: cleaned.map((logits) => upsampleLogits(logits, low, size)) } : {}),
      best: iouPredictions.reduce((best, iou, i) => (iou > (iouPredictions[best] as number) ? i : best), 0),
    };
  }
}

/** How errors call a prompt. */
const nameOf = (index: number, { length }: readonly Prompt[]): string =>
  length === 1 ? "predict" : `predict: prompt ${index}`;

/** `option` is one option by its name. */
export function checkOption(
  where: string,
  option: Readonly<Record<string, unknown>>,
  expected: string,
  holds: boolean,
): void {
  if (holds) return;
  const [name, value] = Object.entries(option)[0] as [string, unknown];
  throw new PromptError("bad-option", `${where}: ${name} must be ${expected}, got ${String(value)}`, {
    details: { option: name, expected, got: value },
  });
}

function clampLogits(logits: Float32Array): Float32Array {
  const clamped = logits.slice();
  for (let i = 0; i < clamped.length; i++) {
    const logit = clamped[i] as number;
    if (logit > LOGIT_LIMIT) clamped[i] = LOGIT_LIMIT;
    else if (logit < -LOGIT_LIMIT) clamped[i] = -LOGIT_LIMIT;
  }
  return clamped;
}

/** One image's features for all prompts; masks only where some prompt has one. */
function decoderFeeds(
  { features }: Encoded,
  prompts: readonly EncodedPrompt[],
  side: number,
): Readonly<Record<string, DeviceTensor | HostTensor>> {
  const points = prompts[0]?.labels.length ?? 0;
  const masked = prompts.some(({ maskInput }) => maskInput !== undefined);
  const masks = masked ? prompts.length : 1;
  const maskInput = new Float32Array(masks * side * side);
  const hasMask = new Uint8Array(masks);
  for (const [i, prompt] of prompts.entries()) {
    if (prompt.maskInput === undefined) continue;
    maskInput.set(prompt.maskInput, i * side * side);
    hasMask[i] = 1;
  }
  return {
    imageEmbeddings: features.imageEmbeddings,
    highRes1: features.highRes1,
    highRes0: features.highRes0,
    points: float32([prompts.length, points, 2], Float32Array.from(prompts.flatMap((prompt) => prompt.points))),
    labels: int32([prompts.length, points], Int32Array.from(prompts.flatMap((prompt) => prompt.labels))),
    maskInput: float32([masks, side, side], maskInput),
    hasMask: { dtype: "bool", dims: [masks], data: hasMask },
    noMemory: float32([1], Float32Array.of(1)),
  };
}

/** What `fill` has collected, or nothing at all. */
async function collect(
  signal: AbortSignalLike | undefined,
  fill: (encoded: Encoded[]) => Promise<void>,
): Promise<readonly Encoded[]> {
  const encoded: Encoded[] = [];
  try {
    await fill(encoded);
    signal?.throwIfAborted();
    return encoded;
  } catch (error) {
    release(encoded);
    throw error;
  }
}

const BATCH_BYTES = 2 ** 28;

function defaultImagesPerRun({ config }: Sam2): number {
  const { peakActivationBytes } = graphCost(imageEncoderGraph(config), { images: 1 });
  return Math.max(1, Math.min(4, Math.floor(BATCH_BYTES / peakActivationBytes)));
}

function release(images: readonly Encoded[]): void {
  for (const { features } of images) for (const name of FEATURES) features[name].dispose();
}
