/**
 * What the main thread and the UI say to each other. The UI has the models and asks; the main thread has the document and
 * answers. Pictures go as encoded bytes, one at a time: what Figma's message channel takes, and what its small virtual
 * machine can hold.
 */
import type { Affine, ImageGeometry, Size } from "./geometry.ts";

/** Goes up when a message changes its meaning: a cached UI must not talk past a newer main thread. */
export const protocolVersion = 1;

export type Command =
  | "cut-out"
  | "remove-background"
  | "remove-background-all"
  | "refine"
  | "restore"
  | "settings"
  | "self-test";

export const commands: readonly Command[] = [
  "cut-out",
  "remove-background",
  "remove-background-all",
  "refine",
  "restore",
  "settings",
  "self-test",
];

/**
 * What becomes of a mask:
 * - `mask-group`: a group of the untouched layer and a mask, an image of 8-bit alpha or a vector;
 * - `fill`: a new fill above the hidden old one;
 * - `copy`: a copy of the layer with the cutout, beside it;
 * - `trimmed`: a layer as large as the object, beside the old one;
 * - `objects`: a layer for each object in a group, the old layer hidden in it;
 * - `shape`: a vector filled with the image, in a group with the hidden old layer.
 */
export type OutputKind = "mask-group" | "fill" | "copy" | "trimmed" | "objects" | "shape";

export const outputKinds: readonly OutputKind[] = ["mask-group", "fill", "copy", "trimmed", "objects", "shape"];

/** Components from 0 to 1, in the document's colour space. */
export interface Colour {
  readonly r: number;
  readonly g: number;
  readonly b: number;
}

/** Closed curves in the image's pixels: x, y of the start, then six numbers for each cubic Bezier; holes by even-odd. */
export type Curves = readonly (readonly number[])[];

/** One object of a result. */
export interface ResultObject {
  readonly name: string;
  /**
   * The image that was stored for it: alpha alone for `mask-group`, else the cutout; of the original's size, or of
   * another where that is above Figma's limit. `null` where a vector does its work.
   */
  readonly image: StoredImage | null;
  /** For `trimmed`: the part of the original, in its pixels, that `image` shows. */
  readonly region: { readonly x: number; readonly y: number; readonly width: number; readonly height: number } | null;
  /** For vector masks, shapes and outlines. */
  readonly curves: Curves | null;
}

export interface StoredImage extends Size {
  readonly hash: string;
}

/** What to make of one layer. */
export interface Output {
  readonly kind: OutputKind;
  readonly objects: readonly ResultObject[];
  /** For `mask-group`, `fill` and `copy`: a colour in the place of the background. */
  readonly background: Colour | null;
  /** For `mask-group`: a line around the object, in units of the layer; needs `curves`. */
  readonly outline: { readonly colour: Colour; readonly weight: number } | null;
  /** The UI's own notes (prompts, strokes, settings), kept with the result so that it can be refined. */
  readonly edit: string;
}

/** Why a layer cannot be cut out. */
export type Refusal =
  | "no-image"
  | "locked"
  | "hidden"
  | "mixed-fills"
  | "video"
  | "pattern"
  | "shader"
  | "gradient"
  | "empty"
  | "unsupported";

/** What a person should know before a layer is changed. */
export type Caution = "style" | "stroke" | "tile" | "component" | "text";

/** One image of one layer. */
export interface Target extends Size {
  readonly node: string;
  readonly name: string;
  readonly field: "fills" | "strokes";
  readonly hash: string;
  readonly geometry: ImageGeometry;
  /** Which results the layer allows; the first is the default. */
  readonly outputs: readonly OutputKind[];
  readonly cautions: readonly Caution[];
  /** Names the state of the layer; a result for another state is refused. */
  readonly stamp: string;
  /** What was made of it before, if anything. */
  readonly made: {
    readonly kind: OutputKind;
    readonly edit: string;
    /** The images that were stored for it. */
    readonly results: readonly string[];
  } | null;
}

export interface Refused {
  readonly node: string;
  readonly name: string;
  readonly refusal: Refusal;
}

export interface Selection {
  readonly targets: readonly Target[];
  readonly refused: readonly Refused[];
}

/** One layer's part of an `apply`. */
export interface Job {
  readonly node: string;
  readonly field: "fills" | "strokes";
  readonly hash: string;
  readonly stamp: string;
  readonly output: Output;
}

/** A model of saliency or matting that a person has given: an ONNX file. */
export interface KeptFinder {
  readonly name: string;
  /** As `openSubjectFinder` names it; `null` where the file says it itself. */
  readonly kind: string | null;
  readonly bytes: Uint8Array;
}

/** Widths of a sticker's outline. */
export const outlines = ["thin", "medium", "wide"] as const;
export type OutlineWidth = (typeof outlines)[number];

/** How results are cut: kept with each, so that it looks the same when it is refined. */
export interface CutSettings {
  /** How an object's edge is cut, in pixels of the image: softened, and freed of the background's colours. */
  readonly feather: number;
  readonly decontaminate: number;
  /** Whether hair and fur along the edge become partly transparent, in place of the two above. */
  readonly hair: boolean;
  readonly outline: OutlineWidth;
}

export interface Settings extends CutSettings {
  /** The UI's name of the result. */
  readonly result: string;
  readonly window: Size;
  /** The published model that was chosen, by its name; empty for the built-in one. */
  readonly model: string;
  /** The model of saliency whose file the hosted engine keeps. */
  readonly finder: Omit<KeptFinder, "bytes"> | null;
}

export const defaultSettings: Settings = {
  result: "mask-group",
  feather: 1,
  decontaminate: 2,
  hair: false,
  outline: "medium",
  window: { width: 960, height: 640 },
  model: "",
  finder: null,
};

export interface Opening {
  readonly command: Command;
  /** What the quick action asked for. */
  readonly output: OutputKind | null;
  readonly settings: Settings;
  readonly selection: Selection;
}

/** What the UI asks for: parameters and answer of each request. */
export interface Requests {
  /** The first request: what the plugin was started for. */
  readonly open: { params: Record<never, never>; result: Opening };
  readonly selection: { params: Record<never, never>; result: Selection };
  /** The bytes of an image as they are stored: PNG, JPEG or GIF. */
  readonly picture: {
    params: { readonly hash: string };
    result: {
      readonly bytes: Uint8Array;
      /** What the file of Figma counts colours in. */
      readonly colours: "srgb" | "display-p3";
    } & Size;
  };
  /** Stores a PNG and names it; nothing of the document changes. */
  readonly store: { params: { readonly bytes: Uint8Array }; result: StoredImage };
  /** Changes the document: everything in one step of undo. */
  readonly apply: {
    params: { readonly jobs: readonly Job[] };
    result: { readonly made: readonly string[]; readonly failed: readonly Failure[] };
  };
  readonly restore: {
    params: { readonly nodes: readonly string[] };
    result: { readonly restored: number; readonly failed: readonly Failure[] };
  };
  /** What a layer looks like, as a new layer with one image in its place. */
  readonly flatten: { params: { readonly node: string }; result: { readonly node: string } };
  /** Another layer as a picture, and where it lies: from the pixels of the target's image to the picture's unit square. */
  readonly maskLayer: {
    params: Pick<Target, "node" | "hash" | "geometry"> & { readonly mask: string };
    result: { readonly bytes: Uint8Array; readonly map: Affine };
  };
  readonly select: { params: { readonly nodes: readonly string[] }; result: Record<never, never> };
  /** Keeps them for another day; whether Figma did. */
  readonly settings: { params: { readonly settings: Settings }; result: { readonly kept: boolean } };
  /** Keeps a model's file in this plugin's storage, or with `null` none; whether there was room. */
  readonly keepFinder: { params: { readonly finder: KeptFinder | null }; result: { readonly kept: boolean } };
  readonly keptFinder: { params: Record<never, never>; result: { readonly finder: KeptFinder | null } };
  readonly resize: { params: Size; result: Record<never, never> };
  /** Shows the window of a plugin that began without one. */
  readonly show: { params: Record<never, never>; result: Record<never, never> };
  /** For the self-test: what Figma draws of an image in a layer of this size, which is gone again afterwards. */
  readonly specimen: {
    params: { readonly hash: string; readonly geometry: ImageGeometry } & Size;
    result: { readonly bytes: Uint8Array };
  };
  /** For the self-test: what Figma makes of a vector's path. */
  readonly vector: {
    params: { readonly data: string };
    result: { readonly data: string; readonly x: number; readonly y: number };
  };
  /** Says that a plugin without a window works, until `show` or `finish`; the message can cancel it. */
  readonly busy: { params: { readonly message: string }; result: Record<never, never> };
  /** Says what was done in a short message and ends the plugin. */
  readonly finish: { params: { readonly message: string; readonly refine: boolean }; result: Record<never, never> };
}

export type Method = keyof Requests;

export interface Failure {
  readonly node: string;
  readonly code: PluginErrorCode;
  readonly message: string;
}

export type PluginErrorCode =
  /** A message that is none of these. */
  | "bad-message"
  /** The layer was deleted, edited or undone in the meantime. */
  | "layer-changed"
  /** The layer does not allow this result. */
  | "not-allowed"
  /** Figma has not the image's bytes. */
  | "image-missing"
  /** Figma does not take the image: its size or its format. */
  | "image-refused"
  /** A file or a layer shows no mask of the image. */
  | "no-mask"
  /** Nothing of ours is to be restored. */
  | "nothing-made"
  /** Auto layout would move what is around. */
  | "layout"
  /** Figma refused to write: a file that may only be viewed, a layer that is not editable. */
  | "write-refused";

/** What goes wrong, with a message for the person who uses the plugin. */
export class PluginError extends Error {
  readonly code: PluginErrorCode;

  constructor(code: PluginErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PluginError";
    this.code = code;
  }
}

export interface Request {
  readonly masklet: number;
  readonly id: number;
  readonly method: Method;
  readonly params: unknown;
}

export type Answer =
  | { readonly masklet: number; readonly id: number; readonly result: unknown }
  | {
      readonly masklet: number;
      readonly id: number;
      readonly error: { readonly code: PluginErrorCode; readonly message: string };
    };

/** What the main thread says unasked. */
export interface Notice {
  readonly masklet: number;
  readonly event: "selection";
  readonly selection: Selection;
}

type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isString: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number" && Number.isFinite(value);
const isPositive: Check = (value) => isNumber(value) && (value as number) > 0;
const isBytes: Check = (value) => value instanceof Uint8Array;
const isBoolean: Check = (value) => typeof value === "boolean";
const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    values.indexOf(value as string) >= 0;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.keys(fields).every((key) => (fields[key] as Check)(value[key]));

const isSize = shape({ width: isPositive, height: isPositive });
const isColour = shape({ r: isNumber, g: isNumber, b: isNumber });
const isCurve: Check = (value) => listOf(isNumber)(value) && (value as readonly number[]).length % 6 === 2;
const isOutput = shape({
  kind: oneOf(outputKinds),
  objects: (value) =>
    (value as readonly unknown[]).length > 0 &&
    listOf(
      shape({
        name: isString,
        image: orNull(shape({ hash: isString, width: isPositive, height: isPositive })),
        region: orNull(shape({ x: isNumber, y: isNumber, width: isPositive, height: isPositive })),
        curves: orNull(listOf(isCurve)),
      }),
    )(value),
  background: orNull(isColour),
  outline: orNull(shape({ colour: isColour, weight: isPositive })),
  edit: isString,
});
const isGeometry = shape({ scaleMode: oneOf(["FILL", "FIT", "CROP", "TILE"]) });
const isFinder = { name: isString, kind: orNull(isString) };
const cutSettings = {
  feather: isNumber,
  decontaminate: isNumber,
  hair: isBoolean,
  outline: oneOf(outlines),
};
export const isCutSettings: Check = shape(cutSettings);
export const isSettings: Check = shape({
  ...cutSettings,
  result: isString,
  window: isSize,
  model: isString,
  finder: orNull(shape(isFinder)),
});
export const isKeptFinder: Check = shape({ ...isFinder, bytes: isBytes });

const nothing = shape({});
const params: { readonly [M in Method]: Check } = {
  open: nothing,
  selection: nothing,
  picture: shape({ hash: isString }),
  store: shape({ bytes: isBytes }),
  apply: shape({
    jobs: listOf(
      shape({ node: isString, field: oneOf(["fills", "strokes"]), hash: isString, stamp: isString, output: isOutput }),
    ),
  }),
  restore: shape({ nodes: listOf(isString) }),
  flatten: shape({ node: isString }),
  maskLayer: shape({ node: isString, hash: isString, geometry: isGeometry, mask: isString }),
  select: shape({ nodes: listOf(isString) }),
  settings: shape({ settings: isSettings }),
  keepFinder: shape({ finder: orNull(isKeptFinder) }),
  keptFinder: nothing,
  resize: isSize,
  show: nothing,
  specimen: shape({
    hash: isString,
    geometry: isGeometry,
    width: isPositive,
    height: isPositive,
  }),
  vector: shape({ data: isString }),
  busy: shape({ message: isString }),
  finish: shape({ message: isString, refine: isBoolean }),
};

/** A request if the message is one, whole and of this version; else undefined: others may post messages too. */
export function readRequest(message: unknown): Request | undefined {
  if (!isObject(message) || message["masklet"] !== protocolVersion) return undefined;
  const { id, method } = message;
  if (!isNumber(id) || typeof method !== "string" || !Object.hasOwn(params, method)) {
    return undefined;
  }
  return { masklet: protocolVersion, id: id as number, method: method as Method, params: message["params"] };
}

/** Throws a `PluginError` "bad-message" for parameters that are not those of the method. */
export function checkParams<M extends Method>(method: M, given: unknown): Requests[M]["params"] {
  if (!params[method](given))
    throw new PluginError("bad-message", `${method}: the message has not the fields it needs`);
  return given as Requests[M]["params"];
}
