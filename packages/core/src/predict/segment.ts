/** The common case in one call: an image and a prompt in, one object's mask out, of a model that is loaded once. */
import { Abort, type AbortSignalLike, abortable } from "../abort.ts";
import type { Backend } from "../backend/backend.ts";
import { freeAll } from "../free.ts";
import { checkImage, type ImageLimits, type RawImage } from "../image/image.ts";
import { type CutoutOptions, cutout } from "../mask/cutout.ts";
import { type Mask, maskImage } from "../mask/mask.ts";
import type { PolygonOptions } from "../mask/polygon.ts";
import { type CompressedRle, compressRle, encodeRle } from "../mask/rle.ts";
import { svgDocument } from "../mask/svg.ts";
import type { Precision } from "../model/precision.ts";
import { checkAwaited, checkKeys, type Keys } from "../options.ts";
import type { LoadProgress } from "../progress.ts";
import { copyPrompt, type Prompt } from "../prompt/prompt.ts";
import { Queue } from "../queue.ts";
import { Sam2 } from "../sam2.ts";
import type { ImagePrediction } from "./finish.ts";
import { ImagePredictor, type PredictOptions } from "./image-predictor.ts";
import { type ImageReader, isPixels } from "./image-reader.ts";

/** Which model `segment` ran. */
export interface SegmentModel {
  /** "sam2.1-hiera-tiny", or as its config calls it. */
  readonly name: string;
  /** Where it came from: a path, an address, "bytes". */
  readonly source: string;
  /** As `Sam2.sha256`: which weights they were. */
  readonly sha256: string | undefined;
}

/** What `segment` found: one object. `Encoded` is what files come as: bytes in Node, a Blob in a page. */
export class SegmentResult<Encoded> {
  /** The pixels that the model saw. */
  readonly image: RawImage;
  /** At the image's size. */
  readonly mask: Mask;
  /** The model's own estimate of the mask's IoU with the true one, 0 to 1. */
  readonly predictedIou: number;
  /** All that the model said: the other masks of an ambiguous click, scores, low-resolution logits. */
  readonly prediction: ImagePrediction;
  readonly model: SegmentModel;
  /**
   * Whether the model was nano: made for drawings and tests, its masks of photographs are rough. One of Meta's is fetched
   * by `downloadModel("sam2.1-hiera-tiny", { env: process.env })`, by `masklet models pull sam2.1-hiera-tiny`, or by
   * naming it as `model`.
   */
  readonly rough: boolean;
  readonly #encodePng: (image: RawImage) => Promise<Encoded>;

  /** Made by `segment`. */
  constructor(
    image: RawImage,
    prediction: ImagePrediction,
    {
      model,
      rough,
      encodePng,
    }: {
      readonly model: SegmentModel;
      readonly rough: boolean;
      readonly encodePng: (image: RawImage) => Promise<Encoded>;
    },
  ) {
    this.image = image;
    this.mask = prediction.best;
    this.predictedIou = prediction.bestIou;
    this.prediction = prediction;
    this.model = model;
    this.rough = rough;
    this.#encodePng = encodePng;
  }

  /** The object on transparent ground, as a PNG file. Rejects as `cutout` throws, and as the encoder. */
  async cutout(options?: CutoutOptions): Promise<Encoded> {
    return this.#encodePng(cutout(this.image, this.mask, options));
  }

  /** The mask as a PNG file, white on black. */
  async png(): Promise<Encoded> {
    return this.#encodePng(maskImage(this.mask));
  }

  /** The outline as an SVG document. Throws a `MaskError` for a tolerance that is none. */
  svg(options?: PolygonOptions): string {
    return svgDocument([{ mask: this.mask }], options);
  }

  /** The mask as COCO's compressed run lengths. */
  rle(): CompressedRle {
    return compressRle(encodeRle(this.mask));
  }
}

/** Options of `segment`. `Model` is what names a model: a name or a path, an address, bytes. */
export interface SegmentOptions<Model> extends ImageLimits, Pick<PredictOptions, "multimaskOutput" | "signal"> {
  /**
   * A name such as "sam2.1-hiera-tiny", which is fetched where it is missing; "nano"; a path, an address or bytes; or a
   * model that is loaded already. Default "auto": the one chosen with `masklet models use`, else the best that is here
   * already, else nano. Nothing is downloaded then.
   */
  readonly model?: Model | Sam2;
  /** What computes, if not the backend that `segment` was imported with; it stays the caller's to dispose. */
  readonly backend?: Backend;
  /** As for `loadSam2`. Default "fp32". */
  readonly dtype?: Precision;
  /**
   * Three masks, of which the best is taken, or one. Default: three for a single click, which is ambiguous, else one.
   */
  readonly multimaskOutput?: boolean;
  /** While the model is loaded, the first time. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** `segment` of a backend's package. */
export interface Segment<Source, Encoded, Model> {
  /**
   * The object that a prompt shows, in an image: pixels, or what `setImage` takes besides.
   *
   * Models are loaded once and kept, and so is the image asked about last: the same pixels again cost one run of the small
   * decoder. Calls take turns. For many prompts and images at once, or to say when memory is freed, `loadSam2` and
   * `ImagePredictor` are the long form.
   *
   * Rejects as `loadSam2`, `ImagePredictor` and the backend do, and with the signal's reason.
   */
  (image: RawImage | Source, prompt: Prompt, options?: SegmentOptions<Model>): Promise<SegmentResult<Encoded>>;
  /**
   * Runs `work` with the model that a call would take, in its turn among the calls: for what one prompt does not say.
   * Settles as `work` does, or rejects as a call.
   */
  withModel<T>(work: (model: Sam2, facts: LoadedFacts) => Promise<T>, options?: ModelOptions<Model>): Promise<T>;
  /** Frees the models and images that are kept, after the calls under way; a later call loads anew. */
  dispose(): Promise<void>;
}

/** What `segment` loads, and how. */
export type ModelOptions<Model> = Pick<SegmentOptions<Model>, "model" | "backend" | "dtype" | "signal" | "onProgress">;

/** What `withModel` knows of the model besides. */
export interface LoadedFacts extends SegmentModel {
  /** As `SegmentResult.rough`. */
  readonly rough: boolean;
}

/** A model to load, found. */
export interface FoundSource {
  /** Equal for equal models. */
  readonly key: unknown;
  /** Whether it is nano. */
  readonly rough: boolean;
  readonly load: (options: {
    readonly backend: Backend;
    readonly dtype: Precision;
    readonly signal: AbortSignalLike;
    readonly onProgress?: (progress: LoadProgress) => void;
  }) => Promise<Sam2<never>>;
}

/** What differs between hosts. */
export interface SegmentHost<Source, Encoded, Model> {
  /** The backend where none is given; made once. */
  readonly createBackend: () => Promise<Backend>;
  readonly readImage: ImageReader<Source>;
  readonly encodePng: (image: RawImage) => Promise<Encoded>;
  /** Finds a model by name, or the one of "auto"; rejects as `loadSam2` of the host's entry. */
  readonly find: (model: Model | "auto") => Promise<FoundSource>;
}

/** A model that is kept. */
interface Kept {
  readonly backend: Backend | undefined;
  readonly dtype: Precision;
  readonly key: unknown;
  readonly rough: boolean;
  readonly queue: Queue;
  readonly loaded: Promise<{
    readonly predictor: ImagePredictor;
    /** What is disposed of with it; nothing where the model is the caller's. */
    readonly own: Sam2 | undefined;
  }>;
  /** Ends loading when nobody waits for it any more. */
  readonly abort: Abort;
  waiting: number;
  /** The image that the predictor has encoded. */
  image?: RawImage | undefined;
}

/** Makes `segment` for a host. */
export function segmentOn<Source, Encoded, Model>(
  host: SegmentHost<Source, Encoded, Model>,
): Segment<Source, Encoded, Model> {
  let kept: Kept[] = [];
  let ownBackend: Promise<Backend> | undefined;

  const defaultBackend = (): Promise<Backend> => {
    if (ownBackend !== undefined) return ownBackend;
    const made = host.createBackend();
    ownBackend = made;
    made.catch(() => {
      if (ownBackend === made) ownBackend = undefined;
    });
    return made;
  };

  const find = async (options: ModelOptions<Model>): Promise<Kept> => {
    const { model = "auto", backend, dtype = "fp32", onProgress } = options;
    const found = model instanceof Sam2 ? undefined : await host.find(model);
    const key = found === undefined ? model : found.key;
    const known = kept.find((one) => one.key === key && one.backend === backend && one.dtype === dtype);
    if (known !== undefined) return known;
    const abort = new Abort();
    const load = async (): ReturnType<() => Kept["loaded"]> => {
      if (model instanceof Sam2) return { predictor: predictorOf(model), own: undefined };
      const own = await (found as FoundSource).load({
        backend: backend ?? (await defaultBackend()),
        dtype,
        signal: abort.signal,
        ...(onProgress && { onProgress }),
      });
      return { predictor: predictorOf(own), own };
    };
    const rough = found?.rough ?? false;
    const one: Kept = { backend, dtype, key, rough, queue: new Queue(), abort, waiting: 0, loaded: load() };
    kept.push(one);
    one.loaded.catch(() => forget(one));
    return one;
  };

  const forget = (one: Kept): void => {
    kept = kept.filter((other) => other !== one);
  };

  /** Loading goes on while anybody waits for it. */
  const wait = async (one: Kept, signal: AbortSignalLike | undefined): ReturnType<() => Kept["loaded"]> => {
    one.waiting++;
    const leave = (): void => {
      // Who has got it stays counted.
      if (--one.waiting > 0) return;
      forget(one);
      one.abort.abort(signal?.reason);
      const late = ({ predictor, own }: Awaited<Kept["loaded"]>): Promise<unknown> =>
        Promise.allSettled([predictor.dispose(), own?.dispose()]);
      one.loaded.then(late, () => {}); // it may have come in the same moment
    };
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await abortable(one.loaded, signal);
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  };

  const factsOf = async (one: Kept, model: Sam2): Promise<LoadedFacts> => {
    const { name } = model.config;
    return { name, source: model.source, sha256: await model.sha256(), rough: one.rough || name === NANO };
  };

  const withModel = async <T>(
    work: (model: Sam2, facts: LoadedFacts) => Promise<T>,
    options: ModelOptions<Model> = {},
  ): Promise<T> => {
    checkKeys("withModel", options, modelKeys);
    checkModels("withModel", options);
    options.signal?.throwIfAborted();
    const one = await find(options);
    const { model } = (await wait(one, options.signal)).predictor;
    return one.queue.run(async () => work(model, await factsOf(one, model)), options.signal);
  };

  const call = async (
    image: RawImage | Source,
    prompt: Prompt,
    options: SegmentOptions<Model> = {},
  ): Promise<SegmentResult<Encoded>> => {
    checkKeys("segment", options, segmentKeys);
    checkAwaited("segment", "the image", image);
    checkModels("segment", options);
    const { signal, maxPixels } = options;
    signal?.throwIfAborted();
    const asked = copyPrompt(prompt, "segment");
    const one = await find(options);
    const { predictor } = await wait(one, signal);
    const stop = signal && { signal };
    const work = async (): Promise<SegmentResult<Encoded>> => {
      const pixels = isPixels(image)
        ? image
        : await host.readImage(image, { ...(maxPixels !== undefined && { maxPixels }), ...stop });
      checkImage("segment", pixels, maxPixels === undefined ? {} : { maxPixels });
      if (one.image === undefined || !samePixels(one.image, pixels)) {
        one.image = undefined;
        await predictor.setImage(pixels, stop);
        // The caller may draw on its own pixels later.
        one.image = isPixels(image) ? { ...pixels, data: pixels.data.slice() } : pixels;
      }
      const { points = [], box, maskInput } = asked;
      const { multimaskOutput = points.length === 1 && box === undefined && maskInput === undefined } = options;
      const prediction = await predictor.predict(asked, { multimaskOutput, ...stop });
      const { rough, ...model } = await factsOf(one, predictor.model);
      return new SegmentResult(pixels, prediction, { model, rough, encodePng: host.encodePng });
    };
    return one.queue.run(work, signal);
  };

  const dispose = async (): Promise<void> => {
    const [models, backend] = [kept, ownBackend];
    kept = [];
    ownBackend = undefined;
    const loaded = await Promise.allSettled(
      models.map(async (one) => {
        await one.queue.idle();
        return one.loaded;
      }),
    );
    const living = loaded.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await freeAll("segment", [
      ...living.map(
        ({ predictor }) =>
          () =>
            predictor.dispose(),
      ),
      ...living.map(
        ({ own }) =>
          () =>
            own?.dispose(),
      ),
      async () => (await backend?.catch(() => undefined))?.dispose(),
    ]);
  };
  return Object.assign(call, { withModel, dispose });
}

function checkModels(where: string, { model, backend }: ModelOptions<unknown>): void {
  checkAwaited(where, "the model", model);
  checkAwaited(where, "the backend", backend);
}

export const modelKeys: Keys<ModelOptions<unknown>> = {
  model: true,
  backend: true,
  dtype: true,
  signal: true,
  onProgress: true,
};

const segmentKeys: Keys<SegmentOptions<unknown>> = { ...modelKeys, multimaskOutput: true, maxPixels: true };

/** What nano's config calls itself, from whatever file it was loaded. */
const NANO = "sam2.1-hiera-nano";

function predictorOf(model: Sam2): ImagePredictor {
  // What is opened was held to the caller's own limit.
  return new ImagePredictor(model, { maxPixels: Number.POSITIVE_INFINITY });
}

function samePixels(a: RawImage, b: RawImage): boolean {
  if (a.width !== b.width || a.height !== b.height || a.channels !== b.channels) return false;
  if (a.data.length !== b.data.length) return false;
  return a.data.every((value, i) => value === b.data[i]);
}
