import { PictureNames } from "@masklet/labels";
import { expect, test } from "vitest";

const names = new PictureNames(["a/one.jpg", "b/one.jpg", "b/two.JPG", "c/cafe\u0301.png"]);

test.each([
  { file: "b/one.jpg", found: "b/one.jpg" },
  { file: "../data/b/one.jpg", found: undefined }, // two end so, one of them by no more than its name
  { file: "./b/one.jpg", found: "b/one.jpg" },
  { file: "one.jpg", found: undefined },
  { file: "two.png", found: "b/two.JPG" },
  { file: "/abs/of/another/machine/two.JPG", found: "b/two.JPG" },
  { file: "caf\u00e9.png", found: "c/cafe\u0301.png" },
  { file: "three.jpg", found: undefined },
])("$file is $found", ({ file, found }) => {
  expect(names.find(file)).toBe(found);
});
