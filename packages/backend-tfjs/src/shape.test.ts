import { GraphBuilder, type HostTensor, type Value } from "@masklet/core/backend";
import { evaluateGraph, memoryWeights, RandomTensors } from "@masklet/core/testing";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createTfjsBackend } from "./node.ts";
import { expandTo, padAxes, sliceAxes, transposeAxes } from "./shape.ts";

beforeAll(async () => {
  await createTfjsBackend({ engine: "cpu" });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const random = new RandomTensors(1);

/** Ranks of what a kernel was called with. */
function watch(kernel: string): number[] {
  const ranks: number[] = [];
  const engine = tf.engine();
  const run = engine.runKernel.bind(engine);
  vi.spyOn(engine, "runKernel").mockImplementation((name, inputs, attributes) => {
    if (name === kernel) ranks.push(inputs["x"]?.shape.length ?? 0);
    return run(name, inputs, attributes);
  });
  return ranks;
}

async function expected(x: HostTensor, build: (g: GraphBuilder, x: Value) => Value): Promise<unknown> {
  const g = new GraphBuilder("expected");
  g.output("y", build(g, g.input("x", x.dims)));
  return (await evaluateGraph(g.build(), memoryWeights({}), { x }))["y"];
}

const result = (y: tf.Tensor): HostTensor => ({
  dtype: "float32",
  dims: y.shape,
  data: y.dataSync<"float32">(),
});
const tensor = ({ dims, data }: HostTensor): tf.Tensor => tf.tensor(data as Float32Array, [...dims]);

describe("transposes", () => {
  test.each([
    { what: "windows of a map", dims: [2, 3, 2, 2, 2, 5], permutation: [0, 1, 3, 2, 4, 5], ranks: [4] },
    { what: "one window a row", dims: [2, 3, 2, 1, 2, 5], permutation: [0, 1, 3, 2, 4, 5], ranks: [] },
    { what: "heads", dims: [2, 3, 4, 5], permutation: [0, 2, 1, 3], ranks: [4] },
    { what: "one head", dims: [2, 3, 1, 5], permutation: [0, 2, 1, 3], ranks: [] },
    { what: "a matrix", dims: [1, 3, 1, 5], permutation: [3, 0, 2, 1], ranks: [2] },
    { what: "channels last", dims: [2, 3, 4, 5], permutation: [0, 2, 3, 1], ranks: [3] },
    { what: "nothing left together", dims: [2, 3, 4, 5, 2], permutation: [4, 3, 2, 1, 0], ranks: [5] },
  ])("$what", async ({ dims, permutation, ranks }) => {
    const x = random.floats(dims);
    const seen = watch("Transpose");
    expect(result(transposeAxes(tf, tensor(x), permutation))).toEqual(
      await expected(x, (g, value) => g.transpose(value, permutation)),
    );
    expect(seen).toEqual(ranks);
  });
});

test("a slice of rank 6 is one of rank 2", async () => {
  const x = random.floats([2, 3, 2, 4, 3, 2]);
  const seen = watch("Slice");
  const [starts, sizes] = [
    [0, 0, 0, 1, 0, 0],
    [2, 3, 2, 2, 3, 2],
  ];
  expect(result(sliceAxes(tf, tensor(x), starts ?? [], sizes ?? []))).toEqual(
    await expected(x, (g, value) => g.slice(value, starts ?? [], sizes ?? [])),
  );
  expect(seen).toEqual([2]);
});

test("padding of rank 6 is one of rank 3", async () => {
  const x = random.floats([2, 3, 2, 4, 3, 2]);
  const seen = watch("PadV2");
  const [before, after] = [
    [0, 0, 1, 0, 0, 0],
    [0, 0, 0, 0, 2, 0],
  ];
  expect(result(padAxes(tf, tensor(x), before ?? [], after ?? []))).toEqual(
    await expected(x, (g, value) => g.pad(value, before ?? [], after ?? [])),
  );
  expect(seen).toEqual([3]);
});

test.each([
  { from: [1, 3, 1, 1, 4], to: [2, 3, 5, 6, 4], rank: 4 },
  { from: [4], to: [2, 3, 4], rank: 2 },
  { from: [], to: [2, 3], rank: 1 },
])("$from to $to tiles at rank $rank", async ({ from, to, rank }) => {
  const x = random.floats(from);
  const seen = watch("Tile");
  expect(result(expandTo(tf, tensor(x), to))).toEqual(await expected(x, (g, value) => g.expand(value, to)));
  expect(seen).toEqual([rank]);
});
