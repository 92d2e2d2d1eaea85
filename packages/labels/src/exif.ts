/**
 * Pictures that a camera has turned. Viewers, trainers and Masklet see them upright; some exporters (of COCO above all) wrote
 * coordinates of the pixels as stored. Those are recognised by the labels' size and kept: turned to be looked at, and turned
 * back to be written.
 */
import { type Box, decodeRle, encodeRle, type Region, type Rle, type Size } from "@masklet/core";
import { LabelError } from "./errors.ts";
import { boxRing } from "./geometry/fill.ts";
import type { FillRule, LabelObject, Shape } from "./model.ts";

/** EXIF's orientation: 1 upright, 2 to 4 of the same size, 5 to 8 with width and height exchanged. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** The orientation in a JPEG's EXIF; 1 where it says none. */
export function exifOrientation(bytes: Uint8Array): Orientation {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return 1;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1] as number;
    const length = view.getUint16(at + 2);
    const end = at + 2 + length;
    if (marker === 0xda || length < 2 || end > bytes.length) return 1;
    // "Exif\0\0", then TIFF: byte order, 42, where the first directory lies.
    if (marker === 0xe1 && length >= 16 && view.getUint32(at + 4) === 0x45786966) {
      const tiff = at + 10;
      const little = view.getUint16(tiff) === 0x4949;
      const directory = tiff + view.getUint32(tiff + 4, little);
      if (directory + 2 > end) return 1;
      const count = view.getUint16(directory, little);
      for (let i = 0, entry = directory + 2; i < count && entry + 12 <= end; i++, entry += 12) {
        if (view.getUint16(entry, little) !== 0x0112) continue;
        const value = view.getUint16(entry + 8, little);
        return value >= 1 && value <= 8 ? (value as Orientation) : 1;
      }
      return 1;
    }
    at = end;
  }
  return 1;
}

/**
 * Of which pixels labels are, by their size: `stored`, `upright`; `same` where there is no difference, `unknown` where sizes
 * do not tell (a square, or turned by half), `neither` where they are of another picture.
 */
export function labelPixels(
  labels: Size,
  stored: Size,
  orientation: Orientation,
): "same" | "stored" | "upright" | "unknown" | "neither" {
  const asStored = labels.width === stored.width && labels.height === stored.height;
  const exchanged = labels.width === stored.height && labels.height === stored.width;
  if (orientation === 1) return asStored ? "same" : "neither";
  if (orientation < 5) return asStored ? "unknown" : "neither";
  if (asStored && exchanged) return "unknown";
  return asStored ? "stored" : exchanged ? "upright" : "neither";
}

/** The orientation that turns back what this one has turned. */
export function turnedBack(orientation: Orientation): Orientation {
  return orientation === 6 ? 8 : orientation === 8 ? 6 : orientation;
}

/** A size after the turn. */
export function turnSize({ width, height }: Size, orientation: Orientation): Size {
  return orientation < 5 ? { width, height } : { width: height, height: width };
}

/** An object of stored pixels as of upright ones; `size` is that of the stored picture. Boxes that are turned become polygons. */
export function turnObject(object: LabelObject, size: Size, orientation: Orientation): LabelObject {
  if (!(Number.isInteger(orientation) && orientation >= 1 && orientation <= 8)) {
    throw new LabelError("label-option", `orientation must be from 1 to 8, got ${orientation}`, {
      details: { option: "orientation", got: orientation },
    });
  }
  if (orientation === 1) return object;
  const { box, keypoints, ...rest } = object;
  return {
    ...rest,
    shape: turnShape(object.shape, size, orientation),
    ...(box === undefined ? {} : { box: turnBox(box, size, orientation) }),
    ...(keypoints === undefined ? {} : { keypoints: turnKeypoints(keypoints, size, orientation) }),
  };
}

function turnShape(shape: Shape, size: Size, orientation: Orientation): Shape {
  const ring = (points: readonly number[], fill: FillRule): readonly number[] =>
    turnPoints(points, size, orientation, fill === "centres" ? 1 : 0);
  switch (shape.kind) {
    case "mask":
      return { ...shape, rle: turnRle(shape.rle, orientation) };
    case "polygons": {
      const regions = shape.regions.map(
        ({ outline, holes }): Region => ({
          outline: ring(outline, shape.fill),
          holes: holes.map((hole) => ring(hole, shape.fill)),
        }),
      );
      return { ...shape, regions };
    }
    case "box": {
      if ((shape.rotation ?? 0) !== 0) {
        const outline = ring(boxRing(shape.box, shape.rotation), shape.fill);
        return { kind: "polygons", regions: [{ outline, holes: [] }], fill: shape.fill };
      }
      return { ...shape, box: turnBox(shape.box, size, orientation, shape.fill) };
    }
    case "points":
      return { ...shape, points: turnPoints(shape.points, size, orientation, 0) };
  }
}

/** Corners between pixels, or pixels themselves where `last` is 1: then the first becomes the last. */
function turnPoints(
  points: readonly number[],
  { width, height }: Size,
  orientation: Orientation,
  last: 0 | 1,
): readonly number[] {
  const turned: number[] = [];
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i] as number, points[i + 1] as number];
    const [left, up] = [width - last - x, height - last - y];
    const all = {
      1: [x, y],
      2: [left, y],
      3: [left, up],
      4: [x, up],
      5: [y, x],
      6: [up, x],
      7: [up, left],
      8: [y, left],
    };
    turned.push(...all[orientation]);
  }
  return turned;
}

function turnBox({ x, y, width, height }: Box, size: Size, orientation: Orientation, fill: FillRule = "cracks"): Box {
  const corners = turnPoints([x, y, x + width, y + height], size, orientation, fill === "centres" ? 1 : 0);
  const [x0, y0, x1, y1] = corners as [number, number, number, number];
  return { x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) };
}

function turnKeypoints(keypoints: readonly number[], size: Size, orientation: Orientation): readonly number[] {
  return keypoints.flatMap((_, i) => {
    if (i % 3 !== 0) return [];
    const [x, y, visible] = keypoints.slice(i, i + 3) as [number, number, number];
    // One that is not labelled lies nowhere.
    return visible === 0 ? [x, y, visible] : [...turnPoints([x, y], size, orientation, 0), visible];
  });
}

function turnRle(rle: Rle, orientation: Orientation): Rle {
  const mask = decodeRle(rle);
  const { width, height } = turnSize(mask, orientation);
  const data = new Uint8Array(width * height);
  for (let i = 0; i < mask.data.length; i++) {
    if (mask.data[i] === 0) continue;
    const [x, y] = turnPoints([i % mask.width, Math.floor(i / mask.width)], mask, orientation, 1) as [number, number];
    data[y * width + x] = 1;
  }
  return encodeRle({ width, height, data });
}
