/** Fields of JSON whose kinds are checked when they are asked for. */
import { LabelError } from "../errors.ts";
import type { Id, JsonObject, JsonValue } from "../model.ts";

export function invalid(where: string, expected: string, got: unknown): LabelError {
  const text = typeof got === "object" && got !== null ? (Array.isArray(got) ? "a list" : "an object") : String(got);
  return new LabelError("annotation-invalid", `${where} must be ${expected}, got ${text.slice(0, 80)}`, {
    details: { at: where, expected },
  });
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** An object's field of a kind; each method throws a `LabelError` "annotation-invalid" for another. */
export class Fields {
  readonly object: JsonObject;
  /** How errors call the object. */
  readonly where: string;

  constructor(value: JsonValue | undefined, where: string) {
    if (!isObject(value)) throw invalid(where, "an object", value);
    this.object = value;
    this.where = where;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.object, name) && this.object[name] !== null;
  }

  get(name: string): JsonValue | undefined {
    return Object.hasOwn(this.object, name) ? this.object[name] : undefined;
  }

  string(name: string): string {
    const value = this.get(name);
    if (typeof value !== "string") throw invalid(`${this.where}.${name}`, "a string", value);
    return value;
  }

  number(name: string): number {
    const value = this.get(name);
    if (typeof value !== "number" || !Number.isFinite(value)) throw invalid(`${this.where}.${name}`, "a number", value);
    return value;
  }

  /** A width or height. */
  length(name: string): number {
    const value = this.get(name);
    if (!(Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 2 ** 24)) {
      throw invalid(`${this.where}.${name}`, "a size in whole pixels", value);
    }
    return value as number;
  }

  list(name: string): readonly JsonValue[] {
    const value = this.get(name);
    if (!isList(value)) throw invalid(`${this.where}.${name}`, "a list", value);
    return value;
  }

  numbers(name: string): readonly number[] {
    return numbersOf(this.get(name), `${this.where}.${name}`);
  }

  fields(name: string): Fields {
    return new Fields(this.get(name), `${this.where}.${name}`);
  }

  id(name: string): Id {
    const value = this.get(name);
    if (typeof value === "number" || typeof value === "bigint" || typeof value === "string") return value;
    throw invalid(`${this.where}.${name}`, "an id", value);
  }

  /** What is left without these names; `undefined` if nothing is. */
  rest(known: ReadonlySet<string>): JsonObject | undefined {
    const entries = Object.entries(this.object).filter(([name]) => !known.has(name));
    return entries.length > 0 ? Object.fromEntries(entries) : undefined;
  }
}

export function numbersOf(value: JsonValue | undefined, where: string): readonly number[] {
  if (!isList(value) || !value.every((one) => typeof one === "number" && Number.isFinite(one))) {
    throw invalid(where, "a list of numbers", value);
  }
  return value as readonly number[];
}
