/** What all formats share. */
import { encodeUtf8, type Rle, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import type { LabelFile } from "../files.ts";
import { shapeMask } from "../geometry/object.ts";
import type { Loss } from "../loss.ts";
import type { Category, Id, LabelledImage, LabelObject } from "../model.ts";

/** What a writer gives: files whose bytes are made when they are asked for, and what they leave out, known already. */
export interface Written {
  readonly files: readonly LabelFile[];
  readonly losses: readonly Loss[];
}

export function textFile(path: string, text: string): LabelFile {
  return { path, bytes: async () => encodeUtf8(text) };
}

/** The object's mask, which it must have. */
export function maskOf(object: LabelObject, size: Size): Rle {
  const mask = shapeMask(object.shape, size);
  if (mask === undefined) throw new LabelError("cannot-write", "points have no mask");
  return mask;
}

/** Names of categories as they come, each once. */
export class CategoryNames {
  readonly #byId = new Map<Id, string>();
  readonly list: Category[] = [];
  readonly #names = new Set<string>();

  /** Adds a category; a name that is taken gets its id or number behind it. Whether it kept its name. */
  add(category: Category): boolean {
    const own = !this.#names.has(category.name);
    let name = category.name;
    for (let n = this.list.length; this.#names.has(name); n++) name = `${category.name} (${category.id ?? n})`;
    this.#names.add(name);
    this.list.push({ ...category, name });
    if (category.id !== undefined) this.#byId.set(category.id, name);
    return own;
  }

  /** Adds a name unless it is there. */
  use(name: string): string {
    if (!this.#names.has(name)) this.add({ name });
    return name;
  }

  byId(id: Id): string | undefined {
    return this.#byId.get(id);
  }
}

/** Numbers of categories by name, from `first`. */
export function numbersByName(categories: readonly Category[], first: number): ReadonlyMap<string, number> {
  return new Map(categories.map(({ name }, i) => [name, first + i]));
}

/** The number of an object's category; throws a `LabelError` "cannot-write" for one the dataset does not list. */
export function categoryNumber(
  object: LabelObject,
  numbers: ReadonlyMap<string, number>,
  where: string,
  fallback?: number,
): number {
  const number = object.category === undefined ? fallback : numbers.get(object.category);
  if (number !== undefined) return number;
  throw new LabelError(
    "cannot-write",
    `${where}: ${object.category === undefined ? "has no category, and the format needs one" : `category ${object.category} is none of the dataset's`}`,
    { details: { category: object.category } },
  );
}

/** Whether ids can be kept: whole numbers from `least`, each once. */
export function usableIds(ids: readonly (Id | undefined)[], least = 0): boolean {
  const whole = ids.every((id) => typeof id === "bigint" || (Number.isSafeInteger(id) && (id as number) >= least));
  return whole && new Set(ids).size === ids.length;
}

export function objectName(image: LabelledImage, index: number): string {
  return `${image.file}, object ${index}`;
}

/** A number with at most `digits` decimals, without zeros at its end. */
export function decimal(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
