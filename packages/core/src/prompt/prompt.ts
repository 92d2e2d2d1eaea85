import { PromptError } from "../errors.ts";
import type { Size } from "../image/image.ts";
import { resizeAntialiased } from "../image/resize.ts";
import { type Box, checkMask, type Mask, maskFloats } from "../mask/mask.ts";
import { checkAwaited, checkKeys, type Keys } from "../options.ts";

/** x to the right, y down, from the top left corner of the image. */
export type Point = readonly [x: number, y: number];

/** 1: the point is on the object; 0: it is not. */
export type Label = 0 | 1;

/** A box as two corners, x0 < x1 and y0 < y1. */
export type PromptBox = readonly [x0: number, y0: number, x1: number, y1: number];

/** Low-resolution logits of one mask, row by row: what the decoder makes, and takes to refine. Above 0 is the object. */
export interface MaskLogits extends Size {
  readonly data: Float32Array;
}

/** What shows the model one object: clicks, a box, a mask from before, or several of them. */
export interface Prompt {
  readonly points?: readonly Point[];
  /** One for each point; all 1 if not given. */
  readonly labels?: readonly Label[];
  /** Two corners, or a box as `maskBox` gives it. */
  readonly box?: PromptBox | Box;
  /** A mask to start from, a quarter of the model's image size: `lowResLogits` of an earlier prediction, or `maskPrompt`. */
  readonly maskInput?: MaskLogits;
  /** Whether coordinates are fractions of the image's width and height, not its pixels. Default false. */
  readonly normalized?: boolean;
}

const promptKeys: Keys<Prompt> = { points: true, labels: true, box: true, maskInput: true, normalized: true };

/** Labels of the tokens that are no clicks (SAM's prompt encoder). */
const BOX_TOP_LEFT = 2;
const BOX_BOTTOM_RIGHT = 3;
const PADDING = -1;

/** A prompt as the decoder takes it. */
export interface EncodedPrompt {
  /** x, y in pixels of the square that the model sees, two for each label. */
  readonly points: readonly number[];
  readonly labels: readonly number[];
  readonly maskInput?: Float32Array;
}

/** What a prompt is checked against. */
export interface PromptContext {
  /** The image. */
  readonly image: Size;
  /** Side of the model's square image. */
  readonly imageSize: number;
  /** How errors begin. */
  readonly where: string;
  /** Whether maskInput is what the model itself has just answered, which may be empty. Default false. */
  readonly isRefinement?: boolean;
}

/** Throws a `PromptError` "bad-prompt" unless `prompts` is a list. */
export function checkPrompts(prompts: readonly Prompt[], where: string): void {
  if (!isList(prompts)) throw badPrompt(`${where}: prompts`, "a list of prompts", prompts);
}

/**
 * The prompt in lists of its own, which the caller's later changes do not reach; `maskInput` is not copied.
 *
 * Throws a `PromptError` "bad-prompt" for what is no prompt at all, as it comes from untyped JavaScript: no object,
 * points or labels that are no lists, a maskInput without logits; "unknown-option" for a field that a prompt does not
 * have, of those in `keys` where prompts have more of them.
 */
export function copyPrompt<P extends Prompt = Prompt>(prompt: P, where: string, keys?: Keys<P>): Prompt {
  checkAwaited(where, "the prompt", prompt);
  if (!isObject(prompt)) throw badPrompt(where, "an object with points, a box or a maskInput", prompt);
  checkKeys(where, prompt, (keys ?? promptKeys) as Keys<P>);
  checkAwaited(`${where}: maskInput`, "it", prompt.maskInput);
  const { points, labels, box, maskInput, normalized } = prompt;
  if (points !== undefined && !isList(points)) throw badPrompt(`${where}: points`, "a list of [x, y]", points);
  if (labels !== undefined && !isList(labels)) throw badPrompt(`${where}: labels`, "a list of 0 and 1", labels);
  if (maskInput !== undefined && !(isObject(maskInput) && ArrayBuffer.isView(maskInput.data))) {
    throw badPrompt(`${where}: maskInput`, "{ width, height, data } with logits in a Float32Array", maskInput);
  }
  return {
    ...(points && { points: points.map((point) => (isList(point) ? ([...point] as const) : point)) }),
    ...(labels && { labels: [...labels] }),
    ...(box !== undefined && { box: isBox(box) ? { ...box } : isList(box) ? ([...box] as const) : box }),
    ...(maskInput && { maskInput }),
    ...(normalized !== undefined && { normalized }),
  };
}

/**
 * A box is its two corners, before the clicks; one padding point follows. A mask alone has no points at all
 * (reference: sam2_image_predictor.py, `_prep_prompts` and `_predict`).
 *
 * Throws a `PromptError`: "empty" without anything, "labels-mismatch", "bad-label", "not-finite", "out-of-image" for a
 * point or a whole box outside the image, "bad-box" for corners the wrong way round, "mask-input-size", "empty-mask" for a
 * maskInput that shows nothing, and what `copyPrompt` throws.
 */
export function encodePrompt(
  prompt: Prompt,
  { image, imageSize, where, isRefinement = false }: PromptContext,
): EncodedPrompt {
  const { points = [], labels = points.map((): Label => 1), ...rest } = copyPrompt(prompt, where);
  const { box, maskInput, normalized = false } = rest;
  if (labels.length !== points.length) {
    throw new PromptError(
      "labels-mismatch",
      `${where}: labels has ${labels.length} entries for ${points.length} points`,
      {
        details: { labels: labels.length, points: points.length },
      },
    );
  }
  if (points.length === 0 && box === undefined && maskInput === undefined) {
    throw new PromptError("empty", `${where}: the prompt has no point, no box and no maskInput`);
  }
  const limit: Size = normalized ? { width: 1, height: 1 } : image;
  for (const [i, point] of points.entries()) checkPoint(`${where}: points[${i}]`, point, limit);
  for (const [i, label] of labels.entries()) {
    if (label !== 0 && label !== 1) {
      throw new PromptError("bad-label", `${where}: labels[${i}] must be 0 or 1, got ${show(label)}`, {
        details: { index: i, label },
      });
    }
  }
  const corners = box === undefined ? [] : cornersOf(`${where}: box`, box, limit);
  if (maskInput !== undefined) {
    checkMaskInput(`${where}: maskInput`, maskInput, imageSize / 4);
    if (!isRefinement) checkLogitsShow(`${where}: maskInput`, maskInput);
  }

  const scaled = [...corners, ...points].flatMap(([x, y]) => [
    (x / limit.width) * imageSize,
    (y / limit.height) * imageSize,
  ]);
  const hasPoints = scaled.length > 0;
  return {
    points: hasPoints ? [...scaled, 0, 0] : [],
    labels: hasPoints
      ? [...corners.map((_, i) => (i === 0 ? BOX_TOP_LEFT : BOX_BOTTOM_RIGHT)), ...labels, PADDING]
      : [],
    ...(maskInput === undefined ? {} : { maskInput: maskInput.data }),
  };
}

/**
 * A mask of any size as logits to prompt with: 10 inside, -10 outside, antialiased down to a quarter of `imageSize`
 * (reference: modeling/sam2_base.py, `_use_mask_as_output`). Throws a `PromptError` "empty-mask" for a mask without a
 * pixel, a `MaskError` for what is no mask.
 */
export function maskPrompt(mask: Mask, imageSize: number): MaskLogits {
  checkMask("maskPrompt", mask);
  checkShows("maskPrompt", mask);
  const side = imageSize / 4;
  const size = { width: side, height: side };
  return { ...size, data: resizeAntialiased(maskFloats(mask, -10, 10), mask, size) };
}

/** Throws a `PromptError` "empty-mask" for a mask that no pixel is in: it shows no object. */
export function checkShows(where: string, mask: Mask): void {
  const { width, height, data } = mask;
  if (data.some((pixel) => pixel !== 0)) return;
  throw new PromptError("empty-mask", `${where}: the mask is empty: none of its ${width}x${height} pixels is 1`, {
    details: { width, height },
  });
}

function checkPoint(what: string, point: Point, { width, height }: Size): void {
  if (!isList(point) || point.length !== 2 || !point.every(Number.isFinite)) {
    throw new PromptError("not-finite", `${what} must be two finite numbers, got ${show(point)}`, {
      details: { point },
    });
  }
  const [x, y] = point;
  if (x < 0 || y < 0 || x > width || y > height) {
    throw new PromptError(
      "out-of-image",
      `${what} [${x}, ${y}] is outside the image, 0 to ${width} and 0 to ${height}`,
      {
        details: { point: [x, y], width, height },
      },
    );
  }
}

function cornersOf(what: string, box: PromptBox | Box, { width, height }: Size): readonly [Point, Point] {
  const corners = isBox(box) ? ([box.x, box.y, box.x + box.width, box.y + box.height] as const) : box;
  const details = { box, width, height };
  if (!isList(corners) || corners.length !== 4 || !corners.every(Number.isFinite)) {
    throw new PromptError("not-finite", `${what} must be four finite numbers, got ${show(box)}`, { details });
  }
  const [x0, y0, x1, y1] = corners;
  const text = show(corners);
  if (x0 >= x1 || y0 >= y1) {
    throw new PromptError("bad-box", `${what} must have x0 < x1 and y0 < y1, got ${text}`, { details });
  }
  if (x1 <= 0 || y1 <= 0 || x0 >= width || y0 >= height) {
    throw new PromptError("out-of-image", `${what} ${text} is outside the image, 0 to ${width} and 0 to ${height}`, {
      details,
    });
  }
  return [
    [x0, y0],
    [x1, y1],
  ];
}

function checkMaskInput(what: string, { width, height, data }: MaskLogits, side: number): void {
  if (width !== side || height !== side || data.length !== side * side) {
    throw new PromptError(
      "mask-input-size",
      `${what} must be ${side}x${side} logits, got ${width}x${height} with ${data.length} values`,
      { details: { expected: side, width, height, length: data.length } },
    );
  }
  if (!data.every(Number.isFinite)) throw new PromptError("not-finite", `${what} has values that are not finite`);
}

/** A faint object may have no logit above 0; what is the same everywhere shows none. */
function checkLogitsShow(what: string, { width, height, data }: MaskLogits): void {
  const [first = 0] = data;
  if (first > 0 || data.some((logit) => logit !== first)) return;
  throw new PromptError("empty-mask", `${what} is empty: all of its logits are ${first}, and above 0 is the object`, {
    details: { width, height },
  });
}

function badPrompt(what: string, expected: string, got: unknown): PromptError {
  return new PromptError("bad-prompt", `${what} must be ${expected}, got ${show(got)}`, { details: { got } });
}

// Without type predicates: callers are typed, and only JavaScript gets past the types.
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
const isList = (value: unknown): boolean => Array.isArray(value);
const isBox = (box: PromptBox | Box): box is Box => isObject(box) && !isList(box);

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value === "string") return JSON.stringify(value);
  return isObject(value) ? "an object" : String(value);
}
