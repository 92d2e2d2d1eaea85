/**
 * The mask decoder's run: features and prompts in, the four low-resolution masks of each prompt out (SAM 2, section 4;
 * reference: `_forward_sam_heads` of modeling/sam2_base.py). What becomes of them, at which size, is the caller's.
 */
import { type AbortSignalLike, abortable } from "../abort.ts";
import { disposeAll } from "../backend/device-tensors.ts";
import { geometry } from "../model/geometry.ts";
import type { GraphName } from "../model/graphs.ts";
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
  /** Whether masks are made for a prompt at all, by the predicted IoU of its four. Default: always. */
  readonly isWanted?: (iou: Float32Array) => boolean;
}

/** The candidates of one run of the decoder, and which of the prompts they answer. */
export interface DecodedRun {
  /** Index into the prompts of each of `candidates`. */
  readonly prompts: readonly number[];
  readonly candidates: readonly Candidates[];
  /** How many prompts there were, with those whose masks are not wanted. */
  readonly asked: number;
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
  { promptsPerRun, isWanted, signal }: DecodeManyOptions,
): AsyncGenerator<DecodedRun, void, void> {
  let share = 1; // of the run before, of what was wanted
  for (const run of runsOf(prompts, promptsPerRun)) {
    signal?.throwIfAborted();
    const feedsFor = (indices: readonly number[]): Features<Tensor> & Feeds =>
      feedsOf(
        model,
        features,
        indices.map((i) => prompts[i] as EncodedPrompt),
        1,
      );
    const asked = run.length;
    // With masks of their own prompts share no image, which `maskScorer` is made for.
    const isMasked = run.some((i) => prompts[i]?.maskInput !== undefined);
    if (isWanted === undefined || isMasked) {
      const read = (outputs: Outputs) => readCandidates(outputs, asked);
      const decoded = { feeds: feedsFor(run), names: candidateNames, signal };
      const all = await withOutputs(model, "maskDecoder", decoded, read);
      const wanted = [...all.entries()].filter(([, { iou }]) => isWanted?.(iou) !== false);
      yield { prompts: wanted.map(([i]) => run[i] as number), candidates: wanted.map(([, one]) => one), asked };
      continue;
    }
    let rest = run;
    if (share < RARE) {
      const scored = { feeds: feedsFor(run), names: ["iouPredictions"], signal };
      const iou = await withOutputs(model, "maskScorer", scored, async (outputs) =>
        split(await read(outputs, "iouPredictions"), asked),
      );
      rest = run.filter((_, i) => isWanted(iou[i] as Float32Array));
    }
    const { chosen, candidates } =
      rest.length === 0
        ? { chosen: [], candidates: [] }
        : await decodeWanted(model, feedsFor(rest), rest.length, { isWanted, signal });
    share = chosen.length / asked;
    yield { prompts: chosen.map((i) => rest[i] as number), candidates, asked };
  }
}

/**
 * Where a smaller share of a run is wanted, scores alone are asked of the next, and what is wanted by them is scored again:
 * what is handed from the decoder's first half to its second is 4 MB a prompt, which ONNX Runtime copies for JavaScript on
 * one thread, a fifth of the first half's time.
 */
const RARE = 1 / 6;

/** The decoder in its two halves, the second for the prompts whose masks are wanted. */
async function decodeWanted(
  model: Sam2,
  feeds: Features<Tensor> & Feeds,
  count: number,
  { isWanted, signal }: DecodeOptions & { readonly isWanted: (iou: Float32Array) => boolean },
): Promise<{ readonly chosen: readonly number[]; readonly candidates: readonly Candidates[] }> {
  const scored = { feeds, names: ["iouPredictions", "objectScores", "imageTokens", "maskTokens"], signal };
  return withOutputs(model, "maskScorer", scored, async (outputs) => {
    const iou = split(await read(outputs, "iouPredictions"), count);
    const chosen = [...iou.keys()].filter((i) => isWanted(iou[i] as Float32Array));
    if (chosen.length === 0) return { chosen, candidates: [] };
    const objectScores = await read(outputs, "objectScores");
    const { highRes0, highRes1 } = feeds;
    const { imageTokens, maskTokens } = outputs as Readonly<Record<"imageTokens" | "maskTokens", DeviceTensor>>;
    const upscaled = {
      feeds: {
        imageTokens,
        maskTokens,
        ...(highRes0 && { highRes0 }),
        ...(highRes1 && { highRes1 }),
        chosen: int32([chosen.length], Int32Array.from(chosen)),
      },
      names: ["lowResMasks"],
      signal,
    };
    return withOutputs(model, "maskUpscaler", upscaled, async (masks) => {
      const logits = split(await read(masks, "lowResMasks"), chosen.length);
      const candidates = chosen.map((prompt, i) => ({
        logits: logits[i] as Float32Array,
        iou: iou[prompt] as Float32Array,
        objectScore: objectScores[prompt] as number,
      }));
      return { chosen, candidates };
    });
  });
}

/** Decodes features that memory has conditioned or, with `noMemory`, not; all prompts have equally many points. */
export async function decodeObjects(
  model: Sam2,
  features: Features<Tensor>,
  prompts: readonly EncodedPrompt[],
  { noMemory, signal }: DecodeOptions & { readonly noMemory: 0 | 1 },
): Promise<readonly PointedCandidates[]> {
  const names = [...candidateNames, "objectPointers"];
  const run = { feeds: feedsOf(model, features, prompts, noMemory), names, signal };
  return withOutputs(model, "maskDecoder", run, async (outputs) => {
    const candidates = await readCandidates(outputs, prompts.length);
    const pointers = split(await read(outputs, "objectPointers"), prompts.length);
    return candidates.map((one, i) => ({ ...one, pointers: pointers[i] as Float32Array }));
  });
}

const candidateNames = ["lowResMasks", "iouPredictions", "objectScores"];

type Feeds = Readonly<Record<string, Tensor>>;
type Outputs = Readonly<Record<string, DeviceTensor>>;

/** One run of a graph. */
interface GraphRun {
  readonly feeds: Feeds;
  /** The outputs that are wanted. */
  readonly names: readonly string[];
  readonly signal: AbortSignalLike | undefined;
}

/** Runs a graph, hands its outputs to `use`, and frees them. */
async function withOutputs<T>(
  model: Sam2,
  graph: GraphName,
  { feeds, names, signal }: GraphRun,
  use: (outputs: Outputs) => Promise<T>,
): Promise<T> {
  const executable = await abortable(model.executable(graph), signal);
  const outputs = await executable.run(feeds, { outputs: names, ...(signal && { signal }) });
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
): Features<Tensor> & Feeds {
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
