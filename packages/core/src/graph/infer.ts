import { GraphError } from "../errors.ts";
import {
  addDims,
  broadcastDims,
  canonicalDim,
  type Dim,
  divDims,
  formatDims,
  isOptional,
  leastDim,
  sizeOf,
} from "./dim.ts";
import type { AnyOpNode, OpNode, Value, ValueType } from "./graph.ts";
import type { OpKind, OpTable, ValueDType } from "./ops.ts";

type InferTable = OpTable<{ readonly [K in OpKind]: (node: OpNode<K>) => ValueType }>;

/** What is wrong with a node, said where it was written: `sam_mask_decoder.transformer: matmul ...`. */
function mistake(node: { readonly scope: string; readonly kind: OpKind }, problem: string): GraphError {
  const where = node.scope === "" ? "" : `${node.scope}: `;
  return new GraphError("shape-mismatch", `${where}${node.kind} ${problem}`, {
    details: { scope: node.scope, op: node.kind },
  });
}

const shape = (value: ValueType): string => formatDims(value.dims);
const last = (value: ValueType): Dim => value.dims.at(-1) ?? 1;

function requireDtype(node: AnyOpNode, value: Value, ...dtypes: readonly ValueDType[]): void {
  if (!dtypes.includes(value.dtype)) {
    throw mistake(node, `takes ${dtypes.join(" or ")}, got ${value.dtype}${shape(value)}`);
  }
}

/** All float32, or all float16. */
function requireFloat(node: AnyOpNode, value: Value, ...others: readonly Value[]): ValueDType {
  requireDtype(node, value, "float32", "float16");
  for (const other of others) requireDtype(node, other, value.dtype);
  return value.dtype;
}

function requireRank(node: AnyOpNode, value: Value, rank: number): void {
  if (value.dims.length !== rank) throw mistake(node, `takes rank ${rank}, got ${shape(value)}`);
}

function requireShape(node: AnyOpNode, what: string, value: Value, expected: readonly Dim[]): void {
  if (shape(value) !== formatDims(expected)) {
    throw mistake(node, `${what} must be ${formatDims(expected)}, got ${shape(value)}`);
  }
}

function requireNumbers(node: AnyOpNode, what: string, dims: readonly Dim[]): readonly number[] {
  return dims.map((dim) => {
    if (typeof dim !== "number") throw mistake(node, `${what} must be numbers, got ${formatDims(dims)}`);
    return dim;
  });
}

function requireAxis(node: AnyOpNode, axis: number, rank: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank) throw mistake(node, `axis ${axis} is outside rank ${rank}`);
}

function broadcast(node: AnyOpNode, a: Value, b: Value): readonly Dim[] {
  const dims = broadcastDims(a.dims, b.dims);
  if (dims === undefined) throw mistake(node, `shapes do not broadcast, ${shape(a)} and ${shape(b)}`);
  return dims;
}

function unary(node: OpNode<"relu" | "gelu" | "sigmoid" | "sqrt" | "sin" | "cos" | "clamp" | "softmax">): ValueType {
  const [x] = node.inputs;
  return { dtype: requireFloat(node as AnyOpNode, x), dims: x.dims };
}

function arithmetic(node: OpNode<"add" | "sub" | "mul" | "div">): ValueType {
  const [a, b] = node.inputs;
  requireDtype(node as AnyOpNode, a, "float32", "float16", "int32");
  requireDtype(node as AnyOpNode, b, a.dtype);
  return { dtype: a.dtype, dims: broadcast(node as AnyOpNode, a, b) };
}

function comparison(node: OpNode<"equal" | "greater">): ValueType {
  const [a, b] = node.inputs;
  requireDtype(node as AnyOpNode, a, "float32", "float16", "int32");
  requireDtype(node as AnyOpNode, b, a.dtype);
  return { dtype: "bool", dims: broadcast(node as AnyOpNode, a, b) };
}

function linear(node: OpNode<"linear" | "quantizedLinear">): ValueType {
  const [x, weight, bias] = node.inputs;
  const any = node as AnyOpNode;
  const dtype = requireFloat(any, x, weight, ...(bias === undefined ? [] : [bias]));
  requireRank(any, weight, 2);
  const [out, inner] = weight.dims as readonly [Dim, Dim];
  if (x.dims.length < 1 || last(x) !== inner) {
    throw mistake(node, `inner dimensions differ, x ${shape(x)}, weight ${shape(weight)}`);
  }
  if (bias !== undefined) requireShape(any, "bias", bias, [out]);
  return { dtype, dims: [...x.dims.slice(0, -1), out] };
}

/** Output size of a windowed operation along one axis; 0 or less where the window does not fit. */
const windows = (size: number, window: number, stride: number, padding: number): number =>
  Math.floor((size + padding - window) / stride) + 1;

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;

/** Each operation's result type; throws a `GraphError` that says where and what does not fit. */
export const infer: InferTable = {
  add: arithmetic,
  sub: arithmetic,
  mul: arithmetic,
  div: arithmetic,
  relu: unary,
  gelu: unary,
  sigmoid: unary,
  sqrt: unary,
  sin: unary,
  cos: unary,
  clamp(node) {
    const { minValue, maxValue } = node.attributes;
    if (!(minValue <= maxValue)) throw mistake(node, `minValue ${minValue} is not below maxValue ${maxValue}`);
    return unary(node);
  },
  equal: comparison,
  greater: comparison,
  where(node) {
    const [condition, a, b] = node.inputs;
    requireDtype(node, condition, "bool");
    requireDtype(node, b, a.dtype);
    const dims = broadcastDims(condition.dims, broadcast(node, a, b));
    if (dims === undefined) {
      throw mistake(node, `shapes do not broadcast, ${shape(condition)}, ${shape(a)} and ${shape(b)}`);
    }
    return { dtype: a.dtype, dims };
  },
  cast: ({ inputs: [x], attributes: { dtype } }) => ({ dtype, dims: x.dims }),
  matmul(node) {
    const {
      inputs: [a, b],
      attributes: { transposeB },
    } = node;
    const dtype = requireFloat(node, a, b);
    if (a.dims.length < 2 || b.dims.length < 2)
      throw mistake(node, `takes rank 2 or more, ${shape(a)} and ${shape(b)}`);
    const [inner, columns] = transposeB ? [last(b), b.dims.at(-2)] : [b.dims.at(-2), last(b)];
    if (last(a) !== inner) throw mistake(node, `inner dimensions differ, lhs ${shape(a)}, rhs ${shape(b)}`);
    const batch = broadcastDims(a.dims.slice(0, -2), b.dims.slice(0, -2));
    if (batch === undefined) throw mistake(node, `batches do not broadcast, lhs ${shape(a)}, rhs ${shape(b)}`);
    return { dtype, dims: [...batch, a.dims.at(-2) ?? 1, columns ?? 1] };
  },
  linear,
  quantizedLinear: linear,
  attention(node) {
    const {
      inputs: [q, k, v],
      attributes: { heads },
    } = node;
    const dtype = requireFloat(node, q, k, v);
    for (const value of [q, k, v]) {
      requireRank(node, value, 3);
      if (divDims(last(value), heads) === undefined) {
        throw mistake(node, `width of ${shape(value)} does not divide into ${heads} heads`);
      }
    }
    const [batch, rows, width] = q.dims as readonly [Dim, Dim, Dim];
    if (width !== last(k)) throw mistake(node, `widths of query and key differ, ${shape(q)} and ${shape(k)}`);
    if (formatDims(k.dims.slice(0, 2)) !== formatDims(v.dims.slice(0, 2))) {
      throw mistake(node, `keys and values differ in number, ${shape(k)} and ${shape(v)}`);
    }
    const kBatch = k.dims[0];
    if (kBatch !== batch && kBatch !== 1 && kBatch !== `${batch}?`) {
      throw mistake(node, `batches of query and key differ, ${shape(q)} and ${shape(k)}`);
    }
    return { dtype, dims: [batch, rows, last(v)] };
  },
  softmax(node) {
    if (node.inputs[0].dims.length === 0) throw mistake(node, "takes rank 1 or more, []");
    return unary(node);
  },
  layerNormalization(node) {
    const [x, scale, bias] = node.inputs;
    const dtype = requireFloat(node, x, scale, bias);
    requireShape(node, "scale", scale, [last(x)]);
    requireShape(node, "bias", bias, [last(x)]);
    return { dtype, dims: x.dims };
  },
  conv2d(node) {
    const {
      inputs: [x, filter, bias],
      attributes: { strides, padding, groups },
    } = node;
    const dtype = requireFloat(node, x, filter, ...(bias === undefined ? [] : [bias]));
    requireRank(node, x, 4);
    requireRank(node, filter, 4);
    const [height, width, channels] = requireNumbers(node, "image sizes", x.dims.slice(1)) as [number, number, number];
    const [out, inner, kh, kw] = requireNumbers(node, "filter sizes", filter.dims) as [number, number, number, number];
    if (inner * groups !== channels || out % groups !== 0) {
      throw mistake(node, `channels do not fit ${groups} groups, x ${shape(x)}, filter ${shape(filter)}`);
    }
    if (bias !== undefined) requireShape(node, "bias", bias, [out]);
    const outHeight = windows(height, kh, strides[0], padding[0] + padding[1]);
    const outWidth = windows(width, kw, strides[1], padding[2] + padding[3]);
    if (!isCount(outHeight) || !isCount(outWidth) || !padding.every((n) => n === 0 || isCount(n))) {
      throw mistake(
        node,
        `strides [${strides}], padding [${padding}] do not fit x ${shape(x)}, filter ${shape(filter)}`,
      );
    }
    return { dtype, dims: [x.dims[0] ?? 1, outHeight, outWidth, out] };
  },
  maxPool2d(node) {
    const {
      inputs: [x],
      attributes: { windowDimensions },
    } = node;
    const dtype = requireFloat(node, x);
    requireRank(node, x, 4);
    const [height, width, channels] = requireNumbers(node, "image sizes", x.dims.slice(1)) as [number, number, number];
    if (height % windowDimensions[0] !== 0 || width % windowDimensions[1] !== 0) {
      throw mistake(node, `windows of ${windowDimensions.join("x")} do not divide ${shape(x)}`);
    }
    return {
      dtype,
      dims: [x.dims[0] ?? 1, height / windowDimensions[0], width / windowDimensions[1], channels],
    };
  },
  resample2d(node) {
    const {
      inputs: [x],
      attributes: { sizes, mode, antialias },
    } = node;
    const dtype = requireFloat(node, x);
    requireRank(node, x, 4);
    const [height, width] = requireNumbers(node, "image sizes", x.dims.slice(1)) as [number, number, number];
    if (!sizes.every(isCount)) throw mistake(node, `sizes must be whole numbers from 1, got [${sizes}]`);
    if (mode === "nearest-neighbor" && (sizes[0] % height !== 0 || sizes[1] % width !== 0)) {
      throw mistake(node, `nearest-neighbor takes whole multiples of ${shape(x)}, got [${sizes}]`);
    }
    if (antialias && mode !== "linear") throw mistake(node, `antialias is for linear, got ${mode}`);
    return { dtype, dims: [x.dims[0] ?? 1, sizes[0], sizes[1], last(x)] };
  },
  reshape(node) {
    const {
      inputs: [x],
      attributes: { newShape },
    } = node;
    if (sizeOf(x.dims) !== sizeOf(newShape)) {
      throw mistake(node, `sizes differ, ${shape(x)} and ${formatDims(newShape)}`);
    }
    return { dtype: x.dtype, dims: newShape.map(canonicalDim) };
  },
  transpose(node) {
    const {
      inputs: [x],
      attributes: { permutation },
    } = node;
    if ([...permutation].sort((a, b) => a - b).join() !== x.dims.map((_, i) => i).join()) {
      throw mistake(node, `permutation [${permutation}] does not fit ${shape(x)}`);
    }
    return { dtype: x.dtype, dims: permutation.map((axis) => x.dims[axis] ?? 1) };
  },
  concat(node) {
    const {
      inputs,
      attributes: { axis },
    } = node;
    const [first, ...rest] = inputs;
    if (first === undefined) throw mistake(node, "takes at least one input");
    requireAxis(node, axis, first.dims.length);
    let total = first.dims[axis] ?? 1;
    for (const value of rest) {
      requireDtype(node, value, first.dtype);
      const expected = first.dims.map((dim, i) => (i === axis ? (value.dims[axis] ?? 1) : dim));
      if (formatDims(expected) !== shape(value)) {
        throw mistake(node, `shapes differ beside axis ${axis}, ${shape(first)} and ${shape(value)}`);
      }
      total = addDims(total, value.dims[axis] ?? 1);
    }
    return { dtype: first.dtype, dims: first.dims.map((dim, i) => (i === axis ? total : dim)) };
  },
  slice(node) {
    const {
      inputs: [x],
      attributes: { starts, sizes },
    } = node;
    const fits =
      starts.length === x.dims.length &&
      sizes.length === x.dims.length &&
      x.dims.every((dim, i) => {
        const [start, size] = [starts[i] ?? 0, sizes[i] ?? 0];
        if (typeof size !== "number") return start === 0 && size === dim;
        return start >= 0 && size >= 0 && start + size <= leastDim(dim);
      });
    if (!fits) throw mistake(node, `from [${starts}], sizes ${formatDims(sizes)}, does not fit ${shape(x)}`);
    return { dtype: x.dtype, dims: sizes };
  },
  pad(node) {
    const {
      inputs: [x],
      attributes: { beginningPadding: before, endingPadding: after },
    } = node;
    requireFloat(node, x);
    if (before.length !== x.dims.length || after.length !== x.dims.length || [...before, ...after].some((n) => n < 0)) {
      throw mistake(node, `by [${before}] and [${after}] does not fit ${shape(x)}`);
    }
    return { dtype: x.dtype, dims: x.dims.map((dim, i) => addDims(dim, (before[i] ?? 0) + (after[i] ?? 0))) };
  },
  expand(node) {
    const {
      inputs: [x],
      attributes: { newShape },
    } = node;
    const dims = broadcastDims(x.dims, newShape);
    if (dims === undefined || formatDims(dims) !== formatDims(newShape)) {
      throw mistake(node, `does not broadcast ${shape(x)} to ${formatDims(newShape)}`);
    }
    if (newShape.some((dim) => isOptional(dim) && !x.dims.includes(dim))) {
      throw mistake(node, `to an optional dimension, ${formatDims(newShape)}`);
    }
    return { dtype: x.dtype, dims: newShape };
  },
  gather(node) {
    const {
      inputs: [x, indices],
      attributes: { axis },
    } = node;
    requireDtype(node, indices, "int32");
    requireAxis(node, axis, x.dims.length);
    return { dtype: x.dtype, dims: [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)] };
  },
};

/** The result type of any node. */
export function inferType(node: AnyOpNode): ValueType {
  const rule = infer[node.kind] as (node: AnyOpNode) => ValueType;
  return rule(node);
}
