/**
 * Masks of everything in an image, without prompts: a grid of points, and of what they give the firm masks, each once
 * (SAM, section 4 and appendix B; reference: sam2/automatic_mask_generator.py, `SAM2AutomaticMaskGenerator`).
 */
import type { AbortSignalLike } from "../abort.ts";
import { PromptError, StateError } from "../errors.ts";
import { checkImage, defaultMaxPixels, type RawImage, type Size } from "../image/image.ts";
import { removeSmallRegions } from "../mask/components.ts";
import { type Box, checkMaskFits, type Mask, maskBox } from "../mask/mask.ts";
import { suppressBoxes } from "../mask/nms.ts";
import { upsampledArea, upsampleMask } from "../mask/postprocess.ts";
import { encodeRle, encodeRleAt, type Rle, rleArea, rleIntersection } from "../mask/rle.ts";
import { selectSingleMask } from "../mask/score.ts";
import { geometry } from "../model/geometry.ts";
import { checkAwaited, checkInteger, checkKeys, checkOption, type Keys } from "../options.ts";
import { encodePrompt, type Point } from "../prompt/prompt.ts";
import type { Sam2 } from "../sam2.ts";
import { type Candidates, decodeMany } from "./decode.ts";
import { type Encoded, encodeImages, release } from "./encode.ts";
import { clampLogits } from "./finish.ts";
import { type Crop, cropsOf, pointGrid } from "./point-grid.ts";

/** Settings of an `AutomaticMaskGenerator`; the defaults are the reference's. */
export interface AutomaticMaskOptions {
  /** Points on each side of the grid. Default 32. */
  readonly pointsPerSide?: number;
  /** Instead: the points of each layer of crops, 0 to 1 on both axes. */
  readonly pointGrids?: readonly (readonly Point[])[];
  /** Points in one run of the decoder, which changes the memory it takes and nothing else. Default 16. */
  readonly pointsPerBatch?: number;
  /** Only masks whose predicted IoU is above it, 0 to 1. Default 0.8. */
  readonly predIouThreshold?: number;
  /** Only masks that are at least as stable, 0 to 1. Default 0.95. */
  readonly stabilityScoreThreshold?: number;
  /** Stability is the IoU of the masks at this many logits above and below `maskThreshold`. Default 1. */
  readonly stabilityScoreOffset?: number;
  /** The logit above which a pixel belongs to the mask. Default 0. */
  readonly maskThreshold?: number;
  /** Of masks whose boxes overlap by more than this IoU, the one with the highest predicted IoU stays. Default 0.7. */
  readonly boxNmsThreshold?: number;
  /** Layer i of crops looks at the image again in 2^i x 2^i parts. Default 0, the image alone. */
  readonly cropLayers?: number;
  /** As `boxNmsThreshold`, between crops; the one from the smaller crop stays. Default 0.7. */
  readonly cropNmsThreshold?: number;
  /** By how much of the image's short side the crops of the first layer overlap. Default 512 / 1500. */
  readonly cropOverlapRatio?: number;
  /** Layer i has `pointsPerSide / cropPointsDownscaleFactor^i` points on a side. Default 1. */
  readonly cropPointsDownscaleFactor?: number;
  /** Holes and specks of at most this many low-resolution pixels are filled and removed. Default 0. */
  readonly minMaskRegionArea?: number;
  /** Feeds each mask back as a prompt, once, before it is judged: better masks, four times the work. Default false. */
  readonly useM2m?: boolean;
  /** Three masks (whole, part, subpart) from each point, instead of one. Default true. */
  readonly multimaskOutput?: boolean;
  /** Larger images are refused with an `ImageError`; `defaultMaxPixels` if not given. */
  readonly maxPixels?: number;
}

export interface GenerateOptions {
  /** Only what points in this box show, in pixels: the grid, and the crops, lie in it instead of in the image. */
  readonly regionOfInterest?: Box;
  /** Masks that one has, of the image's size: what overlaps one of them by an IoU above `boxNmsThreshold` is left out. */
  readonly known?: readonly Mask[];
  /**
   * Begins with every fourth point in each direction, then every second, then all, and leaves out points on what was
   * found: faster by as much of the image as that covers, and without most parts of what was found. Default false.
   */
  readonly adaptive?: boolean;
  readonly signal?: AbortSignalLike;
  /** `loaded` and `total` count points; those left out count as done. */
  readonly onProgress?: (progress: AutomaticMaskProgress) => void;
}

/** How far the points are. */
export interface AutomaticMaskProgress {
  readonly loaded: number;
  readonly total: number;
  /** 0 to 1; it never falls. */
  readonly fraction: number;
}

/** One object, or part of one. */
export interface AutomaticMask {
  /** At the image's size: `decodeRle` makes the mask of it. */
  readonly rle: Rle;
  /** In pixels. */
  readonly area: number;
  readonly box: Box;
  /** The model's own estimate of the mask's IoU with the true one, 0 to 1. */
  readonly iouPrediction: number;
  /** How little the mask depends on its threshold, 0 to 1. */
  readonly stabilityScore: number;
  /** The point that showed it, in pixels. */
  readonly point: Point;
  /** The part of the image that the model saw. */
  readonly cropBox: Box;
}

/** What `stream` yields. */
export type AutomaticMaskStep =
  /** Masks of a few points, as they come: some of them will turn out to be others' doubles. */
  | { readonly kind: "found"; readonly masks: readonly AutomaticMask[]; readonly fraction: number }
  /** The end: all that stay, in the order of `generate`. */
  | { readonly kind: "settled"; readonly masks: readonly AutomaticMask[]; readonly fraction: 1 };

type Settings = Required<Omit<AutomaticMaskOptions, "pointsPerSide">>;

/**
 * Finds everything in an image. Calls may overlap, each with an image of its own; what a call takes on the device is
 * freed when it ends, whether it succeeds, fails, is aborted or, for `stream`, left.
 */
export class AutomaticMaskGenerator {
  readonly model: Sam2;
  readonly #options: Settings;
  readonly #running = new Set<AsyncGenerator<AutomaticMaskStep, void, void>>();
  #disposed = false;

  /** Throws a `PromptError`: "bad-option" names an option out of range, "unknown-option" one that there is not. */
  constructor(model: Sam2, options: AutomaticMaskOptions = {}) {
    checkAwaited("AutomaticMaskGenerator", "model", model);
    checkKeys("AutomaticMaskGenerator", options, optionKeys);
    this.model = model;
    this.#options = settingsOf(options);
  }

  /**
   * The masks of everything: by predicted IoU, the best first; with crops, those of smaller crops before those of larger
   * ones. Rejects with an `ImageError`, a `PromptError`, a `MaskError` for `known` of another size, or a `StateError`
   * "disposed".
   */
  async generate(image: RawImage, options: GenerateOptions = {}): Promise<readonly AutomaticMask[]> {
    let masks: readonly AutomaticMask[] = [];
    for await (const step of this.stream(image, options)) if (step.kind === "settled") masks = step.masks;
    return masks;
  }

  /** As `generate`, and what is found on the way. */
  async *stream(image: RawImage, options: GenerateOptions = {}): AsyncGenerator<AutomaticMaskStep, void, void> {
    checkKeys("generate", options, generateKeys);
    const checkAlive = (): void => {
      if (this.#disposed) throw new StateError("disposed", "stream: the generator is disposed");
    };
    checkAlive();
    const running = generate({ model: this.model, image, settings: this.#options, checkAlive }, options);
    this.#running.add(running);
    try {
      yield* running;
      checkAlive(); // `dispose` may have ended it early
    } finally {
      this.#running.delete(running);
    }
  }

  /** Refuses further calls, ends those under way at their next run of the decoder, and resolves when they have ended. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    // One that waits for its reader ends where it is, one that works at its next run: that rejects its own call.
    await Promise.allSettled([...this.#running].map((running) => running.return()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

interface Work {
  readonly model: Sam2;
  readonly image: RawImage;
  readonly settings: Settings;
  /** Throws once the generator is disposed of. */
  readonly checkAlive: () => void;
}

async function* generate(
  { model, image, settings, checkAlive }: Work,
  { regionOfInterest, known = [], adaptive = false, signal, onProgress }: GenerateOptions,
): AsyncGenerator<AutomaticMaskStep, void, void> {
  checkImage("generate", image, { maxPixels: settings.maxPixels });
  for (const mask of known) checkMaskFits("generate: known", mask, image);
  const region = regionIn(image, regionOfInterest);
  const crops = cropsOf(region, settings.cropLayers, settings.cropOverlapRatio).map(
    ({ layer, box }): Crop => ({ layer, box: { ...box, x: region.x + box.x, y: region.y + box.y } }),
  );
  const total = crops.reduce((sum, { layer }) => sum + (settings.pointGrids[layer] as readonly Point[]).length, 0);
  let loaded = 0;
  const advance = (points: number): number => {
    loaded += points;
    const fraction = loaded / total;
    onProgress?.({ loaded, total, fraction });
    return fraction;
  };
  const found: AutomaticMask[] = [];
  for (const crop of crops) {
    signal?.throwIfAborted();
    checkAlive();
    // The image itself is seen whole, wherever the points are: what is around a thing tells what it is.
    const seen = crop.layer === 0 ? { x: 0, y: 0, width: image.width, height: image.height } : crop.box;
    const points = (settings.pointGrids[crop.layer] as readonly Point[]).map(
      ([x, y]): Point => [crop.box.x + x * crop.box.width - seen.x, crop.box.y + y * crop.box.height - seen.y],
    );
    const encoded = await encodeImages(model, [cut(image, seen)], signal);
    const ofCrop: AutomaticMask[] = [];
    try {
      const look = new Look({ model, encoded: encoded[0] as Encoded, image, seen, settings, signal });
      for (const round of adaptive ? coarseToFine(points) : [points]) {
        const asked = round.filter((point) => !look.covers(point));
        if (asked.length < round.length) advance(round.length - asked.length);
        for await (const { masks, points: done } of look.at(asked)) {
          checkAlive();
          ofCrop.push(...masks);
          const fraction = advance(done);
          if (masks.length > 0) yield { kind: "found", masks, fraction };
        }
      }
    } finally {
      release(encoded);
    }
    found.push(...settle(ofCrop, ({ iouPrediction }) => iouPrediction, settings.boxNmsThreshold));
  }
  const settled =
    crops.length > 1
      ? settle(found, ({ cropBox }) => 1 / (cropBox.width * cropBox.height), settings.cropNmsThreshold)
      : found;
  yield { kind: "settled", masks: unknown(settled, known, settings.boxNmsThreshold), fraction: 1 };
}

/** One encoded crop, and the masks of points in it. */
class Look {
  readonly #model: Sam2;
  readonly #encoded: Encoded;
  readonly #image: Size;
  readonly #seen: Box;
  readonly #settings: Settings;
  readonly #signal: AbortSignalLike | undefined;
  /** Of the crop's pixels, those in a mask that was found. */
  readonly #covered: Uint8Array;

  constructor(context: {
    readonly model: Sam2;
    readonly encoded: Encoded;
    readonly image: Size;
    readonly seen: Box;
    readonly settings: Settings;
    readonly signal: AbortSignalLike | undefined;
  }) {
    this.#model = context.model;
    this.#encoded = context.encoded;
    this.#image = context.image;
    this.#seen = context.seen;
    this.#settings = context.settings;
    this.#signal = context.signal;
    this.#covered = new Uint8Array(context.seen.width * context.seen.height);
  }

  /** Whether a point of the crop lies in a mask that was found. */
  covers([x, y]: Point): boolean {
    const { width, height } = this.#seen;
    return this.#covered[Math.min(height - 1, Math.floor(y)) * width + Math.min(width - 1, Math.floor(x))] !== 0;
  }

  /** Run by run: what its points show, and how many they were. */
  async *at(
    points: readonly Point[],
  ): AsyncGenerator<{ readonly masks: readonly AutomaticMask[]; readonly points: number }, void, void> {
    const { multimaskOutput, useM2m } = this.#settings;
    const first = multimaskOutput ? 1 : 0;
    // Masks that are fed back are judged afterwards, whatever is predicted of them now.
    for await (const { answers, asked } of this.#decode(
      points.map((point) => ({ point })),
      useM2m ? undefined : first,
    )) {
      const candidates = answers.flatMap(({ point, candidates: one }) =>
        (multimaskOutput ? [1, 2, 3] : [selectSingleMask(one)]).map((mask) => this.#candidate(point, one, mask)),
      );
      const judged = useM2m ? await this.#refined(candidates) : candidates;
      const masks = judged.flatMap((candidate) => this.#judge(candidate) ?? []);
      yield { masks, points: asked };
    }
  }

  /** Run by run; no masks are made for prompts none of whose predicted IoUs, from `firstJudged` on, is high enough. */
  async *#decode(
    prompts: readonly { readonly point: Point; readonly logits?: Float32Array }[],
    firstJudged: 0 | 1 | undefined,
  ): AsyncGenerator<{ readonly answers: readonly Answer[]; readonly asked: number }, void, void> {
    const { imageSize } = this.#model.config;
    const { pointsPerBatch: promptsPerRun, predIouThreshold } = this.#settings;
    const side = geometry(this.#model.config).maskSide;
    const encoded = prompts.map(({ point, logits: data }) =>
      encodePrompt(
        { points: [point], ...(data && { maskInput: { width: side, height: side, data } }) },
        { image: this.#seen, imageSize, where: "generate" },
      ),
    );
    const isWanted = (iou: Float32Array): boolean => iou.subarray(firstJudged).some((one) => this.#isPromising(one));
    const skips = firstJudged !== undefined && predIouThreshold > 0;
    const options = { promptsPerRun, signal: this.#signal, ...(skips && { isWanted }) };
    for await (const { prompts: answered, candidates, asked } of decodeMany(
      this.#model,
      this.#encoded.features,
      encoded,
      options,
    )) {
      this.#signal?.throwIfAborted();
      const answers = answered.map((i, j) => ({
        point: (prompts[i] as { readonly point: Point }).point,
        candidates: candidates[j] as Candidates,
      }));
      yield { answers, asked };
    }
  }

  /** Each candidate's mask fed back with its point, for one better mask (`refine_with_m2m`). */
  async #refined(candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    const prompts = candidates.map(({ point, logits }) => ({ point, logits: clampLogits(logits) }));
    const refined: Candidate[] = [];
    for await (const { answers } of this.#decode(prompts, 0)) {
      refined.push(...answers.map(({ point, candidates: one }) => this.#candidate(point, one, selectSingleMask(one))));
    }
    return refined;
  }

  #isPromising(iou: number): boolean {
    const { predIouThreshold } = this.#settings;
    return predIouThreshold === 0 || iou > Math.fround(predIouThreshold);
  }

  #candidate(point: Point, { logits, iou }: Candidates, mask: number): Candidate {
    const size = logits.length / 4;
    return { point, logits: logits.subarray(mask * size, (mask + 1) * size), iou: iou[mask] as number };
  }

  /** The mask in the image, if it is a good one: the cheapest question first, and no mask is made of what fails. */
  #judge({ point, logits: raw, iou }: Candidate): AutomaticMask | undefined {
    const { stabilityScoreThreshold, stabilityScoreOffset, ...settings } = this.#settings;
    const { maskThreshold: threshold, minMaskRegionArea } = settings;
    if (!this.#isPromising(iou)) return undefined;
    const side = geometry(this.#model.config).maskSide;
    const low = { width: side, height: side };
    const regions = { ...low, maxHoleArea: minMaskRegionArea, maxSpeckArea: minMaskRegionArea };
    const logits = minMaskRegionArea > 0 ? removeSmallRegions(raw, regions) : raw;
    const areaAbove = (limit: number): number =>
      upsampledArea(logits, low, this.#seen, { threshold: Math.fround(limit) });
    const stabilityScore = Math.fround(
      areaAbove(threshold + stabilityScoreOffset) / areaAbove(threshold - stabilityScoreOffset),
    );
    if (stabilityScoreThreshold > 0 && !(stabilityScore >= Math.fround(stabilityScoreThreshold))) return undefined;
    const mask = upsampleMask(logits, low, this.#seen, { threshold });
    const inCrop = maskBox(mask);
    const { x, y } = this.#seen;
    const box = { ...inCrop, x: x + inCrop.x, y: y + inCrop.y };
    if (inCrop.width === 0 || isCut(box, this.#seen, this.#image)) return undefined;
    this.#cover(mask, inCrop);
    const { width, height } = this.#image;
    const rle = encodeRleAt(mask, inCrop, { x, y, width, height });
    return {
      rle,
      area: rleArea(rle),
      box,
      iouPrediction: iou,
      stabilityScore,
      point: [x + point[0], y + point[1]],
      cropBox: this.#seen,
    };
  }

  #cover({ data }: Mask, { x, y, width, height }: Box): void {
    for (let row = y; row < y + height; row++) {
      const start = row * this.#seen.width;
      for (let i = start + x; i < start + x + width; i++) if (data[i] !== 0) this.#covered[i] = 1;
    }
  }
}

/** What the decoder made of one point. */
interface Answer {
  readonly point: Point;
  readonly candidates: Candidates;
}

/** A mask of the decoder's, before it is judged. */
interface Candidate {
  readonly point: Point;
  readonly logits: Float32Array;
  readonly iou: number;
}

const EDGE = 20;

/** Whether a mask ends, to within 20 pixels, where its crop does and the image does not (`is_box_near_crop_edge`). */
function isCut(box: Box, crop: Box, image: Size): boolean {
  const last = ({ x, y, width, height }: Box): readonly number[] => [x, y, x + width - 1, y + height - 1];
  const cropEdges = [crop.x, crop.y, crop.x + crop.width, crop.y + crop.height];
  const imageEdges = [0, 0, image.width, image.height];
  return last(box).some((edge, i) => {
    const isNear = (edges: readonly number[]): boolean => Math.abs(edge - (edges[i] as number)) <= EDGE;
    return isNear(cropEdges) && !isNear(imageEdges);
  });
}

function settle(
  masks: readonly AutomaticMask[],
  score: (mask: AutomaticMask) => number,
  threshold: number,
): readonly AutomaticMask[] {
  const boxes = masks.map(({ box }) => box);
  return suppressBoxes(boxes, masks.map(score), threshold).map((i) => masks[i] as AutomaticMask);
}

/** Those that are none of the masks one has. */
function unknown(masks: readonly AutomaticMask[], known: readonly Mask[], threshold: number): readonly AutomaticMask[] {
  const rles = known.map(encodeRle).map((rle) => ({ rle, area: rleArea(rle) }));
  return masks.filter(({ rle, area }) =>
    rles.every((other) => {
      const both = rleIntersection(rle, other.rle);
      return !(both / (area + other.area - both) > threshold);
    }),
  );
}

/** Every fourth point of a list in reading order, then every second, then the rest: by what the grid would be, if square. */
function coarseToFine(points: readonly Point[]): readonly (readonly Point[])[] {
  const side = Math.round(Math.sqrt(points.length));
  const step = (i: number): number => {
    const [row, column] = [Math.floor(i / side), i % side];
    if (row % 4 === 2 && column % 4 === 2) return 0;
    return row % 2 === 0 && column % 2 === 0 ? 1 : 2;
  };
  return [0, 1, 2].map((round) => points.filter((_, i) => step(i) === round));
}

/** The part of the image that is looked at. Throws a `PromptError` "out-of-image". */
function regionIn(image: Size, box: Box | undefined): Box {
  if (box === undefined) return { x: 0, y: 0, width: image.width, height: image.height };
  const { x, y, width, height } = box;
  const isInside =
    [x, y, width, height].every(Number.isInteger) &&
    x >= 0 &&
    y >= 0 &&
    width > 0 &&
    height > 0 &&
    x + width <= image.width &&
    y + height <= image.height;
  if (isInside) return { x, y, width, height };
  throw new PromptError(
    "out-of-image",
    `generate: regionOfInterest must be a box of whole pixels inside the image, ${image.width}x${image.height}, got ` +
      `x ${x}, y ${y}, ${width}x${height}`,
    { details: { box, width: image.width, height: image.height } },
  );
}

function cut(image: RawImage, { x, y, width, height }: Box): RawImage {
  if (width === image.width && height === image.height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    const start = channels * ((y + row) * image.width + x);
    data.set(image.data.subarray(start, start + channels * width), channels * row * width);
  }
  return { ...image, width, height, data };
}

function settingsOf(options: AutomaticMaskOptions): Settings {
  const where = "AutomaticMaskGenerator";
  const {
    pointsPerSide,
    pointGrids,
    pointsPerBatch = 16,
    predIouThreshold = 0.8,
    stabilityScoreThreshold = 0.95,
    stabilityScoreOffset = 1,
    maskThreshold = 0,
    boxNmsThreshold = 0.7,
    cropLayers = 0,
    cropNmsThreshold = 0.7,
    cropOverlapRatio = 512 / 1500,
    cropPointsDownscaleFactor = 1,
    minMaskRegionArea = 0,
    useM2m = false,
    multimaskOutput = true,
    maxPixels = defaultMaxPixels,
  } = options;
  checkInteger(where, { pointsPerBatch }, 1);
  checkInteger(where, { cropLayers }, 0, 6);
  for (const [name, value] of Object.entries({
    predIouThreshold,
    stabilityScoreThreshold,
    boxNmsThreshold,
    cropNmsThreshold,
    cropOverlapRatio,
  })) {
    checkOption(where, { [name]: value }, "a number from 0 to 1", value >= 0 && value <= 1);
  }
  checkOption(where, { cropOverlapRatio }, "below 1", cropOverlapRatio < 1);
  checkOption(where, { stabilityScoreOffset }, "a number from 0", stabilityScoreOffset >= 0);
  checkOption(where, { maskThreshold }, "a finite number", Number.isFinite(maskThreshold));
  checkOption(where, { cropPointsDownscaleFactor }, "a number from 1", cropPointsDownscaleFactor >= 1);
  checkOption(where, { minMaskRegionArea }, "a number from 0", minMaskRegionArea >= 0);
  checkOption(where, { maxPixels }, "a number from 1", maxPixels >= 1);
  const grids = gridsOf(where, { pointsPerSide, pointGrids, cropLayers, cropPointsDownscaleFactor });
  return {
    pointGrids: grids,
    pointsPerBatch,
    predIouThreshold,
    stabilityScoreThreshold,
    stabilityScoreOffset,
    maskThreshold,
    boxNmsThreshold,
    cropLayers,
    cropNmsThreshold,
    cropOverlapRatio,
    cropPointsDownscaleFactor,
    minMaskRegionArea,
    useM2m,
    multimaskOutput,
    maxPixels,
  };
}

/** One grid for the image and for each layer of crops. */
function gridsOf(
  where: string,
  options: {
    readonly pointsPerSide: number | undefined;
    readonly pointGrids: readonly (readonly Point[])[] | undefined;
    readonly cropLayers: number;
    readonly cropPointsDownscaleFactor: number;
  },
): readonly (readonly Point[])[] {
  const { pointsPerSide, pointGrids, cropLayers, cropPointsDownscaleFactor } = options;
  if (pointGrids === undefined) {
    const side = pointsPerSide ?? 32;
    checkInteger(where, { pointsPerSide: side }, 1, 1024);
    return Array.from({ length: cropLayers + 1 }, (_, layer) =>
      pointGrid(Math.max(1, Math.floor(side / cropPointsDownscaleFactor ** layer))),
    );
  }
  checkOption(where, { pointsPerSide }, "left out where there are pointGrids", pointsPerSide === undefined);
  const count = `a grid for the image and each of ${cropLayers} layers of crops`;
  checkOption(where, { pointGrids }, count, Array.isArray(pointGrids) && pointGrids.length === cropLayers + 1);
  for (const grid of pointGrids) {
    const holds = grid.every((point) => point.length === 2 && point.every((at) => at >= 0 && at <= 1));
    checkOption(where, { pointGrids }, "lists of points from 0 to 1", holds);
  }
  return pointGrids.map((grid) => grid.map(([x, y]): Point => [x, y]));
}

const optionKeys: Keys<AutomaticMaskOptions> = {
  pointsPerSide: true,
  pointGrids: true,
  pointsPerBatch: true,
  predIouThreshold: true,
  stabilityScoreThreshold: true,
  stabilityScoreOffset: true,
  maskThreshold: true,
  boxNmsThreshold: true,
  cropLayers: true,
  cropNmsThreshold: true,
  cropOverlapRatio: true,
  cropPointsDownscaleFactor: true,
  minMaskRegionArea: true,
  useM2m: true,
  multimaskOutput: true,
  maxPixels: true,
};
const generateKeys: Keys<GenerateOptions> = {
  regionOfInterest: true,
  known: true,
  adaptive: true,
  signal: true,
  onProgress: true,
};
