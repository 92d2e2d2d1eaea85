import { describe, expect, test } from "vitest";
import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { floats, memoryWeights, RandomTensors, TestAbort } from "../testing/fixtures.ts";
import { GraphBuilder } from "./builder.ts";
import type { Graph } from "./graph.ts";
import { type Initializer, loadInitializers, prepareGraph } from "./prepare.ts";

const table = floats([4, 2], 1, 2, 3, 4, 5, 6, 7, 8);

/** Counts how often each tensor is read. */
function counting(store: WeightStore): { readonly store: WeightStore; readonly reads: string[] } {
  const reads: string[] = [];
  return {
    reads,
    store: {
      ...store,
      read: (name, options) => {
        reads.push(name);
        return store.read(name, options);
      },
    },
  };
}

function graphOf(build: (g: GraphBuilder) => void): Graph {
  const g = new GraphBuilder("test");
  build(g);
  return g.build();
}

const names = (initializers: ReadonlyMap<unknown, Initializer>): string[] =>
  Array.from(initializers.values(), ({ name, from }) => `${from} ${name}`);

const viewGraph = (): Graph =>
  graphOf((g) => {
    const x = g.input("x", ["n", 2]);
    const weight = g.weight("table", [4, 2]);
    g.output("top", g.linear(x, g.slice(weight, [0, 0], [2, 2])));
    g.output("bottom", g.linear(x, g.slice(weight, [2, 0], [2, 2])));
    g.output("again", g.linear(x, g.slice(g.weight("table", [4, 2]), [2, 0], [2, 2])));
  });

describe("weights", () => {
  test("float32 ones are views of the checkpoint, and nothing is read", async () => {
    const { store, reads } = counting(memoryWeights({ other: floats([1], 9), table }));
    const { initializers, loadedBytes, totalBytes } = await prepareGraph(viewGraph(), store);
    const entry = store.entries.get("table");
    expect([...initializers.values()]).toEqual([
      { name: "table[0:]", from: "weight", entry, byteOffset: 4, dims: [2, 2] },
      { name: "table[4:]", from: "weight", entry, byteOffset: 20, dims: [2, 2] },
      { name: "table[4:]", from: "weight", entry, byteOffset: 20, dims: [2, 2] },
    ]);
    const [, bottom, again] = [...initializers.values()];
    expect(again).toBe(bottom);
    expect({ reads, loadedBytes, totalBytes }).toEqual({ reads: [], loadedBytes: 0, totalBytes: 32 });
  });

  test("others are converted, each tensor read once", async () => {
    const halves: HostTensor = {
      dtype: "bfloat16",
      dims: [4, 2],
      data: Uint16Array.from({ length: 8 }, (_, i) => 0x3f80 + i),
    };
    const { store, reads } = counting(memoryWeights({ table: halves }));
    const progress: unknown[] = [];
    const prepared = await prepareGraph(viewGraph(), store, { onProgress: (at) => progress.push(at) });
    const [top, bottom] = [...prepared.initializers.values()];
    expect(top).toMatchObject({ from: "tensor", tensor: floats([2, 2], 1, 1 + 1 / 128, 1 + 2 / 128, 1 + 3 / 128) });
    expect(bottom).toMatchObject({
      from: "tensor",
      tensor: { data: Float32Array.from([4, 5, 6, 7], (i) => 1 + i / 128) },
    });
    expect(reads).toEqual(["table"]);
    expect(progress).toEqual([{ loaded: 16, total: 16 }]);
  });

  test("loading reads each tensor once and shares its bytes", async () => {
    const { store, reads } = counting(memoryWeights({ table }));
    const tensors = await loadInitializers(await prepareGraph(viewGraph(), store), store);
    const [top, bottom] = [...tensors.values()];
    expect([top, bottom]).toEqual([floats([2, 2], 1, 2, 3, 4), floats([2, 2], 5, 6, 7, 8)]);
    expect(top?.data.buffer).toBe(bottom?.data.buffer);
    expect(reads).toEqual(["table"]);
  });

  test.each([
    {
      store: memoryWeights({}),
      code: "missing-tensor",
      message: "memory weights: tensor table is missing, expected [4,2]",
    },
    {
      store: memoryWeights({ table: floats([2, 4], 1, 2, 3, 4, 5, 6, 7, 8) }),
      code: "misshapen-tensor",
      message: "memory weights: tensor table is [2,4], expected [4,2]",
    },
  ])("$message", async ({ store, code, message }) => {
    await expect(prepareGraph(viewGraph(), store)).rejects.toMatchObject({ name: "CheckpointError", code, message });
  });

  test("an abort stops the preparation", async () => {
    const abort = new TestAbort();
    const graph = graphOf((g) => g.output("y", g.relu(g.weight("table", [4, 2]))));
    const preparing = prepareGraph(graph, memoryWeights({ table }), { signal: abort.signal });
    abort.abort();
    await expect(preparing).rejects.toBe(abort.reason);
  });
});

describe("derived weights", () => {
  test("are computed once and named after where they were written; what only they need is not kept", async () => {
    const graph = graphOf((g) => {
      const x = g.input("x", ["n", 2]);
      const weight = g.weight("table", [4, 2]);
      const derived = g.scope("head", () =>
        g.transpose(g.mul(g.matmul(g.transpose(weight, [1, 0]), weight), g.scalar(2)), [1, 0]),
      );
      g.output(
        "y",
        g.scope("head", () =>
          g.linear(
            x,
            derived,
            g.scope("bias", () => g.relu(g.weight("bias", [2]))),
          ),
        ),
      );
    });
    const { store, reads } = counting(memoryWeights({ table, bias: floats([2], -1, 1) }));
    const { values, initializers } = await prepareGraph(graph, store);
    expect(values.map(({ source }) => source.node.kind)).toEqual(["linear"]);
    expect([...initializers.values()]).toEqual([
      { name: "head: derived transpose", from: "tensor", tensor: floats([2, 2], 168, 200, 200, 240) },
      { name: "bias: derived relu", from: "tensor", tensor: floats([2], 0, 1) },
    ]);
    expect(reads).toEqual(["table", "bias"]);
  });

  test("of a named shape are left to the run", async () => {
    const graph = graphOf((g) => {
      const rows = g.expand(g.add(g.weight("table", [4, 2]), g.scalar(1)), ["n", 4, 2]);
      g.output("y", g.add(g.input("x", ["n", 1, 1]), rows));
    });
    const { values, initializers } = await prepareGraph(graph, memoryWeights({ table }));
    expect(values.map(({ source }) => source.node.kind)).toEqual(["expand", "add"]);
    expect(names(initializers)).toEqual(["tensor derived add"]);
  });

  test("may be left to the runtime, with what depends on them; never what is rounded", async () => {
    const graph = graphOf((g) => {
      const doubled = g.add(g.weight("table", [4, 2]), g.weight("table", [4, 2]));
      const other = g.relu(g.weight("table", [4, 2]));
      g.output("y", g.linear(g.input("x", ["n", 2]), g.sigmoid(doubled)));
      g.output("z", g.quantizedLinear(g.input("x2", ["n", 2]), other, undefined, { bits: 8 }));
    });
    const left = ["add", "relu"];
    const { values, initializers } = await prepareGraph(graph, memoryWeights({ table }), {
      leave: ({ source }) => left.includes(source.node.kind),
    });
    expect(values.map(({ source }) => source.node.kind)).toEqual(["add", "sigmoid", "linear", "quantizedLinear"]);
    expect(names(initializers)).toEqual(["weight table", "weight table", "tensor derived relu"]);
  });

  test("outputs may be initializers and inputs; names are unique", async () => {
    const graph = graphOf((g) => {
      g.output("x", g.input("x", ["n"]));
      g.output("a", g.constant(floats([1], 1)));
      g.output("b", g.constant(floats([1], 2)));
      g.output("w", g.weight("table", [4, 2]));
      g.output("d", g.relu(g.weight("table", [4, 2])));
    });
    const { values, initializers } = await prepareGraph(graph, memoryWeights({ table }));
    expect(values).toEqual([]);
    expect(names(initializers)).toEqual([
      "tensor constant",
      "tensor constant#2",
      "weight table",
      "tensor derived relu",
    ]);
  });

  test("give the same as computing them in the run", async () => {
    const random = new RandomTensors(9);
    const tensors = { a: random.floats([3, 3]), b: random.floats([3, 3]) };
    const graph = graphOf((g) => g.output("y", g.matmul(g.gelu(g.weight("a", [3, 3])), g.weight("b", [3, 3]))));
    const prepared = await prepareGraph(graph, memoryWeights(tensors));
    const inRun = graphOf((g) => g.output("y", g.matmul(g.gelu(g.constant(tensors.a)), g.constant(tensors.b))));
    const source = inRun.outputs["y"]?.source;
    expect([...prepared.initializers.values()]).toMatchObject([
      { tensor: source?.from === "constant" && source.tensor },
    ]);
  });
});
