/** Video sessions whose model a host holds. */
import { Abort, abortable } from "../abort.ts";
import { StateError } from "../errors.ts";
import { checkImage, type RawImage, type Size } from "../image/image.ts";
import { checkMask } from "../mask/mask.ts";
import { checkAwaited, checkKeys, type Keys, signalKeys } from "../options.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { FrameSource } from "../video/frame-source.ts";
import type { MemoryEstimate } from "../video/memory-bank.ts";
import {
  estimateSession,
  streamOptions,
  type VideoOptions,
  type VideoSettings,
  videoSettings,
} from "../video/options.ts";
import { StreamSession } from "../video/stream-session.ts";
import type {
  ObjectMask,
  ObjectPrompt,
  OnFrame,
  PropagateOptions,
  RemoveOptions,
  SignalOption,
} from "../video/video-session.ts";
import { objectMaskKeys, objectPromptKeys, propagateKeys, removeKeys } from "../video/video-session.ts";
import type { TrackingSession, VideoTracker } from "../video/video-tracker.ts";
import type { Caller } from "./caller.ts";
import type { RemoteSam2 } from "./client.ts";
import { type Kind, objectMask, objectPrompt } from "./kind.ts";
import {
  type ClientMethods,
  clientMethods,
  type Handle,
  type Sam2Methods,
  type ServedVideo,
  type SessionState,
  trackedFrame,
  type VideoFrames,
} from "./methods.ts";
import { listen, type PortLike } from "./port.ts";
import { badMessage, message, protocolVersion, type ToClient, versionOf } from "./protocol.ts";
import { fromWire, toWire } from "./wire-error.ts";

/** Options of `RemoteVideoPredictor.open`. */
export interface RemoteOpenOptions extends SignalOption {
  /** What `save` gave: the session goes on where that one was. */
  readonly saved?: Uint8Array;
  /** Buffers of the video to hand over to the host instead of copying them: they are empty afterwards. */
  readonly transfer?: readonly ArrayBuffer[];
}

/** A `VideoPredictor` whose model a host holds: the same calls with the same results and errors, and `RemoteError`s. */
export class RemoteVideoPredictor implements VideoTracker {
  readonly model: RemoteSam2;
  readonly #options: VideoOptions;
  readonly #settings: VideoSettings;

  /** As `new VideoPredictor`: throws a `PromptError` "bad-option" for a setting that is none. */
  constructor(model: RemoteSam2, options: VideoOptions = {}) {
    checkAwaited("RemoteVideoPredictor", "the model", model);
    this.model = model;
    this.#options = { ...options };
    this.#settings = videoSettings(options, model.config);
  }

  /** As `VideoPredictor.estimate`. */
  estimate(video: { readonly objects: number; readonly frames: number }): MemoryEstimate {
    return estimateSession(this.model.config, this.#settings, video);
  }

  /**
   * A session over frames that are read on this side: the host asks for each when it needs it, and a copy is sent. Its
   * calls reject where the host cannot start it.
   */
  start(source: FrameSource): RemoteVideoSession {
    return this.#start(source, this.#options);
  }

  /** As `VideoPredictor.stream`; frames that are superseded never leave this side. */
  stream(): StreamSession {
    return new StreamSession((source) => this.#start(source, streamOptions(this.#options)));
  }

  /** As `VideoPredictor.load`, over frames that are read on this side. */
  async load(bytes: Uint8Array, source: FrameSource): Promise<RemoteVideoSession> {
    const session = this.#start(source, this.#options, bytes);
    await session.ready();
    return session;
  }

  /**
   * A session over a video that the host opens, so that no frame crosses the port: whatever the `openVideo` of its
   * options takes, a file for instance. It is closed with the session. Rejects as the host's `openVideo`, with a
   * `PromptError` "bad-option" where it has none, as `VideoPredictor.load` where there is something `saved`; aborting
   * rejects at once.
   */
  async open(video: unknown, options: RemoteOpenOptions = {}): Promise<RemoteVideoSession> {
    checkKeys("open", options, openKeys);
    const { signal, saved, transfer } = options;
    signal?.throwIfAborted();
    const { caller, model } = this.model.reach();
    const params = { model, options: this.#options, frames: { video }, ...(saved && { saved }) };
    const started = caller.call("startVideo", params, { signal, transfer });
    const opened = await abortable(started, signal, (late) => caller.abandon(late));
    return new RemoteVideoSession(caller, opened, Promise.resolve(opened));
  }

  #start(source: FrameSource, options: VideoOptions, saved?: Uint8Array): RemoteVideoSession {
    checkAwaited("start", "the video", source);
    const { caller, model } = this.model.reach();
    const { size, count } = source;
    const id = ++sources;
    const frames: VideoFrames = {
      source: id,
      size: { width: size.width, height: size.height },
      ...(count !== undefined && { count }),
    };
    const served = serverOf(caller).sources.set(id, source);
    const started = caller.call("startVideo", { model, options, frames, ...(saved && { saved }) });
    started.catch(() => served.delete(id));
    return new RemoteVideoSession(caller, source, started, () => served.delete(id));
  }
}

/** Numbers of sources are unique in this realm, as those of calls are. */
let sources = 0;

/**
 * A `VideoSession` on a host: the same calls with the same results and errors, and `RemoteError`s. `save` alone has to be
 * awaited. A call settles when the host has done it or has stopped; an aborted one has changed nothing if it rejects.
 */
export class RemoteVideoSession implements TrackingSession {
  readonly size: Size;
  /** Frames of the video, where that is known. */
  readonly count: number | undefined;
  readonly #caller: Caller<Sam2Methods>;
  readonly #started: Promise<Handle<ServedVideo> & { readonly state: SessionState }>;
  readonly #freed: () => void;
  #state: SessionState = { objectIds: [], memoryBytes: 0 };
  #disposed: Promise<void> | undefined;

  /** @internal For `RemoteVideoPredictor`. */
  constructor(
    caller: Caller<Sam2Methods>,
    { size, count }: Pick<FrameSource, "size" | "count">,
    started: Promise<Handle<ServedVideo> & { readonly state: SessionState }>,
    freed: () => void = () => {},
  ) {
    this.size = size;
    this.count = count;
    this.#caller = caller;
    this.#started = started.then(({ handle, state }) => {
      this.#state = state;
      return { handle, state };
    });
    this.#started.catch(() => {}); // seen by every call
    this.#freed = freed;
  }

  /** The objects' ids, in the order they first came: as of the last call that was answered. */
  get objectIds(): readonly number[] {
    return this.#state.objectIds;
  }

  /** Bytes that its memory takes on the host, encoded frames aside: as of the last call that was answered. */
  get memoryBytes(): number {
    return this.#state.memoryBytes;
  }

  /** Resolves when the host has the session; rejects where it cannot start it. */
  async ready(): Promise<void> {
    await this.#started;
  }

  /** As `VideoSession.addPrompt`. */
  async addPrompt(prompt: ObjectPrompt & OnFrame, given: SignalOption = {}): Promise<FrameResult> {
    checkKeys("addPrompt", given, signalKeys);
    const { signal } = given;
    checkKeys("addPrompt", prompt, objectPromptKeys);
    const asked = objectPrompt.send(prompt, new Set());
    return this.#call("addPrompt", signal, (session, options) =>
      this.#caller.call("addPrompt", { session, prompt: asked }, options),
    );
  }

  /** As `VideoSession.addMask`. */
  async addMask(prompt: ObjectMask & OnFrame, given: SignalOption = {}): Promise<FrameResult> {
    checkKeys("addMask", given, signalKeys);
    const { signal } = given;
    checkKeys("addMask", prompt, objectMaskKeys);
    checkMask("addMask", prompt.mask);
    const transfer = new Set<ArrayBuffer>();
    const asked = objectMask.send(prompt, transfer);
    return this.#call("addMask", signal, (session, options) =>
      this.#caller.call("addMask", { session, prompt: asked }, { ...options, transfer }),
    );
  }

  /** As `VideoSession.clearPrompts`. */
  async clearPrompts(
    { object, frame }: { readonly object: number } & OnFrame,
    given: SignalOption = {},
  ): Promise<FrameResult> {
    checkKeys("clearPrompts", given, signalKeys);
    return this.#call("clearPrompts", given.signal, (session, options) =>
      this.#caller.call("clearPrompts", { session, prompt: { object, frame } }, options),
    );
  }

  /** As `VideoSession.removeObject`. */
  async removeObject(object: number, given: RemoveOptions = {}): Promise<readonly FrameResult[]> {
    checkKeys("removeObject", given, removeKeys);
    const { strict = false, signal } = given;
    return this.#call("removeObject", signal, (session, options) =>
      this.#caller.call("removeObject", { session, object, strict }, options),
    );
  }

  /** As `VideoSession.reset`. */
  async reset(): Promise<void> {
    await this.#call("reset", undefined, (session, options) => this.#caller.call("resetVideo", { session }, options));
  }

  /** As `VideoSession.propagate`: the host tracks a frame when it is asked for. */
  async *propagate(given: PropagateOptions = {}): AsyncGenerator<FrameResult, void, void> {
    checkKeys("propagate", given, propagateKeys);
    const { signal, ...options } = given;
    const open = () =>
      this.#call("propagate", signal, (session) => this.#caller.call("propagate", { session, options }, { signal }));
    for await (const { frame, state } of this.#caller.iterate(open, trackedFrame, { signal })) {
      this.#state = state;
      yield frame;
    }
  }

  /** As `VideoSession.save`. */
  save(): Promise<Uint8Array> {
    return this.#call("save", undefined, (session, options) => this.#caller.call("saveVideo", { session }, options));
  }

  /** As `VideoSession.dispose`. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#free();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #free(): Promise<void> {
    try {
      const started = await this.#started.catch(() => undefined);
      if (started !== undefined) await this.#caller.release(started);
    } finally {
      this.#freed();
    }
  }

  async #call<T>(
    where: string,
    signal: SignalOption["signal"],
    call: (
      session: Handle<ServedVideo>,
      options: SignalOption & { readonly onEvent: (state: SessionState) => void },
    ) => Promise<T>,
  ): Promise<T> {
    if (this.#disposed !== undefined) throw new StateError("disposed", `${where}: the session is disposed`);
    // Always one step, so that calls are sent in the order they are made.
    const { handle } = await this.#started;
    signal?.throwIfAborted();
    const onEvent = (state: SessionState): void => {
      this.#state = state;
    };
    return call({ handle }, { onEvent, ...(signal && { signal }) });
  }
}

const servers = new WeakMap<Caller<Sam2Methods>, FrameServer>();

function serverOf(caller: Caller<Sam2Methods>): FrameServer {
  const known = servers.get(caller);
  if (known !== undefined) return known;
  const server = new FrameServer();
  servers.set(caller, server);
  caller.beside((port) => server.listen(port));
  return server;
}

/** Answers the host's calls for frames. Those for sources it does not know are another client's on the same port. */
class FrameServer {
  readonly sources = new Map<number, FrameSource>();
  readonly #running = new Map<unknown, Abort>();

  listen(port: PortLike): () => void {
    const unlisten = listen(port, {
      message: (data) => {
        if (versionOf(data) === protocolVersion) this.#receive(port, data);
      },
      lost: () => {}, // the client sees to it
    });
    return () => {
      unlisten();
      this.sources.clear();
      const reason = new StateError("disposed", "the client of the remote model is disposed");
      for (const abort of this.#running.values()) abort.abort(reason);
    };
  }

  #receive(port: PortLike, data: unknown): void {
    const { type, id, method, params, reason } = data as Readonly<Record<string, unknown>>;
    if (type === "abort") this.#running.get(id)?.abort(fromWire(reason));
    if (type !== "call" || method !== ("frame" satisfies keyof ClientMethods)) return;
    if (fits(clientMethods.frame.takes, params)) {
      const source = this.sources.get(params.source);
      if (source !== undefined) this.#answer(port, id, source, params.index);
    } else {
      tell(port, {
        type: "error",
        id,
        error: toWire(badMessage("frame was called with what does not fit it", { method })),
      });
    }
  }

  /** Never rejects. */
  async #answer(port: PortLike, id: unknown, source: FrameSource, index: number): Promise<void> {
    const abort = new Abort();
    this.#running.set(id, abort);
    try {
      const image = await abortable(read(source, index, abort), abort.signal);
      if (image !== undefined) checkImage(`frame ${index}`, image);
      const transfer = new Set<ArrayBuffer>();
      const value = clientMethods.frame.answers.send(image, transfer);
      port.postMessage(message({ type: "result", id, value } satisfies ToClient), [...transfer]);
    } catch (error) {
      tell(port, { type: "error", id, error: toWire(error) });
    } finally {
      this.#running.delete(id);
    }
  }
}

const fits = <T>(kind: Kind<T>, value: unknown): value is T => kind.fits(value);

/** Of a port that takes nothing more nobody is left to be told. */
function tell(port: PortLike, content: ToClient): void {
  try {
    port.postMessage(message(content), []);
  } catch {}
}

/** Also of a source that throws before it gives a promise. */
const read = async (source: FrameSource, index: number, { signal }: Abort): Promise<RawImage | undefined> =>
  source.frame(index, { signal });

const openKeys: Keys<RemoteOpenOptions> = { signal: true, saved: true, transfer: true };
