import { describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { toyConfig } from "../../test/toy-sam2.ts";
import type { Sam2Config } from "../model/config.ts";
import { Sam2 } from "../sam2.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { ObjectMemory, type Remembered } from "./memory-bank.ts";
import { type AttendOptions, attendedBy, batchKey, memoryFeeds, pointerEncoding } from "./memory-tokens.ts";

const CELLS = 16; // of the toy model: 4x4
const { width } = toyConfig;
const { width: memoryWidth } = toyConfig.memory;

/** An entry that carries its frame's number in its memory and its pointer. */
const entry = (frame: number): Remembered => ({
  logits: new Float32Array(4),
  objectScore: 1,
  iouPrediction: 1,
  pointer: new Float32Array(width).fill(frame),
  memory: new Uint16Array(CELLS * memoryWidth).fill(frame),
});

function memoryOf(conditioning: readonly number[], recent: readonly number[]): ObjectMemory {
  const memory = new ObjectMemory();
  for (const frame of conditioning) memory.conditioning.set(frame, entry(frame));
  for (const frame of recent) memory.recent.set(frame, entry(frame));
  return memory;
}

const options: AttendOptions = {
  frame: 10,
  reverse: false,
  stride: 1,
  maxConditioningFrames: undefined,
  pointerLimit: 16,
  conditioningSlot: 6,
  memories: 7,
};

describe("attendedBy", () => {
  test("fewer memories leave the oldest out, and temporal rows as they are", () => {
    const { maps } = attendedBy(memoryOf([0], [4, 5, 6, 7, 8, 9]), { ...options, memories: 3 });
    expect(maps.map(({ memory, slot }) => [memory[0], slot])).toEqual([
      [0, 6],
      [8, 1],
      [9, 0],
    ]);
    expect(attendedBy(memoryOf([0], [9]), { ...options, memories: 1 }).maps).toHaveLength(1);
  });

  test.each([
    {
      what: "conditioning frames as stored, then the others from oldest to newest; pointers nearest first",
      memory: memoryOf([5, 0], [6, 7, 8, 9]),
      maps: [
        [5, 6],
        [0, 6],
        [6, 3],
        [7, 2],
        [8, 1],
        [9, 0],
      ],
      pointers: [
        [5, 5],
        [0, 10],
        [9, 1],
        [8, 2],
        [7, 3],
        [6, 4],
      ],
    },
    {
      what: "a frame that was never tracked leaves its slot empty",
      memory: memoryOf([0], [4, 9]),
      maps: [
        [0, 6],
        [4, 5],
        [9, 0],
      ],
      pointers: [
        [0, 10],
        [9, 1],
        [4, 6],
      ],
    },
    {
      what: "conditioning frames to come have no pointer yet",
      memory: memoryOf([12], []),
      maps: [[12, 6]],
      pointers: [],
    },
    {
      what: "those that the maximum leaves out are ordinary frames",
      memory: memoryOf([0, 8, 9, 12], [7]),
      max: 2,
      maps: [
        [9, 6],
        [12, 6],
        [7, 2],
        [8, 1],
      ],
      pointers: [
        [9, 1],
        [8, 2],
        [7, 3],
        [0, 10],
      ],
    },
    {
      what: "backwards",
      memory: memoryOf([12, 4], [11, 13]),
      reverse: true,
      maps: [
        [12, 6],
        [4, 6],
        [13, 2],
        [11, 0],
      ],
      pointers: [
        [12, 2],
        [11, 1],
        [13, 3],
      ],
    },
    {
      what: "a stride is for maps alone",
      memory: memoryOf([0], [5, 6, 7, 8, 9]),
      stride: 3,
      maps: [
        [0, 6],
        [6, 1],
        [9, 0],
      ],
      pointers: [
        [0, 10],
        [9, 1],
        [8, 2],
        [7, 3],
        [6, 4],
        [5, 5],
      ],
    },
  ])("$what", ({ memory, maps, pointers, max, reverse = false, stride = 1 }) => {
    const attended = attendedBy(memory, { ...options, maxConditioningFrames: max, reverse, stride });
    expect(attended.maps.map((map) => [map.memory[0], map.slot])).toEqual(maps);
    expect(attended.pointers.map(({ pointer, distance }) => [pointer[0], distance])).toEqual(pointers);
  });

  test("a frame that was dropped is an error where it counts", () => {
    const memory = memoryOf([0], [9]);
    memory.forgotten.push([1, 3]);
    expect(attendedBy(memory, { ...options, pointerLimit: 7 }).maps).toHaveLength(2);
    expect(() => attendedBy(memory, options)).toThrow(
      expect.objectContaining({ code: "frame-forgotten", details: { frame: 3, needed: 10 } }),
    );
  });
});

test("objects share a run when they have the same slots and as many pointers", () => {
  const key = (memory: ObjectMemory): string => batchKey(attendedBy(memory, options));
  expect(key(memoryOf([0], [8, 9]))).toBe(key(memoryOf([1], [8, 9])));
  expect(key(memoryOf([0], [8, 9]))).not.toBe(key(memoryOf([0], [7, 9])));
  expect(key(memoryOf([0, 1], [9]))).not.toBe(key(memoryOf([0, 12], [9])));
});

test("memories, slots, and each pointer's tokens, laid out for the graph", () => {
  const encoding = { at: (distance: number) => new Float32Array(memoryWidth).fill(distance) };
  const batch = [memoryOf([0], [9]), memoryOf([4], [9])].map((memory) => attendedBy(memory, options));
  const { memories, slots, pointers, pointerPositions } = memoryFeeds(toyConfig, encoding, batch);
  expect([memories.dims, slots.dims]).toEqual([[2, 2, CELLS, memoryWidth], [2]]);
  expect([...slots.data]).toEqual([6, 0]);
  const bits = new Uint32Array((memories.data as Float32Array).buffer);
  const size = CELLS * memoryWidth;
  expect([0, 1, 2, 3].map((i) => [bits[i * size], bits[(i + 1) * size - 1]])).toEqual(
    [0, 9, 4, 9].map((frame) => [frame * 2 ** 16, frame * 2 ** 16]),
  );
  // two tokens a pointer
  expect(pointers.dims).toEqual([2, 4, memoryWidth]);
  const first = (data: ArrayLike<unknown>): unknown[] => Array.from({ length: 8 }, (_, i) => data[i * memoryWidth]);
  expect(first(pointers.data)).toEqual([0, 0, 9, 9, 4, 4, 9, 9]);
  expect(first(pointerPositions.data)).toEqual([10, 10, 1, 1, 6, 6, 1, 1]);
});

describe("pointerEncoding", () => {
  const load = (config: Sam2Config): Promise<Sam2> =>
    Sam2.fromWeights(hashedWeights(config), { backend: new ObservedBackend({ compute: false }), config });

  test("2.1 projects sines, then cosines, of the distance over the longest", async () => {
    await using model = await load(toyConfig);
    const weight = (await model.weight("obj_ptr_tpos_proj.weight")).data;
    const bias = (await model.weight("obj_ptr_tpos_proj.bias")).data;
    const encoding = await pointerEncoding(model, 16);
    const half = width / 2;
    for (const distance of [0, 1, 15, 400]) {
      const expected = Array.from({ length: memoryWidth }, (_, row) => {
        let sum = bias[row] as number;
        for (let i = 0; i < half; i++) {
          const angle = distance / 15 / 10000 ** ((i - (i % 2)) / half);
          sum += (weight[row * width + i] as number) * Math.sin(angle);
          sum += (weight[row * width + half + i] as number) * Math.cos(angle);
        }
        return sum;
      });
      const got = encoding.at(distance);
      expect(got).toHaveLength(memoryWidth);
      for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 5);
    }
    expect(encoding.at(3)).toBe(encoding.at(3));
  });

  test("one frame divides by nothing", async () => {
    await using model = await load(toyConfig);
    expect((await pointerEncoding(model, 1)).at(0).every(Number.isFinite)).toBe(true);
  });

  test("2.0 adds nothing", async () => {
    await using model = await load({ ...toyConfig, version: "2.0" });
    expect([...(await pointerEncoding(model, 16)).at(3)]).toEqual(Array.from({ length: memoryWidth }, () => 0));
  });
});
