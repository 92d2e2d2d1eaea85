/**
 * What is written here is read by other tools as the same masks. It needs Python with datumaro, supervision, pycocotools and
 * label-studio-sdk (from PyPI) in an environment of its own, whose `python` MASKLET_LABELS_PYTHON names.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { compressRle, encodeRle } from "@masklet/core";
import { type Dataset, hasMask, type LabelledImage, shapeMask, type WriteFormat, writeLabels } from "@masklet/labels";
import { expect, test } from "vitest";
import { encodePng } from "../src/png/png.ts";
import { random, randomMask } from "./random.ts";

const python = process.env["MASKLET_LABELS_PYTHON"];

/** Pictures whose objects have holes and parts, some behind others unless `flat`. */
function dataset({ flat, simple }: { readonly flat: boolean; readonly simple: boolean }): Dataset {
  const next = random(4);
  const names = ["cat", "traffic light", 'Ünï, "quoted" & <b>'];
  const categories = names.map((name, i) => ({ name, id: 3 * i + 1 }));
  const images = Array.from({ length: 5 }, (_, i): LabelledImage => {
    const [width, height] = [20 + 7 * i, 31 - 2 * i];
    const taken = new Uint8Array(width * height);
    const objects = Array.from({ length: i }, () => {
      const mask = randomMask(next, width, height);
      if (simple) {
        // A full box is one part without holes.
        const [x, y] = [Math.floor(next() * 10), Math.floor(next() * 10)];
        mask.data.fill(0);
        for (let dy = 0; dy < 9; dy++) mask.data.fill(1, (y + dy) * width + x, (y + dy) * width + x + 5 + (dy % 3));
      }
      const data = flat ? mask.data.map((value, k) => (taken[k] === 1 ? 0 : value)) : mask.data;
      for (const [k, value] of data.entries()) if (value === 1) taken[k] = 1;
      return { width, height, data };
    });
    return {
      file: `two words é ${i}.png`,
      width,
      height,
      id: i + 1,
      labelled: true,
      objects: objects
        .filter(({ data }) => data.includes(1))
        .map((mask, k) => ({
          shape: { kind: "mask", rle: encodeRle(mask) },
          category: names[k % 3] as string,
          score: 0.5,
        })),
    };
  });
  return { categories, images };
}

function told({ images }: Dataset, category: boolean): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const image of images) {
    const list = image.objects.filter(hasMask).map((object) => {
      const rle = shapeMask(object.shape, image);
      return `${category ? object.category : ""} ${rle === undefined ? "" : compressRle(rle).counts}`;
    });
    if (list.length > 0) found[image.file.replace(".png", "")] = list.sort();
  }
  return found;
}

async function readBy(kind: string, folder: string): Promise<Record<string, string[]>> {
  const script = join(import.meta.dirname, "interop.py");
  const { stdout } = await promisify(execFile)(python as string, [script, kind, folder], { maxBuffer: 2 ** 26 });
  const found: Record<string, string[]> = JSON.parse(stdout);
  return Object.fromEntries(Object.entries(found).map(([name, list]) => [name, list.sort()]));
}

interface Case {
  readonly format: WriteFormat;
  /** Where pictures lie; the tool looks at them. */
  readonly pictures?: string;
  readonly options?: object;
  /** No overlap; one part without a hole. */
  readonly flat?: boolean;
  readonly simple?: boolean;
  readonly category?: boolean;
}

// Not Cityscapes: datumaro reads its maps as classes alone, without instances.
const cases: readonly Case[] = [
  { format: "coco" },
  { format: "coco", options: { segmentation: "polygon" }, simple: true },
  { format: "coco", options: { compressed: false } },
  { format: "coco-results" },
  { format: "yolo", pictures: "images/", simple: true },
  { format: "labelme", pictures: "", simple: true },
  { format: "label-studio", options: { address: "" } },
  { format: "coco-panoptic", options: { path: "annotations/panoptic_default.json" }, pictures: "images/", flat: true },
  { format: "cvat-images", pictures: "images/" },
  { format: "voc", flat: true },
  { format: "mots", flat: true },
  { format: "sa1b", pictures: "", category: false },
];

test.skipIf(python === undefined).each(cases)(
  "$format, $options: read by other tools as the same masks (needs MASKLET_LABELS_PYTHON)",
  { timeout: 120_000 },
  async ({ format, options, pictures, flat = false, simple = false, category = true }) => {
    const data = dataset({ flat, simple });
    const folder = mkdtempSync(join(tmpdir(), "masklet-labels-"));
    try {
      const put = (path: string, bytes: Uint8Array): void => {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), bytes);
      };
      for (const file of writeLabels(data, format, options as never).files) put(file.path, await file.bytes());
      if (format === "coco-results") {
        for (const file of writeLabels(data, "coco").files) put(file.path, await file.bytes());
      }
      for (const { file, width, height } of pictures === undefined ? [] : data.images) {
        const samples = new Uint8Array(width * height * 3);
        put(pictures + file, encodePng({ width, height, kind: "rgb", channels: 3, depth: 8, samples }));
      }
      expect(await readBy(format, folder)).toEqual(told(data, category));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
