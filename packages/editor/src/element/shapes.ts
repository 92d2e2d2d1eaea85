/** What objects look like on a canvas: their outlines along the cracks between pixels, and soft cutouts. */
import { type CompressedRle, decodeRleAt, type RawImage, rleBox } from "@masklet/core";
import type { EdgeSettings } from "../document.ts";
import { cutoutWith, ringsOf } from "../masks.ts";

/** Shapes of the masks shown last, so that a frame costs no mask. */
export class Shapes {
  readonly #paths = new Map<string, Path2D>();
  readonly #cutouts = new Map<string, SoftCutout>();
  /** How many paths are kept: more than one frame shows, or each frame would make all of them again. */
  room: number;

  constructor(room = 256) {
    this.room = room;
  }

  /** In the picture's pixels, for the even-odd rule. */
  path(rle: CompressedRle): Path2D {
    return remember(this.#paths, rle.counts, this.room, () => pathOf(rle));
  }

  /** A cutout whose edge is not hard, and where it lies; `undefined` for an empty mask. */
  cutout(image: RawImage, rle: CompressedRle, edge: EdgeSettings): SoftCutout | undefined {
    const box = rleBox(rle);
    if (box.width === 0) return undefined;
    const key = `${edge.feather}/${edge.decontaminate}/${rle.counts}`;
    return remember(this.#cutouts, key, 8, () => {
      // The object and what its edge depends on, as far as the picture goes.
      const reach = Math.ceil(edge.feather * Math.SQRT2) + 1;
      const [x, y] = [Math.max(0, box.x - reach), Math.max(0, box.y - reach)];
      const width = Math.min(image.width, box.x + box.width + reach) - x;
      const height = Math.min(image.height, box.y + box.height + reach) - y;
      const area = { x, y, width, height };
      const { data } = cutoutWith(cropped(image, area), decodeRleAt(rle, area), edge);
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d") as CanvasRenderingContext2D;
      const pixels = context.createImageData(width, height);
      pixels.data.set(data);
      context.putImageData(pixels, 0, 0);
      return { canvas, x, y };
    });
  }
}

export interface SoftCutout {
  readonly canvas: HTMLCanvasElement;
  readonly x: number;
  readonly y: number;
}

function remember<T>(known: Map<string, T>, key: string, most: number, make: () => T): T {
  const value = known.get(key) ?? make();
  known.delete(key);
  known.set(key, value);
  for (const old of known.keys()) {
    if (known.size <= most) break;
    known.delete(old);
  }
  return value;
}

function pathOf(rle: CompressedRle): Path2D {
  const path = new Path2D();
  for (const ring of ringsOf(rle)) {
    for (let i = 0; i < ring.length; i += 2) {
      if (i === 0) path.moveTo(ring[i] as number, ring[i + 1] as number);
      else path.lineTo(ring[i] as number, ring[i + 1] as number);
    }
    path.closePath();
  }
  return path;
}

function cropped(image: RawImage, area: { x: number; y: number; width: number; height: number }): RawImage {
  const { channels } = image;
  const data = new Uint8Array(area.width * area.height * channels);
  for (let row = 0; row < area.height; row++) {
    const from = ((area.y + row) * image.width + area.x) * channels;
    data.set(image.data.subarray(from, from + area.width * channels), row * area.width * channels);
  }
  return { width: area.width, height: area.height, channels, data };
}
