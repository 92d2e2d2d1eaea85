import { expect, test } from "vitest";
import { GraphBuilder } from "./builder.ts";
import { graphCost } from "./cost.ts";

test("matrix products, convolutions and attention, a multiply-add being 2", () => {
  const g = new GraphBuilder("products");
  const x = g.input("x", ["n", 10, 8]);
  g.output("matmul", g.matmul(x, g.input("m", [8, 3]))); // n*10*3 * 8
  g.output("linear", g.linear(x, g.weight("w", [5, 8]), g.weight("b", [5]))); // n*10*5 * 8
  g.output("attention", g.attention(x, x, g.input("v", ["n", 10, 4]), { heads: 2, scale: 1 })); // n*10*10 * (8 + 4)
  const image = g.input("image", ["n", 6, 6, 4]);
  g.output("conv", g.conv2d(image, g.weight("f", [8, 2, 3, 3]), undefined, { groups: 2 })); // n*4*4*8 * 2*3*3
  const macs = 10 * 3 * 8 + 10 * 5 * 8 + 10 * 10 * 12 + 4 * 4 * 8 * 18;
  for (const n of [1, 5]) expect(graphCost(g.build(), { n }).flops).toBe(2 * n * macs);
  expect(graphCost(g.build(), { n: 2 }).elementwiseFlops).toBe(0);
});

test("other operations are counted apart, parameters once, derived weights not at all", () => {
  const g = new GraphBuilder("others");
  const x = g.input("x", ["n", 4]);
  const square = g.weight("square", [4, 4]);
  const product = g.matmul(square, square);
  const halves = [0, 2].map((row) => g.linear(x, g.slice(g.weight("both", [4, 4]), [row, 0], [2, 4])));
  g.output("y", g.add(g.linear(x, product), g.relu(g.concat(halves, 1))));
  g.output("weight", g.weight("alone", [7]));
  const { flops, elementwiseFlops, parameters, operations } = graphCost(g.build(), { n: 3 });
  expect(flops).toBe(2 * 3 * 4 * 4 * 2);
  expect(elementwiseFlops).toBe(3 * 4 * 2);
  expect(parameters).toBe(16 + 16 + 7);
  expect(Object.fromEntries(operations)).toEqual({ linear: 3, concat: 1, relu: 1, add: 1 });
});

test("the peak of inputs and intermediate results", () => {
  const g = new GraphBuilder("peak");
  const x = g.input("x", ["n", 4]); // 16 bytes a row
  const wide = g.linear(x, g.weight("up", [100, 4])); // 400
  const narrow = g.linear(g.relu(wide), g.weight("down", [4, 100])); // relu: 400, then 16
  g.output("y", g.add(narrow, narrow));
  expect(graphCost(g.build(), { n: 2 }).peakActivationBytes).toBe(2 * 800); // wide and relu; x went before
});

test("a size that is not given", () => {
  const g = new GraphBuilder("unbound");
  g.output("y", g.relu(g.input("x", ["n"])));
  expect(() => graphCost(g.build())).toThrow(expect.objectContaining({ name: "GraphError", code: "unbound-dim" }));
});
