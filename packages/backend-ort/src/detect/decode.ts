/** From a detector's outputs to boxes. */
import type { PromptBox, Size } from "@masklet/core";
import type { DetectorLayout, Outputs } from "./layout.ts";

/** An output as numbers. */
export interface Values {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** What was found, by the number of its class. */
export interface Candidate {
  readonly box: PromptBox;
  readonly score: number;
  readonly index: number;
}

export interface DecodeSettings {
  readonly layout: DetectorLayout;
  readonly outputs: Outputs;
  /** Where it is known. */
  readonly classes: number | undefined;
  readonly conf: number;
  /** Of the input. */
  readonly size: Size;
}

/** Candidates above `conf`, boxes in pixels of the input; of `rtdetr` in those of the image. */
export function decode(values: Readonly<Record<string, Values>>, settings: DecodeSettings): readonly Candidate[] {
  const { layout, outputs, size } = settings;
  const read = (meaning: string): Values => values[outputs[meaning] as string] as Values;
  const whole = { x: size.width, y: size.height };
  switch (layout) {
    case "yolo":
      return yolo(read("boxes"), settings);
    case "yolov5":
      return rows(read("boxes"), settings, { objectness: true, unit: { x: 1, y: 1 } });
    case "ultralytics-rtdetr":
      return rows(read("boxes"), settings, { objectness: false, unit: whole });
    case "yolo-end2end":
      return endToEnd(read("boxes"), settings);
    case "rtdetr":
    case "torchvision":
      return listed(read("boxes"), read("labels"), read("scores"), settings);
    case "detr":
    case "deformable-detr":
    case "transformers-rtdetr":
    case "rf-detr":
      return queries(read("boxes"), read("logits"), settings, whole);
  }
}

interface Unit {
  readonly x: number;
  readonly y: number;
}

function centred(x: number, y: number, width: number, height: number, unit: Unit): PromptBox {
  return [(x - width / 2) * unit.x, (y - height / 2) * unit.y, (x + width / 2) * unit.x, (y + height / 2) * unit.y];
}

/** [1, 4 + classes + others, n]: the best class of each place. */
function yolo({ dims, data }: Values, { classes = 0, conf }: DecodeSettings): readonly Candidate[] {
  const n = dims[2] as number;
  const found: Candidate[] = [];
  for (let i = 0; i < n; i++) {
    let [index, score] = [-1, conf];
    for (let k = 0; k < classes; k++) {
      const value = data[(4 + k) * n + i] as number;
      if (value > score) [index, score] = [k, value];
    }
    if (index < 0) continue;
    const at = (row: number): number => data[row * n + i] as number;
    found.push({ box: centred(at(0), at(1), at(2), at(3), { x: 1, y: 1 }), score, index });
  }
  return found;
}

/** [1, n, 4 + objectness + classes + others]. */
function rows(
  { dims, data }: Values,
  { classes = 0, conf }: DecodeSettings,
  { objectness, unit }: { readonly objectness: boolean; readonly unit: Unit },
): readonly Candidate[] {
  const [, n = 0, columns = 0] = dims;
  const before = objectness ? 5 : 4;
  const found: Candidate[] = [];
  for (let i = 0; i < n; i++) {
    const at = (column: number): number => data[i * columns + column] as number;
    const object = objectness ? at(4) : 1;
    if (!(object > conf)) continue;
    let [index, score] = [-1, conf];
    for (let k = 0; k < classes; k++) {
      const value = object * at(before + k);
      if (value > score) [index, score] = [k, value];
    }
    if (index >= 0) found.push({ box: centred(at(0), at(1), at(2), at(3), unit), score, index });
  }
  return found;
}

/** [1, n, 6 + others]: corners, score, class; rows of zeros fill it up. */
function endToEnd({ dims, data }: Values, { conf }: DecodeSettings): readonly Candidate[] {
  const [, n = 0, columns = 0] = dims;
  const found: Candidate[] = [];
  for (let i = 0; i < n; i++) {
    const [x0, y0, x1, y1, score, index] = Array.from({ length: 6 }, (_, k) => data[i * columns + k] as number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    if (score > conf) found.push({ box: [x0, y0, x1, y1], score, index: Math.round(index) });
  }
  return found;
}

/** Boxes, labels and scores, each for itself. */
function listed(boxes: Values, labels: Values, scores: Values, { conf }: DecodeSettings): readonly Candidate[] {
  const found: Candidate[] = [];
  for (let i = 0; i < scores.data.length; i++) {
    const score = scores.data[i] as number;
    if (!(score > conf)) continue;
    const at = (side: number): number => boxes.data[4 * i + side] as number;
    found.push({ box: [at(0), at(1), at(2), at(3)], score, index: Number(labels.data[i]) });
  }
  return found;
}

/**
 * [1, queries, classes] and boxes as shares of the input. `detr` chooses one class for each query, among them nothing;
 * the others judge each class by itself, and the best of all are as many as there are queries, as their
 * `post_process_object_detection` has it.
 */
function queries(boxes: Values, logits: Values, { layout, conf }: DecodeSettings, unit: Unit): readonly Candidate[] {
  const [, count = 0, width = 0] = logits.dims;
  const found: Candidate[] = [];
  for (let i = 0; i < count; i++) {
    const row = Array.from({ length: width }, (_, k) => logits.data[i * width + k] as number);
    const scores = layout === "detr" ? softmax(row).slice(0, -1) : row.map((logit) => 1 / (1 + Math.exp(-logit)));
    const best = Math.max(...scores);
    const at = (side: number): number => boxes.data[4 * i + side] as number;
    for (const [index, score] of scores.entries()) {
      if (!(score > conf) || (layout === "detr" && score < best)) continue;
      found.push({ box: centred(at(0), at(1), at(2), at(3), unit), score, index });
    }
  }
  return found.sort((a, b) => b.score - a.score).slice(0, count);
}

function softmax(logits: readonly number[]): readonly number[] {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * By score, the best first, without those that overlap a better one of their class by an IoU above `iou` (torchvision's
 * `batched_nms`).
 */
export function suppress(candidates: readonly Candidate[], iou: number, most: number): readonly Candidate[] {
  const kept: Candidate[] = [];
  for (const one of [...candidates].sort((a, b) => b.score - a.score)) {
    if (kept.length === most) break;
    if (kept.every((other) => other.index !== one.index || !(boxIou(other.box, one.box) > iou))) kept.push(one);
  }
  return kept;
}

function boxIou(a: PromptBox, b: PromptBox): number {
  const area = ([x0, y0, x1, y1]: PromptBox): number => Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
  const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return both / (area(a) + area(b) - both);
}
