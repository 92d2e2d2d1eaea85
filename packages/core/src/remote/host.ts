import { Abort, type AbortSignalLike, abortable } from "../abort.ts";
import type { Backend } from "../backend/backend.ts";
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { BackendError, PromptError, RemoteError, StateError } from "../errors.ts";
import type { Sam2Config } from "../model/config.ts";
import { checkKeys, type Keys } from "../options.ts";
import { ImagePredictor, type ImagePredictorOptions } from "../predict/image-predictor.ts";
import { type DownloadStage, loadingSteps, type OnProgress } from "../progress.ts";
import { Queue } from "../queue.ts";
import { loadSam2, Sam2 } from "../sam2.ts";
import { AutomaticSubjectFinder } from "../subject/automatic-subject.ts";
import type { SubjectFinder } from "../subject/subject.ts";
import type { FrameSource } from "../video/frame-source.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import { VideoSession } from "../video/video-session.ts";
import { Caller } from "./caller.ts";
import {
  type ClientMethods,
  type CommonMethods,
  type Crossing,
  clientMethods,
  commonMethods,
  type Handle,
  type Methods,
  type Sam2Methods,
  type ServedFinder,
  type ServedImages,
  type ServedModel,
  type ServedVideo,
  type SessionState,
  sam2Methods,
  type Table,
  trackedFrame,
  type VideoFrames,
} from "./methods.ts";
import { listen, type PortLike } from "./port.ts";
import { badMessage, message, protocolVersion, type ToClient, versionMismatch, versionOf } from "./protocol.ts";
import { fromWire, toWire } from "./wire-error.ts";

/** What a method may do besides answering. */
export interface CallContext<E> {
  readonly signal: AbortSignalLike;
  /** Reports to the client; the value is copied. */
  emit(event: E): void;
  /** Keeps a value for the client, until it is released: then, or when the client goes, `free` is called, once. */
  hold<T>(value: object, free: () => Promise<void>): Handle<T>;
  /**
   * Keeps an iterable for the client, which asks for its items one by one. Its signal is aborted when the client aborts
   * or releases it.
   */
  holdIterable<T>(iterate: (signal: AbortSignalLike) => AsyncIterable<T>): Handle<AsyncIterable<T>>;
  /** What `hold` keeps. Throws a `RemoteError` "bad-message" unless it is an instance of `type`. */
  held<T>(handle: Handle<unknown>, type: abstract new (...args: never) => T): T;
}

export type Handlers<M extends Methods<M>> = {
  readonly [K in keyof M]: (params: M[K]["params"], context: CallContext<M[K]["event"]>) => Promise<M[K]["result"]>;
};

/** Answers a client's calls. */
export interface RemoteHost {
  /** Things it keeps for its client, and calls it has not answered: 0 once the client has freed everything. */
  readonly live: number;
  /** Aborts what runs, frees everything, and tells the client, whose calls reject with a `RemoteError` "lost". */
  dispose(): Promise<void>;
}

interface Held {
  readonly value: object;
  readonly free: () => Promise<void>;
}

/**
 * Answers what comes on the port with the handlers; one client at a time. A client may close and another begin on the
 * same port. When the port closes, all that was held for the client is freed.
 */
export function serve<M extends Methods<M>>(port: PortLike, methods: Table<M>, handlers: Handlers<M>): RemoteHost {
  return new Host(port, methods, handlers as Readonly<Record<string, AnyHandler>>);
}

/** A handler with its types forgotten: what it is called with has the kind that the table says. */
type AnyHandler = (params: unknown, context: CallContext<unknown>) => Promise<unknown>;

class Host implements RemoteHost {
  readonly #port: PortLike;
  readonly #methods: Readonly<Record<string, Crossing>>;
  readonly #handlers: Readonly<Record<string, AnyHandler>>;
  readonly #unlisten: () => void;
  readonly #running = new Map<unknown, { readonly abort: Abort; readonly answered: Promise<void> }>();
  readonly #held = new Map<number, Held>();
  #handles = 0;
  #closing: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(
    port: PortLike,
    methods: Readonly<Record<string, Crossing>>,
    handlers: Readonly<Record<string, AnyHandler>>,
  ) {
    this.#port = port;
    const common: Handlers<CommonMethods> = {
      next: async (handle, { signal, held }) => held(handle, Items).next(signal),
      release: ({ handle }) => this.#release(handle),
      close: async () => {}, // never gets here
    };
    this.#methods = { ...methods, ...commonMethods };
    this.#handlers = { ...handlers, ...(common as Readonly<Record<string, AnyHandler>>) };
    this.#unlisten = listen(port, {
      message: (data) => this.#receive(data),
      lost: (why) => {
        this.#end(new RemoteError("lost", `the host ended: ${why}`)).catch(() => {}); // nobody is left to be told
      },
    });
  }

  get live(): number {
    return this.#held.size + this.#running.size;
  }

  dispose(): Promise<void> {
    return this.#end(new RemoteError("lost", "the host was disposed"));
  }

  async #end(why: RemoteError): Promise<void> {
    if (!this.#disposed) {
      this.#disposed = true;
      this.#unlisten();
      this.#tell({ type: "lost", error: toWire(why) });
      this.#close(why);
    }
    await this.#closing;
  }

  #receive(data: unknown): void {
    const version = versionOf(data);
    if (version === undefined) return;
    const { id, type, method, params, reason } = data as Readonly<Record<string, unknown>>;
    if (version !== protocolVersion) {
      this.#refuse(id, versionMismatch("client", version));
    } else if (type === "abort") {
      this.#running.get(id)?.abort.abort(fromWire(reason));
    } else if (type === "call") {
      if (method === "close") this.#closeFor(id);
      else if (this.#running.has(id)) this.#refuse(id, badMessage("there is such a call already", { id }));
      else {
        const abort = new Abort();
        this.#running.set(id, { abort, answered: this.#call(id, method, params, abort) });
      }
    } else if (!toClient.has(type)) {
      this.#refuse(id, badMessage(`the host takes no message of type ${String(type)}`, { type }));
    }
  }

  /** Never rejects. */
  async #call(id: unknown, method: unknown, params: unknown, abort: Abort): Promise<void> {
    try {
      await this.#closing;
      if (typeof method !== "string" || !Object.hasOwn(this.#handlers, method)) {
        throw badMessage(`the host has no method "${String(method)}"`, { method });
      }
      const { takes, answers } = this.#methods[method] as Crossing;
      if (!takes.fits(params)) throw badMessage(`what ${method} was called with does not fit it`, { method });
      abort.signal.throwIfAborted();
      const result = await (this.#handlers[method] as AnyHandler)(params, this.#context(id, abort));
      const transfer = new Set<ArrayBuffer>();
      const value = answers.send(result, transfer);
      try {
        this.#post({ type: "result", id, value }, [...transfer]);
      } catch (cause) {
        throw new RemoteError("not-sendable", `the result of ${method} cannot be sent`, { cause });
      }
    } catch (error) {
      this.#refuse(id, error);
    } finally {
      this.#running.delete(id);
    }
  }

  #context(id: unknown, { signal }: Abort): CallContext<unknown> {
    const keep = (held: Held): { readonly handle: number } => {
      const handle = ++this.#handles;
      this.#held.set(handle, held);
      return { handle };
    };
    return {
      signal,
      emit: (value) => this.#post({ type: "event", id, value }),
      hold: (value, free) => keep({ value, free }),
      holdIterable: (iterate) => {
        const items = new Items(iterate, () => this.#held.delete(handle));
        const { handle } = keep({ value: items, free: () => items.end() });
        return { handle };
      },
      held: ({ handle }, type) => {
        const value = this.#held.get(handle)?.value;
        if (value instanceof type) return value;
        throw badMessage(`the host holds nothing of that kind as ${handle}`, { handle });
      },
    };
  }

  async #release(handle: number): Promise<void> {
    const held = this.#held.get(handle);
    this.#held.delete(handle);
    await held?.free();
  }

  #closeFor(id: unknown): void {
    this.#close(new StateError("disposed", "the client has closed"));
    const closed = this.#closing.then(
      () => this.#tell({ type: "result", id, value: undefined }),
      (error) => this.#refuse(id, error),
    );
    this.#closing = closed;
  }

  /** Calls that come later wait for it. */
  #close(reason: unknown): void {
    for (const { abort } of this.#running.values()) abort.abort(reason);
    const answered = Promise.all(Array.from(this.#running.values(), (call) => call.answered));
    this.#closing = Promise.all([this.#closing, answered]).then(async () => {
      // What was made last may need what was made before.
      const held = [...this.#held.keys()].reverse();
      const errors: unknown[] = [];
      for (const handle of held) await this.#release(handle).catch((error: unknown) => errors.push(error));
      if (errors.length > 0) throw errors[0];
    });
  }

  #refuse(id: unknown, error: unknown): void {
    this.#tell({ type: "error", id, error: toWire(error) });
  }

  /** Of a port that takes nothing more nobody is left to be told. */
  #tell(content: ToClient): void {
    try {
      this.#post(content);
    } catch {}
  }

  #post(content: ToClient, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message(content), transfer);
  }
}

/** Types of what a client gets: a host's own calls are answered on the same port. */
const toClient: ReadonlySet<unknown> = new Set<ToClient["type"]>(["event", "result", "error", "lost"]);

/** An iterable's items, one at a time, however fast they are asked for. */
class Items {
  readonly #iterator: AsyncIterator<unknown, unknown>;
  readonly #onDone: () => void;
  readonly #abort = new Abort();
  readonly #queue = new Queue();
  #done = false;

  constructor(iterate: (signal: AbortSignalLike) => AsyncIterable<unknown>, onDone: () => void) {
    this.#iterator = iterate(this.#abort.signal)[Symbol.asyncIterator]();
    this.#onDone = onDone;
  }

  next(signal: AbortSignalLike): Promise<IteratorResult<unknown, unknown>> {
    const onAbort = (): void => this.#abort.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    return this.#queue.run(async () => {
      try {
        signal.throwIfAborted();
        if (this.#done) return { done: true, value: undefined };
        const result = await this.#iterator.next();
        if (result.done === true) this.#finish();
        return result;
      } catch (error) {
        this.#finish(); // an iterator that has thrown is at its end
        throw error;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    });
  }

  #finish(): void {
    this.#done = true;
    this.#onDone();
  }

  async end(): Promise<void> {
    this.#abort.abort(new StateError("disposed", "the iterable was left"));
    await this.#queue.run(async () => this.#iterator.return?.());
  }
}

/** Where a host takes its models from. */
export interface Sam2HostOptions {
  /**
   * What computes; not needed where `open` gives loaded models alone. A backend stays the caller's. A function makes one for
   * each model that a client loads, beside the opening, from the `backend` of its request (which comes over the port: it is
   * not to be trusted further than the client is), and the backend is disposed of with the model.
   */
  readonly backend?: Backend | ((options: unknown) => Promise<Backend>);
  /**
   * Makes a checkpoint's bytes of a client's `source`, which may be any plain data; or gives a model that is loaded already,
   * which several clients may share and which stays the host's own. By default it has to be the bytes.
   */
  readonly open?: (source: unknown, options: OpenOptions) => Promise<ByteSource | Uint8Array | OpenedModel | Sam2>;
  /**
   * Makes frames of what a client gives to `RemoteVideoPredictor.open`, which may be any plain data. They are closed with
   * their session. By default only videos whose frames the client reads can be tracked.
   */
  readonly openVideo?: (video: unknown, options: { readonly signal: AbortSignalLike }) => Promise<ClosableFrames>;
  /**
   * Makes a finder of subjects of what a client gives to `RemoteClient.openSubjectFinder`, which may be any plain data; it
   * is disposed of when the client lets go of it. The memory of what its `find` gives is handed over to the client. By
   * default there are those of loaded models alone.
   */
  readonly openFinder?: (
    source: unknown,
    options: { readonly backend: unknown; readonly signal: AbortSignalLike },
  ) => Promise<DisposableFinder>;
}

/** A finder that holds a model. */
export interface DisposableFinder extends SubjectFinder {
  /** What the model is, where there are several kinds; the client is told. */
  readonly kind?: string;
  dispose?(): Promise<void>;
}

/** What opening a checkpoint is told. */
export interface OpenOptions {
  readonly signal: AbortSignalLike;
  /** Hears of a download; the client sees it as the first part of loading. */
  readonly onProgress: OnProgress<DownloadStage>;
}

/** A checkpoint, and the config that lies beside it, which is asked for where the tensors do not show it. */
export interface OpenedModel {
  readonly source: ByteSource | Uint8Array;
  readonly config?: () => Promise<Sam2Config>;
}

/** Frames that may hold something open. */
export interface ClosableFrames extends FrameSource {
  close?(): Promise<void>;
}

function isOpened(opened: ByteSource | Uint8Array | OpenedModel): opened is OpenedModel {
  return "source" in opened;
}

/**
 * A backend and a checkpoint, which on a network take their time, at once. Where one of them fails the other is given up:
 * the checkpoint is told to stop, the backend is disposed of.
 */
async function bothOf<T>(
  make: () => Promise<Backend | undefined>,
  open: (stop: AbortSignalLike) => Promise<T>,
  signal: AbortSignalLike,
): Promise<[Backend | undefined, T]> {
  const stop = new Abort();
  const onAbort = (): void => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const making = make();
    making.catch((reason) => stop.abort(reason));
    const [made, opened] = await Promise.allSettled([making, open(stop.signal)]);
    if (made.status === "rejected") throw made.reason;
    if (opened.status === "fulfilled") return [made.value, opened.value];
    await made.value?.dispose();
    throw opened.reason;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Serves SAM 2 on a port, to a `RemoteClient` at its other end: models, image and video predictors. */
export function serveSam2(port: PortLike, options: Sam2HostOptions): RemoteHost {
  checkKeys("serveSam2", options, hostKeys);
  const { backend, open = openBytes, openVideo = openNoVideo, openFinder = openNoFinder } = options;
  let asking: Caller<ClientMethods> | undefined;
  /** What asks the client for frames. */
  const client = (): Caller<ClientMethods> => {
    asking ??= new Caller(port, clientMethods);
    return asking;
  };
  const host = serve(port, sam2Methods, {
    load: async ({ source, backend: asked, ...loading }, { signal, emit, hold }) => {
      const steps = loadingSteps(emit);
      const [made, opened] = await bothOf(
        async () => (typeof backend === "function" ? backend(asked) : undefined),
        async (stop) => open(source, { signal: stop, onProgress: steps.fetching }),
        signal,
      );
      const loadOpened = async ({ source: bytes, config }: OpenedModel): Promise<Sam2> => {
        const computes = typeof backend === "function" ? made : backend;
        if (computes === undefined) throw new BackendError("unsupported", "this host opens no model but its own");
        return loadSam2(bytes, {
          backend: computes,
          ...(config !== undefined && { config }),
          ...loading,
          signal,
          onProgress: steps.compiling,
        });
      };
      try {
        const isShared = opened instanceof Sam2;
        const model = isShared ? opened : await loadOpened(isOpened(opened) ? opened : { source: opened });
        const handle = hold<ServedModel>(new LoadedModel(model), async () => {
          await (isShared ? made?.dispose() : model.dispose().finally(() => made?.dispose()));
        });
        const { config, dtype, source: name, backendName } = model;
        return { ...handle, config, dtype, source: name, backendName };
      } catch (error) {
        await made?.dispose();
        throw error;
      }
    },
    imagePredictor: async ({ model, options }, { hold, held }) => {
      const served = new ServedPredictor(held(model, LoadedModel).model, options);
      return hold(served, () => served.predictor.dispose());
    },
    setImages: ({ images, like }, context) =>
      beside(like, context, (predictor) => predictor.setImages(images, { signal: context.signal })),
    loadImages: ({ files, like }, context) =>
      beside(like, context, (predictor) => predictor.loadImages(files, { signal: context.signal })),
    saveImage: ({ images, index }, { signal, held }) =>
      held(images, ServedPredictor).predictor.saveImage(index, { signal }),
    predict: ({ images, prompts, options }, { signal, held }) =>
      held(images, ServedPredictor).predictor.predictMany(prompts, { ...options, signal }),
    refine: ({ images, prompt, options }, { signal, emit, held }) =>
      held(images, ServedPredictor).predictor.refine(prompt, {
        ...options,
        signal,
        onStep: (prediction, iteration) => emit({ prediction, iteration }),
      }),
    imageEmbedding: ({ images, index }, { held }) => held(images, ServedPredictor).predictor.imageEmbedding(index),
    reset: ({ images }, { held }) => held(images, ServedPredictor).predictor.reset(),
    openFinder: async ({ model, source, backend: asked }, { signal, hold, held }) => {
      const finder: DisposableFinder =
        model === undefined
          ? await openFinder(source, { backend: asked, signal })
          : new AutomaticSubjectFinder(held(model, LoadedModel).model, { maxPixels: Number.POSITIVE_INFINITY });
      const handle = hold<ServedFinder>(new OpenedFinder(finder), async () => finder.dispose?.());
      return { ...handle, ...(finder.kind !== undefined && { kind: finder.kind }) };
    },
    findSubject: ({ finder, image }, { signal, held }) => held(finder, OpenedFinder).finder.find(image, { signal }),
    startVideo: async ({ model, options, frames, saved }, { signal, hold, held }) => {
      const predictor = new VideoPredictor(held(model, LoadedModel).model, options);
      const source: ClosableFrames =
        "video" in frames ? await openVideo(frames.video, { signal }) : pull(client(), frames);
      try {
        const session = saved === undefined ? predictor.start(source) : await predictor.load(saved, source);
        const handle = hold<ServedVideo>(session, async () => {
          await session.dispose().finally(() => source.close?.());
        });
        const { width, height } = session.size; // which may have more to it
        const { count } = session;
        return { ...handle, size: { width, height }, ...(count !== undefined && { count }), state: stateOf(session) };
      } catch (error) {
        await source.close?.();
        throw error;
      }
    },
    addPrompt: ({ session, prompt }, context) =>
      onSession(session, context, (on) => on.addPrompt(prompt, { signal: context.signal })),
    addMask: ({ session, prompt }, context) =>
      onSession(session, context, (on) => on.addMask(prompt, { signal: context.signal })),
    clearPrompts: ({ session, prompt }, context) =>
      onSession(session, context, (on) => on.clearPrompts(prompt, { signal: context.signal })),
    removeObject: ({ session, object, strict }, context) =>
      onSession(session, context, (on) => on.removeObject(object, { strict, signal: context.signal })),
    resetVideo: ({ session }, context) => onSession(session, context, (on) => on.reset()),
    saveVideo: ({ session }, context) => onSession(session, context, async (on) => on.save()),
    propagate: async ({ session: handle, options }, { held, holdIterable }) => {
      const session = held(handle, VideoSession);
      return holdIterable(async function* (signal) {
        for await (const frame of session.propagate({ ...options, signal })) {
          yield trackedFrame.send({ frame, state: stateOf(session) }, new Set());
        }
      });
    },
  });
  return {
    get live() {
      return host.live;
    },
    dispose: () => host.dispose().finally(() => asking?.end(new RemoteError("lost", "the host was disposed"))),
  };
}

/** Calls a session, and tells the client what became of it. */
async function onSession<T>(
  handle: Handle<ServedVideo>,
  { held, emit }: CallContext<SessionState>,
  call: (session: VideoSession) => Promise<T>,
): Promise<T> {
  const session = held(handle, VideoSession);
  try {
    return await call(session);
  } finally {
    emit(stateOf(session));
  }
}

const stateOf = ({ objectIds, memoryBytes }: VideoSession): SessionState => ({ objectIds, memoryBytes });

/** Frames that the client reads when they are needed here. */
function pull(
  client: Caller<ClientMethods>,
  { source, ...video }: Exclude<VideoFrames, { video: unknown }>,
): FrameSource {
  return {
    ...video,
    frame: (index, { signal } = {}) => abortable(client.call("frame", { source, index }, { signal }), signal),
  };
}

async function openNoVideo(): Promise<never> {
  throw new PromptError(
    "bad-option",
    "open: this host opens no videos: give it openVideo, or start with a FrameSource",
    {
      details: { option: "openVideo" },
    },
  );
}

async function openNoFinder(): Promise<never> {
  throw new PromptError("bad-option", "openSubjectFinder: this host opens no models of saliency: give it openFinder", {
    details: { option: "openFinder" },
  });
}

/** A predictor with the settings of another, and images of its own. */
async function beside(
  like: Handle<ServedImages>,
  { hold, held }: CallContext<never>,
  set: (predictor: ImagePredictor) => Promise<void>,
): Promise<Sam2Methods["setImages"]["result"]> {
  const { model, options } = held(like, ServedPredictor);
  const served = new ServedPredictor(model, options);
  try {
    await set(served.predictor);
  } catch (error) {
    await served.predictor.dispose();
    throw error;
  }
  return { ...hold<ServedImages>(served, () => served.predictor.dispose()), sizes: served.predictor.imageSizes };
}

async function openBytes(source: unknown): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  throw new PromptError("bad-option", `load: this host takes a checkpoint as a Uint8Array, got ${typeof source}`, {
    details: { option: "source", expected: "a Uint8Array", got: typeof source },
  });
}

class LoadedModel {
  readonly model: Sam2;

  constructor(model: Sam2) {
    this.model = model;
  }
}

class OpenedFinder {
  readonly finder: SubjectFinder;

  constructor(finder: SubjectFinder) {
    this.finder = finder;
  }
}

class ServedPredictor {
  readonly model: Sam2;
  readonly options: ImagePredictorOptions;
  readonly predictor: ImagePredictor;

  constructor(model: Sam2, options: ImagePredictorOptions) {
    this.model = model;
    this.options = options;
    this.predictor = new ImagePredictor(model, options);
  }
}

const hostKeys: Keys<Sam2HostOptions> = { backend: true, open: true, openVideo: true, openFinder: true };
