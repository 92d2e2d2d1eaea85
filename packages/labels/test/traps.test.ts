/** What each format trips people with, one by one. */
import { encodeRle } from "@masklet/core";
import {
  type Dataset,
  filesOf,
  type LabelObject,
  type ReadLabelsOptions,
  readLabels,
  writeLabels,
} from "@masklet/labels";
import { expect, test } from "vitest";
import { decodePng, encodePng } from "../src/png/png.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (files: Record<string, string | Uint8Array>, options: ReadLabelsOptions = {}) =>
  readLabels(
    filesOf(
      Object.fromEntries(
        Object.entries(files).map(([path, one]) => [path, typeof one === "string" ? bytes(one) : one]),
      ),
    ),
    { imageSize: () => ({ width: 10, height: 10 }), ...options },
  );
const messages = ({ findings }: Awaited<ReturnType<typeof read>>): string[] =>
  findings.map(({ at, message }) => `${at}: ${message}`);
const collect = { problems: "collect" } as const;

const coco = (annotations: readonly object[], more: object = {}): string =>
  JSON.stringify({
    images: [{ id: 1, file_name: "dir\\a.jpg", width: 4, height: 3 }],
    categories: [{ id: 1, name: "cat" }],
    annotations: annotations.map((one, i) => ({ id: i + 1, image_id: 1, category_id: 1, bbox: [0, 0, 1, 1], ...one })),
    ...more,
  });

test("COCO: broken annotations are errors that say where, or are left out and listed", async () => {
  const broken = coco([
    { segmentation: { size: [3, 4], counts: [0, 1, 11] } },
    { segmentation: { size: [4, 3], counts: [0, 1, 11] } },
    { segmentation: { size: [3, 4], counts: [0, 1, 12] } },
    { segmentation: [[0, 0, 1, 1]] },
    { category_id: 9 },
    { image_id: 9 },
    { id: 1, segmentation: { size: [3, 4], counts: "b'01;'" } },
  ]);
  await expect(read({ "a.json": broken })).rejects.toMatchObject({
    code: "annotation-invalid",
    message: expect.stringMatching(/annotations\[1\].*size must be the image's, \[3, 4\].*and 4 more/),
  });
  const result = await read({ "a.json": broken }, collect);
  expect(result.findings.map(({ severity, at }) => `${severity} ${at}`)).toEqual([
    "error annotations[1]",
    "error annotations[2]",
    "error annotations[3]",
    "error annotations[4]",
    "error annotations[5]",
    "warning annotations[6]",
  ]);
  expect(result.dataset.images[0]).toMatchObject({ file: "dir/a.jpg", objects: [{ id: 1 }, { id: 1 }] });
});

test("COCO: two categories of one name stay two", async () => {
  const two = coco([{ category_id: 5 }], {
    categories: [
      { id: 1, name: "cat" },
      { id: 5, name: "cat" },
    ],
  });
  const result = await read({ "a.json": two });
  expect(result.dataset.categories.map(({ name }) => name)).toEqual(["cat", "cat (5)"]);
  expect(result.dataset.images[0]?.objects[0]?.category).toBe("cat (5)");
  expect(messages(result)).toHaveLength(1);
});

test("several labels among the files are ambiguous until one is chosen", async () => {
  const files = { "a.json": coco([]), "b.json": coco([{}]) };
  await expect(read(files)).rejects.toMatchObject({ code: "format-ambiguous" });
  expect((await read(files, { path: "b.json" })).dataset.images[0]?.objects).toHaveLength(1);
  await expect(read(files, { format: "yolo" })).rejects.toMatchObject({ code: "format-unknown" });
  await expect(read({ "a.jpg": "" })).rejects.toMatchObject({ code: "format-unknown" });
});

const yaml = "train: images\nnames:\n  0: cat\n  1: dog # kept\n";

test("YOLO: missing is unlabelled, empty is background", async () => {
  const png = encodePng({ width: 7, height: 5, kind: "rgb", channels: 3, depth: 8, samples: new Uint8Array(105) });
  const files = { "data.yaml": yaml, "images/a.png": png, "images/b.png": png, "labels/a.txt": "" };
  const { dataset } = await read(files, { imageSize: () => undefined });
  expect(dataset.images.map(({ file, width, height, labelled }) => [file, width, height, labelled])).toEqual([
    ["images/a.png", 7, 5, true],
    ["images/b.png", 7, 5, false],
  ]);
  const paths = writeLabels(dataset, "yolo").files.map(({ path }) => path);
  expect(paths).toEqual(["data.yaml", "labels/a.txt"]);
});

test("YOLO: classes that are not there, words, doubled rows, what leaves the picture, boxes among outlines", async () => {
  const rows = [
    "0 0.1 0.1 0.9 0.1 0.9 0.9",
    "7 0.5 0.5 0.1 0.1",
    "0 x 0.5 0.1 0.1",
    "0 0.1 0.1 0.9 0.1 0.9 0.9",
    "1 0.5 0.5 0.2 0.2",
    "0 0 0 1.2 0 1 1",
  ];
  const result = await read({ "data.yaml": yaml, "labels/a.txt": rows.join("\n") }, collect);
  expect(messages(result)).toEqual([
    "line 2: class 7: there are 2",
    "line 3: holds what is no number",
    "line 4: is there twice: trainers drop it",
    "line 5: is a box among outlines: trainers take it for two points",
    "line 6: leaves the picture: trainers drop the whole file",
  ]);
  expect(result.dataset.images[0]?.objects.map(({ category, shape }) => [category, shape.kind])).toEqual([
    ["cat", "polygons"],
    ["cat", "polygons"],
    ["dog", "polygons"],
    ["cat", "polygons"],
  ]);
  await expect(
    read({ "data.yaml": yaml, "labels/a.txt": rows[0] as string }, { imageSize: () => undefined }),
  ).rejects.toMatchObject({
    code: "image-size-unknown",
  });
});

test("YOLO: poses have keypoints, predictions a score behind", async () => {
  const pose = `${yaml}kpt_shape: [2, 3]\n`;
  const { dataset } = await read({ "data.yaml": pose, "labels/a.txt": "0 0.5 0.5 0.2 0.4 0.1 0.2 2 0 0 0" });
  expect(dataset.images[0]?.objects[0]).toMatchObject({
    shape: { kind: "box", box: { x: 4, y: 3, width: 2, height: 4 } },
    keypoints: [1, 2, 2, 0, 0, 0],
  });
  const scored = await read({
    "data.yaml": yaml,
    "labels/a.txt": "0 0.5 0.5 0.2 0.4 0.75",
    "labels/b.txt": "1 0 0 1 0 1 1 0.25",
  });
  expect(scored.dataset.images.map(({ objects }) => objects[0]?.score)).toEqual([0.75, 0.25]);
});

const labelme = (shapes: readonly object[]): string =>
  JSON.stringify({
    version: "5.5.0",
    shapes,
    imagePath: "..\\pics\\a.jpg",
    imageData: null,
    imageHeight: 10,
    imageWidth: 12,
  });

test("LabelMe: kinds of shapes, corners in any order, masks beyond the border, unknown kinds", async () => {
  const crop = encodePng({
    width: 3,
    height: 2,
    kind: "grey",
    channels: 1,
    depth: 8,
    samples: Uint8Array.of(1, 0, 1, 255, 1, 0),
  });
  const mask = Buffer.from(crop).toString("base64");
  const result = await read(
    {
      "labels/a.json": labelme([
        {
          label: "a",
          shape_type: "rectangle",
          points: [
            [5, 6],
            [2, 3],
          ],
        },
        {
          label: "b",
          shape_type: "mask",
          points: [
            [10, 9],
            [12, 10],
          ],
          mask,
        },
        {
          label: "c",
          shape_type: "linestrip",
          points: [
            [1, 1],
            [2, 2],
          ],
        },
        {
          label: "d",
          shape_type: "polygon",
          points: [
            [-3, 1],
            [2, 2],
            [5, 20],
          ],
          description: "left",
          odd: 1,
        },
        { label: "e", shape_type: "star", points: [[1, 1]] },
        { label: "f", shape_type: "rectangle", points: [[1, 1]] },
      ]),
    },
    collect,
  );
  const [image] = result.dataset.images;
  expect(image?.file).toBe("pics/a.jpg");
  expect(image?.objects.map(({ shape }) => shape)).toMatchObject([
    { kind: "box", box: { x: 2, y: 3, width: 3, height: 3 } },
    { kind: "mask", rle: { size: [10, 12], counts: [109, 1, 10] } },
    { kind: "points", line: true },
    { kind: "polygons", regions: [{ outline: [-3, 1, 2, 2, 5, 20] }] },
  ]);
  expect(image?.objects[3]?.extra).toEqual({ description: "left", odd: 1 });
  expect(result.findings.map(({ at }) => at)).toEqual(["shapes[4]", "shapes[5]"]);
});

test("CVAT: boxes move between keyframes, outside ends, and polygons that are not written are said to be left out", async () => {
  const xml = (element: (frame: number, x: number, more: string) => string): string =>
    `<annotations><meta><task><name>clip</name><size>9</size><original_size><width>20</width><height>10</height></original_size></task></meta>
    <track id="5" label="cat">${element(0, 1, 'keyframe="1" outside="0"')}${element(4, 5, 'keyframe="1" outside="0"')}${element(5, 5, 'keyframe="1" outside="1"')}${element(7, 9, 'keyframe="1" outside="0"')}</track></annotations>`;
  const boxes = await read({
    "a.xml": xml((frame, x, more) => `<box frame="${frame}" ${more} xtl="${x}" ytl="0" xbr="${x + 2}" ybr="3"/>`),
  });
  expect(
    boxes.dataset.images.map(({ frame, objects }) => [
      frame?.index,
      (objects[0] as LabelObject).shape,
      objects[0]?.keyframe,
    ]),
  ).toMatchObject([
    [0, { box: { x: 1 } }, true],
    [1, { box: { x: 2, width: 2 } }, false],
    [2, { box: { x: 3 } }, false],
    [3, { box: { x: 4 } }, false],
    [4, { box: { x: 5 } }, true],
    [7, { box: { x: 9 } }, true],
  ]);
  const polygons = await read({
    "a.xml": xml((frame, x, more) => `<polygon frame="${frame}" ${more} points="${x},0;${x + 2},0;${x},3"/>`),
  });
  expect(polygons.dataset.images.map(({ frame }) => frame?.index)).toEqual([0, 4, 7]);
  expect(messages(polygons)).toEqual([expect.stringMatching(/track 5, frame 4: .*left out/)]);
});

test("CVAT: crops of masks, and those that leave the picture", async () => {
  const mask = (left: number, rle: string): string =>
    `<annotations><image id="0" name="a.jpg" width="4" height="3"><mask label="c" left="${left}" top="1" width="2" height="2" rle="${rle}"/></image></annotations>`;
  const { dataset } = await read({ "a.xml": mask(1, "1, 2") });
  expect(dataset.images[0]?.objects[0]?.shape).toEqual({
    kind: "mask",
    rle: { size: [3, 4], counts: [5, 1, 1, 1, 4] },
  });
  await expect(read({ "a.xml": mask(3, "1, 2") })).rejects.toMatchObject({ code: "annotation-invalid" });
  await expect(read({ "a.xml": mask(1, "1, 9") })).rejects.toMatchObject({ code: "annotation-invalid" });
});

test("Label Studio: the ground truth of several annotations, labels apart from shapes, names of uploads", async () => {
  const region = (id: string, type: string, value: object) => ({
    id,
    type,
    value,
    from_name: "t",
    to_name: "i",
    original_width: 20,
    original_height: 10,
    image_rotation: 0,
  });
  const task = {
    id: 1,
    data: { image: "/data/upload/3/0a1b2c3d-a%20b.png" },
    annotations: [
      { id: 1, result: [] },
      {
        id: 2,
        ground_truth: true,
        result: [
          region("x", "rectangle", { x: 10, y: 20, width: 50, height: 50, rotation: 0 }),
          region("x", "labels", { x: 10, y: 20, width: 50, height: 50, rotation: 0, labels: ["cat"] }),
          {
            ...region("y", "rectanglelabels", { x: 0, y: 0, width: 1, height: 1, rectanglelabels: ["dog"] }),
            image_rotation: 90,
          },
        ],
      },
    ],
  };
  const result = await read({ "a.json": JSON.stringify([task]) }, collect);
  expect(result.dataset.images).toMatchObject([
    {
      file: "a b.png",
      objects: [{ category: "cat", shape: { kind: "box", box: { x: 2, y: 2, width: 10, height: 5 } } }],
    },
  ]);
  expect(messages(result)).toEqual([
    expect.stringMatching(/2 annotations/),
    expect.stringMatching(/image_rotation must be 0/),
  ]);
});

test("Label Studio: regions of another picture of the task are none of this one, and what has no shape is counted", async () => {
  const region = (id: string, more: object) => ({
    ...{ id, type: "rectanglelabels", from_name: "t", to_name: "i", original_width: 10, original_height: 10 },
    value: { x: 10, y: 20, width: 50, height: 50, rotation: 0, rectanglelabels: ["cat"] },
    ...more,
  });
  const results = [
    region("a", {}),
    region("b", { to_name: "second" }),
    region("c", { item_index: 1 }),
    { id: "d", type: "choices", from_name: "q", to_name: "i", value: { choices: ["good"] } },
    { type: "relation", from_id: "a", to_id: "b" },
  ];
  const tasks = [{ id: 1, data: { image: "a.png", second: "b.png" }, annotations: [{ id: 1, result: results }] }];
  const result = await read({ "a.json": JSON.stringify(tasks) }, collect);
  expect(result.dataset.images.map(({ file, objects }) => [file, objects.map(({ id }) => id)])).toEqual([
    ["a.png", ["a"]],
  ]);
  expect(messages(result)).toEqual([
    "[0].result: has 2 results without a shape (choices, texts, relations): left out",
    expect.stringMatching(/region 1: result\[1\].to_name must be i, the picture of the regions before, got second/),
    expect.stringMatching(/region 2: result\[2\].item_index must be 0/),
  ]);
});

test("VOC: void is no object, colours that are no class's are listed", async () => {
  const map = (samples: Uint8Array) => encodePng({ width: 4, height: 1, kind: "grey", channels: 1, depth: 8, samples });
  const files = {
    "labelmap.txt": "background:::\ncat:::\n",
    "SegmentationObject/a.png": map(Uint8Array.of(0, 1, 255, 2)),
    "SegmentationClass/a.png": map(Uint8Array.of(0, 1, 255, 1)),
  };
  const { dataset } = await read(files);
  expect(dataset.images[0]?.objects.map(({ id, category }) => [id, category])).toEqual([
    [1, "cat"],
    [2, "cat"],
  ]);
  const rgb = encodePng({
    width: 4,
    height: 1,
    kind: "rgb",
    channels: 3,
    depth: 8,
    samples: Uint8Array.of(0, 0, 0, 128, 0, 0, 1, 2, 3, 128, 0, 0),
  });
  await expect(read({ ...files, "SegmentationObject/a.png": rgb })).rejects.toMatchObject({
    code: "png-unsupported",
    details: { colours: ["1,2,3"] },
  });
});

test("SA-V: every fourth frame is labelled, and what is out of sight is no object", async () => {
  const shape = { kind: "mask", rle: encodeRle({ width: 2, height: 2, data: Uint8Array.of(0, 1, 0, 0) }) } as const;
  const image = (index: number, objects: readonly LabelObject[]) => ({
    file: `v/${index}.jpg`,
    width: 2,
    height: 2,
    labelled: true,
    objects,
    frame: { video: "v", index },
  });
  const dataset: Dataset = {
    categories: [],
    images: [
      image(0, [{ shape, track: 3 }]),
      image(4, []),
      image(8, [
        { shape, track: 1 },
        { shape, track: 3 },
      ]),
    ],
    videos: [{ name: "v", width: 2, height: 2, frames: 11, every: 4 }],
  };
  const [file] = writeLabels(dataset, "sav").files;
  const { dataset: back } = await read({ "v_manual.json": (await file?.bytes()) as Uint8Array });
  expect(back.images.map(({ frame, objects }) => [frame?.index, objects.map(({ track }) => track)])).toEqual([
    [0, [3]],
    [4, []],
    [8, [3, 1]],
  ]);
  expect(() => writeLabels({ ...dataset, images: [image(3, [])] }, "sav")).toThrow(
    expect.objectContaining({ code: "cannot-write" }),
  );
});

test("DAVIS: tracks that are no numbers of a palette are numbered in each video, and that is counted", async () => {
  const shape = { kind: "mask", rle: encodeRle({ width: 2, height: 1, data: Uint8Array.of(1, 0) }) } as const;
  const other = { kind: "mask", rle: encodeRle({ width: 2, height: 1, data: Uint8Array.of(0, 1) }) } as const;
  const dataset = (tracks: readonly (readonly (number | string | undefined)[])[]): Dataset => ({
    categories: [],
    images: tracks.map(([a, b], index) => ({
      ...{ file: `v/${index}.jpg`, width: 2, height: 1, labelled: true, frame: { video: "v", index } },
      objects: [a, b].map((track, i) => ({ shape: i === 0 ? shape : other, ...(track !== undefined && { track }) })),
    })),
  });
  const pixels = async (from: Dataset): Promise<readonly unknown[]> => {
    const { files, losses } = writeLabels(from, "davis");
    const maps = files.filter(({ path }) => path.endsWith(".png"));
    const rows = await Promise.all(maps.map(async (file) => Array.from(decodePng(await file.bytes()).samples)));
    return [rows, losses.map(({ kind, count }) => [kind, count])];
  };
  for (const { a, b, written, losses } of [
    { a: 1, b: 0, written: [1, 2], losses: [["ids", 4]] }, // CVAT counts its tracks from 0
    { a: "cat", b: 7, written: [1, 2], losses: [["ids", 4]] },
    { a: 254, b: 9, written: [254, 9], losses: [] },
  ]) {
    const [first, second] = [[a, b] as const, [b, a] as const];
    expect(await pixels(dataset([first, second]))).toEqual([[written, written.toReversed()], losses]);
  }
  const many = Array.from({ length: 128 }, (_, i) => [2 * i + 1, 2 * i + 2]);
  for (const [tracks, message] of [
    [[[1, undefined]], "v/0.jpg, object 1: needs a track, has none"],
    [many, "v: has 256 tracks, and DAVIS 254 at most"],
  ] as const) {
    expect(() => writeLabels(dataset(tracks), "davis")).toThrow(
      expect.objectContaining({ code: "cannot-write", message: expect.stringContaining(message) }),
    );
  }
});

test("CVAT for videos keeps the video's name and the tracks' numbers", async () => {
  const shape = { kind: "mask", rle: encodeRle({ width: 2, height: 1, data: Uint8Array.of(1, 0) }) } as const;
  const dataset = (...tracks: readonly (number | string)[]): Dataset => ({
    categories: [{ name: "a" }],
    images: tracks.map((track, index) => ({
      ...{ file: `${index}.jpg`, width: 2, height: 1, labelled: true, frame: { video: "a & b", index } },
      objects: [{ shape, track, category: "a" }],
    })),
  });
  const back = async (from: Dataset): Promise<readonly unknown[]> => {
    const { files, losses } = writeLabels(from, "cvat-video");
    const { dataset: read_ } = await read({ "annotations.xml": (await files[0]?.bytes()) as Uint8Array });
    const tracks = read_.images.flatMap(({ objects }) => objects.map(({ track }) => track));
    return [read_.videos?.map(({ name }) => name), tracks, losses.map(({ kind }) => kind)];
  };
  expect(await back(dataset(7, 3))).toEqual([["a & b"], [7, 3], []]);
  expect(await back(dataset("x", 3))).toEqual([["a & b"], [0, 1], ["ids"]]);
});

const instanceMap = (value: number): Uint8Array =>
  encodePng({ width: 2, height: 1, kind: "grey", channels: 1, depth: 16, samples: Uint16Array.of(value, 0) });

test("MOTS: every part of a dataset, pictures in folders, each part's own classes", async () => {
  const { dataset, format } = await read({
    "train/instances/labels.txt": "cat\ndog\n",
    "train/instances/a.png": instanceMap(1001),
    "train/instances/sub/b.png": instanceMap(2001),
    "val/instances/labels.txt": "dog\n",
    "val/instances/a.png": instanceMap(1001),
  });
  expect(format).toBe("mots");
  expect(dataset.images.map(({ file, objects }) => [file, objects.map(({ category }) => category)])).toEqual([
    ["train/images/a.png", ["cat"]],
    ["train/images/sub/b.png", ["dog"]],
    ["val/images/a.png", ["dog"]],
  ]);
  expect(dataset.categories.map(({ name }) => name)).toEqual(["cat", "dog"]);
});

test("Cityscapes: maps where there are no polygons; fine and coarse are two labellings", async () => {
  const polygons = JSON.stringify({
    ...{ imgHeight: 1, imgWidth: 2 },
    objects: [
      {
        label: "car",
        polygon: [
          [0, 0],
          [1, 0],
          [1, 0],
        ],
      },
      {
        label: "person",
        polygon: [
          [0, 0],
          [1, 0],
        ],
        deleted: 1,
      },
    ],
  });
  const files = {
    "gtFine/train/a/a_1_gtFine_polygons.json": polygons,
    "gtFine/train/a/a_1_gtFine_instanceIds.png": instanceMap(26000),
    "gtFine/train/a/a_2_gtFine_instanceIds.png": instanceMap(26000),
  };
  const { dataset } = await read(files);
  expect(dataset.images.map(({ file, objects }) => [file, objects.map(({ category }) => category)])).toEqual([
    ["train/a/a_1_leftImg8bit.png", ["car"]],
    ["train/a/a_2_leftImg8bit.png", ["car"]],
  ]);
  await expect(read({ ...files, "gtCoarse/train/a/a_1_gtCoarse_polygons.json": polygons })).rejects.toMatchObject({
    code: "format-ambiguous",
  });
});

test.each([
  [{ "annotations/train.json": '{"infos": {}, "categories": {}, "items": []}' }, "Datumaro's JSON"],
  [{ "via.json": '{"_via_settings": {}, "_via_img_metadata": {}}' }, "VGG Image Annotator's JSON"],
  [{ "createml.json": '[{"image": "a.png", "annotations": []}]' }, "CreateML's JSON"],
  [{ "task-1-annotation-10-by-1-tag-cat-0.png": "" }, "Label Studio's brush export"],
  [{ "train/label_2/a.txt": "Car 0 0 0 1 1 2 2" }, "KITTI (label_2)"],
  [{ "seq/gt/gt.txt": "1,1,2,3,4,5,1,1,1" }, "MOT sequences"],
  [{ "SegmentationClass/a.png": "" }, "SegmentationClass without SegmentationObject"],
  [{ "labelTxt/a.txt": "" }, "DOTA"],
  [{ "bottle/ground_truth/broken/000_mask.png": "", "bottle/test/broken/000.png": "" }, "datum convert -if mvtec"],
  [{ "gt_img_1.txt": "1,2,3,4,5,6,7,8,word" }, "ICDAR (text localization)"],
  [{ "img_1_GT.txt": "", "img_1_GT.bmp": "" }, "ICDAR (text segmentation)"],
  [{ "word_1.png": "", "gt.txt": 'word_1.png, "text"' }, "ICDAR (word recognition)"],
  [{ "train/cat/1.jpg": "", "train/dog/2.JPG": "" }, "a classification set (a folder to each class)"],
  [{ "labels.csv": "filename,label\na.png,cat\n", "a.png": "" }, "a classification set (a table of classes)"],
  [{ "boxes.csv": "filename;class;xmin;ymin;xmax;ymax\na.png;cat;1;2;3;4\n" }, "a table of boxes"],
] as const)("what is known and not read is refused by name: %j", async (files, name) => {
  await expect(read(files as Record<string, string>)).rejects.toMatchObject({
    code: "format-unsupported",
    message: expect.stringContaining(name),
  });
});

test.each([
  [{ "a.jpg": "", "holidays/b.jpg": "" }],
  [{ "train/images/a.jpg": "", "notes.csv": "day,weather\n1,rain\n" }],
  [{ "a.jpg": "", "odd.csv": '"never closed\n' }],
])("what says nothing of labels is not taken for any: %j", async (files) => {
  await expect(read(files as Record<string, string>)).rejects.toMatchObject({ code: "format-unknown" });
});

test("Cityscapes: ids of its own classes, groups without an instance", async () => {
  const shape = (at: number) =>
    ({
      kind: "mask",
      rle: encodeRle({ width: 3, height: 1, data: Uint8Array.from({ length: 3 }, (_, i) => (i === at ? 1 : 0)) }),
    }) as const;
  const dataset: Dataset = {
    categories: [{ name: "car" }, { name: "person" }],
    images: [
      {
        file: "aachen/aachen_1_leftImg8bit.png",
        width: 3,
        height: 1,
        labelled: true,
        objects: [
          { shape: shape(0), category: "car" },
          { shape: shape(1), category: "car" },
          { shape: shape(2), category: "person", crowd: true },
        ],
      },
    ],
  };
  const { files } = writeLabels(dataset, "cityscapes");
  const ids = files.find(({ path }) => path === "gtFine/default/aachen_1_gtFine_instanceIds.png");
  expect(Array.from(decodePng((await ids?.bytes()) as Uint8Array).samples)).toEqual([26000, 26001, 24]);
  const polygons = files.find(({ path }) => path.endsWith("_polygons.json"));
  const root = JSON.parse(new TextDecoder().decode(await polygons?.bytes()));
  expect(root.objects.map(({ label }: { label: string }) => label)).toEqual(["car", "car", "persongroup"]);
});
