/**
 * Changes of a list of objects, as pictures and videos both have them: plain data with what was before and after, so that
 * each can be taken back, stored and sent.
 */
import type { EditorClass } from "./document.ts";
import { EditorError } from "./errors.ts";

/** What a document of objects has in any case. */
export interface ObjectList<O extends { readonly id: number }> {
  readonly nextId: number;
  readonly classes: readonly EditorClass[];
  readonly objects: readonly O[];
}

/** One thing that changed in a list of objects, with what it was before. */
export type ListChange<O, Fields> =
  /** An object that came (`before` is null) or went, at `index` of the list. */
  | { readonly kind: "object"; readonly index: number; readonly before: O | null; readonly after: O | null }
  /** Fields of an object: those that changed, with their values. */
  | {
      readonly kind: "fields";
      readonly id: number;
      readonly before: Partial<Fields>;
      readonly after: Partial<Fields>;
    }
  /** An object's place in the list. */
  | { readonly kind: "place"; readonly id: number; readonly before: number; readonly after: number }
  | { readonly kind: "classes"; readonly before: readonly EditorClass[]; readonly after: readonly EditorClass[] }
  | { readonly kind: "nextId"; readonly before: number; readonly after: number };

/** What every kind of change has; the inverse is the two exchanged, in the reverse order. */
interface TwoWay {
  readonly before: unknown;
  readonly after: unknown;
}

/** The step that takes `step` back. */
export function inverted<C extends TwoWay, S extends { readonly changes: readonly C[] }>(step: S): S {
  return {
    ...step,
    changes: step.changes.map((change) => ({ ...change, before: change.after, after: change.before })).reverse(),
  };
}

/**
 * A document after a change. Throws an `EditorError` "conflict" where what it changes is no longer what it was.
 */
export function applyListChange<
  O extends { readonly id: number } & Fields,
  Fields extends object,
  D extends ObjectList<O>,
>(document: D, change: ListChange<O, Fields>): D {
  const { objects } = document;
  switch (change.kind) {
    case "object": {
      const { index, before, after } = change;
      if (before !== null && !same(objects[index], before)) {
        return conflict(`object ${before.id} is not what it was`, { object: before.id });
      }
      if (before === null && (index > objects.length || objects.some(({ id }) => id === after?.id))) {
        return conflict(`object ${after?.id} cannot be put at ${index}`, { object: after?.id });
      }
      const added = after === null ? [] : [after];
      return { ...document, objects: objects.toSpliced(index, before === null ? 0 : 1, ...added) };
    }
    case "fields": {
      const index = indexOf(document, change.id);
      const object = objects[index] as O;
      for (const [key, value] of Object.entries(change.before)) {
        if (same(object[key as keyof Fields], value)) continue;
        return conflict(`${key} of object ${change.id} is not what it was`, { object: change.id, field: key });
      }
      return { ...document, objects: objects.with(index, { ...object, ...change.after }) };
    }
    case "place": {
      const { id, before, after } = change;
      if (indexOf(document, id) !== before || after >= objects.length) {
        return conflict(`object ${id} is not at ${before}`, { object: id });
      }
      return { ...document, objects: objects.toSpliced(before, 1).toSpliced(after, 0, objects[before] as O) };
    }
    case "classes":
      if (!same(document.classes, change.before)) return conflict("the classes are not what they were", {});
      return { ...document, classes: change.after };
    case "nextId":
      if (document.nextId !== change.before) return conflict(`the next id is ${document.nextId}`, {});
      return { ...document, nextId: change.after };
  }
}

/** Where an object is in the list. Throws an `EditorError` "conflict". */
export function indexOf({ objects }: { readonly objects: readonly { readonly id: number }[] }, id: number): number {
  const index = objects.findIndex((object) => object.id === id);
  return index < 0 ? conflict(`object ${id} is not there`, { object: id }) : index;
}

export function conflict(what: string, details: Readonly<Record<string, unknown>>): never {
  throw new EditorError("conflict", `the step does not fit: ${what}`, { details });
}

export function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The change of the fields named; none if they are as they were. */
export function changedFields<O extends { readonly id: number } & Fields, Fields extends object>(
  object: O,
  after: Partial<Fields>,
  fields: readonly (keyof Fields)[],
): readonly ListChange<O, Fields>[] {
  const changed = fields.filter((key) => key in after && !same(object[key], after[key]));
  if (changed.length === 0) return [];
  const pick = (from: Partial<Fields>): Partial<Fields> =>
    Object.fromEntries(changed.map((key) => [key, from[key]])) as Partial<Fields>;
  return [{ kind: "fields", id: object.id, before: pick(object), after: pick(after) }];
}
