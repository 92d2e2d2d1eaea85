import { type EditorWords, editorWords } from "../words.ts";
import { type VideoStepName, videoStepWords } from "./step.ts";

/** Every word that the video editor shows or says, those of the editor in it among them. */
export interface VideoWords extends Omit<EditorWords, "steps"> {
  readonly frame: string;
  readonly frameOf: string;
  readonly nextDrift: string;
  readonly nextFrame: string;
  readonly nextPrompt: string;
  readonly noTracker: string;
  readonly nothingToTrack: string;
  readonly notTracked: string;
  readonly noVideo: string;
  readonly pause: string;
  readonly play: string;
  readonly previousDrift: string;
  readonly previousFrame: string;
  readonly previousPrompt: string;
  readonly prompted: string;
  readonly stop: string;
  readonly timeline: string;
  readonly track: string;
  readonly trackBack: string;
  readonly tracked: string;
  readonly trackedOn: string;
  readonly tracking: string;
  readonly steps: Readonly<Record<VideoStepName, string>>;
}

/** English. */
export const videoWords: VideoWords = {
  ...editorWords,
  empty: "No objects yet. Choose a tool and show one on any frame.",
  frame: "Frame",
  frameOf: "Frame {frame} of 0 to {last}",
  nextDrift: "Next drift: where the score falls or the mask changes suddenly",
  nextFrame: "Next frame",
  nextPrompt: "Next frame with a prompt",
  noModel: "Without a tracker: brush and eraser work",
  noTracker: "There is no tracker to follow objects",
  nothingToTrack: "Show an object first",
  notTracked: "not tracked",
  noVideo: "No video",
  pause: "Pause",
  play: "Play",
  previousDrift: "Previous drift",
  previousFrame: "Previous frame",
  previousPrompt: "Previous frame with a prompt",
  prompted: "prompted",
  stop: "Stop",
  timeline: "Timeline",
  track: "Track on",
  trackBack: "Track back",
  tracked: "Tracked {count} frames",
  trackedOn: "{object}: prompted on frames {prompted}; there on {there} frames, not there on {absent} of {count}",
  tracking: "Tracking: frame {frame}",
  steps: videoStepWords,
};
