/** Edits as changes: what a command makes of a document's objects, without a session. */
import { type CompressedRle, type Mask, type Rle, splitMask } from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { same } from "./changes.ts";
import {
  type EditorClass,
  type EditorDocument,
  type EditorObject,
  hardEdge,
  noPrompt,
  type ObjectFields,
  type ObjectState,
  parseDocument,
} from "./document.ts";
import { EditorError } from "./errors.ts";
import { combine, emptyMask, encodeMask, splitArea } from "./masks.ts";
import { type Change, fieldsChange, maskChange, rleOf } from "./step.ts";

/** An object from elsewhere: a label file, automatic masks. */
export interface NewObject {
  readonly mask: Mask | Rle | CompressedRle;
  readonly name?: string;
  readonly class?: string;
  /** Default "accepted". */
  readonly state?: ObjectState;
  readonly score?: number;
}

const newObjectKeys: Keys<NewObject> = { mask: true, name: true, class: true, state: true, score: true };

/** What no model has said anything of: a click refines the mask that is there. */
const byHand = {
  score: null,
  prompt: { ...noPrompt, isRefinement: true },
  candidates: [],
  candidate: null,
} as const satisfies Partial<ObjectFields>;

/** New objects with the next ids, above all others: each is its mask, and what else is known of it. */
export function added(
  { nextId, objects }: EditorDocument,
  fresh: readonly (Pick<EditorObject, "mask"> & Partial<ObjectFields>)[],
  index: number = objects.length,
): readonly Change[] {
  if (fresh.length === 0) return [];
  const changes = fresh.map((fields, i): Change => {
    const known = { id: nextId + i, name: null, class: null, state: "draft", score: null, edge: hardEdge } as const;
    const after = { ...known, ...byHand, ...fields };
    return { kind: "object", index: index + i, before: null, after };
  });
  return [...changes, { kind: "nextId", before: nextId, after: nextId + fresh.length }];
}

/** Throws an `EditorError` "no-class", or core's `MaskError` for what is no mask of the picture's size. */
export function addedFrom(document: EditorDocument, given: readonly NewObject[]): readonly Change[] {
  return added(
    document,
    given.map((one) => {
      checkKeys("addObjects", one, newObjectKeys);
      const { mask, name = null, class: named = null, state = "accepted", score = null } = one;
      checkClass("addObjects", document, named);
      // Combined with nothing, run lengths are checked, and come out in the one form the document has.
      const rle = "counts" in mask ? mask : rleOf(encodeMask(mask), mask);
      return { mask: combine(emptyMask(document), rle, "union", document), name, class: named, state, score };
    }),
  );
}

/** Another mask, and fields that come with it. */
export function remasked(
  document: EditorDocument,
  object: EditorObject,
  mask: string,
  fields: Partial<ObjectFields>,
): readonly Change[] {
  return [...fieldsChange(object, fields), ...maskChange(object.id, object.mask, mask, document)];
}

/** A mask that was edited by hand: what the model said of the one before holds no more. */
export function edited(document: EditorDocument, object: EditorObject, mask: string): readonly Change[] {
  return mask === object.mask ? [] : remasked(document, object, mask, byHand);
}

/** From the last, so that the indices of those before stay. */
export function removed({ objects }: EditorDocument, gone: readonly EditorObject[]): readonly Change[] {
  return gone
    .map((before) => ({ before, index: objects.indexOf(before) }))
    .sort((a, b) => b.index - a.index)
    .map(({ before, index }) => ({ kind: "object", index, before, after: null }));
}

/** Each part as an object, the largest as the one that it is; none where there is one part. */
export function split(document: EditorDocument, object: EditorObject): readonly Change[] {
  const [largest, ...others] = splitArea(object.mask, document, splitMask);
  if (largest === undefined || others.length === 0) return [];
  const { name, class: named, state, edge } = object;
  const parts = others.map((mask) => ({ mask, name, class: named, state, edge }));
  return [...edited(document, object, largest), ...added(document, parts, document.objects.indexOf(object) + 1)];
}

/** One object with the masks of all, which go. */
export function merged(
  document: EditorDocument,
  first: EditorObject,
  others: readonly EditorObject[],
): readonly Change[] {
  const mask = others.reduce((all, other) => combine(all, rleOf(other.mask, document), "union", document), first.mask);
  return [...removed(document, others), ...edited(document, first, mask)];
}

/** Other classes, and what has become of an object's (`now`). Throws an `EditorError` "document-malformed". */
export function reclassed(
  document: EditorDocument,
  classes: readonly EditorClass[],
  renamed: readonly (readonly [before: string, after: string])[],
): { readonly changes: readonly Change[]; readonly now: (name: string | null) => string | null } {
  const { classes: before, objects } = document;
  const { classes: after } = parseDocument({ ...document, classes, objects: [] });
  const now = (name: string | null): string | null => {
    const [, other = name] = renamed.find(([old]) => old === name) ?? [];
    return after.some((one) => one.name === other) ? other : null;
  };
  const moved = objects.flatMap((object) => fieldsChange(object, { class: now(object.class) }));
  return { changes: same(before, after) ? moved : [...moved, { kind: "classes", before, after }], now };
}

/** Throws an `EditorError` "no-class" for one that the document does not have. */
export function checkClass(where: string, { classes }: EditorDocument, name: string | null): void {
  if (name === null || classes.some((one) => one.name === name)) return;
  throw new EditorError("no-class", `${where}: there is no class ${name}`, { details: { class: name } });
}
