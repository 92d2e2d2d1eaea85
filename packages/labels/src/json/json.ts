/**
 * JSON from bytes and to text. Whole numbers that a double cannot hold become bigint, and positions in the file are known,
 * so that a value can be replaced where it stands and all other bytes stay.
 */
import { decodeUtf8 } from "@masklet/core";
import { LabelError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../model.ts";

const deepest = 200;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const LEFT_BRACKET = 0x5b;
const RIGHT_BRACKET = 0x5d;
const LEFT_BRACE = 0x7b;
const RIGHT_BRACE = 0x7d;

/** A value's bytes: from `start` up to `end`. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

/** A member of an object: its name and the bytes of name and value. */
export interface Member extends Slice {
  readonly name: string;
  readonly nameStart: number;
}

/** Reads JSON text; `file` is how errors call it. All methods throw a `LabelError` "json-malformed". */
export class JsonReader {
  readonly bytes: Uint8Array;
  readonly #file: string;
  #at = 0;

  constructor(bytes: Uint8Array, file = "bytes") {
    this.bytes = bytes;
    this.#file = file;
  }

  /** The whole text's value. */
  document(): JsonValue {
    const { start } = this.root();
    this.#at = start;
    return this.#value(0);
  }

  /** Where the whole text's value lies; blanks and a byte order mark around it are passed over. */
  root(): Slice {
    this.#at = this.bytes[0] === 0xef && this.bytes[1] === 0xbb && this.bytes[2] === 0xbf ? 3 : 0;
    this.#blank();
    const start = this.#at;
    this.#skip(0);
    const end = this.#at;
    this.#blank();
    if (this.#at < this.bytes.length) throw this.#fail("more follows after the value");
    return { start, end };
  }

  /** The value at a position. */
  valueAt({ start }: Pick<Slice, "start">): JsonValue {
    this.#at = start;
    return this.#value(0);
  }

  /** Elements of the list at a position. */
  elements({ start }: Pick<Slice, "start">): readonly Slice[] {
    const found: Slice[] = [];
    this.#at = start;
    this.#expect(LEFT_BRACKET, "a list");
    this.#sequence(RIGHT_BRACKET, () => {
      const from = this.#at;
      this.#skip(0);
      found.push({ start: from, end: this.#at });
    });
    return found;
  }

  /** Members of the object at a position. */
  members({ start }: Pick<Slice, "start">): readonly Member[] {
    const found: Member[] = [];
    this.#at = start;
    this.#expect(LEFT_BRACE, "an object");
    this.#sequence(RIGHT_BRACE, () => {
      const nameStart = this.#at;
      const name = this.#name();
      const from = this.#at;
      this.#skip(0);
      found.push({ name, nameStart, start: from, end: this.#at });
    });
    return found;
  }

  #fail(problem: string, at = this.#at): LabelError {
    return new LabelError("json-malformed", `${this.#file}: ${problem}, at byte ${at}`, {
      details: { file: this.#file, at },
    });
  }

  #blank(): void {
    for (;;) {
      const byte = this.bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }

  #expect(byte: number, what: string): void {
    if (this.bytes[this.#at] !== byte) throw this.#fail(`expected ${what}`);
    this.#at++;
  }

  /** What stands between brackets and commas; the opening one is passed. */
  #sequence(close: number, element: () => void): void {
    this.#blank();
    if (this.bytes[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#blank();
      element();
      this.#blank();
      const byte = this.bytes[this.#at];
      if (byte !== COMMA && byte !== close) {
        throw this.#fail(`expected a comma or ${String.fromCharCode(close)}`);
      }
      this.#at++;
      if (byte === close) return;
    }
  }

  #name(): string {
    if (this.bytes[this.#at] !== QUOTE) throw this.#fail("expected a name in quotes");
    const name = this.#string();
    this.#blank();
    this.#expect(COLON, "a colon");
    this.#blank();
    return name;
  }

  #value(depth: number): JsonValue {
    if (depth > deepest) throw this.#fail(`lists and objects lie more than ${deepest} deep`);
    const byte = this.bytes[this.#at];
    if (byte === LEFT_BRACE) {
      this.#at++;
      const object: Record<string, JsonValue> = {};
      this.#sequence(RIGHT_BRACE, () => setMember(object, this.#name(), this.#value(depth + 1)));
      return object;
    }
    if (byte === LEFT_BRACKET) {
      this.#at++;
      const list: JsonValue[] = [];
      this.#sequence(RIGHT_BRACKET, () => list.push(this.#value(depth + 1)));
      return list;
    }
    if (byte === QUOTE) return this.#string();
    const word = this.#word();
    if (word === "true") return true;
    if (word === "false") return false;
    if (word === "null") return null;
    return numberOf(word);
  }

  #skip(depth: number): void {
    if (depth > deepest) throw this.#fail(`lists and objects lie more than ${deepest} deep`);
    const byte = this.bytes[this.#at];
    if (byte === LEFT_BRACE) {
      this.#at++;
      this.#sequence(RIGHT_BRACE, () => {
        this.#skipString();
        this.#blank();
        this.#expect(COLON, "a colon");
        this.#blank();
        this.#skip(depth + 1);
      });
    } else if (byte === LEFT_BRACKET) {
      this.#at++;
      this.#sequence(RIGHT_BRACKET, () => this.#skip(depth + 1));
    } else if (byte === QUOTE) this.#skipString();
    else this.#word();
  }

  /** The end of a string's content; positions are left at its first character. */
  #stringEnd(): { end: number; plain: boolean } {
    if (this.bytes[this.#at] !== QUOTE) throw this.#fail("expected a string");
    this.#at++;
    let plain = true;
    for (let at = this.#at; ; at++) {
      const byte = this.bytes[at];
      if (byte === undefined) throw this.#fail("a string has no end", at);
      if (byte === QUOTE) return { end: at, plain };
      if (byte < 0x20) throw this.#fail("a control character stands in a string", at);
      if (byte === BACKSLASH) {
        at++;
        plain = false;
      } else if (byte >= 0x80) plain = false;
    }
  }

  #skipString(): void {
    this.#at = this.#stringEnd().end + 1;
  }

  #string(): string {
    const { end, plain } = this.#stringEnd();
    const content = this.bytes.subarray(this.#at, end);
    const text = plain ? ascii(content) : decodeUtf8(content);
    if (text === undefined) throw this.#fail("a string is not UTF-8");
    this.#at = end + 1;
    return text.includes("\\") ? this.#unescaped(text) : text;
  }

  #unescaped(text: string): string {
    return text.replaceAll(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_, letters: string) => {
      if (letters.length === 5) return String.fromCharCode(Number.parseInt(letters.slice(1), 16));
      const meant = escapes[letters];
      if (meant === undefined) throw this.#fail(`a string holds \\${letters}`);
      return meant;
    });
  }

  /** A number, true, false or null. */
  #word(): string {
    const start = this.#at;
    for (;;) {
      const byte = this.bytes[this.#at];
      // Digits, letters, + - .
      const part =
        byte !== undefined &&
        ((byte >= 0x30 && byte <= 0x39) ||
          (byte >= 0x61 && byte <= 0x7a) ||
          (byte >= 0x41 && byte <= 0x5a) ||
          byte === 0x2b ||
          byte === 0x2d ||
          byte === 0x2e);
      if (!part) break;
      this.#at++;
    }
    const word = ascii(this.bytes.subarray(start, this.#at));
    if (!/^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null)$/.test(word)) {
      throw this.#fail(word === "" ? "expected a value" : `${word.slice(0, 40)} is no value`, start);
    }
    return word;
  }
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** Also where the name is `__proto__`, which an assignment would not set. */
function setMember(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else object[name] = value;
}

function numberOf(word: string): number | bigint {
  const value = Number(word);
  return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(word) ? BigInt(word) : value;
}

export function ascii(bytes: Uint8Array): string {
  if (bytes.length < 8192) return String.fromCharCode(...bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** The value of JSON text. Throws a `LabelError` "json-malformed". */
export function parseJson(bytes: Uint8Array, file?: string): JsonValue {
  return new JsonReader(bytes, file).document();
}

/**
 * Where the value at a path of names and places lies in JSON text, in bytes; `undefined` where nothing is there. Throws a
 * `LabelError` "json-malformed".
 */
export function jsonSlice(
  bytes: Uint8Array,
  path: readonly (string | number)[],
  file?: string,
): { readonly start: number; readonly end: number } | undefined {
  const reader = new JsonReader(bytes, file);
  let at: Slice | undefined = reader.root();
  for (const step of path) {
    if (at === undefined || bytes[at.start] !== (typeof step === "number" ? LEFT_BRACKET : LEFT_BRACE))
      return undefined;
    at =
      typeof step === "number" ? reader.elements(at)[step] : reader.members(at).findLast(({ name }) => name === step);
  }
  return at && { start: at.start, end: at.end };
}

/** How JSON text is laid out. */
export interface JsonStyle {
  /** Blanks of one level; none puts everything on one line. */
  readonly indent?: string;
  /** What separates elements on one line, and name and value: Python's, with blanks, if not given. */
  readonly comma?: string;
  readonly colon?: string;
  readonly newline?: string;
  /** Escapes all but ASCII, as Python does by default. */
  readonly ascii?: boolean;
  /** The numbers at these names, and in lists below them, with `.0` where they are whole, as Python writes floats. */
  readonly floats?: ReadonlySet<string>;
}

/** JSON text; bigint as digits. `prefix` stands before each line but the first. */
export function printJson(value: JsonValue, style: JsonStyle = {}, prefix = "", float = false): string {
  const { indent, comma = indent === undefined ? ", " : ",", colon = ": ", newline = "\n" } = style;
  if (Array.isArray(value) || (typeof value === "object" && value !== null)) {
    const inner = indent === undefined ? "" : prefix + indent;
    const parts = Array.isArray(value)
      ? (value as readonly JsonValue[]).map((one) => printJson(one, style, inner, float))
      : Object.entries(value as JsonObject).map(
          ([name, one]) =>
            printString(name, style) + colon + printJson(one, style, inner, style.floats?.has(name) ?? false),
        );
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    if (parts.length === 0 || indent === undefined) return open + parts.join(comma) + close;
    return `${open}${newline}${inner}${parts.join(comma + newline + inner)}${newline}${prefix}${close}`;
  }
  if (typeof value === "string") return printString(value, style);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return "null";
    return float && Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value);
  }
  return String(value);
}

function printString(text: string, style: JsonStyle): string {
  const quoted = JSON.stringify(text);
  if (style.ascii !== true) return quoted;
  return quoted.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
