/** A picture in tiles of several sizes, made when they come into sight: a 50-megapixel one is never drawn as a whole. */
import type { RawImage } from "@masklet/core";
import { tilesInSight, type View } from "../view.ts";

/** Small enough that one is made within a few milliseconds. */
const SIDE = 256;
/** 96 MiB, more than a 4K screen shows. */
const MOST = 384;
/** A frame's share of time for making tiles, in ms. */
const BUDGET = 8;
/** Samples along each side of a coarse tile's pixel: more are not seen, and take longer than a frame. */
const SAMPLES = 2;

/** Between nothing and the first fine tiles: all of the picture in one. */
const PREVIEW_SIDE = 512;

export class Tiles {
  readonly image: RawImage;
  readonly #tiles = new Map<string, HTMLCanvasElement>();
  readonly #preview: HTMLCanvasElement;

  constructor(image: RawImage) {
    this.image = image;
    const level = Math.max(0, Math.ceil(Math.log2(Math.max(image.width, image.height) / PREVIEW_SIDE)));
    this.#preview = makeTile(image, level, 0, 0, Math.max(image.width, image.height));
  }

  /** How many tiles there are, for those who count memory. */
  get count(): number {
    return this.#tiles.size;
  }

  /** Draws what is in sight; -> whether some of it is still coarse, and another frame is wanted. */
  draw(context: CanvasRenderingContext2D, view: View): boolean {
    const { width, height } = this.image;
    const { level, left, top, right, bottom } = tilesInSight(view, this.image, context.canvas, SIDE);
    // Pixels are seen as such from three times their size, as VS Code shows them.
    context.imageSmoothingEnabled = view.scale < 3;
    context.imageSmoothingQuality = "medium";
    const step = SIDE * 2 ** level;
    const began = performance.now();
    let isCoarse = false;
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const key = `${level}/${column}/${row}`;
        let tile = this.#tiles.get(key);
        if (tile === undefined && performance.now() - began < BUDGET) {
          tile = makeTile(this.image, level, column * step, row * step, step);
        }
        const [x0, y0] = [column * step, row * step];
        const [x1, y1] = [Math.min(width, x0 + step), Math.min(height, y0 + step)];
        const [dx, dy] = [Math.round(view.x + x0 * view.scale), Math.round(view.y + y0 * view.scale)];
        const [dw, dh] = [Math.round(view.x + x1 * view.scale) - dx, Math.round(view.y + y1 * view.scale) - dy];
        if (tile === undefined) {
          isCoarse = true;
          const [kx, ky] = [this.#preview.width / width, this.#preview.height / height];
          context.drawImage(this.#preview, x0 * kx, y0 * ky, (x1 - x0) * kx, (y1 - y0) * ky, dx, dy, dw, dh);
          continue;
        }
        // The last of a Map is the one used last.
        this.#tiles.delete(key);
        this.#tiles.set(key, tile);
        context.drawImage(tile, 0, 0, tile.width, tile.height, dx, dy, dw, dh);
      }
    }
    for (const key of this.#tiles.keys()) {
      if (this.#tiles.size <= MOST) break;
      this.#tiles.delete(key);
    }
    return isCoarse;
  }
}

/** The square of `step` pixels at (left, top), as far as the picture goes, each of its pixels the mean of 2^level squared. */
function makeTile(image: RawImage, level: number, left: number, top: number, step: number): HTMLCanvasElement {
  const { width, height } = image;
  const scale = 2 ** level;
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(Math.min(step, width - left) / scale);
  canvas.height = Math.ceil(Math.min(step, height - top) / scale);
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const out = context.createImageData(canvas.width, canvas.height);
  if (level === 0) copyPixels(image, left, top, out);
  else meanPixels(image, left, top, scale, out);
  context.putImageData(out, 0, 0);
  return canvas;
}

function copyPixels({ width, channels, data }: RawImage, left: number, top: number, out: ImageData): void {
  for (let y = 0, to = 0; y < out.height; y++) {
    let from = ((top + y) * width + left) * channels;
    if (channels === 4) {
      out.data.set(data.subarray(from, from + 4 * out.width), 4 * y * out.width);
      continue;
    }
    for (let x = 0; x < out.width; x++, from += 3, to += 4) {
      out.data[to] = data[from] as number;
      out.data[to + 1] = data[from + 1] as number;
      out.data[to + 2] = data[from + 2] as number;
      out.data[to + 3] = 255;
    }
  }
}

/** Each pixel of `out` is the mean of a square of `scale` pixels, or of as many samples of it as are seen. */
function meanPixels(
  { width, height, channels, data }: RawImage,
  left: number,
  top: number,
  scale: number,
  out: ImageData,
): void {
  const stride = Math.max(1, scale / SAMPLES);
  for (let y = 0, to = 0; y < out.height; y++) {
    const bottom = Math.min(height, top + (y + 1) * scale);
    for (let x = 0; x < out.width; x++, to += 4) {
      const right = Math.min(width, left + (x + 1) * scale);
      let red = 0;
      let green = 0;
      let blue = 0;
      let alpha = 0;
      let count = 0;
      for (let py = top + y * scale; py < bottom; py += stride) {
        for (let px = left + x * scale; px < right; px += stride) {
          const from = (py * width + px) * channels;
          red += data[from] as number;
          green += data[from + 1] as number;
          blue += data[from + 2] as number;
          alpha += channels === 4 ? (data[from + 3] as number) : 255;
          count++;
        }
      }
      out.data[to] = red / count;
      out.data[to + 1] = green / count;
      out.data[to + 2] = blue / count;
      out.data[to + 3] = alpha / count;
    }
  }
}
