import { expect, test } from "vitest";
import { floats, ints } from "../testing/fixtures.ts";
import { GraphBuilder } from "./builder.ts";
import { printGraph } from "./print.ts";

test("operations on constants are computed at once", () => {
  const g = new GraphBuilder("folding");
  const x = g.constant(floats([2, 2], 1, 2, 3, 4));
  const y = g.reshape(g.transpose(g.mul(g.add(x, g.scalar(1)), g.scalar(2)), [1, 0]), [4]);
  expect(y.source).toEqual({ from: "constant", tensor: floats([4], 4, 8, 6, 10) });
});

test("a constant of a named shape stays an operation", () => {
  const g = new GraphBuilder("unfolded");
  expect(g.expand(g.scalar(1), ["n"]).source.from).toBe("op");
});

test("what is too large to keep stays an operation", () => {
  const g = new GraphBuilder("large");
  expect(g.expand(g.scalar(1), [4096, 4097]).source.from).toBe("op");
});

test("rows and reshapes of a weight are views of it", () => {
  const g = new GraphBuilder("views");
  const weight = g.weight("qkv.weight", [6, 2, 2]);
  const third = g.reshape(g.slice(weight, [2, 0, 0], [2, 2, 2]), [2, 4]);
  const key = { from: "weight", key: "qkv.weight", keyDims: [6, 2, 2] };
  expect(third.source).toEqual({ ...key, offset: 8 });
  expect(g.slice(third, [1, 0], [1, 4]).source).toEqual({ ...key, offset: 12 });
  expect(g.slice(weight, [0, 1, 0], [6, 1, 2]).source.from).toBe("op");
});

test("what changes nothing adds nothing", () => {
  const g = new GraphBuilder("nothing");
  const x = g.input("x", ["n", 4]);
  expect(g.reshape(x, ["n", 4])).toBe(x);
  expect(g.slice(x, [0, 0], ["n", 4])).toBe(x);
  expect(g.expand(x, ["n", 4])).toBe(x);
  expect(g.cast(x, "float32")).toBe(x);
});

test("only what the outputs need is kept, inputs before uses", () => {
  const g = new GraphBuilder("needed");
  const x = g.input("x", ["n", 2]);
  g.sin(x);
  const late = g.relu(x);
  g.output("y", g.add(g.gelu(x), late));
  expect(printGraph(g.build())).toMatchInlineSnapshot(`
    "graph needed
    %0 = input "x" float32[n,2]
    %1 = gelu(%0) float32[n,2]
    %2 = relu(%0) float32[n,2]
    %3 = add(%1, %2) float32[n,2]
    output "y" = %3"
  `);
});

test("names are used once, dimensions are canonical", () => {
  const g = new GraphBuilder("names");
  const x = g.input("toString", ["4*n", "2 + k"]);
  expect(x.dims).toEqual(["4*n", "k + 2"]);
  g.output("constructor", x);
  expect(() => g.input("toString", [1])).toThrow('graph names: input "toString" twice');
  expect(() => g.output("constructor", x)).toThrow('graph names: output "constructor" twice');
  expect(() => g.input("z", [-1])).toThrow("dimension -1 is not a whole number from 0");
});

test("an index out of range is found while folding", () => {
  const g = new GraphBuilder("range");
  expect(() => g.gather(g.constant(floats([2], 1, 2)), g.constant(ints([1], 2)))).toThrow(
    "gather: index 2 is outside 0 to 1",
  );
});
