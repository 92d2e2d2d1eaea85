/** From an edit of a picture's objects, by their order, to one of the places that they have in their file. */
import type { LabelObject, ObjectEdits } from "@masklet/labels";
import { ExtensionError } from "../errors.ts";

/** An object that has several places takes the first with its change, and gives the others up. */
export function byPlace(objects: readonly LabelObject[], edits: Required<ObjectEdits>): Required<ObjectEdits> {
  const replace = new Map<number, LabelObject>();
  const remove = new Set<number>();
  const placesOf = (index: number): readonly number[] => {
    const places = objects[index]?.places;
    if (places !== undefined && places.length > 0) return places;
    throw new ExtensionError("labels-read-only", `object ${index} does not say where in its file it stands`, {
      details: { object: index },
    });
  };
  for (const [index, object] of edits.replace) {
    const [first, ...others] = placesOf(index) as readonly [number, ...number[]];
    replace.set(first, object);
    for (const place of others) remove.add(place);
  }
  for (const index of edits.remove) for (const place of placesOf(index)) remove.add(place);
  return { replace, remove, add: edits.add };
}
