/**
 * The loop of SAM 2's video path: a frame is encoded once, each object's features are conditioned on what it remembers,
 * decoded into a mask, and the mask becomes a memory (SAM 2, section 4 and figure 3; reference: `track_step` of
 * modeling/sam2_base.py and sam2_video_predictor.py).
 *
 * Every method computes first and remembers at the end, without an await between: one that fails or is aborted leaves
 * the memory bank as it was.
 */
import { type AbortSignalLike, abortable } from "../abort.ts";
import type { Executable } from "../backend/backend.ts";
import { FrameError, StateError } from "../errors.ts";
import { checkImage, type RawImage, type Size } from "../image/image.ts";
import { preprocessFrame } from "../image/preprocess.ts";
import { resizeAntialiased } from "../image/resize.ts";
import { fillHoles } from "../mask/components.ts";
import { type Mask, maskFloats } from "../mask/mask.ts";
import { selectSingleMask } from "../mask/score.ts";
import { geometry } from "../model/geometry.ts";
import { attentionGraph, type GraphName } from "../model/graphs.ts";
import { decodeObjects, type Features, type PointedCandidates } from "../predict/decode.ts";
import type { Sam2 } from "../sam2.ts";
import { type DeviceTensor, float32, type Tensor } from "../tensor/tensor.ts";
import { toBfloat16 } from "./bfloat16.ts";
import { pointerLimit } from "./frame-selection.ts";
import type { Decoded, FramePrompt, MemoryBank, ObjectMemory, Pending, Remembered } from "./memory-bank.ts";
import {
  type Attended,
  attendedBy,
  batchKey,
  memoryFeeds,
  type PointerEncoding,
  pointerEncoding,
} from "./memory-tokens.ts";
import { RunSizes } from "./run-sizes.ts";

/** The logit of all pixels, and the score, of an object that is absent. */
export const noObject = -1024;

const LOGIT_LIMIT = 32;
/** Logits of a mask prompt, inside and outside; its score too. */
const MASK_PROMPT_LOGIT = 10;
const PADDING = -1;

/** How tracking works: see `VideoOptions`. */
export interface TrackingOptions {
  readonly fillHoleArea: number;
  readonly conditionOnCorrections: boolean;
  readonly forgetAroundPrompts: boolean;
  readonly memoryStride: number;
  readonly maxConditioningFrames: number | undefined;
  readonly memories: number;
  readonly objectsPerRun: number | undefined;
  readonly cachedFrames: number;
}

/** The video as tracking sees it. */
export interface TrackedVideo {
  /** Its size, and how many frames it has, if that is known. */
  readonly source: { readonly size: Size; readonly count?: number };
  /** One frame, `undefined` past the last. */
  readonly read: (frame: number, context: StepContext) => Promise<RawImage | undefined>;
}

export interface StepContext {
  readonly signal?: AbortSignalLike | undefined;
  /** Frames that will be wanted next. */
  readonly ahead?: readonly number[] | undefined;
}

/** The weights that the host computes with. */
interface HostWeights {
  readonly pointerEncoding: PointerEncoding;
  /** `mask_downsample`: one 4x4 filter. */
  readonly maskFilter: Float32Array;
  readonly maskBias: number;
  /** [width] */
  readonly noObjectPointer: Float32Array;
}

/** What is decoded for a batch of objects; points, labels and mask inputs have one entry for each. */
interface DecodeOptions {
  readonly embeddings: Tensor;
  /** 1 where the embeddings are unconditioned and `no_mem_embed` stands for that. */
  readonly noMemory: 0 | 1;
  readonly count: number;
  readonly prompt?: Extract<FramePrompt, { kind: "points" }>;
  readonly maskInput?: Float32Array | undefined;
  /** Whether the best of three masks is taken, or the single one. */
  readonly multimask: boolean;
}

/** Runs the model over one video's frames and remembers what comes of it. One call at a time. */
export class Tracker {
  readonly bank: MemoryBank;
  readonly #model: Sam2;
  readonly #video: TrackedVideo;
  readonly #options: TrackingOptions;
  readonly #pointerLimit: number;
  readonly #runSizes: RunSizes;
  readonly #features = new Map<number, Features>();
  #hostWeights: HostWeights | undefined;

  constructor(model: Sam2, video: TrackedVideo, bank: MemoryBank, options: TrackingOptions) {
    this.#model = model;
    this.#video = video;
    this.bank = bank;
    this.#options = options;
    this.#runSizes = new RunSizes(model.config, options.objectsPerRun);
    this.#pointerLimit = pointerLimit(video.source.count, geometry(model.config).maxObjectPointers);
  }

  /** Side of the low-resolution masks. */
  get side(): number {
    return geometry(this.#model.config).maskSide;
  }

  /**
   * Decodes what an object's prompt says about a frame, and keeps it until the next `settle`. A frame that was tracked
   * before is decoded with what the object remembers, any other as a conditioning frame, with nothing.
   */
  async prompt(id: number, frame: number, prompt: FramePrompt, context: StepContext): Promise<void> {
    const memory = this.bank.objects.get(id);
    const reverse = memory?.tracked.get(frame);
    // Without any conditioning frame there is nothing to be conditioned on (the reference fails there).
    const initial = memory === undefined || reverse === undefined || memory.conditioning.size === 0;
    const features = await this.#featuresOf(frame, context);
    if (features === undefined) throw noSuchFrame("prompt", frame);
    const decoded =
      prompt.kind === "mask"
        ? await this.#fromMask(features, prompt.mask, context)
        : await this.#fromPoints(features, prompt, {
            previous: memory?.at(frame),
            attended: initial ? undefined : this.#attended(memory, frame, reverse),
            context,
          });
    const pending = {
      decoded: this.#filled(decoded),
      conditioning: initial || this.#options.conditionOnCorrections,
    };
    context.signal?.throwIfAborted();
    const target = this.bank.ensure(id);
    target.prompts.set(frame, prompt);
    target.pending.set(frame, pending);
  }

  /**
   * Turns what was prompted since the last time into memories (reference: `propagate_in_video_preflight`). Throws a
   * `StateError` "no-prompt" if an object has no prompt left.
   */
  async settle(context: StepContext): Promise<void> {
    const byFrame = new Map<number, [ObjectMemory, Pending][]>();
    for (const memory of this.bank.objects.values()) {
      for (const [frame, pending] of memory.pending) {
        byFrame.set(frame, [...(byFrame.get(frame) ?? []), [memory, pending]]);
      }
    }
    for (const [id, { conditioning, pending }] of this.bank.objects) {
      if (conditioning.size > 0 || [...pending.values()].some((made) => made.conditioning)) continue;
      throw new StateError("no-prompt", `propagate: object ${id} has no prompt; add one, or remove the object`, {
        details: { object: id },
      });
    }
    const memories = new Map<Pending, Uint16Array>();
    for (const [frame, made] of byFrame) {
      const features = await this.#featuresOf(frame, context);
      if (features === undefined) throw noSuchFrame("propagate", frame);
      for (const part of chunks(made, this.#runSizes.encoding(made.length))) {
        const encoded = await this.#encodeMemories(
          features,
          part.map(([, { decoded }]) => decoded),
          true,
          context,
        );
        for (const [i, [, pending]] of part.entries()) memories.set(pending, encoded[i] as Uint16Array);
      }
    }
    context.signal?.throwIfAborted();
    for (const memory of this.bank.objects.values()) {
      for (const conditioning of [false, true]) {
        for (const [frame, pending] of memory.pending) {
          if (pending.conditioning !== conditioning) continue;
          const entry = { ...pending.decoded, memory: memories.get(pending) as Uint16Array };
          (conditioning ? memory.conditioning : memory.recent).set(frame, entry);
          this.#clearAround(memory, frame);
        }
      }
      memory.pending.clear();
      for (const frame of memory.conditioning.keys()) memory.recent.delete(frame);
    }
  }

  /**
   * Tracks every object through one frame. -> whether the frame exists; where all objects are prompted, the video is not
   * asked.
   */
  async track(frame: number, reverse: boolean, context: StepContext): Promise<boolean> {
    const waiting = [...this.bank.objects.values()].filter(({ conditioning }) => !conditioning.has(frame));
    const tracked = new Map<ObjectMemory, Remembered>();
    if (waiting.length > 0) {
      const features = await this.#featuresOf(frame, context);
      if (features === undefined) return false;
      const attended = waiting.map((memory) => this.#attended(memory, frame, reverse));
      const batches = new Map<string, number[]>();
      for (const [i, one] of attended.entries()) {
        const key = batchKey(one);
        batches.set(key, [...(batches.get(key) ?? []), i]);
      }
      for (const batch of batches.values()) {
        const size = this.#runSizes.attending(batch.length, attended[batch[0] as number] as Attended);
        for (const part of chunks(batch, size)) {
          const entries = await this.#trackBatch(
            features,
            part.map((i) => attended[i] as Attended),
            context,
          );
          for (const [k, i] of part.entries()) tracked.set(waiting[i] as ObjectMemory, entries[k] as Remembered);
        }
      }
    }
    context.signal?.throwIfAborted();
    for (const memory of this.bank.objects.values()) {
      const entry = tracked.get(memory);
      if (entry === undefined) this.#clearAround(memory, frame);
      else memory.recent.set(frame, entry);
      memory.tracked.set(frame, reverse);
    }
    this.bank.forget(frame);
    return true;
  }

  /** Frees the encoded frames. */
  dispose(): void {
    for (const frame of [...this.#features.keys()]) this.#drop(frame);
  }

  #attended(memory: ObjectMemory, frame: number, reverse: boolean): Attended {
    return attendedBy(memory, {
      frame,
      reverse,
      stride: this.#options.memoryStride,
      maxConditioningFrames: this.#options.maxConditioningFrames,
      pointerLimit: this.#pointerLimit,
      memories: this.#options.memories,
      conditioningSlot: geometry(this.#model.config).memories - 1,
    });
  }

  #clearAround(memory: ObjectMemory, frame: number): void {
    if (!this.#options.forgetAroundPrompts) return;
    const distance = this.#options.memoryStride * geometry(this.#model.config).memories;
    memory.clearRecent(frame - distance, frame + distance);
  }

  async #trackBatch(
    features: Features,
    batch: readonly Attended[],
    context: StepContext,
  ): Promise<readonly Remembered[]> {
    const decoded = await this.#conditioned(features, batch, context, (embeddings) =>
      this.#decode(features, { embeddings, noMemory: 0, count: batch.length, multimask: true }, context),
    );
    const memories = await this.#encodeMemories(features, decoded, false, context);
    return decoded.map((entry, i) => ({ ...this.#filled(entry), memory: memories[i] as Uint16Array }));
  }

  async #fromPoints(
    features: Features,
    prompt: Extract<FramePrompt, { kind: "points" }>,
    {
      previous,
      attended,
      context,
    }: {
      readonly previous: Decoded | undefined;
      readonly attended: Attended | undefined;
      readonly context: StepContext;
    },
  ): Promise<Decoded> {
    const decode = (embeddings: Tensor): Promise<readonly Decoded[]> =>
      this.#decode(
        features,
        {
          embeddings,
          noMemory: attended === undefined ? 1 : 0,
          count: 1,
          prompt,
          maskInput: previous?.logits.map((logit) => Math.min(LOGIT_LIMIT, Math.max(-LOGIT_LIMIT, logit))),
          multimask: prompt.labels.length <= 1,
        },
        context,
      );
    const [decoded] = await (attended === undefined
      ? decode(features.imageEmbeddings)
      : this.#conditioned(features, [attended], context, decode));
    return decoded as Decoded;
  }

  /** The mask is the answer; the decoder only makes its pointer (reference: `_use_mask_as_output`). */
  async #fromMask(features: Features, mask: Mask, context: StepContext): Promise<Decoded> {
    const { maskFilter, maskBias, noObjectPointer } = await this.#weights(context);
    const { imageSize } = this.#model.config;
    const square = { width: imageSize, height: imageSize };
    const pixels = maskFloats(mask, 0, 1);
    const isSquare = mask.width === imageSize && mask.height === imageSize;
    const resized = isSquare ? pixels : resizeAntialiased(pixels, mask, square).map((value) => (value >= 0.5 ? 1 : 0));
    const side = this.side;
    const maskInput = downsampledMask(resized, imageSize, { filter: maskFilter, bias: maskBias });
    const options = {
      embeddings: features.imageEmbeddings,
      noMemory: 0,
      count: 1,
      maskInput,
      multimask: false,
    } as const;
    const [decoded] = await this.#decode(features, options, context);
    const isEmpty = resized.every((value) => value === 0);
    const logits = resized.map((value) => (value === 0 ? -MASK_PROMPT_LOGIT : MASK_PROMPT_LOGIT));
    return {
      logits: resizeAntialiased(logits, square, { width: side, height: side }),
      objectScore: isEmpty ? -MASK_PROMPT_LOGIT : MASK_PROMPT_LOGIT,
      iouPrediction: 1,
      pointer: isEmpty ? noObjectPointer : (decoded as Decoded).pointer,
    };
  }

  /** Runs memory attention, and `use` on its result. */
  async #conditioned<T>(
    features: Features,
    batch: readonly Attended[],
    context: StepContext,
    use: (embeddings: Tensor) => Promise<T>,
  ): Promise<T> {
    const { pointerEncoding: encoding } = await this.#weights(context);
    const feeds = {
      imageEmbeddings: features.imageEmbeddings,
      ...memoryFeeds(this.#model.config, encoding, batch),
    };
    const name = attentionGraph(this.#model.config, batch[0]?.maps.length ?? 0);
    return this.#run(name, feeds, context, ({ imageEmbeddings }) => use(imageEmbeddings as DeviceTensor));
  }

  async #decode(features: Features, options: DecodeOptions, { signal }: StepContext): Promise<readonly Decoded[]> {
    const { embeddings, noMemory, count, prompt, maskInput, multimask } = options;
    // The reference pads what has no points with one of its own, and its prompt encoder pads once more.
    const { points, labels } = prompt ?? { points: [0, 0], labels: [PADDING] };
    const encoded = {
      points: [...points, 0, 0],
      labels: [...labels, PADDING],
      ...(maskInput && { maskInput }),
    };
    const prompts = Array.from({ length: count }, () => encoded);
    const conditioned = { ...features, imageEmbeddings: embeddings };
    const decoded = await decodeObjects(this.#model, conditioned, prompts, { noMemory, signal });
    return decoded.map((candidates) => chooseMask(candidates, multimask));
  }

  /** -> [tokens, memoryWidth] of each object, bfloat16. */
  async #encodeMemories(
    features: Features,
    objects: readonly Decoded[],
    binarize: boolean,
    context: StepContext,
  ): Promise<readonly Uint16Array[]> {
    const side = this.side;
    const maskLogits = new Float32Array(objects.length * side * side);
    for (const [i, { logits }] of objects.entries()) maskLogits.set(logits, i * side * side);
    const feeds = {
      imageEmbeddings: features.imageEmbeddings,
      maskLogits: float32([objects.length, side, side], maskLogits),
      binarize: { dtype: "bool", dims: [1], data: Uint8Array.of(binarize ? 1 : 0) },
      objectScores: float32([objects.length, 1], Float32Array.from(objects.map(({ objectScore }) => objectScore))),
    } as const;
    return this.#run("memoryEncoder", feeds, context, async ({ memory }) => {
      const data = (await memory?.read())?.data as Float32Array;
      const size = data.length / objects.length;
      return objects.map((_, i) => toBfloat16(data.subarray(i * size, (i + 1) * size)));
    });
  }

  /** Runs a graph, hands its outputs to `use`, and frees them. */
  async #run<T>(
    name: GraphName,
    feeds: Readonly<Record<string, Tensor>>,
    { signal }: StepContext,
    use: (outputs: Readonly<Record<string, DeviceTensor>>) => Promise<T>,
  ): Promise<T> {
    const executable = await this.#executable(name, signal);
    const outputs = await executable.run(feeds, signal === undefined ? {} : { signal });
    try {
      signal?.throwIfAborted(); // a runtime may not have stopped for it
      return await use(outputs);
    } finally {
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
  }

  #executable(name: GraphName, signal: AbortSignalLike | undefined): Promise<Executable> {
    return abortable(this.#model.executable(name), signal);
  }

  #filled(decoded: Decoded): Decoded {
    const { fillHoleArea: maxArea } = this.#options;
    if (maxArea === 0) return decoded;
    return { ...decoded, logits: fillHoles(decoded.logits, { width: this.side, height: this.side, maxArea }) };
  }

  /** The frame's features, encoded once and kept for a while; `undefined` past the last frame. */
  async #featuresOf(frame: number, context: StepContext): Promise<Features | undefined> {
    const known = this.#features.get(frame);
    if (known !== undefined) {
      this.#features.delete(frame);
      this.#features.set(frame, known); // used last
      return known;
    }
    const { signal } = context;
    const image = await abortable(this.#video.read(frame, context), signal);
    if (image === undefined) return undefined;
    this.#checkFrame(frame, image);
    const encoder = await this.#executable("imageEncoder", signal);
    const feeds = { image: preprocessFrame(image, this.#model.config.imageSize) };
    const features = (await encoder.run(feeds, signal === undefined ? {} : { signal })) as Features;
    for (const oldest of this.#features.keys()) {
      if (this.#features.size < Math.max(this.#options.cachedFrames, 1)) break;
      this.#drop(oldest);
    }
    this.#features.set(frame, features);
    signal?.throwIfAborted();
    return features;
  }

  #checkFrame(frame: number, image: RawImage): void {
    const { width, height } = this.#video.source.size;
    try {
      checkImage(`frame ${frame}`, image);
    } catch (cause) {
      throw frameUnreadable(frame, cause);
    }
    if (image.width === width && image.height === height) return;
    throw new FrameError(
      "frame-size",
      `frame ${frame} is ${image.width}x${image.height}, but the video is ${width}x${height}`,
      { details: { frame, width: image.width, height: image.height, expected: [width, height] } },
    );
  }

  #drop(frame: number): void {
    const features = this.#features.get(frame);
    this.#features.delete(frame);
    for (const tensor of Object.values(features ?? {})) tensor.dispose();
  }

  async #weights({ signal }: StepContext): Promise<HostWeights> {
    this.#hostWeights ??= await abortable(this.#readWeights(), signal);
    return this.#hostWeights;
  }

  async #readWeights(): Promise<HostWeights> {
    const read = async (name: string): Promise<Float32Array> => (await this.#model.weight(name)).data;
    return {
      pointerEncoding: await pointerEncoding(this.#model, this.#pointerLimit),
      maskFilter: await read("mask_downsample.weight"),
      maskBias: (await read("mask_downsample.bias"))[0] as number,
      noObjectPointer: (await read("no_obj_ptr")).slice(),
    };
  }
}

/** A square mask of zeros and ones by `mask_downsample`, a 4x4 convolution of stride 4: what the decoder takes for it. */
export function downsampledMask(
  mask: Float32Array,
  size: number,
  { filter, bias }: { readonly filter: Float32Array; readonly bias: number },
): Float32Array {
  const side = size / 4;
  const out = new Float32Array(side * side).fill(bias);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (mask[y * size + x] === 0) continue;
      const at = (y >> 2) * side + (x >> 2);
      out[at] = (out[at] as number) + (filter[(y & 3) * 4 + (x & 3)] as number);
    }
  }
  return out;
}

/** The error for a frame that the source cannot give. */
export function frameUnreadable(frame: number, cause: unknown): FrameError {
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new FrameError("frame-unreadable", `frame ${frame} cannot be read: ${problem}`, { cause, details: { frame } });
}

/** The error for a frame outside the video. */
export function noSuchFrame(where: string, frame: number, count?: number): FrameError {
  const extent = count === undefined ? "the video ends before it" : `the video has frames 0 to ${count - 1}`;
  return new FrameError("no-such-frame", `${where}: there is no frame ${frame}, ${extent}`, {
    details: { frame, ...(count === undefined ? {} : { count }) },
  });
}

/**
 * One mask of four. The pointer is that of the token asked: mask 0's in single mode, even where another mask answers.
 * Absent objects have no mask. The arrays are copies: what they are cut from is not kept alive.
 */
function chooseMask({ logits, iou, pointers, objectScore }: PointedCandidates, multimask: boolean): Decoded {
  const best = [1, 2, 3].reduce((a, b) => ((iou[b] as number) > (iou[a] as number) ? b : a));
  const chosen = multimask ? best : selectSingleMask({ logits, iou });
  const token = multimask ? best : 0;
  const [size, width] = [logits.length / 4, pointers.length / 4];
  return {
    logits: objectScore > 0 ? logits.slice(chosen * size, (chosen + 1) * size) : new Float32Array(size).fill(noObject),
    objectScore,
    iouPrediction: iou[chosen] as number,
    pointer: pointers.slice(token * width, (token + 1) * width),
  };
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
