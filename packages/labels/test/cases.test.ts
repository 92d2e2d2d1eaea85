import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compressRle, decompressRle, type Rle } from "@masklet/core";
import { type Dataset, filesOf, hasMask, type LabelObject, readLabels, shapeMask, writeLabels } from "@masklet/labels";
import { expect, test } from "vitest";
import { cases, folder, haveCases, imageSize, readback, type Truth, truth } from "./cases.ts";

const stem = (path: string): string => path.slice(path.lastIndexOf("/") + 1).replace(/(_leftImg8bit)?\.\w+$/, "");

/** Masks of a dataset as `label counts`, by picture; a picture without any is left out. */
function masks(dataset: Dataset, of: (object: LabelObject) => boolean = hasMask): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const image of dataset.images) {
    const list = image.objects.filter(of).map((object) => {
      const rle = shapeMask(object.shape, image);
      return `${object.category ?? ""} ${rle === undefined ? "" : compressRle(rle).counts}`;
    });
    if (list.length > 0) found[stem(image.file)] = list.sort();
  }
  return found;
}

function expected(objects: readonly (Partial<Truth> & { image: string })[], labels = true): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { image, label, counts } of objects) {
    if (counts === undefined) continue;
    const list = found[stem(image)] ?? [];
    found[stem(image)] = list;
    list.push(`${labels ? label : ""} ${counts}`);
    list.sort();
  }
  return found;
}

const whole = expected(truth.objects);
const back = (name: string): Record<string, string[]> =>
  expected(Object.entries(readback[name] ?? {}).flatMap(([image, list]) => list.map((one) => ({ ...one, image }))));

const read = (name: string, options = {}) => readLabels(folder(join(cases, name)), { imageSize, ...options });

test.skipIf(!haveCases).each([
  ["pycocotools", "coco", {}],
  ["pycocotools", "coco-results", { format: "coco-results" as const }],
  ["datumaro/coco_instances", "coco", {}],
  ["datumaro/cvat", "cvat", {}],
])("%s as %s: the masks that were written (needs the cases)", async (name, format, options) => {
  const { dataset, findings, ...rest } = await read(name, options);
  expect(rest.format).toBe(format);
  // datumaro numbers annotations anew in each picture.
  expect(findings.filter(({ message }) => !message.includes("is there twice"))).toEqual([]);
  expect(masks(dataset)).toEqual(whole);
  expect(dataset.images).toHaveLength(4);
});

test.skipIf(!haveCases).each([
  ["datumaro/coco_panoptic", "coco-panoptic"],
  ["datumaro/voc_instance_segmentation", "voc"],
  ["datumaro/mots_png", "mots"],
  ["datumaro/label_me", "labelme-xml"],
])("%s as %s: the masks that datumaro reads (needs the cases)", async (name, format) => {
  const { dataset, ...rest } = await read(name);
  expect(rest.format).toBe(format);
  expect(masks(dataset)).toEqual(back(name));
});

test.skipIf(!haveCases)("Cityscapes has what VOC has: the front of what overlaps (needs the cases)", async () => {
  const { dataset, format } = await read("datumaro/cityscapes");
  expect(format).toBe("cityscapes");
  expect(masks(dataset)).toEqual(back("datumaro/voc_instance_segmentation"));
});

test.skipIf(!haveCases)("SA-1B has masks without classes (needs the cases)", async () => {
  const { dataset, format } = await read("datumaro/segment_anything");
  expect(format).toBe("sa1b");
  expect(masks(dataset)).toEqual(expected(truth.objects, false));
});

test.skipIf(!haveCases)("supervision's polygons mean what supervision fills (needs the cases)", async () => {
  const coco = await read("supervision/coco");
  // The pixel that supervision writes without a segmentation is a box of no size.
  const known = Object.entries(back("supervision/coco")).map(([image, list]) => [
    image,
    list.filter((one) => !(image === "plain" && one.startsWith("traffic light"))),
  ]);
  expect(masks(coco.dataset)).toEqual(Object.fromEntries(known));
  expect(coco.dataset.images[0]?.objects[1]?.shape.kind).toBe("box");

  const labelme = await read("supervision/labelme");
  expect(labelme.format).toBe("labelme");
  expect(masks(labelme.dataset, () => true)).toEqual(whole);

  const yolo = await read("supervision/yolo");
  expect(yolo.format).toBe("yolo");
  expect(masks(yolo.dataset)).toEqual(back("supervision/yolo"));
  expect(yolo.findings).toEqual([expect.objectContaining({ severity: "warning", at: "line 2" })]);
  expect(yolo.dataset.images.find(({ file }) => stem(file) === "empty")).toMatchObject({ labelled: true, objects: [] });

  const voc = await read("supervision/voc");
  expect(voc.format).toBe("voc");
  const parts = new Set(back("supervision/yolo")["two words é"]);
  expect(new Set(masks(voc.dataset)["two words é"])).toEqual(parts);
  expect(masks(voc.dataset)["overlap"]).toEqual(whole["overlap"]);
});

test.skipIf(!haveCases)("Label Studio's brushes are exact (needs the cases)", async () => {
  const { dataset, format } = await read("label-studio");
  expect(format).toBe("label-studio");
  expect(masks(dataset, ({ shape }) => shape.kind === "mask")).toEqual(whole);
  const box = dataset.images[0]?.objects.find(({ shape }) => shape.kind === "box");
  expect(box?.shape).toMatchObject({ box: { x: 21, y: 7, width: 34, height: 33 } });
  expect(dataset.images.map(({ file }) => file)).toEqual(truth.images.map(({ file }) => file));
});

test.skipIf(!haveCases).each(["datumaro/yolo", "datumaro/yolo_ultralytics"])(
  "%s: four pictures that were looked at, without objects (needs the cases)",
  async (name) => {
    const { dataset, format } = await read(name);
    expect(format).toBe("yolo");
    expect(dataset.categories.map((one) => one.name)).toEqual(truth.classes);
    expect(dataset.images.map(({ file, labelled, objects }) => [stem(file), labelled, objects.length]).sort()).toEqual(
      truth.images.map(({ file }) => [stem(file), true, 0]).sort(),
    );
  },
);

test.skipIf(!haveCases)("Open Images is refused by name (needs the cases)", async () => {
  await expect(read("datumaro/open_images")).rejects.toMatchObject({
    code: "format-unsupported",
    message: expect.stringMatching(/Open Images/),
  });
});

test.skipIf(!haveCases)("ids above 2^53, unknown fields and crowds of COCO are kept (needs the cases)", async () => {
  const { dataset } = await read("pycocotools");
  const [, second, , overlap] = dataset.images;
  expect(second?.id).toBe(9007199254740994n);
  expect(second?.extra).toEqual({ coco_url: "", extra: { k: [1, 100000, null] } });
  expect(overlap?.objects.map(({ id, crowd }) => [id, crowd])).toEqual([
    [9007199254740998n, undefined],
    [9007199254740999n, true],
  ]);
  expect(dataset.categories.map(({ id }) => id)).toEqual([1, 3, 90]);
  expect(readFileSync(join(cases, "pycocotools/instances.json"), "utf8")).toContain("9007199254740999");
});

const goldens = join(cases, "../../goldens/nano/image.json");

test.skipIf(!existsSync(goldens))(
  "masks of the size of photos: pycocotools' strings, through every exact format (needs the goldens)",
  async () => {
    interface Picture {
      readonly size: readonly [height: number, width: number];
      readonly cases: readonly {
        readonly coco: readonly { counts: string; area: number; bbox: readonly number[] }[];
      }[];
    }
    const all = Object.values(JSON.parse(readFileSync(goldens, "utf8")) as Record<string, Picture>);
    const strings = all.flatMap(({ size, cases: [first] }) => (first?.coco ?? []).map((one) => ({ size, ...one })));
    expect(strings.length).toBeGreaterThan(3);
    for (const [i, { size, counts, area, bbox }] of strings.entries()) {
      const [height, width] = size;
      const shape = { kind: "mask", rle: decompressRle({ size, counts }) } as const;
      const image = { file: "a.png", width, height, labelled: true, objects: [{ shape, category: "thing" }] };
      const dataset = { categories: [{ name: "thing" }], images: [image] };
      const [json] = writeLabels(dataset, "coco").files;
      const root = JSON.parse(new TextDecoder().decode(await json?.bytes()));
      expect(root.annotations[0]).toMatchObject({ segmentation: { size, counts }, area, bbox });
      const formats = ["labelme", "label-studio", "cvat-images", "voc", "mots", "sa1b"] as const;
      for (const format of i % 3 === 0 ? formats : []) {
        const written: Record<string, Uint8Array> = {};
        for (const file of writeLabels(dataset, format).files) written[file.path] = await file.bytes();
        const { dataset: back } = await readLabels(filesOf(written));
        // Parts of a mask are one object again, in every one of them.
        expect(
          back.images[0]?.objects.map((object) => compressRle(shapeMask(object.shape, image) as Rle).counts),
          format,
        ).toEqual([counts]);
      }
    }
  },
);
