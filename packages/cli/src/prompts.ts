/** `--point`, `--box` and `--mask`: what to segment. */
import type { Label, Prompt, Size } from "@masklet/core/node";
import { parseNumber, UsageError } from "./usage.ts";

/** Pixels, or with `percent` a share of the image's width or height. */
export interface Coordinate {
  readonly value: number;
  readonly percent: boolean;
}

export interface Click {
  readonly x: Coordinate;
  readonly y: Coordinate;
  readonly label: Label;
}

export interface Corners {
  readonly x0: Coordinate;
  readonly y0: Coordinate;
  readonly x1: Coordinate;
  readonly y1: Coordinate;
}

/** All that points at one object on one frame. */
export interface ObjectPrompt {
  /** Stands in file names, and in the record. */
  readonly id: string;
  /** An image is its own frame 0. */
  readonly frame: number;
  readonly points: readonly Click[];
  readonly box?: Corners;
  /** Path of a picture: the mask to start from. */
  readonly mask?: string;
  /** Which of the picture's labels it is, if that was said. */
  readonly maskLabel?: number;
}

/** A prompt while its options are gathered. */
interface Draft {
  readonly frame: number;
  readonly points: Click[];
  box?: Corners;
  mask?: string;
  maskLabel?: number;
}

/** An object while its options are gathered; what was given no id has "" until all are known. */
interface ObjectDraft {
  id: string;
  readonly frames: Map<number, Draft>;
}

/** One prompt option as it was given. */
export interface PromptOption {
  readonly name: "point" | "box" | "mask";
  readonly value: string;
}

/** An option's value, taken apart. */
interface Split {
  readonly text: string;
  readonly frame: number;
  readonly id: string | undefined;
  /** Of a mask: which of its picture's labels is meant. */
  readonly label?: number;
}

/** What the four numbers of a box are: two corners, or a corner and the size, as COCO has them. */
export const boxFormats = ["xyxy", "xywh"] as const;

export type BoxFormat = (typeof boxFormats)[number];

/** What may follow a prompt. */
export interface PromptSyntax {
  /** Corners if not given. */
  readonly boxFormat?: BoxFormat;
  /** For messages. */
  readonly suffix: string;
  /** Throws a `UsageError`. */
  readonly split: (option: PromptOption) => Split;
  /** Whether an object can be called so. */
  readonly isId: (id: string) => boolean;
}

/** `#ID`: letters, digits, _ and - after the last `#`, so that `a#1.png` is a path without an id; of a mask `#LABEL=ID`. */
export const imageSyntax: PromptSyntax = {
  suffix: "an optional #ID",
  split: ({ name, value }) => {
    const [, text = value, label, id] = /^(.*)#(?:(\d+)=)?([\w-]+)$/s.exec(value) ?? [];
    if (label === undefined) return { text, frame: 0, id };
    if (name !== "mask") throw new UsageError(`--${name} takes #ID; #LABEL=ID is for --mask, got "${value}"`);
    return { text, frame: 0, id, label: Number(label) };
  },
  isId: (id) => /^[\w-]+$/.test(id),
};

/** `@FRAME#ID`, where an id is a label of 8 bits that is not the background. */
export const videoSyntax: PromptSyntax = {
  suffix: "an optional @FRAME and then an optional #ID",
  split: ({ name, value }) => {
    const { text: shown, id, ...rest } = imageSyntax.split({ name, value });
    if (id !== undefined && !videoSyntax.isId(id)) {
      throw new UsageError(`--${name} takes a whole number from 1 to 255 as its #ID, got "${value}"`);
    }
    const [, text = shown, frame = "0"] = /^(.*)@(\d{1,9})$/s.exec(shown) ?? [];
    return { ...rest, text, frame: Number(frame), id: id === undefined ? undefined : String(Number(id)) };
  },
  isId: (id) => /^\d+$/.test(id) && isLabel(Number(id)),
};

/** For the help: what a picture of `--mask` may be. */
export const maskNotes = `A picture of --mask may be white on black, 1 on 0 or any other two values (the brighter one is the object; of a
palette the index that is not 0), of 8 or 16 bits, opaque on transparent ground, or have soft edges. Of a label map
(palette indices, grey or coloured areas) every label is an object of its own, and its ID the label; with
--mask PNG#LABEL=ID one of its labels is object ID: --mask map.png#3=1.`;

/** Whether an 8-bit label can be `id`. */
export function isLabel(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= 255;
}

/** The prompts among the tokens of `parseArgs`, in their order. */
export function promptOptionsOf(
  tokens: readonly { readonly kind: string; readonly name?: string; readonly value?: string | boolean | undefined }[],
): readonly PromptOption[] {
  return tokens.flatMap(({ name, value }): readonly PromptOption[] =>
    typeof value === "string" && (name === "point" || name === "box" || name === "mask") ? [{ name, value }] : [],
  );
}

/**
 * The prompts that the options make, after those `given` in other ways: objects in the order of their first mention,
 * their frames likewise. What has no `#id` is numbered by the numbers that no id takes: every such box and every such mask
 * is an object of its own; one such point is an object, which all such points that are not on it ("-") belong to.
 *
 * Throws a `UsageError` for what is no prompt, for an object with two boxes or two masks on a frame, for one that has
 * nothing there but points that are not on it, and for points without an id that may belong to one object or to several.
 */
export function parsePrompts(
  options: readonly PromptOption[],
  syntax: PromptSyntax,
  given: readonly ObjectPrompt[] = [],
): readonly ObjectPrompt[] {
  const objects: ObjectDraft[] = [];
  const add = (id: string): ObjectDraft => {
    const object: ObjectDraft = { id, frames: new Map() };
    objects.push(object);
    return object;
  };
  const named = new Map<string, ObjectDraft>();
  const ensure = (id: string): ObjectDraft => {
    const object = named.get(id) ?? add(id);
    named.set(id, object);
    return object;
  };
  checkUnambiguous(options, syntax);
  for (const { id, frame, ...shown } of given) {
    ensure(id).frames.set(frame, { frame, ...shown, points: [...shown.points] });
  }
  let unnamedPoints: ObjectDraft | undefined;
  for (const option of options) {
    const { name, value } = option;
    const { text, frame, id, label } = syntax.split(option);
    let object: ObjectDraft;
    if (id !== undefined) {
      object = ensure(id);
    } else if (name === "point") {
      unnamedPoints ??= add("");
      object = unnamedPoints;
    } else {
      object = add("");
    }
    const draft = object.frames.get(frame) ?? { frame, points: [] };
    object.frames.set(frame, draft);
    if (name === "point") {
      draft.points.push(parsePoint(value, text, syntax));
      continue;
    }
    if (draft[name] !== undefined) throw new UsageError(`--${name} ${value}: object "${id}" has a ${name} already`);
    if (name === "box") draft.box = parseBox(value, text, syntax);
    else if (text === "") throw new UsageError(`--mask takes the path of a picture, got "${value}"`);
    else {
      draft.mask = text;
      if (label !== undefined) draft.maskLabel = label;
    }
  }
  let number = 0;
  for (const object of objects) {
    if (object.id !== "") continue;
    do number++;
    while (named.has(String(number)));
    object.id = String(number);
  }
  const prompts = objects.flatMap(({ id, frames }) => [...frames.values()].map((draft) => ({ id, ...draft })));
  for (const prompt of prompts) checkHasObject(prompt);
  return prompts;
}

/** Two clicks may mean one object or two, and a click beside a box the box's object or another: only ids tell. */
function checkUnambiguous(options: readonly PromptOption[], syntax: PromptSyntax): void {
  const unnamed = options.filter((option) => syntax.split(option).id === undefined);
  const points = unnamed.filter(({ name }) => name === "point");
  const on = points.filter((option) => !syntax.split(option).text.endsWith(",-"));
  const other = unnamed.find(({ name }) => name !== "point");
  const [first, second] = other === undefined ? on : [other, points[0]];
  if (first === undefined || second === undefined) return;
  const pair = ({ name, value }: PromptOption, id: number): string => `--${name} ${value}#${id}`;
  const one = `"${pair(first, 1)} ${pair(second, 1)}"`;
  // What is only not on an object shows none.
  const two = on.length === 0 ? "" : ` for one object, "${pair(first, 1)} ${pair(second, 2)}" for two`;
  const question = on.length === 0 ? "need not belong together" : "may show one object or two";
  throw new UsageError(
    `--${first.name} ${first.value} and --${second.name} ${second.value} ${question}: give them ids, ${one}${two}`,
  );
}

function checkHasObject({ id, frame, points, box, mask }: ObjectPrompt): void {
  if (box !== undefined || mask !== undefined || points.some(({ label }) => label === 1)) return;
  const where = frame === 0 ? "" : ` on frame ${frame}`;
  throw new UsageError(
    `--point: object "${id}" has only points that are not on it ("-")${where}. ` +
      `To correct a box or a mask with points, give them the same id: --box ...#1 --point ...,-#1`,
  );
}

function parsePoint(value: string, text: string, { suffix }: PromptSyntax): Click {
  const [x, y, sign = "+", ...rest] = text.split(",");
  const at = { x: parseCoordinate(x), y: parseCoordinate(y) };
  if (at.x === undefined || at.y === undefined || (sign !== "+" && sign !== "-") || rest.length > 0) {
    throw new UsageError(`--point takes X,Y or X,Y,+ or X,Y,- with ${suffix}, got "${value}"`);
  }
  return { x: at.x, y: at.y, label: sign === "+" ? 1 : 0 };
}

function parseBox(value: string, text: string, { suffix, boxFormat = "xyxy" }: PromptSyntax): Corners {
  const shape = boxFormat === "xyxy" ? "X0,Y0,X1,Y1" : "X,Y,W,H";
  const numbers = text.split(",").map(parseCoordinate);
  if (numbers.length !== 4 || numbers.includes(undefined)) {
    throw new UsageError(`--box takes ${shape} with ${suffix}, got "${value}"`);
  }
  const box = cornersOf(numbers, boxFormat);
  if (box !== undefined) return box;
  if (boxFormat === "xywh") {
    const problem = "with W and H more than 0, each in pixels or percents as its X or Y";
    throw new UsageError(`--box takes X,Y,W,H ${problem}, got "${value}"`);
  }
  throw new UsageError(
    `--box takes X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1, got "${value}"; for X,Y,W,H give --box-format xywh`,
  );
}

/** A box's four numbers as corners; `undefined` for what is no box, or whose corner and size are not in the same unit. */
export function cornersOf(numbers: readonly (Coordinate | undefined)[], format: BoxFormat): Corners | undefined {
  const [x0, y0, x, y, ...more] = numbers;
  if (x0 === undefined || y0 === undefined || x === undefined || y === undefined || more.length > 0) return undefined;
  const end = (start: Coordinate, size: Coordinate): Coordinate => ({ ...start, value: start.value + size.value });
  const isSize = x.percent === x0.percent && y.percent === y0.percent;
  const corners = format === "xyxy" ? { x0, y0, x1: x, y1: y } : { x0, y0, x1: end(x0, x), y1: end(y0, y) };
  return (format === "xyxy" || isSize) && isOrdered(corners) ? corners : undefined;
}

/** Says of a box that leaves an image of `size` by more than a pixel that another format may be meant; else nothing. */
export function boxNote({ box }: ObjectPrompt, size: Size, format: BoxFormat): string | undefined {
  if (box === undefined) return undefined;
  const { box: corners } = promptFor({ id: "", frame: 0, points: [], box }, size);
  const [x0, y0, x1, y1] = corners as readonly [number, number, number, number];
  if (x0 >= -1 && y0 >= -1 && x1 <= size.width + 1 && y1 <= size.height + 1) return undefined;
  const [as, other, otherAs] =
    format === "xyxy" ? ["X0,Y0,X1,Y1", "xywh", "X,Y,W,H"] : ["X,Y,W,H", "xyxy", "X0,Y0,X1,Y1"];
  const where = `--box from ${x0},${y0} to ${x1},${y1} leaves the picture of ${size.width}x${size.height}`;
  return `${where}: it was read as ${as}; for ${otherAs} give --box-format ${other}`;
}

/** Whether a box has its first corner above and left of the other; where pixels and percents are mixed, the image tells. */
function isOrdered({ x0, y0, x1, y1 }: Corners): boolean {
  const ordered = (low: Coordinate, high: Coordinate): boolean =>
    low.percent !== high.percent || low.value < high.value;
  return ordered(x0, x1) && ordered(y0, y1);
}

/** `12.5` or `50%`. */
export function parseCoordinate(text = ""): Coordinate | undefined {
  const percent = text.endsWith("%");
  const value = parseNumber(percent ? text.slice(0, -1) : text);
  return value === undefined ? undefined : { value, percent };
}

/** Points and box of a prompt, in pixels of an image of `size`. */
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
