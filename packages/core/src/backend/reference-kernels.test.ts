import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import type { AnyOpNode, Value } from "../graph/graph.ts";
import { floats, ints, RandomTensors } from "../testing/fixtures.ts";
import { evaluateNode } from "./reference-kernels.ts";

/** The operation that `build` ends in. */
function nodeOf(build: (g: GraphBuilder) => Value): AnyOpNode {
  const { source } = build(new GraphBuilder("test"));
  if (source.from !== "op") throw new Error("not an operation");
  return source.node;
}

test.each([
  { x: -8, y: -4.9767685e-15 },
  { x: -5, y: -1.4332578e-6 },
  { x: -3 * Math.SQRT2, y: -1.5 * Math.SQRT2 * 2.2090497e-5 },
  { x: -0.001, y: -0.00049960106 },
  { x: 1e-20, y: 5e-21 },
])("gelu($x) keeps its relative accuracy", ({ x, y }) => {
  const { data } = evaluateNode(
    nodeOf((g) => g.gelu(g.input("x", [1]))),
    [floats([1], x)],
  );
  expect(Math.abs(Number(data[0]) / y - 1)).toBeLessThan(1e-5);
});

test("erf is smooth where its two series meet", () => {
  const gelu = nodeOf((g) => g.gelu(g.input("x", [2])));
  const at = -3 * Math.SQRT2;
  const [below = 0, above = 0] = evaluateNode(gelu, [floats([2], at - 1e-6, at + 1e-6)]).data as Float32Array;
  expect(Math.abs(below / above - 1)).toBeLessThan(2e-5);
});

test("names in a shape come from the inputs' sizes, else from the bindings", () => {
  const x = new RandomTensors().floats([6, 5]);
  const split = nodeOf((g) => g.reshape(g.input("x", ["2*n", 5]), ["n", 2, 5]));
  expect(evaluateNode(split, [x]).dims).toEqual([3, 2, 5]);
  const spread = nodeOf((g) => g.expand(g.input("x", [5]), ["n", 5]));
  expect(evaluateNode(spread, [floats([5], 1, 2, 3, 4, 5)], { n: 4 }).dims).toEqual([4, 5]);
  expect(() => evaluateNode(spread, [floats([5], 1, 2, 3, 4, 5)])).toThrow('dimension "n": no value for "n"');
});

test("an optional dimension is what came", () => {
  const flat = nodeOf((g) => g.reshape(g.input("x", ["n?", 2, 2]), ["n?", 4]));
  const one = new RandomTensors().floats([1, 2, 2]);
  expect(evaluateNode(flat, [one], { n: 3 }).dims).toEqual([1, 4]);
});

test("tensors that do not fit are refused", () => {
  const add = nodeOf((g) => g.add(g.input("a", ["n"]), g.input("b", ["n"])));
  expect(() => evaluateNode(add, [floats([2], 1, 2), floats([3], 1, 2, 3)])).toThrow(
    "add shapes do not broadcast, [2] and [3]",
  );
  const pick = nodeOf((g) => g.gather(g.input("x", [2]), g.input("i", [1], "int32")));
  expect(() => evaluateNode(pick, [floats([2], 1, 2), ints([1], -1)])).toThrow("gather: index -1 is outside 0 to 1");
});

test("products are summed in float64", () => {
  const product = nodeOf((g) => g.matmul(g.input("a", [1, 3]), g.input("b", [3, 1])));
  const { data } = evaluateNode(product, [floats([1, 3], 2 ** 24, 1, -(2 ** 24)), floats([3, 1], 1, 1, 1)]);
  expect(data[0]).toBe(1);
});
