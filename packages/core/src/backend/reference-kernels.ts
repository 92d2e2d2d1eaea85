/**
 * What each operation computes, in plain TypeScript: the definition that other backends are tested against. Sums are
 * accumulated in float64 and rounded to float32 once.
 */
import { toFloat16, toFloat32 } from "../checkpoint/convert.ts";
import { GraphError } from "../errors.ts";
import { bindDim, type Dim, type DimBindings, solveDim } from "../graph/dim.ts";
import type { AnyOpNode, Value } from "../graph/graph.ts";
import { inferType } from "../graph/infer.ts";
import type { Attributes, Inputs, OpKind, OpTable, ValueDType } from "../graph/ops.ts";
import { quantizeActivations, quantizeWeight, WEIGHT_BLOCK } from "../graph/quantize.ts";
import { elementCount, type HostTensor } from "../tensor/tensor.ts";
import { resample } from "./reference-resample.ts";

type Data = Float32Array | Int32Array | Uint8Array;

/** An operation with every size known. */
interface Call<K extends OpKind> {
  readonly attributes: Attributes<K>;
  readonly inputs: readonly HostTensor[];
  /** Shape of the result. */
  readonly dims: readonly number[];
  /** Zeros of the result's dtype and size. */
  readonly out: Data;
}

/** Fills `out`, or returns other data of its size: what a reshape shares with its input. */
type Kernel<K extends OpKind> = (call: Call<K>) => Data;

const allocate: { readonly [D in ValueDType]: (size: number) => Data } = {
  float32: (size) => new Float32Array(size),
  float16: (size) => new Float32Array(size),
  int32: (size) => new Int32Array(size),
  bool: (size) => new Uint8Array(size),
};

// The inference rules, which run on the actual tensors first, have checked dtypes and presence: hence these two casts.
const dataOf = (tensor: HostTensor | undefined): Data => (tensor as HostTensor).data as Data;
const floats = (tensor: HostTensor | undefined): Float32Array => (tensor as HostTensor).data as Float32Array;
const dimsOf = (tensor: HostTensor | undefined): readonly number[] => tensor?.dims ?? [];

/** Elements between neighbours along each axis. */
function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] ?? 1) * (dims[i + 1] ?? 1);
  return strides;
}

/** Strides that walk a tensor of `dims` in step with one of shape `target`, staying in place where it broadcasts. */
function broadcastStrides(dims: readonly number[], target: readonly number[]): number[] {
  const strides = stridesOf(dims);
  const missing = target.length - dims.length;
  return target.map((_, i) => (i < missing || dims[i - missing] === 1 ? 0 : (strides[i - missing] ?? 0)));
}

/** Calls `visit` for each row (last axis) of `dims` with where the row starts under each of the given strides. */
function forEachRow(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (starts: readonly number[]) => void,
): void {
  if (elementCount(dims) === 0) return;
  const starts = strides.map(() => 0);
  const index = dims.slice(0, -1).map(() => 0);
  for (;;) {
    visit(starts);
    let axis = index.length - 1;
    for (; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      const wraps = next === dims[axis];
      const move = wraps ? 1 - next : 1;
      index[axis] = wraps ? 0 : next;
      strides.forEach((stride, i) => {
        starts[i] = (starts[i] ?? 0) + move * (stride[axis] ?? 0);
      });
      if (!wraps) break;
    }
    if (axis < 0) return;
  }
}

interface Strided {
  readonly data: Data;
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** Copies a block of shape `dims` between two layouts. */
function copy(dims: readonly number[], from: Strided, to: Strided): Data {
  const length = dims.at(-1) ?? 1;
  const [fromStep, toStep] = [from.strides.at(-1) ?? 1, to.strides.at(-1) ?? 1];
  forEachRow(dims, [from.strides, to.strides], ([fromStart = 0, toStart = 0]) => {
    let i = fromStart + (from.offset ?? 0);
    let o = toStart + (to.offset ?? 0);
    for (let n = 0; n < length; n++, i += fromStep, o += toStep) to.data[o] = from.data[i] ?? 0;
  });
  return to.data;
}

/** f over each element. */
function unary(f: (x: number) => number): Kernel<OpKind> {
  return ({ inputs: [x], out }) => {
    const data = dataOf(x);
    for (let i = 0; i < out.length; i++) out[i] = f(data[i] ?? 0);
    return out;
  };
}

/** f over each pair of elements, broadcast; integer arithmetic may differ. */
function binary(onFloats: (a: number, b: number) => number, onIntegers = onFloats): Kernel<OpKind> {
  return ({ inputs: [a, b], dims, out }) => {
    const f = a?.dtype === "int32" ? onIntegers : onFloats;
    const [aData, bData] = [dataOf(a), dataOf(b)];
    const [aStrides, bStrides] = [broadcastStrides(dimsOf(a), dims), broadcastStrides(dimsOf(b), dims)];
    const [aStep, bStep] = [aStrides.at(-1) ?? 0, bStrides.at(-1) ?? 0];
    const length = dims.at(-1) ?? 1;
    forEachRow(dims, [aStrides, bStrides, stridesOf(dims)], ([aStart = 0, bStart = 0, start = 0]) => {
      for (let i = 0; i < length; i++) {
        out[start + i] = f(aData[aStart + i * aStep] ?? 0, bData[bStart + i * bStep] ?? 0);
      }
    });
    return out;
  };
}

/** exp(-z^2) 2/sqrt(pi) z (1 + 2z^2/3 + (2z^2)^2/15 + ...), whose terms do not cancel, and for the tail Laplace's continued fraction. */
function erfc(z: number): number {
  if (z < 0) return 2 - erfc(-z);
  const gauss = Math.exp(-z * z);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * z * z) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * gauss * sum;
  }
  let fraction = z;
  for (let n = 60; n > 0; n--) fraction = z + n / 2 / fraction;
  return gauss / fraction / Math.sqrt(Math.PI);
}

/**
 * c[i, j] = a[i, :] . b[j, :] + bias[j] for `rows` rows of a and `columns` rows of b, both of length `inner`, at the
 * given offsets. Four columns at a time: they share the loads of a.
 */
function dotRows(
  a: { readonly data: Float32Array; readonly at: number; readonly rows: number },
  b: { readonly data: Float32Array; readonly at: number; readonly rows: number },
  inner: number,
  c: { readonly data: Data; readonly at: number; readonly stride: number },
  bias?: Float32Array,
): void {
  const [x, w] = [a.data, b.data];
  for (let i = 0; i < a.rows; i++) {
    const row = a.at + i * inner;
    let j = 0;
    for (; j + 4 <= b.rows; j += 4) {
      const w0 = b.at + j * inner;
      const w1 = w0 + inner;
      const w2 = w1 + inner;
      const w3 = w2 + inner;
      let [s0, s1, s2, s3] = [bias?.[j] ?? 0, bias?.[j + 1] ?? 0, bias?.[j + 2] ?? 0, bias?.[j + 3] ?? 0];
      for (let k = 0; k < inner; k++) {
        const value = x[row + k] as number;
        s0 += value * (w[w0 + k] as number);
        s1 += value * (w[w1 + k] as number);
        s2 += value * (w[w2 + k] as number);
        s3 += value * (w[w3 + k] as number);
      }
      const o = c.at + i * c.stride + j;
      c.data[o] = s0;
      c.data[o + 1] = s1;
      c.data[o + 2] = s2;
      c.data[o + 3] = s3;
    }
    for (; j < b.rows; j++) {
      let sum = bias?.[j] ?? 0;
      const column = b.at + j * inner;
      for (let k = 0; k < inner; k++) sum += (x[row + k] as number) * (w[column + k] as number);
      c.data[c.at + i * c.stride + j] = sum;
    }
  }
}

/** The last two axes exchanged: [..., k, n] -> [..., n, k]. */
function transposeLast({ dims, data }: HostTensor): Float32Array {
  const [k, n] = [dims.at(-2) ?? 1, dims.at(-1) ?? 1];
  const to = [...dims.slice(0, -2), n, k];
  const strides = stridesOf(dims);
  const swapped = [...strides.slice(0, -2), 1, n];
  const out = new Float32Array(data.length);
  copy(to, { data: data as Float32Array, strides: swapped }, { data: out, strides: stridesOf(to) });
  return out;
}

const kernels: OpTable<{ readonly [K in OpKind]: Kernel<K> }> = {
  add: binary(
    (a, b) => a + b,
    (a, b) => (a + b) | 0,
  ),
  sub: binary(
    (a, b) => a - b,
    (a, b) => (a - b) | 0,
  ),
  mul: binary((a, b) => a * b, Math.imul),
  // towards zero for integers
  div: binary(
    (a, b) => a / b,
    (a, b) => (a / b) | 0,
  ),
  relu: unary((x) => Math.max(x, 0)),
  gelu: unary((x) => (x / 2) * erfc(-x * Math.SQRT1_2)),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  sqrt: unary(Math.sqrt),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  clamp: (call) => {
    const { minValue, maxValue } = call.attributes;
    return unary((x) => Math.min(Math.max(x, minValue), maxValue))(call);
  },
  equal: binary((a, b) => (a === b ? 1 : 0)),
  greater: binary((a, b) => (a > b ? 1 : 0)),
  where({ inputs, dims, out }) {
    const [condition, a, b] = inputs.map(dataOf) as [Data, Data, Data];
    const strides = inputs.map((tensor) => broadcastStrides(tensor.dims, dims));
    const [cStep = 0, aStep = 0, bStep = 0] = strides.map((stride) => stride.at(-1) ?? 0);
    const length = dims.at(-1) ?? 1;
    forEachRow(dims, [...strides, stridesOf(dims)], ([cStart = 0, aStart = 0, bStart = 0, start = 0]) => {
      for (let i = 0; i < length; i++) {
        const chosen = condition[cStart + i * cStep] !== 0 ? a[aStart + i * aStep] : b[bStart + i * bStep];
        out[start + i] = chosen ?? 0;
      }
    });
    return out;
  },
  cast: (call) => unary(call.attributes.dtype === "bool" ? (x) => (x === 0 ? 0 : 1) : (x) => x)(call), // to int32: towards zero
  matmul({ inputs: [a, b], attributes: { transposeB }, dims, out }) {
    const [aDims, bDims] = [dimsOf(a), dimsOf(b)];
    const [rows, columns, inner] = [dims.at(-2) ?? 1, dims.at(-1) ?? 1, aDims.at(-1) ?? 1];
    const right = transposeB ? floats(b) : transposeLast(b as HostTensor);
    const batch = [...dims.slice(0, -2), 1]; // a last axis of one: every batch is a row
    const walk = (d: readonly number[], size: number): number[] =>
      broadcastStrides([...d.slice(0, -2), 1], batch).map((stride) => stride * size);
    const strides = [walk(aDims, rows * inner), walk(bDims, inner * columns), walk(dims, rows * columns)];
    forEachRow(batch, strides, ([aAt = 0, bAt = 0, at = 0]) => {
      const [left, product] = [
        { data: floats(a), at: aAt, rows },
        { data: out, at, stride: columns },
      ];
      dotRows(left, { data: right, at: bAt, rows: columns }, inner, product);
    });
    return out;
  },
  linear({ inputs: [x, weight, bias], dims, out }) {
    const columns = dims.at(-1) ?? 1;
    const inner = dimsOf(weight)[1] ?? 1;
    const left = { data: floats(x), at: 0, rows: elementCount(dims.slice(0, -1)) };
    const right = { data: floats(weight), at: 0, rows: columns };
    dotRows(left, right, inner, { data: out, at: 0, stride: columns }, bias && floats(bias));
    return out;
  },
  quantizedLinear({ inputs: [x, weight, bias], attributes: { bits }, dims, out }) {
    const columns = dims.at(-1) ?? 1;
    const inner = dimsOf(weight)[1] ?? 1;
    const { values, scales } = quantizeWeight(weight as HostTensor<"float32">, bits);
    const blocks = scales.length / columns;
    // Of 8 bits the whole numbers are multiplied, and scaled after; of 4 bits every block has a scale of its own.
    const rounded = bits === 8 ? quantizeActivations(floats(x)) : { values: floats(x), scale: 1 };
    const right = new Float32Array(values);
    if (bits !== 8) {
      for (let i = 0; i < right.length; i++) {
        const block = Math.floor(i / inner) * blocks + Math.floor((i % inner) / WEIGHT_BLOCK);
        right[i] = (right[i] as number) * (scales[block] as number);
      }
    }
    const left = { data: rounded.values, at: 0, rows: elementCount(dims.slice(0, -1)) };
    dotRows(left, { data: right, at: 0, rows: columns }, inner, { data: out, at: 0, stride: columns });
    const shift = bias && floats(bias);
    for (let i = 0; i < out.length; i++) {
      const scale = bits === 8 ? rounded.scale * (scales[i % columns] as number) : 1;
      out[i] = (out[i] as number) * scale + (shift?.[i % columns] ?? 0);
    }
    return out;
  },
  attention({ inputs: [q, k, v], attributes: { heads, scale }, dims, out }) {
    const [batch = 0, rows = 0, outWidth = 0] = dims;
    const [keyBatch = 1, keys = 0, width = 0] = dimsOf(k);
    const [d, e] = [width / heads, outWidth / heads];
    const [query, key, value] = [floats(q), floats(k), floats(v)];
    const scores = new Float64Array(keys);
    const sum = new Float64Array(e);
    for (let b = 0; b < batch; b++) {
      const keyRow = (keyBatch === 1 ? 0 : b) * keys;
      for (let row = b * rows; row < (b + 1) * rows; row++) {
        for (let head = 0; head < heads; head++) {
          const from = row * width + head * d;
          let most = Number.NEGATIVE_INFINITY;
          for (let n = 0; n < keys; n++) {
            const at = (keyRow + n) * width + head * d;
            let score = 0;
            for (let i = 0; i < d; i++) score += (query[from + i] as number) * (key[at + i] as number);
            scores[n] = score * scale;
            most = Math.max(most, score * scale);
          }
          let total = 0;
          sum.fill(0);
          for (let n = 0; n < keys; n++) {
            const weight = Math.exp((scores[n] as number) - most);
            const at = (keyRow + n) * outWidth + head * e;
            total += weight;
            for (let i = 0; i < e; i++) sum[i] = (sum[i] as number) + weight * (value[at + i] as number);
          }
          const to = row * outWidth + head * e;
          // without keys the sum over them is 0
          for (let i = 0; i < e; i++) out[to + i] = keys === 0 ? 0 : (sum[i] as number) / total;
        }
      }
    }
    return out;
  },
  softmax({ inputs: [x], dims, out }) {
    const data = floats(x);
    const width = dims.at(-1) ?? 1;
    for (let at = 0; at < out.length; at += width) {
      let most = Number.NEGATIVE_INFINITY;
      for (let i = at; i < at + width; i++) most = Math.max(most, data[i] as number);
      let total = 0;
      for (let i = at; i < at + width; i++) total += Math.exp((data[i] as number) - most);
      for (let i = at; i < at + width; i++) out[i] = Math.exp((data[i] as number) - most) / total;
    }
    return out;
  },
  layerNormalization({ inputs: [x, scale, bias], attributes: { epsilon }, out }) {
    const [data, gain, shift] = [floats(x), floats(scale), floats(bias)];
    const width = gain.length;
    for (let at = 0; at < out.length; at += width) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += data[at + i] as number;
      const mean = sum / width;
      let squares = 0;
      for (let i = 0; i < width; i++) squares += ((data[at + i] as number) - mean) ** 2;
      const inverse = 1 / Math.sqrt(squares / width + epsilon);
      for (let i = 0; i < width; i++) {
        out[at + i] = ((data[at + i] as number) - mean) * inverse * (gain[i] as number) + (shift[i] as number);
      }
    }
    return out;
  },
  conv2d({ inputs: [x, filter, bias], attributes: { strides, padding, groups }, dims, out }) {
    const [images = 0, outHeight = 0, outWidth = 0, outChannels = 0] = dims;
    const [, height = 0, width = 0, channels = 0] = dimsOf(x);
    const [, inner = 0, kh = 0, kw = 0] = dimsOf(filter);
    const data = floats(x);
    const perGroup = outChannels / groups;
    const size = kh * kw * inner;
    // [out, in, kh, kw] -> [out, kh, kw, in], the order of a patch
    const taps = new Float32Array(outChannels * size);
    const filterStrides = [size, kw, 1, kh * kw];
    const tapDims = [outChannels, kh, kw, inner];
    copy(tapDims, { data: floats(filter), strides: filterStrides }, { data: taps, strides: stridesOf(tapDims) });
    const patch = new Float32Array(size);
    for (let position = 0; position < images * outHeight * outWidth; position++) {
      const image = Math.floor(position / (outHeight * outWidth));
      const top = (Math.floor(position / outWidth) % outHeight) * strides[0] - padding[0];
      const left = (position % outWidth) * strides[1] - padding[2];
      for (let group = 0; group < groups; group++) {
        patch.fill(0);
        for (let ky = Math.max(0, -top); ky < Math.min(kh, height - top); ky++) {
          for (let kx = Math.max(0, -left); kx < Math.min(kw, width - left); kx++) {
            const at = ((image * height + top + ky) * width + left + kx) * channels + group * inner;
            for (let i = 0; i < inner; i++) patch[(ky * kw + kx) * inner + i] = data[at + i] as number;
          }
        }
        const first = group * perGroup;
        dotRows(
          { data: patch, at: 0, rows: 1 },
          { data: taps, at: first * size, rows: perGroup },
          size,
          { data: out, at: position * outChannels + first, stride: outChannels },
          bias && floats(bias).subarray(first, first + perGroup),
        );
      }
    }
    return out;
  },
  maxPool2d({ inputs: [x], attributes: { windowDimensions }, dims, out }) {
    const [, height = 0, width = 0, channels = 0] = dimsOf(x);
    const [, outHeight = 0, outWidth = 0] = dims;
    const data = floats(x);
    out.fill(Number.NEGATIVE_INFINITY);
    for (let i = 0; i < data.length; i++) {
      const [c, column, row] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
      const [image, y] = [Math.floor(row / height), Math.floor((row % height) / windowDimensions[0])];
      const o = ((image * outHeight + y) * outWidth + Math.floor(column / windowDimensions[1])) * channels + c;
      out[o] = Math.max(out[o] as number, data[i] as number);
    }
    return out;
  },
  resample2d: ({ inputs: [x], attributes, dims }) => resample(floats(x), dimsOf(x), dims, attributes),
  reshape: ({ inputs: [x] }) => dataOf(x),
  transpose({ inputs: [x], attributes: { permutation }, dims, out }) {
    const from = stridesOf(dimsOf(x));
    const strides = permutation.map((axis) => from[axis] ?? 0);
    return copy(dims, { data: dataOf(x), strides }, { data: out, strides: stridesOf(dims) });
  },
  concat({ inputs, attributes: { axis }, dims, out }) {
    const strides = stridesOf(dims);
    let offset = 0;
    for (const tensor of inputs) {
      copy(tensor.dims, { data: dataOf(tensor), strides: stridesOf(tensor.dims) }, { data: out, strides, offset });
      offset += (tensor.dims[axis] ?? 0) * (strides[axis] ?? 0);
    }
    return out;
  },
  slice({ inputs: [x], attributes: { starts }, dims, out }) {
    const strides = stridesOf(dimsOf(x));
    const offset = starts.reduce((sum, start, i) => sum + start * (strides[i] ?? 0), 0);
    return copy(dims, { data: dataOf(x), strides, offset }, { data: out, strides: stridesOf(dims) });
  },
  pad({ inputs: [x], attributes: { beginningPadding }, dims, out }) {
    const strides = stridesOf(dims);
    const offset = beginningPadding.reduce((sum, before, i) => sum + before * (strides[i] ?? 0), 0);
    return copy(dimsOf(x), { data: dataOf(x), strides: stridesOf(dimsOf(x)) }, { data: out, strides, offset });
  },
  expand({ inputs: [x], dims, out }) {
    const strides = broadcastStrides(dimsOf(x), dims);
    return copy(dims, { data: dataOf(x), strides }, { data: out, strides: stridesOf(dims) });
  },
  gather({ inputs: [x, indices], attributes: { axis }, out }) {
    const xDims = dimsOf(x);
    const [length, block] = [xDims[axis] ?? 0, elementCount(xDims.slice(axis + 1))];
    const [data, chosen] = [dataOf(x), dataOf(indices)];
    for (let outer = 0; outer < elementCount(xDims.slice(0, axis)); outer++) {
      for (let i = 0; i < chosen.length; i++) {
        const index = chosen[i] as number;
        if (index < 0 || index >= length) {
          throw new GraphError("index-out-of-range", `gather: index ${index} is outside 0 to ${length - 1}`, {
            details: { index, length },
          });
        }
        const from = (outer * length + index) * block;
        out.set(data.subarray(from, from + block), (outer * chosen.length + i) * block);
      }
    }
    return out;
  },
};

/** Kernels compute in float32, and what they make of halves is rounded to halves. */
function widened(tensor: HostTensor): HostTensor {
  if (tensor.dtype !== "float16") return tensor;
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { ...tensor, dtype: "float32", data: toFloat32("float16", new Uint8Array(buffer, byteOffset, byteLength)) };
}

/** `dims` as numbers. */
const bindAll = (dims: readonly Dim[], bindings: DimBindings): readonly number[] =>
  dims.map((dim) => bindDim(dim, bindings));

/** What is looked at of an operand. */
type Sized = Pick<HostTensor, "dims">;

/** The node with its inputs' actual sizes, and with names replaced in the shapes that it states. */
function specialize(node: AnyOpNode, tensors: readonly Sized[], bindings: DimBindings): AnyOpNode {
  const operands: readonly Value[] = node.inputs;
  const inputs = operands.map((value, i) => ({ ...value, dims: tensors[i]?.dims ?? [] }));
  const specialized = { ...node, inputs: inputs as Inputs<OpKind> } as AnyOpNode;
  const known = (): DimBindings => ({ ...bindings, ...namesIn(operands, tensors) });
  switch (specialized.kind) {
    case "reshape":
    case "expand": {
      const newShape = bindAll(specialized.attributes.newShape, known());
      return { ...specialized, attributes: { newShape } } as AnyOpNode;
    }
    case "slice": {
      const { starts, sizes } = specialized.attributes;
      return { ...specialized, attributes: { starts, sizes: bindAll(sizes, known()) } };
    }
    default:
      return specialized;
  }
}

/** The names that can be read off the operands' sizes. */
function namesIn(operands: readonly Value[], tensors: readonly Sized[]): DimBindings {
  const names: Record<string, number> = {};
  operands.forEach((value, i) => {
    value.dims.forEach((dim, axis) => {
      const solved = typeof dim === "string" ? solveDim(dim, tensors[i]?.dims[axis] ?? 0) : undefined;
      if (solved !== undefined) names[solved[0]] = solved[1];
    });
  });
  return names;
}

/** An operation at actual sizes: its attributes without names, and its result's type. */
export interface ResolvedNode {
  readonly attributes: AnyOpNode["attributes"];
  readonly dtype: ValueDType;
  readonly dims: readonly number[];
}

/**
 * What an operation comes to for operands of these sizes, for those who run graphs. Names in the node's shapes are read
 * off the operands' sizes where they can be, else taken from `bindings`. Throws a `GraphError` for operands that do not
 * fit the operation and for an unknown name.
 */
export function resolveNode(node: AnyOpNode, inputs: readonly Sized[], bindings: DimBindings = {}): ResolvedNode {
  const call = specialize(node, inputs, bindings);
  const { dtype, dims } = inferType(call);
  return { attributes: call.attributes, dtype, dims: bindAll(dims, bindings) };
}

/**
 * The result of one operation on actual tensors, which may share memory with an input. Names in the node's shapes are
 * read off the inputs' sizes where they can be, else taken from `bindings`. Throws a `GraphError` for tensors that do
 * not fit the operation, an unknown name, an index out of range.
 */
export function evaluateNode(
  node: AnyOpNode,
  inputs: readonly HostTensor[],
  bindings: DimBindings = {},
): HostTensor<ValueDType> {
  const { attributes, dtype, dims } = resolveNode(node, inputs, bindings);
  const kernel = kernels[node.kind] as Kernel<OpKind>;
  const out = allocate[dtype](node.kind === "reshape" ? 0 : elementCount(dims));
  const data = kernel({ attributes, inputs: inputs.map(widened), dims, out });
  return { dtype, dims, data: dtype === "float16" ? toFloat16(data as Float32Array) : data };
}
