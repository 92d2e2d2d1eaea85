/** Label maps: one number to a pixel, so that of what overlaps the front alone is left. */
import { davisPalette, decodeRle, type Rgb, type Rle, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import type { LabelFile } from "../files.ts";
import { fillRegions } from "../geometry/fill.ts";
import { hasMask, shapeMask } from "../geometry/object.ts";
import { runsArea } from "../geometry/rle.ts";
import type { Losses } from "../loss.ts";
import type { LabelledImage } from "../model.ts";
import { encodePng, type Png } from "../png/png.ts";
import { objectName } from "./format.ts";

/** The run lengths of each value of a map but those in `skip`, by value in growing order. */
export function masksOf(
  values: ArrayLike<number>,
  { width, height }: Size,
  skip: ReadonlySet<number> = new Set([0]),
): ReadonlyMap<number, Rle> {
  // Each value's run ends, column by column, as COCO counts.
  const ends = new Map<number, number[]>();
  for (let x = 0, at = 0; x < width; x++) {
    for (let y = 0; y < height; y++, at++) {
      const value = values[y * width + x] as number;
      if (skip.has(value)) continue;
      const own = ends.get(value);
      if (own === undefined) ends.set(value, [at, at + 1]);
      else if (own[own.length - 1] === at) own[own.length - 1] = at + 1;
      else own.push(at, at + 1);
    }
  }
  const masks = new Map<number, Rle>();
  for (const [value, own] of [...ends].sort(([a], [b]) => a - b)) {
    const counts = own.map((end, i) => end - (own[i - 1] ?? 0));
    const rest = width * height - (own.at(-1) ?? 0);
    masks.set(value, { size: [height, width], counts: rest > 0 ? [...counts, rest] : counts });
  }
  return masks;
}

/** An object's place in the map, and how much of it is left there. */
export interface Painted {
  readonly index: number;
  readonly value: number;
  readonly visible: number;
}

/**
 * Objects with masks painted in their order, the later over the earlier. `valueFor` gives the number of the n-th object
 * that has a mask, `undefined` for one that is passed over. Counts what is hidden, and what has no mask.
 */
export function paintLabels(
  image: LabelledImage,
  valueFor: (index: number, count: number) => number | undefined,
  losses?: Losses,
): { readonly values: Uint32Array; readonly painted: readonly Painted[] } {
  const values = new Uint32Array(image.width * image.height);
  const owner = new Int32Array(values.length).fill(-1);
  const all: { index: number; value: number; area: number }[] = [];
  for (const [index, object] of image.objects.entries()) {
    const where = objectName(image, index);
    if (!hasMask(object)) {
      losses?.add(object.shape.kind === "box" ? "box-only" : "points", where);
      continue;
    }
    const value = valueFor(index, all.length);
    if (value === undefined) {
      losses?.add("too-many", where);
      continue;
    }
    const rle = shapeMask(object.shape, image) as Rle;
    const { data } = decodeRle(rle);
    for (let i = 0; i < data.length; i++) {
      if (data[i] === 0) continue;
      values[i] = value;
      owner[i] = all.length;
    }
    all.push({ index, value, area: runsArea(rle) });
  }
  const visible = new Array<number>(all.length).fill(0);
  for (const k of owner) if (k >= 0) visible[k] = (visible[k] as number) + 1;
  const painted = all.map(({ index, value, area }, k) => {
    const left = visible[k] as number;
    if (left < area || area === 0) losses?.add(left === 0 ? "hidden" : "overlap", objectName(image, index));
    return { index, value, visible: left };
  });
  return { values, painted };
}

/** A label map as an 8-bit palette PNG with the colours of VOC and DAVIS. */
export function palettePng(path: string, size: Size, values: () => Uint32Array, colours?: Uint8Array): LabelFile {
  const { width, height } = size;
  return {
    path,
    bytes: async () =>
      encodePng({
        width,
        height,
        kind: "palette",
        channels: 1,
        depth: 8,
        samples: Uint8Array.from(values()),
        palette: colours ?? davisPalette(),
      }),
  };
}

/** A label map as a grey PNG. */
export function greyPng(path: string, size: Size, depth: 8 | 16, values: () => Uint32Array): LabelFile {
  const { width, height } = size;
  return {
    path,
    bytes: async () => {
      const samples = depth === 8 ? Uint8Array.from(values()) : Uint16Array.from(values());
      return encodePng({ width, height, kind: "grey", channels: 1, depth, samples });
    },
  };
}

/**
 * The indices of a label map: those of a palette or of grey, or the places of colours in `colours` (RGB, 3 to an index).
 * Throws a `LabelError` "png-unsupported" that lists colours which are not there.
 */
export function indicesOf(png: Png, name: string, colours: Uint8Array = davisPalette()): ArrayLike<number> {
  if (png.kind === "palette" || png.kind === "grey") return png.samples;
  if (png.depth !== 8 || png.channels < 3) {
    throw new LabelError("png-unsupported", `${name}: ${png.kind} of ${png.depth} bits is no label map`, {
      details: { file: name },
    });
  }
  const places = new Map<number, number>();
  for (let i = colours.length / 3 - 1; i >= 0; i--) {
    places.set(
      ((colours[3 * i] as number) << 16) | ((colours[3 * i + 1] as number) << 8) | (colours[3 * i + 2] as number),
      i,
    );
  }
  const unknown = new Set<string>();
  const indices = new Uint8Array(png.width * png.height);
  for (let i = 0, at = 0; i < indices.length; i++, at += png.channels) {
    const [red, green, blue] = [
      png.samples[at] as number,
      png.samples[at + 1] as number,
      png.samples[at + 2] as number,
    ];
    const place = places.get((red << 16) | (green << 8) | blue);
    if (place === undefined) unknown.add(`${red},${green},${blue}`);
    else indices[i] = place;
  }
  if (unknown.size > 0) {
    const some = [...unknown].slice(0, 8).join(" ");
    throw new LabelError("png-unsupported", `${name}: ${unknown.size} of its colours are no class's: ${some}`, {
      details: { file: name, colours: [...unknown].slice(0, 32) },
    });
  }
  return indices;
}

/** Colours as a palette of 256. */
export function paletteOf(colours: readonly (Rgb | undefined)[]): Uint8Array {
  const palette = davisPalette();
  for (const [i, colour] of colours.entries()) if (colour !== undefined) palette.set(colour, 3 * i);
  return palette;
}

/** A polygon drawn in the order of a list, by the rule of cracks. */
export function polygonMask(points: readonly number[], size: Size): Rle {
  return fillRegions([{ outline: points, holes: [] }], size, "cracks");
}
