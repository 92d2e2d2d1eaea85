/** Which frames are tracked, in which order. */
import { UsageError } from "../usage.ts";

/** A walk through the video: from `start` to `last`, both included. */
export interface Pass {
  readonly start: number;
  readonly last: number;
  readonly reverse: boolean;
}

export type Direction = "forward" | "reverse" | "both";

export interface PlanOptions {
  /** Frames with prompts. */
  readonly prompted: readonly number[];
  /** Frames of the video. */
  readonly frames: number;
  /** Default: the first prompted frame, in reverse the last. */
  readonly start?: number | undefined;
  /** How many frames a pass has at most; all if not given. */
  readonly count?: number | undefined;
  readonly direction: Direction;
}

/**
 * One pass, or both ways from `start`: forwards first. Throws a `UsageError` for a start outside the video, or one that
 * has no frame before it to go back to.
 */
export function planPasses({ prompted, frames, direction, ...options }: PlanOptions): readonly Pass[] {
  const { start = firstOf(prompted, direction), count = frames } = options;
  if (start >= frames) throw new UsageError(`tracking starts at frame ${start}, but the video ends at ${frames - 1}`);
  const forward = { start, last: Math.min(start + count, frames) - 1, reverse: false };
  const backward = { start, last: Math.max(start - count, -1) + 1, reverse: true };
  if (direction === "forward" || (direction === "both" && start === 0)) return [forward];
  if (start === 0) throw new UsageError("--reverse: tracking starts at frame 0, which has none before it");
  return direction === "reverse" ? [backward] : [forward, backward];
}

function firstOf(prompted: readonly number[], direction: Direction): number {
  return prompted.reduce((a, b) => (direction === "reverse" ? Math.max(a, b) : Math.min(a, b)));
}

/** The frame after `frame`. */
export function after({ reverse }: Pass, frame: number): number {
  return reverse ? frame - 1 : frame + 1;
}

/** How many frames of a pass there are from `frame` on. */
export function remaining({ last, reverse }: Pass, frame: number): number {
  return reverse ? frame - last + 1 : last - frame + 1;
}
