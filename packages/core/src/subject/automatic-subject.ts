/** What a picture is about, by SAM 2 alone: of the masks of everything, the one that a picture would be taken for. */
import type { AbortSignalLike } from "../abort.ts";
import type { RawImage, Size } from "../image/image.ts";
import { type Mask, maskArea, maskBox, maskIou } from "../mask/mask.ts";
import { decodeRle } from "../mask/rle.ts";
import { checkAwaited, checkInteger, checkKeys, type Keys, signalKeys } from "../options.ts";
import { AutomaticMaskGenerator } from "../predict/automatic-masks.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import type { Sam2 } from "../sam2.ts";
import { borderShare, type FoundSubject, type SubjectDoubt, type SubjectFinder } from "./subject.ts";
import { mirrored } from "./subject-prompt.ts";

export interface AutomaticSubjectOptions {
  /** Points on each side of the grid that the masks come from. Default 16. */
  readonly pointsPerSide?: number;
  /** Larger images are refused with an `ImageError`; `defaultMaxPixels` if not given. */
  readonly maxPixels?: number;
}

/** A mask, and how much it looks like what the picture is about. */
interface Candidate {
  readonly mask: Mask;
  readonly score: number;
}

/** So many are looked at again in the mirrored picture. */
const FINALISTS = 3;

/** Masks that overlap by less are of different things. */
const SAME = 0.5;

/** A score below is of what is small, off the middle or cut by the border, or of a mask that the model is not firm about. */
const WEAK = 0.3;

/**
 * Finds the subject without another model: masks of everything, ranked by how central they are, their size, how little of
 * the picture's border they take up and their predicted IoU; the best are looked for again in the mirrored picture. The
 * soft mask is the mean of all masks of the winner.
 */
export class AutomaticSubjectFinder implements SubjectFinder {
  readonly model: Sam2;
  readonly #options: AutomaticSubjectOptions;

  /** Throws a `PromptError`: "bad-option", "unknown-option". */
  constructor(model: Sam2, options: AutomaticSubjectOptions = {}) {
    checkAwaited("AutomaticSubjectFinder", "the model", model);
    checkKeys("AutomaticSubjectFinder", options, automaticKeys);
    if (options.pointsPerSide !== undefined) {
      checkInteger("AutomaticSubjectFinder", { pointsPerSide: options.pointsPerSide }, 1);
    }
    this.model = model;
    this.#options = options;
  }

  async find(image: RawImage, given: { readonly signal?: AbortSignalLike } = {}): Promise<FoundSubject> {
    checkKeys("find", given, signalKeys);
    const { signal } = given;
    const { pointsPerSide = 16, maxPixels } = this.#options;
    const limit = maxPixels === undefined ? {} : { maxPixels };
    const stop = signal && { signal };
    await using generator = new AutomaticMaskGenerator(this.model, {
      pointsPerSide,
      // Lower than usual: what is not firm loses in the ranking.
      predIouThreshold: 0.6,
      stabilityScoreThreshold: 0.8,
      ...limit,
    });
    const candidates = (await generator.generate(image, { ...stop }))
      .map(({ rle, iouPrediction }): Candidate => {
        const mask = decodeRle(rle);
        return { mask, score: iouPrediction * prominence(mask) };
      })
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score);
    const finalists = candidates.slice(0, FINALISTS);
    if (finalists.length === 0) {
      const { width, height } = image;
      return { width, height, data: new Float32Array(width * height), unsure: ["no-subject"] };
    }
    const again = await this.#inMirror(image, finalists, stop);
    const judged = finalists
      .map(({ mask, score }, i) => {
        const seen = again[i] as Mask;
        const agreement = maskIou(mask, seen);
        return { mask, seen, agreement, score: score * agreement };
      })
      .sort((a, b) => b.score - a.score);
    const [best] = judged as [(typeof judged)[number]];
    const unsure: SubjectDoubt[] = [];
    if (best.score < WEAK) unsure.push("weak");
    if (best.agreement < 0.7) unsure.push("unlike-when-mirrored");
    const rivals = candidates.filter(({ mask }) => isApart(mask, best.mask));
    if (rivals.some(({ score }) => score * best.agreement > 0.5 * best.score)) unsure.push("several");
    if (borderShare(best.mask) > 0.2) unsure.push("cut-off");
    const same = candidates.filter(({ mask }) => maskIou(mask, best.mask) >= SAME);
    return { ...mean(image, [...same, { mask: best.seen, score: best.score }]), unsure };
  }

  /** For each candidate, what its box shows in the mirrored picture, mirrored back. */
  async #inMirror(
    image: RawImage,
    candidates: readonly Candidate[],
    stop: { readonly signal: AbortSignalLike } | undefined,
  ): Promise<readonly Mask[]> {
    await using predictor = new ImagePredictor(this.model, { maxPixels: Number.POSITIVE_INFINITY });
    await predictor.setImage({ ...image, data: mirrored(image.data, image, image.channels) }, { ...stop });
    const prompts = candidates.map(({ mask }) => {
      const { x, y, width, height } = maskBox(mask);
      return { box: { x: image.width - x - width, y, width, height } };
    });
    const found = await predictor.predictMany(prompts, { multimaskOutput: false, ...stop });
    return found.map(({ best }) => ({ ...best, data: mirrored(best.data, best, 1) }));
  }
}

/** How much a mask's place and size are a subject's, 0 to 1. */
function prominence(mask: Mask): number {
  const { width, height } = mask;
  const area = maskArea(mask);
  if (area === 0) return 0;
  const share = area / (width * height);
  let [sumX, sumY] = [0, 0];
  for (let i = 0; i < mask.data.length; i++) {
    if (mask.data[i] === 0) continue;
    sumX += (i % width) + 0.5;
    sumY += Math.floor(i / width) + 0.5;
  }
  // 0 in the middle, 1 at the middle of an edge.
  const offCentre = Math.hypot((2 * sumX) / (area * width) - 1, (2 * sumY) / (area * height) - 1);
  const central = Math.exp(-2 * offCentre ** 2);
  // A twentieth of the picture and more, but not nearly all of it.
  const sized = Math.min(1, share / 0.05) * Math.min(1, (1 - share) / 0.2);
  const free = Math.exp(-6 * borderShare(mask));
  return central * sized * free;
}

/** Of different things: neither much the same, nor one a part of the other. */
function isApart(a: Mask, b: Mask): boolean {
  let both = 0;
  for (let i = 0; i < a.data.length; i++) if (a.data[i] !== 0 && b.data[i] !== 0) both++;
  return both < SAME * Math.min(maskArea(a), maskArea(b));
}

/** The mean of masks, weighted by their scores. */
function mean({ width, height }: Size, candidates: readonly Candidate[]): FoundSubject {
  const data = new Float32Array(width * height);
  const total = candidates.reduce((sum, { score }) => sum + score, 0);
  for (const { mask, score } of candidates) {
    for (let i = 0; i < data.length; i++) {
      if (mask.data[i] !== 0) data[i] = (data[i] as number) + score / total;
    }
  }
  return { width, height, data };
}

const automaticKeys: Keys<AutomaticSubjectOptions> = { pointsPerSide: true, maxPixels: true };
