/** Images as each kind of detector was trained to see them. */

import type { PromptBox, RawImage, Size } from "@masklet/core";
import { imageNet, linearTaps, resizeImageAntialiased } from "@masklet/core/backend";
import type { DetectorLayout } from "./layout.ts";

/** How an image becomes an input. */
interface Preparation {
  /**
   * - `letterbox`: whole, in the middle of grey 114; Ultralytics' `LetterBox`, OpenCV's bilinear without antialias.
   * - `stretch`: to the input's size, the same filter (`LetterBox(scale_fill=True)`).
   * - `smooth`: to the input's size with antialias, as Pillow and torchvision resize.
   * - `shortest-edge`: with antialias, the shorter side to 800 and the longer to 1333 at most: DETR's `DetrImageProcessor`.
   * - `as-is`: at its own size, where the model takes any: torchvision's models resize by themselves.
   */
  readonly fit: "letterbox" | "stretch" | "smooth" | "shortest-edge" | "as-is";
  /** ImageNet's mean and deviation; else 0 to 1. */
  readonly normalise: boolean;
  /** Of a side, where the model takes any. */
  readonly side: number;
}

/**
 * Sources: ultralytics/data/augment.py (`LetterBox`) and models/rtdetr/predict.py; yolov5/utils/augmentations.py
 * (`letterbox`); RT-DETR and D-FINE, tools/export_onnx.py and configs (`Resize` to 640, no normalisation);
 * transformers, image_processing_rt_detr.py (`do_normalize` false), image_processing_detr.py; rfdetr/detr.py (means and
 * deviations of ImageNet, square resize); torchvision/models/detection/transform.py (all inside the model).
 */
export const preparations: Readonly<Record<DetectorLayout, Preparation>> = {
  yolo: { fit: "letterbox", normalise: false, side: 640 },
  yolov5: { fit: "letterbox", normalise: false, side: 640 },
  "yolo-end2end": { fit: "letterbox", normalise: false, side: 640 },
  "ultralytics-rtdetr": { fit: "stretch", normalise: false, side: 640 },
  rtdetr: { fit: "smooth", normalise: false, side: 640 },
  "transformers-rtdetr": { fit: "smooth", normalise: false, side: 640 },
  detr: { fit: "shortest-edge", normalise: true, side: 800 },
  "deformable-detr": { fit: "shortest-edge", normalise: true, side: 800 },
  "rf-detr": { fit: "smooth", normalise: true, side: 560 },
  torchvision: { fit: "as-is", normalise: false, side: 800 },
};

/** An image as an input, and the way back. */
export interface Prepared {
  /** [3, height, width]. */
  readonly data: Float32Array;
  readonly size: Size;
  /** From pixels of the input to pixels of the image. */
  readonly back: (box: PromptBox) => PromptBox;
}

const GREY = 114;
const LONGEST = 1333;

/** `fixed` is the input's size, where the model or the caller says it. */
export function prepare(image: RawImage, layout: DetectorLayout, fixed: Size | undefined): Prepared {
  const { fit, normalise, side } = preparations[layout];
  const size =
    fixed ?? (fit === "as-is" ? sizeOf(image) : fit === "shortest-edge" ? shortestEdge(image, side) : square(side));
  const inside = fit === "letterbox" ? letterbox(image, size) : { x: 0, y: 0, ...size };
  const plain = fit === "letterbox" || fit === "stretch";
  const pixels =
    inside.width === image.width && inside.height === image.height
      ? Float32Array.from(coloursOf(image))
      : plain
        ? resizePlain(image, inside)
        : resizeImageAntialiased(image, inside);
  const count = size.width * size.height;
  const data = new Float32Array(3 * count);
  for (let c = 0; c < 3; c++) {
    const [mean, std] = normalise ? [imageNet.mean[c] as number, imageNet.std[c] as number] : [0, 1];
    const scale = 1 / (255 * std);
    const plane = data.subarray(c * count, (c + 1) * count);
    if (inside.width * inside.height < count) plane.fill((GREY / 255 - mean) / std);
    for (let y = 0; y < inside.height; y++) {
      let at = (y + inside.y) * size.width + inside.x;
      const end = at + inside.width;
      for (let from = 3 * y * inside.width + c; at < end; at++, from += 3) {
        plane[at] = (pixels[from] as number) * scale - mean / std;
      }
    }
  }
  const [across, down] =
    fit === "letterbox"
      ? [gainOf(image, size), gainOf(image, size)]
      : [size.width / image.width, size.height / image.height];
  const back = ([x0, y0, x1, y1]: PromptBox): PromptBox => [
    (x0 - inside.x) / across,
    (y0 - inside.y) / down,
    (x1 - inside.x) / across,
    (y1 - inside.y) / down,
  ];
  return { data, size, back };
}

const square = (side: number): Size => ({ width: side, height: side });
const sizeOf = ({ width, height }: Size): Size => ({ width, height });

function shortestEdge({ width, height }: Size, side: number): Size {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const shorter = Math.round(Math.min(side, (LONGEST * short) / long));
  const longer = Math.trunc((shorter * long) / short);
  return width < height ? { width: shorter, height: longer } : { width: longer, height: shorter };
}

function gainOf(image: Size, { width, height }: Size): number {
  return Math.min(width / image.width, height / image.height);
}

/** Where the image lies; halves of pixels go to the right and below, as Ultralytics rounds them. */
function letterbox(image: Size, size: Size): Size & { readonly x: number; readonly y: number } {
  const gain = gainOf(image, size);
  const [width, height] = [Math.max(1, Math.round(image.width * gain)), Math.max(1, Math.round(image.height * gain))];
  const before = (room: number): number => Math.max(0, Math.round(room / 2 - 0.1));
  return { width, height, x: before(size.width - width), y: before(size.height - height) };
}

function coloursOf({ data, channels }: RawImage): ArrayLike<number> {
  return channels === 3 ? data : data.filter((_, i) => i % 4 < 3);
}

/** Bilinear without antialias, alpha dropped: -> [height, width, 3]. */
function resizePlain({ width, height, channels, data }: RawImage, to: Size): Float32Array {
  const [across, down] = [linearTaps(width, to.width), linearTaps(height, to.height)];
  const out = new Float32Array(3 * to.width * to.height);
  for (let y = 0, o = 0; y < to.height; y++) {
    const [top, bottom] = [(down.low[y] as number) * width, (down.high[y] as number) * width];
    const v = down.weight[y] as number;
    for (let x = 0; x < to.width; x++) {
      const [left, right] = [across.low[x] as number, across.high[x] as number];
      const w = across.weight[x] as number;
      for (let c = 0; c < 3; c++) {
        const at = (pixel: number): number => data[pixel * channels + c] as number;
        const above = at(top + left) * (1 - w) + at(top + right) * w;
        const below = at(bottom + left) * (1 - w) + at(bottom + right) * w;
        out[o++] = above * (1 - v) + below * v;
      }
    }
  }
  return out;
}
