import { random } from "@masklet/core/test/checkpoint-files";
import { expect, test } from "vitest";
import { centred, fitView, keepInSight, reveal, tilesInSight, toPicture, toStage, zoomAt } from "./view.ts";

const picture = { width: 8000, height: 6000 };
const stage = { width: 1200, height: 800 };

test("fits the picture into the stage, in the middle", () => {
  const view = fitView(picture, stage, 10);
  expect(view.scale).toBeCloseTo(780 / 6000);
  expect(toStage(view, [0, 0])[1]).toBe(10);
  expect(fitView({ width: 4, height: 4 }, stage).scale).toBe(8);
});

test("what is under the pointer stays there when it is zoomed, within a pixel", () => {
  const next = random(4);
  let view = fitView(picture, stage);
  for (let i = 0; i < 200; i++) {
    const at = [next() * 1200, next() * 800] as const;
    const before = toPicture(view, at);
    view = zoomAt(view, 0.5 + next() * 1.5, at);
    const [x, y] = toStage(view, before);
    expect(Math.hypot(x - at[0], y - at[1])).toBeLessThan(1);
    expect(view.scale).toBeLessThanOrEqual(64);
    expect([Number.isInteger(view.x), Number.isInteger(view.y)]).toEqual([true, true]);
  }
});

test("some of the picture stays in sight, and a cursor comes into it", () => {
  const far = keepInSight({ scale: 1, x: 99_999, y: -99_999 }, picture, stage);
  expect([far.x, far.y]).toEqual([1200 - 48, 48 - 6000]);
  const view = centred(picture, stage, 1);
  const [x, y] = toStage(reveal(view, [7990, 5], stage, 40), [7990, 5]);
  expect([x, y]).toEqual([1160, 40]);
  expect(reveal(view, [4000, 3000], stage, 40)).toEqual(view);
});

test("only tiles in sight are drawn, none finer than the screen", () => {
  expect(tilesInSight(fitView(picture, stage), picture, stage, 512)).toEqual({
    level: 2,
    left: 0,
    top: 0,
    right: 4,
    bottom: 3,
  });
  const one = tilesInSight({ scale: 1, x: -4000, y: -3000 }, picture, stage, 512);
  expect(one).toEqual({ level: 0, left: 7, top: 5, right: 11, bottom: 8 });
  expect(tilesInSight({ scale: 4, x: -99_999, y: 0 }, picture, stage, 512).right).toBe(16);
});
