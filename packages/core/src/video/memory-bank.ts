/**
 * What a video session remembers: for each object, its prompts and what came of every frame. State only: which of it a
 * frame attends to is `frame-selection.ts`'s business, and nothing here runs the model.
 */
import { FrameForgottenError } from "../errors.ts";
import type { Mask } from "../mask/mask.ts";
import type { Sam2Config } from "../model/config.ts";
import { geometry } from "../model/geometry.ts";

/** What the decoder made of one object on one frame. */
export interface Decoded {
  /** [S / 4, S / 4] logits of the chosen mask, its holes filled if the session fills holes. Never written to. */
  readonly logits: Float32Array;
  /** Logit: above 0 the object is there. */
  readonly objectScore: number;
  readonly iouPrediction: number;
  /** [width] */
  readonly pointer: Float32Array;
}

/** What later frames can attend to. */
export interface Remembered extends Decoded {
  /** [tokens, memoryWidth], bfloat16. */
  readonly memory: Uint16Array;
}

/** What a prompt made of a frame, until propagation starts and encodes it into a memory. */
export interface Pending {
  readonly decoded: Decoded;
  /** Whether it becomes a conditioning frame. */
  readonly conditioning: boolean;
}

/** What the user showed of one object on one frame. */
export type FramePrompt =
  | {
      readonly kind: "points";
      /** x, y in pixels of the model's square image, two for each label. */
      readonly points: readonly number[];
      /** 1 inside, 0 outside, 2 and 3 a box's corners, first of all. */
      readonly labels: readonly number[];
    }
  | { readonly kind: "mask"; readonly mask: Mask };

/** One object of a session. The maps are by frame. */
export class ObjectMemory {
  /** Prompted frames, in the order they were first stored: memory attention sees them in it. */
  readonly conditioning: Map<number, Remembered> = new Map();
  /** Tracked frames. */
  readonly recent: Map<number, Remembered> = new Map();
  /** What was prompted since propagation last started. */
  readonly pending: Map<number, Pending> = new Map();
  readonly prompts: Map<number, FramePrompt> = new Map();
  /** Frames that tracking has passed, and whether backwards. */
  readonly tracked: Map<number, boolean> = new Map();
  /** Frames that were dropped, as intervals with both ends. */
  readonly forgotten: [first: number, last: number][] = [];

  /** The newest that is known of the object on a frame. */
  at(frame: number): Decoded | undefined {
    return this.pending.get(frame)?.decoded ?? this.conditioning.get(frame) ?? this.recent.get(frame);
  }

  isForgotten(frame: number): boolean {
    return this.at(frame) === undefined && this.forgotten.some(([first, last]) => frame >= first && frame <= last);
  }

  /** Drops what tracking left on frames further than `distance` from `frame`; conditioning frames stay. */
  forgetBeyond(frame: number, distance: number): void {
    for (const t of new Set([...this.recent.keys(), ...this.tracked.keys()])) {
      if (Math.abs(t - frame) <= distance || this.conditioning.has(t)) continue;
      this.recent.delete(t);
      this.tracked.delete(t);
      const neighbour = this.forgotten.find(([first, last]) => t >= first - 1 && t <= last + 1);
      if (neighbour === undefined) this.forgotten.push([t, t]);
      else {
        neighbour[0] = Math.min(neighbour[0], t);
        neighbour[1] = Math.max(neighbour[1], t);
      }
    }
  }

  /** Drops the tracked frames from `first` to `last`. */
  clearRecent(first: number, last: number): void {
    for (const t of this.recent.keys()) if (t >= first && t <= last) this.recent.delete(t);
  }

  /** Takes back what was prompted on a frame; what it was remembered by stays as an ordinary memory. */
  clearPrompts(frame: number): void {
    this.prompts.delete(frame);
    this.pending.delete(frame);
    const stored = this.conditioning.get(frame);
    if (stored === undefined) return;
    this.conditioning.delete(frame);
    this.recent.set(frame, stored);
    this.tracked.delete(frame);
  }
}

/** How many tracked frames are kept: all of them, or those at most so far from the frame tracked last. */
export type FrameHistory = "all" | number;

/** The objects of a session, in the order they first came. */
export class MemoryBank {
  readonly objects: Map<number, ObjectMemory> = new Map();
  readonly #reach: number;

  /** `reach` is how far from the frame tracked last others are kept: at least as far as memory attention looks. */
  constructor(reach: number) {
    this.#reach = reach;
  }

  /** The object's memory, a new one if it has none yet. */
  ensure(id: number): ObjectMemory {
    const known = this.objects.get(id);
    if (known !== undefined) return known;
    const memory = new ObjectMemory();
    this.objects.set(id, memory);
    return memory;
  }

  /** The first frame that any object was prompted on, of those stored; `undefined` if there is none. */
  get firstConditioningFrame(): number | undefined {
    let first: number | undefined;
    for (const { conditioning } of this.objects.values()) {
      for (const frame of conditioning.keys()) first = Math.min(first ?? frame, frame);
    }
    return first;
  }

  /** Drops what history says after `frame` was tracked. */
  forget(frame: number): void {
    if (this.#reach === Number.POSITIVE_INFINITY) return;
    for (const memory of this.objects.values()) memory.forgetBeyond(frame, this.#reach);
  }

  /** Throws a `FrameForgottenError` if any object was dropped on `frame`. */
  requireKept(where: string, frame: number): void {
    for (const [id, memory] of this.objects) if (memory.isForgotten(frame)) throw frameForgotten(where, { frame, id });
  }

  /** Bytes of logits, pointers, memories and mask prompts. */
  get bytes(): number {
    let total = 0;
    for (const { conditioning, recent, pending, prompts } of this.objects.values()) {
      for (const entry of [...conditioning.values(), ...recent.values()]) {
        total += entry.memory.byteLength + entry.logits.byteLength + entry.pointer.byteLength;
      }
      for (const { decoded } of pending.values()) total += decoded.logits.byteLength + decoded.pointer.byteLength;
      for (const prompt of prompts.values()) if (prompt.kind === "mask") total += prompt.mask.data.byteLength;
    }
    return total;
  }
}

/** The error for a frame that was dropped; `needed` is another one that needed it. */
export function frameForgotten(
  where: string,
  { frame, id, needed }: { readonly frame: number; readonly id?: number; readonly needed?: number },
): FrameForgottenError {
  const whose = id === undefined ? "" : ` for object ${id}`;
  const why = needed === undefined ? "" : `, and frame ${needed} needs it`;
  return new FrameForgottenError(
    "frame-forgotten",
    `${where}: frame ${frame} is no longer remembered${whose}${why}; a larger history keeps it`,
    { details: { frame, ...(id === undefined ? {} : { object: id }), ...(needed === undefined ? {} : { needed }) } },
  );
}

/** The memory a session will need, in bytes. */
export interface MemoryEstimate {
  /** One object on one frame. */
  readonly perFrame: number;
  /** All objects on as many frames as are kept. */
  readonly history: number;
  /** Encoded frames that are kept for prompts. */
  readonly features: number;
  readonly total: number;
}

export interface EstimateOptions {
  readonly objects: number;
  /** Frames remembered at once, of each object. */
  readonly frames: number;
  /** Encoded frames kept at once. */
  readonly cachedFrames: number;
}

/** Estimates what a session keeps; what one step of the model takes comes on top. */
export function estimateMemory(config: Sam2Config, { objects, frames, cachedFrames }: EstimateOptions): MemoryEstimate {
  const { memory, maskSide, width, features: encoded } = geometry(config);
  const perFrame = memory.tokens * memory.channels * 2 + maskSide ** 2 * 4 + width * 4;
  const values = Object.values(encoded).reduce((sum, { tokens, channels }) => sum + tokens * channels, 0);
  const features = cachedFrames * 4 * values;
  const history = perFrame * objects * frames;
  return { perFrame, history, features, total: history + features };
}
