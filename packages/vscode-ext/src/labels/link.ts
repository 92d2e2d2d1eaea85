/**
 * How the objects on the screen and those of a label file belong together. A link says what the file held when object
 * and file were last the same; from it, the file as it is now and the object follow what to write, what to take over
 * and what is in conflict. Links are plain data, so that a backup can hold them.
 */
import { type CompressedRle, combineRle, compressRle, decompressRle, rleArea, type Size } from "@masklet/core";
import type { EditorDocument, EditorObject } from "@masklet/editor";
import { type LabelObject, type ObjectEdits, shapeMask } from "@masklet/labels";

export interface Link {
  /** What the file held: category and shape. */
  readonly key: string;
  /** The object's mask then, which is the file's as long as nobody changed it. */
  readonly mask: string;
  readonly class: string | null;
}

/** Links by the editor's ids. */
export type Links = ReadonlyMap<number, Link>;

/** An object of a file as the editor has it. */
export interface SeenObject {
  /** Its place in the list of the file's objects. */
  readonly index: number;
  readonly key: string;
  readonly mask: string;
  readonly class: string | null;
  readonly score: number | undefined;
}

/** Category and shape of an object: what a person sees of it. */
export function keyOf({ category, shape }: LabelObject): string {
  return JSON.stringify([category ?? null, shape], (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
}

/** The objects that have an area; points and lines are left alone. */
export function seen(objects: readonly LabelObject[], size: Size): readonly SeenObject[] {
  return objects.flatMap((object, index) => {
    const rle = shapeMask(object.shape, size);
    if (rle === undefined) return [];
    const { counts: mask } = compressRle(rle);
    return [{ index, key: keyOf(object), mask, class: object.category ?? null, score: object.score }];
  });
}

const rleOf = (mask: string, { width, height }: Size): CompressedRle => ({ size: [height, width], counts: mask });

function iou(a: string, b: string, size: Size): number {
  if (a === b) return 1;
  const [x, y] = [decompressRle(rleOf(a, size)), decompressRle(rleOf(b, size))];
  const union = rleArea(combineRle(x, y, "union"));
  return union === 0 ? 0 : rleArea(combineRle(x, y, "intersection")) / union;
}

/** Masks of this IoU and one class are the same object, changed. */
const SAME = 0.5;

/** Where each link's object is now, and what no link is for. */
export interface Match {
  /** By the editor's id; `undefined` where the file has it no more. */
  readonly now: ReadonlyMap<number, SeenObject | undefined>;
  readonly added: readonly SeenObject[];
}

/** Finds the linked objects among those that the file has now: the same ones first, then those that were changed. */
export function match(links: Links, current: readonly SeenObject[], size: Size): Match {
  const now = new Map<number, SeenObject | undefined>();
  const free = new Set(current);
  const byKey = new Map<string, SeenObject[]>();
  for (const one of current) byKey.set(one.key, [...(byKey.get(one.key) ?? []), one]);
  const rest: [number, Link][] = [];
  for (const [id, link] of links) {
    const same = byKey.get(link.key)?.shift();
    if (same === undefined) rest.push([id, link]);
    else {
      now.set(id, same);
      free.delete(same);
    }
  }
  for (const [id, link] of rest) {
    const best = nearest(link, free, size);
    now.set(id, best);
    if (best !== undefined) free.delete(best);
  }
  return { now, added: [...free] };
}

function nearest(
  { mask, class: named }: Pick<Link, "mask" | "class">,
  among: Iterable<SeenObject>,
  size: Size,
): SeenObject | undefined {
  let best: SeenObject | undefined;
  let most = SAME;
  for (const one of among) {
    if (one.class !== named) continue;
    const value = iou(mask, one.mask, size);
    if (value < most || (best !== undefined && value === most)) continue;
    [best, most] = [one, value];
  }
  return best;
}

/** Whether a person has changed a linked object since it was the file's. */
export function isTouched(object: EditorObject | undefined, link: Link): boolean {
  return object === undefined || object.mask !== link.mask || object.class !== link.class;
}

export interface Plan {
  /** What the file has to change. */
  readonly edits: Required<ObjectEdits>;
  /** Editor's ids of the objects that are added, in their order. */
  readonly added: readonly number[];
}

/** Objects that were changed here and, otherwise, in the file: by the editor's id. */
export function conflicts(document: EditorDocument, links: Links, { now }: Match): readonly number[] {
  return [...links].flatMap(([id, link]) => {
    const object = document.objects.find((one) => one.id === id);
    if (!isTouched(object, link)) return [];
    const there = now.get(id);
    if (there?.key === link.key) return [];
    if (there === undefined && object === undefined) return []; // gone on both sides
    return object !== undefined && there?.mask === object.mask && there.class === object.class ? [] : [id];
  });
}

/**
 * What to write: linked objects that were changed or removed, and accepted ones that are new. Drafts are not written; what is
 * linked and a draft stays as the file has it. Changed objects that the file has no more are added again.
 */
export function plan(document: EditorDocument, links: Links, { now }: Match, objects: readonly LabelObject[]): Plan {
  const replace = new Map<number, LabelObject>();
  const remove = new Set<number>();
  const add: LabelObject[] = [];
  const added: number[] = [];
  for (const [id, link] of links) {
    const object = document.objects.find((one) => one.id === id);
    const there = now.get(id);
    if (there === undefined || !isTouched(object, link)) continue;
    if (object === undefined) remove.add(there.index);
    else if (object.state === "accepted" && (object.mask !== there.mask || object.class !== there.class)) {
      replace.set(
        there.index,
        labelOf(object, document, object.mask === there.mask ? objects[there.index] : undefined),
      );
    }
  }
  for (const object of document.objects) {
    const link = links.get(object.id);
    const isGone = link !== undefined && now.get(object.id) === undefined && isTouched(object, link);
    if (object.state !== "accepted" || (link !== undefined && !isGone)) continue;
    add.push(labelOf(object, document, undefined));
    added.push(object.id);
  }
  return { edits: { replace, remove, add }, added };
}

/** An object as a label: with the shape that the file has, where only its class changes. */
function labelOf(object: EditorObject, size: Size, like: LabelObject | undefined): LabelObject {
  const shape = like?.shape ?? { kind: "mask" as const, rle: decompressRle(rleOf(object.mask, size)) };
  return { shape, ...(object.class !== null && { category: object.class }) };
}

/**
 * Links after a save: each accepted object with what the file has of it now, which may be a little else where the format
 * cannot hold the mask as it is.
 */
export function relink(
  document: EditorDocument,
  links: Links,
  current: readonly SeenObject[],
  size: Size,
): ReadonlyMap<number, Link> {
  const result = new Map<number, Link>();
  const free = new Set(current);
  const wanted = document.objects.filter(({ id, state }) => state === "accepted" || links.has(id));
  const take = (object: EditorObject, there: SeenObject, mask: string): void => {
    free.delete(there);
    result.set(object.id, { key: there.key, mask, class: there.class });
  };
  for (const object of wanted) {
    const link = links.get(object.id);
    const same = [...free].find(
      (one) =>
        (one.mask === object.mask && one.class === object.class) || (one.key === link?.key && object.state === "draft"),
    );
    if (same !== undefined) take(object, same, object.state === "draft" ? (link?.mask ?? same.mask) : object.mask);
  }
  for (const object of wanted) {
    if (result.has(object.id)) continue;
    const there = nearest(object, free, size);
    if (there !== undefined) take(object, there, object.mask);
  }
  return result;
}
