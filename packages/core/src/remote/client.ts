import { type AbortSignalLike, abortable } from "../abort.ts";
import { type MaskletError, RemoteError, StateError } from "../errors.ts";
import { checkImage, type RawImage, type Size } from "../image/image.ts";
import type { Sam2Config } from "../model/config.ts";
import type { Precision } from "../model/precision.ts";
import type { ImagePrediction } from "../predict/finish.ts";
import { type CachedImageOptions, setCachedImage } from "../predict/image-embedding.ts";
import type {
  ImagePredictor,
  ImagePredictorOptions,
  PredictOptions,
  RefineOptions,
  SetImageOptions,
} from "../predict/image-predictor.ts";
import type { LoadProgress } from "../progress.ts";
import { checkPrompts, copyPrompt, type Prompt } from "../prompt/prompt.ts";
import { CallQueue } from "../queue.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { listen, type PortLike } from "./port.ts";
import {
  type CommonMethods,
  type Handle,
  type Methods,
  message,
  protocolVersion,
  type Sam2Methods,
  type ServedImages,
  type ServedModel,
  type ToClient,
  type ToHost,
  versionMismatch,
  versionOf,
} from "./protocol.ts";
import { fromWire, toWire } from "./wire-error.ts";

interface CallOptions<E = unknown> {
  readonly signal?: AbortSignalLike | undefined;
  readonly onEvent?: ((event: E) => void) | undefined;
  /** Buffers of the parameters to hand over instead of copying them. */
  readonly transfer?: readonly ArrayBuffer[] | undefined;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly event: (value: unknown) => void;
}

/** Ids are unique in this realm, so that a client may follow another on one port while that one's last answers come. */
let calls = 0;

/** Calls the methods of the host at the other end of a port, and gives each answer to who asked. */
export class Caller<M extends Methods<M>> {
  readonly #port: PortLike;
  readonly #unlisten: (() => void)[];
  readonly #pending = new Map<number, Pending>();
  #ended: MaskletError | undefined;
  #closing: Promise<void> | undefined;

  constructor(port: PortLike) {
    this.#port = port;
    const unlisten = listen(port, {
      message: (data) => this.#receive(data),
      lost: (why, cause) => this.end(new RemoteError("lost", `the host is lost: ${why}`, { cause })),
    });
    this.#unlisten = [unlisten];
  }

  /** Listens on the port too, until there is nobody at its other end; `listening` returns what ends that. */
  beside(listening: (port: PortLike) => () => void): void {
    this.#unlisten.push(listening(this.#port));
  }

  /** Calls without an answer yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Settles as the host answers; an abort is passed on to it. Rejects with a `RemoteError` "lost" or "protocol-version"
   * when no answer can come any more, "not-sendable" for parameters that cannot be cloned.
   */
  call<K extends keyof (M & CommonMethods) & string>(
    method: K,
    params: (M & CommonMethods)[K]["params"],
    { signal, onEvent, transfer = [] }: CallOptions<(M & CommonMethods)[K]["event"]> = {},
  ): Promise<(M & CommonMethods)[K]["result"]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended;
      const id = ++calls;
      const abort = (reason: unknown): void => this.#post({ type: "abort", id, reason: toWire(reason) });
      const onAbort = (): void => abort(signal?.reason);
      const settled = (): void => {
        this.#pending.delete(id);
        signal?.removeEventListener("abort", onAbort);
      };
      this.#pending.set(id, {
        resolve: (value) => {
          settled();
          resolve(value as (M & CommonMethods)[K]["result"]); // the host is typed by the same table
        },
        reject: (error) => {
          settled();
          reject(error);
        },
        event: (value) => {
          try {
            onEvent?.(value as (M & CommonMethods)[K]["event"]);
          } catch (error) {
            reject(error);
            abort(error);
          }
        },
      });
      try {
        this.#post({ type: "call", id, method, params }, [...transfer]);
      } catch (cause) {
        settled();
        throw new RemoteError("not-sendable", `${method}: what was given cannot be sent to the host`, { cause });
      }
      if (signal?.aborted) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * The items of an iterable that a method opens. The host computes an item when it is asked for; `ahead` of them are
   * asked for before they are needed. Leaving the loop ends the iterable on the host.
   */
  async *iterate<T>(
    open: () => Promise<Handle<AsyncIterable<T>>>,
    { signal, ahead = 0 }: { readonly signal?: AbortSignalLike | undefined; readonly ahead?: number } = {},
  ): AsyncGenerator<T, void, void> {
    signal?.throwIfAborted();
    const handle = await abortable(open(), signal, (late) => this.abandon(late));
    const asked: Promise<IteratorResult<unknown, unknown>>[] = [];
    let done = false;
    try {
      for (;;) {
        while (asked.length <= ahead) {
          const next = this.call("next", { handle: handle.handle }, { signal });
          next.catch(() => {}); // seen when its turn comes, or not needed any more
          asked.push(next);
        }
        const result = await abortable(asked.shift() as Promise<IteratorResult<unknown, unknown>>, signal);
        if (result.done === true) {
          done = true;
          return;
        }
        yield result.value as T; // as the handle says
      }
    } finally {
      // An abort does not wait for the host.
      if (signal?.aborted) this.abandon(handle);
      else if (!done) await this.release(handle);
    }
  }

  /** Has the host free what it keeps; a host that is gone has. */
  async release({ handle }: Handle<unknown>): Promise<void> {
    if (this.#ended === undefined) await this.call("release", { handle }).catch(ignoreLoss);
  }

  /** As `release`, where nobody waits for it. */
  abandon(handle: Handle<unknown>): void {
    this.release(handle).catch(() => {});
  }

  /** Has the host free all that it keeps for this client; calls without an answer reject. The port stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const unanswered = [...this.#pending.values()];
    const closed = this.call("close", undefined);
    this.#ended = new StateError("disposed", "the client of the remote model is disposed");
    for (const pending of unanswered) pending.reject(this.#ended);
    try {
      await closed.catch(ignoreLoss);
    } finally {
      this.#leave();
    }
  }

  /** Rejects all calls, those to come too. */
  end(why: MaskletError): void {
    this.#ended ??= why;
    this.#leave();
    for (const pending of [...this.#pending.values()]) pending.reject(why);
  }

  #leave(): void {
    for (const unlisten of this.#unlisten.splice(0)) unlisten();
  }

  #receive(data: unknown): void {
    const version = versionOf(data);
    if (version === undefined) return;
    if (version !== protocolVersion) {
      this.end(versionMismatch("host", version));
      return;
    }
    const answer = data as ToClient;
    if (answer.type === "lost") this.end(fromWire(answer.error) as MaskletError);
    else {
      // Calls come here too, the other side's own.
      const pending = this.#pending.get(answer.id);
      if (answer.type === "event") pending?.event(answer.value);
      else if (answer.type === "result") pending?.resolve(answer.value);
      else if (answer.type === "error") pending?.reject(fromWire(answer.error));
    }
  }

  #post(content: ToHost, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message(content), transfer);
  }
}

function ignoreLoss(error: unknown): void {
  if (!(error instanceof RemoteError)) throw error;
}

/** Options of `RemoteClient.load`. */
export interface RemoteLoadOptions {
  /** As of `Sam2.load`: for checkpoints that do not show which model they are. */
  readonly config?: Sam2Config;
  /** As of `Sam2.load`: what the model computes in. */
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
    this.#caller = new Caller(port);
  }

  /** Calls that the host has not answered yet. */
  get pending(): number {
    return this.#caller.pending;
  }

  /**
   * Has the host load a checkpoint: its bytes, or what else the host's `open` takes. Rejects as `Sam2.load`; aborting
   * rejects at once, and what the host loads in spite of it is freed.
   */
  async load(source: unknown, options: RemoteLoadOptions = {}): Promise<RemoteSam2> {
    return new RemoteSam2(this.#caller, await loadModel(this.#caller, source, options));
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
  source: unknown,
  { config, dtype, backend, transfer, signal, onProgress }: RemoteLoadOptions,
): Promise<Sam2Methods["load"]["result"]> {
  signal?.throwIfAborted();
  const params = {
    source,
    ...(config && { config }),
    ...(dtype && { dtype }),
    ...(backend !== undefined && { backend }),
  };
  const loaded = caller.call("load", params, { signal, onEvent: onProgress, transfer });
  return abortable(loaded, signal, (late) => caller.abandon(late));
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
  source: unknown,
  { predictor: options = {}, ...load }: WorkerPredictorOptions = {},
): Promise<RemoteImagePredictor> {
  const caller = new Caller<Sam2Methods>(worker);
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
    const { caller, model } = this.reach();
    return new RemoteImagePredictor(this, caller, await caller.call("imagePredictor", { model, options }));
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
export class RemoteImagePredictor implements Omit<ImagePredictor, "model" | "imagesPerRun"> {
  readonly model: RemoteSam2;
  readonly #caller: Caller<Sam2Methods>;
  readonly #calls = new CallQueue("the predictor");
  #images: Handle<ServedImages>;
  #sizes: readonly Size[] = [];
  readonly #onDispose: () => Promise<void>;

  /** @internal For `RemoteSam2.imagePredictor` and `createWorkerPredictor`. */
  constructor(
    model: RemoteSam2,
    caller: Caller<Sam2Methods>,
    images: Handle<ServedImages>,
    onDispose: () => Promise<void> = async () => {},
  ) {
    this.model = model;
    this.#caller = caller;
    this.#images = images;
    this.#onDispose = onDispose;
  }

  get imageSizes(): readonly Size[] {
    return this.#sizes;
  }

  /** As `ImagePredictor.setImage`. */
  setImage(image: RawImage, options: RemoteSetImageOptions & CachedImageOptions = {}): Promise<void> {
    return setCachedImage(this, image, options);
  }

  /** As `ImagePredictor.setImages`. */
  async setImages(
    images: readonly RawImage[],
    { signal, transfer = false }: RemoteSetImageOptions = {},
  ): Promise<void> {
    const encode = (): Promise<Sam2Methods["setImages"]["result"]> => {
      // The host checks how large they may be.
      for (const image of images) checkImage("setImage", image, { maxPixels: Number.POSITIVE_INFINITY });
      const sent = transfer ? images : images.map((image) => ({ ...image, data: copyOf(image.data) }));
      const buffers = new Set(sent.map(({ data }) => data.buffer as ArrayBuffer));
      return this.#caller.call("setImages", { images: sent, like: this.#images }, { signal, transfer: [...buffers] });
    };
    await this.#replace("setImage", encode, signal);
  }

  /** As `ImagePredictor.saveImage`. */
  saveImage(index = 0, { signal }: SetImageOptions = {}): Promise<Uint8Array> {
    const save = () => this.#caller.call("saveImage", { images: this.#images, index }, { signal });
    return this.#calls.run("saveImage", signal, save);
  }

  /** As `ImagePredictor.loadImages`. */
  async loadImages(files: readonly Uint8Array[], { signal }: SetImageOptions = {}): Promise<void> {
    const load = () => this.#caller.call("loadImages", { files, like: this.#images }, { signal });
    await this.#replace("loadImages", load, signal);
  }

  /** As `ImagePredictor.predict`. */
  async predict(prompt: Prompt, options: PredictOptions = {}): Promise<ImagePrediction> {
    const [prediction] = await this.predictMany([prompt], options);
    return prediction as ImagePrediction;
  }

  /** As `ImagePredictor.predictMany`. */
  async predictMany(prompts: readonly Prompt[], options: PredictOptions = {}): Promise<readonly ImagePrediction[]> {
    checkPrompts(prompts, "predictMany");
    const asked = prompts.map((prompt, i) =>
      copyPrompt(prompt, prompts.length === 1 ? "predict" : `predict: prompt ${i}`),
    );
    const { signal, latest, ...rest } = options;
    return this.#predict(options, () =>
      this.#caller.call("predict", { images: this.#images, prompts: asked.map(compact), options: rest }, { signal }),
    );
  }

  /** As `ImagePredictor.refine`. */
  async refine(prompt: Prompt, options: RefineOptions = {}): Promise<ImagePrediction> {
    const asked = copyPrompt(prompt, "predict");
    const { signal, latest, onStep, ...rest } = options;
    return this.#predict(options, () =>
      this.#caller.call(
        "refine",
        { images: this.#images, prompt: compact(asked), options: rest },
        { signal, onEvent: onStep && (({ prediction, iteration }) => onStep(prediction, iteration)) },
      ),
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
  async dispose(): Promise<void> {
    const free = async (): Promise<void> => {
      this.#sizes = [];
      this.#caller.abandon(this.#images);
      await this.#onDispose();
    };
    await this.#calls.dispose(free);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #replace(
    where: string,
    encode: () => Promise<Sam2Methods["setImages"]["result"]>,
    signal: AbortSignalLike | undefined,
  ): Promise<void> {
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

/** A clone of a view copies all of its buffer, and a shared one is refused. `slice` of Node's `Buffer` is no copy. */
export const copyOf = (data: RawImage["data"]): RawImage["data"] =>
  data instanceof Uint8ClampedArray ? new Uint8ClampedArray(data) : new Uint8Array(data);

function compact(prompt: Prompt): Prompt {
  const { maskInput } = prompt;
  return maskInput === undefined ? prompt : { ...prompt, maskInput: { ...maskInput, data: maskInput.data.slice() } };
}
