import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compressRle, encodeRle } from "@masklet/core";
import {
  editCvat,
  editLabelMe,
  editLabelStudio,
  editYolo,
  filesOf,
  type LabelObject,
  type ObjectEdits,
  readLabels,
  shapeMask,
  writeLabels,
} from "@masklet/labels";
import { expect, test } from "vitest";
import { cases, haveCases, imageSize } from "./cases.ts";
import { randomDataset } from "./datasets.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => Buffer.from(data).toString("utf8");

const square = (width: number, height: number, x: number, y: number, side: number): LabelObject["shape"] => {
  const data = new Uint8Array(width * height);
  for (let i = 0; i < side * side; i++) data[(y + Math.floor(i / side)) * width + x + (i % side)] = 1;
  return { kind: "mask", rle: encodeRle({ width, height, data }) };
};

const none = {};

test("YOLO: rows keep their spelling, ends of lines, mark and end of file", async () => {
  const size = { width: 20, height: 10 };
  const options = { size, classes: ["cat", "dog"] };
  const odd = "\ufeff0 .5 5e-1 0.250 0.5 0.75 0.5 \r\n\r\n1\t0.1 0.1 0.2 0.1 0.2 0.2\r\n0 0.5 0.5 0.6 0.6 0.7 0.5";
  expect(text(await editYolo(bytes(odd), none, options))).toBe(odd);
  const object: LabelObject = { shape: square(20, 10, 2, 2, 4), category: "dog" };
  const row = "1 0.1 0.2 0.25 0.2 0.25 0.5 0.1 0.5";
  const replaced = text(await editYolo(bytes(odd), { replace: new Map([[1, object]]) }, options));
  expect(replaced).toBe(odd.replace("1\t0.1 0.1 0.2 0.1 0.2 0.2", row));
  expect(text(await editYolo(bytes(odd), { remove: new Set([1]), add: [object] }, options))).toBe(
    `${odd.replace("1\t0.1 0.1 0.2 0.1 0.2 0.2\r\n", "")}\r\n${row}`,
  );
  expect(text(await editYolo(bytes(""), { add: [object] }, options))).toBe(`${row}\n`);
  await expect(editYolo(bytes(odd), { remove: new Set([3]) }, options)).rejects.toMatchObject({
    code: "no-such-annotation",
  });
  const cow = { ...object, category: "cow" };
  await expect(editYolo(bytes(odd), { add: [cow] }, options)).rejects.toMatchObject({ code: "cannot-write" });
});

test("YOLO: a file of boxes gets boxes, one of outlines outlines", async () => {
  const options = { size: { width: 10, height: 10 }, classes: ["cat"] };
  const object: LabelObject = {
    shape: { kind: "box", box: { x: 1, y: 2, width: 4, height: 4 }, fill: "cracks" },
    category: "cat",
  };
  expect(text(await editYolo(bytes("0 0.5 0.5 0.1 0.1\n"), { add: [object] }, options))).toBe(
    "0 0.5 0.5 0.1 0.1\n0 0.3 0.4 0.4 0.4\n",
  );
  expect(text(await editYolo(bytes("0 0 0 1 0 1 1\n"), { add: [object] }, options))).toBe(
    "0 0 0 1 0 1 1\n0 0.1 0.2 0.4 0.2 0.4 0.5 0.1 0.5\n",
  );
});

const labelme = [
  "{",
  '  "version": "4.5.6",',
  '  "flags": {},',
  '  "shapes": [',
  "    {",
  '      "label": "cat", "odd": 1e5,',
  '      "points": [[1.0, 1.50], [4.0, 1.5], [4.0, 4.0]],',
  '      "group_id": 9007199254740993,',
  '      "shape_type": "polygon",',
  '      "flags": {"difficult": true}',
  "    },",
  "    {",
  '      "label": "dög",',
  '      "points": [[0, 0], [3, 3]],',
  '      "group_id": null,',
  '      "shape_type": "rectangle",',
  '      "flags": {}',
  "    }",
  "  ],",
  '  "imagePath": "..\\\\a.jpg",',
  '  "imageData": null, "imageHeight": 10, "imageWidth": 12',
  "}",
].join("\r\n");

test("LabelMe: what is not changed keeps its bytes, what is keeps its other fields", async () => {
  expect(text(await editLabelMe(bytes(labelme), none))).toBe(labelme);
  const object: LabelObject = { shape: square(12, 10, 2, 3, 3), category: "cat" };
  const replaced = text(await editLabelMe(bytes(labelme), { replace: new Map([[0, object]]) }));
  expect(replaced).toBe(
    labelme.replace(
      "[[1.0, 1.50], [4.0, 1.5], [4.0, 4.0]]",
      "[[2.0,3.0],[4.0,3.0],[4.0,5.0],[2.0,5.0]]".replaceAll(",", ", "),
    ),
  );
  const removed = text(await editLabelMe(bytes(labelme), { remove: new Set([0]) }));
  expect(removed).toBe(
    labelme.slice(0, labelme.indexOf("    {")) + labelme.slice(labelme.indexOf('    {\r\n      "label": "dög"')),
  );
  const both = await editLabelMe(bytes(labelme), { add: [object, { ...object, category: "new" }] });
  expect(text(both).startsWith(labelme.slice(0, labelme.indexOf("\r\n  ],")))).toBe(true);
  const { dataset } = await readLabels(filesOf({ "a.json": both }));
  expect(dataset.images[0]?.objects.map(({ category, places }) => [category, places])).toEqual([
    ["cat", [0]],
    ["dög", [1]],
    ["cat", [2]],
    ["new", [3]],
  ]);
});

const cvat = [
  '<?xml version="1.0"?>',
  "<!-- kept -->",
  "<annotations><version>1.1</version>",
  '  <image id="0" name="a.jpg" width="12" height="10">',
  '    <polygon label="cat &amp; 😀" z_order="3" occluded=\'1\' points="1.00,1.00;4.00,1.00;4.00,4.00" source="semi-auto">',
  '      <attribute name="n"><![CDATA[<x>]]></attribute>',
  "    </polygon>",
  '    <box label="dog" xtl="1" ytl="1" xbr="3" ybr="3.50"/>',
  "  </image>",
  '  <image id="1" name="b.jpg" width="12" height="10"/>',
  "</annotations>",
  "",
];

test.each(["\n", "\r\n"])("CVAT: elements are cut out and put in, with ends of lines %j", async (newline) => {
  const whole = `\ufeff${cvat.join(newline)}`;
  const [a, b] = [{ image: "a.jpg" }, { image: "b.jpg" }];
  expect(text(await editCvat(bytes(whole), none, a))).toBe(whole);
  const object: LabelObject = { shape: square(12, 10, 2, 3, 2), category: "cat & 😀" };
  const replaced = text(await editCvat(bytes(whole), { replace: new Map([[0, object]]) }, a));
  const { dataset } = await readLabels(filesOf({ "a.xml": bytes(replaced) }));
  // It lies in front of the box, and stands before it.
  const [box, polygon] = dataset.images[0]?.objects ?? [];
  expect([box?.places, polygon?.places]).toEqual([[1], [0]]);
  expect(polygon).toMatchObject({ category: "cat & 😀", occluded: true, attributes: { n: "<x>" } });
  const from = whole.indexOf("<polygon");
  const to = whole.indexOf("</polygon>") + "</polygon>".length;
  expect(replaced.slice(0, from)).toBe(whole.slice(0, from));
  expect(replaced.endsWith(whole.slice(to))).toBe(true);
  expect(replaced).toContain('z_order="3"');
  expect(replaced).toContain("<![CDATA[<x>]]>");
  expect(text(await editCvat(bytes(whole), { remove: new Set([0, 1]) }, a))).toBe(
    whole.slice(0, from).trimEnd() + whole.slice(whole.indexOf(`${newline}  </image>`)),
  );
  const added = text(await editCvat(bytes(whole), { add: [object] }, b));
  const back = await readLabels(filesOf({ "a.xml": bytes(added) }));
  expect(back.dataset.images[1]?.objects).toHaveLength(1);
  expect(added.startsWith(whole.slice(0, whole.indexOf(' height="10"/>')))).toBe(true);
  await expect(editCvat(bytes(whole), none, { image: "c.jpg" })).rejects.toMatchObject({ code: "no-such-annotation" });
});

test.skipIf(!haveCases)(
  "the cases' files keep their bytes; a mask that is replaced is read back (needs the cases)",
  async () => {
    const shape = square(68, 52, 5, 5, 7);
    if (shape.kind !== "mask") throw new Error("no mask");
    const told = async (files: Record<string, Uint8Array>): Promise<string | undefined> => {
      const { dataset } = await readLabels(filesOf(files), { imageSize });
      const image = dataset.images.find(({ file }) => file.includes("plain"));
      const rle = image === undefined ? undefined : shapeMask((image.objects[0] as LabelObject).shape, image);
      return rle === undefined ? undefined : compressRle(rle).counts;
    };
    const replace = new Map([[0, { shape, category: "cat" }]]);
    const expected = compressRle(shape.rle).counts;
    const read = (path: string): Uint8Array => new Uint8Array(readFileSync(join(cases, path)));

    const json = read("supervision/labelme/plain.json");
    expect(await editLabelMe(json, none)).toEqual(json);
    expect(await told({ "plain.json": await editLabelMe(json, { replace }) })).toBe(expected);

    const xml = read("datumaro/cvat/train.xml");
    expect(await editCvat(xml, none, { image: "plain.png" })).toEqual(xml);
    expect(await told({ "a.xml": await editCvat(xml, { replace }, { image: "plain.png" }) })).toBe(expected);

    const rows = read("supervision/yolo/labels/plain.txt");
    const options = { size: { width: 68, height: 52 }, classes: ["cat", "traffic light"] };
    expect(await editYolo(rows, none, options)).toEqual(rows);
    const yaml = bytes("names: [cat, traffic light]\n");
    expect(await told({ "data.yaml": yaml, "labels/plain.txt": await editYolo(rows, { replace }, options) })).toBe(
      expected,
    );
  },
);

const tasks = JSON.stringify(
  [
    {
      id: 1,
      data: { image: "a.jpg" },
      annotations: [
        { id: 3, was_cancelled: true, result: [] },
        {
          id: 4,
          result: [
            {
              id: "x",
              from_name: "poly",
              to_name: "img",
              original_width: 20,
              original_height: 10,
              image_rotation: 0,
              type: "polygonlabels",
              value: {
                points: [
                  [10, 10],
                  [30, 10],
                  [30, 40],
                ],
                closed: true,
                polygonlabels: ["cat"],
              },
              meta: { odd: 1.5 },
            },
            { id: "c", from_name: "ch", to_name: "img", type: "choices", value: { choices: ["good"] } },
            {
              id: "b",
              from_name: "brush",
              to_name: "img",
              original_width: 20,
              original_height: 10,
              image_rotation: 0,
              type: "brushlabels",
              value: { format: "rle", rle: [], brushlabels: ["dog"] },
            },
          ],
        },
      ],
    },
  ],
  null,
  1,
);

test("Label Studio: a region keeps its kind and its other fields, or takes the tag of its new kind", async () => {
  expect(text(await editLabelStudio(bytes(tasks), { task: 0 }))).toBe(tasks);
  const object: LabelObject = { shape: square(20, 10, 2, 2, 4), category: "cat" };
  const replaced = JSON.parse(
    text(await editLabelStudio(bytes(tasks), { task: 0, replace: new Map([["x", object]]) })),
  );
  const [before] = JSON.parse(tasks)[0].annotations[1].result;
  const points = [
    [10, 20],
    [30, 20],
    [30, 60],
    [10, 60],
  ];
  expect(replaced[0].annotations[1].result[0]).toEqual({
    ...before,
    value: { points, closed: true, polygonlabels: ["cat"] },
  });
  const data = new Uint8Array(200);
  for (const i of [0, 1, 2, 20, 22, 40, 41, 42]) data[i] = 1;
  const holed: LabelObject = {
    shape: { kind: "mask", rle: encodeRle({ width: 20, height: 10, data }) },
    category: "cat",
  };
  const edited = await editLabelStudio(bytes(tasks), {
    task: 0,
    replace: new Map([["x", holed]]),
    remove: new Set(["b"]),
    add: [object],
  });
  const { result } = JSON.parse(text(edited))[0].annotations[1];
  expect(
    result.map((one: { id: string; type: string; from_name: string }) => [one.id, one.type, one.from_name]),
  ).toEqual([
    ["x", "brushlabels", "brush"],
    ["c", "choices", "ch"],
    ["m3", "brushlabels", "brush"],
  ]);
  expect(result[0].meta).toEqual({ odd: 1.5 });
  const box: LabelObject = {
    shape: { kind: "box", box: { x: 1, y: 1, width: 2, height: 2 }, fill: "cracks" },
    category: "cat",
  };
  await expect(editLabelStudio(bytes(tasks), { task: 0, add: [box] })).rejects.toMatchObject({ code: "cannot-write" });
  await expect(editLabelStudio(bytes(tasks), { task: 0, remove: new Set(["y"]) })).rejects.toMatchObject({
    code: "no-such-annotation",
  });
});

/** What differs between two texts: one slice of each, as short as it can be. */
function difference(before: string, after: string): readonly [cut: string, put: string] {
  let [start, end] = [0, 0];
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end++;
  return [before.slice(start, before.length - end), after.slice(start, after.length - end)];
}

test.each(["yolo", "labelme", "cvat-images"] as const)(
  "%s: random files keep their bytes, and an object taken away is one slice, with CRLF and a byte order mark",
  async (format) => {
    let removed = 0;
    for (let seed = 0; seed < 60; seed++) {
      const dataset = randomDataset(seed, { shapes: ["polygons"] });
      for (const [i, image] of dataset.images.entries()) {
        const files = writeLabels({ ...dataset, images: [image] }, format).files;
        const file = files[format === "yolo" ? 1 : 0];
        const plain = text((await file?.bytes()) ?? new Uint8Array(0));
        const odd = `${seed % 2 === 0 ? "\ufeff" : ""}${seed % 3 === 0 ? plain.replaceAll("\n", "\r\n") : plain}`;
        const classes = dataset.categories.map(({ name }) => name);
        const edit = async (edits: ObjectEdits): Promise<string> =>
          text(
            format === "yolo"
              ? await editYolo(bytes(odd), edits, { size: image, classes })
              : format === "labelme"
                ? await editLabelMe(bytes(odd), edits)
                : await editCvat(bytes(odd), edits, { image: image.file }),
          );
        expect(await edit({}), `seed ${seed}, image ${i}`).toBe(odd);
        if (image.objects.length === 0) continue;
        const gone = await edit({ remove: new Set([seed % image.objects.length]) });
        const [, put] = difference(odd, gone);
        expect([gone.length < odd.length, put.trim()], `seed ${seed}, image ${i}`).toEqual([true, ""]);
        removed++;
      }
    }
    expect(removed).toBeGreaterThan(50);
  },
);
