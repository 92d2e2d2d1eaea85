import type { Sam2Config } from "../model/config.ts";
import { geometry } from "../model/geometry.ts";
import { checkInteger, checkKeys, type Keys } from "../options.ts";
import { attentionReach, pointerLimit } from "./frame-selection.ts";
import { estimateMemory, type FrameHistory, type MemoryEstimate } from "./memory-bank.ts";

/** Settings of video tracking; the documentation's page on video has the reference's names (`SAM2VideoPredictor`). */
export interface VideoOptions {
  /** At each pixel only the strongest object keeps it, in the masks that come out. Default false. */
  readonly nonOverlappingMasks?: boolean;
  /** Holes of at most this many low-resolution pixels (a quarter of the model's image size) are filled. Default 8. */
  readonly fillHoleArea?: number;
  /** Every corrected frame becomes a conditioning frame, not only those prompted before they were tracked. Default false. */
  readonly conditionOnCorrections?: boolean;
  /** A prompt drops what tracking remembered up to 7 strides around it. Default false. */
  readonly forgetAroundPrompts?: boolean;
  /** Remembered frames lie this far apart, the nearest aside (`memory_temporal_stride_for_eval`). Default 1. */
  readonly memoryStride?: number;
  /** Conditioning frames attended to at most (`max_cond_frames_in_attn`), at least 2. Default all. */
  readonly maxConditioningFrames?: number;
  /**
   * Remembered maps that a frame attends to beside the conditioning frames', one included for those (`num_maskmem`):
   * fewer are faster, 3 attend to less than half of the default. Pointers are not counted. Default the model's own, 7.
   */
  readonly memories?: number;
  /**
   * Objects in one run of the model; more are run in turns. Objects share little arithmetic, so that more take memory
   * and gain hardly any time. Default as many as hold 200 MB while they run: two of the full models' with all memories.
   */
  readonly objectsPerRun?: number;
  /**
   * How far behind the frame tracked last a session can go back, in frames. What is further is dropped once no frame can
   * attend to it. Default "all"; for streams 16.
   */
  readonly history?: FrameHistory;
  /** Encoded frames kept for further prompts on them. Default 4; for streams 1. */
  readonly cachedFrames?: number;
  /** Frames decoded before they are needed. Default 2. */
  readonly readAhead?: number;
  /** Also returns logits at the video's size. Default false. */
  readonly returnLogits?: boolean;
}

/** All of them, with their defaults. */
export type VideoSettings = Required<Omit<VideoOptions, "maxConditioningFrames" | "objectsPerRun">> & {
  readonly maxConditioningFrames: number | undefined;
  readonly objectsPerRun: number | undefined;
};

/** Throws a `PromptError` "bad-option" for a setting that is none. */
export function videoSettings(options: VideoOptions, config: Sam2Config): VideoSettings {
  checkKeys("video", options, videoKeys);
  const { memories } = geometry(config);
  const settings: VideoSettings = {
    nonOverlappingMasks: false,
    fillHoleArea: 8,
    conditionOnCorrections: false,
    forgetAroundPrompts: false,
    memoryStride: 1,
    maxConditioningFrames: undefined,
    memories,
    objectsPerRun: undefined,
    history: "all",
    cachedFrames: 4,
    readAhead: 2,
    returnLogits: false,
    ...options,
  };
  checkInteger("video", { fillHoleArea: settings.fillHoleArea }, 0);
  checkInteger("video", { memoryStride: settings.memoryStride }, 1);
  checkInteger("video", { memories: settings.memories }, 1, memories);
  checkInteger("video", { cachedFrames: settings.cachedFrames }, 1);
  checkInteger("video", { readAhead: settings.readAhead }, 0);
  if (settings.history !== "all") checkInteger("video", { history: settings.history }, 0);
  const { maxConditioningFrames, objectsPerRun } = settings;
  if (objectsPerRun !== undefined) checkInteger("video", { objectsPerRun }, 1);
  if (maxConditioningFrames !== undefined) checkInteger("video", { maxConditioningFrames }, 2);
  return settings;
}

/** How far from the frame tracked last frames are remembered, for a video of so many (`undefined`: not known). */
export function historyReach(config: Sam2Config, settings: VideoSettings, count: number | undefined): number {
  if (settings.history === "all") return Number.POSITIVE_INFINITY;
  const limit = pointerLimit(count, geometry(config).maxObjectPointers);
  const reach = attentionReach({ memories: settings.memories, stride: settings.memoryStride, limit });
  return Math.max(settings.history, reach);
}

/** A stream's options: where nothing is said, it remembers little. */
export function streamOptions(options: VideoOptions): VideoOptions {
  return { history: 16, cachedFrames: 1, ...options };
}

/** What a session over `frames` frames with so many objects keeps in memory, at most. */
export function estimateSession(
  config: Sam2Config,
  settings: VideoSettings,
  { objects, frames }: { readonly objects: number; readonly frames: number },
): MemoryEstimate {
  const kept = Math.min(frames, 2 * historyReach(config, settings, frames) + 1);
  return estimateMemory(config, { objects, frames: kept, cachedFrames: settings.cachedFrames });
}

const videoKeys: Keys<VideoOptions> = {
  nonOverlappingMasks: true,
  fillHoleArea: true,
  conditionOnCorrections: true,
  forgetAroundPrompts: true,
  memoryStride: true,
  maxConditioningFrames: true,
  memories: true,
  objectsPerRun: true,
  history: true,
  cachedFrames: true,
  readAhead: true,
  returnLogits: true,
};
