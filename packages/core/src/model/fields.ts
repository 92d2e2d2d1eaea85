import { CheckpointError } from "../errors.ts";

/** Reads typed fields of a JSON object; errors carry the dotted path. */
export interface Fields {
  value(key: string): unknown;
  child(key: string): Fields;
  /** A positive integer. */
  size(key: string, fallback?: number): number;
  /** An integer from 0. */
  index(key: string, fallback?: number): number;
  /** A positive integer, or a list of two equal ones. */
  side(key: string, fallback: number): number;
  sizes(key: string, length: number, fallback?: readonly number[]): readonly number[];
  indices(key: string, fallback?: readonly number[]): readonly number[];
  flag(key: string, fallback?: boolean): boolean;
  /** One of the keys of `choices`. */
  choice<K extends string>(key: string, choices: Readonly<Record<K, unknown>>, fallback?: K): K;
  /** Throws unless `holds`. */
  expect(key: string, holds: boolean, expected: string): void;
}

/** Keeps a config from asking for tensors that no machine holds. */
const largest = 65536;

export function fieldsOf(json: unknown, path: string): Fields {
  if (!isObject(json)) throw invalid(path, "a JSON object", json);
  const at = (key: string): string => (path === "" ? key : `${path}.${key}`);
  // null means absent, as in transformers
  const value = (key: string): unknown => (Object.hasOwn(json, key) ? (json[key] ?? undefined) : undefined);
  const integer = (key: string, least: number, fallback?: number): number => {
    const found = value(key) ?? fallback;
    if (!isInteger(found, least)) throw invalid(at(key), `an integer from ${least} to ${largest}`, value(key));
    return found;
  };
  const list = (key: string, least: number, length?: number, fallback?: readonly number[]): readonly number[] => {
    const found = value(key) ?? fallback;
    const fits = Array.isArray(found) && (length === undefined ? found.length <= 1024 : found.length === length);
    if (!fits || !found.every((item): item is number => isInteger(item, least))) {
      const count = length === undefined ? "a list of" : `a list of ${length}`;
      throw invalid(at(key), `${count} integers from ${least} to ${largest}`, value(key));
    }
    return found;
  };
  return {
    value,
    child: (key) => fieldsOf(value(key) ?? {}, at(key)),
    size: (key, fallback) => integer(key, 1, fallback),
    index: (key, fallback) => integer(key, 0, fallback),
    side: (key, fallback) => {
      const found = value(key);
      if (!Array.isArray(found)) return integer(key, 1, fallback);
      const [height, width] = list(key, 1, 2);
      if (height === undefined || height !== width) throw invalid(at(key), "a square", found);
      return height;
    },
    sizes: (key, length, fallback) => list(key, 1, length, fallback),
    indices: (key, fallback) => list(key, 0, undefined, fallback),
    flag: (key, fallback) => {
      const found = value(key) ?? fallback;
      if (typeof found !== "boolean") throw invalid(at(key), "true or false", value(key));
      return found;
    },
    choice: (key, choices, fallback) => {
      const found = value(key) ?? fallback;
      if (isKeyOf(choices, found)) return found;
      const names = Object.keys(choices).map((name) => JSON.stringify(name));
      throw invalid(at(key), names.join(" or "), value(key));
    },
    expect: (key, holds, expected) => {
      if (!holds) throw invalid(at(key), expected, value(key));
    },
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isKeyOf<K extends string>(choices: Readonly<Record<K, unknown>>, value: unknown): value is K {
  return typeof value === "string" && Object.hasOwn(choices, value);
}

function isInteger(value: unknown, least: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= largest;
}

export function four(list: readonly number[]): readonly [number, number, number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = list;
  return [a, b, c, d];
}

export function two(list: readonly number[]): readonly [number, number] {
  const [a = 0, b = 0] = list;
  return [a, b];
}

export function invalid(field: string, expected: string, actual: unknown): CheckpointError {
  const shown = actual === undefined ? "missing" : (JSON.stringify(actual) ?? String(actual)).slice(0, 120);
  const subject = field === "" ? "config" : `config: ${field}`;
  return new CheckpointError("config-invalid", `${subject} should be ${expected}, but is ${shown}`, {
    details: { field, expected, actual },
  });
}

/** For the kinds that transformers has no model of: none of its `model_type`s leads here. */
export function notInTransformers(root: Fields): never {
  throw invalid("model_type", "that of a model that transformers has", root.value("model_type"));
}

/** What must hold between fields, whatever they were called. */
export type Rule = readonly [field: string, holds: boolean, expected: string, actual: unknown];

/** Throws a `CheckpointError` "config-invalid" for the first that does not hold. */
export function checkRules(rules: readonly Rule[]): void {
  for (const [field, holds, expected, actual] of rules) if (!holds) throw invalid(field, expected, actual);
}
