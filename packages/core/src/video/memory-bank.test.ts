import { describe, expect, test } from "vitest";
import { presets } from "../model/config.ts";
import { estimateMemory, MemoryBank, type Remembered } from "./memory-bank.ts";

const entry = (score = 1): Remembered => ({
  logits: new Float32Array(4),
  objectScore: score,
  iouPrediction: 1,
  pointer: new Float32Array(2),
  memory: new Uint16Array(3),
});

function tracked(bank: MemoryBank, id: number, frames: readonly number[]): void {
  const memory = bank.ensure(id);
  for (const frame of frames) {
    memory.recent.set(frame, entry());
    memory.tracked.set(frame, false);
    bank.forget(frame);
  }
}
const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("history", () => {
  test("all of it", () => {
    const bank = new MemoryBank(Number.POSITIVE_INFINITY);
    tracked(bank, 1, range(0, 99));
    expect(bank.objects.get(1)?.recent.size).toBe(100);
  });

  test("a window, in bytes that stay the same, and one interval of what is forgotten", () => {
    const bank = new MemoryBank(5);
    tracked(bank, 1, range(0, 9));
    const { bytes } = bank;
    tracked(bank, 1, range(10, 999));
    const memory = bank.objects.get(1);
    expect(bank.bytes).toBe(bytes);
    expect(bytes).toBe(6 * (16 + 8 + 6));
    expect([...(memory?.recent.keys() ?? [])]).toEqual(range(994, 999));
    expect(memory?.tracked.size).toBe(6);
    expect(memory?.forgotten).toEqual([[0, 993]]);
  });

  test("backwards, and in two places", () => {
    const bank = new MemoryBank(2);
    tracked(bank, 1, range(50, 60).toReversed());
    tracked(bank, 1, range(200, 205));
    const memory = bank.objects.get(1);
    expect(memory?.forgotten.toSorted(([a], [b]) => a - b)).toEqual([
      [50, 60],
      [200, 202],
    ]);
    expect(memory?.isForgotten(55)).toBe(true);
    expect(memory?.isForgotten(100)).toBe(false);
    expect(memory?.isForgotten(204)).toBe(false);
    expect(() => bank.requireKept("addPrompt", 55)).toThrow(
      expect.objectContaining({ code: "frame-forgotten", details: { frame: 55, object: 1 } }),
    );
    expect(() => bank.requireKept("addPrompt", 100)).not.toThrow();
  });

  test("conditioning frames stay, and what is tracked again is remembered again", () => {
    const bank = new MemoryBank(2);
    const memory = bank.ensure(1);
    memory.conditioning.set(3, entry());
    tracked(bank, 1, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    expect(memory.at(3)).toBeDefined();
    expect(memory.isForgotten(3)).toBe(false);
    expect(memory.isForgotten(2)).toBe(true);
    tracked(bank, 1, [1, 2]);
    expect(memory.isForgotten(2)).toBe(false);
  });
});

test("what is newest of a frame: prompted, then stored, then tracked", () => {
  const memory = new MemoryBank(9).ensure(1);
  expect(memory.at(0)).toBeUndefined();
  memory.recent.set(0, entry(1));
  expect(memory.at(0)?.objectScore).toBe(1);
  memory.conditioning.set(0, entry(2));
  expect(memory.at(0)?.objectScore).toBe(2);
  memory.pending.set(0, { decoded: entry(3), conditioning: false });
  expect(memory.at(0)?.objectScore).toBe(3);
  memory.clearPrompts(0);
  expect(memory.at(0)?.objectScore).toBe(2);
  expect([memory.conditioning.size, memory.recent.size]).toEqual([0, 1]);
});

test("objects keep the order they came in", () => {
  const bank = new MemoryBank(9);
  for (const id of [7, 3, 5, 3]) bank.ensure(id);
  bank.objects.delete(7);
  bank.ensure(7);
  expect([...bank.objects.keys()]).toEqual([3, 5, 7]);
});

test("the first conditioning frame of all objects", () => {
  const bank = new MemoryBank(9);
  expect(bank.firstConditioningFrame).toBeUndefined();
  bank.ensure(1).conditioning.set(8, entry());
  bank.ensure(2).conditioning.set(12, entry());
  bank.ensure(2).conditioning.set(4, entry());
  expect(bank.firstConditioningFrame).toBe(4);
});

test("the estimate counts what is kept", () => {
  const estimate = estimateMemory(presets["sam2.1-hiera-tiny"], { objects: 2, frames: 10, cachedFrames: 3 });
  // bfloat16 memories of 64x64 cells, logits of 256x256, a pointer
  const perFrame = 64 * 64 * 64 * 2 + 256 * 256 * 4 + 256 * 4;
  const features = 4 * (64 * 64 * 256 + 128 * 128 * 64 + 256 * 256 * 32);
  expect(estimate).toEqual({
    perFrame,
    history: 20 * perFrame,
    features: 3 * features,
    total: 20 * perFrame + 3 * features,
  });
});
