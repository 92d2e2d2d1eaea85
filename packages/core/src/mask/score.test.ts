import { describe, expect, test } from "vitest";
import { meanLogitMagnitude, selectSingleMask, stabilityScore } from "./score.ts";

describe("stabilityScore", () => {
  test("counts strictly above both thresholds", () => {
    const logits = Float32Array.of(3, 1.1, 1, 0.5, -0.5, -1, -1.1, -3);
    expect(stabilityScore(logits, { delta: 1 })).toBe(Math.fround(2 / 5));
    expect(stabilityScore(logits, { delta: 1, threshold: 2 })).toBe(0);
    expect(stabilityScore(logits, { delta: 0.2, threshold: 0.8 })).toBe(Math.fround(2 / 3));
  });
  test("compares in float32", () => {
    expect(stabilityScore(Float32Array.of(0.05, 1), { delta: 0.05 })).toBe(0.5);
  });
  test("nothing over nothing is 1", () => {
    expect(stabilityScore(new Float32Array(16).fill(-9), { delta: 1 })).toBe(1);
  });
});

test("meanLogitMagnitude", () => {
  expect(meanLogitMagnitude(Float32Array.of(-2, 4, 0, 2))).toBe(2);
  expect(meanLogitMagnitude(new Float32Array(0))).toBe(0);
});

describe("selectSingleMask", () => {
  /** Four masks of 100 pixels, the first with 100 above -0.05 and `sure` of them above 0.05. */
  const masks = (sure: number): Float32Array => new Float32Array(400).fill(0).fill(5, 0, sure).fill(5, 100);
  const iou = [0.99, 0.5, 0.7, 0.7];

  test("keeps mask 0 while it is stable", () => {
    expect(selectSingleMask({ logits: masks(98), iou })).toBe(0);
    expect(selectSingleMask({ logits: new Float32Array(400).fill(-1), iou })).toBe(0);
  });
  test("else takes the best candidate, the first of equals, never mask 0", () => {
    expect(selectSingleMask({ logits: masks(97), iou })).toBe(2);
    expect(selectSingleMask({ logits: masks(97), iou: [1, 0.3, 0.2, 0.1] })).toBe(1);
  });
  test("thresholds can be set", () => {
    expect(selectSingleMask({ logits: masks(97), iou, minStability: 0.97 })).toBe(0);
    expect(selectSingleMask({ logits: masks(98), iou, delta: 6 })).toBe(2);
  });
});
