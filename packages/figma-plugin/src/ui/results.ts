/** From objects of a picture to what the main thread makes of them. */
import { cutout, decontaminate, type Mask, type MaskLogits, maskBox, matteCutout, type RawImage } from "@masklet/core";
import type { EditorSession } from "@masklet/editor";
import type { CutSettings, OutlineWidth, Output, OutputKind, ResultObject, StoredImage, Target } from "../protocol.ts";
import { type Colours, encodeAlpha, encodePng } from "./pictures.ts";
import { traceMask } from "./trace.ts";

/** A result that a person can choose. */
export interface Recipe {
  readonly id: string;
  readonly name: string;
  /** `null`: a PNG, and nothing in the document. */
  readonly kind: OutputKind | null;
  /** Of a PNG: whether it goes to the clipboard and not to a file. */
  readonly clipboard?: boolean;
  readonly vector?: boolean;
  readonly white?: boolean;
  readonly outline?: boolean;
  /** What is left is the background. */
  readonly inverted?: boolean;
}

export const recipes: readonly Recipe[] = [
  { id: "mask-group", name: "Mask group", kind: "mask-group" },
  { id: "vector-mask", name: "Vector mask group", kind: "mask-group", vector: true },
  { id: "sticker", name: "Sticker with outline", kind: "mask-group", outline: true },
  { id: "fill", name: "New fill", kind: "fill" },
  { id: "white", name: "New fill on white", kind: "fill", white: true },
  { id: "copy", name: "Copy beside", kind: "copy" },
  { id: "trimmed", name: "Trimmed copy", kind: "trimmed" },
  { id: "objects", name: "Layer per object", kind: "objects" },
  { id: "shape", name: "Vector shape", kind: "shape", vector: true },
  { id: "background", name: "Background only", kind: "mask-group", inverted: true },
  { id: "png", name: "PNG file", kind: null },
  { id: "clipboard", name: "PNG to the clipboard", kind: null, clipboard: true },
];

/** Those that a layer allows, the first the default. */
export function recipesOf({ outputs }: Target): readonly Recipe[] {
  return recipes.filter(({ kind }) => kind === null || outputs.includes(kind));
}

/** The wanted one where the layer allows it, else the layer's default. */
export function recipeFor(target: Target, wanted: string): Recipe {
  const allowed = recipesOf(target);
  return allowed.find(({ id }) => id === wanted) ?? (allowed[0] as Recipe);
}

/** One object's pixels: RGBA with straight alpha, of the picture's size. */
export interface CutObject {
  readonly name: string;
  readonly image: RawImage;
}

/** An object whose alpha is known better than its mask says, and the mask it became in the session. */
export interface ExactCut {
  readonly mask: string;
  readonly image: RawImage;
  /** Told by a flat background's colour, which can be done again, or by a model's soft mask. */
  readonly method: "flat" | "soft";
}

/** How objects are cut out. */
export interface CutOptions {
  readonly settings: Pick<CutSettings, "feather" | "decontaminate" | "hair">;
  readonly exact?: ExactCut | undefined;
  /** What the model thought of the object of an id. */
  readonly logits?: (id: number) => MaskLogits | undefined;
}

/** Pixels of the image in which hair is looked for: four of the model's, of which the image's longer side has 256. */
function hairReach({ width, height }: RawImage): number {
  return Math.max(12, Math.round((4 * Math.max(width, height)) / 256));
}

/**
 * The session's objects, cut out with their own edges, or as the settings say where those are hard, as they begin; one that
 * is known exactly as it was found, as long as nobody has changed it.
 */
export function cutObjects(
  session: EditorSession,
  image: RawImage,
  { settings, exact, logits = () => undefined }: CutOptions,
): readonly CutObject[] {
  return session.document.objects.map((object, i) => {
    const { id, mask, edge: own } = object;
    const name = object.name ?? `Object ${i + 1}`;
    const isHard = own.feather === 0 && own.decontaminate === 0;
    if (exact !== undefined && exact.mask === mask && isHard) return { name, image: exact.image };
    const shape = session.mask(id);
    if (isHard && settings.hair) {
      const thought = logits(id);
      const reach = hairReach(image);
      return { name, image: matteCutout(image, shape, { reach, ...(thought && { logits: thought }) }) };
    }
    const { feather, decontaminate: inwards } = isHard ? settings : own;
    const clean = inwards > 0 ? decontaminate(image, shape, { inwards: Math.round(inwards), feather }) : image;
    return { name, image: cutout(clean, shape, { feather }) };
  });
}

/** All objects in one: where they meet, the more opaque one. */
export function together(objects: readonly CutObject[]): RawImage {
  const [first, ...rest] = objects.map(({ image }) => image);
  if (first === undefined) throw new RangeError("together: there is no object");
  if (rest.length === 0) return first;
  const data = Uint8Array.from(first.data);
  for (const { data: other } of rest) {
    for (let i = 0; i < data.length; i += 4) {
      if ((other[i + 3] as number) > (data[i + 3] as number))
        for (let c = 0; c < 4; c++) data[i + c] = other[i + c] as number;
    }
  }
  return { ...first, data };
}

/** The picture without the objects: its alpha is what theirs leaves. */
export function without(image: RawImage, { width, height, data: object }: RawImage): RawImage {
  const { channels, data: source } = image;
  const data = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    const given = channels === 4 ? (source[4 * i + 3] as number) : 255;
    const alpha = given - (object[4 * i + 3] as number);
    if (alpha <= 0) continue;
    for (let c = 0; c < 3; c++) data[4 * i + c] = source[channels * i + c] as number;
    data[4 * i + 3] = alpha;
  }
  return { width, height, channels: 4, data };
}

/** A cut whose alpha is the share of the picture's own that it keeps: what is laid over the picture must not fade it twice. */
export function shareOf(cut: RawImage, image: RawImage): RawImage {
  if (image.channels !== 4) return cut;
  const data = Uint8Array.from(cut.data);
  for (let i = 3; i < data.length; i += 4) {
    const given = image.data[i] as number;
    data[i] = given === 0 ? 0 : Math.min(255, Math.round((255 * (data[i] as number)) / given));
  }
  return { ...cut, data };
}

export function maskOfAlpha({ width, height, data: source }: RawImage): Mask {
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) data[i] = (source[4 * i + 3] as number) >= 128 ? 1 : 0;
  return { width, height, data };
}

export function cropTo(
  image: RawImage,
  box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): RawImage {
  const data = new Uint8Array(box.width * box.height * image.channels);
  const stride = box.width * image.channels;
  for (let y = 0; y < box.height; y++) {
    const from = ((box.y + y) * image.width + box.x) * image.channels;
    data.set(image.data.subarray(from, from + stride), y * stride);
  }
  return { width: box.width, height: box.height, channels: image.channels, data };
}

/** The box of all that is not wholly transparent, soft edges included. */
export function alphaBox({ width, height, data }: RawImage): { x: number; y: number; width: number; height: number } {
  const seen = new Uint8Array(width * height);
  for (let i = 0; i < seen.length; i++) seen[i] = data[4 * i + 3] === 0 ? 0 : 1;
  return maskBox({ width, height, data: seen });
}

export interface OutputOptions {
  readonly recipe: Recipe;
  readonly image: RawImage;
  readonly objects: readonly CutObject[];
  readonly name: string;
  readonly edit: string;
  /** Width of a sticker's outline, in units of the layer: see `outlineWeight`. */
  readonly weight: number;
  /** What the picture's colours are counted in; the stored images say so. Default sRGB. */
  readonly colours?: Colours;
  readonly store: (png: Uint8Array) => Promise<StoredImage>;
}

/** Of a layer's shorter side, at least one unit. */
export function outlineWeight({ width, height }: Target, outline: OutlineWidth): number {
  const share = { thin: 0.01, medium: 0.02, wide: 0.04 }[outline];
  return Math.max(1, Math.round(share * Math.min(width, height)));
}

const white = { r: 1, g: 1, b: 1 };

/** Stores what a result needs, and says what to make of it. Rejects as `store`. */
export async function makeOutput(options: OutputOptions): Promise<Output> {
  const { recipe, image, name, edit, weight, colours, store } = options;
  const kind = recipe.kind ?? "copy";
  const whole = together(options.objects);
  const shown = recipe.inverted ? without(image, whole) : whole;
  const one = async ({ name: called, image: cut }: CutObject): Promise<ResultObject> => {
    const traces = recipe.vector || recipe.outline;
    const share = shareOf(cut, image);
    const curves = traces ? traceMask(maskOfAlpha(share)) : null;
    if (kind === "trimmed") {
      const region = alphaBox(cut);
      return { name: called, image: await store(await encodePng(cropTo(cut, region), colours)), region, curves };
    }
    if (kind === "mask-group") {
      return {
        name: called,
        image: recipe.vector ? null : await store(await encodeAlpha(share)),
        region: null,
        curves,
      };
    }
    // A shape shows the picture itself: its curves are the edge.
    const pixels = kind === "shape" ? image : cut;
    return { name: called, image: await store(await encodePng(pixels, colours)), region: null, curves };
  };
  const several = kind === "objects";
  const cuts = several ? options.objects : [{ name, image: shown }];
  const objects: ResultObject[] = [];
  // One picture at a time: the main thread's memory is small.
  for (const cut of cuts) objects.push(await one(cut));
  return {
    kind,
    objects,
    background: recipe.white ? white : null,
    outline: recipe.outline ? { colour: white, weight } : null,
    edit,
  };
}
