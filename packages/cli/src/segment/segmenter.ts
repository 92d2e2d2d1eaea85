/** From images to results: the jobs for the model, and what is made of its answers. Nothing is written here. */
import { basename } from "node:path";
import {
  fetchBytes,
  ImageError,
  type ImageJob,
  type ImagePrediction,
  type ImagePredictorOptions,
  type ImageWarning,
  MaskError,
  maskPrompt,
  type Prompt,
  type RawImage,
  readImage,
  type Sam2,
  type SegmentManyOptions,
} from "@masklet/core/node";
import { type Host, onceEach } from "../host.ts";
import type { MaskPictures } from "../mask-pictures.ts";
import type { ModelFacts } from "../models.ts";
import { type Progress, showFetching } from "../progress.ts";
import { type BoxFormat, boxNote, type ObjectPrompt, promptFor } from "../prompts.ts";
import { version } from "../version.ts";
import { type Input, readStandardInput } from "./inputs.ts";
import { type MaskId, type Output, type OutputSettings, render } from "./outputs.ts";
import { annotationOf, type FoundMask, type ImageRecord } from "./record.ts";

/** What to find, and how. */
export interface Work {
  readonly objects: readonly ObjectPrompt[];
  /** The pictures of `--mask`. */
  readonly masks: MaskPictures;
  readonly boxFormat: BoxFormat;
  readonly multimask: boolean;
  /** Decoder runs after the first, at most. */
  readonly refine: number;
  readonly predictor: ImagePredictorOptions;
  /** Of an image; core's own limit if not given. */
  readonly maxPixels: number | undefined;
}

/** What images come through, and where what is fetched shows how far it is. */
export interface ImageHost {
  readonly host: Pick<Host, "stdin" | "signal">;
  readonly progress: Progress;
}

const multimasks = [1, 2, 3] as const;

/** The masks that there will be, in the order of the results. */
export function maskIds(objects: readonly ObjectPrompt[], multimask: boolean): readonly MaskId[] {
  return objects.flatMap(({ id }): readonly MaskId[] =>
    multimask ? multimasks.map((k) => ({ id, multimask: k })) : [{ id }],
  );
}

/** An input for `segmentMany`. */
export interface InputJob extends ImageJob {
  readonly input: Input;
}

/** What `segmentMany` does for the work. */
export function segmentOptions({ multimask, refine, predictor }: Work, signal: AbortSignal): SegmentManyOptions {
  return {
    ...predictor,
    multimaskOutput: multimask,
    ...(refine === 0 ? {} : { refine: { iterations: refine } }),
    readAhead: 1,
    signal,
  };
}

/** The inputs as jobs, whose images are read when their turn is near. Prompt masks are read once for all of them. */
export function inputJobs(
  work: Work,
  inputs: readonly Input[],
  { config: { imageSize } }: Sam2,
  imageHost: ImageHost,
): readonly InputJob[] {
  const { objects, masks } = work;
  const onWarning = onceEach((problem) => imageHost.progress.note(`masklet segment: ${problem}`));
  const promptOf = async (object: ObjectPrompt, image: RawImage): Promise<Prompt> => {
    const note = boxNote(object, image, work.boxFormat);
    if (note !== undefined) imageHost.progress.note(`masklet segment: ${note}`);
    const prompt = promptFor(object, image);
    if (object.mask === undefined) return prompt;
    const mask = await masks.maskOf({ ...object, mask: object.mask });
    if (mask.width !== image.width || mask.height !== image.height) {
      throw new MaskError(
        "mask-size-mismatch",
        `--mask ${object.mask} is ${mask.width}x${mask.height}, the image ${image.width}x${image.height}`,
        { details: { mask: [mask.width, mask.height], image: [image.width, image.height] } },
      );
    }
    return { ...prompt, maskInput: maskPrompt(mask, imageSize) };
  };
  return inputs.map((input) => ({
    input,
    image: () => readInput(input, work, imageHost, onWarning),
    prompts: (image) => Promise.all(objects.map((object) => promptOf(object, image))),
  }));
}

/** Of a picture that is fetched. */
const maxImageBytes = 2 ** 28;

/** The pixels of an input. Rejects as `readImage` and `fetchBytes`, and with an `ImageError` where it names nothing. */
export async function readInput(
  { source, url, problem }: Input,
  { maxPixels }: Pick<Work, "maxPixels">,
  { host, progress }: ImageHost,
  onWarning: (warning: ImageWarning) => void,
): Promise<RawImage> {
  const { signal } = host;
  if (problem !== undefined) throw new ImageError("image-not-found", problem, { details: { source } });
  const settings = { signal, onWarning, ...(maxPixels !== undefined && { maxPixels }) };
  if (url !== undefined) {
    const onProgress = showFetching(progress);
    return readImage(await fetchBytes(url, { maxBytes: maxImageBytes, signal, onProgress }), settings);
  }
  return readImage(source === "-" ? await readStandardInput(host) : source, settings);
}

/** An image's results, ready to be written. */
export interface Results {
  readonly record: ImageRecord;
  readonly files: readonly Output[];
}

/** What was found in an image. */
export interface Found {
  readonly input: Input;
  readonly image: RawImage;
  /** One for each object. */
  readonly predictions: readonly ImagePrediction[];
}

/** Rejects as the encoders do, and with the signal's reason. */
export async function resultsOf(
  { input, image, predictions }: Found,
  {
    work,
    outputs,
    model,
    signal,
  }: {
    readonly work: Work;
    readonly outputs: OutputSettings;
    readonly model: ModelFacts;
    readonly signal: AbortSignal;
  },
): Promise<Results> {
  const found = foundMasks(work, image, predictions);
  const record: ImageRecord = {
    image: {
      file_name: input.source === "-" ? "-" : basename(input.source),
      width: image.width,
      height: image.height,
    },
    annotations: found.map(annotationOf),
    model,
    version,
  };
  const files: Output[] = [];
  for (const format of outputs.formats) {
    signal.throwIfAborted();
    files.push(...(await render(format, input, { image, found, record }, outputs)));
  }
  return { record, files };
}

function foundMasks(
  { objects, multimask }: Pick<Work, "objects" | "multimask">,
  image: RawImage,
  predictions: readonly ImagePrediction[],
): readonly FoundMask[] {
  const ids = maskIds(objects, multimask);
  return predictions.flatMap(({ masks, iouPredictions, stabilityScores, objectScore, best }, i) =>
    masks.map((mask, k) => ({
      ...(ids[i * masks.length + k] as MaskId),
      mask,
      best: mask === best,
      predictedIou: iouPredictions[k] as number,
      stabilityScore: stabilityScores[k] as number,
      objectScore,
      prompt: recordedPrompt(objects[i] as ObjectPrompt, image),
    })),
  );
}

function recordedPrompt(object: ObjectPrompt, image: RawImage): FoundMask["prompt"] {
  const { mask, maskLabel } = object;
  return {
    ...promptFor(object, image),
    ...(mask !== undefined && { mask }),
    ...(maskLabel !== undefined && { mask_label: maskLabel }),
  };
}
