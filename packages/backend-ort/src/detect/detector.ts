/** Any detector's ONNX file as a `Detector`. */
import type { AbortSignalLike, Detection, Detector, PromptBox, RawImage, Size } from "@masklet/core";
import {
  BackendError,
  checkImage,
  checkInteger,
  checkKeys,
  checkOption,
  clipBox,
  DetectorError,
  type Keys,
  type Queue,
} from "@masklet/core/backend";
import type { InferenceSession, OnnxValue, Tensor } from "onnxruntime-common";
import { messageOf } from "../errors.ts";
import type { OrtRuntime } from "../runtime.ts";
import { type Candidate, decode, suppress, type Values } from "./decode.ts";
import { type DetectorLayout, detectorLayouts, type ModelFacts, type Outputs, recogniseLayout } from "./layout.ts";
import { parseNames, readMetadata } from "./metadata.ts";
import { type Prepared, prepare } from "./prepare.ts";

/** What a detector's file does not say, and what of its answers is wanted. */
export interface DetectorOptions {
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
  /** Frees the session. What is called after it rejects with a `BackendError` "disposed". */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where a detector runs. */
export interface DetectorHost {
  readonly ort: OrtRuntime;
  readonly sessionOptions: InferenceSession.SessionOptions;
  /** One create or run at a time among all that share it. */
  readonly lock: Queue;
}

export const detectorKeys: Keys<DetectorOptions> = {
  layout: true,
  labels: true,
  imgsz: true,
  conf: true,
  iou: true,
  maxDet: true,
  classes: true,
};

/** What both entries' `loadDetector` have in common. */
export async function openDetector(
  model: Uint8Array,
  options: DetectorOptions,
  host: DetectorHost,
): Promise<OrtDetector> {
  const settings = settingsOf(options);
  const metadata = readMetadata(model);
  const session = await host.lock
    .run(() => host.ort.InferenceSession.create(model, host.sessionOptions))
    .catch((cause: unknown) => {
      throw new BackendError("compile-failed", `ONNX Runtime does not take the detector: ${messageOf(cause)}`, {
        cause,
      });
    });
  try {
    return await OrtSession.open({ ...host, session }, metadata, settings);
  } catch (error) {
    await host.lock.run(() => session.release());
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
  const where = "loadDetector";
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

interface Place extends DetectorHost {
  readonly session: InferenceSession;
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

class OrtSession implements OrtDetector {
  readonly #place: Place;
  readonly #settings: Settings;
  readonly #understood: Understood;
  #disposed = false;

  private constructor(place: Place, settings: Settings, understood: Understood) {
    this.#place = place;
    this.#settings = settings;
    this.#understood = understood;
  }

  static async open(place: Place, metadata: ReadonlyMap<string, string>, settings: Settings): Promise<OrtSession> {
    const { session } = place;
    const names = metadata.get("names");
    const labels = settings.labels ?? (names === undefined ? undefined : parseNames(names));
    const size = sizeFor(imageInput(session), metadata, settings.size);
    const probed = size ?? { width: 640, height: 640 };
    const facts: ModelFacts = {
      inputs: session.inputNames,
      outputs: await outputsOf(place, probed),
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
    return new OrtSession(place, settings, { ...fit, labels, size, wanted: wantedOf(settings.classes, labels) });
  }

  get labels(): readonly string[] | undefined {
    return this.#understood.labels;
  }

  get layout(): DetectorLayout {
    return this.#understood.layout;
  }

  async detect(image: RawImage, options: { readonly signal?: AbortSignalLike } = {}): Promise<readonly Detection[]> {
    checkKeys("detect", options, { signal: true });
    const { signal } = options;
    checkImage("detect", image, { maxPixels: Number.POSITIVE_INFINITY });
    signal?.throwIfAborted();
    const { layout, size } = this.#understood;
    const prepared = prepare(image, layout, size);
    const outputs = await this.#place.lock.run(() => {
      if (this.#disposed) throw new BackendError("disposed", "detect: the detector is disposed");
      return run(this.#place, prepared, image);
    }, signal);
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
    return this.#place.lock.run(async () => {
      if (this.#disposed) return;
      this.#disposed = true;
      await this.#place.session.release();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

type TensorMetadata = Extract<InferenceSession.ValueMetadata, { readonly isTensor: true }>;

/** The input that takes the image: floats of three channels. */
function imageInput({ inputMetadata }: InferenceSession): TensorMetadata {
  const inputs = inputMetadata.filter(
    (input): input is TensorMetadata =>
      input.isTensor &&
      input.type === "float32" &&
      (input.shape.length === 3 || input.shape.length === 4) &&
      (input.shape.at(-3) === 3 || typeof input.shape.at(-3) === "string"),
  );
  const [only, other] = inputs;
  if (only !== undefined && other === undefined) return only;
  const shapes = inputMetadata.map((input) =>
    input.isTensor ? `${input.name} ${input.type} [${input.shape}]` : input.name,
  );
  throw new DetectorError(
    "layout-unknown",
    `a detector takes one image, as float32 [1, 3, height, width] or [3, height, width] (export without half precision); the model takes ${shapes.join(", ")}`,
    { details: { inputs: shapes } },
  );
}

/** The size of the model's images: its own, else what the caller says, else Ultralytics' `imgsz`. */
function sizeFor(
  { shape }: TensorMetadata,
  metadata: ReadonlyMap<string, string>,
  asked: Size | undefined,
): Size | undefined {
  const [height, width] = [shape.at(-2), shape.at(-1)];
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

/** As the session says, or where it leaves dimensions open as a run on black gives them. */
async function outputsOf(place: Place, size: Size): Promise<ModelFacts["outputs"]> {
  const said = place.session.outputMetadata.flatMap((output) =>
    output.isTensor ? [{ name: output.name, type: output.type as string, dims: output.shape }] : [],
  );
  const isWhole = (dims: readonly (number | string)[]): dims is readonly number[] =>
    dims.length > 0 && dims.every((dim) => typeof dim === "number" && dim > 0);
  if (said.every(({ dims }) => isWhole(dims))) return said as ModelFacts["outputs"];
  const black = { data: new Float32Array(3 * size.width * size.height), size };
  const values = await place.lock.run(() => run(place, black, size));
  // How many boxes a list has is what the image has: its rank is what counts.
  return said.map(({ name, type }) => ({ name, type, dims: values[name]?.dims ?? [] }));
}

/** Runs the model. -> all outputs that are tensors, as numbers. */
async function run(
  { ort, session }: Place,
  { data, size: { width, height } }: Pick<Prepared, "data" | "size">,
  image: Size,
): Promise<Readonly<Record<string, Values>>> {
  const input = imageInput(session);
  const feeds: Record<string, OnnxValue> = {};
  for (const other of session.inputMetadata) {
    if (!other.isTensor || other.name === input.name) continue;
    feeds[other.name] = companion(ort, other, { width, height }, image);
  }
  const dims = [...(input.shape.length === 4 ? [1] : []), 3, height, width];
  feeds[input.name] = new ort.Tensor("float32", data, dims);
  let answers: InferenceSession.ReturnType;
  try {
    answers = await session.run(feeds);
  } catch (cause) {
    throw new BackendError("run-failed", `ONNX Runtime could not run the detector: ${messageOf(cause)}`, { cause });
  }
  const values: Record<string, Values> = {};
  for (const [name, tensor] of Object.entries(answers)) {
    if (!("dims" in tensor)) continue;
    values[name] = { dims: tensor.dims, data: numbersOf(tensor.type, await tensor.getData()) };
    tensor.dispose();
  }
  return values;
}

/** What some models take beside the image. */
function companion(ort: OrtRuntime, { name, type, shape }: TensorMetadata, input: Size, image: Size): Tensor {
  const whole = (values: readonly number[], dims: readonly number[]): Tensor =>
    type === "int64"
      ? new ort.Tensor("int64", BigInt64Array.from(values.map(BigInt)), dims)
      : new ort.Tensor("float32", Float32Array.from(values), dims);
  if (name === "orig_target_sizes") return whole([image.width, image.height], [1, 2]);
  if (name === "pixel_mask") {
    // All of the input is image.
    const [height, width] = [shape.at(-2), shape.at(-1)].map((dim, i) =>
      typeof dim === "number" && dim > 0 ? dim : i === 0 ? input.height : input.width,
    ) as [number, number];
    return whole(new Array<number>(height * width).fill(1), [1, height, width]);
  }
  throw new DetectorError("layout-unknown", `the model takes ${name}, of which nothing is known`, {
    details: { input: name, type, shape },
  });
}

function numbersOf(type: string, data: Tensor["data"]): ArrayLike<number> {
  return type === "int64" ? [...(data as BigInt64Array)].map(Number) : (data as Float32Array);
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
