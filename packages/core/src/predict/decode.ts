/**
 * The mask decoder's run: features and prompts in, the four low-resolution masks of each prompt out (SAM 2, section 4;
 * reference: `_forward_sam_heads` of modeling/sam2_base.py). What becomes of them, at which size, is the caller's.
 */
import { type AbortSignalLike, abortable } from "../abort.ts";
import { disposeAll } from "../backend/device-tensors.ts";
import { geometry } from "../model/geometry.ts";
import type { FeatureLevels } from "../model/image-encoder.ts";
import type { EncodedPrompt } from "../prompt/prompt.ts";
import type { Sam2 } from "../sam2.ts";
import { type DeviceTensor, float32, type HostTensor, int32, type Tensor } from "../tensor/tensor.ts";

/** The image encoder's outputs by its names: one image's features for all prompts, or one set for each. */
export type Features<T extends Tensor = DeviceTensor> = {
  readonly [Name in keyof FeatureLevels<T>]: FeatureLevels<T>[Name];
};

/** The decoder's answer to one prompt; views into what was read for the whole run. */
export interface Candidates {
  /** [4, S / 4, S / 4] for images of side S: mask 0 is the single-mask token's, 1 to 3 are the alternatives. */
  readonly logits: Float32Array;
  /** [4], predicted IoU. */
  readonly iou: Float32Array;
  /** Whether there is an object, as a logit. */
  readonly objectScore: number;
}

/** With the four mask tokens' object pointers, [4, width]. */
export interface PointedCandidates extends Candidates {
  readonly pointers: Float32Array;
}

export interface DecodeOptions {
  readonly signal?: AbortSignalLike | undefined;
}

export interface DecodeManyOptions extends DecodeOptions {
  readonly promptsPerRun: number;
}

/** The candidates of one run of the decoder, and which of the prompts they answer. */
export interface DecodedRun {
  /** Index into the prompts of each of `candidates`. */
  readonly prompts: readonly number[];
  readonly candidates: readonly Candidates[];
}

/**
 * Decodes many prompts on one image's unconditioned features, run by run. Prompts with equally many points share runs, of
 * `promptsPerRun` at most. A run begins when it is asked for, and holds nothing on the device once it is given: memory
 * is bounded by what the caller keeps. Rejects with the signal's reason.
 */
export async function* decodeMany(
  model: Sam2,
  features: Features<Tensor>,
  prompts: readonly EncodedPrompt[],
  { promptsPerRun, signal }: DecodeManyOptions,
): AsyncGenerator<DecodedRun, void, void> {
  for (const run of runsOf(prompts, promptsPerRun)) {
    signal?.throwIfAborted();
    const together = run.map((i) => prompts[i] as EncodedPrompt);
    const candidates = await withOutputs(
      model,
      feedsOf(model, features, together, 1),
      candidateNames,
      signal,
      (outputs) => readCandidates(outputs, together.length),
    );
    yield { prompts: run, candidates };
  }
}

/** Decodes features that memory has conditioned or, with `noMemory`, not; all prompts have equally many points. */
export async function decodeObjects(
  model: Sam2,
  features: Features<Tensor>,
  prompts: readonly EncodedPrompt[],
  { noMemory, signal }: DecodeOptions & { readonly noMemory: 0 | 1 },
): Promise<readonly PointedCandidates[]> {
  const names = [...candidateNames, "objectPointers"];
  return withOutputs(model, feedsOf(model, features, prompts, noMemory), names, signal, async (outputs) => {
    const candidates = await readCandidates(outputs, prompts.length);
    const pointers = split(await read(outputs, "objectPointers"), prompts.length);
    return candidates.map((one, i) => ({ ...one, pointers: pointers[i] as Float32Array }));
  });
}

const candidateNames = ["lowResMasks", "iouPredictions", "objectScores"];

type Outputs = Readonly<Record<string, DeviceTensor>>;

/** Runs the decoder, hands its outputs to `use`, and frees them. */
async function withOutputs<T>(
  model: Sam2,
  feeds: Readonly<Record<string, Tensor>>,
  names: readonly string[],
  signal: AbortSignalLike | undefined,
  use: (outputs: Outputs) => Promise<T>,
): Promise<T> {
  const decoder = await abortable(model.executable("maskDecoder"), signal);
  const outputs = await decoder.run(feeds, { outputs: names, ...(signal && { signal }) });
  try {
    signal?.throwIfAborted(); // a runtime may not have stopped for it
    return await use(outputs);
  } finally {
    disposeAll(outputs);
  }
}

async function readCandidates(outputs: Outputs, count: number): Promise<readonly Candidates[]> {
  const logits = split(await read(outputs, "lowResMasks"), count);
  const iou = split(await read(outputs, "iouPredictions"), count);
  const objectScores = await read(outputs, "objectScores");
  return logits.map((one, i) => ({
    logits: one,
    iou: iou[i] as Float32Array,
    objectScore: objectScores[i] as number,
  }));
}

async function read(outputs: Outputs, name: string): Promise<Float32Array> {
  return (await outputs[name]?.read())?.data as Float32Array;
}

function split(data: Float32Array, count: number): readonly Float32Array[] {
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

/** Masks only where some prompt has one. */
function feedsOf(
  model: Sam2,
  features: Features<Tensor>,
  prompts: readonly EncodedPrompt[],
  noMemory: 0 | 1,
): Readonly<Record<string, Tensor>> {
  const side = geometry(model.config).maskSide;
  const points = prompts[0]?.labels.length ?? 0;
  const masked = prompts.some(({ maskInput }) => maskInput !== undefined);
  const masks = masked ? prompts.length : 1;
  const maskInput = new Float32Array(masks * side * side);
  const hasMask = new Uint8Array(masks);
  for (const [i, prompt] of prompts.entries()) {
    if (prompt.maskInput === undefined) continue;
    maskInput.set(prompt.maskInput, i * side * side);
    hasMask[i] = 1;
  }
  const hasMasks: HostTensor = { dtype: "bool", dims: [masks], data: hasMask };
  return {
    ...features,
    points: float32([prompts.length, points, 2], Float32Array.from(prompts.flatMap((prompt) => prompt.points))),
    labels: int32([prompts.length, points], Int32Array.from(prompts.flatMap((prompt) => prompt.labels))),
    maskInput: float32([masks, side, side], maskInput),
    hasMask: hasMasks,
    noMemory: float32([1], Float32Array.of(noMemory)),
  };
}

/** Indices of the prompts that share a run. */
function runsOf(prompts: readonly EncodedPrompt[], promptsPerRun: number): readonly (readonly number[])[] {
  const byPoints = new Map<number, number[][]>();
  for (const [i, { labels }] of prompts.entries()) {
    const runs = byPoints.get(labels.length) ?? [[]];
    byPoints.set(labels.length, runs);
    const open = runs.at(-1) as number[];
    if (open.length < promptsPerRun) open.push(i);
    else runs.push([i]);
  }
  return [...byPoints.values()].flat();
}
