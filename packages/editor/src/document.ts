/**
 * What is edited: the objects of one picture as plain data. Every field is always there, in one order, so that equal
 * documents are equal bytes.
 */
import { decompressRle, type Label, type Point, type PromptBox, type Rgb, type Ring, type Size } from "@masklet/core";
import { EditorError, type EditorErrorCode } from "./errors.ts";

/** What shows the model one object, in pixels of the picture. */
export interface EditorPrompt {
  readonly points: readonly Point[];
  /** One for each point: 1 is on the object, 0 is not. */
  readonly labels: readonly Label[];
  readonly box: PromptBox | null;
  /** A ring drawn around the object, roughly. */
  readonly lasso: Ring | null;
  /** Whether the object's mask itself is part of the prompt, because a person has edited, chosen or brought it. */
  readonly isRefinement: boolean;
}

/** One of the masks that the model offers for an ambiguous prompt: whole, part, subpart. */
export interface MaskCandidate {
  /** COCO's compressed run lengths. */
  readonly mask: string;
  /** The model's own estimate of the mask's IoU with the true one. */
  readonly score: number;
}

/** How an object's edge is cut, by core's `cutout` and `decontaminate`. The mask itself stays as it is. */
export interface EdgeSettings {
  /** Pixels to both sides over which the edge is softened. */
  readonly feather: number;
  /** Pixels inwards over which the background's colours are taken out. */
  readonly decontaminate: number;
}

/** A draft is a proposal, of the model or an import; accepted is what a person stands by. */
export type ObjectState = "draft" | "accepted";

/** One object. Later ones of the list lie above earlier ones. */
export interface EditorObject {
  /** From 1, never used twice in one document. */
  readonly id: number;
  readonly name: string | null;
  /** One of the document's classes. */
  readonly class: string | null;
  readonly state: ObjectState;
  /** Predicted IoU; `null` once a person has changed the mask, or where none came with it. */
  readonly score: number | null;
  readonly edge: EdgeSettings;
  readonly prompt: EditorPrompt;
  /** What the model offered, where it offered several. */
  readonly candidates: readonly MaskCandidate[];
  /** Index of the candidate that the mask is, or `null`. */
  readonly candidate: number | null;
  /** COCO's compressed run lengths, of the document's size. */
  readonly mask: string;
}

export interface EditorClass {
  readonly name: string;
  /** `null`: the palette's, by its place in the list. */
  readonly colour: Rgb | null;
}

/** All that an editor changes of one picture. Plain data, for JSON. */
export interface EditorDocument extends Size {
  readonly version: 1;
  /** The id that the next object gets. */
  readonly nextId: number;
  readonly classes: readonly EditorClass[];
  readonly objects: readonly EditorObject[];
}

export const noPrompt: EditorPrompt = { points: [], labels: [], box: null, lasso: null, isRefinement: false };
export const hardEdge: EdgeSettings = { feather: 0, decontaminate: 0 };

/** A document without objects. Throws an `EditorError` "document-malformed" for a size that is none. */
export function emptyDocument({ width, height }: Size): EditorDocument {
  return parseDocument({ version: 1, width, height, nextId: 1, classes: [], objects: [] });
}

/**
 * A document from outside, checked. Throws an `EditorError` "document-malformed", whose details say where; the `cause`
 * is core's error where a mask is broken.
 */
export function parseDocument(value: unknown): EditorDocument {
  const read = new Reader("document-malformed");
  const fields = read.record("document", value);
  if (fields["version"] !== 1) read.fail("document.version", "1", fields["version"]);
  const size: Size = {
    width: read.integer("document.width", fields["width"], 1),
    height: read.integer("document.height", fields["height"], 1),
  };
  const classes = parseClasses(read, "document.classes", fields["classes"]);
  const objects = read.list("document.objects", fields["objects"], (where, one) => parseObject(read, where, one, size));
  const nextId = read.integer("document.nextId", fields["nextId"], 1);
  const document: EditorDocument = { version: 1, ...size, nextId, classes, objects };
  checkReferences(read, document);
  return document;
}

/** What fields say of each other: ids, classes and candidates that there are. */
export function checkReferences(read: Reader, { nextId, classes, objects }: EditorDocument): void {
  const ids = new Set<number>();
  for (const { id, class: name, candidate, candidates } of objects) {
    if (ids.has(id) || id >= nextId) read.fail("document.objects", `ids below ${nextId}, each once`, id);
    if (name !== null && !classes.some((one) => one.name === name)) {
      read.fail("document.objects", "of the document's classes", name);
    }
    if (candidate !== null && candidate >= candidates.length) {
      read.fail("document.objects", `one of ${candidates.length} candidates`, candidate);
    }
    ids.add(id);
  }
}

export function parseClasses(read: Reader, where: string, value: unknown): readonly EditorClass[] {
  const names = new Set<string>();
  return read.list(where, value, (at, one) => {
    const fields = read.record(at, one);
    const name = read.text(`${at}.name`, fields["name"]);
    if (name === "" || names.has(name)) read.fail(`${at}.name`, "a name of its own", name);
    names.add(name);
    const byte = (channel: string, given: unknown): number => read.integer(channel, given, 0, 255);
    const rgb = read.optional(fields["colour"], (given) => read.list(`${at}.colour`, given, byte));
    if (rgb !== null && rgb.length !== 3) read.fail(`${at}.colour`, "three numbers", rgb.length);
    return { name, colour: rgb as Rgb | null };
  });
}

export function parseObject(read: Reader, where: string, value: unknown, size: Size): EditorObject {
  const fields = read.record(where, value);
  const id = read.integer(`${where}.id`, fields["id"], 1);
  return {
    id,
    ...parseFields(read, where, fields, size),
    mask: parseMask(read, `${where}.mask`, fields["mask"], size),
  };
}

/** An object without its id and its mask, whose changes are steps of their own. */
export type ObjectFields = Omit<EditorObject, "id" | "mask">;

function parseFields(read: Reader, where: string, value: Readonly<Record<string, unknown>>, size: Size): ObjectFields {
  const field = <K extends keyof ObjectFields>(key: K): ObjectFields[K] =>
    parseField(read, `${where}.${key}`, key, value[key], size);
  return {
    name: field("name"),
    class: field("class"),
    state: field("state"),
    score: field("score"),
    edge: field("edge"),
    prompt: field("prompt"),
    candidates: field("candidates"),
    candidate: field("candidate"),
  };
}

type FieldParsers = {
  readonly [K in keyof ObjectFields]: (read: Reader, where: string, value: unknown, size: Size) => ObjectFields[K];
};

const fieldParsers: FieldParsers = {
  name: (read, where, value) => read.optional(value, (given) => read.text(where, given)),
  class: (read, where, value) => read.optional(value, (given) => read.text(where, given)),
  state: (read, where, value) =>
    value === "draft" || value === "accepted" ? value : read.fail(where, "draft or accepted", value),
  score: (read, where, value) => read.optional(value, (given) => read.finite(where, given)),
  edge: (read, where, value) => {
    const edge = read.record(where, value);
    return {
      feather: read.finite(`${where}.feather`, edge["feather"], 0),
      decontaminate: read.integer(`${where}.decontaminate`, edge["decontaminate"], 0),
    };
  },
  prompt: (read, where, value) => {
    const prompt = read.record(where, value);
    const numbers = (at: string, list: unknown, length?: number): readonly number[] => {
      const found = read.list(at, list, (one, number) => read.finite(one, number));
      return length === undefined || found.length === length ? found : read.fail(at, `${length} numbers`, found.length);
    };
    const points = read.list(`${where}.points`, prompt["points"], (at, point) => numbers(at, point, 2) as Point);
    const labels = read.list(`${where}.labels`, prompt["labels"], (at, label) =>
      label === 0 || label === 1 ? label : read.fail(at, "0 or 1", label),
    );
    if (labels.length !== points.length) read.fail(`${where}.labels`, `${points.length} of them`, labels.length);
    const box = read.optional(prompt["box"], (given) => numbers(`${where}.box`, given, 4) as PromptBox);
    const lasso = read.optional(prompt["lasso"], (given): Ring => numbers(`${where}.lasso`, given));
    if (lasso !== null && (lasso.length < 6 || lasso.length % 2 !== 0)) {
      read.fail(`${where}.lasso`, "three corners at least, x and y of each", lasso.length);
    }
    const { isRefinement } = prompt;
    if (typeof isRefinement !== "boolean") return read.fail(`${where}.isRefinement`, "true or false", isRefinement);
    return { points, labels, box, lasso, isRefinement };
  },
  candidates: (read, where, value, size) =>
    read.list(where, value, (at, one) => {
      const fields = read.record(at, one);
      const mask = parseMask(read, `${at}.mask`, fields["mask"], size);
      return { mask, score: read.finite(`${at}.score`, fields["score"]) };
    }),
  candidate: (read, where, value) => read.optional(value, (given) => read.integer(where, given, 0)),
};

export function parseField<K extends keyof ObjectFields>(
  read: Reader,
  where: string,
  key: K,
  value: unknown,
  size: Size,
): ObjectFields[K] {
  return fieldParsers[key](read, where, value, size);
}

export const objectFields: readonly (keyof ObjectFields)[] = Object.keys(fieldParsers) as (keyof ObjectFields)[];

export function isField(key: string): key is keyof ObjectFields {
  return Object.hasOwn(fieldParsers, key);
}

/** Run lengths in COCO's string that are a mask of `size`. */
export function parseMask(read: Reader, where: string, value: unknown, { width, height }: Size): string {
  const counts = read.text(where, value);
  try {
    decompressRle({ size: [height, width], counts });
  } catch (cause) {
    read.fail(where, `run lengths of a ${width}x${height} mask`, counts, cause);
  }
  return counts;
}

/** Reads what came from outside; everything unexpected is an `EditorError` of one code. */
export class Reader {
  readonly #code: EditorErrorCode;

  constructor(code: EditorErrorCode) {
    this.#code = code;
  }

  fail(where: string, expected: string, got: unknown, cause?: unknown): never {
    const text = JSON.stringify(got) ?? String(got);
    throw new EditorError(
      this.#code as "document-malformed" | "step-malformed",
      `${where} must be ${expected}, got ${text.length > 40 ? `${text.slice(0, 40)}...` : text}`,
      { details: { where, expected }, cause },
    );
  }

  record(where: string, value: unknown): Readonly<Record<string, unknown>> {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return this.fail(where, "an object", value);
    return value as Readonly<Record<string, unknown>>;
  }

  list<T>(where: string, value: unknown, one: (where: string, value: unknown) => T): readonly T[] {
    if (!Array.isArray(value)) return this.fail(where, "a list", value);
    return value.map((item, i) => one(`${where}[${i}]`, item));
  }

  text(where: string, value: unknown): string {
    return typeof value === "string" ? value : this.fail(where, "a string", value);
  }

  finite(where: string, value: unknown, least: number = Number.NEGATIVE_INFINITY): number {
    if (typeof value === "number" && Number.isFinite(value) && value >= least) return value;
    return this.fail(where, least === Number.NEGATIVE_INFINITY ? "a number" : `a number from ${least}`, value);
  }

  integer(where: string, value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    return this.fail(where, `an integer from ${least}`, value);
  }

  optional<T>(value: unknown, one: (value: unknown) => T): T | null {
    return value === null ? null : one(value);
  }
}

/** The corners of a ring. */
export function pointsOf(ring: Ring): readonly Point[] {
  return Array.from(
    { length: Math.ceil(ring.length / 2) },
    (_, i): Point => [ring[2 * i] as number, ring[2 * i + 1] as number],
  );
}

/** The box around a ring. */
export function ringBox(ring: Ring): PromptBox {
  const points = pointsOf(ring);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
