/** `--everything`: masks without prompts. */
import { readFile } from "node:fs/promises";
import {
  type AutomaticMask,
  AutomaticMaskGenerator,
  type AutomaticMaskOptions,
  decodeRle,
  type GenerateOptions,
  type Mask,
  type Point,
  parseJson,
  type RawImage,
  type Sam2,
  systemReason,
} from "@masklet/core/node";
import type { MaskPictures } from "../mask-pictures.ts";
import { percent } from "../progress.ts";
import { type BoxFormat, type Corners, cornersOf, parseCoordinate, promptFor } from "../prompts.ts";
import { count, numberOption, UsageError } from "../usage.ts";
import type { Input } from "./inputs.ts";
import type { FoundMask } from "./record.ts";
import { type CommonWork, type Finding, type ImageHost, inputReader } from "./segmenter.ts";

/** Options of `AutomaticMaskGenerator` under Meta's names, and its calls'. */
export const everythingOptions = {
  everything: {
    type: "boolean",
    help: "Find everything, without prompts: a grid of points, and what they show, each thing once.",
  },
  "points-per-side": { type: "string", value: "N", help: "Points on each side of the grid. Default 32." },
  "point-grids": {
    type: "string",
    value: "JSON",
    help: "Instead: a file with a list of points, [x, y] from 0 to 1, for the image and each layer of crops: [[[0.5,0.5]]].",
  },
  "points-per-batch": {
    type: "string",
    value: "N",
    help: "Points in one run of the decoder, which changes the memory it takes and nothing else. Default 16.",
  },
  "pred-iou-thresh": {
    type: "string",
    value: "N",
    help: "Only masks whose predicted IoU is above it, 0 to 1. Default 0.8.",
  },
  "stability-score-thresh": {
    type: "string",
    value: "N",
    help: "Only masks that are at least as stable, 0 to 1. Default 0.95.",
  },
  "stability-score-offset": {
    type: "string",
    value: "N",
    help: "Stability is the IoU of the masks at this many logits above and below the threshold. Default 1.",
  },
  "box-nms-thresh": {
    type: "string",
    value: "N",
    help: "Of masks whose boxes overlap by a higher IoU the better one stays. Default 0.7.",
  },
  "crop-n-layers": {
    type: "string",
    value: "N",
    help: "Layer i looks at the image again in 2^i x 2^i parts, for small things. Default 0.",
  },
  "crop-nms-thresh": { type: "string", value: "N", help: "As --box-nms-thresh, between crops. Default 0.7." },
  "crop-overlap-ratio": {
    type: "string",
    value: "N",
    help: "By how much of the image's short side crops overlap. Default 512 / 1500.",
  },
  "crop-n-points-downscale-factor": {
    type: "string",
    value: "N",
    help: "Each layer of crops has so many times fewer points on a side than the one before. Default 1.",
  },
  "min-mask-region-area": {
    type: "string",
    value: "N",
    help: "Fill holes and remove specks of at most N low-resolution pixels. Default 0.",
  },
  "use-m2m": {
    type: "boolean",
    help: "Feed each mask back once before it is judged: better masks, four times the work.",
  },
  "no-multimask-output": {
    type: "boolean",
    help: "One mask from each point instead of three (whole, part, subpart).",
  },
  region: {
    type: "string",
    value: "X0,Y0,X1,Y1",
    help: "Look only at this part of each image, in pixels or percents; as X,Y,W,H with --box-format xywh.",
  },
  known: {
    type: "string",
    multiple: true,
    value: "PNG",
    help: "Leave out what these mask pictures show already; of a label map each label.",
  },
  adaptive: {
    type: "boolean",
    help: "Coarse points first, and none on what was found: faster, without most parts of what was found.",
  },
} as const;

type EverythingValues = { readonly [K in keyof typeof everythingOptions]?: string | boolean | string[] | undefined };

/** What `--everything` finds. */
export interface EverythingWork extends CommonWork {
  readonly generator: AutomaticMaskOptions;
  readonly adaptive: boolean;
  readonly region: Corners | undefined;
  /** Pictures of masks that one has. */
  readonly known: readonly string[];
}

/** Throws a `UsageError`; what of the numbers is out of range, the generator says. */
export async function everythingWork(
  values: EverythingValues,
  { boxFormat, ...common }: CommonWork & { readonly boxFormat: BoxFormat },
): Promise<EverythingWork> {
  const number = (name: keyof typeof everythingOptions, range: { min: number; max?: number; integer?: boolean }) =>
    numberOption(`--${name}`, values[name] as string | undefined, range);
  const share = { min: 0, max: 1 } as const;
  const grids = values["point-grids"] as string | undefined;
  if (grids !== undefined && values["points-per-side"] !== undefined) {
    throw new UsageError("--points-per-side and --point-grids both say where the points are: give one of them");
  }
  const { maskThreshold } = common.predictor;
  const given: { readonly [K in keyof AutomaticMaskOptions]: AutomaticMaskOptions[K] | undefined } = {
    pointsPerSide: number("points-per-side", { min: 1, max: 1024, integer: true }),
    pointsPerBatch: number("points-per-batch", { min: 1, integer: true }),
    predIouThreshold: number("pred-iou-thresh", share),
    stabilityScoreThreshold: number("stability-score-thresh", share),
    stabilityScoreOffset: number("stability-score-offset", { min: 0 }),
    boxNmsThreshold: number("box-nms-thresh", share),
    cropLayers: number("crop-n-layers", { min: 0, max: 6, integer: true }),
    cropNmsThreshold: number("crop-nms-thresh", share),
    cropOverlapRatio: number("crop-overlap-ratio", share),
    cropPointsDownscaleFactor: number("crop-n-points-downscale-factor", { min: 1 }),
    minMaskRegionArea: number("min-mask-region-area", { min: 0 }),
    pointGrids: grids === undefined ? undefined : await readGrids(grids),
    useM2m: values["use-m2m"] === true ? true : undefined,
    multimaskOutput: values["no-multimask-output"] === true ? false : undefined,
    maskThreshold,
    maxPixels: common.maxPixels,
  };
  const generator = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    ...common,
    generator,
    adaptive: values.adaptive === true,
    region: values.region === undefined ? undefined : parseRegion(values.region as string, boxFormat),
    known: (values.known as string[] | undefined) ?? [],
  };
}

function parseRegion(text: string, format: BoxFormat): Corners {
  const corners = cornersOf(text.split(",").map(parseCoordinate), format);
  if (corners !== undefined) return corners;
  const shape = format === "xyxy" ? "X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1" : "X,Y,W,H with W and H more than 0";
  throw new UsageError(`--region takes ${shape}, got "${text}"`);
}

async function readGrids(path: string): Promise<readonly (readonly Point[])[]> {
  const fail = (problem: string): UsageError => new UsageError(`--point-grids ${path}: ${problem}`);
  let grids: unknown;
  try {
    grids = parseJson(await readFile(path));
  } catch (error) {
    throw fail(`cannot be read: ${systemReason(error)}`);
  }
  const isPoint = (point: unknown): boolean =>
    Array.isArray(point) && point.length === 2 && point.every((at) => typeof at === "number" && at >= 0 && at <= 1);
  const isGrid = (grid: unknown): boolean => Array.isArray(grid) && grid.length > 0 && grid.every(isPoint);
  if (Array.isArray(grids) && grids.length > 0 && grids.every(isGrid)) return grids;
  throw fail("must be a list of lists of points, [x, y] from 0 to 1");
}

/** Everything in each image, in the order of the images; the next one is read while one is looked at. */
export async function* everything(
  work: EverythingWork,
  inputs: readonly Input[],
  { model, masks }: { readonly model: Sam2; readonly masks: MaskPictures },
  imageHost: ImageHost,
): AsyncGenerator<Finding, void, void> {
  const { host, progress } = imageHost;
  const known = (await Promise.all(work.known.map((path) => knownMasks(masks, path)))).flat();
  const read = inputReader(work, imageHost);
  const begin = (input: Input | undefined): Promise<RawImage> | undefined => {
    const image = input === undefined ? undefined : read(input);
    image?.catch(() => {}); // told when it is its turn
    return image;
  };
  await using generator = new AutomaticMaskGenerator(model, work.generator);
  const look = async (image: RawImage, shown: string): Promise<readonly FoundMask[]> => {
    const found = await generator.generate(image, {
      known,
      adaptive: work.adaptive,
      signal: host.signal,
      onProgress: ({ loaded, total }) =>
        progress.show(`${shown}: ${percent(loaded, total)} of ${count(total, "point")}`),
      ...(work.region && { regionOfInterest: regionIn(work.region, image) }),
    });
    return found.map(foundMask);
  };
  let next = begin(inputs[0]);
  for (const [i, input] of inputs.entries()) {
    const reading = next as Promise<RawImage>;
    next = begin(inputs[i + 1]);
    try {
      const image = await reading;
      const shown = inputs.length === 1 ? input.source : `[${i + 1}/${inputs.length}] ${input.source}`;
      yield { input, image, masks: await look(image, shown) };
    } catch (error) {
      host.signal.throwIfAborted();
      yield { input, error };
    }
  }
}

async function knownMasks(masks: MaskPictures, path: string): Promise<readonly Mask[]> {
  const picture = await masks.read(path);
  return picture.labels.map((label) => picture.mask(label));
}

/** To whole pixels, from the outside. */
function regionIn(region: Corners, image: RawImage): NonNullable<GenerateOptions["regionOfInterest"]> {
  const { box } = promptFor({ id: "", frame: 0, points: [], box: region }, image);
  const [x0, y0, x1, y1] = box as readonly [number, number, number, number];
  const [x, y] = [Math.floor(x0), Math.floor(y0)];
  return { x, y, width: Math.ceil(x1) - x, height: Math.ceil(y1) - y };
}

function foundMask({ rle, iouPrediction, stabilityScore, point, cropBox }: AutomaticMask, i: number): FoundMask {
  const { x, y, width, height } = cropBox;
  return {
    id: String(i + 1),
    rle,
    get mask() {
      return decodeRle(rle);
    },
    best: true,
    predictedIou: iouPrediction,
    stabilityScore,
    facts: { point_coords: [point], crop_box: [x, y, width, height] },
  };
}
