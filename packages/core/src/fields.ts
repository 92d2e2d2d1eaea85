/** Makes the error for a field, by its dotted path ("" is the whole), that is not what was expected. */
export type FieldFailure = (field: string, expected: string, actual: unknown) => Error;

/** Reads typed fields of parsed JSON. A field that is null is absent, as in transformers; without a fallback that fails. */
export interface Fields {
  readonly keys: readonly string[];
  value(key: string): unknown;
  /** An object; an absent one has no fields. */
  child(key: string): Fields;
  /** A list of objects or lists; a list's fields are its indices. */
  children(key: string): readonly Fields[];
  /** A positive integer. */
  size(key: string, fallback?: number): number;
  /** An integer from 0. */
  index(key: string, fallback?: number): number;
  /** Any integer. */
  integer(key: string): number;
  number(key: string): number;
  text(key: string): string;
  /** A positive integer, or a list of two equal ones. */
  side(key: string, fallback: number): number;
  sizes(key: string, length: number, fallback?: readonly number[]): readonly number[];
  indices(key: string, fallback?: readonly number[]): readonly number[];
  integers(key: string): readonly number[];
  numbers(key: string): readonly number[];
  flag(key: string, fallback?: boolean): boolean;
  /** One of the keys of `choices`. */
  choice<K extends string>(key: string, choices: Readonly<Record<K, unknown>>, fallback?: K): K;
  /** Fails unless `holds`. */
  expect(key: string, holds: boolean, expected: string): void;
}

export interface FieldOptions {
  readonly fail: FieldFailure;
  /** Of integers from 0 and from 1. */
  readonly largest?: number;
  readonly longestList?: number;
}

/** The fields of `json` (an object or a list), which lies at `path`. */
export function fieldsOf(json: unknown, path: string, options: FieldOptions): Fields {
  const { fail, largest = Number.MAX_SAFE_INTEGER, longestList = Number.POSITIVE_INFINITY } = options;
  if (typeof json !== "object" || json === null) throw fail(path, "a JSON object", json);
  const at = (key: string): string => (path === "" ? key : `${path}.${key}`);
  const value = (key: string): unknown =>
    Object.hasOwn(json, key) ? ((json as Readonly<Record<string, unknown>>)[key] ?? undefined) : undefined;
  const one = <T>(key: string, what: string, fits: (value: unknown) => value is T, fallback?: T): T => {
    const found = value(key) ?? fallback;
    if (!fits(found)) throw fail(at(key), what, value(key));
    return found;
  };
  const list = <T>(
    key: string,
    what: string,
    fits: (value: unknown) => value is T,
    length?: number,
    fallback?: readonly T[],
  ): readonly T[] => {
    const found = value(key) ?? fallback;
    const isLong =
      Array.isArray(found) && (length === undefined ? found.length <= longestList : found.length === length);
    if (!isLong || !found.every(fits)) {
      throw fail(at(key), `a list of ${length === undefined ? "" : `${length} `}${what}`, value(key));
    }
    return found;
  };
  const range = largest === Number.MAX_SAFE_INTEGER ? "" : ` to ${largest}`;
  const isSize = (found: unknown): found is number => isInteger(found) && found >= 1 && found <= largest;
  const isIndex = (found: unknown): found is number => isInteger(found) && found >= 0 && found <= largest;
  const size = (key: string, fallback?: number): number => one(key, `an integer from 1${range}`, isSize, fallback);
  return {
    keys: Object.keys(json),
    value,
    child: (key) => {
      const found = value(key) ?? {};
      if (Array.isArray(found)) throw fail(at(key), "a JSON object", found);
      return fieldsOf(found, at(key), options);
    },
    children: (key) =>
      list(key, "objects", (_): _ is unknown => true).map((item, i) => fieldsOf(item, `${at(key)}.${i}`, options)),
    size,
    index: (key, fallback) => one(key, `an integer from 0${range}`, isIndex, fallback),
    integer: (key) => one(key, "an integer", isInteger),
    number: (key) => one(key, "a number", isNumber),
    text: (key) => one(key, "a text", (found) => typeof found === "string"),
    side: (key, fallback) => {
      const found = value(key);
      if (!Array.isArray(found)) return size(key, fallback);
      const [height, width] = list(key, `integers from 1${range}`, isSize, 2);
      if (height === undefined || height !== width) throw fail(at(key), "a square", found);
      return height;
    },
    sizes: (key, length, fallback) => list(key, `integers from 1${range}`, isSize, length, fallback),
    indices: (key, fallback) => list(key, `integers from 0${range}`, isIndex, undefined, fallback),
    integers: (key) => list(key, "integers", isInteger),
    numbers: (key) => list(key, "numbers", isNumber),
    flag: (key, fallback) => one(key, "true or false", (found) => typeof found === "boolean", fallback),
    choice: <K extends string>(key: string, choices: Readonly<Record<K, unknown>>, fallback?: K): K => {
      const names = Object.keys(choices).map((name) => JSON.stringify(name));
      const isChoice = (found: unknown): found is K => typeof found === "string" && Object.hasOwn(choices, found);
      return one(key, names.join(" or "), isChoice, fallback);
    },
    expect: (key, holds, expected) => {
      if (!holds) throw fail(at(key), expected, value(key));
    },
  };
}

/** "vision_config.width should be an integer from 1, but is missing", for a message; of what was found, its beginning. */
export function fieldProblem(field: string, expected: string, actual: unknown): string {
  return `${field === "" ? "it" : field} should be ${expected}, but is ${shown(actual)}`;
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 120);
  } catch {
    return "too deep to be shown"; // JSON.parse makes what JSON.stringify has no stack for
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}
