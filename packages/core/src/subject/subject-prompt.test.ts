import { expect, test } from "vitest";
import { mirrored, subjectPrompt } from "./subject-prompt.ts";

/** A soft mask of rectangles [x, y, width, height, share]. */
function soft(width: number, height: number, ...parts: readonly (readonly number[])[]) {
  const data = new Float32Array(width * height);
  for (const [x = 0, y = 0, w = 0, h = 0, share = 1] of parts) {
    for (let row = y; row < y + h; row++) data.fill(share, row * width + x, row * width + x + w);
  }
  return { width, height, data };
}

test("the box is around what is more than half, the points are deepest inside each large part", () => {
  const mask = soft(40, 30, [4, 5, 11, 9], [22, 16, 7, 7], [35, 2, 1, 1], [0, 0, 2, 2, 0.4]);
  const prompt = subjectPrompt(mask, 64);
  expect(prompt?.box).toEqual({ x: 4, y: 5, width: 25, height: 18 });
  // The first part's middle row is 9, and its points from 8 to 10 are equally deep; the last part is a speck.
  expect(prompt?.points).toEqual([
    [8.5, 9.5],
    [25.5, 19.5],
  ]);
});

test("a part at the image's border is no deeper there", () => {
  const prompt = subjectPrompt(soft(20, 20, [0, 0, 9, 9]), 64);
  expect(prompt?.points).toEqual([[4.5, 4.5]]);
});

test("the mask goes in as logits, at a quarter of the model's size", () => {
  const { maskInput } = subjectPrompt(soft(16, 16, [0, 0, 8, 16, 1], [8, 0, 8, 16, 0.25]), 64) ?? {};
  expect([maskInput?.width, maskInput?.height, maskInput?.data.length]).toEqual([16, 16, 256]);
  expect(maskInput?.data[0]).toBe(10);
  expect(maskInput?.data[12]).toBeCloseTo(Math.log(0.25 / 0.75), 5);
});

test("nothing to prompt with", () => {
  expect(subjectPrompt(soft(8, 8, [0, 0, 8, 8, 0.49]), 64)).toBeUndefined();
});

test("mirrored twice is as before, and once the other way round", () => {
  const data = Uint8Array.from({ length: 18 }, (_, i) => i);
  const size = { width: 3, height: 2 };
  const once = mirrored(data, size, 3);
  expect([...once.subarray(0, 9)]).toEqual([6, 7, 8, 3, 4, 5, 0, 1, 2]);
  expect(mirrored(once, size, 3)).toEqual(data);
});
