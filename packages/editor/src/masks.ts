/** Masks as the document holds them, COCO's strings, and what is done to them: in the object's box, not in the picture. */
import {
  type Box,
  type CompressedRle,
  type Cutout,
  type CutoutOptions,
  combineRle,
  compressRle,
  cutout,
  decodeRleAt,
  decontaminate,
  encodeRleAt,
  type Mask,
  maskBox,
  maskRegions,
  type Point,
  type RawImage,
  type Ring,
  type Rle,
  type RleOperation,
  ringRle,
  rleArea,
  rleBox,
  type Size,
  strokeRle,
} from "@masklet/core";
import { type EdgeSettings, pointsOf } from "./document.ts";
import { rleOf } from "./step.ts";

export function emptyMask({ width, height }: Size): string {
  return compressRle({ size: [height, width], counts: [width * height] }).counts;
}

export function isEmpty(mask: string, size: Size): boolean {
  return rleArea(rleOf(mask, size)) === 0;
}

export function combine(mask: string, other: Rle | CompressedRle, operation: RleOperation, size: Size): string {
  return compressRle(combineRle(rleOf(mask, size), other, operation)).counts;
}

/** The mask of a whole picture, encoded from its object's box alone. */
export function encodeMask(mask: Mask): string {
  return compressRle(encodeRleAt(mask, maskBox(mask), { x: 0, y: 0, width: mask.width, height: mask.height })).counts;
}

/** `edit` sees the object with `reach` pixels around it, as far as the picture goes, and gives a mask of that size. */
export function editArea(mask: string, size: Size, reach: number, edit: (mask: Mask) => Mask): string {
  const area = areaOf(mask, size, reach);
  return area === undefined ? mask : encodeAt(edit(decodeRleAt(rleOf(mask, size), area)), area, size);
}

/** The parts that `split` makes of the object, as masks of the whole picture. */
export function splitArea(mask: string, size: Size, split: (mask: Mask) => readonly Mask[]): readonly string[] {
  const area = areaOf(mask, size, 0);
  return area === undefined
    ? []
    : split(decodeRleAt(rleOf(mask, size), area)).map((part) => encodeAt(part, area, size));
}

function areaOf(mask: string, { width, height }: Size, reach: number): Box | undefined {
  const box = rleBox(rleOf(mask, { width, height }));
  if (box.width === 0) return undefined;
  const [x, y] = [Math.max(0, box.x - reach), Math.max(0, box.y - reach)];
  const [right, bottom] = [box.x + box.width + reach, box.y + box.height + reach];
  return { x, y, width: Math.min(width, right) - x, height: Math.min(height, bottom) - y };
}

function encodeAt(mask: Mask, { x, y }: Box, size: Size): string {
  return compressRle(encodeRleAt(mask, maskBox(mask), { x, y, ...size })).counts;
}

/** The rings around a mask, holes too, in the picture's pixels; with a tolerance, corners that lie within it are left out. */
export function ringsOf(rle: CompressedRle, tolerance = 0): readonly Ring[] {
  const box = rleBox(rle);
  if (box.width === 0) return [];
  const regions = maskRegions(decodeRleAt(rle, box), tolerance === 0 ? {} : { tolerance });
  const placed = (ring: Ring): Ring => ring.map((at, i) => at + (i % 2 === 0 ? box.x : box.y));
  return regions.flatMap(({ outline, holes }) => [outline, ...holes].map(placed));
}

/**
 * A mask whose rings have been moved from `before` to `after`. It changes between the two alone, and within `reach` of the
 * edges that moved: elsewhere it stays exact, however rough the rings are.
 */
export function reshaped(
  mask: string,
  before: readonly Ring[],
  after: readonly Ring[],
  reach: number,
  size: Size,
): string {
  const fill = (rings: readonly Ring[]): string =>
    rings.reduce((all, ring) => combine(all, ringRle(ring, size), "xor", size), emptyMask(size));
  const [was, is] = [fill(before), fill(after)];
  const [old, now] = [edgesOf(before), edgesOf(after)];
  const moved = [...old, ...now].filter(([key]) => old.has(key) !== now.has(key));
  const touched = moved.reduce(
    (all, [, edge]) => combine(all, strokeRle(edge, reach, size), "union", size),
    combine(was, rleOf(is, size), "xor", size),
  );
  const kept = combine(mask, rleOf(touched, size), "difference", size);
  return combine(kept, rleOf(combine(is, rleOf(touched, size), "intersection", size), size), "union", size);
}

function edgesOf(rings: readonly Ring[]): ReadonlyMap<string, readonly Point[]> {
  return new Map(
    rings.flatMap((ring) => {
      const points = pointsOf(ring);
      return points.map((point, i) => {
        const edge = [point, points[(i + 1) % points.length] as Point];
        return [edge.join(), edge] as const;
      });
    }),
  );
}

/** An object cut out as its edge settings say. Throws as core's `cutout`. */
export function cutoutWith(
  image: RawImage,
  mask: Mask,
  { feather, decontaminate: inwards }: EdgeSettings,
  options: Omit<CutoutOptions, "feather"> = {},
): Cutout {
  const clean = inwards > 0 ? decontaminate(image, mask, { inwards, feather }) : image;
  return cutout(clean, mask, { ...options, feather });
}
