/** Cuts out what a picture is about, without a prompt. */
import type { AbortSignalLike } from "../abort.ts";
import { checkImage, defaultMaxPixels, type RawImage } from "../image/image.ts";
import { type Cutout, type CutoutOptions, cutout } from "../mask/cutout.ts";
import { type Mask, maskArea, maskIou } from "../mask/mask.ts";
import { checkAwaited, checkKeys, checkOption, type Keys, signalKeys } from "../options.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import type { ImageSegmenter } from "../predict/image-segmenter.ts";
import type { Sam2 } from "../sam2.ts";
import { AutomaticSubjectFinder } from "./automatic-subject.ts";
import { cutFromFlatBackground } from "./flat-background.ts";
import {
  checkSoftMask,
  type FoundSubject,
  hardMask,
  type SoftMask,
  type SubjectDoubt,
  type SubjectFinder,
} from "./subject.ts";
import { subjectPrompt } from "./subject-prompt.ts";

/** Options of a `BackgroundRemover`. */
export interface BackgroundOptions extends CutoutOptions {
  /** Finds the subject. Default an `AutomaticSubjectFinder` of the model. */
  readonly finder?: SubjectFinder;
  /**
   * Whether SAM 2 draws the outline of what the finder found. Default true; false takes the finder's soft mask as alpha,
   * which is better for hair where the finder is a model of matting.
   */
  readonly sharpen?: boolean;
  /** Whether a flat background is told by its colour, exactly, without any model. Default true. */
  readonly flat?: boolean;
  /** For flat backgrounds: whether what the object encloses and has the background's colour is transparent. Default true. */
  readonly holes?: boolean;
  /** As for `cutout`, for outlines by SAM 2. Default 1. */
  readonly feather?: number;
  /** Whether pixels that are partly transparent get the colour of the subject beside them. Default true. */
  readonly decontaminate?: boolean;
  /** Larger images are refused with an `ImageError`; `defaultMaxPixels` if not given. */
  readonly maxPixels?: number;
}

/** A picture without its background. */
export interface Foreground {
  /** RGBA with straight alpha, cut down with `crop`. */
  readonly cutout: Cutout;
  /** Where alpha is half or more, at the image's size. */
  readonly mask: Mask;
  /** How the subject was told: by the background's colour, by SAM 2's outline, or by the finder's soft mask alone. */
  readonly method: "flat-background" | "outline" | "soft-mask";
  /** SAM 2's own estimate of the outline's IoU with the true one, 0 to 1; for "outline". */
  readonly predictedIou?: number;
  /** Whether there is no doubt. */
  readonly sure: boolean;
  /** What speaks against it, in codes; `subjectDoubts` has the words. */
  readonly unsure: readonly SubjectDoubt[];
}

/** The masks of finder and SAM 2 are of one thing from this IoU on. */
const SAME = 0.6;

/** Below this the model itself thinks little of its mask. */
const POOR_IOU = 0.5;

/** Pixels as far from one that is partly transparent may give it their colour. */
const REACH = 4;

/**
 * Removes the backgrounds of pictures, one after another or several at once. The model is loaded or made when it is first
 * needed: pictures on flat backgrounds need none.
 */
export class BackgroundRemover {
  readonly #model: Sam2 | (() => Promise<Sam2>);
  readonly #options: BackgroundOptions;

  /** Throws a `PromptError`: "bad-option", "unknown-option"; or a `MaskletError` "not-awaited". */
  constructor(model: Sam2 | (() => Promise<Sam2>), options: BackgroundOptions = {}) {
    checkAwaited("BackgroundRemover", "the model", model);
    checkKeys("BackgroundRemover", options, backgroundKeys);
    checkAwaited("BackgroundRemover: finder", "it", options.finder);
    const { feather = 0, padding = 0 } = options;
    for (const [name, length] of Object.entries({ feather, padding })) {
      checkOption("removeBackground", { [name]: length }, "0 to 4096 pixels", length >= 0 && length <= 4096);
    }
    this.#model = model;
    this.#options = options;
  }

  /**
   * Rejects with an `ImageError` for what is no image, with `crop` a `MaskError` "empty-mask" where there is no subject; as
   * the finder and the model do; and with the signal's reason.
   */
  async remove(image: RawImage, options: { readonly signal?: AbortSignalLike } = {}): Promise<Foreground> {
    checkKeys("remove", options, signalKeys);
    const { signal } = options;
    const { flat = true, feather = 1, decontaminate = true } = this.#options;
    checkImage("removeBackground", image, { maxPixels: this.#options.maxPixels ?? defaultMaxPixels });
    signal?.throwIfAborted();
    const byColour = flat ? flatForeground(image, this.#options) : undefined;
    if (byColour !== undefined) return byColour;
    const found = await this.#find(image, signal);
    const { mask } = found;
    const pixels = found.soft === undefined ? cutout(image, mask, { feather }) : fade(image, found.soft);
    const clean = decontaminate ? decontaminated(pixels) : pixels;
    return {
      cutout: cropped(clean, this.#options),
      mask,
      method: found.soft === undefined ? "outline" : "soft-mask",
      ...(found.predictedIou !== undefined && { predictedIou: found.predictedIou }),
      ...doubts(found.unsure),
    };
  }

  async #find(image: RawImage, signal: AbortSignalLike | undefined): Promise<OutlinedSubject> {
    const { sharpen = true, finder: given } = this.#options;
    const stop = signal && { signal };
    const finder = given ?? new AutomaticSubjectFinder(await this.#loaded(), { maxPixels: Number.POSITIVE_INFINITY });
    const soft = await finder.find(image, { ...stop });
    checkSoftMask("removeBackground", soft, image);
    signal?.throwIfAborted();
    const seen = hardMask(soft);
    if (!sharpen || maskArea(seen) === 0) return { mask: seen, soft, unsure: doubtsOf(soft, seen) };
    const model = await this.#loaded();
    await using predictor = new ImagePredictor(model, { maxPixels: Number.POSITIVE_INFINITY });
    await predictor.setImage(image, { ...stop });
    // Awaited before the predictor goes.
    return await outlineSubject(predictor, soft, { imageSize: model.config.imageSize, ...stop });
  }

  #loaded(): Promise<Sam2> {
    const model = this.#model;
    return typeof model === "function" ? model() : Promise.resolve(model);
  }
}

/** The foreground of a picture on a flat background, cut by its colour; `undefined` for other pictures. */
export function flatForeground(image: RawImage, options: BackgroundOptions): Foreground | undefined {
  const cut = cutFromFlatBackground(image, { holes: options.holes ?? true });
  if (cut === undefined) return undefined;
  const { mask, unsure } = cut;
  return { cutout: cropped(cut.image, options), mask, method: "flat-background", ...doubts(unsure) };
}

/** A subject's outline. */
export interface OutlinedSubject {
  readonly mask: Mask;
  /** The finder's own, where it is to be taken as alpha: SAM 2's outline is of another thing. */
  readonly soft?: SoftMask;
  /** SAM 2's own estimate of the outline's IoU with the true one. */
  readonly predictedIou?: number;
  readonly unsure: readonly SubjectDoubt[];
}

/** Options of `outlineSubject`. */
export interface OutlineOptions {
  /** Of the predictor's model: `config.imageSize`. */
  readonly imageSize: number;
  readonly signal?: AbortSignalLike;
}

/**
 * SAM 2's outline of what a finder found, by a predictor that has the picture; the finder's doubts and its own. Where the
 * outline is of another thing, or nothing was found, what the finder said is kept. Rejects as the predictor.
 */
export async function outlineSubject(
  predictor: Pick<ImageSegmenter, "predict">,
  soft: FoundSubject,
  options: OutlineOptions,
): Promise<OutlinedSubject> {
  checkKeys("outlineSubject", options, outlineKeys);
  const { imageSize, signal } = options;
  const seen = hardMask(soft);
  const unsure = doubtsOf(soft, seen);
  const prompt = subjectPrompt(soft, imageSize);
  if (prompt === undefined) return { mask: seen, soft, unsure };
  const { best: mask, bestIou } = await predictor.predict(prompt, {
    multimaskOutput: false,
    ...(signal && { signal }),
  });
  // What SAM 2 makes of it may be another thing, a part for instance.
  if (maskIou(mask, seen) < SAME) return { mask: seen, soft, unsure: [...unsure, "sharpened-unlike"] };
  return { mask, predictedIou: bestIou, unsure: bestIou < POOR_IOU ? [...unsure, "poor-mask"] : unsure };
}

function doubts(unsure: readonly SubjectDoubt[]): Pick<Foreground, "sure" | "unsure"> {
  return { sure: unsure.length === 0, unsure: [...new Set(unsure)] };
}

/** The finder's doubts, and what the soft mask shows by itself. */
function doubtsOf({ data, unsure = [] }: FoundSubject, seen: Mask): readonly SubjectDoubt[] {
  const area = maskArea(seen);
  if (area === 0) return [...unsure, "no-subject"];
  let undecided = 0;
  for (let i = 0; i < data.length; i++) if ((data[i] as number) > 0.2 && (data[i] as number) < 0.8) undecided++;
  return undecided > 0.3 * area ? [...unsure, "faint"] : unsure;
}

function everything({ width, height }: RawImage): Mask {
  return { width, height, data: new Uint8Array(width * height).fill(1) };
}

/**
 * The image with a soft mask as alpha, its own alpha multiplied in; what is partly transparent has the colour of what is
 * opaque beside it. Throws an `ImageError` for what is no image, a `MaskError` "mask-size-mismatch" or "mask-data-length" for
 * a soft mask that is not of its size.
 */
export function softCutout(image: RawImage, soft: SoftMask): Cutout {
  checkImage("softCutout", image, { maxPixels: Number.POSITIVE_INFINITY });
  checkSoftMask("softCutout", soft, image);
  return decontaminated(fade(image, soft));
}

/** The image with its alpha multiplied by a soft mask. */
function fade(image: RawImage, { data: soft }: SoftMask): Cutout {
  const pixels = cutout(image, everything(image));
  const data = Uint8Array.from(pixels.data);
  for (let i = 0; i < soft.length; i++) {
    const alpha = Math.round((soft[i] as number) * (data[4 * i + 3] as number));
    if (alpha === 0) data.fill(0, 4 * i, 4 * i + 4);
    else data[4 * i + 3] = alpha;
  }
  return { ...pixels, data };
}

/** Partly transparent pixels in the colours of the opaque ones around them, the nearer the more. */
function decontaminated(pixels: Cutout): Cutout {
  const { width, height, data: source } = pixels;
  const data = Uint8Array.from(source);
  for (let at = 0; at < width * height; at++) {
    const alpha = source[4 * at + 3] as number;
    if (alpha === 0 || alpha === 255) continue;
    const x0 = at % width;
    const y0 = (at - x0) / width;
    let [r, g, b, total] = [0, 0, 0, 0];
    for (let y = Math.max(0, y0 - REACH); y <= Math.min(height - 1, y0 + REACH); y++) {
      for (let x = Math.max(0, x0 - REACH); x <= Math.min(width - 1, x0 + REACH); x++) {
        const i = 4 * (y * width + x);
        if (source[i + 3] !== 255) continue;
        const weight = 1 / ((x - x0) ** 2 + (y - y0) ** 2) ** 2;
        r += weight * (source[i] as number);
        g += weight * (source[i + 1] as number);
        b += weight * (source[i + 2] as number);
        total += weight;
      }
    }
    if (total === 0) continue;
    data[4 * at] = Math.round(r / total);
    data[4 * at + 1] = Math.round(g / total);
    data[4 * at + 2] = Math.round(b / total);
  }
  return { ...pixels, data };
}

/** Cut down to all that is not transparent, or the whole. */
function cropped(pixels: RawImage, { crop = false, padding = 0 }: BackgroundOptions): Cutout {
  const seen = everything(pixels);
  if (crop) for (let i = 0; i < seen.data.length; i++) seen.data[i] = pixels.data[4 * i + 3] === 0 ? 0 : 1;
  return cutout(pixels, seen, { crop, padding });
}

const outlineKeys: Keys<OutlineOptions> = { imageSize: true, signal: true };
/** For those who add to the options. */
export const backgroundKeys: Keys<BackgroundOptions> = {
  finder: true,
  sharpen: true,
  flat: true,
  holes: true,
  feather: true,
  decontaminate: true,
  crop: true,
  padding: true,
  maxPixels: true,
};
