import { type Graph, GraphBuilder, prepareGraph, type Value } from "@masklet/core/backend";
import { memoryWeights } from "@masklet/core/testing";
import { expect, test } from "vitest";
import { planRun, type Step } from "./plan.ts";

async function plan(graph: Graph, n: number, outputs = Object.keys(graph.outputs)): Promise<readonly Step[]> {
  const prepared = await prepareGraph(graph, memoryWeights({}));
  return planRun(prepared, {
    outputs: outputs.map((output) => prepared.outputs[output] as Value),
    bindings: { n },
    dimsOf: ({ dims }) => dims.map((dim) => (typeof dim === "string" ? n : dim)),
  });
}

const names = (values: readonly Value[]): string[] =>
  values.map(({ source }) => (source.from === "op" ? source.node.kind : source.from === "input" ? source.name : ""));

test("an activation joins what it follows, sizes are numbers, and everything is freed after its last use", async () => {
  const g = new GraphBuilder("mlp");
  const [x, w] = [g.input("x", ["n", 4]), g.input("w", [4, 4])];
  const hidden = g.relu(g.linear(x, w));
  g.output("y", g.sigmoid(g.add(hidden, x)));
  const steps = await plan(g.build(), 3);
  expect(steps.map(({ node, dims, relu, done }) => [node.kind, dims, relu, names(done)])).toEqual([
    ["linear", [3, 4], true, ["w"]],
    ["add", [3, 4], false, ["relu", "x"]],
    ["sigmoid", [3, 4], false, ["add"]],
  ]);
});

test("an activation stays apart where others read what it follows", async () => {
  const g = new GraphBuilder("shared");
  const [x, w] = [g.input("x", ["n", 4]), g.input("w", [4, 4])];
  const product = g.linear(x, w);
  g.output("y", g.relu(product));
  g.output("product", product);
  const graph = g.build();
  expect((await plan(graph, 2)).map(({ node }) => node.kind)).toEqual(["linear", "relu"]);
  expect((await plan(graph, 2, ["y"])).map(({ node, relu }) => [node.kind, relu])).toEqual([["linear", true]]);
  expect((await plan(graph, 2, ["product"])).map(({ node }) => node.kind)).toEqual(["linear"]);
});
