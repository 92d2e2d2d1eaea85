/** Tracking under way: what it has found until now, which is a step once it ends. */
import { Abort } from "@masklet/core/backend";
import { same } from "../changes.ts";
import type { ObjectFrame, VideoEditorDocument } from "./document.ts";
import { applyVideoChange, type VideoChange, type VideoStep } from "./step.ts";

/** Tracking under way. */
export interface TrackingState {
  readonly start: number;
  /** The frame done last; `null` before the first. */
  readonly frame: number | null;
  readonly reverse: boolean;
}

export class TrackingRun {
  readonly abort: Abort = new Abort();
  readonly #changes: VideoChange[] = [];
  readonly #frames = new Set<number>();
  #state: TrackingState;

  constructor(start: number, reverse: boolean) {
    this.#state = { start, frame: null, reverse };
  }

  get state(): TrackingState {
    return this.#state;
  }

  /** `undefined` where nothing has changed. */
  get step(): VideoStep | undefined {
    if (this.#changes.length === 0) return undefined;
    const ids = new Set(this.#changes.map((change) => (change.kind === "frame" ? change.id : null)));
    const [only = null] = ids.size === 1 ? ids : [];
    return { name: "track", object: only, frame: null, count: this.#frames.size, changes: [...this.#changes] };
  }

  /** -> the document with what was found on a frame, by object; what a person made of it is not the tracker's to change. */
  add(document: VideoEditorDocument, frame: number, found: ReadonlyMap<number, ObjectFrame>): VideoEditorDocument {
    let after = document;
    for (const { id, frames } of document.objects) {
      const [before, is] = [frames[frame] ?? null, found.get(id)];
      if (is === undefined || (before !== null && before.prompt !== null) || same(before, is)) continue;
      const change: VideoChange = { kind: "frame", id, frame, before, after: is };
      after = applyVideoChange(after, change);
      this.#changes.push(change);
      this.#frames.add(frame);
    }
    this.#state = { ...this.#state, frame };
    return after;
  }
}
