/** What an object's shape means, whatever kind it is of. */
import { type Box, decodeRle, maskRegions, type Rle, rleBox, type Size } from "@masklet/core";
import type { LabelObject, Shape } from "../model.ts";
import { boxRing, fillBox, fillRegions } from "./fill.ts";

/**
 * The mask of a shape in its image; of a box the pixels within, of points and lines none: `undefined`.
 * Throws a `LabelError` "annotation-invalid" for polygons that make no sense.
 */
export function shapeMask(shape: Shape, size: Size): Rle | undefined {
  switch (shape.kind) {
    case "mask":
      return shape.rle;
    case "polygons":
      return fillRegions(shape.regions, size, shape.fill);
    case "box":
      return fillBox(shape.box, size, shape.fill, shape.rotation);
    case "points":
      return undefined;
  }
}

/** Whether a mask is known: a box is where an object lies, not what it is. */
export function hasMask({ shape }: LabelObject): boolean {
  return shape.kind === "mask" || shape.kind === "polygons";
}

/** The smallest box around a shape, in whole pixels where it has a mask; a box as it is. */
export function shapeBox(shape: Shape, size: Size): Box {
  if (shape.kind === "box" && (shape.rotation ?? 0) === 0) {
    return shape.box;
  }
  const mask = shapeMask(shape, size);
  if (mask !== undefined) return rleBox(mask);
  const corners = shape.kind === "points" ? shape.points : shape.kind === "box" ? boxRing(shape.box) : [];
  const xs = corners.filter((_, i) => i % 2 === 0);
  const ys = corners.filter((_, i) => i % 2 === 1);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return xs.length === 0
    ? { x: 0, y: 0, width: 0, height: 0 }
    : { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** How many 8-connected parts and how many holes a mask has. */
export function topology(rle: Rle): { readonly parts: number; readonly holes: number } {
  const regions = maskRegions(decodeRle(rle));
  return { parts: regions.length, holes: regions.reduce((sum, { holes }) => sum + holes.length, 0) };
}
