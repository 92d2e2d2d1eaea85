import type { Size } from "../image/image.ts";
import type { FrameResult } from "./frame-result.ts";
import type { FrameSource } from "./frame-source.ts";
import type { MemoryEstimate } from "./memory-bank.ts";
import type { StreamSession } from "./stream-session.ts";
import type {
  ObjectMask,
  ObjectPrompt,
  OnFrame,
  PropagateOptions,
  RemoveOptions,
  SignalOption,
} from "./video-session.ts";

/**
 * Tracks objects through videos, wherever the model is: `VideoPredictor` has it here, `RemoteVideoPredictor` at the far
 * end of a port. What each call takes, gives and rejects with is said at `VideoPredictor`.
 */
export interface VideoTracker {
  estimate(video: { readonly objects: number; readonly frames: number }): MemoryEstimate;
  start(source: FrameSource): TrackingSession;
  /** Streams are driven from here in both cases. */
  stream(): StreamSession;
  load(bytes: Uint8Array, source: FrameSource): Promise<TrackingSession>;
}

/** Objects tracked through one video: a `VideoSession` or a `RemoteVideoSession`. */
export interface TrackingSession {
  readonly size: Size;
  /** Frames of the video, where that is known. */
  readonly count: number | undefined;
  /** The objects' ids, in the order they first came. */
  readonly objectIds: readonly number[];
  /** Bytes that its memory takes, encoded frames aside. */
  readonly memoryBytes: number;
  addPrompt(prompt: ObjectPrompt & OnFrame, options?: SignalOption): Promise<FrameResult>;
  addMask(prompt: ObjectMask & OnFrame, options?: SignalOption): Promise<FrameResult>;
  clearPrompts(prompt: { readonly object: number } & OnFrame, options?: SignalOption): Promise<FrameResult>;
  removeObject(object: number, options?: RemoveOptions): Promise<readonly FrameResult[]>;
  reset(): Promise<void>;
  propagate(options?: PropagateOptions): AsyncGenerator<FrameResult, void, void>;
  /** To be awaited: only a session that is here has it at once. */
  save(): Uint8Array | Promise<Uint8Array>;
  /** Resolves when what it holds is freed; calls still queued reject. May be called more than once. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
