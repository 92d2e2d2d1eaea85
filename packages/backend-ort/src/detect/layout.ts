/** How a detector's inputs and outputs are laid out: what people export, told apart by names, shapes and metadata. */
import { DetectorError } from "@masklet/core/backend";

/**
 * What a model's outputs mean, and how it was trained to see images.
 *
 * - `yolo`: `[1, 4 + classes, n]`, boxes as centre and size in pixels of the input: YOLOv8, 9, 11, 12, and 26 exported with
 *   `end2end=False`; of segmenting models the boxes.
 * - `yolov5`: `[1, n, 5 + classes]`, the same with an objectness.
 * - `yolo-end2end`: `[1, n, 6]`, corners, score and class: YOLOv10, 26, and others exported with `nms=True`.
 * - `ultralytics-rtdetr`: `[1, n, 4 + classes]`, centre and size as shares of the input, and scores.
 * - `rtdetr`: `labels`, `boxes`, `scores`, in pixels of `orig_target_sizes`: RT-DETR's and D-FINE's own exports.
 * - `transformers-rtdetr`: `logits` and `pred_boxes`: RT-DETR, RT-DETRv2 and D-FINE of transformers. Each class by itself.
 * - `detr`: `logits` and `pred_boxes` with a class for nothing at the end: DETR, YOLOS, Table Transformer.
 * - `deformable-detr`: `logits` and `pred_boxes`, each class by itself: Deformable and Conditional DETR.
 * - `rf-detr`: `dets` and `labels`, logits.
 * - `torchvision`: `boxes`, `labels` and `scores` of any names: Faster R-CNN, Mask R-CNN, RetinaNet, FCOS, SSD.
 */
export type DetectorLayout = (typeof detectorLayouts)[number];

export const detectorLayouts = [
  "yolo",
  "yolov5",
  "yolo-end2end",
  "ultralytics-rtdetr",
  "rtdetr",
  "transformers-rtdetr",
  "detr",
  "deformable-detr",
  "rf-detr",
  "torchvision",
] as const;

/** An input or output: what the session says of it, or what a run of the model gave. */
export interface Port {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
}

/** What is known of a model. */
export interface ModelFacts {
  readonly inputs: readonly string[];
  readonly outputs: readonly Port[];
  /** Of the input's images. */
  readonly size: { readonly width: number; readonly height: number };
  readonly metadata: ReadonlyMap<string, string>;
  /** How many classes there are, where names tell. */
  readonly classes: number | undefined;
}

/** The outputs that are read, by what they mean. */
export type Outputs = Readonly<Record<string, string>>;

interface Fit {
  readonly layout: DetectorLayout;
  readonly outputs: Outputs;
  /** How many classes the shapes say there are; `undefined` where they do not. */
  readonly classes: number | undefined;
}

/**
 * The layout of a model; `named` is the caller's word for it. Throws a `DetectorError`: "layout-unknown", "layout-ambiguous"
 * where several fit (`details.choices`), "layout-mismatch" where the one that was named does not.
 */
export function recogniseLayout(facts: ModelFacts, named?: DetectorLayout): Fit {
  checkTask(facts);
  if (named !== undefined) {
    // The caller knows better than what speaks for one of several.
    const fit = allFits(facts).find(({ layout }) => layout === named);
    if (fit !== undefined) return fit;
    throw new DetectorError("layout-mismatch", `${shown(facts)}: this is not "${named}"`, {
      details: detailsOf(facts),
    });
  }
  const fits = allFits(facts).filter((fit) => speaksFor(facts, fit));
  const [only, ...others] = fits;
  if (only === undefined) {
    const problem = "no detector that is known has these; there are";
    throw new DetectorError("layout-unknown", `${shown(facts)}: ${problem} ${detectorLayouts.join(", ")}`, {
      details: detailsOf(facts),
    });
  }
  if (others.length === 0) return only;
  const choices = fits.map(({ layout }) => layout);
  const names = facts.classes === undefined ? ", or give the names of its classes, which may tell" : "";
  throw new DetectorError(
    "layout-ambiguous",
    `${shown(facts)}: this may be ${choices.join(" or ")}: name the layout${names}`,
    { details: { ...detailsOf(facts), choices } },
  );
}

/** Ultralytics says what a model is for. */
function checkTask(facts: ModelFacts): void {
  const task = facts.metadata.get("task");
  if (task === undefined || ["detect", "segment", "pose"].includes(task)) return;
  throw new DetectorError("layout-unknown", `the model is for the task "${task}", which has no upright boxes`, {
    details: { ...detailsOf(facts), task },
  });
}

/** Layouts that names and ranks allow. */
function allFits(facts: ModelFacts): readonly Fit[] {
  const { inputs, outputs } = facts;
  const named = (name: string): Port | undefined => outputs.find((port) => port.name === name);
  const [logits, predBoxes] = [named("logits"), named("pred_boxes")];
  if (logits?.dims.length === 3 && predBoxes?.dims.length === 3 && predBoxes.dims[2] === 4) {
    const read = { logits: logits.name, boxes: predBoxes.name };
    const width = logits.dims[2] as number;
    const each = (["transformers-rtdetr", "deformable-detr"] as const).map((layout) => ({
      layout,
      outputs: read,
      classes: width,
    }));
    return [{ layout: "detr", outputs: read, classes: width - 1 }, ...each];
  }
  const [dets, labels] = [named("dets"), named("labels")];
  if (dets?.dims.length === 3 && dets.dims[2] === 4 && labels?.dims.length === 3) {
    return [{ layout: "rf-detr", outputs: { boxes: dets.name, logits: labels.name }, classes: labels.dims[2] }];
  }
  const whole = ["int64", "int32"];
  if (inputs.includes("orig_target_sizes") && ["labels", "boxes", "scores"].every((name) => named(name))) {
    return [{ layout: "rtdetr", outputs: { boxes: "boxes", labels: "labels", scores: "scores" }, classes: undefined }];
  }
  const boxes = outputs.filter(({ dims, type }) => dims.length === 2 && dims[1] === 4 && !whole.includes(type));
  const classes = outputs.filter(({ dims, type }) => dims.length === 1 && whole.includes(type));
  const scores = outputs.filter(({ dims, type }) => dims.length === 1 && !whole.includes(type));
  if (boxes.length === 1 && classes.length === 1 && scores.length === 1) {
    const read = { boxes: boxes[0]?.name ?? "", labels: classes[0]?.name ?? "", scores: scores[0]?.name ?? "" };
    return [{ layout: "torchvision", outputs: read, classes: undefined }];
  }
  return yoloFits(facts);
}

/** One output of rank 3, and with masks their prototypes, [1, coefficients, height, width]. */
function yoloFits({ outputs, classes, metadata }: ModelFacts): readonly Fit[] {
  const found = outputs.filter(({ dims }) => dims.length === 3 && dims[0] === 1);
  const [output] = found;
  if (output === undefined || found.length > 1) return [];
  const prototypes = outputs.find(({ dims }) => dims.length === 4);
  const coefficients = prototypes?.dims[1] ?? 0;
  const [, first = 0, last = 0] = output.dims;
  const read = { boxes: output.name };
  // Keypoints follow the classes; only names tell where they begin.
  const hasPose = metadata.get("task") === "pose";
  const wide = (layout: DetectorLayout, columns: number, before: number): readonly Fit[] => {
    const left = columns - before - coefficients;
    const own = hasPose ? classes : left;
    return own === undefined || own < 1 || own > left ? [] : [{ layout, outputs: read, classes: own }];
  };
  return [
    ...wide("yolo", first, 4),
    ...(hasPose ? [] : wide("yolov5", last, 5)),
    ...(last === 6 + coefficients || (hasPose && last > 6)
      ? [{ layout: "yolo-end2end", outputs: read, classes: undefined } as const]
      : []),
    ...(coefficients === 0 && !hasPose ? wide("ultralytics-rtdetr", last, 4) : []),
  ];
}

/** Whether counts and metadata allow what the ranks do. */
function speaksFor(facts: ModelFacts, { layout, classes }: Fit): boolean {
  const { metadata, outputs, inputs } = facts;
  if (classes !== undefined && facts.classes !== undefined) {
    // RF-DETR's logits have room for numbers that no class has.
    if (layout === "rf-detr" ? classes < facts.classes : classes !== facts.classes) return false;
  }
  const [, first = 0, last = 0] = outputs.find(({ dims }) => dims.length === 3)?.dims ?? [];
  const isUltralytics = metadata.has("task");
  const saysRtDetr = /rt-?detr/i.test(metadata.get("description") ?? "");
  const isPlaces = (count: number, each: number): boolean => placeCounts(facts.size).includes(count / each);
  const few = !isPlaces(first, 1) && !isPlaces(first, 3);
  switch (layout) {
    case "yolo":
      return !saysRtDetr && isPlaces(last, 1);
    case "yolov5":
      return !isUltralytics && isPlaces(first, 3);
    case "yolo-end2end":
      return few && !isPlaces(last, 1) && !saysRtDetr;
    case "ultralytics-rtdetr":
      return few && !isPlaces(last, 1) && (saysRtDetr || !isUltralytics);
    case "transformers-rtdetr":
      return !inputs.includes("pixel_mask");
    case "deformable-detr":
      return inputs.includes("pixel_mask");
    default:
      return true;
  }
}

/** How many places YOLO looks at: one for each cell of its grids. */
function placeCounts({ width, height }: ModelFacts["size"]): readonly number[] {
  const cells = (...strides: readonly number[]): number =>
    strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0);
  return [cells(8, 16, 32), cells(8, 16, 32, 64), cells(4, 8, 16, 32)];
}

function shown({ inputs, outputs }: ModelFacts): string {
  const ports = outputs.map(({ name, dims }) => `${name} [${dims.join(", ")}]`);
  return `a model with the inputs ${inputs.join(", ")} and the outputs ${ports.join(", ")}`;
}

function detailsOf({ inputs, outputs }: ModelFacts): Readonly<Record<string, unknown>> {
  return { inputs, outputs };
}
