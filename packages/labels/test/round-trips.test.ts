import process from "node:process";
import { compressRle, type Size } from "@masklet/core";
import {
  type Dataset,
  editLabelStudio,
  filesOf,
  type LabelFile,
  type LabelObject,
  type ReadLabelsOptions,
  type ReadResult,
  readLabels,
  shapeMask,
  type WriteFormat,
  type WriteOptions,
  writeLabels,
} from "@masklet/labels";
import { expect, test } from "vitest";
import { type RandomOptions, randomDataset } from "./datasets.ts";
import { csvOf, jsonMin } from "./flat.ts";

async function contents(files: readonly LabelFile[]): Promise<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {};
  for (const file of files) {
    expect(found[file.path], file.path).toBeUndefined();
    found[file.path] = await file.bytes();
  }
  return found;
}

const sizes =
  ({ images }: Dataset) =>
  (path: string): Size | undefined =>
    images.find(({ file }) => path.endsWith(file.replace(/\.\w+$/, "")) || path.includes(file.replace(/\.\w+$/, "")));

async function roundTrip<F extends WriteFormat>(
  dataset: Dataset,
  format: F,
  options?: WriteOptions[F],
  reading: ReadLabelsOptions = {},
): Promise<ReadResult & { readonly losses: ReturnType<typeof writeLabels>["losses"] }> {
  const { files, losses } = writeLabels(dataset, format, options);
  const written = await contents(files);
  return { ...(await readLabels(filesOf(written), { imageSize: sizes(dataset), ...reading })), losses };
}

/** What an object is, as text: category and mask, and its box where it has no mask. */
const told = (object: LabelObject, image: Size, category = true): string => {
  const mask = shapeMask(object.shape, image);
  return `${category ? object.category : ""} ${mask === undefined ? "" : compressRle(mask).counts}`;
};

const all = ({ images }: Dataset, category = true): string[][] =>
  images.map((image) => image.objects.map((object) => told(object, image, category)));

/** Datasets of each test; MASKLET_SLOW=1 tries a thousand. */
const seeds = Array.from({ length: process.env["MASKLET_SLOW"] === "1" ? 1000 : 40 }, (_, i) => i);

interface Exact<F extends WriteFormat> {
  readonly format: F;
  readonly random: RandomOptions;
  readonly options?: WriteOptions[F];
  readonly category?: boolean;
  /** Objects come back in another order. */
  readonly sorted?: boolean;
}

const mixed = ["mask", "polygons", "box"] as const;
const exact: readonly Exact<WriteFormat>[] = [
  { format: "coco", random: { shapes: mixed, details: true } },
  { format: "coco", random: { shapes: ["mask", "polygons"] }, options: { segmentation: "rle", compressed: false } },
  { format: "coco-panoptic", random: { flat: true } },
  { format: "labelme", random: { shapes: ["mask", "polygons"] } },
  { format: "labelme", random: {}, options: { shapes: "mask" } },
  { format: "label-studio", random: { shapes: ["mask", "polygons"] } },
  { format: "cvat-images", random: { shapes: mixed } },
  { format: "cvat-video", random: { shapes: mixed, video: true }, sorted: true },
  { format: "voc", random: { flat: true } },
  { format: "mots", random: { flat: true }, sorted: true },
  { format: "davis", random: { flat: true, video: true }, category: false },
  { format: "sav", random: { video: true }, category: false },
  { format: "sa1b", random: {}, category: false },
];

test.each(exact)(
  "$format, $random: the same masks there and back",
  async ({ format, random, options, category = true, sorted = false }) => {
    let objects = 0;
    for (const seed of seeds) {
      const dataset = randomDataset(seed, random);
      const { dataset: back, findings } = await roundTrip(dataset, format, options);
      expect(findings, `seed ${seed}`).toEqual([]);
      // Videos end where nothing is left to see.
      const masks = (one: Dataset): string[][] => {
        const list = all(one, category).map((image) => (sorted ? image.sort() : image));
        return format === "cvat-video" ? list.filter((image) => image.length > 0) : list;
      };
      expect(masks(back), `seed ${seed}`).toEqual(masks(dataset));
      objects += dataset.images.reduce((sum, image) => sum + image.objects.length, 0);
    }
    expect(objects).toBeGreaterThan(50);
  },
);

test("COCO keeps ids above 2^53, scores, crowds, attributes and unknown fields", async () => {
  for (const seed of seeds) {
    const dataset = randomDataset(seed, { shapes: mixed, details: true });
    const { dataset: back, losses } = await roundTrip(dataset, "coco");
    expect(losses.filter(({ kind }) => kind !== "category-details")).toEqual([]);
    const bare = ({ images }: Dataset) =>
      images.map(({ id, extra, objects }) => ({
        id,
        extra,
        objects: objects.map(({ id: own, crowd, score, attributes, extra: rest }) => ({
          own,
          crowd: crowd === true,
          score,
          attributes,
          rest,
        })),
      }));
    expect(bare(back)).toEqual(bare(dataset));
    expect(back.categories.map(({ id, name }) => [id, name])).toEqual(
      dataset.categories.map(({ id, name }) => [id, name]),
    );
  }
});

test.each([
  ["JSON-MIN", "min.json", jsonMin],
  ["CSV", "export.csv", csvOf],
  ["CSV of lines by CRLF, by semicolons", "export.csv", (tasks: Uint8Array) => csvOf(tasks, ";", "\r\n")],
  [
    "TSV with a byte order mark",
    "export.tsv",
    (tasks: Uint8Array) => Buffer.concat([Buffer.from("\ufeff"), csvOf(tasks, "\t")]),
  ],
])("Label Studio's %s holds the masks of its JSON", async (_, path, exported) => {
  let objects = 0;
  for (const seed of seeds) {
    const dataset = randomDataset(seed, { shapes: mixed });
    const [tasks] = await Promise.all(writeLabels(dataset, "label-studio").files.map((file) => file.bytes()));
    const {
      dataset: back,
      findings,
      format,
    } = await readLabels(filesOf({ [path]: exported(tasks as Uint8Array) }), {
      imageSize: sizes(dataset),
    });
    expect([format, findings]).toEqual(["label-studio", []]);
    // Objects stand by their kinds there.
    const sorted = (one: Dataset): string[][] => all(one).map((image) => image.sort());
    expect(sorted(back), `seed ${seed}`).toEqual(sorted(dataset));
    objects += back.images.reduce((sum, image) => sum + image.objects.length, 0);
  }
  expect(objects).toBeGreaterThan(50);
});

test("Label Studio's flat exports: a shape and its label of two control tags, broken cells, several annotations", async () => {
  const shape = { x: 10, y: 10, width: 20, height: 20, rotation: 0, original_width: 100, original_height: 50 };
  const record = { id: 7, image: "/data/upload/1/0a1b2c3d-a.png", annotator: 1, annotation_id: 1, choice: "good" };
  const read = (records: unknown) =>
    readLabels(filesOf({ "min.json": Buffer.from(JSON.stringify(records)) }), { problems: "collect" });
  const apart = await read([
    {
      ...record,
      box: [shape, shape],
      tag: [
        { ...shape, labels: ["cat"] },
        { ...shape, labels: ["dog"] },
      ],
    },
  ]);
  expect(apart.dataset.images).toMatchObject([
    { file: "a.png", id: 7, objects: [{ category: "cat", shape: { box: { x: 10, y: 5 } } }, { category: "dog" }] },
  ]);
  expect(apart.dataset.images[0]?.objects.map((object) => "id" in object)).toEqual([false, false]);
  const box = [{ ...shape, rectanglelabels: ["cat"] }];
  const twice = await read([
    { ...record, box },
    { ...record, annotation_id: 2, box: [...box, ...box] },
  ]);
  expect(twice.dataset.images.map(({ objects }) => objects.length)).toEqual([1]);
  expect(twice.findings).toMatchObject([{ severity: "warning", message: expect.stringContaining("2 annotations") }]);
  await expect(
    editLabelStudio(Buffer.from(JSON.stringify([record])), { task: 0, remove: new Set(["a"]) }),
  ).rejects.toMatchObject({ code: "cannot-write", message: expect.stringContaining("JSON-MIN") });
  const csv = `annotation_id,annotator,box,id,image\n1,1,"[{""x"":",7,a.png\n`;
  const broken = await readLabels(filesOf({ "a.csv": Buffer.from(csv) }), {
    problems: "collect",
    imageSize: () => ({ width: 4, height: 4 }),
  });
  expect(broken.findings).toMatchObject([{ severity: "error", file: "a.csv", at: "[0].box" }]);
});

test("YOLO gives each object of one part back exactly, holes by bridges; of several parts no pixel is lost", async () => {
  let [bridged, single] = [0, 0];
  for (const seed of seeds) {
    const dataset = randomDataset(seed, { shapes: ["mask", "polygons"] });
    const { dataset: back, losses } = await roundTrip(dataset, "yolo");
    const grown = losses.find(({ kind }) => kind === "parts-bridged")?.count ?? 0;
    let different = 0;
    for (const [i, image] of dataset.images.entries()) {
      const read = back.images[i]?.objects ?? [];
      const kept = image.objects;
      expect(read).toHaveLength(kept.length);
      for (const [k, object] of kept.entries())
        if (told(read[k] as LabelObject, image) !== told(object, image)) different++;
      single += kept.length;
    }
    expect(different).toBe(grown);
    bridged += grown;
  }
  expect(bridged).toBeGreaterThan(10);
  expect(single).toBeGreaterThan(bridged);
});

test("YOLO's boxes come back within the sixth digit", async () => {
  for (const seed of seeds) {
    const dataset = randomDataset(seed, { shapes: ["box"] });
    const { dataset: back } = await roundTrip(dataset, "yolo", { task: "detect" });
    const boxes = ({ images }: Dataset) =>
      images.map(({ objects }) =>
        objects.map(({ shape, category }) => [category, shape.kind === "box" ? shape.box : shape.kind]),
      );
    expect(boxes(back)).toEqual(boxes(dataset));
  }
});

test("what lies behind is lost to a label map, and counted", async () => {
  let hidden = 0;
  for (const seed of seeds) {
    const dataset = randomDataset(seed);
    const { dataset: back, losses } = await roundTrip(dataset, "voc");
    const changed = losses
      .filter(({ kind }) => kind === "overlap" || kind === "hidden")
      .reduce((sum, { count }) => sum + count, 0);
    const kept = new Set(all(back).flat());
    const lost = all(dataset)
      .flat()
      .filter((one) => !kept.has(one)).length;
    expect(lost).toBeLessThanOrEqual(changed);
    hidden += lost;
  }
  expect(hidden).toBeGreaterThan(10);
});

test("Cityscapes: the maps hold what its polygons do, and the polygons what lies behind", async () => {
  for (const seed of seeds) {
    const dataset = randomDataset(seed);
    const { files, losses } = writeLabels(dataset, "cityscapes");
    const written = await contents(files);
    const read = await readLabels(filesOf(written));
    const split = losses.find(({ kind }) => kind === "parts-split")?.count ?? 0;
    if (split === 0) expect(all(read.dataset)).toEqual(all(dataset));
    const maps = await readLabels(
      filesOf(Object.fromEntries(Object.entries(written).filter(([path]) => !path.endsWith(".json")))),
    );
    if (!losses.some(({ kind }) => kind === "overlap" || kind === "hidden")) {
      expect(all(maps.dataset).map((image) => image.sort())).toEqual(all(dataset).map((image) => image.sort()));
    }
  }
});

test("COCO to every format and back to COCO says what it cost", async () => {
  const dataset = randomDataset(3, { shapes: mixed, details: true });
  const kinds = (format: WriteFormat): string[] =>
    writeLabels(dataset, format)
      .losses.map(({ kind }) => kind)
      .sort();
  expect(kinds("coco")).toEqual([]);
  expect(kinds("yolo")).toEqual(expect.arrayContaining(["attributes", "ids", "score"]));
  expect(kinds("sa1b")).toEqual(expect.arrayContaining(["attributes", "box-only", "category"]));
  expect(kinds("labelme")).toEqual(expect.arrayContaining(["attributes", "score"]));
});
