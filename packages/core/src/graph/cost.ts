import { elementCount } from "../tensor/tensor.ts";
import { bindDim, type DimBindings } from "./dim.ts";
import type { AnyOpNode, Graph, OpNode, Value } from "./graph.ts";
import { liveness } from "./liveness.ts";
import type { OpKind, OpTable } from "./ops.ts";
import { partition } from "./partition.ts";

/** What one run of a graph costs. */
export interface GraphCost {
  /** Floating-point operations of matrix products, convolutions and attention, a multiply-add being 2. */
  readonly flops: number;
  /** Those of everything else: a handful for each element that is touched. */
  readonly elementwiseFlops: number;
  /** Elements of the distinct checkpoint tensors that are used. */
  readonly parameters: number;
  /** Bytes of inputs and intermediate results alive at the same time, at the worst moment; each is freed after its last use. */
  readonly peakActivationBytes: number;
  /** How often each operation runs; what is computed once at compilation is not counted. */
  readonly operations: ReadonlyMap<OpKind, number>;
  /** Floating-point operations of each, which `flops` and `elementwiseFlops` sum up. */
  readonly operationFlops: ReadonlyMap<OpKind, number>;
}

/** Sizes of a node's operands and result. */
interface Sizes {
  readonly inputs: readonly (readonly number[])[];
  readonly out: readonly number[];
}

type Flops<K extends OpKind> = (sizes: Sizes, attributes: OpNode<K>["attributes"]) => number;

/** So many for each element of the result. */
const each =
  (perElement: number): Flops<OpKind> =>
  ({ out }) =>
    perElement * elementCount(out);

/** Each element of the result sums over the first operand's last axis. */
function product({ inputs: [a], out }: Sizes): number {
  return 2 * elementCount(out) * (a?.at(-1) ?? 1);
}

const taps = { "nearest-neighbor": 1, linear: 2, cubic: 4 } as const;

/** Functions such as exp count as one operation; so do comparisons. Moving data counts nothing. */
const flops: OpTable<{ readonly [K in OpKind]: Flops<K> }> = {
  add: each(1),
  sub: each(1),
  mul: each(1),
  div: each(1),
  relu: each(1),
  gelu: each(5),
  sigmoid: each(3),
  sqrt: each(1),
  sin: each(1),
  cos: each(1),
  clamp: each(2),
  equal: each(1),
  greater: each(1),
  where: each(1),
  cast: each(1),
  matmul: product,
  linear: product,
  quantizedLinear: product,
  // [b, m, h*d] x [b, n, h*d] and [b, m, n] x [b, n, h*e]; the softmax is not counted
  attention: ({ inputs: [q = [], k = []], out }) => 2 * (k[1] ?? 0) * (elementCount(q) + elementCount(out)),
  softmax: each(5),
  layerNormalization: each(8),
  conv2d: ({ inputs: [, filter = []], out }) => 2 * elementCount(out) * elementCount(filter.slice(1)),
  maxPool2d: ({ inputs: [x = []] }) => elementCount(x),
  resample2d: ({ inputs: [x = []], out }, { mode, antialias }) => {
    const reduced = Math.max(1, (x[1] ?? 1) / (out[1] ?? 1), (x[2] ?? 1) / (out[2] ?? 1));
    return 4 * taps[mode] * (antialias ? reduced : 1) * elementCount(out); // two passes of multiply-adds
  },
  reshape: each(0),
  transpose: each(0),
  concat: each(0),
  slice: each(0),
  pad: each(0),
  expand: each(0),
  gather: each(0),
};

/** Operations whose cost is a matrix product's. */
const isProduct: { readonly [K in OpKind]?: true } = {
  matmul: true,
  linear: true,
  quantizedLinear: true,
  attention: true,
  conv2d: true,
};

const bytesOf = { float32: 4, float16: 2, int32: 4, bool: 1 } as const;

/** What a run costs at the given sizes of its named dimensions. Throws a `GraphError` for a name that is not given. */
export function graphCost(graph: Graph, bindings: DimBindings = {}): GraphCost {
  const { runtime, derived } = partition(graph);
  const sizeOf = ({ dims }: Value): readonly number[] => dims.map((dim) => bindDim(dim, bindings));
  const sum = { products: 0, others: 0 };
  const operations = new Map<OpKind, number>();
  const operationFlops = new Map<OpKind, number>();
  for (const value of runtime) {
    const { node } = value.source;
    operations.set(node.kind, (operations.get(node.kind) ?? 0) + 1);
    const sizes = { inputs: (node.inputs as readonly Value[]).map(sizeOf), out: sizeOf(value) };
    const count = countFlops(node, sizes);
    sum[isProduct[node.kind] ? "products" : "others"] += count;
    operationFlops.set(node.kind, (operationFlops.get(node.kind) ?? 0) + count);
  }

  const weights = new Map<string, number>();
  const used = [...runtime, ...derived].flatMap((value): readonly Value[] => value.source.node.inputs);
  for (const { source } of [...used, ...Object.values(graph.outputs)]) {
    if (source.from === "weight") weights.set(source.key, elementCount(source.keyDims));
  }
  return {
    flops: sum.products,
    elementwiseFlops: sum.others,
    parameters: [...weights.values()].reduce((total, size) => total + size, 0),
    peakActivationBytes: peakActivationBytes(graph, bindings),
    operations,
    operationFlops,
  };
}

function countFlops(node: AnyOpNode, sizes: Sizes): number {
  const count = flops[node.kind] as Flops<OpKind>;
  return count(sizes, node.attributes);
}

/** `GraphCost.peakActivationBytes` alone. */
export function peakActivationBytes(graph: Graph, bindings: DimBindings): number {
  const { runtime } = partition(graph);
  const computed = new Set<Value>(runtime);
  const bytes = (value: Value): number => {
    if (value.source.from !== "input" && !computed.has(value)) return 0; // a weight, or made from weights
    return bytesOf[value.dtype] * elementCount(value.dims.map((dim) => bindDim(dim, bindings)));
  };
  let held = Object.values(graph.inputs).reduce((total, input) => total + bytes(input), 0);
  let peak = held;
  const freed = liveness(runtime, Object.values(graph.outputs));
  runtime.forEach((value, i) => {
    held += bytes(value);
    peak = Math.max(peak, held);
    for (const done of freed[i] ?? []) held -= bytes(done);
  });
  return peak;
}
