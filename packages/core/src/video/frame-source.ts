import { type AbortSignalLike, abortable } from "../abort.ts";
import { FrameError } from "../errors.ts";
import type { RawImage, Size } from "../image/image.ts";
import { Queue } from "../queue.ts";
import { frameForgotten } from "./memory-bank.ts";
import { frameUnreadable } from "./track-step.ts";

export interface FrameOptions {
  readonly signal?: AbortSignalLike;
}

/** A video's frames, by number from 0. */
export interface FrameSource {
  /** Size of every frame. */
  readonly size: Size;
  /** How many there are, where that is known beforehand. */
  readonly count?: number;
  /**
   * One frame, in any order; `undefined` past the last, where `count` is not known. May reject with whatever went wrong:
   * a session names the frame and keeps the error as its cause. Calls may overlap.
   */
  frame(index: number, options?: FrameOptions): Promise<RawImage | undefined>;
}

export interface FramesFromOptions {
  /** How many frames there will be, if that is known. */
  readonly count?: number;
  /** Frames kept behind the newest one that was asked for. Default 16. */
  readonly keep?: number;
  readonly signal?: AbortSignalLike;
}

/** A frame source over an iterable; closing it ends the iteration. */
export interface IteratedFrames extends FrameSource {
  close(): Promise<void>;
}

/**
 * The frames of any iterable, as they come: for prompts near the front. What lies further than `keep` frames behind the
 * newest is dropped; asking for it again is a `FrameForgottenError`. Reads the first frame, for its size; rejects with a
 * `FrameError` "no-such-frame" if there is none.
 */
export async function framesFrom(
  frames: AsyncIterable<RawImage> | Iterable<RawImage>,
  { count, keep = 16, signal }: FramesFromOptions = {},
): Promise<IteratedFrames> {
  const iterator = Symbol.asyncIterator in frames ? frames[Symbol.asyncIterator]() : frames[Symbol.iterator]();
  const queue = new Queue();
  const kept = new Map<number, RawImage>();
  let next = 0;
  let ended = false;
  /** Takes the next frame; an abort leaves it to the next call. */
  const pull = async (): Promise<void> => {
    const { done, value } = await iterator.next();
    if (done === true) {
      ended = true;
      return;
    }
    kept.set(next, value);
    kept.delete(next - keep - 1);
    next++;
  };
  const frame = async (index: number, options: FrameOptions = {}): Promise<RawImage | undefined> =>
    queue.run(async () => {
      while (next <= index && !ended) {
        options.signal?.throwIfAborted();
        await pull();
      }
      const found = kept.get(index);
      if (found === undefined && index < next) throw frameForgotten("framesFrom", { frame: index });
      return found;
    }, options.signal);
  const first = await frame(0, signal === undefined ? {} : { signal });
  if (first === undefined)
    throw new FrameError("no-such-frame", "framesFrom: there are no frames", { details: { frame: 0 } });
  return {
    size: { width: first.width, height: first.height },
    ...(count === undefined ? {} : { count }),
    frame,
    close: () =>
      queue.run(async () => {
        ended = true;
        kept.clear();
        await iterator.return?.();
      }),
  };
}

export interface ReadFrameOptions extends FrameOptions {
  /** Frames that will be wanted next; those of them that are ready are kept, others are not. */
  readonly ahead?: readonly number[];
}

/** Reads frames before they are needed, so that decoding runs beside the model; bounded by what the caller looks ahead. */
export class FrameReader {
  readonly source: FrameSource;
  readonly #waiting = new Map<number, Promise<RawImage | undefined>>();

  constructor(source: FrameSource) {
    this.source = source;
  }

  /** Rejects with a `FrameError` that names the frame, "frame-unreadable" for what the source says. */
  async read(index: number, { signal, ahead = [] }: ReadFrameOptions = {}): Promise<RawImage | undefined> {
    const current = this.#start(index, signal);
    for (const other of this.#waiting.keys()) {
      if (other !== index && !ahead.includes(other)) this.#waiting.delete(other);
    }
    for (const other of ahead) this.#start(other, signal);
    try {
      const image = await abortable(current, signal);
      this.#waiting.delete(index);
      return image;
    } catch (error) {
      this.#waiting.delete(index);
      signal?.throwIfAborted();
      throw error instanceof FrameError ? error : frameUnreadable(index, error);
    }
  }

  #start(index: number, signal: AbortSignalLike | undefined): Promise<RawImage | undefined> {
    const known = this.#waiting.get(index);
    if (known !== undefined) return known;
    const started = this.source.frame(index, signal === undefined ? {} : { signal });
    this.#waiting.set(index, started);
    // A frame read ahead that fails is tried again when it is needed: only then it is anyone's error.
    started.catch(() => {
      if (this.#waiting.get(index) === started) this.#waiting.delete(index);
    });
    return started;
  }
}
