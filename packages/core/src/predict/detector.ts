/** What finds boxes for the predictor to make masks of: detectors, whatever computes them. */
import type { AbortSignalLike } from "../abort.ts";
import { DetectorError } from "../errors.ts";
import { checkImage, type RawImage } from "../image/image.ts";
import { checkKeys, checkOption, type Keys, signalKeys } from "../options.ts";
import type { PromptBox } from "../prompt/prompt.ts";

/** One thing that a detector sees. */
export interface Detection {
  /** In pixels of the image, inside it: a prompt's `box`. */
  readonly box: PromptBox;
  /** What it is. */
  readonly label: string;
  /** How sure the detector is, 0 to 1. */
  readonly score: number;
}

export interface DetectOptions {
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/** Finds things in images: boxes with labels, which `segmentMany` makes masks of. */
export interface Detector {
  /** What it can find, in the order of its classes; `undefined` where that is not known. */
  readonly labels: readonly string[] | undefined;
  /** By score, the best first. */
  detect(image: RawImage, options?: DetectOptions): Promise<readonly Detection[]>;
}

/**
 * A pipeline of transformers.js as far as it is used: `pipeline("object-detection", ...)`, or with texts
 * `pipeline("zero-shot-object-detection", ...)`. It is called with the image, the texts if there are any, and options.
 */
// biome-ignore lint/suspicious/noExplicitAny: a function of another package, whose types are not here
export type DetectionPipeline = (...args: any[]) => Promise<unknown>;

export interface PipelineDetectorOptions {
  /**
   * What the pipeline takes for an image:
   * `({ data, width, height, channels }) => new transformers.RawImage(data, width, height, channels)`.
   */
  readonly toImage: (image: RawImage) => unknown;
  /** For a zero-shot pipeline: what to look for, in words. */
  readonly texts?: readonly string[];
  /** The least score, 0 to 1. Default 0.25; 0.1 with `texts`, whose scores are lower. */
  readonly conf?: number;
  /** At most so many, the best. Default 300. */
  readonly maxDet?: number;
}

/**
 * A detector that asks a pipeline of transformers.js, which the caller brings. A call of it cannot be stopped: an abort
 * takes effect when it is over. `detect` rejects with a `DetectorError` "pipeline-answer" for an answer that is no list
 * of boxes. Throws a `PromptError` "bad-option" or "unknown-option".
 */
export function pipelineDetector(pipeline: DetectionPipeline, options: PipelineDetectorOptions): Detector {
  const where = "pipelineDetector";
  checkKeys(where, options, pipelineKeys);
  const { toImage, texts, conf = texts === undefined ? 0.25 : 0.1, maxDet = 300 } = options;
  checkOption(where, { pipeline }, "a function", typeof pipeline === "function");
  checkOption(where, { toImage }, "a function", typeof toImage === "function");
  checkOption(where, { texts }, "words, at least one", texts === undefined || texts.length > 0);
  checkOption(where, { conf }, "a number from 0 to 1", conf >= 0 && conf <= 1);
  checkOption(where, { maxDet }, "an integer from 1", Number.isSafeInteger(maxDet) && maxDet >= 1);
  return {
    labels: texts,
    detect: async (image, given = {}) => {
      checkKeys("detect", given, signalKeys);
      const { signal } = given;
      checkImage("detect", image, { maxPixels: Number.POSITIVE_INFINITY });
      signal?.throwIfAborted();
      const words = texts === undefined ? [] : [[...texts]];
      const answer = await pipeline(toImage(image), ...words, { threshold: conf, percentage: false });
      signal?.throwIfAborted();
      if (!Array.isArray(answer)) throw badAnswer("a list", answer);
      const found = answer.flatMap((one) => detectionOf(one, image) ?? []);
      const firm = found.filter(({ score }) => score >= conf);
      return firm.sort((a, b) => b.score - a.score).slice(0, maxDet);
    },
  };
}

function detectionOf(answer: unknown, image: RawImage): Detection | undefined {
  const { label, score, box } = (answer ?? {}) as Readonly<Record<string, unknown>>;
  const { xmin, ymin, xmax, ymax } = (box ?? {}) as Readonly<Record<string, unknown>>;
  const sides = [xmin, ymin, xmax, ymax];
  if (typeof label !== "string" || typeof score !== "number" || !sides.every(Number.isFinite)) {
    throw badAnswer("{ label, score, box: { xmin, ymin, xmax, ymax } }", answer);
  }
  const clipped = clipBox(sides as unknown as PromptBox, image);
  return clipped && { box: clipped, label, score };
}

/** The part of a box that is in the image, `undefined` for none. */
export function clipBox(
  [x0, y0, x1, y1]: PromptBox,
  { width, height }: Pick<RawImage, "width" | "height">,
): PromptBox | undefined {
  const clipped = [Math.max(0, x0), Math.max(0, y0), Math.min(width, x1), Math.min(height, y1)] as const;
  return clipped[0] < clipped[2] && clipped[1] < clipped[3] ? clipped : undefined;
}

function badAnswer(expected: string, got: unknown): DetectorError {
  const shown = JSON.stringify(got) ?? String(got);
  return new DetectorError("pipeline-answer", `detect: the pipeline must answer with ${expected}, got ${shown}`, {
    details: { expected, got },
  });
}

const pipelineKeys: Keys<PipelineDetectorOptions> = { toImage: true, texts: true, conf: true, maxDet: true };
