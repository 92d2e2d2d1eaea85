/** Measures of labels: COCO's numbers are pycocotools' own, of the same files. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { decodeRle, encodeRle, type Mask } from "@masklet/core";
import {
  type AveragePrecision,
  boundaryIou,
  type Dataset,
  evaluateDataset,
  filesOf,
  type LabelledImage,
  type LabelObject,
  readLabels,
  writeLabels,
} from "@masklet/labels";
import { describe, expect, test } from "vitest";
import { random, randomMask } from "./random.ts";

const names = ["cat", "dog", "bird"] as const;
const seeds = [0, 1, 2, 3, 4, 5];

/** A mask some pixels farther. */
function moved({ width, height, data }: Mask, dx: number, dy: number): Mask {
  const out = new Uint8Array(data.length);
  for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
    for (let x = Math.max(0, dx); x < Math.min(width, width + dx); x++) {
      out[y * width + x] = data[(y - dy) * width + x - dx] as number;
    }
  }
  return { width, height, data: out };
}

/** True labels with crowds, and predictions that miss by some pixels, are too many or too few, and share scores. */
function sides(seed: number): { readonly truth: Dataset; readonly predicted: Dataset } {
  const next = random(seed + 90);
  const whole = (most: number): number => Math.floor(next() * most);
  const categories = names.map((name, i) => ({ name, id: 2 * i + 1 }));
  const [truth, predicted]: [LabelledImage[], LabelledImage[]] = [[], []];
  for (let i = 0; i < 7; i++) {
    const [width, height] = [40 + whole(140), 40 + whole(140)];
    const [real, guessed]: [LabelObject[], LabelObject[]] = [[], []];
    for (let k = whole(6); k >= 0; k--) {
      const mask = randomMask(next, width, height);
      if (!mask.data.includes(1)) continue;
      const category = names[whole(i % 2 === 0 ? 3 : 2)] as string;
      const id = 1000 * i + k + 1;
      const crowd = next() < 0.15;
      const shape = { kind: "mask", rle: encodeRle(mask) } as const;
      if (next() < 0.85) real.push({ shape, category, id, ...(crowd && { crowd }) });
      for (let copies = whole(3); copies > 0; copies--) {
        const near = moved(mask, whole(9) - 4, whole(9) - 4);
        if (!near.data.includes(1)) continue;
        const score = Math.round(next() * 10) / 10;
        const name = next() < 0.9 ? category : (names[whole(3)] as string);
        guessed.push({ shape: { kind: "mask", rle: encodeRle(near) }, category: name, score });
      }
    }
    const image = { file: `${i}.png`, width, height, id: 50 - i, labelled: true };
    truth.push({ ...image, objects: real });
    predicted.push({ ...image, objects: guessed });
  }
  return { truth: { categories, images: truth }, predicted: { categories, images: predicted } };
}

async function filesFor(seed: number): Promise<Record<string, Uint8Array>> {
  const { truth, predicted } = sides(seed);
  const found: Record<string, Uint8Array> = {};
  const written = [writeLabels(truth, "coco", { compressed: false }), writeLabels(predicted, "coco-results")];
  for (const { files } of written) for (const file of files) found[file.path] = await file.bytes();
  return found;
}

/** pycocotools' order. */
function stats(found: AveragePrecision | undefined): readonly number[] {
  if (found === undefined) return [];
  const { ap, ap50, ap75, apSmall, apMedium, apLarge, ar1, ar10, ar100, arSmall, arMedium, arLarge } = found;
  return [ap, ap50, ap75, apSmall, apMedium, apLarge, ar1, ar10, ar100, arSmall, arMedium, arLarge];
}

async function ours(seed: number): Promise<{ readonly segm: readonly number[]; readonly bbox: readonly number[] }> {
  const files = filesOf(await filesFor(seed));
  const truth = await readLabels(files, { path: "instances.json" });
  const predicted = await readLabels(files, { path: "results.json" });
  const { masks, boxes } = evaluateDataset(predicted.dataset, truth.dataset);
  return { segm: stats(masks), bbox: stats(boxes) };
}

const path = join(import.meta.dirname, "coco-eval.goldens.json");
/** As pycocotools 2.0.11 printed them for `filesFor`. */
const goldens: readonly { readonly segm: readonly number[]; readonly bbox: readonly number[] }[] = JSON.parse(
  readFileSync(path, "utf8"),
);

function expectEqual(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(12);
  for (const [i, value] of expected.entries()) expect(found[i], `number ${i}`).toBeCloseTo(value, 12);
}

test.each(seeds)("data %i: average precision and recall are pycocotools'", async (seed) => {
  const { segm, bbox } = await ours(seed);
  expectEqual(segm, goldens[seed]?.segm ?? []);
  expectEqual(bbox, goldens[seed]?.bbox ?? []);
});

const python = process.env["MASKLET_LABELS_PYTHON"];
test.skipIf(python === undefined)(
  "pycocotools says so now (needs MASKLET_LABELS_PYTHON)",
  { timeout: 120_000 },
  async () => {
    const all: unknown[] = [];
    for (const seed of [...seeds, 6, 7, 8, 9]) {
      const folder = mkdtempSync(join(tmpdir(), "masklet-labels-"));
      try {
        for (const [name, bytes] of Object.entries(await filesFor(seed))) writeFileSync(join(folder, name), bytes);
        const script = join(import.meta.dirname, "coco-eval.py");
        const { stdout } = await promisify(execFile)(python as string, [script, folder]);
        const said = JSON.parse(stdout);
        const { segm, bbox } = await ours(seed);
        expectEqual(segm, said.segm);
        expectEqual(bbox, said.bbox);
        all.push(said);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    if (process.env["MASKLET_RECORD"] === "1") {
      writeFileSync(path, `${JSON.stringify(all.slice(0, seeds.length), undefined, 2)}\n`);
    }
    expect(all.slice(0, seeds.length)).toEqual(JSON.parse(readFileSync(path, "utf8")));
  },
);

const size = { width: 100, height: 50 } as const;

/** A box of ones. */
function block(x: number, y: number, width: number, height: number, more: Partial<LabelObject> = {}): LabelObject {
  const data = new Uint8Array(size.width * size.height);
  for (let row = y; row < y + height; row++) data.fill(1, row * size.width + x, row * size.width + x + width);
  return { shape: { kind: "mask", rle: encodeRle({ ...size, data }) }, category: "cat", ...more };
}

function dataset(objects: readonly LabelObject[], file = "a.png"): Dataset {
  return { categories: [{ name: "cat" }], images: [{ file, ...size, objects, labelled: true }] };
}

describe("without pycocotools' help", () => {
  test("labels and themselves", () => {
    const truth = dataset([block(0, 0, 20, 20), block(40, 10, 30, 30)]);
    const { masks, boxes, pairs, panoptic } = evaluateDataset(truth, truth);
    const one = expect.closeTo(1, 12); // pycocotools' quotients have an epsilon
    expect([masks?.ap, boxes?.ap, masks?.apSmall, masks?.apLarge]).toEqual([one, one, one, -1]);
    expect(pairs).toEqual({ iou: 1, boundaryIou: 1, f: 1, jAndF: 1 });
    expect(panoptic).toEqual({ pq: 1, sq: 1, rq: 1 });
  });

  test("IoU and panoptic quality: one right by a half more, one missed, one too many", () => {
    const truth = dataset([block(0, 0, 20, 20), block(60, 0, 20, 20)]);
    const predicted = dataset([block(0, 0, 20, 15), block(30, 30, 10, 10)]);
    const { pairs, panoptic, objects, withoutScore } = evaluateDataset(predicted, truth);
    expect(pairs?.iou).toBeCloseTo(0.75 / 2, 12);
    expect(panoptic).toEqual({ pq: 0.75 / 2, sq: 0.75, rq: 1 / 2 });
    expect([objects, withoutScore]).toEqual([2, 2]);
  });

  test("one prediction is one object's, and crowds are nobody's", () => {
    const truth = dataset([block(0, 0, 20, 20), block(0, 0, 20, 10), block(60, 0, 40, 40, { crowd: true })]);
    const predicted = dataset([block(0, 0, 20, 20), block(65, 5, 5, 5)]);
    const { pairs, panoptic } = evaluateDataset(predicted, truth);
    expect(pairs?.iou).toBe(0.5);
    expect(panoptic).toEqual({ pq: 1 / 1.5, sq: 1, rq: 1 / 1.5 });
  });

  test("--min-score is for what has no ranks", () => {
    const truth = dataset([block(0, 0, 20, 20)]);
    const predicted = dataset([block(0, 0, 20, 20, { score: 0.2 })]);
    const { masks, pairs } = evaluateDataset(predicted, truth, { minScore: 0.5 });
    expect([masks?.ap, pairs?.iou]).toEqual([expect.closeTo(1, 12), 0]);
  });

  test("what does not count is told", () => {
    const truth = dataset([block(0, 0, 20, 20)]);
    const extra = { file: "b.png", ...size, objects: [], labelled: true };
    const given = dataset([block(0, 0, 20, 20, { category: "dog" })], "elsewhere/a.jpg");
    const { unknownImages, unknownCategories, masks } = evaluateDataset(
      { ...given, images: [...given.images, extra] },
      truth,
    );
    expect([unknownImages, unknownCategories, masks?.ap]).toEqual([["b.png"], ["dog"], 0]);
    const boxes = dataset([
      { shape: { kind: "box", box: { x: 0, y: 0, width: 20, height: 20 }, fill: "cracks" }, category: "cat" },
    ]);
    expect(evaluateDataset(boxes, truth)).toMatchObject({
      masks: undefined,
      boxes: { ap: expect.closeTo(1, 12) },
      pairs: undefined,
    });
    expect(() => evaluateDataset(dataset([], "z.png"), truth)).toThrow(/no image is the same/);
    const small = { ...truth, images: truth.images.map((image) => ({ ...image, width: 50 })) };
    expect(() => evaluateDataset(small, truth)).toThrow(/is 50x50 in the predictions, 100x50 in the truth/);
  });

  test("labels without classes", () => {
    const plain = dataset([block(0, 0, 20, 20)]);
    const without = {
      categories: [],
      images: plain.images.map((image) => ({ ...image, objects: image.objects.map(({ category, ...rest }) => rest) })),
    };
    expect(evaluateDataset(without, without)).toMatchObject({
      masks: { ap: expect.closeTo(1, 12) },
      categories: [{ name: undefined }],
    });
  });

  test.each(Array.from({ length: 12 }, (_, i) => i))("boundary IoU, masks %i: as by the definition", (seed) => {
    const next = random(seed);
    const [width, height] = [30 + Math.floor(next() * 60), 30 + Math.floor(next() * 60)];
    const [a, b] = [randomMask(next, width, height), randomMask(next, width, height)];
    const radius = Math.max(1, Math.round(0.02 * Math.hypot(width, height)));
    const edge = ({ data }: Mask): readonly boolean[] =>
      Array.from(data, (value, at) => {
        if (value === 0) return false;
        const [x, y] = [at % width, Math.floor(at / width)];
        for (let dy = -radius; dy <= radius; dy++) {
          for (let dx = -radius; dx <= radius; dx++) {
            const [u, v] = [x + dx, y + dy];
            if (u < 0 || v < 0 || u >= width || v >= height || data[v * width + u] === 0) return true;
          }
        }
        return false;
      });
    const [ours, theirs] = [edge(a), edge(b)];
    const both = ours.filter((one, i) => one && theirs[i]).length;
    const either = ours.filter((one, i) => one || theirs[i]).length;
    expect(boundaryIou(encodeRle(a), encodeRle(b))).toBe(either === 0 ? 1 : both / either);
    expect(decodeRle(encodeRle(a)).data).toEqual(a.data);
  });
});
