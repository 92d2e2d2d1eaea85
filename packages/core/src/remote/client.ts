import { type AbortSignalLike, abortable } from "../abort.ts";
import { StateError } from "../errors.ts";
import { checkImage, type RawImage, type Size } from "../image/image.ts";
import type { Sam2Config } from "../model/config.ts";
import type { Precision } from "../model/precision.ts";
import { checkKeys, type Keys, signalKeys } from "../options.ts";
import type { ImagePrediction } from "../predict/finish.ts";
import type { CachedImageOptions } from "../predict/image-embedding.ts";
import type {
  ImagePredictorOptions,
  PredictOptions,
  RefineOptions,
  SetImageOptions,
} from "../predict/image-predictor.ts";
import { predictKeys, predictorKeys, refineKeys } from "../predict/image-predictor.ts";
import type { ImageSegmenter } from "../predict/image-segmenter.ts";
import type { LoadProgress } from "../progress.ts";
import { checkPrompts, copyPrompt, type Prompt } from "../prompt/prompt.ts";
import { CallQueue } from "../queue.ts";
import type { FoundSubject, SubjectFinder } from "../subject/subject.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { Caller } from "./caller.ts";
import {
  type Handle,
  type Sam2Methods,
  type ServedFinder,
  type ServedImages,
  type ServedModel,
  sam2Methods,
} from "./methods.ts";
import type { PortLike } from "./port.ts";

/**
 * What a message can carry of what `loadSam2` takes: a name, a path or an address, also as a URL object; bytes; in a
 * browser a Blob; and whatever other plain data the host's own `open` understands.
 */
export type RemoteModelSource =
  | string
  | { readonly href: string }
  | Uint8Array
  | { readonly size: number; readonly type: string; arrayBuffer(): Promise<ArrayBuffer> }
  | { readonly [key: string]: unknown };

/** Options of `RemoteClient.load`. */
export interface RemoteLoadOptions {
  /** As of `loadSam2`: for checkpoints that do not show which model they are. */
  readonly config?: Sam2Config;
  /** As of `loadSam2`: what the model computes in. */
  readonly dtype?: Precision;
  /** Plain data that the host's `backend` function gets: which device, the runtime's wasm. */
  readonly backend?: unknown;
  /** Buffers of `source` and `backend` to hand over to the host instead of copying them: they are empty afterwards. */
  readonly transfer?: readonly ArrayBuffer[];
  readonly signal?: AbortSignalLike;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * The near end of a port whose far end is served by `serveSam2`. One client at a time uses a port.
 *
 * Every call rejects with the error that the far side threw, of the same class, or with a `RemoteError`: "lost" once the
 * worker has failed or ended, "protocol-version" if it is of another release, "not-sendable" for what cannot be cloned;
 * with a `StateError` "disposed" after `dispose`. A worker that is terminated from this side does not say so: dispose
 * first.
 */
export class RemoteClient {
  readonly #caller: Caller<Sam2Methods>;

  constructor(port: PortLike) {
    this.#caller = new Caller(port, sam2Methods);
  }

  /** Calls that the host has not answered yet. */
  get pending(): number {
    return this.#caller.pending;
  }

  /**
   * Has the host load a checkpoint: its bytes, or what else the host's `open` takes. Rejects as `loadSam2`; aborting
   * rejects at once, and what the host loads in spite of it is freed.
   */
  async load(source: RemoteModelSource, options: RemoteLoadOptions = {}): Promise<RemoteSam2> {
    checkKeys("load", options, loadKeys);
    return new RemoteSam2(this.#caller, await loadModel(this.#caller, source, options));
  }

  /**
   * Has the host open a model of saliency or matting, of whatever its `openFinder` takes: a classic worker's takes an ONNX
   * file's bytes. `backend` is as for `load`. Rejects with the host's error, and with a `PromptError` "bad-option" where the
   * host opens none.
   */
  async openSubjectFinder(
    source: RemoteModelSource,
    options: Pick<RemoteLoadOptions, "backend" | "transfer" | "signal"> = {},
  ): Promise<RemoteSubjectFinder> {
    checkKeys("openSubjectFinder", options, openFinderKeys);
    const { backend, transfer, signal } = options;
    const caller = this.#caller;
    const opened = caller.call("openFinder", { source, backend }, { signal, transfer });
    return new RemoteSubjectFinder(caller, await abortable(opened, signal, (late) => caller.abandon(late)));
  }

  /** Frees everything the host holds for this client; other calls reject. The port, or worker, stays the caller's. */
  dispose(): Promise<void> {
    return this.#caller.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

async function loadModel(
  caller: Caller<Sam2Methods>,
  source: RemoteModelSource,
  { transfer, signal, onProgress, ...options }: RemoteLoadOptions,
): Promise<Sam2Methods["load"]["result"]> {
  signal?.throwIfAborted();
  // A URL object cannot be cloned.
  const sent = typeof source === "object" && isUrl(source) ? source.href : source;
  const loaded = caller.call("load", { source: sent, ...options }, { signal, onEvent: onProgress, transfer });
  return abortable(loaded, signal, (late) => caller.abandon(late));
}

/** Of this realm or another; core knows no URL by itself. */
function isUrl(source: object): source is { readonly href: string } {
  return Object.prototype.toString.call(source) === "[object URL]";
}

/** Options of `createWorkerPredictor`: those of `RemoteClient.load`, and the predictor's. */
export interface WorkerPredictorOptions extends RemoteLoadOptions {
  readonly predictor?: ImagePredictorOptions;
}

/**
 * An image predictor in a worker, or at the far end of any other port that `serveSam2` serves; loads its model there.
 * `dispose` frees both and lets go of the port; the worker stays yours to terminate. Rejects as `RemoteClient.load`, and
 * leaves nothing in the worker then.
 */
export async function createWorkerPredictor(
  worker: PortLike,
  source: RemoteModelSource,
  given: WorkerPredictorOptions = {},
): Promise<RemoteImagePredictor> {
  checkKeys("createWorkerPredictor", given, workerKeys);
  const { predictor: options = {}, ...load } = given;
  checkKeys("createWorkerPredictor: predictor", options, predictorKeys);
  const caller = new Caller(worker, sam2Methods);
  try {
    const model = await loadModel(caller, source, load);
    const images = await caller.call("imagePredictor", { model: { handle: model.handle }, options });
    return new RemoteImagePredictor(new RemoteSam2(caller, model), caller, images, () => caller.close());
  } catch (error) {
    caller.close().catch(() => {}); // not awaited: the worker may be in the middle of something
    throw error;
  }
}

/** A SAM 2 model that a host holds. */
export class RemoteSam2 {
  readonly config: Sam2Config;
  /** What it computes in. */
  readonly dtype: Precision;
  /** How errors call the checkpoint. */
  readonly source: string;
  /** The name of the host's backend. */
  readonly backendName: string;
  readonly #caller: Caller<Sam2Methods>;
  readonly #model: Handle<ServedModel>;
  #disposed = false;

  /** @internal For `RemoteClient.load`. */
  constructor(caller: Caller<Sam2Methods>, { handle, ...model }: Sam2Methods["load"]["result"]) {
    this.#caller = caller;
    this.#model = { handle };
    this.config = model.config;
    this.dtype = model.dtype;
    this.source = model.source;
    this.backendName = model.backendName;
  }

  /** As `new ImagePredictor`: rejects with a `PromptError` "bad-option" that names an option out of range. */
  async imagePredictor(options: ImagePredictorOptions = {}): Promise<RemoteImagePredictor> {
    checkKeys("imagePredictor", options, predictorKeys);
    const { caller, model } = this.reach();
    return new RemoteImagePredictor(this, caller, await caller.call("imagePredictor", { model, options }));
  }

  /** An `AutomaticSubjectFinder` of this model, on the host. */
  async subjectFinder(): Promise<RemoteSubjectFinder> {
    const { caller, model } = this.reach();
    return new RemoteSubjectFinder(caller, await caller.call("openFinder", { model }));
  }

  /** @internal For predictors: how to call the host about this model. */
  reach(): { readonly caller: Caller<Sam2Methods>; readonly model: Handle<ServedModel> } {
    if (this.#disposed) throw new StateError("disposed", `Sam2 (${this.source}) is disposed`);
    return { caller: this.#caller, model: this.#model };
  }

  /** Frees the model on the host. May be called more than once. */
  dispose(): Promise<void> {
    this.#disposed = true;
    return this.#caller.release(this.#model);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Finds subjects with a model that a host holds. */
export class RemoteSubjectFinder implements SubjectFinder {
  /** What the host says that the model is, where it says so: the kinds of `openSubjectFinder`, for instance. */
  readonly kind: string | undefined;
  readonly #caller: Caller<Sam2Methods>;
  readonly #finder: Handle<ServedFinder>;

  /** @internal For `RemoteClient.openSubjectFinder` and `RemoteSam2.subjectFinder`. */
  constructor(caller: Caller<Sam2Methods>, finder: Handle<ServedFinder> & { readonly kind?: string }) {
    this.kind = finder.kind;
    this.#caller = caller;
    this.#finder = finder;
  }

  async find(image: RawImage, options: { readonly signal?: AbortSignalLike } = {}): Promise<FoundSubject> {
    checkKeys("find", options, signalKeys);
    const { signal } = options;
    const found = this.#caller.call("findSubject", { finder: this.#finder, image }, { signal });
    return abortable(found, signal, () => {});
  }

  /** Frees it on the host. May be called more than once. */
  dispose(): Promise<void> {
    return this.#caller.release(this.#finder);
  }
}

type Encoded = Sam2Methods["setImages"]["result"];
type Step = Sam2Methods["refine"]["event"];

/** Options of `RemoteImagePredictor.setImage`. */
export interface RemoteSetImageOptions extends SetImageOptions {
  /** Hands the pixels over to the host instead of copying them: the image is empty afterwards. Default false. */
  readonly transfer?: boolean;
}

/**
 * An `ImagePredictor` whose model a host holds: the same calls with the same results and errors, and `RemoteError`s.
 *
 * Calls wait on this side for those before them, so that a click that is aborted or superseded costs the host nothing,
 * even where a run blocks it.
 */
export class RemoteImagePredictor implements ImageSegmenter {
  readonly model: RemoteSam2;
  readonly #caller: Caller<Sam2Methods>;
  readonly #calls = new CallQueue("the predictor");
  #images: Handle<ServedImages>;
  #sizes: readonly Size[] = [];
  readonly #free: (images: Handle<ServedImages>) => Promise<void>;
  #disposed: Promise<void> | undefined;

  /** @internal For `RemoteSam2.imagePredictor` and `createWorkerPredictor`. */
  constructor(
    model: RemoteSam2,
    caller: Caller<Sam2Methods>,
    images: Handle<ServedImages>,
    free: (images: Handle<ServedImages>) => Promise<void> = (held) => caller.release(held),
  ) {
    this.model = model;
    this.#caller = caller;
    this.#images = images;
    this.#free = free;
  }

  get imageSizes(): readonly Size[] {
    return this.#sizes;
  }

  /** As `ImagePredictor.setImage`. */
  async setImage(image: RawImage, given: RemoteSetImageOptions & CachedImageOptions = {}): Promise<void> {
    checkKeys("setImage", given, setImageKeys);
    const { cache, key, ...options } = given;
    return this.#replace("setImage", options.signal, async () => {
      if (cache === undefined || key === undefined) return this.#encode([image], options);
      const known = await cache.get(key);
      if (known !== undefined) return this.#load([known], options);
      const encoded = await this.#encode([image], options);
      try {
        const file = await this.#save(encoded, 0, options);
        options.signal?.throwIfAborted();
        await cache.set(key, file);
        return encoded;
      } catch (error) {
        this.#caller.abandon(encoded);
        throw error;
      }
    });
  }

  /** As `ImagePredictor.setImages`. */
  async setImages(images: readonly RawImage[], options: RemoteSetImageOptions = {}): Promise<void> {
    checkKeys("setImages", options, setImagesKeys);
    return this.#replace("setImage", options.signal, () => this.#encode(images, options));
  }

  /** As `ImagePredictor.saveImage`. */
  async saveImage(index = 0, options: SetImageOptions = {}): Promise<Uint8Array> {
    checkKeys("saveImage", options, signalKeys);
    return this.#calls.run("saveImage", options.signal, () => this.#save(this.#images, index, options));
  }

  /** As `ImagePredictor.loadImages`. */
  async loadImages(files: readonly Uint8Array[], options: SetImageOptions = {}): Promise<void> {
    checkKeys("loadImages", options, signalKeys);
    return this.#replace("loadImages", options.signal, () => this.#load(files, options));
  }

  /** As `ImagePredictor.predict`. */
  async predict(prompt: Prompt, options: PredictOptions = {}): Promise<ImagePrediction> {
    const [prediction] = await this.predictMany([prompt], options);
    return prediction as ImagePrediction;
  }

  /** As `ImagePredictor.predictMany`. */
  async predictMany(prompts: readonly Prompt[], options: PredictOptions = {}): Promise<readonly ImagePrediction[]> {
    checkKeys("predict", options, predictKeys);
    checkPrompts(prompts, "predictMany");
    const asked = prompts.map((prompt, i) =>
      copyPrompt(prompt, prompts.length === 1 ? "predict" : `predict: prompt ${i}`),
    );
    return this.#predict(options, () =>
      this.#caller.call("predict", { images: this.#images, prompts: asked, options }, { signal: options.signal }),
    );
  }

  /** As `ImagePredictor.refine`. */
  async refine(prompt: Prompt, options: RefineOptions = {}): Promise<ImagePrediction> {
    checkKeys("refine", options, refineKeys);
    const asked = copyPrompt(prompt, "predict");
    const { signal, onStep } = options;
    const onEvent = onStep && (({ prediction, iteration }: Step) => onStep(prediction, iteration));
    return this.#predict(options, () =>
      this.#caller.call("refine", { images: this.#images, prompt: asked, options }, { signal, onEvent }),
    );
  }

  /** As `ImagePredictor.imageEmbedding`. */
  imageEmbedding(index = 0): Promise<HostTensor> {
    return this.#calls.run("imageEmbedding", undefined, () =>
      this.#caller.call("imageEmbedding", { images: this.#images, index }),
    );
  }

  /** As `ImagePredictor.reset`. */
  async reset(): Promise<void> {
    await this.#calls.run("reset", undefined, () => this.#caller.call("reset", { images: this.#images }));
    this.#sizes = [];
  }

  /** As `ImagePredictor.dispose`. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#calls.dispose(() => {
      this.#sizes = [];
      return this.#free(this.#images);
    });
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #encode(images: readonly RawImage[], { signal, transfer }: RemoteSetImageOptions): Promise<Encoded> {
    // The host checks how large they may be.
    for (const image of images) checkImage("setImage", image, { maxPixels: Number.POSITIVE_INFINITY });
    const buffers = transfer
      ? images.map(({ data }) => data.buffer).filter((buffer) => buffer instanceof ArrayBuffer)
      : [];
    return this.#caller.call("setImages", { images, like: this.#images }, { signal, transfer: buffers });
  }

  #load(files: readonly Uint8Array[], { signal }: SetImageOptions): Promise<Encoded> {
    return this.#caller.call("loadImages", { files, like: this.#images }, { signal });
  }

  #save(images: Handle<ServedImages>, index: number, { signal }: SetImageOptions): Promise<Uint8Array> {
    return this.#caller.call("saveImage", { images, index }, { signal });
  }

  /** All of `encode` is one call in the queue, and what was set before stays until it has ended well. */
  async #replace(where: string, signal: AbortSignalLike | undefined, encode: () => Promise<Encoded>): Promise<void> {
    const { handle, sizes } = await this.#calls.run(where, signal, encode, (late) => this.#caller.abandon(late));
    this.#caller.abandon(this.#images);
    this.#images = { handle };
    this.#sizes = sizes;
  }

  #predict<T>({ latest, signal }: PredictOptions, ask: () => Promise<T>): Promise<T> {
    const checkLatest = this.#calls.ticket("predict", latest);
    const job = async (): Promise<T> => {
      checkLatest();
      const answer = await ask();
      checkLatest();
      return answer;
    };
    return this.#calls.run("predict", signal, job);
  }
}

const loadKeys: Keys<RemoteLoadOptions> = {
  config: true,
  dtype: true,
  backend: true,
  transfer: true,
  signal: true,
  onProgress: true,
};
const openFinderKeys: Keys<Pick<RemoteLoadOptions, "backend" | "transfer" | "signal">> = {
  backend: true,
  transfer: true,
  signal: true,
};
const workerKeys: Keys<WorkerPredictorOptions> = { ...loadKeys, predictor: true };
const setImagesKeys: Keys<RemoteSetImageOptions> = { signal: true, transfer: true };
const setImageKeys: Keys<RemoteSetImageOptions & CachedImageOptions> = { ...setImagesKeys, cache: true, key: true };
