/** Any detector's ONNX file as a `Detector`. */
import type { AbortSignalLike, ByteSource, Detection, Detector, PromptBox, RawImage, Size } from "@masklet/core";
import {
  checkAwaited,
  checkImage,
  checkInteger,
  checkKeys,
  checkOption,
  clipBox,
  DetectorError,
  type HostTensor,
  type Keys,
  signalKeys,
  toFloat16,
  toFloat32,
} from "@masklet/core/backend";
import type { OnnxModel, OnnxValue } from "../onnx-model.ts";
import type { OrtBackend } from "../runtime.ts";
import { type Candidate, decode, suppress, type Values } from "./decode.ts";
import { type DetectorLayout, detectorLayouts, type ModelFacts, type Outputs, recogniseLayout } from "./layout.ts";
import { parseNames } from "./metadata.ts";
import { type Prepared, prepare } from "./prepare.ts";

/** What a detector's file does not say, and what of its answers is wanted. */
export interface DetectorOptions {
  /** What computes; it stays the caller's to dispose. It may be the one that masks are computed with. */
  readonly backend: OrtBackend;
  readonly signal?: AbortSignalLike;
  /** What the outputs mean; by default recognised by names, shapes and metadata. */
  readonly layout?: DetectorLayout;
  /**
   * What the classes are called, in the order of their numbers; by default the file's own (Ultralytics' `names`), else
   * numbers. torchvision's begin with the background.
   */
  readonly labels?: readonly string[];
  /** Side of the input's images where the model takes any, or width and height. Default: what it was trained with. */
  readonly imgsz?: number | Size;
  /** Only scores above it, 0 to 1. Default 0.25. */
  readonly conf?: number;
  /**
   * Of boxes of one class that overlap by a higher IoU the best stays, 0 to 1. Default 0.7. For `yolo` and `yolov5`: the
   * others give each thing once.
   */
  readonly iou?: number;
  /** At most so many, the best. Default 300. */
  readonly maxDet?: number;
  /** Only these classes, by name or number. Default all. */
  readonly classes?: readonly (string | number)[];
}

/** A detector on ONNX Runtime. Calls are answered one after another. */
export interface OrtDetector extends Detector {
  /** What its outputs mean. */
  readonly layout: DetectorLayout;
  /** Frees the model. What is called after it rejects with a `BackendError` "disposed". */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const detectorKeys: Keys<DetectorOptions> = {
  backend: true,
  signal: true,
  layout: true,
  labels: true,
  imgsz: true,
  conf: true,
  iou: true,
  maxDet: true,
  classes: true,
};

/**
 * Opens a detector. A model whose shapes are not written is run once on black to see them. Its file is opened after the
 * options are looked at, because nothing would close it.
 *
 * Rejects with a `DetectorError` for a model whose layout is not clear, with a `PromptError` for an option, or as
 * `OrtBackend.openModel`.
 */
export async function openDetectorModel(
  open: () => Promise<ByteSource | Uint8Array>,
  options: DetectorOptions,
): Promise<OrtDetector> {
  checkKeys("openDetector", options, detectorKeys);
  checkAwaited("openDetector", "the backend", options.backend);
  const settings = settingsOf(options);
  const { backend, signal } = options;
  const model = await backend.openModel(await open(), signal && { signal });
  try {
    return await OnnxDetector.open(model, settings, signal);
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

type Settings = Required<Pick<DetectorOptions, "conf" | "iou" | "maxDet">> &
  Pick<DetectorOptions, "layout" | "labels" | "classes"> & { readonly size: Size | undefined };

function settingsOf({
  layout,
  labels,
  imgsz,
  conf = 0.25,
  iou = 0.7,
  maxDet = 300,
  classes,
}: DetectorOptions): Settings {
  const where = "openDetector";
  const isShare = (value: number): boolean => value >= 0 && value <= 1;
  checkOption(where, { conf }, "a number from 0 to 1", isShare(conf));
  checkOption(where, { iou }, "a number from 0 to 1", isShare(iou));
  checkInteger(where, { maxDet }, 1);
  const known = layout === undefined || detectorLayouts.includes(layout);
  checkOption(where, { layout }, `one of ${detectorLayouts.join(", ")}`, known);
  const size = typeof imgsz === "number" ? { width: imgsz, height: imgsz } : imgsz;
  if (size !== undefined) checkInteger(where, { width: size.width, height: size.height }, 1, 2 ** 14);
  return {
    conf,
    iou,
    maxDet,
    size,
    ...(layout === undefined ? {} : { layout }),
    ...(labels === undefined ? {} : { labels }),
    ...(classes === undefined ? {} : { classes }),
  };
}

interface Understood {
  readonly layout: DetectorLayout;
  readonly outputs: Outputs;
  readonly classes: number | undefined;
  readonly labels: readonly string[] | undefined;
  /** `undefined`: each image's own. */
  readonly size: Size | undefined;
  /** Numbers of the classes that are wanted. */
  readonly wanted: ReadonlySet<number> | undefined;
}

class OnnxDetector implements OrtDetector {
  readonly #model: OnnxModel;
  readonly #settings: Settings;
  readonly #understood: Understood;

  private constructor(model: OnnxModel, settings: Settings, understood: Understood) {
    this.#model = model;
    this.#settings = settings;
    this.#understood = understood;
  }

  static async open(model: OnnxModel, settings: Settings, signal: AbortSignalLike | undefined): Promise<OnnxDetector> {
    const metadata = new Map(Object.entries(model.metadata));
    const names = metadata.get("names");
    const labels = settings.labels ?? (names === undefined ? undefined : parseNames(names));
    const size = sizeFor(imageInput(model), metadata, settings.size);
    const probed = size ?? { width: 640, height: 640 };
    const facts: ModelFacts = {
      inputs: model.inputs.map(({ name }) => name),
      outputs: await outputsOf(model, probed, signal),
      size: probed,
      metadata,
      classes: labels?.length,
    };
    const fit = recogniseLayout(facts, settings.layout);
    if (labels !== undefined && fit.classes !== undefined) {
      const fits = fit.layout === "rf-detr" ? labels.length <= fit.classes : labels.length === fit.classes;
      if (!fits) {
        throw new DetectorError(
          "labels-mismatch",
          `the model has ${fit.classes} classes, and there are ${labels.length} names`,
          { details: { expected: fit.classes, got: labels.length } },
        );
      }
    }
    return new OnnxDetector(model, settings, { ...fit, labels, size, wanted: wantedOf(settings.classes, labels) });
  }

  get labels(): readonly string[] | undefined {
    return this.#understood.labels;
  }

  get layout(): DetectorLayout {
    return this.#understood.layout;
  }

  async detect(image: RawImage, options: { readonly signal?: AbortSignalLike } = {}): Promise<readonly Detection[]> {
    checkKeys("detect", options, signalKeys);
    const { signal } = options;
    checkImage("detect", image, { maxPixels: Number.POSITIVE_INFINITY });
    signal?.throwIfAborted();
    const { layout, size } = this.#understood;
    const prepared = prepare(image, layout, size);
    const outputs = await run(this.#model, prepared, { image, signal });
    const found = decode(outputs, { ...this.#understood, conf: this.#settings.conf, size: prepared.size });
    return this.#detections(found, image, prepared);
  }

  #detections(found: readonly Candidate[], image: RawImage, { back }: Prepared): readonly Detection[] {
    const { layout, wanted } = this.#understood;
    const { iou, maxDet } = this.#settings;
    const chosen = wanted === undefined ? found : found.filter(({ index }) => wanted.has(index));
    const overlaps = layout === "yolo" || layout === "yolov5";
    const kept = suppress(chosen, overlaps ? iou : 1, maxDet);
    return kept.flatMap(({ box, score, index }) => {
      const inImage: PromptBox = layout === "rtdetr" ? box : back(box);
      const clipped = clipBox(inImage, image);
      return clipped === undefined ? [] : [{ box: clipped, label: this.#labelOf(index), score }];
    });
  }

  #labelOf(index: number): string {
    const { labels } = this.#understood;
    if (labels === undefined) return String(index);
    const label = labels[index];
    if (label !== undefined) return label;
    throw new DetectorError(
      "labels-mismatch",
      `detect: the model found class ${index}, and there are ${labels.length} names`,
      {
        details: { class: index, got: labels.length },
      },
    );
  }

  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The input that takes the image: floats of three channels. */
function imageInput({ inputs }: OnnxModel): OnnxValue {
  const [only, other] = inputs.filter(
    ({ dtype, dims }) =>
      (dtype === "float32" || dtype === "float16") &&
      (dims.length === 3 || dims.length === 4) &&
      (dims.at(-3) === 3 || typeof dims.at(-3) === "string"),
  );
  if (only !== undefined && other === undefined) return only;
  const shapes = inputs.map(({ name, dtype, dims }) => `${name} ${dtype} [${dims}]`);
  throw new DetectorError(
    "layout-unknown",
    `a detector takes one image, as floats [1, 3, height, width] or [3, height, width]; the model takes ${shapes.join(", ")}`,
    { details: { inputs: shapes } },
  );
}

/** The size of the model's images: its own, else what the caller says, else Ultralytics' `imgsz`. */
function sizeFor(
  { dims }: OnnxValue,
  metadata: ReadonlyMap<string, string>,
  asked: Size | undefined,
): Size | undefined {
  const [height, width] = [dims.at(-2), dims.at(-1)];
  if (typeof height === "number" && typeof width === "number" && height > 0 && width > 0) {
    if (asked !== undefined && (asked.width !== width || asked.height !== height)) {
      throw new DetectorError(
        "input-size",
        `the model takes images of ${width}x${height} alone, and imgsz is ${asked.width}x${asked.height}`,
        { details: { expected: [width, height], got: [asked.width, asked.height] } },
      );
    }
    return { width, height };
  }
  if (asked !== undefined) return asked;
  const [, high, wide] = /^\s*\[\s*(\d+)\s*,\s*(\d+)\s*\]\s*$/.exec(metadata.get("imgsz") ?? "") ?? [];
  return high === undefined ? undefined : { width: Number(wide), height: Number(high) };
}

/** As the file says, or where it leaves dimensions open as a run on black gives them. */
async function outputsOf(
  model: OnnxModel,
  size: Size,
  signal: AbortSignalLike | undefined,
): Promise<ModelFacts["outputs"]> {
  const said = model.outputs.map(({ name, dtype: type, dims }) => ({ name, type, dims }));
  const isWhole = (dims: readonly (number | string)[]): dims is readonly number[] =>
    dims.length > 0 && dims.every((dim) => typeof dim === "number" && dim > 0);
  if (said.every(({ dims }) => isWhole(dims))) return said as ModelFacts["outputs"];
  const black = { data: new Float32Array(3 * size.width * size.height), size };
  const values = await run(model, black, { image: size, signal });
  // How many boxes a list has is what the image has: its rank is what counts.
  return said.map(({ name, type }) => ({ name, type, dims: values[name]?.dims ?? [] }));
}

/** Runs the model. -> its outputs, as numbers. */
async function run(
  model: OnnxModel,
  { data, size }: Pick<Prepared, "data" | "size">,
  { image, signal }: { readonly image: Size; readonly signal: AbortSignalLike | undefined },
): Promise<Readonly<Record<string, Values>>> {
  const input = imageInput(model);
  const feeds: Record<string, HostTensor> = {};
  for (const other of model.inputs) if (other.name !== input.name) feeds[other.name] = companion(other, size, image);
  const dims = [...(input.dims.length === 4 ? [1] : []), 3, size.height, size.width];
  feeds[input.name] =
    input.dtype === "float16" ? { dtype: "float16", dims, data: toFloat16(data) } : { dtype: "float32", dims, data };
  const outputs = await model.run(feeds, signal && { signal });
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, { dims: tensor.dims, data: numbersOf(tensor) }]),
  );
}

/** What some models take beside the image. */
function companion({ name, dtype, dims }: OnnxValue, input: Size, image: Size): HostTensor {
  const whole = (values: readonly number[], shape: readonly number[]): HostTensor =>
    dtype === "int64"
      ? { dtype, dims: shape, data: BigInt64Array.from(values.map(BigInt)) }
      : { dtype: "float32", dims: shape, data: Float32Array.from(values) };
  if (name === "orig_target_sizes") return whole([image.width, image.height], [1, 2]);
  if (name === "pixel_mask") {
    // All of the input is image.
    const [height, width] = [sideOr(input.height, dims.at(-2)), sideOr(input.width, dims.at(-1))];
    return whole(new Array<number>(height * width).fill(1), [1, height, width]);
  }
  throw new DetectorError("layout-unknown", `the model takes ${name}, of which nothing is known`, {
    details: { input: name, dtype, dims },
  });
}

function sideOr(otherwise: number, dim: number | string | undefined): number {
  return typeof dim === "number" && dim > 0 ? dim : otherwise;
}

function numbersOf({ dtype, data }: HostTensor): ArrayLike<number> {
  if (dtype === "int64") return Array.from(data as BigInt64Array, Number);
  if (dtype === "float16") return toFloat32(dtype, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return data as Float32Array;
}

function wantedOf(
  classes: DetectorOptions["classes"],
  labels: readonly string[] | undefined,
): ReadonlySet<number> | undefined {
  if (classes === undefined) return undefined;
  return new Set(
    classes.map((one) => {
      const index = typeof one === "number" ? one : (labels?.indexOf(one) ?? -1);
      const known = Number.isSafeInteger(index) && index >= 0 && (labels === undefined || index < labels.length);
      if (known) return index;
      const has = labels === undefined ? "whose classes have no names" : `which has ${labels.slice(0, 100).join(", ")}`;
      throw new DetectorError("no-such-class", `classes: ${one} is none of the model, ${has}`, {
        details: { class: one, labels },
      });
    }),
  );
}
