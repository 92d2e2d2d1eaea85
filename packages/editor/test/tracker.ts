import {
  type FrameResult,
  type Mask,
  maskArea,
  type ObjectMask,
  type ObjectPrompt,
  type OnFrame,
  type PropagateOptions,
  type RemoveOptions,
  type SignalOption,
  StateError,
  type TrackingSession,
  type VideoObject,
} from "@masklet/core";
import { drawn } from "./engine.ts";

interface Known {
  readonly prompts: Set<number>;
  readonly masks: Map<number, Mask>;
}

/**
 * A tracker that answers prompts as `drawn`, and moves objects one pixel to the right with every frame, from the nearest
 * one it was prompted on. An object that has left the picture is absent. It can be held, and says what it was asked.
 */
export class DrawingTracker implements TrackingSession {
  readonly size: { readonly width: number; readonly height: number };
  readonly count: number;
  readonly asked: string[] = [];
  readonly #objects = new Map<number, Known>();
  hold: Promise<void> | undefined;
  failure: Error | undefined;
  /** Called before each frame that is tracked. */
  onFrame: (frame: number) => void = () => {};

  constructor(width: number, height: number, count: number) {
    this.size = { width, height };
    this.count = count;
  }

  get objectIds(): readonly number[] {
    return [...this.#objects.keys()];
  }

  get memoryBytes(): number {
    return 0;
  }

  async addPrompt(prompt: ObjectPrompt & OnFrame, options: SignalOption = {}): Promise<FrameResult> {
    const { object, frame, points = [], labels, box } = prompt;
    await this.#ask(`prompt ${object} on ${frame}: ${points.length}${box === undefined ? "" : " box"}`, options);
    const { width, height } = this.size;
    const [, mask] = drawn({ points, ...(labels && { labels }), ...(box && { box }) }, width, height);
    return this.#shown(object, frame, mask as Mask);
  }

  async addMask({ object, frame, mask }: ObjectMask & OnFrame, options: SignalOption = {}): Promise<FrameResult> {
    await this.#ask(`mask ${object} on ${frame}: ${maskArea(mask)}`, options);
    return this.#shown(object, frame, mask);
  }

  async clearPrompts(
    { object, frame }: { readonly object: number } & OnFrame,
    options: SignalOption = {},
  ): Promise<FrameResult> {
    await this.#ask(`clear ${object} on ${frame}`, options);
    this.#objects.get(object)?.prompts.delete(frame);
    return this.#result(frame);
  }

  async removeObject(object: number, options: RemoveOptions = {}): Promise<readonly FrameResult[]> {
    await this.#ask(`remove ${object}`, options);
    this.#objects.delete(object);
    return [];
  }

  async reset(): Promise<void> {
    this.#objects.clear();
  }

  async *propagate({
    start = 0,
    count = Number.POSITIVE_INFINITY,
    reverse = false,
    signal,
  }: PropagateOptions = {}): AsyncGenerator<FrameResult, void, void> {
    this.asked.push(`track from ${start}${reverse ? " back" : ""}`);
    const step = reverse ? -1 : 1;
    for (let i = 0, frame = start; i < count && frame >= 0 && frame < this.count; i++, frame += step) {
      this.onFrame(frame);
      await this.#ask(undefined, signal === undefined ? {} : { signal });
      for (const [id, { prompts, masks }] of this.#objects) {
        if (prompts.size === 0) throw new StateError("no-prompt", `object ${id} has no prompt`);
        const near = [...prompts].sort((a, b) => Math.abs(a - frame) - Math.abs(b - frame))[0] as number;
        if (near !== frame) masks.set(frame, moved(masks.get(near) as Mask, frame - near));
      }
      yield this.#result(frame);
    }
  }

  save(): Uint8Array {
    return new Uint8Array(0);
  }

  async dispose(): Promise<void> {
    this.#objects.clear();
    this.asked.push("dispose");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #ask(what: string | undefined, { signal }: SignalOption): Promise<void> {
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 0));
    await this.hold;
    signal?.throwIfAborted();
    if (this.failure !== undefined) throw this.failure;
    if (what !== undefined) this.asked.push(what);
  }

  #shown(object: number, frame: number, mask: Mask): FrameResult {
    const known = this.#objects.get(object) ?? { prompts: new Set(), masks: new Map() };
    this.#objects.set(object, known);
    known.prompts.add(frame);
    known.masks.set(frame, mask);
    return this.#result(frame);
  }

  #result(frame: number): FrameResult {
    const { width, height } = this.size;
    const objects = [...this.#objects].map(([id, { masks }]): VideoObject => {
      const mask = masks.get(frame);
      const isThere = mask !== undefined && maskArea(mask) > 0;
      return {
        id,
        mask: mask ?? { width, height, data: new Uint8Array(width * height) },
        objectScore: mask === undefined ? -1024 : isThere ? 8 : -8,
        iouPrediction: isThere ? 0.75 : 0.25,
        lowResLogits: { width: 1, height: 1, data: new Float32Array(1) },
      };
    });
    return { frame, objects };
  }
}

/** A mask so many pixels further to the right. */
export function moved({ width, height, data }: Mask, by: number): Mask {
  const at = (i: number): number => {
    const x = (i % width) - by;
    return x < 0 || x >= width ? 0 : (data[i - by] as number);
  };
  return { width, height, data: Uint8Array.from(data, (_, i) => at(i)) };
}
