/** Steps of a video's session: as those of a picture's, with the frame they were made on. */
import { applyListChange, changedFields, conflict, indexOf, inverted, type ListChange, same } from "../changes.ts";
import { Reader } from "../document.ts";
import { parseListChange, type StepName, stepText, stepWords } from "../step.ts";
import {
  type ObjectFrame,
  parseObjectFrame,
  parseVideoObject,
  type VideoEditorDocument,
  type VideoEditorObject,
  type VideoFields,
  type VideoSize,
  videoFields,
} from "./document.ts";

/** What a person did; `videoStepText` puts it into words. */
export type VideoStepName = StepName | "clear-frame" | "track";

/** One thing that changed, with what it was before. */
export type VideoChange =
  | ListChange<VideoEditorObject, VideoFields>
  /** What is known of an object on a frame; `null` for nothing. */
  | {
      readonly kind: "frame";
      readonly id: number;
      readonly frame: number;
      readonly before: ObjectFrame | null;
      readonly after: ObjectFrame | null;
    };

/** One step of a person's work on a video. Plain data, for JSON. */
export interface VideoStep {
  readonly name: VideoStepName;
  /** The object it is about, where it is about one. */
  readonly object: number | null;
  /** The frame it was made on; `null` for tracking, which is about many. */
  readonly frame: number | null;
  /** How many clicks, objects or frames it holds. */
  readonly count: number;
  readonly changes: readonly VideoChange[];
}

/** English for every step. */
export const videoStepWords: Readonly<Record<VideoStepName, string>> = {
  ...stepWords,
  "clear-frame": "Clear this frame",
  track: "Track",
};

/** What a menu calls a step: "Track (24)". */
export function videoStepText(
  step: VideoStep,
  words: Readonly<Record<VideoStepName, string>> = videoStepWords,
): string {
  return stepText(step, words);
}

/** The step that takes `step` back. */
export function invertVideoStep(step: VideoStep): VideoStep {
  return inverted<VideoChange, VideoStep>(step);
}

/** The document after a step. Throws an `EditorError` "conflict" where it is not the one that the step was made for. */
export function applyVideoStep(document: VideoEditorDocument, { changes }: VideoStep): VideoEditorDocument {
  return changes.reduce(applyVideoChange, document);
}

export function applyVideoChange(document: VideoEditorDocument, change: VideoChange): VideoEditorDocument {
  if (change.kind !== "frame") {
    return applyListChange<VideoEditorObject, VideoFields, VideoEditorDocument>(document, change);
  }
  const { id, frame, before, after } = change;
  const index = indexOf(document, id);
  const object = document.objects[index] as VideoEditorObject;
  if (!same(object.frames[frame] ?? null, before)) {
    return conflict(`object ${id} is not what it was on frame ${frame}`, { object: id, frame });
  }
  const { [frame]: _, ...others } = object.frames;
  const frames = after === null ? others : { ...others, [frame]: after };
  return { ...document, objects: document.objects.with(index, { ...object, frames }) };
}

/** The changes that make one document of another, of the same video. */
export function changesBetween(before: VideoEditorDocument, after: VideoEditorDocument): readonly VideoChange[] {
  const changes: VideoChange[] = [];
  let at = before;
  const change = (one: VideoChange): void => {
    changes.push(one);
    at = applyVideoChange(at, one);
  };
  const stay = new Set(after.objects.map(({ id }) => id));
  // From the last, so that the indices of those before stay.
  for (const [index, object] of [...before.objects.entries()].reverse()) {
    if (!stay.has(object.id)) change({ kind: "object", index, before: object, after: null });
  }
  // Classes go before the fields that name them.
  if (!same(at.classes, after.classes)) change({ kind: "classes", before: at.classes, after: after.classes });
  for (const [index, object] of after.objects.entries()) {
    const place = at.objects.findIndex(({ id }) => id === object.id);
    if (place < 0) change({ kind: "object", index, before: null, after: object });
    else if (place !== index) change({ kind: "place", id: object.id, before: place, after: index });
    const known = at.objects[index] as VideoEditorObject;
    for (const one of changedFields<VideoEditorObject, VideoFields>(known, object, videoFields)) change(one);
    for (const key of new Set([...Object.keys(known.frames), ...Object.keys(object.frames)])) {
      const frame = Number(key);
      const [was, is] = [known.frames[frame] ?? null, object.frames[frame] ?? null];
      if (was !== is && !same(was, is)) change({ kind: "frame", id: object.id, frame, before: was, after: is });
    }
  }
  if (at.nextId !== after.nextId) change({ kind: "nextId", before: at.nextId, after: after.nextId });
  return changes;
}

/** A step from outside, checked against a video of that size. Throws an `EditorError` "step-malformed". */
export function parseVideoStep(value: unknown, size: VideoSize, where = "step"): VideoStep {
  const read = new Reader("step-malformed");
  const fields = read.record(where, value);
  const name = read.text(`${where}.name`, fields["name"]);
  if (!isVideoStepName(name)) return read.fail(`${where}.name`, "a step's name", name);
  const frameOf = (at: string, given: unknown): number => read.integer(at, given, 0, size.count - 1);
  return {
    name,
    object: read.optional(fields["object"], (id) => read.integer(`${where}.object`, id, 1)),
    frame: read.optional(fields["frame"], (frame) => frameOf(`${where}.frame`, frame)),
    count: read.integer(`${where}.count`, fields["count"], 1),
    changes: read.list(`${where}.changes`, fields["changes"], (at, given): VideoChange => {
      const change = read.record(at, given);
      if (change["kind"] !== "frame") {
        const object = (there: string, one: unknown): VideoEditorObject => parseVideoObject(read, there, one, size);
        return parseListChange<VideoEditorObject, VideoFields>(read, at, change, { size, fields: videoFields, object });
      }
      const known = (key: "before" | "after"): ObjectFrame | null =>
        read.optional(change[key], (one) => parseObjectFrame(read, `${at}.${key}`, one, size));
      return {
        kind: "frame",
        id: read.integer(`${at}.id`, change["id"], 1),
        frame: frameOf(`${at}.frame`, change["frame"]),
        before: known("before"),
        after: known("after"),
      };
    }),
  };
}

function isVideoStepName(name: string): name is VideoStepName {
  return Object.hasOwn(videoStepWords, name);
}
