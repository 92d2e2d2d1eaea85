import {
  type AnyOpNode,
  type Attributes,
  type Dim,
  type DimBindings,
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
} from "@masklet/core";
import { Emitter, type Sized } from "./emitter.ts";
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

export interface LowerOptions {
  readonly target: Target;
  /** The initializers' names in the model. */
  readonly initializerNames: ReadonlyMap<Value, string>;
  /** Those of weights that are rounded. */
  readonly rounded?: PlacedWeights["rounded"];
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
  /** The tensor of each of the graph's outputs; two may share one. */
  readonly outputNames: Readonly<Record<string, string>>;
}

/** Translates a prepared graph's operations. */
export function lowerGraph(
  graph: PreparedGraph,
  { target, initializerNames, rounded = new Map(), staticDims = {} }: LowerOptions,
): LoweredGraph {
  const names = new Map(initializerNames);
  for (const [name, value] of Object.entries(graph.inputs)) names.set(value, name);
  const emitter = new Emitter({ graphName: graph.name, inputs: graph.inputs, names, staticDims });
  for (const value of graph.values) {
    const { node } = value.source;
    emitter.begin(node.scope, `${node.kind}#${value.id}`);
    emitter.define(value, lowerNode({ emitter, target, value, rounded }, node));
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
  readonly rounded: PlacedWeights["rounded"];
  /** The node's result. */
  readonly value: OpValue;
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
  sin: plain("Sin"),
  cos: plain("Cos"),
  clamp: ({ emitter }, { inputs: [x], attributes: { minValue, maxValue } }) =>
    emitter.emit("Clip", [emitter.name(x), emitter.scalar(minValue), emitter.scalar(maxValue)]),
  equal: plain("Equal"),
  greater: plain("Greater"),
  where: plain("Where"),
  cast: ({ emitter }, { inputs: [x], attributes: { dtype } }) =>
    emitter.emit("Cast", [emitter.name(x)], { to: DATA_TYPE[dtype satisfies ValueDType] }),
  matmul: ({ emitter, target }, { inputs: [a, b], attributes: { transposeB } }) => {
    if (!transposeB) return emitter.emit("MatMul", [emitter.name(a), emitter.name(b)]);
    if (target === "cpu") return fusedMatMul(emitter, emitter.name(a), emitter.name(b));
    const axes = b.dims.map((_, axis) => axis);
    const perm = [...axes.slice(0, -2), b.dims.length - 1, b.dims.length - 2];
    return emitter.emit("MatMul", [emitter.name(a), emitter.emit("Transpose", [emitter.name(b)], { perm })]);
  },
  linear: ({ emitter, target, value }, { inputs: [x, weight, bias] }) => {
    if (target === "cpu") {
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

function lowerAttention({ emitter, value }: Context, { inputs, attributes }: OpNode<"attention">): string {
  const [q, k, v] = inputs.map((input) => emitter.sized(input)) as [Sized, Sized, Sized];
  const { heads, scale } = attributes;
  // As many batches as there are of keys: queries that share theirs become rows of one batch.
  const shared = q.dims[0] !== k.dims[0];
  const batch = { name: k.name, dims: [k.dims[0] ?? 1] };
  const rows = shared ? emitter.reshape(q, [k.dims[0] ?? 1, -1, q.dims[2] ?? 1], [batch]) : q;
  const attended = emitter.emit(
    "MultiHeadAttention",
    [rows.name, k.name, v.name],
    { num_heads: heads, scale: float(scale) },
    MICROSOFT,
  );
  if (!shared) return attended;
  return emitter.reshape({ name: attended, dims: [k.dims[0] ?? 1, -1, v.dims[2] ?? 1] }, value.dims, [q]).name;
}

function lowerResample2d({ emitter, value }: Context, { inputs: [image], attributes }: OpNode<"resample2d">): string {
  const x = emitter.sized(image);
  const [, height, width, channels] = image.dims as readonly [Dim, number, number, number];
  const { sizes, mode, antialias } = attributes;
  if (mode === "cubic" || antialias) {
    // Not every provider has these, and the CPU's are wrong on channels-last images, so: two products with constants.
    const down = emitter.constant(resamplingMatrix(height, sizes[0], attributes));
    const across = emitter.constant(resamplingMatrix(width, sizes[1], attributes));
    const rows = emitter.reshape(x, [image.dims[0] ?? 1, height, width * channels]);
    const resized = emitter.emit("MatMul", [down, rows.name]);
    const lines = emitter.reshape({ name: resized, dims: [-1, sizes[0], width * channels] }, [-1, width, channels]);
    const result = { name: emitter.emit("MatMul", [across, lines.name]), dims: [-1, sizes[1], channels] };
    return emitter.reshape(result, value.dims, [x]).name;
  }
  const scales = emitter.floats(1, exactScale(height, sizes[0]), exactScale(width, sizes[1]), 1);
  return emitter.emit("Resize", [x.name, "", scales], {
    mode: mode === "nearest-neighbor" ? "nearest" : mode,
    nearest_mode: "round_prefer_ceil",
    coordinate_transformation_mode: "half_pixel",
  });
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
