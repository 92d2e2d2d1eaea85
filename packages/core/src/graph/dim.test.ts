import { describe, expect, test } from "vitest";
import {
  addDims,
  bindDim,
  broadcastDim,
  broadcastDims,
  canonicalDim,
  dimNames,
  divDims,
  isOptional,
  leastDim,
  mulDims,
  sizeOf,
  solvableName,
  solveDim,
} from "./dim.ts";

test.each([
  { a: 2, b: 3, sum: 5, product: 6 },
  { a: "n", b: 0, sum: "n", product: 0 },
  { a: "n", b: 1, sum: "n + 1", product: "n" },
  { a: "n", b: "n", sum: "2*n", product: "n*n" },
  { a: "points", b: "images", sum: "images + points", product: "images*points" },
  { a: "n + 2", b: "n + 3", sum: "2*n + 5", product: "5*n + n*n + 6" },
  { a: "n", b: -3, sum: "n + -3", product: "-3*n" },
  { a: "n?", b: 4, sum: "n? + 4", product: "4*n?" },
])("$a and $b: sum $sum, product $product", ({ a, b, sum, product }) => {
  expect([addDims(a, b), addDims(b, a)]).toEqual([sum, sum]);
  expect([mulDims(a, b), mulDims(b, a)]).toEqual([product, product]);
});

test("what cancels is a number", () => {
  expect(addDims("n + 2", mulDims("n", -1))).toBe(2);
  expect(addDims("n", mulDims("n", -1))).toBe(0);
});

test.each([
  { a: 12, b: 4, quotient: 3 },
  { a: 12, b: 5, quotient: undefined },
  { a: "6*n", b: 3, quotient: "2*n" },
  { a: "6*n", b: "2*n", quotient: 3 },
  { a: "images*n + 2*n", b: "n", quotient: "images + 2" },
  { a: "n + 2", b: "n", quotient: undefined },
  { a: "n", b: "n + 2", quotient: undefined },
  { a: "n", b: 0, quotient: undefined },
  { a: 0, b: "n", quotient: 0 },
])("$a / $b = $quotient", ({ a, b, quotient }) => {
  expect(divDims(a, b)).toBe(quotient);
});

test.each([
  { a: "n", b: "n", expected: "n" },
  { a: 1, b: "n", expected: "n" },
  { a: "n?", b: "n", expected: "n" },
  { a: "n?", b: "n?", expected: "n?" },
  { a: "n?", b: 1, expected: "n?" },
  { a: "n?", b: "m", expected: undefined },
  { a: "n?", b: 3, expected: undefined },
  { a: "n", b: 3, expected: undefined },
  { a: 2, b: 3, expected: undefined },
  { a: 0, b: 1, expected: 0 },
])("$a broadcasts with $b to $expected", ({ a, b, expected }) => {
  expect(broadcastDim(a, b)).toBe(expected);
  expect(broadcastDim(b, a)).toBe(expected);
});

test("shapes are aligned at their last axis", () => {
  expect(broadcastDims(["n", 1, 4], [3, 1])).toEqual(["n", 3, 4]);
  expect(broadcastDims([2, 3], ["n", 3])).toBeUndefined();
  expect(broadcastDims([], ["n"])).toEqual(["n"]);
});

test.each([
  { dim: 4, expected: 4 },
  { dim: "n", expected: 3 },
  { dim: "n?", expected: 3 },
  { dim: "2*n*points + 7", expected: 37 },
])("$dim with n = 3, points = 5 is $expected", ({ dim, expected }) => {
  expect(bindDim(dim, { n: 3, points: 5 })).toBe(expected);
});

test("an optional name's own value goes before its base name's", () => {
  expect(bindDim("2*n?", { "n?": 1, n: 3 })).toBe(2);
});

test.each([
  { dim: "n", size: 4, solved: ["n", 4] },
  { dim: "4*n", size: 12, solved: ["n", 3] },
  { dim: "4*n", size: 13, solved: undefined },
  { dim: "points + 7", size: 9, solved: ["points", 2] },
  { dim: "points + 7", size: 7, solved: ["points", 0] },
  { dim: "points + 7", size: 6, solved: undefined },
  { dim: "n?", size: 1, solved: ["n?", 1] },
  { dim: "n*n", size: 9, solved: undefined },
  { dim: "n + points", size: 9, solved: undefined },
])("$size elements along $dim give $solved", ({ dim, size, solved }) => {
  expect(solveDim(dim, size)).toEqual(solved);
});

test("names and least sizes", () => {
  expect(dimNames("2*n? + images*n + 3")).toEqual(["n", "images"]);
  expect(dimNames(3)).toEqual([]);
  expect(solvableName("4*n? + 2")).toBe("n?");
  expect(solvableName("n*points")).toBeUndefined();
  expect([leastDim(4), leastDim("n + 6"), leastDim("n + -6")]).toEqual([4, 6, 0]);
  expect([isOptional("n?"), isOptional("n"), isOptional("2*n?"), isOptional(1)]).toEqual([true, false, false, false]);
  expect(sizeOf(["n", 4, "points + 1"])).toBe("4*n + 4*n*points");
});

describe("canonical form", () => {
  test.each([
    { dim: "points*16*images", canonical: "16*images*points" },
    { dim: "7 + points", canonical: "points + 7" },
    { dim: "2*3", canonical: 6 },
    { dim: 0, canonical: 0 },
  ])("$dim is $canonical", ({ dim, canonical }) => {
    expect(canonicalDim(dim)).toBe(canonical);
  });

  test.each([1.5, -1, Number.NaN, "", "n-1", "n points", "n ?"])("%s is none", (dim) => {
    expect(() => canonicalDim(dim)).toThrow(expect.objectContaining({ name: "GraphError", code: "bad-dim" }));
  });
});
