import type { Dataset, LabelledImage, WriteFormat } from "@masklet/labels";
import { expect, test } from "vitest";
import { folderOf, greyPng, MemoryFolder } from "../../test/folder.ts";
import { DatasetIndex, type IndexProgress } from "./index.ts";

const signal = new AbortController().signal;

function square(category: string, x: number, side: number): LabelledImage["objects"][number] {
  const outline = [x, 2, x + side, 2, x + side, 2 + side, x, 2 + side];
  return { category, shape: { kind: "polygons", regions: [{ outline, holes: [] }], fill: "centres" } };
}

const dataset: Dataset = {
  categories: [{ name: "cat" }, { name: "dog" }],
  images: [
    {
      file: "images/train/a.png",
      width: 40,
      height: 30,
      labelled: true,
      objects: [square("cat", 1, 8), square("dog", 20, 9)],
    },
    { file: "images/val/b.png", width: 40, height: 30, labelled: true, objects: [square("cat", 5, 6)] },
  ],
};

async function sample(format: WriteFormat): Promise<MemoryFolder> {
  const folder = await folderOf(dataset, format);
  for (const { file } of dataset.images) folder.put(file, greyPng(40, 30));
  folder.put("images/val/c.png", greyPng(40, 30));
  return folder;
}

const facts = (index: DatasetIndex): unknown[] =>
  index.entries.map(({ path, split, labelled, missing, counts }) => [
    path,
    split,
    labelled,
    missing,
    Object.fromEntries(counts.map(([name, n]) => [name, n])),
  ]);

test.each<WriteFormat>(["yolo", "coco", "cvat-images", "label-studio", "labelme"])(
  "%s: pictures with splits, classes and states",
  async (format) => {
    const index = await DatasetIndex.build(await sample(format), { signal });
    expect(facts(index)).toEqual([
      ["images/train/a.png", "train", true, false, { cat: 1, dog: 1 }],
      ["images/val/b.png", "val", true, false, { cat: 1 }],
      ["images/val/c.png", "val", false, false, {}],
    ]);
    expect([...index.categories].sort()).toEqual(["cat", "dog"]);
    const image = await index.image("images/train/a.png", signal);
    expect([image?.width, image?.height, image?.objects.map(({ category }) => category)]).toEqual([
      40,
      30,
      ["cat", "dog"],
    ]);
    expect(await index.image("images/val/c.png", signal)).toBeUndefined();
    expect(await index.stats({ signal })).toMatchObject({ images: 3, unlabelled: 1, objects: 3, sizes: [[40, 30, 3]] });
  },
);

test.each<WriteFormat>(["davis", "voc", "sav", "cityscapes"])(
  "%s: masks are no pictures, and their objects are read",
  async (format) => {
    const frames = ["00000", "00001"].map(
      (name, index): LabelledImage => ({
        file: format === "davis" ? `JPEGImages/bear/${name}.jpg` : `${name}.jpg`,
        width: 40,
        height: 30,
        labelled: true,
        frame: { video: "bear", index },
        objects: [{ ...square("cat", 1 + index, 8), track: 1 }],
      }),
    );
    const video = { name: "bear", width: 40, height: 30, frames: 2 };
    const folder = await folderOf({ categories: [{ name: "cat" }], images: frames, videos: [video] }, format);
    const index = await DatasetIndex.build(folder, { signal });
    expect(index.entries.map(({ objects, labelled, missing }) => [objects, labelled, missing])).toEqual([
      [1, true, true],
      [1, true, true],
    ]);
    const [first] = index.entries;
    expect((await index.image(first?.path as string, signal))?.objects).toHaveLength(1);
  },
);

test("YOLO is indexed without opening a picture, and one changed file is read alone", async () => {
  const folder = await sample("yolo");
  const index = await DatasetIndex.build(folder, { signal });
  expect(folder.reads.filter((path) => path.endsWith(".png"))).toEqual([]);
  folder.reads.length = 0;
  folder.put("labels/val/b.txt", "1 0.5 0.5 0.2 0.2\n1 0.2 0.2 0.1 0.1\n");
  expect(await index.update(["labels/val/b.txt"], signal)).toBe(true);
  expect(folder.reads.filter((path) => path.endsWith(".txt"))).toEqual(["labels/val/b.txt"]);
  expect(index.entry("images/val/b.png")).toMatchObject({ objects: 2, counts: [["dog", 2]] });
  folder.put("labels/val/c.txt", "");
  folder.put("images/val/d.png", greyPng(8, 8));
  expect(await index.update(["labels/val/c.txt", "images/val/d.png"], signal)).toBe(true);
  expect(index.entry("images/val/c.png")).toMatchObject({ labelled: true, objects: 0 });
  expect(index.entry("images/val/d.png")).toMatchObject({ labelled: false, split: "val" });
  folder.contents.delete("labels/val/b.txt");
  folder.contents.delete("images/val/d.png");
  await index.update(["labels/val/b.txt", "images/val/d.png"], signal);
  expect(index.entry("images/val/b.png")).toMatchObject({ labelled: false, objects: 0 });
  expect(index.entry("images/val/d.png")).toBeUndefined();
  expect(await index.update(["data.yaml"], signal)).toBe(false);
});

test("a broken file is a finding, and costs no other", async () => {
  const folder = await sample("labelme");
  const broken = [...folder.contents.keys()].find((path) => path.endsWith("b.json")) as string;
  folder.put(broken, `${new TextDecoder().decode(folder.contents.get(broken)).slice(0, -3)},]`);
  const index = await DatasetIndex.build(folder, { signal });
  expect(index.findings).toEqual([
    expect.objectContaining({ severity: "error", file: broken, at: expect.stringMatching(/^byte \d+$/) }),
  ]);
  expect(index.entry("images/train/a.png")?.objects).toBe(2);
});

test("says what labels check says, with the file that each finding is about", async () => {
  const folder = await sample("coco");
  const [path] = [...folder.contents.keys()].filter((name) => name.endsWith(".json"));
  const json = JSON.parse(new TextDecoder().decode(folder.contents.get(path as string)));
  json.annotations[1].bbox = [0, 0, 3, 3];
  json.images.push({ id: 99, file_name: "gone.png", width: 4, height: 4 });
  folder.put(path as string, JSON.stringify(json));
  folder.put("images/val/b.png", greyPng(20, 20));
  const index = await DatasetIndex.build(folder, { signal });
  const said = (await index.check({ signal })).map(({ labels, file, message }) => [labels, file, message]);
  expect(said).toEqual([
    [path, "images/train/a.png", expect.stringMatching(/^its box is/)],
    [path, "images/val/b.png", "is 20x20, its labels are of 40x30"],
    [path, "gone.png", "is not there"],
  ]);
});

test("labels of several formats ask which", async () => {
  const folder = await sample("coco");
  for (const [path, bytes] of (await sample("labelme")).contents) folder.contents.has(path) || folder.put(path, bytes);
  await expect(DatasetIndex.build(folder, { signal })).rejects.toMatchObject({
    code: "format-ambiguous",
    details: { formats: expect.arrayContaining(["coco", "labelme"]) },
  });
  const index = await DatasetIndex.build(folder, { signal, format: "labelme" });
  expect(index.format).toBe("labelme");
});

test("is cancelled between two files, and says how far it is", async () => {
  const abort = new AbortController();
  const steps: IndexProgress["step"][] = [];
  const building = DatasetIndex.build(await sample("yolo"), {
    signal: abort.signal,
    progress: ({ step }) => {
      steps.push(step);
      abort.abort();
    },
  });
  await expect(building).rejects.toMatchObject({ name: "AbortError" });
  expect(steps).toContain("files");
});

test("20,000 pictures are indexed in bounded memory", async () => {
  const folder = new MemoryFolder({ "data.yaml": "train: images/train\nval: images/val\nnames: [cat, dog]\n" });
  const picture = greyPng(4, 4);
  const row = new TextEncoder().encode(
    `0 ${Array.from({ length: 64 }, (_, i) => (0.1 + i / 100).toFixed(6)).join(" ")}\n`,
  );
  for (let i = 0; i < 20_000; i++) {
    const name = `${i % 10 === 0 ? "val" : "train"}/${String(i).padStart(5, "0")}`;
    folder.put(`images/${name}.png`, picture);
    if (i % 4 !== 0) folder.put(`labels/${name}.txt`, row);
  }
  const before = process.memoryUsage().heapUsed;
  const index = await DatasetIndex.build(folder, { signal });
  expect(index.entries).toHaveLength(20_000);
  expect(index.entries.filter(({ labelled }) => labelled)).toHaveLength(15_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(120 * 2 ** 20);
});
