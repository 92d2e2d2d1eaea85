/** One image at a time: read, find the objects, make the results. Nothing is written here. */
import { basename } from "node:path";
import {
  type ImagePrediction,
  ImagePredictor,
  type ImagePredictorOptions,
  type Mask,
  MaskError,
  maskPrompt,
  type Prompt,
  type RawImage,
  readImage,
  readMask,
  type Sam2,
} from "@masklet/core/node";
import type { Host } from "../host.ts";
import { type ObjectPrompt, promptFor } from "../prompts.ts";
import { version } from "../version.ts";
import { type Input, readStandardInput } from "./inputs.ts";
import { type MaskId, type Output, type OutputSettings, render } from "./outputs.ts";
import { annotationOf, type FoundMask, type ImageRecord } from "./record.ts";

/** What to find, and how. */
export interface Work {
  readonly objects: readonly ObjectPrompt[];
  readonly multimask: boolean;
  /** Decoder runs after the first, at most. */
  readonly refine: number;
  readonly predictor: ImagePredictorOptions;
}

const multimasks = [1, 2, 3] as const;

/** The masks that there will be, in the order of the results. */
export function maskIds(objects: readonly ObjectPrompt[], multimask: boolean): readonly MaskId[] {
  return objects.flatMap(({ id }): readonly MaskId[] =>
    multimask ? multimasks.map((k) => ({ id, multimask: k })) : [{ id }],
  );
}

/** An image's results, ready to be written. */
export interface Segmented {
  readonly record: ImageRecord;
  readonly files: readonly Output[];
}

/** Rejects as `readImage`, and with the signal's reason. */
export async function readInput({ source }: Input, host: Pick<Host, "stdin" | "signal">): Promise<RawImage> {
  const { signal } = host;
  return readImage(source === "-" ? await readStandardInput(host) : source, { signal });
}

export class Segmenter {
  readonly #work: Work;
  readonly #model: Sam2;
  readonly #predictor: ImagePredictor;
  /** Prompt masks by path; all images share them. */
  readonly #masks = new Map<string, Mask>();

  constructor(model: Sam2, work: Work) {
    this.#work = work;
    this.#model = model;
    this.#predictor = new ImagePredictor(model, work.predictor);
  }

  /** Rejects as `readMask`, `ImagePredictor` and the encoders do, and with the signal's reason. */
  async segment(input: Input, image: RawImage, outputs: OutputSettings, signal: AbortSignal): Promise<Segmented> {
    await this.#predictor.setImage(image, { signal });
    const found = await this.#find(image, signal);
    const record: ImageRecord = {
      image: {
        file_name: input.source === "-" ? "-" : basename(input.source),
        width: image.width,
        height: image.height,
      },
      annotations: found.map(annotationOf),
      model: this.#model.config.name,
      version,
    };
    const files: Output[] = [];
    for (const format of outputs.formats) {
      signal.throwIfAborted();
      files.push(...(await render(format, input, { image, found, record }, outputs)));
    }
    return { record, files };
  }

  dispose(): void {
    this.#predictor.dispose();
  }

  async #find(image: RawImage, signal: AbortSignal): Promise<readonly FoundMask[]> {
    const { objects, multimask } = this.#work;
    const prompts = await Promise.all(objects.map((object) => this.#promptFor(object, image, signal)));
    const predictions = await this.#predict(prompts, signal);
    const ids = maskIds(objects, multimask);
    return predictions.flatMap(({ masks, iouPredictions, stabilityScores, objectScore, best }, i) =>
      masks.map((mask, k) => ({
        ...(ids[i * masks.length + k] as MaskId),
        mask,
        best: k === best,
        predictedIou: iouPredictions[k] as number,
        stabilityScore: stabilityScores[k] as number,
        objectScore,
        prompt: recordedPrompt(objects[i] as ObjectPrompt, image),
      })),
    );
  }

  async #predict(prompts: readonly Prompt[], signal: AbortSignal): Promise<readonly ImagePrediction[]> {
    const { multimask, refine } = this.#work;
    if (refine === 0) return this.#predictor.predictMany(prompts, { multimaskOutput: multimask, signal });
    const predictions: ImagePrediction[] = [];
    for (const prompt of prompts) {
      predictions.push(await this.#predictor.refine(prompt, { multimaskOutput: false, iterations: refine, signal }));
    }
    return predictions;
  }

  async #promptFor(object: ObjectPrompt, image: RawImage, signal: AbortSignal): Promise<Prompt> {
    const prompt = promptFor(object, image);
    if (object.mask === undefined) return prompt;
    const mask = this.#masks.get(object.mask) ?? (await readMask(object.mask, { signal }));
    this.#masks.set(object.mask, mask);
    if (mask.width !== image.width || mask.height !== image.height) {
      throw new MaskError(
        "mask-size-mismatch",
        `--mask ${object.mask} is ${mask.width}x${mask.height}, the image ${image.width}x${image.height}`,
        { details: { mask: [mask.width, mask.height], image: [image.width, image.height] } },
      );
    }
    return { ...prompt, maskInput: maskPrompt(mask, this.#model.config.imageSize) };
  }
}

function recordedPrompt(object: ObjectPrompt, image: RawImage): FoundMask["prompt"] {
  return { ...promptFor(object, image), ...(object.mask === undefined ? {} : { mask: object.mask }) };
}
