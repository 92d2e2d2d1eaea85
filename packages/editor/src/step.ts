/**
 * Steps: what a session does to its document, as plain data that can be taken back, stored and sent. A mask's change is
 * the run lengths of the pixels that changed, so a step holds as much as was done.
 */
import { type CompressedRle, combineRle, compressRle, type Size } from "@masklet/core";
import { applyListChange, changedFields, conflict, indexOf, inverted, type ListChange } from "./changes.ts";
import {
  type EditorDocument,
  type EditorObject,
  isField,
  type ObjectFields,
  objectFields,
  parseClasses,
  parseField,
  parseMask,
  parseObject,
  Reader,
} from "./document.ts";

/** What a person did; `stepText` puts it into words. */
export type StepName =
  | "accept"
  | "add"
  | "brush"
  | "candidate"
  | "class"
  | "classes"
  | "draft"
  | "edge"
  | "erase"
  | "fill-holes"
  | "grow"
  | "invert"
  | "merge"
  | "move"
  | "prompt"
  | "remove"
  | "remove-specks"
  | "rename"
  | "reshape"
  | "shrink"
  | "smooth"
  | "split";

/** One thing that changed, with what it was before. A mask is no field: its changes are a kind of their own. */
export type Change =
  | ListChange<EditorObject, ObjectFields>
  /** Pixels of an object's mask that changed, in COCO's compressed run lengths, and the masks' hashes. */
  | {
      readonly kind: "mask";
      readonly id: number;
      readonly diff: string;
      readonly before: number;
      readonly after: number;
    };

/** One step of a person's work: as one it is done, undone and redone. Plain data, for JSON. */
export interface Step {
  readonly name: StepName;
  /** The object it is about, where it is about one. */
  readonly object: number | null;
  /** How many clicks, objects or the like it holds. */
  readonly count: number;
  readonly changes: readonly Change[];
}

/** English for every step. */
export const stepWords: Readonly<Record<StepName, string>> = {
  accept: "Accept",
  add: "Add object",
  brush: "Brush",
  candidate: "Other candidate",
  class: "Set class",
  classes: "Change classes",
  draft: "Back to draft",
  edge: "Change edge",
  erase: "Erase",
  "fill-holes": "Fill holes",
  grow: "Grow",
  invert: "Invert",
  merge: "Merge",
  move: "Move in the list",
  prompt: "Prompt",
  remove: "Remove object",
  "remove-specks": "Remove specks",
  rename: "Rename",
  reshape: "Reshape",
  shrink: "Shrink",
  smooth: "Smooth",
  split: "Split",
};

/** What a menu calls a step: "Brush", "Prompt (3)". */
export function stepText<N extends string = StepName>(
  { name, count }: { readonly name: N; readonly count: number },
  words: Readonly<Record<N, string>> = stepWords as Readonly<Record<string, string>>,
): string {
  return count > 1 ? `${words[name]} (${count})` : words[name];
}

/** The step that takes `step` back. */
export function invertStep(step: Step): Step {
  return inverted<Change, Step>(step);
}

/** FNV-1a, 32 bits: tells whether a mask is the one a step was made for. */
export function maskHash(mask: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < mask.length; i++) hash = Math.imul(hash ^ mask.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function rleOf(mask: string, { width, height }: Size): CompressedRle {
  return { size: [height, width], counts: mask };
}

/** The change from one mask to another; none if they are equal. */
export function maskChange(id: number, before: string, after: string, size: Size): readonly Change[] {
  if (before === after) return [];
  const { counts } = compressRle(combineRle(rleOf(before, size), rleOf(after, size), "xor"));
  return [{ kind: "mask", id, diff: counts, before: maskHash(before), after: maskHash(after) }];
}

/** The change of the fields given; none if they are as they were. */
export function fieldsChange(object: EditorObject, after: Partial<ObjectFields>): readonly Change[] {
  return changedFields<EditorObject, ObjectFields>(object, after, objectFields);
}

/**
 * The document after a step. Throws an `EditorError` "conflict" where it is not the document that the step was made for:
 * something the step changes is no longer what it was.
 */
export function applyStep(document: EditorDocument, { changes }: Step): EditorDocument {
  return changes.reduce(applyChange, document);
}

function applyChange(document: EditorDocument, change: Change): EditorDocument {
  if (change.kind !== "mask") return applyListChange<EditorObject, ObjectFields, EditorDocument>(document, change);
  const index = indexOf(document, change.id);
  const object = document.objects[index] as EditorObject;
  const { counts } = compressRle(combineRle(rleOf(object.mask, document), rleOf(change.diff, document), "xor"));
  if (maskHash(object.mask) !== change.before || maskHash(counts) !== change.after) {
    return conflict(`the mask of object ${change.id} is not what it was`, { object: change.id, field: "mask" });
  }
  return { ...document, objects: document.objects.with(index, { ...object, mask: counts }) };
}

/** A step from outside, checked against a picture of `size`. Throws an `EditorError` "step-malformed". */
export function parseStep(value: unknown, size: Size, where = "step"): Step {
  const read = new Reader("step-malformed");
  const fields = read.record(where, value);
  const name = read.text(`${where}.name`, fields["name"]);
  if (!isStepName(name)) return read.fail(`${where}.name`, "a step's name", name);
  return {
    name,
    object: read.optional(fields["object"], (id) => read.integer(`${where}.object`, id, 1)),
    count: read.integer(`${where}.count`, fields["count"], 1),
    changes: read.list(`${where}.changes`, fields["changes"], (at, change) => parseChange(read, at, change, size)),
  };
}

function isStepName(name: string): name is StepName {
  return Object.hasOwn(stepWords, name);
}

function parseChange(read: Reader, where: string, value: unknown, size: Size): Change {
  const change = read.record(where, value);
  if (change["kind"] !== "mask") {
    const object = (at: string, one: unknown): EditorObject => parseObject(read, at, one, size);
    return parseListChange<EditorObject, ObjectFields>(read, where, change, { size, fields: objectFields, object });
  }
  return {
    kind: "mask",
    id: read.integer(`${where}.id`, change["id"], 1),
    diff: parseMask(read, `${where}.diff`, change["diff"], size),
    before: read.integer(`${where}.before`, change["before"], 0),
    after: read.integer(`${where}.after`, change["after"], 0),
  };
}

interface ListChangeKind<O, Fields> {
  readonly size: Size;
  /** Those that a change may name. */
  readonly fields: readonly (keyof Fields)[];
  readonly object: (where: string, value: unknown) => O;
}

/** A change of a list of objects from outside. */
export function parseListChange<O, Fields extends Partial<ObjectFields>>(
  read: Reader,
  where: string,
  change: Readonly<Record<string, unknown>>,
  { size, fields, object }: ListChangeKind<O, Fields>,
): ListChange<O, Fields> {
  const { kind } = change;
  const id = (): number => read.integer(`${where}.id`, change["id"], 1);
  const both = <T>(one: (where: string, value: unknown) => T): { readonly before: T; readonly after: T } => ({
    before: one(`${where}.before`, change["before"]),
    after: one(`${where}.after`, change["after"]),
  });
  switch (kind) {
    case "object": {
      const index = read.integer(`${where}.index`, change["index"], 0);
      return { kind, index, ...both((at, given) => read.optional(given, (one) => object(at, one))) };
    }
    case "fields": {
      const values = (at: string, given: unknown): Partial<Fields> =>
        Object.fromEntries(
          Object.entries(read.record(at, given)).map(([key, field]) =>
            isField(key) && (fields as readonly string[]).includes(key)
              ? [key, parseField(read, `${at}.${key}`, key, field, size)]
              : read.fail(`${at}.${key}`, "a field of an object", key),
          ),
        ) as Partial<Fields>;
      const { before, after } = both(values);
      if (Object.keys(before).join() !== Object.keys(after).join()) read.fail(where, "the same fields twice", change);
      return { kind, id: id(), before, after };
    }
    case "place":
      return { kind, id: id(), ...both((at, given) => read.integer(at, given, 0)) };
    case "classes":
      return { kind, ...both((at, given) => parseClasses(read, at, given)) };
    case "nextId":
      return { kind, ...both((at, given) => read.integer(at, given, 1)) };
    default:
      return read.fail(`${where}.kind`, "a kind of change", kind);
  }
}
