/** `--point`, `--box` and `--mask`: what to segment. */
import type { Label, Prompt, Size } from "@masklet/core/node";
import { parseNumber, UsageError } from "../usage.ts";

/** Pixels, or with `percent` a share of the image's width or height. */
interface Coordinate {
  readonly value: number;
  readonly percent: boolean;
}

interface Click {
  readonly x: Coordinate;
  readonly y: Coordinate;
  readonly label: Label;
}

interface Corners {
  readonly x0: Coordinate;
  readonly y0: Coordinate;
  readonly x1: Coordinate;
  readonly y1: Coordinate;
}

/** All that points at one object. */
export interface ObjectPrompt {
  /** Stands in file names, and in the record. */
  readonly id: string;
  readonly points: readonly Click[];
  readonly box?: Corners;
  /** Path of a picture: the mask to start from. */
  readonly mask?: string;
}

/** An object while its options are gathered; what was given no id has "" until all are known. */
interface Draft {
  id: string;
  points: Click[];
  box?: Corners;
  mask?: string;
}

/** One prompt option as it was given. */
export interface PromptOption {
  readonly name: "point" | "box" | "mask";
  readonly value: string;
}

/**
 * The objects that the options describe, in the order of their first mention. What has no `#id` is numbered by the
 * numbers that no id takes: all such points are one object, every such box and every such mask is one of its own.
 *
 * Throws a `UsageError` for what is no prompt, for an object with two boxes or two masks, and for one that has nothing
 * but points that are not on it.
 */
export function parsePrompts(options: readonly PromptOption[]): readonly ObjectPrompt[] {
  const objects: Draft[] = [];
  const add = (id: string): Draft => {
    const draft: Draft = { id, points: [] };
    objects.push(draft);
    return draft;
  };
  const named = new Map<string, Draft>();
  let unnamedPoints: Draft | undefined;
  for (const { name, value } of options) {
    const { text, id } = splitId(value);
    let object: Draft;
    if (id !== undefined) {
      object = named.get(id) ?? add(id);
      named.set(id, object);
    } else if (name === "point") {
      unnamedPoints ??= add("");
      object = unnamedPoints;
    } else {
      object = add("");
    }
    if (name === "point") {
      object.points.push(parsePoint(value, text));
      continue;
    }
    if (object[name] !== undefined) throw new UsageError(`--${name} ${value}: object "${id}" has a ${name} already`);
    if (name === "box") object.box = parseBox(value, text);
    else if (text === "") throw new UsageError(`--mask takes the path of a picture, got "${value}"`);
    else object.mask = text;
  }
  let number = 0;
  for (const object of objects) {
    if (object.id === "") {
      do number++;
      while (named.has(String(number)));
      object.id = String(number);
    }
    checkHasObject(object);
  }
  return objects;
}

function checkHasObject({ id, points, box, mask }: ObjectPrompt): void {
  if (box !== undefined || mask !== undefined || points.some(({ label }) => label === 1)) return;
  throw new UsageError(
    `--point: object "${id}" has only points that are not on it ("-"). ` +
      `To correct a box or a mask with points, give them the same id: --box ...#1 --point ...,-#1`,
  );
}

/** The id after the last `#`: letters, digits, _ and -, so that `a#1.png` is a path without an id. */
function splitId(value: string): { readonly text: string; readonly id: string | undefined } {
  const match = /^(.*)#([\w-]+)$/s.exec(value);
  return match === null ? { text: value, id: undefined } : { text: match[1] ?? "", id: match[2] };
}

function parsePoint(value: string, text: string): Click {
  const [x, y, sign = "+", ...rest] = text.split(",");
  const at = { x: parseCoordinate(x), y: parseCoordinate(y) };
  if (at.x === undefined || at.y === undefined || (sign !== "+" && sign !== "-") || rest.length > 0) {
    throw new UsageError(`--point takes X,Y or X,Y,+ or X,Y,- with an optional #ID, got "${value}"`);
  }
  return { x: at.x, y: at.y, label: sign === "+" ? 1 : 0 };
}

function parseBox(value: string, text: string): Corners {
  const parts = text.split(",");
  const [x0, y0, x1, y1] = parts.map(parseCoordinate);
  if (x0 === undefined || y0 === undefined || x1 === undefined || y1 === undefined || parts.length > 4) {
    throw new UsageError(`--box takes X0,Y0,X1,Y1 with an optional #ID, got "${value}"`);
  }
  // Where pixels and percents are mixed, the image has to tell.
  const ordered = (low: Coordinate, high: Coordinate): boolean =>
    low.percent !== high.percent || low.value < high.value;
  if (!ordered(x0, x1) || !ordered(y0, y1)) {
    throw new UsageError(`--box takes X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1, got "${value}"`);
  }
  return { x0, y0, x1, y1 };
}

function parseCoordinate(text = ""): Coordinate | undefined {
  const percent = text.endsWith("%");
  const value = parseNumber(percent ? text.slice(0, -1) : text);
  return value === undefined ? undefined : { value, percent };
}

/** Points and box of an object, in pixels of an image of `size`. */
export function promptFor(
  { points, box }: ObjectPrompt,
  { width, height }: Size,
): Pick<Prompt, "points" | "labels" | "box"> {
  const pixels = ({ value, percent }: Coordinate, extent: number): number => (percent ? (value / 100) * extent : value);
  return {
    ...(points.length > 0 && {
      points: points.map(({ x, y }) => [pixels(x, width), pixels(y, height)] as const),
      labels: points.map(({ label }) => label),
    }),
    ...(box !== undefined && {
      box: [pixels(box.x0, width), pixels(box.y0, height), pixels(box.x1, width), pixels(box.y1, height)] as const,
    }),
  };
}
