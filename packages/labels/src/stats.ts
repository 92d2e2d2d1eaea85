/** What is in a dataset, in numbers. */
import type { Rle } from "@masklet/core";
import { shapeMask } from "./geometry/object.ts";
import { runsArea } from "./geometry/rle.ts";
import type { Dataset, LabelledImage, Shape } from "./model.ts";

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
  const counter = new StatsCounter(categories.map(({ name }) => name));
  for (const image of images) counter.add(image);
  return counter.stats(videos.length);
}

/** Counts a dataset that is read in pieces: `labelStats` of the images that were added, which are not kept. */
export class StatsCounter {
  readonly #kinds = new Map<string | undefined, { areas: number[]; images: number; crowds: number }>();
  readonly #shapes = { mask: 0, polygons: 0, box: 0, points: 0 };
  readonly #tracks = new Set<string>();
  readonly #sizes = new Map<string, [number, number, number]>();
  #images = 0;
  #unlabelled = 0;
  #empty = 0;
  #objects = 0;
  #least = Number.POSITIVE_INFINITY;
  #most = 0;

  /** Categories in the dataset's order. */
  constructor(categories: readonly string[]) {
    for (const name of categories) this.#kinds.set(name, { areas: [], images: 0, crowds: 0 });
  }

  add(image: LabelledImage): void {
    const { width, height, objects, labelled } = image;
    const size = this.#sizes.get(`${width}x${height}`) ?? [width, height, 0];
    size[2]++;
    this.#sizes.set(`${width}x${height}`, size);
    const seen = new Set<string | undefined>();
    for (const { shape, category, crowd, track } of objects) {
      this.#shapes[shape.kind]++;
      const kind = this.#kinds.get(category) ?? { areas: [], images: 0, crowds: 0 };
      this.#kinds.set(category, kind);
      kind.areas.push(shape.kind === "points" ? 0 : runsArea(shapeMask(shape, image) as Rle));
      if (crowd === true) kind.crowds++;
      if (!seen.has(category)) kind.images++;
      seen.add(category);
      if (track !== undefined) this.#tracks.add(`${image.frame?.video ?? ""} ${track}`);
    }
    this.#images++;
    this.#objects += objects.length;
    if (!labelled) this.#unlabelled++;
    else if (objects.length === 0) this.#empty++;
    this.#least = Math.min(this.#least, objects.length);
    this.#most = Math.max(this.#most, objects.length);
  }

  /** What was counted so far. */
  stats(videos = 0): LabelStats {
    const none = this.#kinds.get(undefined);
    const named = [...this.#kinds].filter(([name]) => name !== undefined);
    const images = this.#images;
    return {
      images,
      unlabelled: this.#unlabelled,
      empty: this.#empty,
      objects: this.#objects,
      shapes: { ...this.#shapes },
      objectsPerImage: {
        least: images === 0 ? 0 : this.#least,
        mean: images === 0 ? 0 : this.#objects / images,
        most: this.#most,
      },
      sizes: [...this.#sizes.values()].sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]),
      videos,
      tracks: this.#tracks.size,
      categories: [...named, ...(none === undefined ? [] : ([[undefined, none]] as const))].map(
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
          medianArea: [...areas].sort((a, b) => a - b)[Math.floor(areas.length / 2)] ?? 0,
        }),
      ),
    };
  }
}
