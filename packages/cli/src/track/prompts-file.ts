/**
 * Prompts from a JSON file: a list of entries, each about one object on one frame. See apps/docs/cli.md for the fields.
 */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { inspect } from "node:util";
import { type Label, PromptError, parseJson, systemReason } from "@masklet/core/node";
import {
  type BoxFormat,
  type Click,
  type Coordinate,
  type Corners,
  cornersOf,
  isLabel,
  type ObjectPrompt,
  parseCoordinate,
} from "../prompts.ts";

const fields = ["object", "frame", "points", "labels", "box", "mask", "maskLabel"] as const;

/** Paths of masks are relative to the file. Rejects with a `PromptError`: "prompts-unreadable", "prompts-invalid". */
export async function readPromptsFile(path: string, boxFormat: BoxFormat = "xyxy"): Promise<readonly ObjectPrompt[]> {
  const text = await readFile(path).catch((cause: Error) => {
    throw new PromptError("prompts-unreadable", `${path} cannot be read: ${systemReason(cause)}`, {
      cause,
      details: { file: path },
    });
  });
  return parsePromptsFile(path, text, boxFormat);
}

/** The prompts in what the file at `path` has. Throws a `PromptError` "prompts-invalid". */
export function parsePromptsFile(
  path: string,
  text: Uint8Array | string,
  boxFormat: BoxFormat = "xyxy",
): readonly ObjectPrompt[] {
  let entries: unknown;
  try {
    entries = parseJson(text);
  } catch (cause) {
    throw new PromptError("prompts-invalid", `${path} is not JSON: ${(cause as Error).message}`, {
      cause,
      details: { file: path },
    });
  }
  if (!Array.isArray(entries)) {
    throw new PromptError("prompts-invalid", `${path} must be a list of prompts`, { details: { file: path } });
  }
  const seen = new Map<string, number>();
  return entries.map((entry: unknown, i) => {
    const fail: Fail = (problem) =>
      new PromptError("prompts-invalid", `${path}: entry ${i} ${problem}`, { details: { file: path, entry: i } });
    const prompt = readEntry(entry, boxFormat, fail);
    const key = `object ${prompt.id} on frame ${prompt.frame}`;
    const earlier = seen.get(key);
    if (earlier !== undefined) throw fail(`is about ${key}, as entry ${earlier} is; make one of them`);
    seen.set(key, i);
    return prompt.mask === undefined ? prompt : { ...prompt, mask: resolve(dirname(path), prompt.mask) };
  });
}

/** Makes an error about one entry. */
type Fail = (problem: string) => PromptError;

function readEntry(entry: unknown, boxFormat: BoxFormat, fail: Fail): ObjectPrompt {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) throw fail("must be an object");
  const unknown = Object.keys(entry).find((key) => !fields.some((field) => field === key));
  if (unknown !== undefined) throw fail(`has a field "${unknown}", expected ${fields.join(", ")}`);
  const {
    object,
    frame = 0,
    points,
    labels,
    box,
    mask,
    maskLabel,
  }: { readonly [K in (typeof fields)[number]]?: unknown } = entry;
  // JSON.stringify would run out of stack on lists as deep as JSON.parse makes them.
  const must = (field: string, what: string, got: unknown): PromptError =>
    fail(`must have ${what} as its ${field}, got ${inspect(got, { breakLength: Infinity, maxStringLength: 100 })}`);
  if (typeof object !== "number" || !isLabel(object)) throw must("object", "a whole number from 1 to 255", object);
  if (!Number.isSafeInteger(frame) || (frame as number) < 0) throw must("frame", "a whole number from 0", frame);
  if (mask !== undefined && (typeof mask !== "string" || mask === "")) throw must("mask", "a path", mask);
  const isLabelOfMask = Number.isSafeInteger(maskLabel) && (maskLabel as number) >= 0 && mask !== undefined;
  if (maskLabel !== undefined && !isLabelOfMask) throw must("maskLabel", "a whole number, for its mask,", maskLabel);
  const clicks = readPoints(points, labels, must);
  const corners = readBox(box, boxFormat, must);
  if (corners === undefined && mask === undefined && !clicks.some(({ label }) => label === 1)) {
    throw fail("shows nothing of the object: it needs a box, a mask or a point whose label is 1");
  }
  return {
    id: String(object),
    frame: frame as number,
    points: clicks,
    ...(corners !== undefined && { box: corners }),
    ...(mask !== undefined && { mask: mask as string }),
    ...(maskLabel !== undefined && { maskLabel: maskLabel as number }),
  };
}

type Must = (field: string, what: string, got: unknown) => PromptError;

function readPoints(points: unknown, labels: unknown, must: Must): readonly Click[] {
  if (points === undefined) {
    if (labels !== undefined) throw must("points", "a list for its labels", points);
    return [];
  }
  const places = Array.isArray(points) ? points.map((point) => coordinates(point, 2)) : [undefined];
  if (places.includes(undefined)) throw must("points", "a list of [x, y], in pixels or percents", points);
  const given: unknown = labels ?? places.map(() => 1);
  if (!Array.isArray(given) || given.length !== places.length || !given.every((label) => label === 0 || label === 1)) {
    throw must("labels", `a list of ${places.length} times 0 or 1`, labels);
  }
  return (places as Coordinate[][]).map(([x, y], i) => ({
    x: x as Coordinate,
    y: y as Coordinate,
    label: given[i] as Label,
  }));
}

function readBox(box: unknown, format: BoxFormat, must: Must): Corners | undefined {
  if (box === undefined) return undefined;
  const corners = cornersOf(coordinates(box, 4) ?? [], format);
  if (corners !== undefined) return corners;
  if (format === "xywh") throw must("box", "[x, y, width, height] of more than 0, in pixels or percents", box);
  const other = "for [x, y, width, height] give --box-format xywh";
  throw must("box", `[x0, y0, x1, y1] with x0 < x1 and y0 < y1, in pixels or percents (${other}),`, box);
}

/** Numbers, or texts such as "50%". */
function coordinates(list: unknown, length: number): readonly Coordinate[] | undefined {
  if (!Array.isArray(list) || list.length !== length) return undefined;
  const parsed = list.map((value: unknown) =>
    typeof value === "number" || typeof value === "string" ? parseCoordinate(String(value)) : undefined,
  );
  return parsed.every((value) => value !== undefined) ? parsed : undefined;
}
