/**
 * Which pixel of its image a layer shows at a place of the page: Figma's rules of paint, written from the layer's side
 * (the plugin's own map goes the other way), to hold results against.
 */
import type { ImagePaint, SceneNode } from "@figma/plugin-typings/plugin-api-standalone";
import type { FakeFigma } from "./figma.ts";
import { pixelsOf, pngFrom } from "./images.ts";

export type PagePoint = readonly [number, number];

interface Shown {
  readonly hash: string;
  readonly u: number;
  readonly v: number;
}

/** The local coordinates of a place of the page. */
export function localOf(node: SceneNode, [px, py]: PagePoint): PagePoint {
  const [[a, b, c], [d, e, f]] = (node as { absoluteTransform: number[][] }).absoluteTransform as [
    number[],
    number[],
  ] as [[number, number, number], [number, number, number]];
  const determinant = a * e - b * d;
  const [dx, dy] = [px - c, py - f];
  return [(e * dx - b * dy) / determinant, (a * dy - d * dx) / determinant];
}

export function pageOf(node: SceneNode, [x, y]: PagePoint): PagePoint {
  const [[a, b, c], [d, e, f]] = (node as { absoluteTransform: [[number, number, number], [number, number, number]] })
    .absoluteTransform;
  return [a * x + b * y + c, d * x + e * y + f];
}

/** What the topmost visible image of a layer shows there; undefined outside of the layer and of the image. */
export function shownAt(figma: FakeFigma, node: SceneNode, place: PagePoint, turns: 1 | -1 = 1): Shown | undefined {
  const {
    fills,
    width: w,
    height: h,
  } = node as unknown as { fills: readonly ImagePaint[]; width: number; height: number };
  const paint = fills.filter((one) => one.type === "IMAGE" && one.visible !== false).at(-1);
  const image = figma.images.get(paint?.imageHash ?? "");
  if (paint === undefined || image === undefined) return undefined;
  const [x, y] = localOf(node, place);
  const margin = 1e-9;
  if (x < -margin || y < -margin || x > w + margin || y > h + margin) return undefined;
  const { width: W, height: H, hash } = image;
  if (paint.scaleMode === "CROP") {
    const [[a, b, c], [d, e, f]] = paint.imageTransform ?? [
      [1, 0, 0],
      [0, 1, 0],
    ];
    const s = (a * x) / w + (b * y) / h + c;
    const t = (d * x) / w + (e * y) / h + f;
    return inside(hash, s * W, t * H, W, H);
  }
  const quarter = (((((paint.rotation ?? 0) * turns) / 90) % 4) + 4) % 4;
  const [tw, th] = quarter % 2 === 0 ? [W, H] : [H, W];
  let [qx, qy] = [0, 0];
  if (paint.scaleMode === "TILE") {
    const k = paint.scalingFactor ?? 1;
    [qx, qy] = [((x / k) % tw) - tw / 2, ((y / k) % th) - th / 2];
  } else {
    const k = (paint.scaleMode === "FILL" ? Math.max : Math.min)(w / tw, h / th);
    [qx, qy] = [(x - w / 2) / k, (y - h / 2) / k];
  }
  // Turned back: clockwise by so many quarters is how it was drawn.
  for (let i = 0; i < quarter; i++) [qx, qy] = [qy, -qx];
  return inside(hash, qx + W / 2, qy + H / 2, W, H);
}

function inside(hash: string, u: number, v: number, width: number, height: number): Shown | undefined {
  const margin = 1e-6;
  return u < -margin || v < -margin || u > width + margin || v > height + margin ? undefined : { hash, u, v };
}

/** A layer's image as Figma exports it: a PNG of the layer's size, transparent where nothing is drawn. */
export function renderLayer(figma: FakeFigma, node: SceneNode, turns: 1 | -1): Uint8Array {
  const { width, height } = node as { width: number; height: number };
  const [columns, rows] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
  const out = new Uint8Array(4 * columns * rows);
  const read = new Map<string, ReturnType<typeof pixelsOf>>();
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const place = [((x + 0.5) / columns) * width, ((y + 0.5) / rows) * height] as const;
      const shown = shownAt(figma, node, pageOf(node, place), turns);
      if (shown === undefined) continue;
      const { hash, u, v } = shown;
      const image = read.get(hash) ?? pixelsOf(figma.images.get(hash)?.bytes ?? new Uint8Array());
      read.set(hash, image);
      const at = Math.min(image.height - 1, Math.floor(v)) * image.width + Math.min(image.width - 1, Math.floor(u));
      for (let c = 0; c < 3; c++) {
        out[4 * (y * columns + x) + c] = image.data[at * image.channels + (image.channels < 3 ? 0 : c)] ?? 0;
      }
      out[4 * (y * columns + x) + 3] = 255;
    }
  }
  return pngFrom(columns, rows, 6, 4, out);
}
