/** What the plugin says. */
import type { SubjectDoubt } from "@masklet/core";
import { subjectDoubts } from "@masklet/core";
import type { Caution, OutlineWidth, Refusal } from "../protocol.ts";
import type { PictureNote } from "./work.ts";

export const refusalWords: { readonly [R in Refusal]: string } = {
  "no-image": "has no image",
  locked: "is locked: unlock it first",
  hidden: "is hidden: show it first",
  "mixed-fills": "has several fills in one text or vector, which cannot be told apart",
  video: "has a video",
  pattern: "has a pattern",
  shader: "has a shader",
  gradient: "has a gradient",
  empty: "has no area",
  unsupported: "is of a kind that has no image",
};

/** Layers that can be made one with an image first. */
export const flattenable: readonly Refusal[] = ["mixed-fills", "video", "pattern", "shader", "gradient"];

export const cautionWords: { readonly [C in Caution]: string } = {
  style: "A new fill detaches the layer from its style. A mask group does not.",
  stroke: "A mask cuts the layer's stroke too.",
  tile: "The image repeats: every tile is cut, vectors cover the first.",
  component: "This is part of a main component: its instances change too.",
  text: "Text keeps its letters: the cutout fills them.",
};

export const noteWords: { readonly [N in PictureNote]: string } = {
  animated:
    "An animation: its first frame is looked at. A mask group cuts all of them alike; other results are stills.",
  large:
    "Larger than 4096 pixels a side, which is what Figma stores: results are scaled down, and lie in the same place.",
};

export const outlineWords: { readonly [W in OutlineWidth]: string } = {
  thin: "Thin outline",
  medium: "Medium outline",
  wide: "Wide outline",
};

export const groundWords = { checks: "On nothing", white: "On white", black: "On black" } as const;

export const words = {
  nothing: "Select a layer with an image",
  nothingMore: "Frames, groups and sections are searched.",
  loading: "Loading the image…",
  starting: "Starting the model…",
  ready: "Click what you want to keep. Alt-click what does not belong to it, or drag a box.",
  making: "Making the result…",
  needsModel:
    "The background is not of one colour, and the built-in model knows drawings, not photographs. Choose a model for it, or draw by hand.",
  needsModelShort: "A photograph: its subject needs a model (Settings).",
  rough: "The built-in model is made for drawings: on photographs its masks are rough. Look closely.",
  looking: "Looking for the subject…",
  removedHere: "This is the subject that was found. Click to correct it.",
  applied: "Done. Undo in Figma takes it back, and so does Restore.",
  removed: "Background removed. Undo takes it back.",
  maskFile: "A mask from a file; it can be dropped here too",
  maskLayer: "What this layer shows becomes the mask: where it lies, or stretched over the image if it lies elsewhere",
  loadingMask: "Reading the mask…",
  maskAdded: (count: number): string =>
    count === 1 ? "The mask is an object now." : `${count} objects are there now.`,
  preview: "What will be cut out, with its edges",
  hair: "Fine parts along the edge become partly transparent, without the background's colours",
  saved: "Saved.",
  copied: "Copied as a PNG.",
  noClipboard: "Figma keeps the clipboard from plugins here: saved as a file instead.",
  settingsNotKept: "Figma could not store the settings: they hold until the window is closed.",
  stopped: (ready: number, all: number): string =>
    `Stopped. ${ready} of ${all} are ready: apply them, or look at others.`,
  lookedAt: (ready: number, all: number): string => `${ready} of ${all} are ready. Look at them, and apply.`,
  notKept: "Figma's storage has no room for this file: it has to be chosen again in the next session.",
  switched: "Another layer is selected. Your work here is kept until you switch.",
} as const;

export function doubtWords(doubts: readonly SubjectDoubt[]): string {
  return `Please check: ${doubts.map((doubt) => subjectDoubts[doubt]).join("; ")}.`;
}
