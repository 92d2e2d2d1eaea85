/**
 * Detectors without weights: models whose boxes follow from the pixels, because no trained detector can be had here. Each
 * finds a red and a blue blob by the projections of its colour, and writes them as one kind of export does. Their score is
 * 0.9 times the colour's brightest value, so that a wrong normalisation shows.
 */
import { imageNet } from "@masklet/core/backend";
import type { DetectorLayout } from "../src/detect/layout.ts";
import type { OnnxAttribute, OnnxDType, OnnxNode, OnnxTensor, OnnxValueInfo } from "../src/onnx/schema.ts";
import { DATA_TYPE } from "../src/onnx/schema.ts";
import { writeModel } from "../src/onnx/writer.ts";

export interface BlobSettings {
  /** Of the input; with `dynamic` what is written is names. Default 64. */
  readonly side?: number;
  readonly dynamic?: boolean;
  readonly dtype?: "float32" | "float16";
  /** Of the outputs, in the place of their own names. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The kinds of export, `yolo-segment` with the coefficients and prototypes of masks. */
export type BlobKind = DetectorLayout | "yolo-segment";

export function blobModel(kind: BlobKind, settings: BlobSettings = {}): Uint8Array {
  const builder = new Builder(settings);
  kinds[kind](builder);
  return builder.model(settings.metadata ?? {});
}

/** Values of one blob, each [1]. */
interface Blob {
  readonly corners: readonly string[];
  readonly score: string;
}

class Builder {
  readonly side: number;
  readonly dtype: "float32" | "float16";
  readonly #dynamic: boolean;
  readonly #nodes: OnnxNode[] = [];
  readonly #constants: OnnxTensor[] = [];
  readonly #inputs: OnnxValueInfo[] = [];
  readonly #outputs: OnnxValueInfo[] = [];

  constructor({ side = 64, dynamic = false, dtype = "float32" }: BlobSettings) {
    this.side = side;
    this.dtype = dtype;
    this.#dynamic = dynamic;
  }

  constant(values: readonly number[], dims: readonly number[] = [values.length], dtype: OnnxDType = "float32"): string {
    const name = `c${this.#constants.length}`;
    const numbers = dtype === "int64" ? BigInt64Array.from(values.map(BigInt)) : Float32Array.from(values);
    this.#constants.push({ name, dtype, dims, data: new Uint8Array(numbers.buffer) });
    return name;
  }

  op(op: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    const output = `v${this.#nodes.length}`;
    this.#nodes.push({ op, domain: "", name: output, inputs, outputs: [output], attributes });
    return output;
  }

  shape(value: string, ...dims: readonly number[]): string {
    return this.op("Reshape", [value, this.constant(dims, [dims.length], "int64")]);
  }

  join(values: readonly string[], axis = 0): string {
    return this.op("Concat", values, { axis });
  }

  input(name: string, dims: OnnxValueInfo["dims"], dtype: OnnxDType = this.dtype): string {
    this.#inputs.push({ name, dtype, dims });
    return dtype === "float32" ? name : this.op("Cast", [name], { to: DATA_TYPE.float32 });
  }

  output(name: string, value: string, dims: OnnxValueInfo["dims"], dtype: OnnxDType = this.dtype): void {
    const cast = this.op("Cast", [value], { to: DATA_TYPE[dtype] });
    this.#nodes.push({ op: "Identity", domain: "", name, inputs: [cast], outputs: [name], attributes: {} });
    this.#outputs.push({ name, dtype, dims: this.#dynamic ? dims.map((_, i) => `${name}_${i}`) : dims });
  }

  /** The image's input; of `rank` 3 without a batch. */
  image(
    name: string,
    { normalised = false, rank = 4 }: { readonly normalised?: boolean; readonly rank?: 3 | 4 } = {},
  ): string {
    const [height, width] = this.#dynamic ? (["height", "width"] as const) : [this.side, this.side];
    const given = this.input(name, rank === 3 ? [3, height, width] : [1, 3, height, width]);
    const image = rank === 3 ? this.op("Unsqueeze", [given, this.constant([0], [1], "int64")]) : given;
    if (!normalised) return image;
    const scaled = this.op("Mul", [image, this.constant(imageNet.std, [1, 3, 1, 1])]);
    return this.op("Add", [scaled, this.constant(imageNet.mean, [1, 3, 1, 1])]);
  }

  /** Where a colour is, red or blue. */
  blob(image: string, channel: 0 | 2): Blob {
    const colour = this.op("Gather", [image, this.constant([channel], [], "int64")], { axis: 1 });
    const mask = this.op("Cast", [this.op("Greater", [colour, this.constant([0.5])])], { to: DATA_TYPE.float32 });
    const along = (axis: number): readonly [string, string] => {
      const line = this.op("ReduceMax", [mask, this.constant([0, 3 - axis], [2], "int64")], { keepdims: 0 });
      const length = this.op("Cast", [this.op("Shape", [line])], { to: DATA_TYPE.float32 });
      const ones = this.op("ConstantOfShape", [this.op("Shape", [line])]);
      const counted = this.op("CumSum", [this.op("Add", [ones, this.constant([1])]), this.constant([0], [], "int64")]);
      const end = this.op("ReduceMax", [this.op("Mul", [line, counted])], { keepdims: 1 });
      const back = this.op("Sub", [this.op("Add", [length, this.constant([1])]), counted]);
      const left = this.op("ReduceMax", [this.op("Mul", [line, back])], { keepdims: 1 });
      return [this.op("Sub", [length, left]), end];
    };
    const [x0, x1] = along(2);
    const [y0, y1] = along(1);
    const brightest = this.op("ReduceMax", [this.op("Mul", [colour, mask])], { keepdims: 0 });
    return {
      corners: [x0, y0, x1, y1],
      score: this.shape(this.op("Mul", [brightest, this.constant([0.9])]), 1),
    };
  }

  scaled(values: readonly string[], factor: number): readonly string[] {
    return values.map((value) => this.op("Mul", [value, this.constant([factor])]));
  }

  /** Centre and size. */
  centred([x0 = "", y0 = "", x1 = "", y1 = ""]: readonly string[], unit = 1): readonly string[] {
    const middle = (a: string, b: string): string =>
      this.op("Mul", [this.op("Add", [a, b]), this.constant([unit / 2])]);
    const length = (a: string, b: string): string => this.op("Mul", [this.op("Sub", [b, a]), this.constant([unit])]);
    return [middle(x0, x1), middle(y0, y1), length(x0, x1), length(y0, y1)];
  }

  /** Rows of values, each [1], and more of zeros: -> [count, columns]. */
  table(rows: readonly (readonly string[])[], count: number): string {
    const columns = rows[0]?.length ?? 0;
    const filled = this.shape(this.join(rows.flat()), rows.length, columns);
    const left = count - rows.length;
    return left === 0
      ? filled
      : this.join([filled, this.constant(new Array<number>(left * columns).fill(0), [left, columns])]);
  }

  model(metadata: Readonly<Record<string, string>>): Uint8Array {
    return writeModel({
      irVersion: 8,
      opsets: { "": 18 },
      producer: "test",
      metadata,
      graph: {
        name: "blobs",
        nodes: this.#nodes,
        initializers: this.#constants,
        inputs: this.#inputs,
        outputs: this.#outputs,
      },
    });
  }
}

const cells = (side: number): number => (side / 8) ** 2 + (side / 16) ** 2 + (side / 32) ** 2;

/** Red, red once more a little wider and less sure, and blue: rows for what is still to be suppressed. */
function withDouble(
  builder: Builder,
  image: string,
  rowOf: (corners: readonly string[], scores: readonly [string, string]) => readonly string[],
): readonly (readonly string[])[] {
  const [red, blue] = [builder.blob(image, 0), builder.blob(image, 2)];
  const none = builder.constant([0]);
  const [x0 = "", y0 = "", x1 = "", y1 = ""] = red.corners;
  const wider = builder.op("Add", [x1, builder.constant([2])]);
  const less = builder.op("Mul", [red.score, builder.constant([0.8])]);
  return [
    rowOf([x0, y0, wider, y1], [less, none]),
    rowOf(red.corners, [red.score, none]),
    rowOf(blue.corners, [none, blue.score]),
  ];
}

function yolo(builder: Builder, coefficients: number): void {
  const zeros = Array.from({ length: coefficients }, () => builder.constant([0]));
  const rows = withDouble(builder, builder.image("images"), (corners, scores) => [
    ...builder.centred(corners),
    ...scores,
    ...zeros,
  ]);
  const [n, columns] = [cells(builder.side), 6 + coefficients];
  const turned = builder.op("Transpose", [builder.table(rows, n)], { perm: [1, 0] });
  builder.output("output0", builder.shape(turned, 1, columns, n), [1, columns, n]);
  if (coefficients === 0) return;
  const side = builder.side / 4;
  const size = coefficients * side * side;
  builder.output("output1", builder.constant(new Array<number>(size).fill(0), [1, coefficients, side, side]), [
    ...[1, coefficients, side, side],
  ]);
}

/** Logits and boxes of three queries, `width` classes; red is class 0, blue 1, and with `nothing` the last none. */
function queries(builder: Builder, image: string, width: number, nothing: boolean): readonly [string, string] {
  const rows = [0, 2].map((channel, k) => {
    const { corners, score } = builder.blob(image, channel as 0 | 2);
    // 0.9 is 8, and 0 is -10.
    const logit = builder.op("Sub", [builder.op("Mul", [score, builder.constant([20])]), builder.constant([10])]);
    const logits = Array.from({ length: width }, (_, i) =>
      i === k ? logit : builder.constant([nothing && i === width - 1 ? 0 : -10]),
    );
    return { box: builder.centred(corners, 1 / builder.side), logits };
  });
  const empty = Array.from({ length: width }, (_, i) => builder.constant([nothing && i === width - 1 ? 0 : -10]));
  const logits = builder.table([...rows.map((row) => row.logits), empty], 3);
  const boxes = builder.table(
    rows.map(({ box }) => box),
    3,
  );
  return [builder.shape(logits, 1, 3, width), builder.shape(boxes, 1, 3, 4)];
}

function transformers(
  builder: Builder,
  options: { normalised: boolean; mask: boolean; width: number; nothing: boolean },
): void {
  const { normalised, mask, width, nothing } = options;
  const image = builder.image("pixel_values", { normalised });
  const [logits, boxes] = queries(builder, image, width, nothing);
  if (mask) {
    // Something has to come of it, or the runtime drops the input.
    const given = builder.input("pixel_mask", [1, "mask_height", "mask_width"], "int64");
    const all = builder.op("ReduceMin", [given], { keepdims: 0 });
    const kept = builder.op("Mul", [logits, all]);
    builder.output("logits", kept, [1, 3, width]);
  } else builder.output("logits", logits, [1, 3, width]);
  builder.output("pred_boxes", boxes, [1, 3, 4]);
}

const kinds: Readonly<Record<BlobKind, (builder: Builder) => void>> = {
  yolo: (builder) => yolo(builder, 0),
  "yolo-segment": (builder) => yolo(builder, 32),
  yolov5: (builder) => {
    const rows = withDouble(builder, builder.image("images"), (corners, [red, blue]) => {
      const object = builder.op("Max", [red, blue]);
      const share = (score: string): string =>
        builder.op("Cast", [builder.op("Greater", [score, builder.constant([0])])], { to: DATA_TYPE.float32 });
      return [...builder.centred(corners), object, share(red), share(blue)];
    });
    const n = 3 * cells(builder.side);
    builder.output("output0", builder.shape(builder.table(rows, n), 1, n, 7), [1, n, 7]);
  },
  "yolo-end2end": (builder) => {
    const image = builder.image("images");
    const rows = ([0, 2] as const).map((channel, k) => {
      const { corners, score } = builder.blob(image, channel);
      return [...corners, score, builder.constant([k])];
    });
    builder.output("output0", builder.shape(builder.table(rows, 300), 1, 300, 6), [1, 300, 6]);
  },
  "ultralytics-rtdetr": (builder) => {
    const image = builder.image("images");
    const none = builder.constant([0]);
    const rows = ([0, 2] as const).map((channel) => {
      const { corners, score } = builder.blob(image, channel);
      const scores = channel === 0 ? [score, none, none] : [none, score, none];
      return [...builder.centred(corners, 1 / builder.side), ...scores];
    });
    builder.output("output0", builder.shape(builder.table(rows, 300), 1, 300, 7), [1, 300, 7]);
  },
  rtdetr: (builder) => {
    const image = builder.image("images");
    const given = builder.input("orig_target_sizes", [1, 2], "int64");
    const pair = builder.shape(given, 2);
    const unit = builder.op("Mul", [builder.join([pair, pair]), builder.constant([1 / builder.side])]);
    const found = ([0, 2] as const).map((channel) => builder.blob(image, channel));
    const boxes = found.map(({ corners }) => builder.op("Mul", [builder.join(corners), unit]));
    builder.output("labels", builder.constant([0, 1], [1, 2]), [1, 2], "int64");
    builder.output("boxes", builder.shape(builder.join(boxes), 1, 2, 4), [1, 2, 4]);
    builder.output("scores", builder.shape(builder.join(found.map(({ score }) => score)), 1, 2), [1, 2]);
  },
  "transformers-rtdetr": (builder) =>
    transformers(builder, { normalised: false, mask: false, width: 2, nothing: false }),
  detr: (builder) => transformers(builder, { normalised: true, mask: true, width: 3, nothing: true }),
  "deformable-detr": (builder) => transformers(builder, { normalised: true, mask: true, width: 2, nothing: false }),
  "rf-detr": (builder) => {
    const [logits, boxes] = queries(builder, builder.image("input", { normalised: true }), 5, false);
    builder.output("dets", boxes, [1, 3, 4]);
    builder.output("labels", logits, [1, 3, 5]);
  },
  torchvision: (builder) => {
    const image = builder.image("image", { rank: 3 });
    const found = ([0, 2] as const).map((channel) => builder.blob(image, channel));
    builder.output("2546", builder.shape(builder.join(found.flatMap(({ corners }) => corners)), 2, 4), [2, 4]);
    builder.output("2548", builder.constant([1, 2]), [2], "int64");
    builder.output("2547", builder.join(found.map(({ score }) => score)), [2]);
  },
};
