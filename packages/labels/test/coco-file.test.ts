import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ByteSource, bytesSource, encodeRle, encodeUtf8 } from "@masklet/core";
import { CocoFile, filesOf, type LabelObject, readLabels, writeLabels } from "@masklet/labels";
import { expect, test } from "vitest";
import { cases, haveCases } from "./cases.ts";
import { randomDataset } from "./datasets.ts";
import { random, randomMask } from "./random.ts";

async function written(file: CocoFile): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of file.stream()) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

const open = (text: string, chunk?: number): Promise<CocoFile> =>
  CocoFile.open(bytesSource(new TextEncoder().encode(text)), chunk === undefined ? {} : { chunk });

/** A file as people have them: odd spellings, unknown fields, CRLF, a byte order mark. */
const odd = [
  '\ufeff{"info": {"version": 1.0, "big": 1e5},',
  '  "annotations": [',
  '    {"iscrowd": 0, "id": 9007199254740993, "image_id":9007199254740995, "category_id": 3, "bbox": [1.0, 1.0, 2.0, 2.0],',
  '     "segmentation": [[1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0]], "area": 4.0, "odd": {"id": 5, "s": "a]}\\"\\\\"}},',
  '    {"id": 7, "image_id":9007199254740995, "category_id": 1, "segmentation": {"size": [6, 8], "counts": [0, 1, 47]}, "iscrowd": 1, "area": 1, "bbox": [0, 0, 1, 1]}',
  "  ],",
  '  "images": [{"id": 9007199254740995, "width": 8, "height": 6, "file_name": "a.jpg"}],',
  '  "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dög"}]}',
  "",
].join("\r\n");

const square = (x: number, y: number, side: number): LabelObject["shape"] => {
  const data = new Uint8Array(48);
  for (let i = 0; i < side * side; i++) data[(y + Math.floor(i / side)) * 8 + x + (i % side)] = 1;
  return { kind: "mask", rle: encodeRle({ width: 8, height: 6, data }) };
};

test.each([undefined, 1, 7, 64])("reads objects by image, in pieces of %s bytes", async (chunk) => {
  const file = await open(odd, chunk);
  expect([file.imageCount, file.annotationCount, file.categories]).toEqual([1, 2, ["cat", "dög"]]);
  const objects = await file.objectsOf(9007199254740995n);
  expect(objects.map(({ id, object }) => [id, object.category, object.crowd])).toEqual([
    [9007199254740993n, "dög", undefined],
    [7n, "cat", true],
  ]);
  expect(objects[0]?.object.extra).toEqual({ odd: { id: 5, s: 'a]}"\\' } });
});

test.each([undefined, 1])(
  "counts annotations by image and category without reading them, in pieces of %s bytes",
  async (chunk) => {
    const file = await open(odd.replace('"category_id": 1', '"category_id": 99'), chunk);
    expect([...file.counts()]).toEqual([
      new Map([
        ["dög", 1],
        [undefined, 1],
      ]),
    ]);
    const { start, end } = file.slice(0);
    expect(new TextDecoder().decode(encodeUtf8(odd).subarray(start, end))).toMatch(
      /^\{"iscrowd": 0, "id": 9007[\s\S]*\}\}$/,
    );
  },
);

test("nothing changed, no byte changed; nor where an object is given back as it was", async () => {
  const file = await open(odd);
  expect(await written(file)).toBe(odd);
  for (const { place, object } of await file.objectsOf(9007199254740995n)) await file.replace(place, object);
  expect(await file.splices()).toEqual([]);
  expect(await written(file)).toBe(odd);
});

test("one annotation is replaced as a slice: its mask, area and box, in the file's own manner", async () => {
  const file = await open(odd);
  const [first] = await file.objectsOf(9007199254740995n);
  await file.replace(0, { ...(first?.object as LabelObject), shape: square(2, 1, 3) });
  expect(await written(file)).toBe(
    odd
      .replace("[[1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0]]", "[[2.0, 1.0, 5.0, 1.0, 5.0, 4.0, 2.0, 4.0]]")
      .replace('"bbox": [1.0, 1.0, 2.0, 2.0]', '"bbox": [2.0, 1.0, 3.0, 3.0]')
      .replace('"area": 4.0', '"area": 9.0'),
  );
});

test("a crowd stays a crowd, a list of run lengths a list", async () => {
  const file = await open(odd);
  await file.replace(1, { shape: square(0, 0, 2), category: "dög" });
  expect(await written(file)).toBe(
    odd
      .replace("[0, 1, 47]", "[0, 2, 4, 2, 40]")
      .replace('"category_id": 1, "seg', '"category_id": 3, "seg')
      .replace('"area": 1,', '"area": 4,')
      .replace("[0, 0, 1, 1]", "[0, 0, 2, 2]"),
  );
});

test("a mask with a hole takes the place of polygons as run lengths", async () => {
  const file = await open(odd);
  const data = new Uint8Array(48);
  for (const i of [0, 1, 2, 8, 10, 16, 17, 18]) data[i] = 1;
  await file.replace(0, { shape: { kind: "mask", rle: encodeRle({ width: 8, height: 6, data }) }, category: "dög" });
  const root = JSON.parse((await written(file)).slice(1));
  expect(root.annotations[0]).toMatchObject({
    iscrowd: 0,
    area: 8,
    segmentation: { size: [6, 8], counts: expect.any(String) },
  });
});

test("adds behind the last, takes away with the comma", async () => {
  const file = await open(odd);
  const image = 9007199254740995n;
  const { place, id } = await file.add(image, { shape: square(1, 1, 2), category: "cat" });
  expect([place, id]).toEqual([2, 9007199254740994n]);
  const added = await written(file);
  expect(added.startsWith(odd.slice(0, odd.indexOf("\r\n  ],")))).toBe(true);
  expect(added).toContain(`1]},\r\n    {"id": 9007199254740994, "image_id": 9007199254740995, "category_id": 1, `);
  expect((await file.objectsOf(image)).map((one) => one.id)).toEqual([9007199254740993n, 7n, id]);
  file.remove(place);
  expect(await written(file)).toBe(odd);
  file.remove(0);
  expect(JSON.parse((await written(file)).slice(1)).annotations.map((one: { id: number }) => one.id)).toEqual([7]);
  file.remove(1);
  expect(await written(file)).toContain('"annotations": [],\r\n');
  await file.add(image, { shape: square(1, 1, 2), category: "cat" });
  expect(JSON.parse((await written(file)).slice(1)).annotations).toHaveLength(1);
  await expect(file.replace(1, { shape: square(0, 0, 1), category: "cat" })).rejects.toMatchObject({
    code: "no-such-annotation",
  });
  await expect(file.add(image, { shape: square(0, 0, 1), category: "cow" })).rejects.toMatchObject({
    code: "cannot-write",
  });
});

test("random edits of random files change what was asked for, and nothing else", async () => {
  for (let seed = 0; seed < 40; seed++) {
    const next = random(seed);
    const dataset = randomDataset(seed, { shapes: ["mask", "polygons", "box"], details: true });
    const [json] = writeLabels(dataset, "coco").files;
    const bytes = (await json?.bytes()) as Uint8Array;
    const file = await CocoFile.open(bytesSource(bytes), { chunk: 100 });
    const edited = structuredClone(dataset) as typeof dataset;
    for (const image of edited.images) {
      const objects = image.objects as LabelObject[];
      for (let k = objects.length - 1; k >= 0; k--) {
        const before = objects[k] as LabelObject;
        const [place] = file.find(before.id as bigint) as [number];
        const dice = next();
        if (dice < 0.3) {
          const mask = randomMask(next, image.width, image.height);
          objects[k] = { ...before, shape: { kind: "mask", rle: encodeRle(mask) } };
          await file.replace(place, objects[k] as LabelObject);
        } else if (dice < 0.5) {
          file.remove(place);
          objects.splice(k, 1);
        }
      }
    }
    const text = await written(file);
    const { dataset: back } = await readLabels(filesOf({ "a.json": new TextEncoder().encode(text) }), {
      problems: "collect",
    });
    const told = ({ images }: typeof dataset) => writeLabels({ ...dataset, images }, "coco", { segmentation: "rle" });
    const plain = async (one: typeof dataset) => {
      const [only] = told(one).files;
      const root = JSON.parse(new TextDecoder().decode(await only?.bytes()));
      return root.annotations.map((a: Record<string, unknown>) => ({ ...a, bbox: null }));
    };
    expect(await plain(back), `seed ${seed}`).toEqual(await plain(edited));
  }
});

test.each([
  ["[]", "json-malformed"],
  ['{"images": []', "json-malformed"],
  ['{"images": [], "annotations": []}', "annotation-invalid"],
  ['{"images": [], "annotations": [{"id": "a", "image_id": 1}], "categories": []}', "annotation-invalid"],
  ['{"images": [], "annotations": [{"id": 1.5, "image_id": 1}], "categories": []}', "json-malformed"],
  ['{"images": [], "annotations": [3], "categories": []}', "annotation-invalid"],
  ['{"images": [}', "json-malformed"],
  [`{"info": ${"[".repeat(300)}`, "json-malformed"],
])("no COCO file: %s", async (text, code) => {
  await expect(open(text)).rejects.toMatchObject({ name: "LabelError", code });
});

test("a file of many megabytes is indexed in memory for its places alone", async () => {
  const pieces = 20;
  const head =
    '{"images": [{"id": 1, "width": 100, "height": 100, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "cat"}], "annotations": [';
  const counts = Array.from({ length: 300 }, (_, i) => (i === 299 ? 9701 : 1)).join(", ");
  let id = 0;
  const piece = (last: boolean): string =>
    Array.from(
      { length: 1000 },
      () =>
        `{"id": ${++id}, "image_id": 1, "category_id": 1, "segmentation": {"size": [100, 100], "counts": [${counts}]}}`,
    ).join(", ") + (last ? "]}" : ", ");
  const parts = [head, ...Array.from({ length: pieces }, (_, i) => piece(i === pieces - 1))].map((text) =>
    Buffer.from(text, "latin1"),
  );
  const all = Buffer.concat(parts);
  let largest = 0;
  const source: ByteSource = {
    name: "big.json",
    size: all.length,
    read: async (offset, length) => {
      largest = Math.max(largest, length);
      return all.subarray(offset, offset + length);
    },
  };
  const file = await CocoFile.open(source);
  expect(file.annotationCount).toBe(pieces * 1000);
  expect(largest).toBeLessThanOrEqual(2 ** 22);
  await file.replace(19_999, {
    shape: { kind: "mask", rle: { size: [100, 100], counts: [5, 5, 9990] } },
    category: "cat",
  });
  const [splice] = await file.splices();
  expect(new TextDecoder().decode(splice?.bytes)).toBe(
    '{"id": 20000, "image_id": 1, "category_id": 1, "segmentation": {"size": [100, 100], "counts": [5, 5, 9990]}, "area": 5, "bbox": [0, 5, 1, 5]}',
  );
});

test.skipIf(!haveCases)(
  "the cases' files come back byte by byte, and with one change in one place (needs the cases)",
  async () => {
    for (const path of [
      "pycocotools/instances.json",
      "supervision/coco/coco.json",
      "datumaro/coco_instances/annotations/instances_train.json",
    ]) {
      const text = readFileSync(join(cases, path), "utf8");
      const file = await open(text, 1000);
      const { id } = await file.image(0);
      for (const { place, object } of await file.objectsOf(id)) await file.replace(place, object);
      expect(await written(file)).toBe(text);
      const [first] = await file.objectsOf(id);
      await file.replace(first?.place as number, {
        ...(first?.object as LabelObject),
        category: file.categories[1] as string,
      });
      const changed = await written(file);
      expect(changed).not.toBe(text);
      expect(Math.abs(changed.length - text.length)).toBeLessThan(2);
    }
  },
);
