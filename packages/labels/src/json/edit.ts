/** JSON changed where it stands: what is not changed keeps its bytes, and what is takes on the file's own manner. */
import { encodeUtf8 } from "@masklet/core";
import { LabelError } from "../errors.ts";
import type { JsonValue } from "../model.ts";
import { concat } from "../png/png.ts";
import { ascii, JsonReader, type JsonStyle, printJson, type Slice } from "./json.ts";

/** Bytes that take the place of those from `start` up to `end`. */
export interface Splice extends Slice {
  readonly bytes: Uint8Array;
}

/** Splices in the order of the file. Throws a `LabelError` "label-option" where two overlap. */
export function inOrder(splices: readonly Splice[]): readonly Splice[] {
  const sorted = [...splices].sort((a, b) => a.start - b.start || a.end - b.end);
  for (const [i, splice] of sorted.entries()) {
    if (i === 0 || splice.start >= (sorted[i - 1] as Splice).end) continue;
    throw new LabelError("label-option", `two changes overlap at byte ${splice.start}`, {
      details: { at: splice.start },
    });
  }
  return sorted;
}

/** The bytes with splices in place. Throws as `inOrder`. */
export function applySplices(bytes: Uint8Array, splices: readonly Splice[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const splice of inOrder(splices)) {
    parts.push(bytes.subarray(at, splice.start), splice.bytes);
    at = splice.end;
  }
  parts.push(bytes.subarray(at));
  return concat(parts);
}

export function sameJson(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    // 2^60 may come as a number and stand there as a bigint.
    return (typeof a === "bigint" || typeof b === "bigint") && String(a) === String(b);
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [one, two] = [Object.entries(a), Object.entries(b)];
  return (
    one.length === two.length &&
    one.every(
      ([name, value]) => Object.hasOwn(b, name) && sameJson(value, (b as Record<string, JsonValue>)[name] as JsonValue),
    )
  );
}

/** Changes of one JSON text. Paths are names and places from the root. Methods throw a `LabelError` "json-malformed". */
export class JsonEditor {
  readonly #reader: JsonReader;
  readonly #root: Slice;
  readonly #style: JsonStyle;
  readonly #splices: Splice[] = [];

  constructor(bytes: Uint8Array, file?: string) {
    this.#reader = new JsonReader(bytes, file);
    this.#root = this.#reader.root();
    this.#style = styleOf(bytes);
  }

  /** The value at a path; `undefined` where there is none. */
  get(path: readonly (string | number)[]): JsonValue | undefined {
    const slice = this.#find(path);
    return slice === undefined ? undefined : this.#reader.valueAt(slice);
  }

  /** Sets a member of an object or an element of a list. What is the same already keeps its bytes. */
  set(path: readonly (string | number)[], value: JsonValue): void {
    const slice = this.#find(path);
    if (slice !== undefined) {
      if (!sameJson(this.#reader.valueAt(slice), value)) this.#replace(slice, value);
      return;
    }
    const parent = this.#find(path.slice(0, -1));
    const name = path.at(-1);
    if (parent === undefined || typeof name !== "string") throw this.#noSuch(path);
    const members = this.#reader.members(parent);
    const printed = `${JSON.stringify(name)}${this.#style.colon ?? ": "}`;
    this.#insert(
      parent,
      members.map(({ nameStart, end }) => ({ start: nameStart, end })),
      printed,
      [value],
    );
  }

  /** Adds elements at the end of a list. */
  append(path: readonly (string | number)[], ...values: readonly JsonValue[]): void {
    const list = this.#find(path);
    if (list === undefined) throw this.#noSuch(path);
    if (values.length > 0) this.#insert(list, this.#reader.elements(list), "", values);
  }

  /** Takes a member or an element away, with its comma. Several of one list are taken away at once. */
  remove(path: readonly (string | number)[], places: readonly (string | number)[]): void {
    const parent = this.#find(path);
    if (parent === undefined) throw this.#noSuch(path);
    const isList = this.#reader.bytes[parent.start] === 0x5b;
    const parts: readonly (Slice & { key: string | number })[] = isList
      ? this.#reader.elements(parent).map((one, key) => ({ ...one, key }))
      : this.#reader.members(parent).map(({ name, nameStart, end }) => ({ start: nameStart, end, key: name }));
    const gone = new Set(places);
    for (const place of gone) if (!parts.some(({ key }) => key === place)) throw this.#noSuch([...path, place]);
    this.#splices.push(
      ...removals(
        parent,
        parts.map(({ key, ...slice }) => ({ ...slice, gone: gone.has(key) })),
      ),
    );
  }

  /** The changes so far. */
  splices(): readonly Splice[] {
    return inOrder(this.#splices);
  }

  /** The text with its changes. */
  bytes(): Uint8Array {
    return applySplices(this.#reader.bytes, this.#splices);
  }

  #noSuch(path: readonly (string | number)[]): LabelError {
    return new LabelError("no-such-annotation", `the file has no ${path.join(".")}`, {
      details: { at: path.join(".") },
    });
  }

  #find(path: readonly (string | number)[]): Slice | undefined {
    let slice: Slice | undefined = this.#root;
    for (const step of path) {
      if (slice === undefined) return undefined;
      const open: number | undefined = this.#reader.bytes[slice.start];
      if (typeof step === "number") slice = open === 0x5b ? this.#reader.elements(slice)[step] : undefined;
      // Of a name that is there twice, the last counts, as for Python and JavaScript.
      else slice = open === 0x7b ? this.#reader.members(slice).findLast(({ name }) => name === step) : undefined;
    }
    return slice;
  }

  #replace(slice: Slice, value: JsonValue): void {
    const { bytes } = this.#reader;
    const old = ascii(bytes.subarray(slice.start, Math.min(slice.end, slice.start + 4096)));
    // A list on one line stays on one line; lists of numbers of an indented file may be either.
    const { indent, ...flat } = this.#style;
    const style = indent !== undefined && (old.includes("\n") || /^[[{]\s*[\]}]$/.test(old)) ? this.#style : flat;
    const floats = /\d\.\d/.test(old);
    this.#splices.push({
      ...slice,
      bytes: encodeUtf8(printJson(value, flatStyle(style), prefixAt(bytes, slice.start), floats)),
    });
  }

  /** At the end of an object or list. */
  #insert(parent: Slice, parts: readonly Slice[], name: string, values: readonly JsonValue[]): void {
    const { bytes } = this.#reader;
    const last = parts.at(-1);
    if (last === undefined) {
      const { indent, newline = "\n" } = this.#style;
      const outer = prefixAt(bytes, parent.start);
      const inner = indent === undefined ? "" : outer + indent;
      const separator = indent === undefined ? (this.#style.comma ?? ", ") : `,${newline}${inner}`;
      const text = values.map((value) => name + printJson(value, flatStyle(this.#style), inner)).join(separator);
      const content = indent === undefined ? text : `${newline}${inner}${text}${newline}${outer}`;
      this.#splices.push({ start: parent.start + 1, end: parent.end - 1, bytes: encodeUtf8(content) });
      return;
    }
    // As the last one stands to what is before it, the new one stands to the last.
    const before = parts.length > 1 ? (parts.at(-2) as Slice).end : parent.start + 1;
    const gap = ascii(bytes.subarray(before, last.start)).replace(",", "");
    const multiline = gap.includes("\n");
    const old = ascii(bytes.subarray(last.start, Math.min(last.end, last.start + 65536)));
    const { indent, ...flat } = this.#style;
    const style = multiline && (old.includes("\n") || name !== "") ? this.#style : flat;
    const prefix = multiline ? gap.slice(gap.lastIndexOf("\n") + 1) : "";
    const separator = multiline || parts.length > 1 ? gap : (this.#style.comma ?? ", ").slice(1);
    const floats = new Set(/"points"\s*:[\s[]*-?\d+\.\d/.test(old) ? ["points"] : []);
    const text = values
      .map((value) => `,${separator}${name}${printJson(value, { ...flatStyle(style), floats }, prefix)}`)
      .join("");
    this.#splices.push({ start: last.end, end: last.end, bytes: encodeUtf8(text) });
  }
}

/** What goes with parts that go: each with the comma and the blanks before it, or behind it for the first. */
export function removals(parent: Slice, parts: readonly (Slice & { readonly gone: boolean })[]): readonly Splice[] {
  const none = new Uint8Array(0);
  const firstKept = parts.findIndex(({ gone }) => !gone);
  if (firstKept < 0) return [{ start: parent.start + 1, end: parent.end - 1, bytes: none }];
  const splices: Splice[] = [];
  if (firstKept > 0)
    splices.push({ start: (parts[0] as Slice).start, end: (parts[firstKept] as Slice).start, bytes: none });
  for (let i = firstKept + 1; i < parts.length; i++) {
    const part = parts[i] as Slice & { readonly gone: boolean };
    if (part.gone) splices.push({ start: (parts[i - 1] as Slice).end, end: part.end, bytes: none });
  }
  return splices;
}

/** In an indented file the blank after a comma is the line's end. */
function flatStyle(style: JsonStyle): JsonStyle {
  if (style.indent === undefined) return style;
  return { ...style, comma: "," };
}

/** The blanks at the head of the line that a position is in. */
function prefixAt(bytes: Uint8Array, position: number): string {
  let start = position;
  while (start > 0 && bytes[start - 1] !== 0x0a) start--;
  let end = start;
  while (bytes[end] === 0x20 || bytes[end] === 0x09) end++;
  return ascii(bytes.subarray(start, end));
}

/** The manner of a text, from its beginning. */
export function styleOf(bytes: Uint8Array): JsonStyle {
  const head = ascii(bytes.subarray(0, 65536));
  const newline = head.includes("\r\n") ? "\r\n" : "\n";
  // The first line that is indented shows how deep a level is.
  const indent = /[[{]\r?\n([ \t]+)\S/.exec(head)?.[1];
  const colon = /"\s*:(\s?)/.exec(head)?.[1] === "" ? ":" : ": ";
  const comma = indent !== undefined ? undefined : /[\d"\]}],( ?)["\d[{-]/.exec(head)?.[1] === "" ? "," : ", ";
  return {
    newline,
    colon,
    ...(comma === undefined ? {} : { comma }),
    ...(indent === undefined ? {} : { indent }),
    // A file with escapes, and none of what they stand for, was written in ASCII.
    ascii: /\\u[0-9a-f]{4}/i.test(head) && !/[\u0080-\u00ff]/.test(head),
  };
}
