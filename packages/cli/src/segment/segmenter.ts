/** From images to results: the jobs for the model, and what is made of its answers. Nothing is written here. */
import { basename } from "node:path";
import {
  encodeRle,
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
  segmentMany,
} from "@masklet/core/node";
import { type Host, onceEach } from "../host.ts";
import type { MaskPictures } from "../mask-pictures.ts";
import type { ModelFacts } from "../models.ts";
import { type Progress, showFetching } from "../progress.ts";
import { type BoxFormat, boxNote, type ObjectPrompt, promptFor } from "../prompts.ts";
import { version } from "../version.ts";
import { type Input, readStandardInput } from "./inputs.ts";
import { type MaskId, type Output, type OutputSettings, render } from "./outputs.ts";
import {
  annotationOf,
  type Category,
  type FoundMask,
  type ImageRecord,
  type MaskFacts,
  type Segmentation,
} from "./record.ts";

/** What every way to find masks takes. */
export interface CommonWork {
  readonly predictor: ImagePredictorOptions;
  /** Of an image; core's own limit if not given. */
  readonly maxPixels: number | undefined;
}

/** What prompts show. */
export interface Work extends CommonWork {
  readonly objects: readonly ObjectPrompt[];
  /** The pictures of `--mask`. */
  readonly masks: MaskPictures;
  readonly boxFormat: BoxFormat;
  readonly multimask: boolean;
  /** Decoder runs after the first, at most. */
  readonly refine: number;
}

/** What was found in an image. */
export interface Found {
  readonly input: Input;
  readonly image: RawImage;
  readonly masks: readonly FoundMask[];
  /** Of a detector. */
  readonly categories?: readonly Category[];
}

/** What became of one image. */
export type Finding = Found | { readonly input: Input; readonly error: unknown };

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
interface InputJob extends ImageJob {
  readonly input: Input;
}

/** What the prompts show in each image, in the order of the images. */
export async function* prompted(
  work: Work,
  inputs: readonly Input[],
  model: Sam2,
  imageHost: ImageHost,
): AsyncGenerator<Finding, void, void> {
  const jobs = inputJobs(work, inputs, model, imageHost);
  for await (const result of segmentMany(model, jobs, segmentOptions(work, imageHost.host.signal))) {
    const { input } = result.job;
    yield "error" in result
      ? { input, error: result.error }
      : { input, image: result.image, masks: foundMasks(work, result.image, result.predictions) };
  }
}

/** What `segmentMany` does for the work. */
function segmentOptions({ multimask, refine, predictor }: Work, signal: AbortSignal): SegmentManyOptions {
  return {
    ...predictor,
    multimaskOutput: multimask,
    ...(refine === 0 ? {} : { refine: { iterations: refine } }),
    readAhead: 1,
    signal,
  };
}

/** The inputs as jobs, whose images are read when their turn is near. Prompt masks are read once for all of them. */
function inputJobs(
  work: Work,
  inputs: readonly Input[],
  { config: { imageSize } }: Sam2,
  imageHost: ImageHost,
): readonly InputJob[] {
  const { objects, masks } = work;
  const read = inputReader(work, imageHost);
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
    image: () => read(input),
    prompts: (image) => Promise.all(objects.map((object) => promptOf(object, image))),
  }));
}

/** Of a picture that is fetched. */
const maxImageBytes = 2 ** 28;

/** Reads images; what is to be said of them is said once. */
export function inputReader(work: CommonWork, imageHost: ImageHost): (input: Input) => Promise<RawImage> {
  const onWarning = onceEach((problem) => imageHost.progress.note(`masklet segment: ${problem}`));
  return (input) => readInput(input, work, imageHost, onWarning);
}

/** The pixels of an input. Rejects as `readImage` and `fetchBytes`, and with an `ImageError` where it names nothing. */
export async function readInput(
  { source, url, problem }: Input,
  { maxPixels }: Pick<CommonWork, "maxPixels">,
  { host, progress }: ImageHost,
  onWarning: (warning: ImageWarning) => void,
): Promise<RawImage> {
  const { signal } = host;
  if (problem !== undefined) throw new ImageError("image-not-found", problem, { details: { source } });
  const settings = { signal, onWarning, ...(maxPixels !== undefined && { maxPixels }) };
  const fromStdin = source === "-";
  if (url === undefined && !fromStdin) return readImage(source, settings);
  const bytes =
    url === undefined
      ? await readStandardInput(host)
      : await fetchBytes(url, { maxBytes: maxImageBytes, signal, onProgress: showFetching(progress) });
  // Errors call a file by its name.
  const name = fromStdin ? "standard input" : source;
  return readImage(new File([bytes as Uint8Array<ArrayBuffer>], name), settings);
}

/** An image's results, ready to be written. */
export interface Results {
  readonly record: ImageRecord<Segmentation>;
  readonly files: readonly Output[];
}

/** Rejects as the encoders do, and with the signal's reason. */
export async function resultsOf(
  { input, image, masks, categories }: Found,
  {
    outputs,
    model,
    imageId,
    signal,
  }: {
    readonly outputs: OutputSettings;
    readonly model: ModelFacts;
    /** The image's number in the record, for masks that no prompt named. */
    readonly imageId?: number;
    readonly signal: AbortSignal;
  },
): Promise<Results> {
  const record: ImageRecord<Segmentation> = {
    image: {
      ...(imageId === undefined ? {} : { image_id: imageId }),
      file_name: input.source === "-" ? "-" : basename(input.source),
      width: image.width,
      height: image.height,
    },
    ...(categories === undefined ? {} : { categories }),
    annotations: masks.map((mask) => annotationOf(mask, outputs.mode)),
    model,
    version,
  };
  const files: Output[] = [];
  for (const format of outputs.formats) {
    signal.throwIfAborted();
    files.push(...(await render(format, input, { image, found: masks, record }, outputs)));
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
      rle: encodeRle(mask),
      best: mask === best,
      predictedIou: iouPredictions[k] as number,
      stabilityScore: stabilityScores[k] as number,
      facts: { object_score: objectScore, prompt: recordedPrompt(objects[i] as ObjectPrompt, image) },
    })),
  );
}

function recordedPrompt(object: ObjectPrompt, image: RawImage): NonNullable<MaskFacts["prompt"]> {
  const { mask, maskLabel } = object;
  return {
    ...promptFor(object, image),
    ...(mask !== undefined && { mask }),
    ...(maskLabel !== undefined && { mask_label: maskLabel }),
  };
}
