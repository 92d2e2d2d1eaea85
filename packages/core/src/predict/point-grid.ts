/** Where automatic masks look: grids of points, and crops of the image (reference: sam2/utils/amg.py). */
import type { Size } from "../image/image.ts";
import type { Box } from "../mask/mask.ts";
import type { Point } from "../prompt/prompt.ts";

/** `side` x `side` points, in the middle of equal cells of the unit square, row by row (`build_point_grid`). */
export function pointGrid(side: number): readonly Point[] {
  const places = Array.from({ length: side }, (_, i) => (i + 0.5) / side);
  return places.flatMap((y) => places.map((x): Point => [x, y]));
}

/** A part of the image that is encoded by itself. */
export interface Crop {
  /** 0 is the whole image; layer i has 2^i crops on each side. */
  readonly layer: number;
  readonly box: Box;
}

/**
 * The image and, in each further layer, crops that overlap by `overlapRatio` of its short side, halved with each layer;
 * column by column (`generate_crop_boxes`).
 */
export function cropsOf(image: Size, layers: number, overlapRatio: number): readonly Crop[] {
  const crops: Crop[] = [{ layer: 0, box: { x: 0, y: 0, width: image.width, height: image.height } }];
  for (let layer = 1; layer <= layers; layer++) {
    const side = 2 ** layer;
    const overlap = Math.floor(overlapRatio * Math.min(image.width, image.height) * (2 / side));
    const length = (whole: number): number => Math.ceil((overlap * (side - 1) + whole) / side);
    const [width, height] = [length(image.width), length(image.height)];
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < side; j++) {
        const [x, y] = [(width - overlap) * i, (height - overlap) * j];
        const box = { x, y, width: Math.min(width, image.width - x), height: Math.min(height, image.height - y) };
        crops.push({ layer, box });
      }
    }
  }
  return crops;
}
