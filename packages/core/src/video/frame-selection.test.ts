import { describe, expect, test } from "vitest";
import {
  attentionReach,
  pointerFrames,
  pointerLimit,
  recentFrames,
  selectConditioningFrames,
} from "./frame-selection.ts";

describe("selectConditioningFrames", () => {
  test.each([
    { frame: 5, stored: [], max: undefined, expected: [] },
    { frame: 5, stored: [10, 0, 5], max: undefined, expected: [10, 0, 5] },
    { frame: 5, stored: [10, 0, 5], max: 3, expected: [10, 0, 5] },
    { frame: 5, stored: [10, 0, 5], max: 2, expected: [0, 5] },
    { frame: 6, stored: [0, 5, 10], max: 2, expected: [5, 10] },
    { frame: 12, stored: [0, 5, 10], max: 2, expected: [10, 5] },
    { frame: -1, stored: [0, 5, 10], max: 2, expected: [0, 5] },
    { frame: 20, stored: [0, 40, 18, 23, 22, 16], max: 4, expected: [18, 22, 23, 16] },
    // equally near: as they were stored
    { frame: 20, stored: [24, 16, 18, 22, 0], max: 3, expected: [18, 22, 24] },
    { frame: 20, stored: [16, 24, 18, 22, 0], max: 3, expected: [18, 22, 16] },
  ])("frame $frame of $stored, at most $max", ({ expected, ...options }) => {
    expect(selectConditioningFrames(options)).toEqual(expected);
  });
});

describe("recentFrames", () => {
  test.each([
    { frame: 10, stride: 1, reverse: false, expected: [4, 5, 6, 7, 8, 9] },
    { frame: 10, stride: 1, reverse: true, expected: [16, 15, 14, 13, 12, 11] },
    { frame: 10, stride: 3, reverse: false, expected: [-6, -3, 0, 3, 6, 9] },
    { frame: 11, stride: 3, reverse: false, expected: [-3, 0, 3, 6, 9, 10] },
    { frame: 10, stride: 3, reverse: true, expected: [24, 21, 18, 15, 12, 11] },
    { frame: 11, stride: 3, reverse: true, expected: [27, 24, 21, 18, 15, 12] },
    { frame: 0, stride: 2, reverse: false, expected: [-10, -8, -6, -4, -2, -1] },
  ])("frame $frame, stride $stride, reverse $reverse", ({ expected, ...options }) => {
    expect(recentFrames({ memories: 7, ...options }).map(({ frame }) => frame)).toEqual(expected);
  });

  test("slots count from the nearest", () => {
    const slots = recentFrames({ frame: 10, memories: 7, stride: 2, reverse: false }).map(({ slot }) => slot);
    expect(slots).toEqual([6, 5, 4, 3, 2, 1]);
  });
});

describe("pointerFrames", () => {
  test("conditioning frames of the past and of now, then the frames before, nearest first", () => {
    expect(pointerFrames({ frame: 3, conditioning: [4, 0, 3], limit: 16, reverse: false })).toEqual({
      conditioning: [
        { frame: 0, distance: 3 },
        { frame: 3, distance: 0 },
      ],
      recent: [
        { frame: 2, distance: 1 },
        { frame: 1, distance: 2 },
        { frame: 0, distance: 3 },
      ],
    });
  });

  test("in reverse, of the future", () => {
    expect(pointerFrames({ frame: 3, conditioning: [4, 0], limit: 3, reverse: true })).toEqual({
      conditioning: [{ frame: 4, distance: 1 }],
      recent: [
        { frame: 4, distance: 1 },
        { frame: 5, distance: 2 },
      ],
    });
  });

  test.each([
    { frames: undefined, expected: 16 },
    { frames: 1000, expected: 16 },
    { frames: 5, expected: 5 },
    { frames: 1, expected: 1 },
  ])("limit for $frames frames", ({ frames, expected }) => {
    expect(pointerLimit(frames, 16)).toBe(expected);
    const { recent } = pointerFrames({ frame: 500, conditioning: [], limit: expected, reverse: false });
    expect(recent.length).toBe(expected - 1);
  });
});

test.each([
  { memories: 7, limit: 16 },
  { memories: 7, limit: 1 },
  { memories: 2, limit: 1 },
  { memories: 3, limit: 4 },
])("$memories memories and $limit pointers never reach further than they say", ({ memories, limit }) => {
  for (const stride of [1, 2, 3, 5, 8]) {
    let furthest = 0;
    for (let frame = 100; frame < 200; frame++) {
      for (const reverse of [false, true]) {
        const maps = recentFrames({ frame, memories, stride, reverse });
        const { recent } = pointerFrames({ frame, conditioning: [], limit, reverse });
        furthest = Math.max(furthest, ...[...maps, ...recent].map((other) => Math.abs(other.frame - frame)));
      }
    }
    expect(attentionReach({ memories, stride, limit })).toBe(furthest);
  }
});

test("more conditioning frames than a call takes arguments", () => {
  const stored = Array.from({ length: 300_000 }, (_, frame) => 2 * frame);
  expect(selectConditioningFrames({ frame: 300_001, stored, max: 2 })).toEqual([300_000, 300_002]);
});
