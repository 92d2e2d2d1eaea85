/** Finds subjects with a published model of saliency or matting, from its ONNX file. */
import type { ByteSource, FoundSubject, RawImage, SubjectFinder } from "@masklet/core";
import {
  type AbortSignalLike,
  BackendError,
  checkAwaited,
  checkKeys,
  type HostTensor,
  type Keys,
  resizeBilinear,
  resizeImageAntialiased,
  signalKeys,
  toFloat16,
  toFloat32,
} from "@masklet/core/backend";
import type { OnnxModel, OnnxValue } from "./onnx-model.ts";
import type { OrtBackend } from "./runtime.ts";
import {
  candidateKinds,
  type SubjectModel,
  type SubjectModelKind,
  subjectModelKinds,
  subjectModels,
} from "./subject-models.ts";

export interface SubjectFinderOptions {
  /** What computes; it stays the caller's to dispose. */
  readonly backend: OrtBackend;
  /** Which model it is. Default: told by the file. Non-commercial models are never told, only named. */
  readonly kind?: SubjectModelKind;
  readonly signal?: AbortSignalLike;
}

/** A model of saliency or matting. */
export interface OnnxSubjectFinder extends SubjectFinder {
  readonly kind: SubjectModelKind;
  /** Of the published weights. */
  readonly licence: string;
  /** Whether that licence keeps the published weights from commercial use. */
  readonly nonCommercial: boolean;
  /** Frees the model after the runs under way. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a model, its file after the options are looked at, because nothing would close it. Rejects as
 * `OrtBackend.openModel`; with a `BackendError` "model-ambiguous" where the file does not say which kind it is of
 * (`details.choices`), "unsupported" for a file that takes no picture or gives no mask.
 */
export async function openSubjectModel(
  open: () => Promise<ByteSource | Uint8Array>,
  options: SubjectFinderOptions,
): Promise<OnnxSubjectFinder> {
  checkKeys("openSubjectFinder", options, finderKeys);
  checkAwaited("openSubjectFinder", "the backend", options.backend);
  const { backend, kind, signal } = options;
  const model = await backend.openModel(await open(), signal && { signal });
  try {
    checkShapes(model);
    return new ModelFinder(model, kind === undefined ? onlyKind(model) : checkKind(model, kind));
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

class ModelFinder implements OnnxSubjectFinder {
  readonly kind: SubjectModelKind;
  readonly licence: string;
  readonly nonCommercial: boolean;
  readonly #model: OnnxModel;
  readonly #facts: SubjectModel;

  constructor(model: OnnxModel, kind: SubjectModelKind) {
    this.kind = kind;
    this.#model = model;
    this.#facts = subjectModels[kind];
    this.licence = this.#facts.licence;
    this.nonCommercial = this.#facts.nonCommercial;
  }

  async find(image: RawImage, given: { readonly signal?: AbortSignalLike } = {}): Promise<FoundSubject> {
    checkKeys("find", given, signalKeys);
    const { signal } = given;
    const [input, output] = [this.#model.inputs[0] as OnnxValue, this.#model.outputs[0] as OnnxValue];
    const [width, height] = sizeFor(image, input, this.#facts);
    const planes = normalised(resizeImageAntialiased(image, { width, height }), this.#facts);
    const dims = [1, 3, height, width];
    const fed: HostTensor =
      input.dtype === "float16"
        ? { dtype: "float16", dims, data: toFloat16(planes) }
        : { dtype: "float32", dims, data: planes };
    const results = await this.#model.run({ [input.name]: fed }, signal && { signal });
    const { dtype, dims: got, data } = results[output.name] as HostTensor;
    const size = { width: got.at(-1) as number, height: got.at(-2) as number };
    const shares = toFloat32(dtype, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const faint = squash(shares, this.#facts.output);
    const resized = resizeBilinear(shares.subarray(0, size.width * size.height), size, image);
    return {
      width: image.width,
      height: image.height,
      data: resized,
      ...(faint && { unsure: ["weak"] }),
    };
  }

  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function checkShapes({ name, inputs, outputs }: OnnxModel): void {
  const [input] = inputs;
  const [output] = outputs;
  const floats = ["float32", "float16"];
  const isPicture = input?.dims.length === 4 && (input.dims[1] === 3 || typeof input.dims[1] === "string");
  if (inputs.length !== 1 || !isPicture || !floats.includes((input as OnnxValue).dtype)) {
    throw unsupported(name, "one input of floats [n, 3, height, width], a picture,", inputs);
  }
  const [, channels] = output?.dims ?? [];
  const isMask =
    output !== undefined &&
    (output.dims.length === 0 ||
      output.dims.length === 3 ||
      (output.dims.length === 4 && (channels === 1 || typeof channels === "string")));
  if (!isMask || !floats.includes(output.dtype)) {
    throw unsupported(name, "a first output of floats [n, 1, height, width], a mask,", outputs);
  }
}

function unsupported(name: string, expected: string, got: readonly OnnxValue[]): BackendError {
  const shown = got.map((value) => `${value.name}: ${value.dtype} [${value.dims.join(", ")}]`).join("; ");
  return new BackendError("unsupported", `${name}: a model that finds subjects has ${expected} got ${shown}`, {
    details: { graph: name },
  });
}

function checkKind({ name }: OnnxModel, kind: SubjectModelKind): SubjectModelKind {
  if (Object.hasOwn(subjectModels, kind)) return kind;
  const problem = `there is no kind ${kind}; there are ${subjectModelKinds.join(", ")}`;
  throw new BackendError("model-ambiguous", `${name}: ${problem}`, { details: { choices: subjectModelKinds } });
}

/** The only kind that the file may be of. */
function onlyKind(model: OnnxModel): SubjectModelKind {
  const candidates = candidateKinds(model);
  const [kind] = candidates;
  if (kind !== undefined && candidates.length === 1 && !subjectModels[kind].nonCommercial) return kind;
  const choices = candidates.length === 0 ? subjectModelKinds : candidates;
  const list = choices.map((choice) => {
    const { title, nonCommercial, licence } = subjectModels[choice];
    return `${choice} (${title}${nonCommercial ? `; not for commercial use: ${licence}` : ""})`;
  });
  throw new BackendError(
    "model-ambiguous",
    `${model.name}: the file does not say for certain which model it is; name its kind: ${list.join(", ")}`,
    { details: { choices } },
  );
}

/** -> [width, height] */
function sizeFor(image: RawImage, input: OnnxValue, { size }: SubjectModel): readonly [number, number] {
  const [, , height, width] = input.dims;
  if (typeof width === "number" && typeof height === "number") return [width, height];
  if ("square" in size) return [size.square, size.square];
  const scale = size.shortSide / Math.min(image.width, image.height);
  const multiple = (length: number): number => Math.max(32, 32 * Math.round((length * scale) / 32));
  return [multiple(image.width), multiple(image.height)];
}

/** Colours of 0 to 255, [height, width, 3], as the model was trained on: [3, height, width]. */
function normalised(colours: Float32Array, { white, mean, std }: SubjectModel): Float32Array {
  const count = colours.length / 3;
  const scale =
    white === "brightest"
      ? Math.max(
          1e-6,
          colours.reduce((most, value) => Math.max(most, value), 0),
        )
      : white;
  const planes = new Float32Array(colours.length);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < count; i++) {
      planes[c * count + i] = ((colours[3 * i + c] as number) / scale - (mean[c] as number)) / (std[c] as number);
    }
  }
  return planes;
}

/** Makes shares of 0 to 1 of the output, in place. -> whether stretching made much of little. */
function squash(values: Float32Array, output: SubjectModel["output"]): boolean {
  if (output === "logits")
    for (let i = 0; i < values.length; i++) values[i] = 1 / (1 + Math.exp(-(values[i] as number)));
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (output === "stretched") {
    for (let i = 0; i < values.length; i++)
      values[i] = most > least ? ((values[i] as number) - least) / (most - least) : 0;
    return most < 0.5;
  }
  for (let i = 0; i < values.length; i++) values[i] = Math.min(1, Math.max(0, values[i] as number));
  return false;
}

const finderKeys: Keys<SubjectFinderOptions> = { backend: true, kind: true, signal: true };
