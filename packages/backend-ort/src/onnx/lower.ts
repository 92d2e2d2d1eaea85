import {
  type AnyOpNode,
  type Attributes,
  bindDim,
  type Dim,
  type DimBindings,
  dimNames,
  float32,
  GraphBuilder,
  type HostTensor,
  type OpKind,
  type OpNode,
  type OpTable,
  type OpValue,
  type PreparedGraph,
  type Value,
  type ValueDType,
  WEIGHT_BLOCK,
} from "@masklet/core/backend";
import { Emitter, type Scratch, type Sized } from "./emitter.ts";
import { DATA_TYPE, float, type OnnxNode, type OnnxTensor, type OnnxValueInfo } from "./schema.ts";
import type { PlacedWeights } from "./weights.ts";

/** Version of each operator set that the lowering speaks. */
export const opsets = { "": 21, "com.microsoft": 1 } as const;

const MICROSOFT = "com.microsoft";

/**
 * What the nodes are chosen for. "cpu", also as wasm, runs products with a transposed operand (`FusedMatMul`) and is
 * best served by matrices of its kernels' liking; "gpu" gets what all of the GPU providers have.
 */
export type Target = "cpu" | "gpu";

/** One attention, as far as it is known before it runs. */
export interface AttentionSite {
  /** Channels of a head's queries and keys. */
  readonly headWidth: number;
  /** Scores of one head of one batch, with `SIZE_TO_EXPECT` for sizes that have a name. */
  readonly scores: number;
  /** Of all scores. */
  readonly bytes: number;
}

export interface AttentionOptions {
  /** Whether the runtime's own kernel computes it; else it is products and a softmax. By default it always does. */
  readonly fuses?: (site: AttentionSite) => boolean;
  /** Most bytes of scores at a time, where it is products. */
  readonly scoreBytes?: number;
}

/** What a named size is taken for where only its magnitude counts: objects, prompts and memories come by the eight. */
const SIZE_TO_EXPECT = 8;

/** Scores of fewer keys gain nothing by being made of bytes. */
const KEYS_TO_ROUND = 1024;

/** e^-60 is far below what float32 adds to 1, also when a million of them are summed. */
const LOG_OF_NEGLIGIBLE = 60;

/** Queries of which the CPU's attention kernel makes one block, as far as is known. */
const QUERIES_OF_A_BLOCK = 256;

/** Queries whose scores are made of bytes at a time: fewer rearrange the keys too often, more take memory. */
const QUERIES_TO_ROUND = 256;

export interface LowerOptions {
  readonly target: Target;
  readonly attention?: AttentionOptions;
  /** The initializers' names in the model. */
  readonly initializerNames: ReadonlyMap<Value, string>;
  /** Those of weights that are rounded. */
  readonly rounded?: PlacedWeights["rounded"];
  /** Whether products of unsigned and signed bytes are right, and faster than others. Default false. */
  readonly multipliesBytes?: boolean;
  /** Sizes of named dimensions that are fixed. */
  readonly staticDims?: DimBindings;
}

/** A graph in ONNX, without its weights. */
export interface LoweredGraph {
  readonly nodes: readonly OnnxNode[];
  /** Shapes, scalars and masks that the lowering itself needed. */
  readonly constants: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** Tensors between the nodes of one operation, where they may be large. */
  readonly scratch: readonly Scratch[];
  /** The tensor of each of the graph's outputs; two may share one. */
  readonly outputNames: Readonly<Record<string, string>>;
}

/** Translates a prepared graph's operations. */
export function lowerGraph(
  graph: PreparedGraph,
  {
    target,
    attention = {},
    initializerNames,
    rounded = new Map(),
    multipliesBytes = false,
    staticDims = {},
  }: LowerOptions,
): LoweredGraph {
  const names = new Map(initializerNames);
  for (const [name, value] of Object.entries(graph.inputs)) names.set(value, name);
  const emitter = new Emitter({ graphName: graph.name, inputs: graph.inputs, names, staticDims });
  const constants = new Set(initializerNames.keys());
  for (const value of graph.values) {
    const { node } = value.source;
    const isConstant =
      node.inputs.every((input) => constants.has(input)) && value.dims.every((dim) => typeof dim === "number");
    if (isConstant) constants.add(value);
    emitter.begin(node.scope, `${node.kind}#${value.id}`);
    emitter.define(value, lowerNode({ emitter, target, attention, value, isConstant, rounded, multipliesBytes }, node));
  }
  const computed = new Set<Value>(graph.values);
  const outputs = new Map<string, OnnxValueInfo>();
  const outputNames: Record<string, string> = {};
  for (const [name, value] of Object.entries(graph.outputs)) {
    emitter.begin("", `output ${name}`);
    // The format has no way to say that an input or a weight is an output.
    const tensor = computed.has(value) ? emitter.name(value) : emitter.emit("Identity", [emitter.name(value)]);
    outputNames[name] = tensor;
    outputs.set(tensor, valueInfo(emitter, tensor, value));
  }
  return {
    nodes: emitter.nodes,
    constants: emitter.constants,
    scratch: emitter.scratch,
    inputs: Object.entries(graph.inputs).map(([name, value]) => valueInfo(emitter, name, value)),
    outputs: [...outputs.values()],
    outputNames,
  };
}

/** An optional dimension is named for each tensor apart: one name for two would promise that they are equal. */
function valueInfo(emitter: Emitter, name: string, { dtype, dims }: Value): OnnxValueInfo {
  const own = emitter.dims(dims).map((dim, axis) => {
    return typeof dim === "string" && dim.includes("?") ? `${name}.${axis}` : dim;
  });
  return { name, dtype, dims: own };
}

/** Where a node is lowered. */
interface Context {
  readonly emitter: Emitter;
  readonly target: Target;
  readonly attention: AttentionOptions;
  readonly rounded: PlacedWeights["rounded"];
  readonly multipliesBytes: boolean;
  /** The node's result. */
  readonly value: OpValue;
  /** Whether it depends on no input. The runtime computes that once if it is made of ONNX's operators, not of its own. */
  readonly isConstant: boolean;
}

type LowerTable = OpTable<{ readonly [K in OpKind]: (context: Context, node: OpNode<K>) => string }>;

function lowerNode(context: Context, node: AnyOpNode): string {
  const lower = lowerings[node.kind] as (context: Context, node: AnyOpNode) => string;
  return lower(context, node);
}

/** An operation that ONNX has as it is. */
function plain(op: string): (context: Context, node: { readonly inputs: readonly Value[] }) => string {
  return ({ emitter }, { inputs }) =>
    emitter.emit(
      op,
      inputs.map((input) => emitter.name(input)),
    );
}

const lowerings: LowerTable = {
  add: plain("Add"),
  sub: plain("Sub"),
  mul: plain("Mul"),
  div: plain("Div"),
  relu: plain("Relu"),
  gelu: ({ emitter }, { inputs: [x] }) => emitter.emit("Gelu", [emitter.name(x)], {}, MICROSOFT),
  sigmoid: plain("Sigmoid"),
  sqrt: plain("Sqrt"),
  sin: ({ emitter, target }, { inputs: [x] }) =>
    exactEnough(target, x) ? emitter.emit("Sin", [emitter.name(x)]) : sine(emitter, emitter.name(x), 0),
  cos: ({ emitter, target }, { inputs: [x] }) =>
    exactEnough(target, x) ? emitter.emit("Cos", [emitter.name(x)]) : sine(emitter, emitter.name(x), 0.5),
  clamp: ({ emitter }, { inputs: [x], attributes: { minValue, maxValue } }) =>
    emitter.emit("Clip", [emitter.name(x), emitter.scalar(minValue, x.dtype), emitter.scalar(maxValue, x.dtype)]),
  equal: plain("Equal"),
  greater: plain("Greater"),
  where: plain("Where"),
  cast: ({ emitter }, { inputs: [x], attributes: { dtype } }) =>
    emitter.emit("Cast", [emitter.name(x)], { to: DATA_TYPE[dtype satisfies ValueDType] }),
  matmul: ({ emitter, target, isConstant }, { inputs: [a, b], attributes: { transposeB } }) => {
    if (!transposeB) return emitter.emit("MatMul", [emitter.name(a), emitter.name(b)]);
    if (target === "cpu" && !isConstant) return fusedMatMul(emitter, emitter.name(a), emitter.name(b));
    const axes = b.dims.map((_, axis) => axis);
    const perm = [...axes.slice(0, -2), b.dims.length - 1, b.dims.length - 2];
    return emitter.emit("MatMul", [emitter.name(a), emitter.emit("Transpose", [emitter.name(b)], { perm })]);
  },
  linear: ({ emitter, target, value, isConstant }, { inputs: [x, weight, bias] }) => {
    if (target === "cpu" && !isConstant) {
      // Faster than Gemm, which fills in the bias on one thread; the matrix is packed as it lies.
      const product = fusedMatMul(emitter, emitter.name(x), emitter.name(weight));
      return bias === undefined ? product : emitter.emit("Add", [product, emitter.name(bias)]);
    }
    const inner = weight.dims[1] ?? 1;
    const rows = emitter.reshape(emitter.sized(x), [-1, inner]);
    const operands = [rows.name, emitter.name(weight), ...(bias === undefined ? [] : [emitter.name(bias)])];
    const product = emitter.emit("Gemm", operands, { transB: 1 });
    const result = { name: product, dims: [rows.dims[0] ?? 1, weight.dims[0] ?? 1] };
    return emitter.reshape(result, value.dims, [emitter.sized(x)]).name;
  },
  quantizedLinear: lowerQuantizedLinear,
  attention: lowerAttention,
  softmax: ({ emitter }, { inputs: [x] }) => emitter.emit("Softmax", [emitter.name(x)], { axis: -1 }),
  layerNormalization: ({ emitter }, { inputs, attributes: { epsilon } }) =>
    emitter.emit(
      "LayerNormalization",
      inputs.map((input) => emitter.name(input)),
      { axis: -1, epsilon: float(epsilon) },
    ),
  conv2d: ({ emitter }, { inputs: [x, ...weights], attributes: { strides, padding, groups } }) => {
    const [top, bottom, left, right] = padding;
    const channelsFirst = emitter.emit("Transpose", [emitter.name(x)], { perm: [0, 3, 1, 2] });
    const operands = [channelsFirst, ...weights.map((weight) => emitter.name(weight))];
    const product = emitter.emit("Conv", operands, { strides, pads: [top, left, bottom, right], group: groups });
    return emitter.emit("Transpose", [product], { perm: [0, 2, 3, 1] });
  },
  maxPool2d: ({ emitter, value }, { inputs: [x], attributes: { windowDimensions } }) => {
    // Rows of pixels, then pixels of a row: each the middle axis of three, where ReduceMax is fastest.
    const [, , width, channels] = x.dims as readonly [Dim, number, number, number];
    const rows = emitter.reshape(emitter.sized(x), [-1, windowDimensions[0], width * channels]);
    const halved = emitter.emit("ReduceMax", [rows.name, emitter.ints(1)], { keepdims: 0 });
    const pixels = emitter.reshape({ name: halved, dims: [-1, width * channels] }, [-1, windowDimensions[1], channels]);
    const pooled = emitter.emit("ReduceMax", [pixels.name, emitter.ints(1)], { keepdims: 0 });
    return emitter.reshape({ name: pooled, dims: [-1, channels] }, value.dims, [emitter.sized(x)]).name;
  },
  resample2d: lowerResample2d,
  reshape: ({ emitter, value }, { inputs: [x] }) => emitter.reshape(emitter.sized(x), value.dims).name,
  transpose: ({ emitter }, { inputs: [x], attributes: { permutation } }) =>
    emitter.emit("Transpose", [emitter.name(x)], { perm: permutation }),
  concat: ({ emitter }, { inputs, attributes: { axis } }) =>
    emitter.emit(
      "Concat",
      inputs.map((input) => emitter.name(input)),
      { axis },
    ),
  slice: ({ emitter }, { inputs: [x], attributes: { starts, sizes } }) => {
    const cut = starts.flatMap((start, axis) => {
      const size = sizes[axis];
      return size === x.dims[axis] || typeof size !== "number" ? [] : [{ axis, start, end: start + size }];
    });
    return emitter.emit("Slice", [
      emitter.name(x),
      emitter.ints(...cut.map(({ start }) => start)),
      emitter.ints(...cut.map(({ end }) => end)),
      emitter.ints(...cut.map(({ axis }) => axis)),
    ]);
  },
  pad: ({ emitter }, { inputs: [x], attributes: { beginningPadding, endingPadding } }) =>
    emitter.emit("Pad", [emitter.name(x), emitter.ints(...beginningPadding, ...endingPadding)]),
  expand: ({ emitter, value }, { inputs: [x] }) => {
    const from = emitter.sized(x);
    const dims = emitter.dims(value.dims);
    // Where the size stays, 1 broadcasts to it.
    const shape = dims.map((dim, i) => (dim === from.dims[from.dims.length - dims.length + i] ? 1 : dim));
    return emitter.emit("Expand", [from.name, emitter.shape(shape, [])]);
  },
  gather: ({ emitter }, { inputs: [x, indices], attributes: { axis } }) =>
    emitter.emit("Gather", [emitter.name(x), emitter.name(indices)], { axis }),
};

/** a b^T * alpha, batches broadcast. */
function fusedMatMul(emitter: Emitter, a: string, b: string, alpha = 1): string {
  return emitter.emit("FusedMatMul", [a, b], { transB: 1, alpha: float(alpha) }, MICROSOFT);
}

function lowerQuantizedLinear(
  { emitter, target, rounded }: Context,
  { inputs: [x, weight, bias], attributes: { bits } }: OpNode<"quantizedLinear">,
): string {
  const names = rounded.get(weight)?.get(bits);
  if (names === undefined) throw emitter.failure("unsupported", "a weight that depends on inputs cannot be rounded");
  const { values, scales, zeroPoints = "" } = names;
  const end = bias === undefined ? [] : [emitter.name(bias)];
  if (target === "cpu" && bits === 8) {
    return emitter.emit("DynamicQuantizeMatMul", [emitter.name(x), values, scales, zeroPoints, ...end], {}, MICROSOFT);
  }
  const [out, inner] = weight.dims as readonly [number, number];
  return emitter.emit(
    "MatMulNBits",
    [emitter.name(x), values, scales, ...(bias === undefined ? [] : ["", "", ...end])],
    // Of the CPU's ways to compute it, the one that leaves x as it is.
    { K: inner, N: out, bits, block_size: WEIGHT_BLOCK, accuracy_level: 1 },
    MICROSOFT,
  );
}

/** Whether the runtime's own sines do: shaders need be no more exact than 2^-11, which is float16's own step. */
function exactEnough(target: Target, x: Value): boolean {
  return target === "cpu" || x.dtype === "float16";
}

/**
 * sin(x + shift pi) for a shift of 0 or 1/2, in float32. With k the nearest number
 * to x / pi that makes x + shift pi a multiple of pi, and r the rest, it is (-1)^k sin(r): pi is subtracted in parts that
 * are exact in float32, and sin(r) is its series up to r^11 / 11!, good to 6e-8 on half a turn.
 */
function sine(emitter: Emitter, x: string, shift: 0 | 0.5): string {
  const emit = (op: string, a: string, b: string | number): string =>
    emitter.emit(op, [a, typeof b === "number" ? emitter.scalar(b) : b]);
  const floor = (a: string): string => emitter.emit("Floor", [a]);
  const turns = floor(emit("Add", emit("Mul", x, 1 / Math.PI), shift + 0.5)); // even or odd: the sign
  const halves = emit("Sub", turns, shift);
  const parts = [3.140625, 0.0009670257568359375, Math.PI - 3.140625 - 0.0009670257568359375];
  const r = parts.reduce((rest, part) => emit("Sub", rest, emit("Mul", halves, part)), x);
  const square = emit("Mul", r, r);
  const series = [1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1].reduce(
    (sum, coefficient) => emit("Add", emit("Mul", sum, square), coefficient),
    emitter.scalar(-1 / 39916800),
  );
  const pairs = emit("Mul", floor(emit("Mul", turns, 0.5)), 2);
  const sign = emit("Add", emit("Mul", emit("Sub", turns, pairs), -2), 1);
  return emit("Mul", emit("Mul", r, series), sign);
}

function lowerAttention(context: Context, { inputs, attributes }: OpNode<"attention">): string {
  const { emitter, target, attention, multipliesBytes } = context;
  const [q, k, v] = inputs.map((input) => emitter.sized(input)) as [Sized, Sized, Sized];
  const [batch, rows, width] = q.dims as readonly [Dim, Dim, number];
  const [, keys] = k.dims as readonly [Dim, Dim, number];
  const scores = sizeToExpect(rows) * sizeToExpect(keys);
  const bytes = 4 * attributes.heads * sizeToExpect(batch) * scores;
  const { fuses = () => true, scoreBytes = Number.POSITIVE_INFINITY } = attention;
  const rounds = attributes.scoreBits === 8 && multipliesBytes && sizeToExpect(keys) >= KEYS_TO_ROUND;
  // The CPU's kernel shares out blocks of queries of one head: of few there is nothing to share.
  const isOneBlock =
    !rounds &&
    target === "cpu" &&
    inputs[0].dtype === "float32" &&
    attributes.heads === 1 &&
    sizeToExpect(rows) <= QUERIES_OF_A_BLOCK;
  if (!rounds && !isOneBlock && fuses({ headWidth: width / attributes.heads, scores, bytes })) {
    return withKeysOf(context, q, k, (queries) => fusedAttention(context, [queries, k, v], attributes)).name;
  }
  const attend = composedAttention(context, [q, k, v], attributes, rounds ? "bytes" : inputs[0].dtype, isOneBlock);
  const most = rounds ? QUERIES_TO_ROUND : Number.POSITIVE_INFINITY;
  const size =
    typeof rows === "number" ? Math.max(1, Math.min(most, Math.ceil(rows / Math.ceil(bytes / scoreBytes)))) : 0;
  emitter.noteScratch([batch, attributes.heads, typeof rows === "number" ? size : rows, keys]);
  if (typeof rows !== "number" || size >= rows) return withKeysOf(context, q, k, attend).name;
  const blocks = Array.from({ length: Math.ceil(rows / size) }, (_, i): string => {
    const [start, end] = [i * size, Math.min(rows, (i + 1) * size)];
    const part = emitter.emit("Slice", [q.name, emitter.ints(start), emitter.ints(end), emitter.ints(1)]);
    return withKeysOf(context, { name: part, dims: [batch, end - start, width] }, k, attend).name;
  });
  return emitter.emit("Concat", blocks, { axis: 1 });
}

function sizeToExpect(dim: Dim): number {
  return bindDim(dim, Object.fromEntries(dimNames(dim).map((name) => [name, SIZE_TO_EXPECT])));
}

/** Attends from `q` [b, m, ..] to keys of as many batches or fewer: queries that share theirs become rows of one batch. */
function withKeysOf({ emitter, value }: Context, q: Sized, k: Sized, attend: (queries: Sized) => Sized): Sized {
  const [batch = 1, rows = 1, width = 1] = q.dims;
  const [keyBatch = 1] = k.dims;
  if (batch === keyBatch) return attend(q);
  const attended = attend(emitter.reshape(q, [keyBatch, -1, width], [{ name: k.name, dims: [keyBatch] }]));
  return emitter.reshape(attended, [batch, rows, value.dims[2] ?? 1], [q]);
}

/** As many batches of queries as of keys, in one node. */
function fusedAttention(
  { emitter, target }: Context,
  [q, k, v]: readonly [Sized, Sized, Sized],
  { heads, scale }: Attributes<"attention">,
): Sized {
  const [keyWidth, valueWidth] = [k.dims[2], v.dims[2]] as readonly [number, number];
  // WebGPU's flash attention takes heads of one width alone; without it, all scores are held at once.
  const extra = target === "gpu" && heads === 1 ? Math.max(0, keyWidth - valueWidth) : 0;
  const values = extra === 0 ? v.name : emitter.emit("Pad", [v.name, emitter.ints(0, 0, 0, 0, 0, extra)]);
  const operands = [q.name, k.name, values];
  const attended = emitter.emit("MultiHeadAttention", operands, { num_heads: heads, scale: float(scale) }, MICROSOFT);
  const cut = [emitter.ints(0), emitter.ints(valueWidth), emitter.ints(2)];
  const name = extra === 0 ? attended : emitter.emit("Slice", [attended, ...cut]);
  return { name, dims: [...q.dims.slice(0, 2), valueWidth] };
}

const TO_HEADS = [0, 2, 1, 3];

/** The same as products and a softmax, the scores' product in `dtype`. What blocks of queries share is emitted once. */
function composedAttention(
  { emitter, target }: Context,
  [, k, v]: readonly [Sized, Sized, Sized],
  { heads, scale }: Attributes<"attention">,
  dtype: ValueDType | "bytes",
  floors = false,
): (queries: Sized) => Sized {
  const scoresOf =
    dtype === "bytes"
      ? byteScores(emitter, k, heads, scale)
      : target === "cpu"
        ? floatScores(emitter, k, heads, scale)
        : gpuScores(emitter, k, heads, emitter.scalar(scale, dtype));
  const values = splitHeads(emitter, v, heads, TO_HEADS);
  return (queries) => {
    const [batch = 1, rows = 1] = queries.dims;
    const all = scoresOf(splitHeads(emitter, queries, heads, TO_HEADS));
    const scores = floors ? floored(emitter, all) : all;
    const attended = emitter.emit("MatMul", [emitter.emit("Softmax", [scores], { axis: -1 }), values]);
    const width = v.dims[2] as number;
    if (heads === 1) return { name: attended, dims: [batch, rows, width] };
    const apart = emitter.emit("Transpose", [attended], { perm: TO_HEADS });
    return emitter.reshape({ name: apart, dims: [batch, rows, heads, width / heads] }, [batch, rows, width]);
  };
}

/** [b, l, heads*d] -> [b, l, heads, d], permuted; one head is left as it is. */
function splitHeads(emitter: Emitter, x: Sized, heads: number, perm: readonly number[]): string {
  if (heads === 1) return x.name;
  const [batch = 1, length = 1, width] = x.dims as readonly [Dim, Dim, number];
  const apart = emitter.reshape(x, [batch, length, heads, width / heads]);
  return emitter.emit("Transpose", [apart.name], { perm });
}

/** [b, l, heads*d] -> [b, heads, d, l], or [b, d, l] of one head. */
function columns(emitter: Emitter, x: Sized, heads: number): string {
  return heads === 1
    ? emitter.emit("Transpose", [x.name], { perm: [0, 2, 1] })
    : splitHeads(emitter, x, heads, [0, 2, 3, 1]);
}

/**
 * Scores no further below their row's largest than makes a difference: from 87 on their exponentials are subnormal
 * numbers, and a processor takes a hundred cycles for each product with one.
 */
function floored(emitter: Emitter, scores: string): string {
  const largest = emitter.emit("ReduceMax", [scores, emitter.ints(-1)]);
  const least = emitter.emit("Sub", [largest, emitter.scalar(LOG_OF_NEGLIGIBLE)]);
  return emitter.emit("Max", [scores, least]);
}

type Scores = (queries: string) => string;

function floatScores(emitter: Emitter, k: Sized, heads: number, scale: number): Scores {
  const keys = splitHeads(emitter, k, heads, TO_HEADS);
  return (queries) => fusedMatMul(emitter, queries, keys, scale);
}

function gpuScores(emitter: Emitter, k: Sized, heads: number, scale: string): Scores {
  const keys = columns(emitter, k, heads);
  return (queries) => emitter.emit("MatMul", [emitter.emit("Mul", [queries, scale]), keys]);
}

/** Keys are rounded to signed bytes by the largest of them, queries to unsigned ones as `quantizedLinear`'s x is. */
function byteScores(emitter: Emitter, k: Sized, heads: number, scale: number): Scores {
  const most = emitter.emit("ReduceMax", [k.name], { keepdims: 0 });
  const least = emitter.emit("ReduceMin", [k.name], { keepdims: 0 });
  const largest = emitter.emit("Max", [most, emitter.emit("Neg", [least])]);
  const step = emitter.emit("Mul", [largest, emitter.scalar(1 / 127)]);
  const bytes = emitter.emit("QuantizeLinear", [k.name, step], { output_dtype: DATA_TYPE.int8 });
  const keys = columns(emitter, { name: bytes, dims: k.dims }, heads);
  return (queries) => {
    const rounded = emitter.emitRounding(queries);
    const scaled = emitter.emit("Mul", [rounded.scale, emitter.scalar(scale)]);
    const operands = [rounded.values, keys, scaled, step, rounded.zeroPoint];
    return emitter.emit("MatMulIntegerToFloat", operands, {}, MICROSOFT);
  };
}

function lowerResample2d(
  { emitter, target, value }: Context,
  { inputs: [image], attributes }: OpNode<"resample2d">,
): string {
  const x = emitter.sized(image);
  const [, height, width, channels] = image.dims as readonly [Dim, number, number, number];
  const { sizes, mode, antialias } = attributes;
  if (mode === "cubic" || antialias) {
    // Not every provider has these, and the CPU's are wrong on channels-last images, so: two products with constants.
    const down = emitter.constant(resamplingMatrix(height, sizes[0], attributes), image.dtype);
    const across = emitter.constant(resamplingMatrix(width, sizes[1], attributes), image.dtype);
    const rows = emitter.reshape(x, [image.dims[0] ?? 1, height, width * channels]);
    const resized = emitter.emit("MatMul", [down, rows.name]);
    const lines = emitter.reshape({ name: resized, dims: [-1, sizes[0], width * channels] }, [-1, width, channels]);
    const result = { name: emitter.emit("MatMul", [across, lines.name]), dims: [-1, sizes[1], channels] };
    return emitter.reshape(result, value.dims, [x]).name;
  }
  const resize = (name: string, scales: string): string =>
    emitter.emit("Resize", [name, "", scales], {
      mode: mode === "nearest-neighbor" ? "nearest" : mode,
      nearest_mode: "round_prefer_ceil",
      coordinate_transformation_mode: "half_pixel",
    });
  const scales = [exactScale(height, sizes[0]), exactScale(width, sizes[1])];
  if (target === "cpu" || mode !== "linear") return resize(x.name, emitter.floats(1, ...scales, 1));
  // WebGPU's kernel interpolates along the last two axes, whatever the scales say.
  const channelsFirst = emitter.emit("Transpose", [x.name], { perm: [0, 3, 1, 2] });
  return emitter.emit("Transpose", [resize(channelsFirst, emitter.floats(1, 1, ...scales))], { perm: [0, 2, 3, 1] });
}

/** [to, from]: what resampling does to a column of pixels, by its definition applied to the identity. */
function resamplingMatrix(
  from: number,
  to: number,
  { mode, antialias }: Attributes<"resample2d">,
): HostTensor<"float32"> {
  const identity = Float32Array.from({ length: from * from }, (_, i) => (i % (from + 1) === 0 ? 1 : 0));
  const g = new GraphBuilder("resampling");
  const columns = g.constant(float32([1, from, 1, from], identity));
  const { source } = g.resample2d(columns, { sizes: [to, 1], mode, antialias });
  if (source.from !== "constant") throw new Error("constants are computed when the graph is built");
  return float32([to, from], source.tensor.data as Float32Array);
}

/** The least float32 that takes a size to another by the runtime's rule, which multiplies and rounds down. */
function exactScale(from: number, to: number): number {
  const scale = Math.fround(to / from);
  return from * scale >= to ? scale : Math.fround(scale * (1 + 2 ** -23));
}
