import { expect, test } from "vitest";
import { GraphBuilder } from "./builder.ts";
import type { Dim } from "./dim.ts";
import type { Value } from "./graph.ts";
import type { ValueDType } from "./ops.ts";

type Build = (g: GraphBuilder, input: (dims: readonly Dim[], dtype?: ValueDType) => Value) => Value;

function build(body: Build, scope = ""): Value {
  const g = new GraphBuilder("test");
  let inputs = 0;
  return g.scope(scope, () => body(g, (dims, dtype) => g.input(`x${inputs++}`, dims, dtype)));
}

const types: readonly { readonly name: string; readonly body: Build; readonly dims: readonly Dim[] }[] = [
  { name: "add", body: (g, x) => g.add(x(["n?", 1, 4]), x(["n", 3, 1])), dims: ["n", 3, 4] },
  { name: "where", body: (g, x) => g.where(x(["n", 1], "bool"), x([3]), x([])), dims: ["n", 3] },
  { name: "matmul", body: (g, x) => g.matmul(x(["n", "m", 8]), x([8, 5])), dims: ["n", "m", 5] },
  {
    name: "matmul transposed",
    body: (g, x) => g.matmul(x(["n?", 2, 8]), x(["n", "k + 1", 8]), { transposeB: true }),
    dims: ["n", 2, "k + 1"],
  },
  { name: "linear", body: (g, x) => g.linear(x(["n?", "m", 8]), x([5, 8]), x([5])), dims: ["n?", "m", 5] },
  {
    name: "attention",
    body: (g, x) => g.attention(x(["n", 4, 8]), x(["n?", "k", 8]), x(["n?", "k", 6]), { heads: 2, scale: 1 }),
    dims: ["n", 4, 6],
  },
  {
    name: "conv2d",
    body: (g, x) =>
      g.conv2d(x(["n", 1024, 1024, 3]), x([96, 3, 7, 7]), undefined, { strides: [4, 4], padding: [3, 3, 3, 3] }),
    dims: ["n", 256, 256, 96],
  },
  {
    name: "maxPool2d",
    body: (g, x) => g.maxPool2d(x(["n", 8, 6, 5]), { windowDimensions: [2, 3] }),
    dims: ["n", 4, 2, 5],
  },
  {
    name: "resample2d",
    body: (g, x) => g.resample2d(x(["n", 8, 6, 5]), { sizes: [3, 9], mode: "linear" }),
    dims: ["n", 3, 9, 5],
  },
  { name: "reshape", body: (g, x) => g.reshape(x(["n", 4, "points", 2]), ["points*4*n", 2]), dims: ["4*n*points", 2] },
  { name: "transpose", body: (g, x) => g.transpose(x(["n", 4, 5]), [2, 0, 1]), dims: [5, "n", 4] },
  {
    name: "concat",
    body: (g, x) => g.concat([x(["n", "k", 2]), x(["n", 3, 2]), x(["n", "k", 2])], 1),
    dims: ["n", "2*k + 3", 2],
  },
  { name: "slice of a sum's sure part", body: (g, x) => g.slice(x(["n", "k + 3"]), [0, 1], ["n", 2]), dims: ["n", 2] },
  { name: "pad", body: (g, x) => g.pad(x(["n", 5]), [1, 0], [2, 3]), dims: ["n + 3", 8] },
  { name: "expand", body: (g, x) => g.expand(x(["n?", 1]), [4, "n", 3]), dims: [4, "n", 3] },
  { name: "gather", body: (g, x) => g.gather(x(["n", 6, 4]), x(["k", 2], "int32"), 1), dims: ["n", "k", 2, 4] },
];

test.each(types)("$name gives $dims", ({ body, dims }) => {
  expect(build(body).dims).toEqual(dims);
});

test("a mistake is reported where it was written", () => {
  const scope = "sam_mask_decoder.transformer.layers.0.self_attn";
  const mistake = () => build((g, x) => g.matmul(x(["prompts", 7, 256]), x([128, 64])), scope);
  expect(mistake).toThrow(
    "sam_mask_decoder.transformer.layers.0.self_attn: matmul inner dimensions differ, lhs [prompts,7,256], rhs [128,64]",
  );
  expect(mistake).toThrow(
    expect.objectContaining({ name: "GraphError", code: "shape-mismatch", details: { scope, op: "matmul" } }),
  );
});

const mistakes: readonly { readonly message: string; readonly body: Build }[] = [
  { message: "add shapes do not broadcast, [n,3] and [m,3]", body: (g, x) => g.add(x(["n", 3]), x(["m", 3])) },
  { message: "mul takes float32, got int32[3]", body: (g, x) => g.mul(x([3]), x([3], "int32")) },
  { message: "gelu takes float32 or float16, got int32[3]", body: (g, x) => g.gelu(x([3], "int32")) },
  {
    message: "clamp minValue 2 is not below maxValue 1",
    body: (g, x) => g.clamp(x([3]), { minValue: 2, maxValue: 1 }),
  },
  { message: "where takes bool, got float32[3]", body: (g, x) => g.where(x([3]), x([3]), x([3])) },
  {
    message: "matmul batches do not broadcast, lhs [2,3,4], rhs [3,4,5]",
    body: (g, x) => g.matmul(x([2, 3, 4]), x([3, 4, 5])),
  },
  {
    message: "linear inner dimensions differ, x [n,4], weight [5,3]",
    body: (g, x) => g.linear(x(["n", 4]), x([5, 3])),
  },
  { message: "linear bias must be [5], got [4]", body: (g, x) => g.linear(x(["n", 4]), x([5, 4]), x([4])) },
  {
    message: "attention width of [n,4,9] does not divide into 2 heads",
    body: (g, x) => g.attention(x(["n", 4, 9]), x(["n", 4, 9]), x(["n", 4, 9]), { heads: 2, scale: 1 }),
  },
  {
    message: "attention batches of query and key differ, [n,4,8] and [m,4,8]",
    body: (g, x) => g.attention(x(["n", 4, 8]), x(["m", 4, 8]), x(["m", 4, 8]), { heads: 2, scale: 1 }),
  },
  {
    message: "attention keys and values differ in number, [n,5,8] and [n,4,8]",
    body: (g, x) => g.attention(x(["n", 4, 8]), x(["n", 5, 8]), x(["n", 4, 8]), { heads: 2, scale: 1 }),
  },
  {
    message: "layerNormalization scale must be [4], got [3]",
    body: (g, x) => g.layerNormalization(x(["n", 4]), x([3]), x([4]), { epsilon: 0 }),
  },
  {
    message: "conv2d channels do not fit 2 groups, x [n,8,8,4], filter [6,4,3,3]",
    body: (g, x) => g.conv2d(x(["n", 8, 8, 4]), x([6, 4, 3, 3]), undefined, { groups: 2 }),
  },
  {
    message: "conv2d strides [1,1], padding [0,0,0,0] do not fit x [n,2,2,1], filter [1,1,3,3]",
    body: (g, x) => g.conv2d(x(["n", 2, 2, 1]), x([1, 1, 3, 3]), undefined),
  },
  {
    message: "conv2d image sizes must be numbers, got [h,8,4]",
    body: (g, x) => g.conv2d(x(["n", "h", 8, 4]), x([6, 4, 3, 3]), undefined),
  },
  {
    message: "maxPool2d windows of 2x2 do not divide [n,5,4,1]",
    body: (g, x) => g.maxPool2d(x(["n", 5, 4, 1]), { windowDimensions: [2, 2] }),
  },
  {
    message: "resample2d nearest-neighbor takes whole multiples of [n,4,4,1], got [8,6]",
    body: (g, x) => g.resample2d(x(["n", 4, 4, 1]), { sizes: [8, 6], mode: "nearest-neighbor" }),
  },
  {
    message: "resample2d antialias is for linear, got cubic",
    body: (g, x) => g.resample2d(x(["n", 4, 4, 1]), { sizes: [2, 2], mode: "cubic", antialias: true }),
  },
  {
    message: "resample2d sizes must be whole numbers from 1, got [2.5,2]",
    body: (g, x) => g.resample2d(x(["n", 4, 4, 1]), { sizes: [2.5, 2], mode: "linear" }),
  },
  { message: "reshape sizes differ, [n,4] and [n,2]", body: (g, x) => g.reshape(x(["n", 4]), ["n", 2]) },
  { message: "transpose permutation [0,0] does not fit [n,4]", body: (g, x) => g.transpose(x(["n", 4]), [0, 0]) },
  { message: "concat axis 2 is outside rank 2", body: (g, x) => g.concat([x(["n", 4])], 2) },
  {
    message: "concat shapes differ beside axis 1, [n,4] and [m,4]",
    body: (g, x) => g.concat([x(["n", 4]), x(["m", 4])], 1),
  },
  {
    message: "slice from [0,3], sizes [n,2], does not fit [n,4]",
    body: (g, x) => g.slice(x(["n", 4]), [0, 3], ["n", 2]),
  },
  {
    message: "slice from [1,0], sizes [n,4], does not fit [n,4]",
    body: (g, x) => g.slice(x(["n", 4]), [1, 0], ["n", 4]),
  },
  { message: "pad by [0] and [-1] does not fit [4]", body: (g, x) => g.pad(x([4]), [0], [-1]) },
  { message: "expand does not broadcast [3] to [n]", body: (g, x) => g.expand(x([3]), ["n"]) },
  { message: "expand to an optional dimension, [n?,3]", body: (g, x) => g.expand(x([3]), ["n?", 3]) },
  { message: "gather takes int32, got float32[2]", body: (g, x) => g.gather(x([3]), x([2])) },
];

test.each(mistakes)("$message", ({ message, body }) => {
  expect(() => build(body)).toThrow(message);
});
