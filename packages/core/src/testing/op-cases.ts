import type { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import type { Attributes, OpKind, ValueDType, WeightBits } from "../graph/ops.ts";
import type { Precision } from "../model/precision.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import type { Requires } from "./contract.ts";
import { bools, floats, ints, RandomTensors } from "./fixtures.ts";

type Tensors = Readonly<Record<string, HostTensor>>;

/** One small graph, compiled once and run on several feeds. */
export interface OpCase {
  readonly name: string;
  /** Declares inputs and returns the outputs. */
  readonly graph: (g: GraphBuilder) => Readonly<Record<string, Value>>;
  readonly runs: readonly Tensors[];
  /** Worked out by hand, one entry a run; without it the reference kernels say what is right. */
  readonly expected?: readonly Tensors[];
  readonly requires?: Requires;
}

const random = new RandomTensors(7);
const rand = (dims: readonly number[], options?: { readonly scale?: number; readonly offset?: number }): HostTensor =>
  random.floats(dims, options);

type BinaryKind = "add" | "sub" | "mul" | "div" | "equal" | "greater";

const broadcasts: readonly (readonly [a: readonly number[], b: readonly number[]])[] = [
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
  [[1], []],
  [
    [2, 3, 4, 5],
    [2, 3, 1, 5],
  ],
  [
    [1, 3, 1, 5],
    [2, 1, 4, 1],
  ],
];

/** Every broadcast, in float32 and int32, and the same at several sizes of a named dimension. */
function binaryCases(
  kind: BinaryKind,
  byHand: Pick<OpCase, "runs" | "expected">,
  hand: ValueDType = "float32",
): OpCase[] {
  const graph =
    (a: readonly Dim[], b: readonly Dim[], dtype: ValueDType = "float32") =>
    (g: GraphBuilder): Readonly<Record<string, Value>> => ({
      y: g[kind](g.input("a", a, dtype), g.input("b", b, dtype)),
    });
  const away = { scale: 0.5, offset: 2 }; // divisors that are not near 0
  return [
    { name: "by hand", graph: graph([2, 2], [2], hand), ...byHand },
    ...broadcasts.map(
      ([a, b]): OpCase => ({
        name: `[${a}] and [${b}]`,
        graph: graph(a, b),
        runs: [{ a: rand(a), b: rand(b, away) }],
      }),
    ),
    {
      name: "int32",
      graph: graph([3, 4], [4], "int32"),
      runs: [{ a: random.ints([3, 4], -9, 10), b: random.ints([4], 1, 4) }],
    },
    {
      name: "named sizes",
      graph: graph(["n", 3], ["n", 1]),
      runs: [1, 4, 2].map((n) => ({ a: rand([n, 3]), b: rand([n, 1], away) })),
    },
    {
      name: "an optional dimension as 1 and as n",
      graph: graph(["n?", 3], ["n", 3]),
      runs: [
        { a: rand([1, 3]), b: rand([4, 3], away) },
        { a: rand([4, 3]), b: rand([4, 3], away) },
        { a: rand([1, 3]), b: rand([1, 3], away) },
      ],
    },
    { name: "nothing", graph: graph(["n", 3], [3]), runs: [{ a: rand([0, 3]), b: rand([3], away) }] },
  ];
}

type UnaryKind = "relu" | "gelu" | "sigmoid" | "sqrt" | "sin" | "cos";

function unaryCases(
  kind: UnaryKind,
  points: readonly (readonly [x: number, y: number])[],
  scale: number,
  offset = 0,
): OpCase[] {
  const graph =
    (...dims: readonly Dim[]) =>
    (g: GraphBuilder): Readonly<Record<string, Value>> => ({ y: g[kind](g.input("x", dims)) });
  return [
    {
      name: "by hand",
      graph: graph(points.length),
      runs: [{ x: floats([points.length], ...points.map(([x]) => x)) }],
      expected: [{ y: floats([points.length], ...points.map(([, y]) => y)) }],
    },
    { name: "a scalar", graph: graph(), runs: [{ x: floats([], 0.3) }] },
    {
      name: "named sizes",
      graph: graph("n", 5),
      runs: [7, 0, 1].map((n) => ({ x: rand([n, 5], { scale, offset }) })),
    },
  ];
}

function matmulGraph(a: readonly Dim[], b: readonly Dim[], transposeB: boolean): OpCase["graph"] {
  return (g) => ({ y: g.matmul(g.input("a", a), g.input("b", b), { transposeB }) });
}

const matmulBatches: readonly (readonly [a: readonly number[], b: readonly number[]])[] = [
  [[], []],
  [[3], [3]],
  [[3], []],
  [[], [3]],
  [
    [2, 3],
    [2, 1],
  ],
  [
    [2, 1],
    [1, 3],
  ],
  [
    [2, 3],
    [1, 3],
  ],
  [[2, 3], [3]],
];

function attentionGraph([q, k, v]: readonly (readonly Dim[])[], attributes: Attributes<"attention">): OpCase["graph"] {
  return (g) => ({
    y: g.attention(g.input("q", q ?? []), g.input("k", k ?? []), g.input("v", v ?? []), attributes),
  });
}

function softmaxGraph(dims: readonly Dim[]): OpCase["graph"] {
  return (g) => ({ y: g.softmax(g.input("x", dims)) });
}

function layerNormGraph(dims: readonly Dim[], width: number, epsilon: number): OpCase["graph"] {
  return (g) => ({
    y: g.layerNormalization(g.input("x", dims), g.input("scale", [width]), g.input("bias", [width]), { epsilon }),
  });
}

interface ConvOptions {
  readonly name: string;
  readonly image: readonly [number, number, number];
  readonly filter: readonly [number, number, number, number];
  readonly bias?: boolean;
  readonly options?: Partial<Attributes<"conv2d">>;
}

function convCase({ name, image, filter, bias = true, options = {} }: ConvOptions): OpCase {
  const [out] = filter;
  return {
    name,
    graph: (g) => ({
      y: g.conv2d(g.input("x", ["n", ...image]), g.input("w", filter), bias ? g.input("b", [out]) : undefined, options),
    }),
    runs: [1, 2].map((n) => {
      const x = rand([n, ...image]);
      const w = rand(filter);
      return bias ? { x, w, b: rand([out]) } : { x, w };
    }),
  };
}

function resampleCase(
  from: readonly [number, number],
  to: readonly [number, number],
  mode: Attributes<"resample2d">["mode"],
  antialias = false,
): OpCase {
  return {
    name: `${mode} ${from.join("x")} to ${to.join("x")}${antialias ? ", antialiased" : ""}`,
    graph: (g) => ({ y: g.resample2d(g.input("x", ["n", ...from, 3]), { sizes: to, mode, antialias }) }),
    runs: [1, 2].map((n) => ({ x: rand([n, ...from, 3]) })),
  };
}

function transposeCase(dims: readonly number[], permutation: readonly number[]): OpCase {
  return {
    name: `[${dims}] by [${permutation}]`,
    graph: (g) => ({ y: g.transpose(g.input("x", dims), permutation) }),
    runs: [{ x: rand(dims) }],
  };
}

const computesIn =
  (...dtypes: readonly Precision[]): Requires =>
  (capabilities) => {
    const missing = dtypes.find((dtype) => !capabilities.dtypes.includes(dtype));
    return missing && `it does not compute in ${missing}`;
  };

const wide = random.floats([48, 32]);

/** A weight that is rounded, over x. */
function quantizedLinearGraph(
  dims: readonly Dim[],
  weight: HostTensor<"float32">,
  bits: WeightBits,
  bias?: HostTensor<"float32">,
): OpCase["graph"] {
  return (g) => ({
    y: g.quantizedLinear(g.input("x", dims), g.constant(weight), bias && g.constant(bias), { bits }),
  });
}

function wholeNumbers(dims: readonly number[]): HostTensor {
  return { dtype: "float32", dims, data: new Float32Array(random.ints(dims, -4, 5).data) };
}

/** Numbers that rounding to 256 steps leaves as they are, also row by row: so it does not matter whether a backend does it. */
function steps(dims: readonly number[], least: -128 | -127 = -128): HostTensor {
  const { data } = random.ints(dims, least, 128);
  const values = new Float32Array(data);
  for (let row = 0; row < values.length; row += dims.at(-1) ?? 1) values.set([least, 127], row);
  return { dtype: "float32", dims, data: values.map((value) => value / 256) };
}

/** Cases for each operation: a new operation does not compile until it has some. */
export const opCases: { readonly [K in OpKind]: readonly OpCase[] } = {
  add: binaryCases("add", {
    runs: [{ a: floats([2, 2], 1, 2, 3, 4), b: floats([2], 10, 20) }],
    expected: [{ y: floats([2, 2], 11, 22, 13, 24) }],
  }),
  sub: binaryCases("sub", {
    runs: [{ a: floats([2, 2], 1, 2, 3, 4), b: floats([2], 10, 20) }],
    expected: [{ y: floats([2, 2], -9, -18, -7, -16) }],
  }),
  mul: binaryCases("mul", {
    runs: [{ a: floats([2, 2], 1, 2, 3, 4), b: floats([2], 10, -0.5) }],
    expected: [{ y: floats([2, 2], 10, -1, 30, -2) }],
  }),
  div: [
    ...binaryCases("div", {
      runs: [{ a: floats([2, 2], 1, 2, 3, 5), b: floats([2], 4, -2) }],
      expected: [{ y: floats([2, 2], 0.25, -1, 0.75, -2.5) }],
    }),
    {
      name: "integers, towards zero",
      graph: (g) => ({ y: g.div(g.input("a", [4], "int32"), g.input("b", [4], "int32")) }),
      runs: [{ a: ints([4], 7, -7, 7, -8), b: ints([4], 2, 2, -2, 4) }],
      expected: [{ y: ints([4], 3, -3, -3, -2) }],
    },
  ],
  relu: unaryCases(
    "relu",
    [
      [-2, 0],
      [-0.5, 0],
      [0, 0],
      [3.5, 3.5],
    ],
    1,
  ),
  // x Phi(x), Phi from tables of the normal distribution
  gelu: unaryCases(
    "gelu",
    [
      [-40, 0],
      [-8, -4.9767685e-15],
      [-3, -0.00404969],
      [-1, -0.15865525],
      [-0.1, -0.046017216],
      [0, 0],
      [0.5, 0.34573123],
      [1, 0.84134475],
      [2, 1.9544997],
      [4, 3.9998733],
      [40, 40],
    ],
    6,
  ),
  sigmoid: unaryCases(
    "sigmoid",
    [
      [-100, 0],
      [-1, 0.26894142],
      [0, 0.5],
      [1, 0.73105858],
      [100, 1],
    ],
    12,
  ),
  sqrt: unaryCases(
    "sqrt",
    [
      [0, 0],
      [0.0625, 0.25],
      [1, 1],
      [2, Math.SQRT2],
      [90000, 300],
    ],
    4,
    4,
  ),
  sin: unaryCases(
    "sin",
    [
      [0, 0],
      [Math.PI / 6, 0.5],
      [Math.PI / 2, 1],
      [-Math.PI / 2, -1],
    ],
    20,
  ),
  cos: unaryCases(
    "cos",
    [
      [0, 1],
      [Math.PI / 3, 0.5],
      [Math.PI, -1],
      [-Math.PI, -1],
    ],
    20,
  ),
  clamp: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.clamp(g.input("x", [4]), { minValue: -32, maxValue: 32 }) }),
      runs: [{ x: floats([4], -40, -31.5, 32, 1e9) }],
      expected: [{ y: floats([4], -32, -31.5, 32, 32) }],
    },
    {
      name: "from one side, named sizes",
      graph: (g) => ({
        low: g.clamp(g.input("x", ["n", 2]), { minValue: 0.25, maxValue: Number.POSITIVE_INFINITY }),
      }),
      runs: [3, 1].map((n) => ({ x: rand([n, 2]) })),
    },
  ],
  equal: binaryCases(
    "equal",
    {
      runs: [{ a: ints([2, 2], 1, 2, 3, -1), b: ints([2], 1, -1) }],
      expected: [{ y: bools([2, 2], true, false, false, true) }],
    },
    "int32",
  ),
  greater: binaryCases("greater", {
    runs: [{ a: floats([2, 2], 1, 2, 3, -1), b: floats([2], 1, -1) }],
    expected: [{ y: bools([2, 2], false, true, true, false) }],
  }),
  where: [
    {
      name: "by hand, broadcast three ways",
      graph: (g) => ({
        y: g.where(g.input("c", [2, 1], "bool"), g.input("a", [2]), g.input("b", [])),
      }),
      runs: [{ c: bools([2, 1], true, false), a: floats([2], 1, 2), b: floats([], 9) }],
      expected: [{ y: floats([2, 2], 1, 2, 9, 9) }],
    },
    {
      name: "does not mix in what it does not choose",
      graph: (g) => ({ y: g.where(g.input("c", [2], "bool"), g.input("a", [2]), g.input("b", [2])) }),
      runs: [
        {
          c: bools([2], true, false),
          a: floats([2], 1, Number.POSITIVE_INFINITY),
          b: floats([2], Number.NEGATIVE_INFINITY, 2),
        },
      ],
      expected: [{ y: floats([2], 1, 2) }],
    },
    {
      name: "int32",
      graph: (g) => ({ y: g.where(g.input("c", [3], "bool"), g.input("a", [3], "int32"), g.input("b", [], "int32")) }),
      runs: [{ c: bools([3], false, true, true), a: ints([3], 1, 2, 3), b: ints([], -7) }],
      expected: [{ y: ints([3], -7, 2, 3) }],
    },
    {
      name: "optional dimensions, each on its own",
      graph: (g) => {
        const has = g.reshape(g.input("has", ["n?"], "bool"), ["n?", 1, 1]);
        return {
          y: g.add(g.where(has, g.input("x", ["n?", 2, 3]), g.input("none", [1, 3])), g.input("z", ["n", 2, 3])),
        };
      },
      runs: [
        { has: bools([1], true), x: rand([1, 2, 3]), none: rand([1, 3]), z: rand([3, 2, 3]) },
        { has: random.bools([3]), x: rand([1, 2, 3]), none: rand([1, 3]), z: rand([3, 2, 3]) },
        { has: bools([1], true), x: rand([3, 2, 3]), none: rand([1, 3]), z: rand([3, 2, 3]) },
        { has: bools([3], true, false, true), x: rand([3, 2, 3]), none: rand([1, 3]), z: rand([3, 2, 3]) },
      ],
    },
  ],
  cast: [
    {
      name: "to int32, towards zero",
      graph: (g) => ({ y: g.cast(g.input("x", [4]), "int32") }),
      runs: [{ x: floats([4], 1.75, -1.75, 0, 1000) }],
      expected: [{ y: ints([4], 1, -1, 0, 1000) }],
    },
    {
      name: "between bool and numbers",
      graph: (g) => {
        const flags = g.input("flags", ["n"], "bool");
        const numbers = g.input("numbers", ["n"], "int32");
        return {
          asFloat: g.cast(flags, "float32"),
          asInt: g.cast(flags, "int32"),
          asBool: g.cast(numbers, "bool"),
          float: g.cast(numbers, "float32"),
        };
      },
      runs: [{ flags: bools([2], true, false), numbers: ints([2], 0, -3) }],
      expected: [
        {
          asFloat: floats([2], 1, 0),
          asInt: ints([2], 1, 0),
          asBool: bools([2], false, true),
          float: floats([2], 0, -3),
        },
      ],
    },
    {
      name: "to float16, by hand: ties to even, the least of all",
      graph: (g) => ({ y: g.cast(g.cast(g.input("x", ["n"]), "float16"), "float32") }),
      runs: [{ x: floats([6], 2049, 2051, -0.1, 2 ** -24, 65504, 0) }],
      expected: [{ y: floats([6], 2048, 2052, -0.0999755859375, 2 ** -24, 65504, 0) }],
      requires: computesIn("fp16"),
    },
    {
      // numbers that halves hold exactly, so that no backend's way to round is preferred
      name: "operations on float16",
      graph: (g) => {
        const half = (x: Value): Value => g.cast(x, "float16");
        const x = half(g.input("x", ["n", 4, 4, 2]));
        const weight = half(g.constant(floats([2, 2], 1, -2, 3, 0.5)));
        const bias = half(g.constant(floats([2], 0.25, -1)));
        const filter = g.reshape(weight, [2, 2, 1, 1]);
        const results = {
          linear: g.linear(x, weight, bias),
          conv2d: g.conv2d(x, filter, bias),
          clamp: g.relu(g.clamp(x, { minValue: -2, maxValue: 3 })),
          resized: g.resample2d(x, { sizes: [8, 8], mode: "nearest-neighbor" }),
          matmul: g.matmul(x, x, { transposeB: true }),
          moved: g.concat([g.transpose(x, [0, 2, 1, 3]), g.mul(x, bias)], 1),
          chosen: g.where(g.greater(x, half(g.scalar(0))), x, g.sub(x, bias)),
        };
        return Object.fromEntries(Object.entries(results).map(([name, y]) => [name, g.cast(y, "float32")]));
      },
      runs: [1, 2].map((n) => ({ x: wholeNumbers([n, 4, 4, 2]) })),
      requires: computesIn("fp16"),
    },
  ],
  matmul: [
    {
      name: "by hand",
      graph: matmulGraph([2, 3], [3, 2], false),
      runs: [{ a: floats([2, 3], 1, 2, 3, 4, 5, 6), b: floats([3, 2], 1, 2, 3, 4, 5, 6) }],
      expected: [{ y: floats([2, 2], 22, 28, 49, 64) }],
    },
    {
      name: "by hand, transposed",
      graph: matmulGraph([2, 3], [2, 3], true),
      runs: [{ a: floats([2, 3], 1, 2, 3, 4, 5, 6), b: floats([2, 3], 1, 0, -1, 1, 1, 1) }],
      expected: [{ y: floats([2, 2], -2, 6, -2, 15) }],
    },
    ...matmulBatches.flatMap(([a, b]) =>
      [false, true].map((transposeB): OpCase => {
        const right = transposeB ? [...b, 4, 6] : [...b, 6, 4];
        const left = [...a, 5, 6];
        return {
          name: `[${left}] and [${right}]${transposeB ? " transposed" : ""}`,
          graph: matmulGraph(left, right, transposeB),
          runs: [{ a: rand(left), b: rand(right) }],
        };
      }),
    ),
    {
      name: "large enough for blocks",
      graph: matmulGraph([65, 130], [130, 67], false),
      runs: [{ a: rand([65, 130]), b: rand([130, 67]) }],
    },
    {
      name: "named and optional sizes",
      graph: matmulGraph(["n", "rows", 3], ["n?", 4, 3], true),
      runs: [
        { a: rand([2, 5, 3]), b: rand([1, 4, 3]) },
        { a: rand([2, 5, 3]), b: rand([2, 4, 3]) },
        { a: rand([1, 0, 3]), b: rand([1, 4, 3]) },
        { a: rand([3, 1, 3]), b: rand([3, 4, 3]) },
      ],
    },
  ],
  linear: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.linear(g.input("x", [1, 2]), g.input("w", [3, 2]), g.input("b", [3])) }),
      runs: [{ x: floats([1, 2], 1, 2), w: floats([3, 2], 1, 0, 0, 1, 1, 1), b: floats([3], 0.5, 0, -1) }],
      expected: [{ y: floats([1, 3], 1.5, 2, 2) }],
    },
    {
      name: "without bias, rank 1",
      graph: (g) => ({ y: g.linear(g.input("x", [7]), g.input("w", [5, 7])) }),
      runs: [{ x: rand([7]), w: rand([5, 7]) }],
    },
    {
      name: "rank 4, named and optional sizes",
      graph: (g) => ({
        y: g.add(
          g.linear(g.input("x", ["n?", 3, "rows", 6]), g.input("w", [9, 6]), g.input("b", [9])),
          g.input("z", ["n", 1, 1, 1]),
        ),
      }),
      runs: [
        { x: rand([1, 3, 4, 6]), w: rand([9, 6]), b: rand([9]), z: rand([2, 1, 1, 1]) },
        { x: rand([2, 3, 1, 6]), w: rand([9, 6]), b: rand([9]), z: rand([2, 1, 1, 1]) },
        { x: rand([2, 3, 0, 6]), w: rand([9, 6]), b: rand([9]), z: rand([2, 1, 1, 1]) },
      ],
    },
    {
      name: "batches with more columns than a cache block",
      graph: (g) => ({ y: g.linear(g.input("x", [3, 50, 64]), g.input("w", [97, 64]), g.input("b", [97])) }),
      runs: [{ x: rand([3, 50, 64]), w: rand([97, 64]), b: rand([97]) }],
    },
  ],
  quantizedLinear: (
    [
      {
        name: "by hand, 8 bits",
        // the second row is 32 and -127 of 127
        graph: quantizedLinearGraph(["n", 2], floats([2, 2], 1, 0.5, 0.25, -1), 8, floats([2], 1, 0)),
        runs: [{ x: floats([1, 2], -128, 127) }],
        expected: [{ y: floats([1, 2], -63, (-128 * 32 - 127 * 127) / 127) }],
      },
      {
        name: "by hand, 4 bits",
        // the last row is -8 and -2 times -1/8
        graph: quantizedLinearGraph(["n", 2], floats([3, 2], 8, -4, -8, 3, 1, 0.3), 4),
        runs: [{ x: floats([1, 2], 2, -1) }],
        expected: [{ y: floats([1, 3], 20, -19, 1.75) }],
      },
      ...([8, 4] as const).flatMap((bits): OpCase[] => [
        {
          name: `${bits} bits, named sizes, blocks that are not full`,
          graph: quantizedLinearGraph(["n", "rows", 72], random.floats([40, 72]), bits, random.floats([40])),
          runs: [
            [2, 5],
            [1, 1],
            [3, 70],
          ].map(([n = 0, rows = 0]) => ({ x: steps([n, rows, 72]) })),
        },
        {
          name: `${bits} bits, without bias, a row of zeros, rank 1`,
          graph: quantizedLinearGraph([64], floats([2, 64], ...new Array(64).fill(0), ...new Array(64).fill(2)), bits),
          runs: [{ x: steps([64]) }],
        },
        {
          name: `${bits} bits, a view of a matrix, used as it is too`,
          graph: (g) => {
            const [x, weight] = [g.input("x", ["n", 32]), g.constant(wide)];
            return { rounded: g.quantizedLinear(x, weight, undefined, { bits }), plain: g.linear(x, weight) };
          },
          runs: [{ x: steps([4, 32]) }],
        },
      ]),
    ] satisfies readonly OpCase[]
  ).map((example) => ({ ...example, requires: computesIn("q8", "q4") })),
  attention: [
    {
      name: "by hand: equal scores give the mean, a large one gives its value",
      graph: attentionGraph(
        [
          [1, 2, 2],
          [1, 2, 2],
          [1, 2, 2],
        ],
        { heads: 1, scale: 1 },
      ),
      runs: [
        { q: floats([1, 2, 2], 0, 0, 100, 0), k: floats([1, 2, 2], 0, 1, 1, 0), v: floats([1, 2, 2], 1, 2, 3, 4) },
      ],
      expected: [{ y: floats([1, 2, 2], 2, 3, 3, 4) }],
    },
    {
      name: "by hand: heads do not mix",
      graph: attentionGraph(
        [
          [1, 1, 2],
          [1, 2, 2],
          [1, 2, 2],
        ],
        { heads: 2, scale: 1 },
      ),
      runs: [{ q: floats([1, 1, 2], 100, 100), k: floats([1, 2, 2], 1, 0, 0, 1), v: floats([1, 2, 2], 1, 2, 3, 4) }],
      expected: [{ y: floats([1, 1, 2], 1, 4) }],
    },
    {
      name: "heads, a scale, more keys than queries",
      graph: attentionGraph(
        [
          [2, 5, 24],
          [2, 70, 24],
          [2, 70, 24],
        ],
        { heads: 3, scale: 8 ** -0.5 },
      ),
      runs: [{ q: rand([2, 5, 24]), k: rand([2, 70, 24]), v: rand([2, 70, 24]) }],
    },
    {
      name: "heads of values unlike those of keys",
      graph: attentionGraph(
        [
          [2, 40, 16],
          [2, 9, 16],
          [2, 9, 6],
        ],
        { heads: 2, scale: 0.3 },
      ),
      runs: [{ q: rand([2, 40, 16]), k: rand([2, 9, 16]), v: rand([2, 9, 6]) }],
    },
    {
      name: "large scores",
      graph: attentionGraph(
        [
          [1, 4, 8],
          [1, 6, 8],
          [1, 6, 8],
        ],
        { heads: 1, scale: 1 },
      ),
      runs: [{ q: rand([1, 4, 8], { scale: 30 }), k: rand([1, 6, 8], { scale: 30 }), v: rand([1, 6, 8]) }],
    },
    {
      name: "scores of one query hundreds apart, a row for each of several batches",
      graph: attentionGraph(
        [
          ["n", 3, 8],
          ["n?", 70, 8],
          ["n?", 70, 8],
        ],
        { heads: 1, scale: 1 },
      ),
      runs: [1, 2].map((batch) => ({
        q: rand([2, 3, 8], { scale: 20 }),
        k: rand([batch, 70, 8], { scale: 10 }),
        v: rand([batch, 70, 8]),
      })),
    },
    {
      name: "one batch of keys for all queries",
      graph: attentionGraph(
        [
          ["n", 5, 8],
          [1, 7, 8],
          [1, 7, 12],
        ],
        { heads: 2, scale: 0.5 },
      ),
      runs: [1, 3].map((n) => ({ q: rand([n, 5, 8]), k: rand([1, 7, 8]), v: rand([1, 7, 12]) })),
    },
    {
      name: "an optional batch of keys, named rows",
      graph: attentionGraph(
        [
          ["n", "rows", 8],
          ["n?", "keys + 2", 8],
          ["n?", "keys + 2", 8],
        ],
        { heads: 2, scale: 0.5 },
      ),
      runs: (
        [
          [3, 4, 1, 5],
          [3, 4, 3, 2],
          [1, 1, 1, 9],
          [2, 0, 1, 3],
        ] as const
      ).map(([n, rows, batch, keys]) => ({
        q: rand([n, rows, 8]),
        k: rand([batch, keys, 8]),
        v: rand([batch, keys, 8]),
      })),
    },
    {
      name: "scores of 8 bits, heads, in blocks of queries",
      graph: attentionGraph(
        [
          [2, 300, 16],
          [2, 1100, 16],
          [2, 1100, 6],
        ],
        { heads: 2, scale: 0.5, scoreBits: 8 },
      ),
      runs: [{ q: steps([2, 300, 16]), k: steps([2, 1100, 16], -127), v: rand([2, 1100, 6]) }],
    },
    {
      name: "scores of 8 bits, named sizes, keys of zeros",
      graph: attentionGraph(
        [
          ["n", 9, 8],
          ["n?", "256*keys + 2", 8],
          ["n?", "256*keys + 2", 12],
        ],
        { heads: 1, scale: 0.5, scoreBits: 8 },
      ),
      runs: [
        { q: steps([3, 9, 8]), k: steps([1, 258, 8], -127), v: rand([1, 258, 12]) },
        { q: steps([2, 9, 8]), k: steps([2, 514, 8], -127), v: rand([2, 514, 12]) },
        { q: steps([1, 9, 8]), k: rand([1, 258, 8], { scale: 0 }), v: rand([1, 258, 12]) },
      ],
    },
  ],
  softmax: [
    {
      name: "by hand",
      graph: softmaxGraph([2, 2]),
      runs: [{ x: floats([2, 2], 0, Math.log(3), 1000, 1000) }],
      expected: [{ y: floats([2, 2], 0.25, 0.75, 0.5, 0.5) }],
    },
    {
      name: "rows of one",
      graph: softmaxGraph([3, 1]),
      runs: [{ x: rand([3, 1]) }],
      expected: [{ y: floats([3, 1], 1, 1, 1) }],
    },
    {
      name: "far apart",
      graph: softmaxGraph([4, 300]),
      runs: [{ x: rand([4, 300], { scale: 200 }) }],
    },
    {
      name: "more rows than a workgroup dimension has, of a number that is no square",
      graph: softmaxGraph([3, 10923, 2, 4]),
      runs: [{ x: rand([3, 10923, 2, 4]) }],
    },
    {
      name: "rank 4, named and optional sizes",
      graph: softmaxGraph(["n?", "rows", 2, "keys + 6"]),
      runs: [
        [1, 3, 2],
        [2, 1, 0],
        [2, 0, 1],
      ].map(([n = 0, rows = 0, keys = 0]) => ({ x: rand([n, rows, 2, keys + 6]) })),
    },
  ],
  layerNormalization: [
    {
      name: "by hand",
      graph: layerNormGraph([2, 2], 2, 0),
      runs: [{ x: floats([2, 2], 1, 3, -5, 5), scale: floats([2], 1, 2), bias: floats([2], 0, 10) }],
      expected: [{ y: floats([2, 2], -1, 12, -1, 12) }],
    },
    {
      name: "a small variance, where epsilon counts",
      graph: layerNormGraph([6, 32], 32, 1e-6),
      runs: [{ x: rand([6, 32], { scale: 1e-3 }), scale: rand([32]), bias: rand([32]) }],
    },
    {
      name: "no variance",
      graph: layerNormGraph([2, 8], 8, 1e-5),
      runs: [{ x: floats([2, 8], ...new Array<number>(16).fill(0.25)), scale: rand([8]), bias: rand([8]) }],
    },
    {
      name: "away from zero",
      graph: layerNormGraph([3, 64], 64, 1e-6),
      runs: [{ x: rand([3, 64], { scale: 0.5, offset: 1 }), scale: rand([64]), bias: rand([64]) }],
    },
    {
      name: "rank 4, named and optional sizes",
      graph: layerNormGraph(["n?", "rows", 2, 12], 12, 1e-5),
      runs: [
        [1, 3],
        [2, 1],
        [2, 0],
      ].map(([n = 0, rows = 0]) => ({ x: rand([n, rows, 2, 12]), scale: rand([12]), bias: rand([12]) })),
    },
  ],
  conv2d: [
    {
      name: "by hand: the filter is not flipped, padding is top, bottom, left, right",
      graph: (g) => ({
        y: g.conv2d(g.input("x", [1, 2, 2, 1]), g.input("w", [1, 1, 2, 2]), undefined, { padding: [1, 0, 0, 1] }),
      }),
      runs: [{ x: floats([1, 2, 2, 1], 1, 2, 3, 4), w: floats([1, 1, 2, 2], 1, 10, 100, 1000) }],
      // rows: (0 0 0 / 1 2 0), (1 2 0 / 3 4 0)
      expected: [{ y: floats([1, 2, 2, 1], 2100, 200, 4321, 402) }],
    },
    {
      name: "by hand: channels",
      graph: (g) => ({ y: g.conv2d(g.input("x", [1, 1, 1, 2]), g.input("w", [2, 2, 1, 1]), g.input("b", [2])) }),
      runs: [{ x: floats([1, 1, 1, 2], 1, 10), w: floats([2, 2, 1, 1], 1, 2, 3, 4), b: floats([2], 100, 200) }],
      expected: [{ y: floats([1, 1, 1, 2], 121, 243) }],
    },
    convCase({
      name: "7x7, stride 4, padded by 3",
      image: [16, 20, 3],
      filter: [5, 3, 7, 7],
      options: { strides: [4, 4], padding: [3, 3, 3, 3] },
    }),
    convCase({ name: "1x1 without bias", image: [4, 3, 6], filter: [7, 6, 1, 1], bias: false }),
    convCase({
      name: "2x2, stride 2",
      image: [6, 4, 4],
      filter: [3, 4, 2, 2],
      options: { strides: [2, 2] },
    }),
    convCase({
      name: "3x3, unlike strides and paddings",
      image: [7, 9, 2],
      filter: [4, 2, 3, 3],
      options: { strides: [2, 1], padding: [0, 2, 1, 0] },
    }),
    convCase({
      name: "depthwise 7x7",
      image: [8, 8, 6],
      filter: [6, 1, 7, 7],
      options: { padding: [3, 3, 3, 3], groups: 6 },
    }),
    convCase({ name: "two groups", image: [5, 5, 4], filter: [6, 2, 3, 3], options: { groups: 2 } }),
  ],
  maxPool2d: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.maxPool2d(g.input("x", [1, 2, 4, 1]), { windowDimensions: [2, 2] }) }),
      runs: [{ x: floats([1, 2, 4, 1], 1, 2, -3, -4, 5, 0, -1, -2) }],
      expected: [{ y: floats([1, 1, 2, 1], 5, -1) }],
    },
    {
      name: "named sizes, unlike windows",
      graph: (g) => ({ y: g.maxPool2d(g.input("x", ["n", 6, 4, 5]), { windowDimensions: [3, 2] }) }),
      runs: [1, 3].map((n) => ({ x: rand([n, 6, 4, 5]) })),
    },
  ],
  resample2d: [
    {
      name: "nearest by hand",
      graph: (g) => ({ y: g.resample2d(g.input("x", [1, 1, 2, 1]), { sizes: [2, 4], mode: "nearest-neighbor" }) }),
      runs: [{ x: floats([1, 1, 2, 1], 1, 2) }],
      expected: [{ y: floats([1, 2, 4, 1], 1, 1, 2, 2, 1, 1, 2, 2) }],
    },
    {
      name: "linear by hand",
      graph: (g) => ({ y: g.resample2d(g.input("x", [1, 1, 2, 1]), { sizes: [1, 4], mode: "linear" }) }),
      runs: [{ x: floats([1, 1, 2, 1], 0, 4) }],
      expected: [{ y: floats([1, 1, 4, 1], 0, 1, 3, 4) }],
    },
    {
      name: "antialiased by hand",
      // an output's triangle weighs four pixels (1 3 3 1) / 8, cut to (3 3 1) / 7 at an edge
      graph: (g) => ({
        y: g.resample2d(g.input("x", [1, 1, 4, 1]), { sizes: [1, 2], mode: "linear", antialias: true }),
      }),
      runs: [{ x: floats([1, 1, 4, 1], 7, 14, 21, 0) }],
      expected: [{ y: floats([1, 1, 2, 1], 12, 11) }],
    },
    {
      name: "cubic by hand",
      // a quarter of a pixel off a centre the weights are (-27 225 67 -9) / 256; edge pixels repeat
      graph: (g) => ({ y: g.resample2d(g.input("x", [1, 1, 2, 1]), { sizes: [1, 4], mode: "cubic" }) }),
      runs: [{ x: floats([1, 1, 2, 1], 0, 256) }],
      expected: [{ y: floats([1, 1, 4, 1], -27, 58, 198, 283) }],
    },
    resampleCase([4, 3], [8, 6], "nearest-neighbor"),
    resampleCase([2, 2], [6, 8], "nearest-neighbor"),
    resampleCase([5, 4], [12, 9], "linear"),
    resampleCase([12, 9], [5, 4], "linear"),
    resampleCase([7, 7], [16, 16], "cubic"),
    resampleCase([14, 9], [6, 4], "cubic"),
    resampleCase([16, 12], [4, 5], "linear", true),
    resampleCase([5, 5], [9, 3], "linear", true),
  ],
  reshape: [
    {
      name: "named, optional and multiplied sizes",
      graph: (g) => {
        const x = g.input("x", ["n", 4, 6]);
        return {
          split: g.reshape(x, ["n", 2, 2, 6]),
          joined: g.reshape(x, ["4*n", 6]),
          back: g.reshape(g.reshape(x, ["4*n", 6]), ["n", 4, 6]),
          optional: g.reshape(g.input("o", ["n?", 3, 2]), ["n?", 6]),
        };
      },
      runs: [
        { x: rand([2, 4, 6]), o: rand([2, 3, 2]) },
        { x: rand([3, 4, 6]), o: rand([1, 3, 2]) },
        { x: rand([0, 4, 6]), o: rand([1, 3, 2]) },
      ],
    },
    {
      name: "two names, one of them 0",
      graph: (g) => ({ y: g.reshape(g.input("x", ["n", "points", 2]), ["n", "points", 1, 2]) }),
      runs: [
        [3, 2],
        [3, 0],
        [1, 5],
      ].map(([n = 0, points = 0]) => ({ x: rand([n, points, 2]) })),
    },
    {
      name: "scalars, int32, bool",
      graph: (g) => ({
        scalar: g.reshape(g.input("x", [1, 1]), []),
        ints: g.reshape(g.input("i", [4], "int32"), [2, 2]),
        bools: g.reshape(g.input("b", ["n"], "bool"), ["n", 1]),
      }),
      runs: [{ x: rand([1, 1]), i: ints([4], 1, 2, 3, 4), b: bools([3], true, false, true) }],
    },
  ],
  transpose: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.transpose(g.input("x", [1, 2, 3]), [2, 0, 1]) }),
      runs: [{ x: floats([1, 2, 3], 1, 2, 3, 4, 5, 6) }],
      expected: [{ y: floats([3, 1, 2], 1, 4, 2, 5, 3, 6) }],
    },
    transposeCase([3, 4], [1, 0]),
    transposeCase([2, 3, 4, 5], [0, 2, 1, 3]),
    transposeCase([2, 3, 4, 5], [3, 1, 0, 2]),
    transposeCase([2, 3, 2, 4, 3, 2], [0, 1, 3, 2, 4, 5]),
    transposeCase([2, 2, 3, 2, 3, 2], [5, 0, 4, 2, 1, 3]),
    {
      name: "windows of a map, there and back",
      graph: (g) => {
        const x = g.input("x", ["n", 6, 4, 3]);
        const split = g.transpose(g.reshape(x, ["n", 3, 2, 2, 2, 3]), [0, 1, 3, 2, 4, 5]);
        const windows = g.reshape(split, ["6*n", 2, 2, 3]);
        const joined = g.transpose(g.reshape(windows, ["n", 3, 2, 2, 2, 3]), [0, 1, 3, 2, 4, 5]);
        return { windows, back: g.reshape(joined, ["n", 6, 4, 3]) };
      },
      runs: [2, 1].map((n) => ({ x: rand([n, 6, 4, 3]) })),
    },
    {
      name: "int32, bool, named sizes",
      graph: (g) => ({
        ints: g.transpose(g.input("i", ["n", 3], "int32"), [1, 0]),
        bools: g.transpose(g.input("b", ["n", 2, 2], "bool"), [2, 0, 1]),
      }),
      runs: [2, 0].map((n) => ({ i: random.ints([n, 3], 0, 9), b: random.bools([n, 2, 2]) })),
    },
  ],
  concat: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.concat([g.input("a", [2, 1]), g.input("b", [2, 2])], 1) }),
      runs: [{ a: floats([2, 1], 1, 2), b: floats([2, 2], 3, 4, 5, 6) }],
      expected: [{ y: floats([2, 3], 1, 3, 4, 2, 5, 6) }],
    },
    {
      name: "named sizes along and beside the axis, one of them 0",
      graph: (g) => ({
        y: g.concat([g.input("a", ["n", "k", 2]), g.input("b", ["n", 3, 2]), g.input("c", ["n", "k", 2])], 1),
      }),
      runs: [
        [2, 4],
        [2, 0],
        [1, 1],
      ].map(([n = 0, k = 0]) => ({ a: rand([n, k, 2]), b: rand([n, 3, 2]), c: rand([n, k, 2]) })),
    },
    {
      name: "one input, the same input twice, int32",
      graph: (g) => {
        const x = g.input("x", [2, 2], "int32");
        return { one: g.concat([x], 0), twice: g.concat([x, x], 0) };
      },
      runs: [{ x: ints([2, 2], 1, 2, 3, 4) }],
      expected: [{ one: ints([2, 2], 1, 2, 3, 4), twice: ints([4, 2], 1, 2, 3, 4, 1, 2, 3, 4) }],
    },
  ],
  slice: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.slice(g.input("x", [3, 3]), [1, 0], [2, 2]) }),
      runs: [{ x: floats([3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9) }],
      expected: [{ y: floats([2, 2], 4, 5, 7, 8) }],
    },
    {
      name: "named sizes taken whole, and the sure part of a sum",
      graph: (g) => {
        const x = g.input("x", ["n", "k", 4]);
        const tokens = g.concat([g.input("first", ["n", 3, 4]), x], 1);
        return {
          columns: g.slice(x, [0, 0, 1], ["n", "k", 2]),
          tokens: g.slice(tokens, [0, 1, 0], ["n", 2, 4]),
        };
      },
      runs: [
        [2, 5],
        [1, 0],
      ].map(([n = 0, k = 0]) => ({ x: rand([n, k, 4]), first: rand([n, 3, 4]) })),
    },
    {
      name: "crops of an image, int32, nothing",
      graph: (g) => ({
        crop: g.slice(g.input("image", ["n", 5, 6, 2]), [0, 0, 1, 0], ["n", 4, 3, 2]),
        ints: g.slice(g.input("i", [5], "int32"), [2], [3]),
        nothing: g.slice(g.input("z", [3, 2]), [1, 0], [0, 2]),
      }),
      runs: [{ image: rand([2, 5, 6, 2]), i: ints([5], 1, 2, 3, 4, 5), z: rand([3, 2]) }],
    },
  ],
  pad: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.pad(g.input("x", [1, 2]), [1, 0], [0, 1]) }),
      runs: [{ x: floats([1, 2], 1, 2) }],
      expected: [{ y: floats([2, 3], 0, 0, 0, 1, 2, 0) }],
    },
    {
      name: "a map at the bottom and right, named sizes",
      graph: (g) => ({ y: g.pad(g.input("x", ["n", 5, 6, 3]), [0, 0, 0, 0], [0, 3, 2, 0]) }),
      runs: [2, 1].map((n) => ({ x: rand([n, 5, 6, 3]) })),
    },
    {
      name: "a named axis",
      graph: (g) => ({ y: g.pad(g.input("x", ["n", 2]), [1, 0], [2, 0]) }),
      runs: [3, 0].map((n) => ({ x: rand([n, 2]) })),
    },
  ],
  expand: [
    {
      name: "by hand",
      graph: (g) => ({ y: g.expand(g.input("x", [2, 1]), [2, 2, 2]) }),
      runs: [{ x: floats([2, 1], 1, 2) }],
      expected: [{ y: floats([2, 2, 2], 1, 1, 2, 2, 1, 1, 2, 2) }],
    },
    {
      name: "to names that other inputs carry",
      graph: (g) => {
        const n = g.input("n", ["n", "k"]);
        return {
          row: g.expand(g.input("row", [1, 3]), ["n", 3]),
          all: g.expand(g.input("scalar", []), ["n", "k + 1"]),
          n: g.expand(n, [2, "n", "k"]),
        };
      },
      runs: [
        [4, 2],
        [1, 0],
      ].map(([n = 0, k = 0]) => ({ n: rand([n, k]), row: rand([1, 3]), scalar: rand([]) })),
    },
    {
      name: "an optional dimension to its name",
      graph: (g) => ({
        y: g.add(g.expand(g.input("x", ["n?", 2]), ["n", 2]), g.input("z", ["n", 1])),
      }),
      runs: [
        [3, 1],
        [3, 3],
        [1, 1],
      ].map(([n = 0, k = 0]) => ({ x: rand([k, 2]), z: rand([n, 1]) })),
    },
    {
      name: "int32 and bool",
      graph: (g) => ({
        ints: g.expand(g.input("i", [2], "int32"), ["n", 2]),
        bools: g.expand(g.input("b", ["n", 1], "bool"), ["n", 3]),
      }),
      runs: [2, 1].map((n) => ({ i: ints([2], 4, 5), b: random.bools([n, 1]) })),
    },
  ],
  gather: [
    {
      name: "by hand: out of order and repeated",
      graph: (g) => ({ y: g.gather(g.input("x", [3, 2]), g.input("i", [4], "int32")) }),
      runs: [{ x: floats([3, 2], 1, 2, 3, 4, 5, 6), i: ints([4], 2, 0, 2, 1) }],
      expected: [{ y: floats([4, 2], 5, 6, 1, 2, 5, 6, 3, 4) }],
    },
    {
      name: "indices of rank 2, named sizes, none at all",
      graph: (g) => ({ y: g.gather(g.input("x", [5, 3]), g.input("i", ["n", "points"], "int32")) }),
      runs: [
        [2, 3],
        [2, 0],
        [1, 7],
      ].map(([n = 0, points = 0]) => ({ x: rand([5, 3]), i: random.ints([n, points], 0, 5) })),
    },
    {
      name: "an inner axis, a scalar index, int32",
      graph: (g) => ({
        inner: g.gather(g.input("x", ["n", 4, 3]), g.input("i", [2], "int32"), 1),
        row: g.gather(g.input("table", [3, 2], "int32"), g.input("at", [], "int32")),
      }),
      runs: [1, 2].map((n) => ({
        x: rand([n, 4, 3]),
        i: ints([2], 3, 1),
        table: ints([3, 2], 1, 2, 3, 4, 5, 6),
        at: ints([], 1),
      })),
    },
  ],
};
