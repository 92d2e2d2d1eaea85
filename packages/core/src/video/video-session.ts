import type { AbortSignalLike } from "../abort.ts";
import { PromptError, StateError } from "../errors.ts";
import type { Size } from "../image/image.ts";
import { type Box, copyMask, type Mask } from "../mask/mask.ts";
import { checkInteger, checkKeys, type Keys, signalKeys } from "../options.ts";
import { checkShows, copyPrompt, encodePrompt, type Label, type Point, type PromptBox } from "../prompt/prompt.ts";
import { CallQueue } from "../queue.ts";
import type { Sam2 } from "../sam2.ts";
import { type FrameResult, frameResult } from "./frame-result.ts";
import { FrameReader, type FrameSource } from "./frame-source.ts";
import type { FramePrompt, MemoryBank, ObjectMemory } from "./memory-bank.ts";
import type { VideoSettings } from "./options.ts";
import { writeSession } from "./session-file.ts";
import { noSuchFrame, type StepContext, Tracker } from "./track-step.ts";
import type { TrackingSession } from "./video-tracker.ts";

export interface SignalOption {
  /** Aborting rejects at once with the signal's reason; the session goes on as if the call had not been made. */
  readonly signal?: AbortSignalLike;
}

/** Clicks or a box that show one object. */
export interface ObjectPrompt {
  /** The object's id, an integer; a new one starts a new object. */
  readonly object: number;
  readonly points?: readonly Point[];
  /** One for each point; all 1 if not given. */
  readonly labels?: readonly Label[];
  /** Two corners, or a box as `maskBox` gives it. */
  readonly box?: PromptBox | Box;
  /** Whether these replace the frame's earlier clicks, or follow them; with a box they must replace. Default true. */
  readonly clearOldPoints?: boolean;
  /** Whether coordinates are fractions of the video's width and height, not its pixels. Default false. */
  readonly normalized?: boolean;
}

/** A mask that shows one object. */
export interface ObjectMask {
  readonly object: number;
  /** Of any size: it is stretched over the frame. */
  readonly mask: Mask;
}

/** Which frame a prompt is about. */
export interface OnFrame {
  readonly frame: number;
}

export interface PropagateOptions extends SignalOption {
  /** Default: the first prompted frame of any object, also in reverse. */
  readonly start?: number;
  /** How many frames come, exactly, unless the video ends before. Default all. */
  readonly count?: number;
  readonly reverse?: boolean;
}

export interface RemoveOptions extends SignalOption {
  /** Whether an id that is not there is an error. Default false. */
  readonly strict?: boolean;
}

/**
 * Objects tracked through one video. Prompts may come on any frame at any time: before propagation, between two frames
 * of it (they count from the next frame on) and after it; propagation reads what was tracked before, in either direction.
 *
 * Calls may overlap: they are queued. A call that fails or is aborted changes nothing, and the session goes on. Those
 * that name a frame reject with a `FrameError`: "no-such-frame", "frame-unreadable", "frame-size", or a
 * `FrameForgottenError` for what the session's history has dropped.
 */
export class VideoSession implements TrackingSession {
  readonly #source: FrameSource;
  readonly #settings: VideoSettings;
  readonly #bank: MemoryBank;
  readonly #model: Sam2;
  readonly #tracker: Tracker;
  readonly #reader: FrameReader;
  readonly #calls = new CallQueue("the session");

  /** @internal For `VideoPredictor`, which knows the settings and what is remembered. */
  constructor(model: Sam2, source: FrameSource, settings: VideoSettings, bank: MemoryBank) {
    const { count } = source;
    if (count !== undefined) checkInteger("video", { count }, 0);
    const reader = new FrameReader(source);
    this.#reader = reader;
    this.#model = model;
    this.#source = source;
    this.#settings = settings;
    this.#bank = bank;
    const read = (frame: number, { signal, ahead }: StepContext) =>
      reader.read(frame, { ...(signal === undefined ? {} : { signal }), ...(ahead === undefined ? {} : { ahead }) });
    this.#tracker = new Tracker(model, { source, read }, bank, settings);
  }

  /** Size of the frames, and of the masks. */
  get size(): Size {
    return this.#source.size;
  }

  /** Frames of the video, where that is known. */
  get count(): number | undefined {
    return this.#source.count;
  }

  /** The objects' ids, in the order they first came. */
  get objectIds(): readonly number[] {
    return [...this.#bank.objects.keys()];
  }

  /** Bytes that its memory takes at present, encoded frames aside. */
  get memoryBytes(): number {
    return this.#bank.bytes;
  }

  /**
   * Shows an object by clicks or a box. -> all objects on that frame.
   *
   * Prompting a frame that has a mask already corrects it: the mask goes in again together with the clicks. Rejects with
   * a `PromptError` as `ImagePredictor.predict`, or "box-keeps-points" for a box that is to follow earlier clicks.
   */
  async addPrompt(prompt: ObjectPrompt & OnFrame, options: SignalOption = {}): Promise<FrameResult> {
    checkKeys("addPrompt", options, signalKeys);
    const { signal } = options;
    const shown = copyPrompt(prompt, "addPrompt", objectPromptKeys);
    const { frame, object, clearOldPoints = true } = prompt;
    return this.#calls.run("addPrompt", signal, async () => {
      this.#check("addPrompt", { frame, object });
      if (shown.box !== undefined && !clearOldPoints) {
        throw new PromptError(
          "box-keeps-points",
          "addPrompt: a box comes before all clicks, so it takes clearOldPoints: true",
        );
      }
      const context = { image: this.size, imageSize: this.#model.config.imageSize, where: "addPrompt" };
      const encoded = encodePrompt(shown, context);
      const old = clearOldPoints ? undefined : this.#bank.objects.get(object)?.prompts.get(frame);
      const before = old?.kind === "points" ? old : { points: [], labels: [] };
      return this.#prompt(object, frame, signal, {
        kind: "points",
        // without the padding point, which stays the last
        points: [...before.points, ...encoded.points.slice(0, -2)],
        labels: [...before.labels, ...encoded.labels.slice(0, -1)],
      });
    });
  }

  /**
   * Shows an object by its mask, in place of what was prompted on that frame. -> all objects on that frame. Rejects with a
   * `PromptError` "empty-mask" for one without a pixel.
   */
  async addMask(prompt: ObjectMask & OnFrame, options: SignalOption = {}): Promise<FrameResult> {
    checkKeys("addMask", options, signalKeys);
    const { signal } = options;
    checkKeys("addMask", prompt, objectMaskKeys);
    const { frame, object } = prompt;
    const mask = copyMask("addMask", prompt.mask);
    checkShows("addMask", mask);
    return this.#calls.run("addMask", signal, async () => {
      this.#check("addMask", { frame, object });
      return this.#prompt(object, frame, signal, { kind: "mask", mask });
    });
  }

  /**
   * Takes back what was prompted for an object on a frame; what it was remembered by becomes an ordinary memory.
   * -> all objects on that frame.
   */
  async clearPrompts(
    { frame, object }: { readonly object: number } & OnFrame,
    options: SignalOption = {},
  ): Promise<FrameResult> {
    checkKeys("clearPrompts", options, signalKeys);
    return this.#calls.run("clearPrompts", options.signal, async () => {
      this.#check("clearPrompts", { frame, object });
      this.#object("clearPrompts", object).clearPrompts(frame);
      return this.#result(frame);
    });
  }

  /** Forgets an object. -> the other objects on the frames where it was prompted; none are left with the last object. */
  async removeObject(object: number, options: RemoveOptions = {}): Promise<readonly FrameResult[]> {
    checkKeys("removeObject", options, removeKeys);
    const { strict = false, signal } = options;
    return this.#calls.run("removeObject", signal, async () => {
      if (!strict && !this.#bank.objects.has(object)) return [];
      const frames = [...this.#object("removeObject", object).prompts.keys()];
      this.#bank.objects.delete(object);
      return this.#bank.objects.size === 0 ? [] : frames.map((frame) => this.#result(frame));
    });
  }

  /** Forgets all objects; the video stays. */
  reset(): Promise<void> {
    return this.#calls.run("reset", undefined, async () => this.#bank.objects.clear());
  }

  /**
   * Tracks all objects from frame to frame. Frames come as they are done; leaving the loop leaves the session as it is
   * then. Ends early when the last object is removed. In reverse nothing comes from frame 0.
   *
   * Rejects with a `StateError`: "no-objects" at the start, "no-prompt" for an object whose prompts were all taken back.
   */
  async *propagate(options: PropagateOptions = {}): AsyncGenerator<FrameResult, void, void> {
    checkKeys("propagate", options, propagateKeys);
    const { reverse = false, signal, count = Number.POSITIVE_INFINITY } = options;
    const step = reverse ? -1 : 1;
    const start = await this.#calls.run("propagate", signal, async () => {
      if (options.start !== undefined) this.#checkFrame("propagate", options.start);
      if (count !== Number.POSITIVE_INFINITY) checkInteger("video", { count }, 0);
      if (this.#bank.objects.size === 0)
        throw new StateError("no-objects", "propagate: no object has been prompted yet");
      await this.#tracker.settle({ signal });
      return options.start ?? (this.#bank.firstConditioningFrame as number);
    });
    if (reverse && start === 0) return;
    const last = reverse ? Math.max(start - count + 1, 0) : Math.min(start + count, this.count ?? Infinity) - 1;
    for (let frame = start; reverse ? frame >= last : frame <= last; frame += step) {
      const ahead = Array.from({ length: this.#settings.readAhead }, (_, i) => frame + (i + 1) * step).filter((t) =>
        reverse ? t >= last : t <= last,
      );
      const result = await this.#calls.run("propagate", signal, async () => {
        await this.#tracker.settle({ signal });
        if (this.#bank.objects.size === 0) return undefined;
        return (await this.#tracker.track(frame, reverse, { signal, ahead })) ? this.#result(frame) : undefined;
      });
      if (result === undefined) return;
      yield result;
    }
  }

  /**
   * Everything that is remembered, as a safetensors file: prompts, logits, pointers, memories. `VideoPredictor.load`
   * reads it. May be called at any time, also between two frames of `propagate`; what is under way is not in it.
   */
  save(): Uint8Array {
    return writeSession(this.#bank, { config: this.#model.config, size: this.size, count: this.count });
  }

  /** Frees what it holds once the call under way has ended; calls still queued reject. May be called more than once. */
  dispose(): Promise<void> {
    return this.#calls.dispose(async () => {
      this.#reader.dispose();
      this.#tracker.dispose();
      this.#bank.objects.clear();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #prompt(
    object: number,
    frame: number,
    signal: AbortSignalLike | undefined,
    prompt: FramePrompt,
  ): Promise<FrameResult> {
    this.#bank.requireKept(prompt.kind === "mask" ? "addMask" : "addPrompt", frame);
    await this.#tracker.prompt(object, frame, prompt, { signal });
    return this.#result(frame);
  }

  #result(frame: number): FrameResult {
    const known = new Map(Array.from(this.#bank.objects, ([id, memory]) => [id, memory.at(frame)] as const));
    const { nonOverlappingMasks, returnLogits } = this.#settings;
    return frameResult(frame, known, { size: this.size, side: this.#tracker.side, nonOverlappingMasks, returnLogits });
  }

  #check(where: string, { frame, object }: { readonly object: number } & OnFrame): void {
    if (!Number.isSafeInteger(object)) {
      throw new PromptError("bad-object", `${where}: object must be an integer, got ${object}`, {
        details: { object },
      });
    }
    this.#checkFrame(where, frame);
  }

  #checkFrame(where: string, frame: number): void {
    if (Number.isSafeInteger(frame) && frame >= 0 && frame < (this.count ?? Number.POSITIVE_INFINITY)) return;
    throw noSuchFrame(where, frame, this.count);
  }

  #object(where: string, id: number): ObjectMemory {
    const memory = this.#bank.objects.get(id);
    if (memory !== undefined) return memory;
    const known = this.objectIds;
    throw new StateError("no-such-object", `${where}: there is no object ${id}, only ${known.join(", ") || "none"}`, {
      details: { object: id, objects: known },
    });
  }
}

/** Of a stream's prompts too, which name no frame. */
export const objectPromptKeys: Keys<ObjectPrompt & OnFrame> = {
  object: true,
  frame: true,
  points: true,
  labels: true,
  box: true,
  clearOldPoints: true,
  normalized: true,
};
export const objectMaskKeys: Keys<ObjectMask & OnFrame> = { object: true, frame: true, mask: true };
export const removeKeys: Keys<RemoveOptions> = { strict: true, signal: true };
export const propagateKeys: Keys<PropagateOptions> = { start: true, count: true, reverse: true, signal: true };
