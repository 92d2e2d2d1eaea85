/** Labels as few numbers as they can be drawn by, at the size at which they are shown. */
import { decodeRle, maskRegions, type Region } from "@masklet/core";
import { boxRing, type LabelledImage, type LabelObject } from "@masklet/labels";
import { colourOf } from "../protocol.ts";
import type { PictureDrafts } from "./drafts.ts";

export interface OverlayObject {
  readonly category: string | undefined;
  readonly colour: readonly [number, number, number];
  readonly score: number | undefined;
  /** The draft's number; `undefined` for an accepted object. */
  readonly draft: number | undefined;
  /** x, y, x, y, ... in pixels of the shown size; holes are rings too, drawn even-odd. */
  readonly rings: readonly (readonly number[])[];
}

/** More are not drawn: nobody could tell them apart. */
const most = 300;

/** Accepted objects and drafts of a picture whose longer side is shown as `side` pixels. */
export function overlayOf(
  image: LabelledImage | undefined,
  drafts: PictureDrafts | undefined,
  side: number,
): {
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly objects: readonly OverlayObject[];
} {
  const size = image ?? drafts?.size;
  if (size === undefined) return { size: undefined, objects: [] };
  const scale = Math.min(1, side / Math.max(size.width, size.height, 1));
  const objects: OverlayObject[] = [];
  for (const object of (image?.objects ?? []).slice(0, most)) {
    const rings = ringsOf(object.shape, scale);
    if (rings.length > 0)
      objects.push({
        category: object.category,
        colour: colourOf(object.category ?? ""),
        score: object.score,
        draft: undefined,
        rings,
      });
  }
  for (const { id, mask, category, score } of drafts?.drafts.slice(0, most) ?? []) {
    const rings = regionRings(maskRegions(decodeRle(mask)), scale);
    objects.push({ category, colour: colourOf(category ?? `draft ${id}`), score, draft: id, rings });
  }
  return { size: { width: Math.round(size.width * scale), height: Math.round(size.height * scale) }, objects };
}

function ringsOf(shape: LabelObject["shape"], scale: number): readonly (readonly number[])[] {
  switch (shape.kind) {
    case "mask":
      return regionRings(maskRegions(decodeRle(shape.rle)), scale);
    case "polygons":
      return regionRings(shape.regions, scale);
    case "box":
      return scaled(boxRing(shape.box, shape.rotation), scale);
    case "points":
      return [];
  }
}

function regionRings(regions: readonly Region[], scale: number): readonly (readonly number[])[] {
  return regions.flatMap(({ outline, holes }) => [outline, ...holes].flatMap((ring) => scaled(ring, scale)));
}

/** A ring at another size, without corners that fall on the one before; none where nothing is left of it. */
function scaled(ring: ArrayLike<number>, scale: number): readonly (readonly number[])[] {
  const found: number[] = [];
  for (let i = 0; i + 1 < ring.length; i += 2) {
    const [x, y] = [Math.round((ring[i] as number) * scale), Math.round((ring[i + 1] as number) * scale)];
    if (found.length >= 2 && found.at(-2) === x && found.at(-1) === y) continue;
    found.push(x, y);
  }
  return found.length >= 6 ? [found] : [];
}
