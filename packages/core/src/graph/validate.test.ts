import { expect, test } from "vitest";
import { floats } from "../testing/fixtures.ts";
import { toyDecoderGraph, toyEncoderGraph } from "../testing/toy-model.ts";
import { GraphBuilder } from "./builder.ts";
import type { Graph, OpValue, Value } from "./graph.ts";
import { validateGraph } from "./validate.ts";

function example(): Graph & { readonly x: Value } {
  const g = new GraphBuilder("example");
  const x = g.input("x", ["n", 2]);
  g.output(
    "y",
    g.scope("head", () => g.relu(g.add(x, g.weight("w", [2])))),
  );
  return { ...g.build(), x };
}

test("what the builder makes is valid", () => {
  for (const graph of [example(), toyEncoderGraph(), toyDecoderGraph()])
    expect(() => validateGraph(graph)).not.toThrow();
});

test.each<{ readonly problem: string; readonly spoil: (graph: ReturnType<typeof example>) => Graph }>([
  {
    problem: "graph example: head: relu (value 3): operand 0 is a result of add that was not there before",
    spoil: (graph) => ({ ...graph, values: graph.values.toReversed() }),
  },
  {
    problem: 'graph example: output "y" is a result of relu that was not there before',
    spoil: (graph) => ({ ...graph, values: graph.values.slice(0, 1) }),
  },
  {
    problem: 'graph example: head: add (value 2): operand 0 is input "x" that was not there before',
    spoil: (graph) => ({ ...graph, inputs: {} }),
  },
  { problem: 'graph example: input "z" is another value', spoil: (graph) => ({ ...graph, inputs: { z: graph.x } }) },
  {
    problem: "graph example: head: relu (value 3) is float32[n,3], its operation gives float32[n,2]",
    spoil: (graph) => {
      const [first, second] = graph.values as readonly [OpValue, OpValue];
      const wrong = { ...second, dims: ["n", 3] };
      return { ...graph, values: [first, wrong], outputs: { y: wrong } };
    },
  },
  {
    problem: "graph example: head: relu (value 2) has the id of another value",
    spoil: (graph) => {
      const [first, second] = graph.values as readonly [OpValue, OpValue];
      const twin = { ...second, id: first.id };
      return { ...graph, values: [first, twin], outputs: { y: twin } };
    },
  },
  {
    problem: 'graph example: input "x": dimension "2 + n" is not in canonical form, "n + 2"',
    spoil: (graph) => ({ ...graph, inputs: { x: { ...graph.x, dims: ["2 + n", 2] } } }),
  },
  {
    problem: 'graph example: output "c" is float32[3], but its tensor is float32[2] of 2 elements',
    spoil: (graph) => {
      const source = { from: "constant", tensor: floats([2], 1, 2) } as const;
      return { ...graph, outputs: { c: { id: 99, dtype: "float32", dims: [3], source } } };
    },
  },
  {
    problem: 'graph example: output "w": weight w [2] does not hold float32[2] from element 1',
    spoil: (graph) => {
      const source = { from: "weight", key: "w", keyDims: [2], offset: 1 } as const;
      return { ...graph, outputs: { w: { id: 99, dtype: "float32", dims: [2], source } } };
    },
  },
])("$problem", ({ problem, spoil }) => {
  expect(() => validateGraph(spoil(example()))).toThrow(
    expect.objectContaining({ name: "GraphError", code: "invalid-graph", message: problem }),
  );
});

test("an operation's own mistake", () => {
  const graph = example();
  const [first] = graph.values as readonly [OpValue];
  const node = { kind: "transpose", inputs: [graph.x], attributes: { permutation: [0] }, scope: "head" } as const;
  const value: OpValue = { ...first, source: { from: "op", node } };
  expect(() => validateGraph({ ...graph, values: [value], outputs: { y: value } })).toThrow(
    "head: transpose permutation [0] does not fit [n,2]",
  );
});

test("a size that no input carries", () => {
  const g = new GraphBuilder("sizes");
  g.output("y", g.add(g.input("x", ["a*b"]), g.expand(g.weight("w", [1]), ["a*b"])));
  expect(() => validateGraph(g.build())).toThrow("dimension a cannot be read off any input");
});
