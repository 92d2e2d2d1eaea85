import { expect, test } from "vitest";
import { compareFrameNames } from "./frame-names.ts";

test.each([
  [["2", "10", "0011"]],
  [["1.175304", "1.25", "1.3", "2"]],
  [["-10.5", "-2", "-1", "0", "1"]],
  [["\u22122", "-1", "0", "+1"]],
  [["1e-05", "0.0002", "0.5", "1", "1e+16"]],
  [["t_-2", "t_-1", "t_0", "t_1.5"]],
  [["shot-9", "shot-10"]],
  [["shot.9", "shot.10"]],
  [["2024.8.9", "2024.8.10", "2024.10.1"]],
  [["2024-08-01", "2024-08-10"]],
  [["1403636579763555584", "1403636579763555585", "1403636579813555456"]],
  [["IMG_1", "img_2", "IMG_3"]],
  [["12", "intro", "shot1", "shot1a", "shot2"]],
])("%j is in order", (names) => {
  for (const [i, a] of names.entries()) {
    for (const [j, b] of names.entries())
      expect(Math.sign(compareFrameNames(a, b)), `${a} and ${b}`).toBe(Math.sign(i - j));
  }
});

test.each([
  ["1.1", "1.10"],
  ["2", "02"],
  ["-0", "0"],
])("%s and %s are one number", (a, b) => {
  expect(compareFrameNames(a, b)).toBe(0);
});
