/**
 * What each operation is in TensorFlow.js. Results are new tensors, of the size that the plan says; what a kernel makes on
 * the way is freed by the `tidy` around it. Tensors without elements never come here: engines differ on them.
 */
import {
  type Attributes,
  elementCount,
  float32,
  GraphBuilder,
  type HostTensor,
  type Inputs,
  type OpKind,
  type OpTable,
} from "@masklet/core/backend";
import type { Tensor } from "@tensorflow/tfjs-core";
import { attention } from "./attention.ts";
import { noRoundedWeights, tfDtype } from "./errors.ts";
import type { TfOps } from "./runtime.ts";
import { expandTo, padAxes, sliceAxes, transposeAxes } from "./shape.ts";
import type { Traits } from "./traits.ts";
import type { OwnKernels } from "./wasm-kernels.ts";

/** What kernels share. */
export interface KernelContext {
  readonly tf: TfOps;
  readonly traits: Traits;
  readonly own: OwnKernels | undefined;
  /** A tensor that depends on attributes alone, kept for later runs under `key`. */
  readonly constant: (key: string, make: () => HostTensor<"float32">) => Tensor;
}

type TensorsOf<T extends readonly unknown[]> = { readonly [I in keyof T]: Tensor };

/** An operation with every size known. */
export interface Call<K extends OpKind> extends KernelContext {
  /** Each in the layout that `layoutOf` says. */
  readonly inputs: TensorsOf<Inputs<K>>;
  readonly attributes: Attributes<K>;
  /** Shape of the result. */
  readonly dims: readonly number[];
  /** Whether the result passes through `relu` too; `linear` and `conv2d` do it on the way. */
  readonly relu: boolean;
}

type Kernel<K extends OpKind> = (call: Call<K>) => Tensor;

export const kernels: OpTable<{ readonly [K in OpKind]: Kernel<K> }> = {
  add: ({ tf, inputs: [a, b] }) => tf.add(a, b),
  sub: ({ tf, inputs: [a, b] }) => tf.sub(a, b),
  mul: ({ tf, inputs: [a, b] }) => tf.mul(a, b),
  div: ({ tf, inputs: [a, b] }) => (a.dtype === "int32" ? divideIntegers(tf, a, b) : tf.div(a, b)),
  relu: ({ tf, inputs: [x] }) => tf.relu(x),
  gelu: ({ tf, own, inputs: [x] }) =>
    own?.gelu(x) ?? tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  sigmoid: ({ tf, inputs: [x] }) => tf.sigmoid(x),
  sqrt: ({ tf, inputs: [x] }) => tf.sqrt(x),
  sin: ({ tf, traits, inputs: [x] }) => (traits.exactTrigonometry ? tf.sin(x) : sine(tf, x, 0)),
  cos: ({ tf, traits, inputs: [x] }) => (traits.exactTrigonometry ? tf.cos(x) : sine(tf, x, 0.5)),
  clamp: ({ tf, inputs: [x], attributes: { minValue, maxValue } }) => {
    const raised = Number.isFinite(minValue) ? tf.maximum(x, minValue) : x;
    return Number.isFinite(maxValue) ? tf.minimum(raised, maxValue) : tf.clone(raised);
  },
  equal: ({ tf, inputs: [a, b] }) => tf.equal(a, b),
  greater: ({ tf, inputs: [a, b] }) => tf.greater(a, b),
  where: ({ tf, inputs: [condition, a, b], dims }) =>
    tf.where(expandTo(tf, condition, dims), expandTo(tf, a, dims), expandTo(tf, b, dims)),
  // To bool explicitly: on wasm `cast` keeps the low byte.
  cast: ({ tf, inputs: [x], attributes: { dtype } }) =>
    dtype === "bool" && x.dtype !== "bool" ? tf.notEqual(x, tf.scalar(0, x.dtype)) : tf.cast(x, tfDtype(dtype)),
  matmul: (call) => {
    const { inputs, attributes, own } = call;
    const [a, b] = inputs;
    return product(call, a, b, attributes.transposeB && own === undefined);
  },
  linear: ({ tf, inputs: [x, matrix, bias], dims, relu }) => {
    const [inner = 1] = matrix.shape;
    const a = tf.reshape(x, [-1, inner]);
    const activation = relu ? "relu" : "linear";
    // Of two plain matrices: with batches or transposed operands this kernel is wrong on wasm.
    const result = tf.fused.matMul({ a: a as never, b: matrix as never, ...(bias && { bias }), activation });
    return tf.reshape(result, [...dims]);
  },
  quantizedLinear: () => {
    throw noRoundedWeights();
  },
  attention: ({ tf, traits, own, inputs: [q, k, v], attributes: { heads, scale } }) =>
    attention(q, k, v, { tf, traits, own, heads, scale }),
  softmax: ({ tf, traits, inputs: [x], dims }) => {
    const width = dims.at(-1) ?? 1;
    const rows = tf.reshape(x, [-1, width]);
    const count = rows.shape[0] ?? 0;
    const parts: Tensor[] = [];
    for (let row = 0; row < count; row += traits.softmaxRows) {
      const size = Math.min(traits.softmaxRows, count - row);
      parts.push(tf.softmax(size === count ? rows : sliceAxes(tf, rows, [row, 0], [size, width])));
    }
    return tf.reshape(parts.length === 1 ? (parts[0] as Tensor) : tf.concat(parts, 0), [...dims]);
  },
  layerNormalization: ({ tf, traits, own, inputs: [x, scale, bias], attributes: { epsilon }, dims }) => {
    const rows = tf.reshape(x, [-1, dims.at(-1) ?? 1]);
    if (own !== undefined) return tf.reshape(own.layerNormalization(rows, scale, bias, epsilon), [...dims]);
    const mean = tf.mean(rows, 1, true);
    if (traits.rowwiseBatchNorm) {
      const variance = tf.mean(tf.squaredDifference(rows, mean), 1, true);
      const [offset, gain] = [bias, scale].map((vector) => tf.reshape(vector, [1, -1])) as [Tensor, Tensor];
      return tf.reshape(tf.batchNorm(rows, mean, variance, offset, gain, epsilon), [...dims]);
    }
    const centred = tf.sub(rows, mean);
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon));
    return tf.reshape(tf.add(tf.mul(tf.mul(centred, inverse), scale), bias), [...dims]);
  },
  conv2d,
  maxPool2d: ({ tf, inputs: [x], attributes: { windowDimensions } }) => {
    const window: [number, number] = [...windowDimensions];
    return tf.maxPool(x as never, window, window, "valid");
  },
  resample2d,
  reshape: ({ tf, inputs: [x], dims }) => tf.reshape(x, [...dims]),
  transpose: ({ tf, inputs: [x], attributes: { permutation } }) => transposeAxes(tf, x, permutation),
  concat: ({ tf, inputs, attributes: { axis } }) => tf.concat([...inputs], axis),
  slice: ({ tf, inputs: [x], attributes: { starts }, dims }) => sliceAxes(tf, x, starts, dims),
  pad: ({ tf, inputs: [x], attributes: { beginningPadding, endingPadding } }) =>
    padAxes(tf, x, beginningPadding, endingPadding),
  expand: ({ tf, inputs: [x], dims }) => expandTo(tf, x, dims),
  gather: ({ tf, inputs: [x, indices], attributes: { axis } }) => tf.gather(x, indices as never, axis),
};

/** Towards zero; `floorDiv` rounds down. */
function divideIntegers(tf: TfOps, a: Tensor, b: Tensor): Tensor {
  const floor = tf.floorDiv(a, b);
  const remainder = tf.sub(a, tf.mul(floor, b));
  const zero = tf.scalar(0, "int32");
  const roundedDown = tf.mul(
    tf.cast(tf.greater(zero, floor), "int32"),
    tf.sub(1, tf.cast(tf.equal(remainder, zero), "int32")),
  );
  return tf.add(floor, tf.cast(roundedDown, "int32"));
}

/**
 * sin(x + shift pi) for a shift of 0 or 1/2. With k the nearest number to x / pi that makes x + shift pi a multiple of
 * pi, and r the rest, it is (-1)^k sin(r): pi is subtracted in parts that are exact in float32, and sin(r) is its series
 * up to r^11 / 11!, good to 6e-8 on half a turn.
 */
function sine(tf: TfOps, x: Tensor, shift: 0 | 0.5): Tensor {
  const turns = tf.floor(tf.add(tf.mul(x, 1 / Math.PI), shift + 0.5)); // even or odd: the sign
  const halves = tf.sub(turns, shift);
  const parts = [3.140625, 0.0009670257568359375, Math.PI - 3.140625 - 0.0009670257568359375];
  const r = parts.reduce((rest, part) => tf.sub(rest, tf.mul(halves, part)), x);
  const square = tf.square(r);
  const series = [1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1].reduce(
    (sum, coefficient) => tf.add(tf.mul(sum, square), coefficient),
    tf.scalar(-1 / 39916800),
  );
  const odd = tf.sub(turns, tf.mul(tf.floor(tf.mul(turns, 0.5)), 2));
  return tf.mul(tf.mul(r, series), tf.sub(1, tf.mul(odd, 2)));
}

/** [..., m, k] x [..., k, n] or, transposed, [..., n, k]. */
function product({ tf, own, dims }: Call<"matmul">, a: Tensor, b: Tensor, transposeB: boolean): Tensor {
  const batch = dims.slice(0, -2);
  const count = elementCount(batch);
  const [m, k] = [a.shape.at(-2) ?? 1, a.shape.at(-1) ?? 1];
  const matrix = b.shape.slice(-2);
  if (elementCount(b.shape.slice(0, -2)) === 1) {
    // One matrix for all: every batch is more rows.
    const rows = tf.reshape(expandTo(tf, a, [...batch, m, k]), [-1, k]);
    return tf.reshape(tf.matMul(rows, tf.reshape(b, matrix), false, transposeB), [...dims]);
  }
  // Spread out, because the kernels pair batches wrongly when they broadcast.
  const left = tf.reshape(expandTo(tf, a, [...batch, m, k]), [count, m, k]);
  const right = tf.reshape(expandTo(tf, b, [...batch, ...matrix]), [count, ...matrix]);
  if (own !== undefined) return tf.reshape(own.products(left, right), [...dims]);
  return tf.reshape(tf.matMul(left, right, false, transposeB), [...dims]);
}

function conv2d({ tf, inputs: [x, filter, bias], attributes, relu }: Call<"conv2d">): Tensor {
  const { padding, groups } = attributes;
  const [top, bottom, left, right] = padding;
  // As `conv2d` takes it; the fused one's type does not say so.
  const pad = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as never;
  const strides: [number, number] = [...attributes.strides];
  const activation = relu ? "relu" : "linear";
  const options = { strides, pad, ...(bias && { bias }), activation } as const;
  const channels = x.shape[3] ?? 1;
  const [, , inner = 1, out = 1] = filter.shape;
  if (groups === 1) return tf.fused.conv2d({ x: x as never, filter: filter as never, ...options });
  // "depthwise" layout, [kh, kw, in, multiplier]
  if (inner === channels) return tf.fused.depthwiseConv2d({ x: x as never, filter: filter as never, ...options });
  const share = out / groups;
  const part = (tensor: Tensor, axis: number, group: number, size: number): Tensor => {
    const starts = tensor.shape.map((_, i) => (i === axis ? group * size : 0));
    const sizes = tensor.shape.map((length, i) => (i === axis ? size : length));
    return sliceAxes(tf, tensor, starts, sizes);
  };
  const results = Array.from({ length: groups }, (_, group) =>
    tf.fused.conv2d({
      ...options,
      x: part(x, 3, group, inner) as never,
      filter: part(filter, 3, group, share) as never,
      ...(bias && { bias: part(bias, 0, group, share) }),
    }),
  );
  return tf.concat(results as Tensor[], 3);
}

function resample2d({ tf, constant, inputs: [x], attributes, dims }: Call<"resample2d">): Tensor {
  const { mode, antialias } = attributes;
  const sizes: [number, number] = [...attributes.sizes];
  if (mode === "nearest-neighbor") return tf.image.resizeNearestNeighbor(x as never, sizes, false, true);
  if (mode === "linear" && !antialias) return tf.image.resizeBilinear(x as never, sizes, false, true);
  // No engine has these: two products with constant matrices.
  const [images = 1, height = 1, width = 1, channels = 1] = x.shape;
  const [, outHeight = 1, outWidth = 1] = dims;
  const along = (columns: Tensor, from: number, to: number): Tensor => {
    const key = `${mode}${antialias ? " antialiased" : ""} ${from} to ${to}`;
    const matrix = constant(key, () => resamplingMatrix(from, to, { mode, antialias }));
    return tf.matMul(tf.reshape(columns, [-1, from]), matrix);
  };
  const columns = transposeAxes(tf, x, [0, 2, 3, 1]); // [n, w, c, h]
  const resized = tf.reshape(along(columns, height, outHeight), [images, width, channels, outHeight]);
  const rows = transposeAxes(tf, resized, [0, 3, 2, 1]); // [n, h', c, w]
  const result = tf.reshape(along(rows, width, outWidth), [images, outHeight, channels, outWidth]);
  return transposeAxes(tf, result, [0, 1, 3, 2]);
}

/** [from, to]: what resampling does to a row of pixels, by its definition applied to the identity. */
function resamplingMatrix(
  from: number,
  to: number,
  options: Pick<Attributes<"resample2d">, "mode" | "antialias">,
): HostTensor<"float32"> {
  const identity = Float32Array.from({ length: from * from }, (_, i) => (i % (from + 1) === 0 ? 1 : 0));
  const g = new GraphBuilder("resampling");
  const rows = g.constant(float32([from, 1, from, 1], identity));
  const { source } = g.reshape(g.resample2d(rows, { ...options, sizes: [1, to] }), [from, to]);
  if (source.from !== "constant") throw new Error("constants are computed when the graph is built");
  return source.tensor as HostTensor<"float32">;
}
