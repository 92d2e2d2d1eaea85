/** Random datasets, the same for the same seed. */
import { encodeRle } from "@masklet/core";
import {
  type Category,
  type Dataset,
  type LabelledImage,
  type LabelObject,
  type Shape,
  shapeMask,
} from "@masklet/labels";
import { random, randomMask } from "./random.ts";

const names = [
  "cat",
  "traffic light",
  'Ünïcode, "quoted" & <b>',
  "漢字",
  "😀 face",
  "a:b#c - d",
  "1",
  "it's [x]",
  "yes",
  "null",
  "__proto__",
  "%20 + %",
];

export interface RandomOptions {
  /** What objects may be: masks alone if not given. */
  readonly shapes?: readonly ("mask" | "polygons" | "box")[];
  /** Frames of one video, whose objects have tracks. */
  readonly video?: boolean;
  /** Objects do not lie over one another. */
  readonly flat?: boolean;
  /** Ids, scores, crowds, attributes. */
  readonly details?: boolean;
}

export function randomDataset(seed: number, options: RandomOptions = {}): Dataset {
  const { shapes = ["mask"], video = false, flat = false, details = false } = options;
  const next = random(seed);
  const whole = (most: number): number => Math.floor(next() * most);
  const start = whole(names.length);
  const categories: Category[] = Array.from({ length: 1 + whole(4) }, (_, i) => ({
    name: names[(start + i) % names.length] as string,
    ...(details ? { id: i * 7 + 1, supercategory: i % 2 === 0 ? "" : "things" } : {}),
  }));
  const size = { width: 4 + whole(30), height: 4 + whole(30) };
  const images: LabelledImage[] = Array.from({ length: 1 + whole(3) }, (_, i) => {
    const { width, height } = video ? size : { width: 4 + whole(30), height: 4 + whole(30) };
    const taken = new Uint8Array(width * height);
    const objects: LabelObject[] = [];
    for (let k = whole(5); k > 0; k--) {
      const mask = randomMask(next, width, height);
      const data = flat ? mask.data.map((value, at) => (taken[at] === 1 ? 0 : value)) : mask.data;
      data.forEach((value, at) => {
        if (value === 1) taken[at] = 1;
      });
      if (data.every((value) => value === 0)) continue;
      const kind = shapes[whole(shapes.length)];
      const [x, y] = [whole(width - 1), whole(height - 1)];
      const shape: Shape =
        kind === "box"
          ? { kind, box: { x, y, width: 1 + whole(width - x), height: 1 + whole(height - y) }, fill: "cracks" }
          : kind === "polygons"
            ? {
                kind,
                regions: [{ outline: [x, y, x + 1 + whole(width - x), y, x, y + 1 + whole(height - y)], holes: [] }],
                fill: "cocoapi",
              }
            : { kind: "mask", rle: encodeRle({ width, height, data }) };
      // A thin triangle may hold the centre of no pixel.
      if ((shapeMask(shape, { width, height })?.counts.length ?? 0) < 2) continue;
      const category = video ? objects.length % categories.length : whole(categories.length);
      objects.push({
        shape,
        category: categories[category]?.name as string,
        ...(video ? { track: objects.length + 1 } : {}),
        ...(details
          ? {
              id: 2n ** 60n + BigInt(1000 * i + k),
              crowd: next() < 0.2,
              score: Math.round(next() * 1000) / 1000,
              attributes: { occluded: next() < 0.5, note: "ü", deep: [1, { a: null }] },
              extra: { unknown: 1.5 },
            }
          : {}),
      });
    }
    const name = video ? `clip/${String(i).padStart(5, "0")}` : `image ${i} é`;
    return {
      file: `${name}.jpg`,
      width,
      height,
      objects,
      labelled: true,
      ...(details ? { id: 9007199254740993n + BigInt(i), extra: { coco_url: "", k: [1e5] } } : {}),
      ...(video ? { frame: { video: "clip", index: i } } : {}),
    };
  });
  return {
    categories,
    images,
    ...(video ? { videos: [{ name: "clip", ...size, frames: images.length, every: 1 }] } : {}),
  };
}
