/**
 * What is edited of a video: its objects with what is known of each on each frame, as plain data. At any one frame it is a
 * picture's document, and what is done there comes back into it.
 */
import type { Size } from "@masklet/core";
import { same } from "../changes.ts";
import {
  checkReferences,
  type EdgeSettings,
  type EditorClass,
  type EditorDocument,
  type EditorObject,
  type EditorPrompt,
  noPrompt,
  type ObjectState,
  parseClasses,
  parseField,
  parseMask,
  Reader,
} from "../document.ts";
import { combine, emptyMask } from "../masks.ts";
import { rleOf } from "../step.ts";

/** One object on one frame. */
export interface ObjectFrame {
  /** COCO's compressed run lengths, of the video's size; empty where the object is not to be seen. */
  readonly mask: string;
  /** Predicted IoU; `null` once a person has changed the mask, or where none came with it. */
  readonly score: number | null;
  /** Whether the object is there, as a logit: above 0 says yes. `null` where the model was not asked. */
  readonly objectScore: number | null;
  /** What a person showed or did on this frame; `null` where it was tracked. */
  readonly prompt: EditorPrompt | null;
}

/** One object. Later ones of the list lie above earlier ones. */
export interface VideoEditorObject {
  /** From 1, never used twice in one document. */
  readonly id: number;
  readonly name: string | null;
  /** One of the document's classes. */
  readonly class: string | null;
  readonly state: ObjectState;
  readonly edge: EdgeSettings;
  /** By number of the frame; those where nothing is known of the object are left out. */
  readonly frames: Readonly<Record<number, ObjectFrame>>;
}

/** What an object has on all frames. */
export type VideoFields = Pick<VideoEditorObject, "name" | "class" | "state" | "edge">;
export const videoFields: readonly (keyof VideoFields)[] = ["name", "class", "state", "edge"];

/** Size and length of a video. */
export interface VideoSize extends Size {
  /** How many frames it has. */
  readonly count: number;
}

/** All that an editor changes of one video. Plain data, for JSON. */
export interface VideoEditorDocument extends VideoSize {
  readonly version: 1;
  /** The id that the next object gets. */
  readonly nextId: number;
  readonly classes: readonly EditorClass[];
  readonly objects: readonly VideoEditorObject[];
}

/** A document without objects. Throws an `EditorError` "document-malformed" for a size that is none. */
export function emptyVideo({ width, height, count }: VideoSize): VideoEditorDocument {
  return parseVideoDocument({ version: 1, width, height, count, nextId: 1, classes: [], objects: [] });
}

/** A document from outside, checked. Throws an `EditorError` "document-malformed". */
export function parseVideoDocument(value: unknown): VideoEditorDocument {
  const read = new Reader("document-malformed");
  const fields = read.record("document", value);
  if (fields["version"] !== 1) read.fail("document.version", "1", fields["version"]);
  const size: VideoSize = {
    width: read.integer("document.width", fields["width"], 1),
    height: read.integer("document.height", fields["height"], 1),
    count: read.integer("document.count", fields["count"], 1),
  };
  const classes = parseClasses(read, "document.classes", fields["classes"]);
  const objects = read.list("document.objects", fields["objects"], (at, one) => parseVideoObject(read, at, one, size));
  const nextId = read.integer("document.nextId", fields["nextId"], 1);
  const document: VideoEditorDocument = { version: 1, ...size, nextId, classes, objects };
  checkVideoReferences(read, document);
  return document;
}

/** What fields say of each other: ids and classes that there are. */
export function checkVideoReferences(read: Reader, document: VideoEditorDocument): void {
  checkReferences(read, frameDocument(document, 0));
}

export function parseVideoObject(read: Reader, where: string, value: unknown, size: VideoSize): VideoEditorObject {
  const fields = read.record(where, value);
  const field = <K extends keyof VideoFields>(key: K): VideoFields[K] =>
    parseField(read, `${where}.${key}`, key, fields[key], size);
  const frames = Object.entries(read.record(`${where}.frames`, fields["frames"])).map(([key, frame]) => {
    const at = `${where}.frames.${key}`;
    const index = read.integer(at, Number(key), 0, size.count - 1);
    return [index, parseObjectFrame(read, at, frame, size)] as const;
  });
  return {
    id: read.integer(`${where}.id`, fields["id"], 1),
    name: field("name"),
    class: field("class"),
    state: field("state"),
    edge: field("edge"),
    frames: Object.fromEntries(frames),
  };
}

export function parseObjectFrame(read: Reader, where: string, value: unknown, size: Size): ObjectFrame {
  const frame = read.record(where, value);
  return {
    mask: parseMask(read, `${where}.mask`, frame["mask"], size),
    score: read.optional(frame["score"], (given) => read.finite(`${where}.score`, given)),
    objectScore: read.optional(frame["objectScore"], (given) => read.finite(`${where}.objectScore`, given)),
    prompt: read.optional(frame["prompt"], (given) => parseField(read, `${where}.prompt`, "prompt", given, size)),
  };
}

/** The document of one frame: an object that is not known there has an empty mask. */
export function frameDocument(document: VideoEditorDocument, frame: number): EditorDocument {
  const { width, height, nextId, classes } = document;
  const empty = emptyMask(document);
  const objects = document.objects.map(({ id, name, class: named, state, edge, frames }): EditorObject => {
    const { mask, score, prompt } = frames[frame] ?? { mask: empty, score: null, prompt: null };
    const shown = prompt ?? noPrompt;
    return { id, name, class: named, state, score, edge, prompt: shown, candidates: [], candidate: null, mask };
  });
  return { version: 1, width, height, nextId, classes, objects };
}

/**
 * The document after one frame's document has become `edited`. `objectScoreOf` says what the model gave with a mask. What
 * an object has on other frames stays with it.
 */
export function withFrame(
  document: VideoEditorDocument,
  frame: number,
  edited: EditorDocument,
  objectScoreOf: (id: number, mask: string) => number | null,
): VideoEditorDocument {
  const before = new Map(frameDocument(document, frame).objects.map((object) => [object.id, object]));
  const known = new Map(document.objects.map((object) => [object.id, object]));
  const objects = edited.objects.map(({ id, name, class: named, state, edge, mask, score, prompt }) => {
    const { frames = {} } = known.get(id) ?? {};
    const was = before.get(id);
    const isSame = was?.mask === mask && was.score === score && same(was.prompt, prompt);
    const now: ObjectFrame = { mask, score, objectScore: objectScoreOf(id, mask), prompt };
    return { id, name, class: named, state, edge, frames: isSame ? frames : { ...frames, [frame]: now } };
  });
  return { ...document, nextId: edited.nextId, classes: edited.classes, objects };
}

/**
 * `into` with what `others` have on frames but `frame`, where their masks have been joined already: a merged object has
 * all of their pixels, and a person's frame stays one.
 */
export function mergedFrames(
  into: VideoEditorObject,
  others: readonly VideoEditorObject[],
  frame: number,
  size: Size,
): VideoEditorObject {
  const frames: Record<number, ObjectFrame> = { ...into.frames };
  for (const other of others) {
    for (const [key, theirs] of Object.entries(other.frames)) {
      const index = Number(key);
      const own = frames[index];
      if (index === frame) continue;
      frames[index] =
        own === undefined
          ? theirs
          : {
              mask: combine(own.mask, rleOf(theirs.mask, size), "union", size),
              score: null,
              objectScore: null,
              prompt: own.prompt === null && theirs.prompt === null ? null : { ...noPrompt, isRefinement: true },
            };
    }
  }
  return { ...into, frames };
}

/** The frames where a person showed or did something to one of the objects, ascending. */
export function promptedFrames(objects: readonly VideoEditorObject[]): readonly number[] {
  const frames = objects.flatMap(({ frames: known }) =>
    Object.entries(known).flatMap(([frame, { prompt }]) => (prompt === null ? [] : [Number(frame)])),
  );
  return [...new Set(frames)].sort((a, b) => a - b);
}
