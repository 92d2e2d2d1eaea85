import { checkAwaited } from "../options.ts";
import type { Sam2 } from "../sam2.ts";
import type { FrameSource } from "./frame-source.ts";
import { MemoryBank, type MemoryEstimate } from "./memory-bank.ts";
import {
  estimateSession,
  historyReach,
  streamOptions,
  type VideoOptions,
  type VideoSettings,
  videoSettings,
} from "./options.ts";
import { readSession } from "./session-file.ts";
import { StreamSession } from "./stream-session.ts";
import { VideoSession } from "./video-session.ts";
import type { VideoTracker } from "./video-tracker.ts";

/**
 * Tracks objects through videos (reference: sam2_video_predictor.py, `SAM2VideoPredictor`). Sessions share the model,
 * which must outlive them.
 */
export class VideoPredictor implements VideoTracker {
  readonly model: Sam2;
  readonly #options: VideoOptions;
  readonly #settings: VideoSettings;

  /** Throws a `PromptError` "bad-option" for a setting that is none. */
  constructor(model: Sam2, options: VideoOptions = {}) {
    checkAwaited("VideoPredictor", "the model", model);
    this.model = model;
    this.#options = options;
    this.#settings = videoSettings(options, model.config);
  }

  /** What a session over `frames` frames with so many objects will keep in memory, at most: to be told before it starts. */
  estimate({ objects, frames }: { readonly objects: number; readonly frames: number }): MemoryEstimate {
    return estimateSession(this.model.config, this.#settings, { objects, frames });
  }

  /** A session over a video. Nothing is read or computed yet. */
  start(source: FrameSource): VideoSession {
    checkAwaited("start", "the video", source);
    return new VideoSession(this.model, source, this.#settings, this.#bank(source));
  }

  /** A session over live frames: each is pushed once, when it comes. */
  stream(): StreamSession {
    const settings = videoSettings(streamOptions(this.#options), this.model.config);
    return new StreamSession((source) => {
      const bank = new MemoryBank(historyReach(this.model.config, settings, undefined));
      return new VideoSession(this.model, source, settings, bank);
    });
  }

  /**
   * A session as `save` wrote it, over the same video: it goes on exactly where that one was. Rejects with a
   * `CheckpointError`: "session-mismatch" for another model or another video, "session-malformed", or as
   * `readSafetensors` for what is no such file at all.
   */
  async load(bytes: Uint8Array, source: FrameSource): Promise<VideoSession> {
    checkAwaited("load", "the saved session", bytes);
    checkAwaited("load", "the video", source);
    const bank = this.#bank(source);
    await readSession(bytes, bank, { config: this.model.config, size: source.size, count: source.count });
    return new VideoSession(this.model, source, this.#settings, bank);
  }

  #bank({ count }: FrameSource): MemoryBank {
    return new MemoryBank(historyReach(this.model.config, this.#settings, count));
  }
}
