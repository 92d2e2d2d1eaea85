import { Abort, type AbortSignalLike, abortable } from "../abort.ts";
import type { Backend } from "../backend/backend.ts";
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { PromptError, RemoteError, StateError } from "../errors.ts";
import { ImagePredictor, type ImagePredictorOptions } from "../predict/image-predictor.ts";
import { Queue } from "../queue.ts";
import { Sam2 } from "../sam2.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { FrameSource } from "../video/frame-source.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import { VideoSession } from "../video/video-session.ts";
import { Caller } from "./client.ts";
import { listen, type PortLike } from "./port.ts";
import {
  type ClientMethods,
  type CommonMethods,
  type Handle,
  type Methods,
  message,
  protocolVersion,
  type Sam2Methods,
  type ServedImages,
  type ServedModel,
  type ServedVideo,
  type SessionState,
  type ToClient,
  type ToHost,
  type VideoFrames,
  versionMismatch,
  versionOf,
} from "./protocol.ts";
import { fromWire, toWire, type WireError } from "./wire-error.ts";

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
export function serve<M extends Methods<M>>(port: PortLike, handlers: Handlers<M>): RemoteHost {
  return new Host(port, handlers as Readonly<Record<string, AnyHandler>>);
}

/** A handler with its types forgotten: who calls it over the port has to have them right. */
type AnyHandler = (params: unknown, context: CallContext<unknown>) => Promise<unknown>;

class Host implements RemoteHost {
  readonly #port: PortLike;
  readonly #handlers: Readonly<Record<string, AnyHandler>>;
  readonly #unlisten: () => void;
  readonly #running = new Map<number, { readonly abort: Abort; readonly answered: Promise<void> }>();
  readonly #held = new Map<number, Held>();
  #handles = 0;
  #closing: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(port: PortLike, handlers: Readonly<Record<string, AnyHandler>>) {
    this.#port = port;
    const common: Handlers<CommonMethods> = {
      next: async (handle, { signal, held }) => held(handle, Items).next(signal),
      release: ({ handle }) => this.#release(handle),
      close: async () => {}, // never gets here
    };
    this.#handlers = { ...handlers, ...(common as Readonly<Record<string, AnyHandler>>) };
    this.#unlisten = listen(port, {
      message: (data) => this.#receive(data),
      // Nobody is left to be told what fails then.
      lost: (why) => void this.#end(new RemoteError("lost", `the host ended: ${why}`)).catch(() => {}),
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
      this.#post({ type: "lost", error: toWire(why) });
      this.#close(why);
    }
    await this.#closing;
  }

  #receive(data: unknown): void {
    const version = versionOf(data);
    if (version === undefined) return;
    const { id, type } = data as ToHost;
    if (version !== protocolVersion) {
      this.#post({ type: "error", id, error: toWire(versionMismatch("client", version)) });
    } else if (type === "abort") {
      this.#running.get(id)?.abort.abort(fromWire((data as ToHost & { readonly reason: WireError }).reason));
    } else if (type === "call") {
      const { method, params } = data as ToHost & { readonly type: "call" };
      if (method === "close") this.#closeFor(id);
      else {
        const abort = new Abort();
        this.#running.set(id, { abort, answered: this.#call(id, method, params, abort) });
      }
    }
  }

  /** Never rejects. */
  async #call(id: number, method: string, params: unknown, abort: Abort): Promise<void> {
    let answer: ToClient;
    try {
      await this.#closing;
      const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined;
      if (handler === undefined) {
        throw new RemoteError("bad-message", `the host has no method "${method}"`, { details: { method } });
      }
      abort.signal.throwIfAborted();
      answer = { type: "result", id, value: await handler(params, this.#context(id, abort)) };
    } catch (error) {
      answer = { type: "error", id, error: toWire(error) };
    }
    this.#running.delete(id);
    try {
      this.#post(answer, buffersOf(answer));
    } catch (cause) {
      const error = new RemoteError("not-sendable", `the result of ${method} cannot be sent`, { cause });
      this.#post({ type: "error", id, error: toWire(error) });
    }
  }

  #context(id: number, { signal }: Abort): CallContext<unknown> {
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
        throw new RemoteError("bad-message", `the host holds nothing of that kind as ${handle}`, {
          details: { handle },
        });
      },
    };
  }

  async #release(handle: number): Promise<void> {
    const held = this.#held.get(handle);
    this.#held.delete(handle);
    await held?.free();
  }

  #closeFor(id: number): void {
    this.#close(new StateError("disposed", "the client has closed"));
    const closed = this.#closing.then(
      () => this.#post({ type: "result", id, value: undefined }),
      (error) => this.#post({ type: "error", id, error: toWire(error) }),
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

  #post(content: ToClient, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message(content), transfer);
  }
}

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

/** The buffers that a result brings and nobody else sees: handed over instead of copied. */
function buffersOf(value: unknown, found: Set<ArrayBuffer> = new Set()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value;
    if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) found.add(buffer);
  } else if (typeof value === "object" && value !== null) {
    for (const field of Object.values(value)) buffersOf(field, found);
  }
  return [...found];
}

/** Where a host takes its models from. */
export interface Sam2HostOptions {
  /**
   * What computes. A backend stays the caller's. A function makes one for each model that a client loads, from the
   * `backend` of its request (which comes over the port: it is not to be trusted further than the client is), and the
   * backend is disposed of with the model.
   */
  readonly backend: Backend | ((options: unknown) => Promise<Backend>);
  /** Makes a checkpoint's bytes of a client's `source`, which may be any plain data. By default it has to be the bytes. */
  readonly open?: (source: unknown, options: { readonly signal: AbortSignalLike }) => Promise<ByteSource | Uint8Array>;
  /**
   * Makes frames of what a client gives to `RemoteVideoPredictor.open`, which may be any plain data. They are closed with
   * their session. By default only videos whose frames the client reads can be tracked.
   */
  readonly openVideo?: (video: unknown, options: { readonly signal: AbortSignalLike }) => Promise<ClosableFrames>;
}

/** Frames that may hold something open. */
export interface ClosableFrames extends FrameSource {
  close?(): Promise<void>;
}

/** Serves SAM 2 on a port, to a `RemoteClient` at its other end: models, image and video predictors. */
export function serveSam2(
  port: PortLike,
  { backend, open = openBytes, openVideo = openNoVideo }: Sam2HostOptions,
): RemoteHost {
  let asking: Caller<ClientMethods> | undefined;
  /** What asks the client for frames. */
  const client = (): Caller<ClientMethods> => {
    asking ??= new Caller<ClientMethods>(port);
    return asking;
  };
  const host = serve<Sam2Methods>(port, {
    load: async ({ source, config, dtype, backend: asked }, { signal, emit, hold }) => {
      const made = typeof backend === "function" ? await backend(asked) : undefined;
      try {
        const model = await Sam2.load(await open(source, { signal }), {
          backend: made ?? (backend as Backend),
          ...(config && { config }),
          ...(dtype && { dtype }),
          signal,
          onProgress: emit,
        });
        const handle = hold<ServedModel>(new LoadedModel(model), async () => {
          await model.dispose();
          await made?.dispose();
        });
        const { config: found, dtype: computed, source: name, backendName } = model;
        return { ...handle, config: found, dtype: computed, source: name, backendName };
      } catch (error) {
        await made?.dispose();
        throw error;
      }
    },
    imagePredictor: async ({ model, options }, { hold, held }) => {
      const served = new ServedPredictor(held(model, LoadedModel).model, options);
      return hold(served, () => served.free());
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
    startVideo: async ({ model, options, frames, saved }, { signal, hold, held }) => {
      const predictor = new VideoPredictor(held(model, LoadedModel).model, options);
      const source: ClosableFrames =
        "video" in frames ? await openVideo(frames.video, { signal }) : pull(client(), frames);
      try {
        const session = saved === undefined ? predictor.start(source) : await predictor.load(saved, source);
        const handle = hold<ServedVideo>(session, async () => {
          await session.dispose();
          await source.close?.();
        });
        const { width, height } = session.size; // which may have more to it
        const { count } = session;
        return { ...handle, size: { width, height }, ...(count !== undefined && { count }), state: stateOf(session) };
      } catch (error) {
        await source.close?.();
        throw error;
      }
    },
    addPrompt: ({ prompt, ...params }, context) =>
      onSession(params, context, async (session) => toSend(await session.addPrompt(prompt, context))),
    addMask: ({ prompt, ...params }, context) =>
      onSession(params, context, async (session) => toSend(await session.addMask(prompt, context))),
    clearPrompts: ({ prompt, ...params }, context) =>
      onSession(params, context, async (session) => toSend(await session.clearPrompts(prompt, context))),
    removeObject: ({ object, strict, ...params }, context) =>
      onSession(params, context, async (session) => {
        const { signal } = context;
        return (await session.removeObject(object, { ...(strict !== undefined && { strict }), signal })).map(toSend);
      }),
    resetVideo: (params, context) => onSession(params, context, (session) => session.reset()),
    saveVideo: (params, context) => onSession(params, context, async (session) => session.save()),
    propagate: async ({ session: handle, options }, { held, holdIterable }) => {
      const session = held(handle, VideoSession);
      return holdIterable(async function* (signal) {
        for await (const frame of session.propagate({ ...options, signal })) {
          yield { frame: toSend(frame), state: stateOf(session) };
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
  { session: handle }: { readonly session: Handle<ServedVideo> },
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

/** What is sent is handed over, and these logits are the session's own. */
function toSend({ frame, objects }: FrameResult): FrameResult {
  return {
    frame,
    objects: objects.map((object) => ({
      ...object,
      lowResLogits: { ...object.lowResLogits, data: object.lowResLogits.data.slice() },
    })),
  };
}

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
    await served.free();
    throw error;
  }
  return { ...hold<ServedImages>(served, () => served.free()), sizes: served.predictor.imageSizes };
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

class ServedPredictor {
  readonly model: Sam2;
  readonly options: ImagePredictorOptions;
  readonly predictor: ImagePredictor;

  constructor(model: Sam2, options: ImagePredictorOptions) {
    this.model = model;
    this.options = options;
    this.predictor = new ImagePredictor(model, options);
  }

  /** Resolves when its images are freed. */
  free(): Promise<void> {
    return this.predictor.dispose();
  }
}
