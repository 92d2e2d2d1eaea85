/** What the host and the page of a picture say to each other. Everything is plain data; steps and documents are the editor's. */
import type { EditorClass, EditorDocument, Step } from "@masklet/editor";
import type { Translation } from "./translate.ts";

/** What answers clicks, and where it is. */
export type EngineKind = "process" | "worker" | "none";

/** Everything a page needs to show a picture; sent when it is ready, and again when all of it changes. */
export interface ShowMessage {
  readonly type: "show";
  readonly name: string;
  /** The picture's address for the page. */
  readonly src: string;
  /** Names the picture and its version, for the engine. */
  readonly key: string;
  readonly bytes: number;
  /** `undefined` until the size is known, which the page then says. */
  readonly document: EditorDocument | undefined;
  /** Why nothing can be edited; `undefined` where it can. */
  readonly readOnly: string | undefined;
  /** What the labels are and what is odd about them. */
  readonly labels: string;
  readonly engine: EngineKind;
  /** Addresses of the worker's files, where the engine is one. */
  readonly worker:
    | { readonly script: string; readonly wasm: string; readonly checkpoint: string; readonly config: string }
    | undefined;
  /** A picture whose bytes are not here: why. */
  readonly missing: string | undefined;
  readonly words: Readonly<Record<string, string>>;
  /** Of the editor's words. */
  readonly translation: Translation;
}

export type ToPage =
  | ShowMessage
  /** A step that was made elsewhere: by undo, redo, another view, or the file. */
  | { readonly type: "step"; readonly step: Step }
  /** The document as the host has it, where the page's is another. */
  | { readonly type: "reset"; readonly document: EditorDocument }
  | { readonly type: "state"; readonly readOnly: string | undefined; readonly labels: string }
  | { readonly type: "answer"; readonly id: number; readonly result: unknown }
  | { readonly type: "failure"; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: "zoom"; readonly zoom: number | "fit" }
  | { readonly type: "copy" }
  | { readonly type: "mode"; readonly mode: "view" | "segment" | "toggle" }
  | { readonly type: "filter"; readonly hidden: readonly string[] }
  /** A prompt of somebody who is not at the keyboard. */
  | {
      readonly type: "segment";
      readonly id: number;
      readonly prompt: SegmentPrompt;
      readonly draft: string | null | undefined;
    }
  /** Pictures to prepare for clicks, when there is nothing else to do. */
  | { readonly type: "prepare"; readonly pictures: readonly { readonly key: string; readonly src: string }[] };

/** Pixels of a picture, [height, width, 3 or 4]. */
export interface WirePicture {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly data: ArrayBuffer;
}

/** What shows the model an object, in the picture's pixels. */
export interface SegmentPrompt {
  readonly points?: readonly (readonly [x: number, y: number])[];
  /** One for each point: 1 is on the object, 0 is not. */
  readonly labels?: readonly (0 | 1)[];
  readonly box?: readonly [x0: number, y0: number, x1: number, y1: number];
}

export interface SegmentAnswer {
  /** The model's own estimate of the mask's IoU. */
  readonly score: number;
  readonly area: number;
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** COCO's compressed run lengths. */
  readonly rle: { readonly size: readonly [height: number, width: number]; readonly counts: string };
  /** The picture with the object tinted, at most 1024 pixels long. */
  readonly png: ArrayBuffer;
}

export type ToHost =
  | { readonly type: "segmented"; readonly id: number; readonly answer: SegmentAnswer }
  | { readonly type: "not-segmented"; readonly id: number; readonly message: string }
  | { readonly type: "ready" }
  /** The picture is decoded. */
  | { readonly type: "decoded"; readonly width: number; readonly height: number; readonly warnings: readonly string[] }
  | { readonly type: "undecoded"; readonly message: string }
  | { readonly type: "step"; readonly step: Step }
  | { readonly type: "view"; readonly zoom: number; readonly isFitted: boolean }
  | { readonly type: "pixel"; readonly text: string }
  | { readonly type: "move"; readonly by: 1 | -1 }
  /** A person asks for a class that is not there. */
  | { readonly type: "new-class" }
  | {
      readonly type: "encode";
      readonly id: number;
      readonly key: string;
      readonly picture: WirePicture;
      readonly ahead: boolean;
    }
  | {
      readonly type: "predict";
      readonly id: number;
      readonly key: string;
      readonly prompt: unknown;
      readonly multimaskOutput: boolean;
      readonly latest: boolean;
    }
  /** Which model answers: the page asks for its image size. */
  | { readonly type: "model"; readonly id: number }
  | { readonly type: "log"; readonly message: string };

/** A mask of an answer. */
export interface WireMask {
  /** COCO's compressed run lengths. */
  readonly counts: string;
  readonly score: number;
}

export interface WirePrediction {
  readonly masks: readonly WireMask[];
}

/** Classes as the editor has them, with colours that follow from their names alone. */
export function classesOf(
  names: readonly string[],
  colours: ReadonlyMap<string, EditorClass["colour"]>,
): readonly EditorClass[] {
  return names.map((name) => ({ name, colour: colours.get(name) ?? colourOf(name) }));
}

/**
 * A class's colour, the same in every dataset: by the hash of its name into colours that people with other colour vision tell
 * apart (Okabe and Ito, "Color Universal Design"), and lighter and darker ones of them.
 */
export function colourOf(name: string): readonly [number, number, number] {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  hash >>>= 0;
  const [r, g, b] = palette[hash % palette.length] as (typeof palette)[number];
  const light = [1, 0.75, 1.2][(hash >>> 8) % 3] as number;
  const part = (value: number): number =>
    Math.min(255, Math.round(light > 1 ? value + (255 - value) * (light - 1) * 2 : value * light));
  return [part(r), part(g), part(b)];
}

const palette: readonly (readonly [number, number, number])[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
];
