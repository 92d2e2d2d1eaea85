import { StateError } from "../errors.ts";
import { checkImage, type RawImage } from "../image/image.ts";
import { copyMask } from "../mask/mask.ts";
import { checkKeys, type Keys, signalKeys } from "../options.ts";
import { copyPrompt } from "../prompt/prompt.ts";
import { CallQueue } from "../queue.ts";
import type { FrameResult } from "./frame-result.ts";
import type { FrameSource } from "./frame-source.ts";
import { frameForgotten } from "./memory-bank.ts";
import {
  type ObjectMask,
  type ObjectPrompt,
  type RemoveOptions,
  removeKeys,
  type SignalOption,
  type VideoSession,
} from "./video-session.ts";

/** What a stream needs of a session: one here, or at the far end of a port. */
export type StreamedSession = Pick<
  VideoSession,
  | "objectIds"
  | "memoryBytes"
  | "propagate"
  | "addPrompt"
  | "addMask"
  | "clearPrompts"
  | "removeObject"
  | "reset"
  | "dispose"
>;

export interface PushOptions extends SignalOption {
  /**
   * For cameras that outrun the model: when a newer call with `latest` has come before this frame's turn, it is dropped
   * with a `StateError` "superseded".
   */
  readonly latest?: boolean;
}

/**
 * Objects tracked through live frames: push one, get its masks. Prompts are about the frame pushed last. What no frame
 * can attend to any more is dropped, so memory stays flat however long the stream.
 *
 * Calls may overlap: they are queued. A frame that fails or is aborted is left out, and the stream goes on.
 */
export class StreamSession {
  readonly #open: (source: FrameSource) => StreamedSession;
  readonly #calls = new CallQueue("the session");
  #session: StreamedSession | undefined;
  #frame = -1;
  #image: RawImage | undefined;

  /** @internal For `VideoPredictor`, which opens the session when the first frame has shown its size. */
  constructor(open: (source: FrameSource) => StreamedSession) {
    this.#open = open;
  }

  /** Number of the frame pushed last; -1 before the first. */
  get frame(): number {
    return this.#frame;
  }

  /** The objects' ids, in the order they first came. */
  get objectIds(): readonly number[] {
    return this.#session?.objectIds ?? [];
  }

  /** Bytes that its memory takes at present, the encoded frame aside. */
  get memoryBytes(): number {
    return this.#session?.memoryBytes ?? 0;
  }

  /**
   * The next frame, of the first one's size; its pixels are copied. -> all objects on it; without objects nothing is
   * computed.
   */
  async push(image: RawImage, options: PushOptions = {}): Promise<FrameResult> {
    checkKeys("push", options, pushKeys);
    const { signal, latest = false } = options;
    checkImage("push", image);
    const taken = { ...image, data: image.data.slice() };
    const checkLatest = this.#calls.ticket("push", latest);
    return this.#calls.run("push", signal, async () => {
      checkLatest();
      this.#session ??= this.#open(this.#source(taken));
      // Taken even if the frame fails: its number may have left something in the session's cache.
      this.#frame++;
      this.#image = taken;
      const frame = this.#frame;
      if (this.objectIds.length === 0) return { frame, objects: [] };
      const one = this.#session.propagate({ start: frame, count: 1, ...(signal === undefined ? {} : { signal }) });
      for await (const result of one) return result;
      return { frame, objects: [] };
    });
  }

  /** As `VideoSession.addPrompt`, on the frame pushed last. */
  async addPrompt(prompt: ObjectPrompt, options: SignalOption = {}): Promise<FrameResult> {
    checkKeys("addPrompt", options, signalKeys);
    const asked = { ...prompt, ...copyPrompt(prompt, "addPrompt", streamPromptKeys) };
    return this.#onFrame("addPrompt", options, (session, frame) => session.addPrompt({ ...asked, frame }, options));
  }

  /** As `VideoSession.addMask`, on the frame pushed last. */
  async addMask(prompt: ObjectMask, options: SignalOption = {}): Promise<FrameResult> {
    checkKeys("addMask", options, signalKeys);
    checkKeys("addMask", prompt, streamMaskKeys);
    const asked = { ...prompt, mask: copyMask("addMask", prompt.mask) };
    return this.#onFrame("addMask", options, (session, frame) => session.addMask({ ...asked, frame }, options));
  }

  /** As `VideoSession.clearPrompts`, on the frame pushed last. */
  async clearPrompts(object: number, options: SignalOption = {}): Promise<FrameResult> {
    checkKeys("clearPrompts", options, signalKeys);
    return this.#onFrame("clearPrompts", options, (session, frame) => session.clearPrompts({ object, frame }, options));
  }

  /** As `VideoSession.removeObject`. */
  async removeObject(object: number, options: RemoveOptions = {}): Promise<void> {
    checkKeys("removeObject", options, removeKeys);
    await this.#onFrame("removeObject", options, (session) => session.removeObject(object, options));
  }

  /** Forgets all objects; the stream goes on. */
  reset(): Promise<void> {
    return this.#calls.run("reset", undefined, async () => this.#session?.reset());
  }

  /** Frees what it holds once the call under way has ended; calls still queued reject. May be called more than once. */
  dispose(): Promise<void> {
    return this.#calls.dispose(async () => this.#session?.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #onFrame<T>(
    where: string,
    options: SignalOption,
    job: (session: StreamedSession, frame: number) => Promise<T>,
  ): Promise<T> {
    return this.#calls.run(where, options.signal, async () => {
      if (this.#session === undefined) throw new StateError("no-frame", `${where}: push a frame first`);
      return job(this.#session, this.#frame);
    });
  }

  #source({ width, height }: RawImage): FrameSource {
    return {
      size: { width, height },
      frame: async (index) => {
        if (index !== this.#frame) throw frameForgotten("push", { frame: index });
        return this.#image;
      },
    };
  }
}

const pushKeys: Keys<PushOptions> = { signal: true, latest: true };
const streamPromptKeys: Keys<ObjectPrompt> = {
  object: true,
  points: true,
  labels: true,
  box: true,
  clearOldPoints: true,
  normalized: true,
};
const streamMaskKeys: Keys<ObjectMask> = { object: true, mask: true };
