import { Abort, type AbortSignalLike, abortable } from "../abort.ts";
import { FrameError, StateError } from "../errors.ts";
import type { RawImage, Size } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
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
 * newest is dropped; asking for it again is a `FrameForgottenError`. Where the iterable fails it is over: the frame that
 * was to come and all after reject with its error. Reads the first frame, for its size; rejects with a `FrameError`
 * "no-such-frame" if there is none.
 */
export async function framesFrom(
  frames: AsyncIterable<RawImage> | Iterable<RawImage>,
  options: FramesFromOptions = {},
): Promise<IteratedFrames> {
  checkKeys("framesFrom", options, framesKeys);
  const { count, keep = 16, signal } = options;
  const iterator = Symbol.asyncIterator in frames ? frames[Symbol.asyncIterator]() : frames[Symbol.iterator]();
  const queue = new Queue();
  const kept = new Map<number, RawImage>();
  let next = 0;
  let ended = false;
  /** What the iterable threw: if it is asked again, a generator says that it has ended. */
  let failure: { readonly error: unknown } | undefined;
  /** Takes the next frame; an abort leaves it to the next call. */
  const pull = async (): Promise<void> => {
    try {
      const { done, value } = await iterator.next();
      if (done === true) {
        ended = true;
        return;
      }
      kept.set(next, value);
      kept.delete(next - keep - 1);
      next++;
    } catch (error) {
      failure = { error };
    }
  };
  const frame = async (index: number, options: FrameOptions = {}): Promise<RawImage | undefined> =>
    queue.run(async () => {
      while (next <= index && !ended) {
        options.signal?.throwIfAborted();
        if (failure !== undefined) throw failure.error;
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

interface Reading {
  readonly image: Promise<RawImage | undefined>;
  readonly abort: Abort;
}

/** Reads frames before they are needed, so that decoding runs beside the model; bounded by what the caller looks ahead. */
export class FrameReader {
  readonly source: FrameSource;
  readonly #readings = new Map<number, Reading>();

  constructor(source: FrameSource) {
    this.source = source;
  }

  /** Rejects with a `FrameError` that names the frame, "frame-unreadable" for what the source says. */
  async read(index: number, { signal, ahead = [] }: ReadFrameOptions = {}): Promise<RawImage | undefined> {
    const current = this.#start(index);
    for (const other of this.#readings.keys()) {
      if (other !== index && !ahead.includes(other)) this.#leave(other);
    }
    for (const other of ahead) this.#start(other);
    try {
      return await abortable(current, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof FrameError ? error : frameUnreadable(index, error);
    } finally {
      this.#leave(index);
    }
  }

  /** Gives up what is being read ahead. */
  dispose(): void {
    for (const index of this.#readings.keys()) this.#leave(index);
  }

  /** With a signal of its own: who reads a frame ahead may be another than who will need it. */
  #start(index: number): Promise<RawImage | undefined> {
    const known = this.#readings.get(index);
    if (known !== undefined) return known.image;
    const abort = new Abort();
    const reading = { image: readFrame(this.source, index, abort), abort };
    this.#readings.set(index, reading);
    // A frame read ahead that fails is tried again when it is needed: only then it is anyone's error.
    reading.image.catch(() => {
      if (this.#readings.get(index) === reading) this.#readings.delete(index);
    });
    return reading.image;
  }

  #leave(index: number): void {
    const reading = this.#readings.get(index);
    this.#readings.delete(index);
    reading?.abort.abort(new StateError("superseded", `frame ${index} is not needed any more`));
  }
}

/** Also of a source that throws before it gives a promise. */
async function readFrame(source: FrameSource, index: number, { signal }: Abort): Promise<RawImage | undefined> {
  return source.frame(index, { signal });
}

const framesKeys: Keys<FramesFromOptions> = { count: true, keep: true, signal: true };
