import { GraphBuilder, prepareGraph, type Value } from "@masklet/core/backend";
import { floats, memoryWeights } from "@masklet/core/testing";
import { expect, test } from "vitest";
import { type LowerOptions, lowerGraph } from "./lower.ts";
import { placeWeights } from "./weights.ts";

const ones = (...dims: readonly number[]) =>
  floats(dims, ...new Array<number>(dims.reduce((size, dim) => size * dim, 1)).fill(1));

const weights = memoryWeights({ w: ones(6, 4), b: ones(6), scale: ones(6) });

/** The lowered graph as text, a node a line. */
async function lowered(
  build: (g: GraphBuilder) => Value,
  options: Partial<Omit<LowerOptions, "initializerNames" | "rounded">> = {},
): Promise<string> {
  const g = new GraphBuilder("test");
  g.output("y", build(g));
  const prepared = await prepareGraph(g.build(), weights);
  const { names, rounded } = await placeWeights(prepared, { formatOf: (bits) => (bits === 8 ? "int8" : "blocks") });
  const { inputs, nodes, outputNames } = lowerGraph(prepared, {
    target: "cpu",
    initializerNames: names,
    rounded,
    ...options,
  });
  return [
    ...inputs.map(({ name, dims }) => `${name} [${dims}]`),
    ...nodes.map(({ op, inputs: operands, outputs, attributes }) => {
      const settings = Object.entries(attributes).map(([key, value]) => {
        return ` ${key}=${typeof value === "object" && "float" in value ? value.float : value}`;
      });
      return `${outputs} = ${op}(${operands.join(", ")})${settings.join("")}`;
    }),
    `-> ${outputNames["y"]}`,
  ].join("\n");
}

test("linear: the checkpoint's matrix as it lies, any number of named dimensions", async () => {
  const build = (g: GraphBuilder) =>
    g.linear(g.input("x", ["n", "m + 1", 4]), g.weight("w", [6, 4]), g.weight("b", [6]));
  expect(await lowered(build)).toMatchInlineSnapshot(`
    "x [n,m + 1,4]
    linear#3 = FusedMatMul(x, w) transB=1 alpha=1
    linear#3.1 = Add(linear#3, b)
    -> linear#3.1"
  `);
  expect(await lowered(build, { target: "gpu" })).toMatchInlineSnapshot(`
    "x [n,m + 1,4]
    linear#3 = Reshape(x, int64[-1,4])
    linear#3.1 = Gemm(linear#3, w, b) transB=1
    linear#3.2 = Shape(x) start=0 end=1
    linear#3.3 = Concat(linear#3.2, int64[-1,6]) axis=0
    linear#3.4 = Reshape(linear#3.1, linear#3.3)
    -> linear#3.4"
  `);
});

test("quantizedLinear: one node, bias and all", async () => {
  const build = (bits: 8 | 4) => (g: GraphBuilder) =>
    g.quantizedLinear(g.input("x", ["n", 4]), g.weight("w", [6, 4]), g.weight("b", [6]), { bits });
  expect(await lowered(build(8))).toMatchInlineSnapshot(`
    "x [n,4]
    quantizedLinear#3 = DynamicQuantizeMatMul(x, w, 8 bits: values, w, 8 bits: scales, , b)
    -> quantizedLinear#3"
  `);
  expect(await lowered(build(4))).toMatchInlineSnapshot(`
    "x [n,4]
    quantizedLinear#3 = MatMulNBits(x, w, 4 bits: values, w, 4 bits: scales, , , b) K=4 N=6 bits=4 block_size=32 accuracy_level=1
    -> quantizedLinear#3"
  `);
  const dependent = lowered((g) => g.quantizedLinear(g.input("x", [4]), g.input("w", [6, 4]), undefined, { bits: 8 }));
  await expect(dependent).rejects.toMatchObject({ code: "unsupported" });
});

test("attention: scores of bytes, where the processor multiplies them and there are keys enough", async () => {
  const build = (keys: number) => (g: GraphBuilder) => {
    const [q, k, v] = [g.input("q", [1, 300, 8]), g.input("k", [1, keys, 8]), g.input("v", [1, keys, 4])];
    return g.attention(q, k, v, { heads: 1, scale: 0.5, scoreBits: 8 });
  };
  expect(await lowered(build(1024), { multipliesBytes: true })).toMatchInlineSnapshot(`
    "q [1,300,8]
    k [1,1024,8]
    v [1,1024,4]
    attention#3 = ReduceMax(k) keepdims=0
    attention#3.1 = ReduceMin(k) keepdims=0
    attention#3.2 = Neg(attention#3.1)
    attention#3.3 = Max(attention#3, attention#3.2)
    attention#3.4 = Mul(attention#3.3, float32 0.007874015748031496)
    attention#3.5 = QuantizeLinear(k, attention#3.4) output_dtype=3
    attention#3.6 = Transpose(attention#3.5) perm=0,2,1
    attention#3.7 = Slice(q, int64[0], int64[256], int64[1])
    attention#3.8,attention#3.9,attention#3.10 = DynamicQuantizeLinear(attention#3.7)
    attention#3.11 = Mul(attention#3.9, float32 0.5)
    attention#3.12 = MatMulIntegerToFloat(attention#3.8, attention#3.6, attention#3.11, attention#3.4, attention#3.10)
    attention#3.13 = Softmax(attention#3.12) axis=-1
    attention#3.14 = MatMul(attention#3.13, v)
    attention#3.15 = Slice(q, int64[256], int64[300], int64[1])
    attention#3.16,attention#3.17,attention#3.18 = DynamicQuantizeLinear(attention#3.15)
    attention#3.19 = Mul(attention#3.17, float32 0.5)
    attention#3.20 = MatMulIntegerToFloat(attention#3.16, attention#3.6, attention#3.19, attention#3.4, attention#3.18)
    attention#3.21 = Softmax(attention#3.20) axis=-1
    attention#3.22 = MatMul(attention#3.21, v)
    attention#3.23 = Concat(attention#3.14, attention#3.22) axis=1
    -> attention#3.23"
  `);
  const fused = ["attention#3 = MultiHeadAttention(q, k, v) num_heads=1 scale=0.5"];
  expect((await lowered(build(1024))).split("\n")).toEqual(expect.arrayContaining(fused));
  expect((await lowered(build(1023), { multipliesBytes: true })).split("\n")).toEqual(expect.arrayContaining(fused));
});

test("reshape: constant shapes where one size follows from the others", async () => {
  const shapes = await lowered((g) => {
    const x = g.input("x", ["n", 4, 6]);
    return g.reshape(g.transpose(g.reshape(x, ["n", 2, 2, 6]), [1, 0, 2, 3]), ["2*n", 12]);
  });
  expect(shapes).toMatchInlineSnapshot(`
    "x [n,4,6]
    reshape#1 = Reshape(x, int64[0,2,2,6])
    transpose#2 = Transpose(reshape#1) perm=1,0,2,3
    reshape#3 = Reshape(transpose#2, int64[-1,12])
    -> reshape#3"
  `);
});

test("reshape: two sizes of which one has to be read", async () => {
  const shapes = await lowered((g) => g.reshape(g.input("x", ["n", "m", 4]), ["m", 4, "n"]));
  expect(shapes).toMatchInlineSnapshot(`
    "x [n,m,4]
    reshape#1 = Shape(x) start=1 end=2
    reshape#1.1 = Concat(reshape#1, int64[4,-1]) axis=0
    reshape#1.2 = Reshape(x, reshape#1.1)
    -> reshape#1.2"
  `);
});

test("sizes fixed at compilation are numbers in the model", async () => {
  const fixed = await lowered((g) => g.reshape(g.input("x", ["n", "m", 4]), [4, "m", "n"]), {
    staticDims: { n: 2, m: 3 },
  });
  expect(fixed).toMatchInlineSnapshot(`
    "x [2,3,4]
    reshape#1 = Reshape(x, int64[4,3,2])
    -> reshape#1"
  `);
});

test("attention: keys for all queries, or one set for each batch", async () => {
  const attention = (batch: string) => (g: GraphBuilder) => {
    const k = g.input("k", [batch, 9, 4]);
    return g.attention(g.input("q", ["n", "m", 4]), k, k, { heads: 2, scale: 0.5 });
  };
  expect(await lowered(attention("n"))).toMatchInlineSnapshot(`
    "k [n,9,4]
    q [n,m,4]
    attention#2 = MultiHeadAttention(q, k, k) num_heads=2 scale=0.5
    -> attention#2"
  `);
  expect(await lowered(attention("n?"))).toMatchInlineSnapshot(`
    "k [k.0,9,4]
    q [n,m,4]
    attention#2 = Shape(k) start=0 end=1
    attention#2.1 = Concat(attention#2, int64[-1,4]) axis=0
    attention#2.2 = Reshape(q, attention#2.1)
    attention#2.3 = MultiHeadAttention(attention#2.2, k, k) num_heads=2 scale=0.5
    attention#2.4 = Shape(q) start=0 end=1
    attention#2.5 = Concat(attention#2.4, int64[-1,4]) axis=0
    attention#2.6 = Reshape(attention#2.3, attention#2.5)
    -> attention#2.6"
  `);
});

test("attention as products: blocks of queries share the keys, heads apart or one as it is", async () => {
  const attention = (heads: number) => (g: GraphBuilder) => {
    const k = g.input("k", [1, "m", 4]);
    return g.attention(g.input("q", [1, 5, 4]), k, k, { heads, scale: 0.5 });
  };
  const composed = { fuses: () => false, scoreBytes: 400 }; // expecting 8 keys, so 5 x 8 scores a head
  expect(await lowered(attention(4), { target: "gpu", attention: composed })).toMatchInlineSnapshot(`
    "k [1,m,4]
    q [1,5,4]
    attention#2 = Reshape(k, int64[1,0,4,1])
    attention#2.1 = Transpose(attention#2) perm=0,2,3,1
    attention#2.2 = Reshape(k, int64[1,0,4,1])
    attention#2.3 = Transpose(attention#2.2) perm=0,2,1,3
    attention#2.4 = Slice(q, int64[0], int64[3], int64[1])
    attention#2.5 = Reshape(attention#2.4, int64[1,3,4,1])
    attention#2.6 = Transpose(attention#2.5) perm=0,2,1,3
    attention#2.7 = Mul(attention#2.6, float32 0.5)
    attention#2.8 = MatMul(attention#2.7, attention#2.1)
    attention#2.9 = Softmax(attention#2.8) axis=-1
    attention#2.10 = MatMul(attention#2.9, attention#2.3)
    attention#2.11 = Transpose(attention#2.10) perm=0,2,1,3
    attention#2.12 = Reshape(attention#2.11, int64[1,3,4])
    attention#2.13 = Slice(q, int64[3], int64[5], int64[1])
    attention#2.14 = Reshape(attention#2.13, int64[1,2,4,1])
    attention#2.15 = Transpose(attention#2.14) perm=0,2,1,3
    attention#2.16 = Mul(attention#2.15, float32 0.5)
    attention#2.17 = MatMul(attention#2.16, attention#2.1)
    attention#2.18 = Softmax(attention#2.17) axis=-1
    attention#2.19 = MatMul(attention#2.18, attention#2.3)
    attention#2.20 = Transpose(attention#2.19) perm=0,2,1,3
    attention#2.21 = Reshape(attention#2.20, int64[1,2,4])
    attention#2.22 = Concat(attention#2.12, attention#2.21) axis=1
    -> attention#2.22"
  `);
  expect(
    await lowered(attention(1), { target: "cpu", attention: { ...composed, scoreBytes: 100 } }),
  ).toMatchInlineSnapshot(`
    "k [1,m,4]
    q [1,5,4]
    attention#2 = Slice(q, int64[0], int64[3], int64[1])
    attention#2.1 = FusedMatMul(attention#2, k) transB=1 alpha=0.5
    attention#2.2 = ReduceMax(attention#2.1, int64[-1])
    attention#2.3 = Sub(attention#2.2, float32 60)
    attention#2.4 = Max(attention#2.1, attention#2.3)
    attention#2.5 = Softmax(attention#2.4) axis=-1
    attention#2.6 = MatMul(attention#2.5, k)
    attention#2.7 = Slice(q, int64[3], int64[5], int64[1])
    attention#2.8 = FusedMatMul(attention#2.7, k) transB=1 alpha=0.5
    attention#2.9 = ReduceMax(attention#2.8, int64[-1])
    attention#2.10 = Sub(attention#2.9, float32 60)
    attention#2.11 = Max(attention#2.8, attention#2.10)
    attention#2.12 = Softmax(attention#2.11) axis=-1
    attention#2.13 = MatMul(attention#2.12, k)
    attention#2.14 = Concat(attention#2.6, attention#2.13) axis=1
    -> attention#2.14"
  `);
});

test("attention of few queries with one head: products, whose scores stay clear of subnormal exponentials", async () => {
  const build = (rows: number) => (g: GraphBuilder) => {
    const k = g.input("k", [1, "m", 4]);
    return g.attention(g.input("q", [1, rows, 4]), k, k, { heads: 1, scale: 0.5 });
  };
  expect(await lowered(build(256))).toMatchInlineSnapshot(`
    "k [1,m,4]
    q [1,256,4]
    attention#2 = FusedMatMul(q, k) transB=1 alpha=0.5
    attention#2.1 = ReduceMax(attention#2, int64[-1])
    attention#2.2 = Sub(attention#2.1, float32 60)
    attention#2.3 = Max(attention#2, attention#2.2)
    attention#2.4 = Softmax(attention#2.3) axis=-1
    attention#2.5 = MatMul(attention#2.4, k)
    -> attention#2.5"
  `);
  expect(await lowered(build(257))).toContain("MultiHeadAttention");
  expect(await lowered(build(256), { target: "gpu" })).toContain("MultiHeadAttention");
});

test("attention in one node on a GPU: values as wide as keys", async () => {
  const build = (g: GraphBuilder) =>
    g.attention(g.input("q", [1, 5, 8]), g.input("k", [1, 9, 8]), g.input("v", [1, 9, 2]), { heads: 1, scale: 1 });
  expect(await lowered(build, { target: "gpu" })).toMatchInlineSnapshot(`
    "q [1,5,8]
    k [1,9,8]
    v [1,9,2]
    attention#3 = Pad(v, int64[0,0,0,0,0,6])
    attention#3.1 = MultiHeadAttention(q, k, attention#3) num_heads=1 scale=1
    attention#3.2 = Slice(attention#3.1, int64[0], int64[2], int64[2])
    -> attention#3.2"
  `);
});

test("expand: a name is read off an input, what stays is broadcast", async () => {
  const build = (g: GraphBuilder) => {
    const x = g.input("x", ["2*n + 1", 6]);
    return g.add(g.expand(g.weight("b", [6]), ["n", 1, 6]), g.reshape(x, [1, "2*n + 1", 6]));
  };
  expect(await lowered(build)).toMatchInlineSnapshot(`
    "x [2*n + 1,6]
    expand#2 = Shape(x) start=0 end=1
    expand#2.1 = Sub(expand#2, int64[1])
    expand#2.2 = Div(expand#2.1, int64[2])
    expand#2.3 = Concat(expand#2.2, int64[1,1]) axis=0
    expand#2.4 = Expand(b, expand#2.3)
    reshape#3 = Reshape(x, int64[1,-1,6])
    add#4 = Add(expand#2.4, reshape#3)
    -> add#4"
  `);
});

test("maxPool2d: two maxima over the middle of three axes", async () => {
  const build = (g: GraphBuilder) => g.maxPool2d(g.input("x", ["n", 4, 6, 3]), { windowDimensions: [2, 2] });
  expect(await lowered(build)).toMatchInlineSnapshot(`
    "x [n,4,6,3]
    maxPool2d#1 = Reshape(x, int64[-1,2,18])
    maxPool2d#1.1 = ReduceMax(maxPool2d#1, int64[1]) keepdims=0
    maxPool2d#1.2 = Reshape(maxPool2d#1.1, int64[-1,2,3])
    maxPool2d#1.3 = ReduceMax(maxPool2d#1.2, int64[1]) keepdims=0
    maxPool2d#1.4 = Reshape(maxPool2d#1.3, int64[-1,2,3,3])
    -> maxPool2d#1.4"
  `);
});

test("outputs that nothing computes get a node", async () => {
  expect(await lowered((g) => g.input("x", ["n"]))).toMatchInlineSnapshot(`
    "x [n]
    output y = Identity(x)
    -> output y"
  `);
});
