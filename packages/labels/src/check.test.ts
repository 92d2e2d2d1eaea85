import { checkLabels, type Dataset, type LabelledImage, type LabelObject, labelStats } from "@masklet/labels";
import { expect, test } from "vitest";

const size = { width: 200, height: 100 } as const;

function image(file: string, objects: readonly LabelObject[], more: Partial<LabelledImage> = {}): LabelledImage {
  return { file, ...size, objects, labelled: true, ...more };
}

function box(x: number, y: number, width: number, height: number, more: Partial<LabelObject> = {}): LabelObject {
  return { shape: { kind: "box", box: { x, y, width, height }, fill: "cracks" }, category: "cat", ...more };
}

const polygon = (...outline: readonly number[]): LabelObject["shape"] => ({
  kind: "polygons",
  regions: [{ outline, holes: [] }],
  fill: "cocoapi",
});

function told(images: readonly LabelledImage[], more: Partial<Dataset> = {}): readonly string[] {
  const found = checkLabels({ categories: [{ name: "cat" }], images, ...more });
  return found.map(({ severity, file, at, message }) => `${severity}: ${file}: ${at}: ${message}`);
}

test("labels without a fault", () => {
  const square = polygon(10, 10, 20, 10, 20, 20, 10, 20);
  expect(told([image("a.jpg", [box(0, 0, 200, 100)]), image("b.jpg", [{ shape: square, category: "cat" }])])).toEqual(
    [],
  );
});

test.each<readonly [string, LabelObject, string]>([
  [
    "a category that is not there",
    box(1, 1, 5, 5, { category: "dog" }),
    "error.*category dog is none of the dataset's",
  ],
  ["a score in percent", box(1, 1, 5, 5, { score: 87 }), "warning.*its score is 87, not from 0 to 1"],
  ["beyond the picture", box(190, 1, 50, 5), "warning.*leaves the picture of 200x100 by 40 pixels"],
  ["a polygon beyond it", { shape: polygon(-30, 0, 10, 0, 10, 10), category: "cat" }, "by 30 pixels"],
  ["no pixel", { shape: polygon(10, 10, 10.1, 10, 10, 10.1), category: "cat" }, "warning.*has no pixel"],
  [
    "a box of other labels",
    { shape: polygon(10, 10, 20, 10, 20, 20, 10, 20), category: "cat", box: { x: 10, y: 10, width: 30, height: 10 } },
    "warning.*its box is 10,10,30,10, that of its mask 10,10,10,10",
  ],
  ["a crowd of polygons", { shape: polygon(1, 1, 9, 1, 9, 9), category: "cat", crowd: true }, "is a crowd of polygons"],
])("%s", (_, object, message) => {
  expect(told([image("a.jpg", [box(1, 1, 9, 9), object])])).toEqual([
    expect.stringMatching(new RegExp(`a\\.jpg: object 1: .*${message.replace(/^(error|warning)\.\*/, "")}`)),
  ]);
  expect(told([image("a.jpg", [box(1, 1, 9, 9), object])])[0]).toMatch(new RegExp(message));
});

test("keypoints that are not as many as the category has", () => {
  const categories = [{ name: "cat", keypoints: ["nose", "tail"] }];
  expect(told([image("a.jpg", [box(1, 1, 5, 5, { keypoints: [1, 1, 2] })])], { categories })).toEqual([
    "error: a.jpg: object 0: has 3 numbers for the 2 keypoints of cat, not 6",
  ]);
});

test("doubles: objects, images, tracks", () => {
  expect(told([image("a.jpg", [box(1, 1, 5, 5, { id: 7 }), box(1, 1, 5, 5, { id: 8 })])])).toEqual([
    "warning: a.jpg: object 1 (id 8): is the same as object 0 (id 7)",
  ]);
  const full = [box(1, 1, 5, 5)];
  expect(told([image("a.jpg", full), image("a.jpg", full)])).toEqual(["error: a.jpg: image: is there twice"]);
  expect(told([image("x/A.jpg", full), image("x/a.JPG", full)])).toEqual([
    expect.stringContaining("differs from x/A.jpg in case or accents alone"),
  ]);
  expect(told([image("a.jpg", full), image("a.png", full)])).toEqual([expect.stringContaining("same name as a.jpg")]);
  const frame = { video: "v", index: 0 };
  const tracks = [box(1, 1, 5, 5, { track: 1 }), box(9, 9, 5, 5, { track: 1 })];
  expect(told([image("a.jpg", tracks, { frame })])).toEqual([
    "error: a.jpg: object 1: track 1 is there twice in this frame",
  ]);
});

test("a track that becomes something else, names that look alike, categories without an object", () => {
  const categories = [{ name: "cat" }, { name: "Cat " }, { name: "dog" }];
  const frames = ["cat", "Cat "].map((category, index) =>
    image(`${index}.jpg`, [box(1, 1, 5, 5, { track: 4, category })], { frame: { video: "v", index } }),
  );
  expect(told(frames, { categories })).toEqual([
    "warning: : category Cat : looks like category cat",
    "warning: 1.jpg: object 0: track 4 was cat, and is Cat ",
    "warning: : category dog: no object has it",
  ]);
});

test("numbers of a dataset", () => {
  const objects = [
    box(0, 0, 10, 10),
    box(0, 0, 100, 100, { crowd: true }),
    { shape: { kind: "points", points: [1, 1], line: false } } as const,
  ];
  const stats = labelStats({
    categories: [{ name: "cat" }, { name: "dog" }],
    images: [image("a.jpg", objects), image("b.jpg", []), image("c.jpg", [], { labelled: false, width: 50 })],
  });
  expect(stats).toMatchObject({
    images: 3,
    unlabelled: 1,
    empty: 1,
    objects: 3,
    shapes: { mask: 0, polygons: 0, box: 2, points: 1 },
    objectsPerImage: { least: 0, mean: 1, most: 3 },
    sizes: [
      [200, 100, 2],
      [50, 100, 1],
    ],
    categories: [
      { name: "cat", objects: 2, images: 1, crowds: 1, areas: { small: 1, medium: 0, large: 1 }, medianArea: 10_000 },
      { name: "dog", objects: 0, images: 0, crowds: 0, areas: { small: 0, medium: 0, large: 0 }, medianArea: 0 },
      { name: undefined, objects: 1, images: 1 },
    ],
  });
});
