/** What is in a dataset, in numbers. */
import type { Rle } from "@masklet/core";
import { shapeMask } from "./geometry/object.ts";
import { runsArea } from "./geometry/rle.ts";
import type { Dataset, Shape } from "./model.ts";

/** Objects by their area in pixels, as COCO counts: small below 32 x 32, large above 96 x 96. */
export interface AreaCounts {
  readonly small: number;
  readonly medium: number;
  readonly large: number;
}

export interface CategoryStats {
  /** `undefined` where objects have none. */
  readonly name: string | undefined;
  readonly objects: number;
  /** That show at least one. */
  readonly images: number;
  readonly crowds: number;
  /** Of masks, or of boxes where there are no masks. */
  readonly areas: AreaCounts;
  readonly medianArea: number;
}

export interface LabelStats {
  readonly images: number;
  /** Nobody has looked at them yet. */
  readonly unlabelled: number;
  /** Somebody has, and there is nothing. */
  readonly empty: number;
  readonly objects: number;
  /** By what they are. */
  readonly shapes: { readonly [K in Shape["kind"]]: number };
  readonly objectsPerImage: { readonly least: number; readonly mean: number; readonly most: number };
  /** Width and height of images, and how many have them; the commonest first. */
  readonly sizes: readonly (readonly [width: number, height: number, images: number])[];
  readonly videos: number;
  readonly tracks: number;
  /** In the dataset's order, those that no object has too; last what has none. */
  readonly categories: readonly CategoryStats[];
}

/** Counts a dataset. */
export function labelStats({ categories, images, videos = [] }: Dataset): LabelStats {
  const kinds = new Map<string | undefined, { areas: number[]; images: number; crowds: number }>();
  for (const { name } of categories) kinds.set(name, { areas: [], images: 0, crowds: 0 });
  const shapes = { mask: 0, polygons: 0, box: 0, points: 0 };
  const tracks = new Set<string>();
  const sizes = new Map<string, [number, number, number]>();
  for (const image of images) {
    const size = sizes.get(`${image.width}x${image.height}`) ?? [image.width, image.height, 0];
    size[2]++;
    sizes.set(`${image.width}x${image.height}`, size);
    const seen = new Set<string | undefined>();
    for (const { shape, category, crowd, track } of image.objects) {
      shapes[shape.kind]++;
      const kind = kinds.get(category) ?? { areas: [], images: 0, crowds: 0 };
      kinds.set(category, kind);
      kind.areas.push(shape.kind === "points" ? 0 : runsArea(shapeMask(shape, image) as Rle));
      if (crowd === true) kind.crowds++;
      if (!seen.has(category)) kind.images++;
      seen.add(category);
      if (track !== undefined) tracks.add(`${image.frame?.video ?? ""} ${track}`);
    }
  }
  const counts = images.map(({ objects }) => objects.length);
  const objects = counts.reduce((sum, one) => sum + one, 0);
  const none = kinds.get(undefined);
  kinds.delete(undefined);
  return {
    images: images.length,
    unlabelled: images.filter(({ labelled }) => !labelled).length,
    empty: images.filter((image) => image.labelled && image.objects.length === 0).length,
    objects,
    shapes,
    objectsPerImage: {
      least: counts.reduce((least, one) => Math.min(least, one), counts[0] ?? 0),
      mean: images.length === 0 ? 0 : objects / images.length,
      most: counts.reduce((most, one) => Math.max(most, one), 0),
    },
    sizes: [...sizes.values()].sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]),
    videos: videos.length,
    tracks: tracks.size,
    categories: [...kinds, ...(none === undefined ? [] : ([[undefined, none]] as const))].map(
      ([name, { areas, images: shown, crowds }]) => ({
        name,
        objects: areas.length,
        images: shown,
        crowds,
        areas: {
          small: areas.filter((area) => area < 32 ** 2).length,
          medium: areas.filter((area) => area >= 32 ** 2 && area <= 96 ** 2).length,
          large: areas.filter((area) => area > 96 ** 2).length,
        },
        medianArea: areas.sort((a, b) => a - b)[Math.floor(areas.length / 2)] ?? 0,
      }),
    ),
  };
}
