import { expect, test } from "vitest";
import { suppressBoxes } from "./nms.ts";
import { randomNumbers } from "./samples.ts";

const box = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });

test("the better one stays, the first of equals, and an IoU of exactly the threshold does not remove", () => {
  // From edge pixel to edge pixel 10 x 10 and 10 x 10, sharing 10 x 5: an IoU of 1/3.
  const boxes = [box(0, 0, 11, 11), box(0, 5, 11, 11), box(40, 0, 5, 5)];
  expect(suppressBoxes(boxes, [0.5, 0.6, 0.7], 0.33)).toEqual([2, 1]);
  expect(suppressBoxes(boxes, [0.5, 0.5, 0.5], 0.33)).toEqual([0, 2]);
  expect(suppressBoxes(boxes, [0.5, 0.6, 0.7], 1 / 3)).toEqual([2, 1, 0]);
  expect(suppressBoxes([], [], 0.5)).toEqual([]);
});

test("a line of pixels has no area and removes nothing", () => {
  expect(suppressBoxes([box(0, 0, 1, 9), box(0, 0, 1, 9), box(0, 0, 9, 9)], [1, 1, 1], 0)).toEqual([0, 1, 2]);
});

test("none that stays overlaps another, and each that went overlaps a better one that stayed", () => {
  const next = randomNumbers(5);
  const boxes = Array.from({ length: 300 }, () =>
    box(Math.floor(90 * next()), Math.floor(90 * next()), 2 + Math.floor(30 * next()), 2 + Math.floor(30 * next())),
  );
  const scores = boxes.map(() => next());
  const kept = suppressBoxes(boxes, scores, 0.3);
  const iou = (a: number, b: number): number => {
    const [p, q] = [boxes[a], boxes[b]] as [ReturnType<typeof box>, ReturnType<typeof box>];
    const w = Math.max(0, Math.min(p.x + p.width, q.x + q.width) - 1 - Math.max(p.x, q.x));
    const h = Math.max(0, Math.min(p.y + p.height, q.y + q.height) - 1 - Math.max(p.y, q.y));
    return (w * h) / ((p.width - 1) * (p.height - 1) + (q.width - 1) * (q.height - 1) - w * h);
  };
  for (const i of boxes.keys()) {
    const stronger = kept.filter((j) => j !== i && (scores[j] as number) > (scores[i] as number));
    expect(stronger.some((j) => iou(i, j) > 0.3)).toBe(!kept.includes(i));
  }
  expect(kept).toHaveLength(new Set(kept).size);
});
