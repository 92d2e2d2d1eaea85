import type { Dim } from "./dim.ts";
import type { Value } from "./graph.ts";

/**
 * Element types of values in a graph. What is said here of float32 holds of float16 too, with one of them for all of an
 * operation's floating-point operands; sums are taken in float32, and the result is rounded.
 */
export type ValueDType = "float32" | "float16" | "int32" | "bool";

/** Bits of a rounded weight's entries. */
export type WeightBits = 8 | 4;

type None = Readonly<Record<never, never>>;
type Unary = { readonly inputs: readonly [x: Value]; readonly attributes: None };
type Binary = { readonly inputs: readonly [a: Value, b: Value]; readonly attributes: None };

/**
 * Every operation a graph may hold; each has one output. Names and semantics are those of the W3C Web Neural Network
 * API (WebNN `MLGraphBuilder`) wherever it has the operation; `linear`, `quantizedLinear` and `attention` are defined here. Images are
 * channels-last ([batch, height, width, channels]), as SAM 2's tokens are; convolution filters keep the checkpoints'
 * layout [out, in / groups, height, width].
 */
export interface Ops {
  /** Element by element with broadcasting, float32 or int32. */
  readonly add: Binary;
  readonly sub: Binary;
  readonly mul: Binary;
  readonly div: Binary;
  readonly relu: Unary;
  /** The exact one: x/2 (1 + erf(x / sqrt 2)). */
  readonly gelu: Unary;
  readonly sigmoid: Unary;
  readonly sqrt: Unary;
  readonly sin: Unary;
  readonly cos: Unary;
  readonly clamp: {
    readonly inputs: readonly [x: Value];
    readonly attributes: { readonly minValue: number; readonly maxValue: number };
  };
  /** Element by element with broadcasting; the result is bool. */
  readonly equal: Binary;
  readonly greater: Binary;
  /** condition ? a : b, element by element with broadcasting; `condition` is bool. */
  readonly where: { readonly inputs: readonly [condition: Value, a: Value, b: Value]; readonly attributes: None };
  readonly cast: { readonly inputs: readonly [x: Value]; readonly attributes: { readonly dtype: ValueDType } };
  /**
   * [..., m, k] x [..., k, n] -> [..., m, n], leading dimensions broadcast. With `transposeB` (not in WebNN) the second
   * is [..., n, k].
   */
  readonly matmul: {
    readonly inputs: readonly [a: Value, b: Value];
    readonly attributes: { readonly transposeB: boolean };
  };
  /** x weight^T + bias over the last axis: x [..., in], weight [out, in], bias [out] -> [..., out]. */
  readonly linear: {
    readonly inputs: readonly [x: Value, weight: Value] | readonly [x: Value, weight: Value, bias: Value];
    readonly attributes: None;
  };
  /**
   * `linear` with a weight that is rounded when the graph is compiled, and is therefore not to depend on inputs. With 8
   * bits each row has a scale, and a backend may round x too, to 256 steps between its least and its largest value (0
   * among them) as ONNX's DynamicQuantizeLinear does; with 4 bits 32 entries along a row share a scale. See
   * `quantizeWeight`. The reference rounds x.
   */
  readonly quantizedLinear: {
    readonly inputs: readonly [x: Value, weight: Value] | readonly [x: Value, weight: Value, bias: Value];
    readonly attributes: { readonly bits: WeightBits };
  };
  /**
   * softmax(q k^T * scale) v for each head: q [b, m, heads*d], k [b', n, heads*d], v [b', n, heads*e] -> [b, m, heads*e].
   * b' is b, or 1 (also as the optional `b?`): then all of q's batch attends to the same keys and values. With `scoreBits`
   * 8 a backend may round q and k to 256 steps each before it multiplies them; the reference does not.
   */
  readonly attention: {
    readonly inputs: readonly [q: Value, k: Value, v: Value];
    readonly attributes: { readonly heads: number; readonly scale: number; readonly scoreBits?: 8 };
  };
  /** Over the last axis. */
  readonly softmax: Unary;
  /** Over the last axis, scale and bias of its length. */
  readonly layerNormalization: {
    readonly inputs: readonly [x: Value, scale: Value, bias: Value];
    readonly attributes: { readonly epsilon: number };
  };
  /** x [n, h, w, in], filter [out, in / groups, kh, kw], bias [out] -> [n, h', w', out]; padding is top, bottom, left, right. */
  readonly conv2d: {
    readonly inputs: readonly [x: Value, filter: Value] | readonly [x: Value, filter: Value, bias: Value];
    readonly attributes: {
      readonly strides: readonly [number, number];
      readonly padding: readonly [number, number, number, number];
      readonly groups: number;
    };
  };
  /** x [n, h, w, c], windows do not overlap and divide the image: [n, h / windowHeight, w / windowWidth, c]. */
  readonly maxPool2d: {
    readonly inputs: readonly [x: Value];
    readonly attributes: { readonly windowDimensions: readonly [number, number] };
  };
  /**
   * x [n, h, w, c] -> [n, sizes[0], sizes[1], c] at half-pixel centres. `cubic` (a = -0.75, not in WebNN) and
   * `antialias` (triangle filter widened when reducing; for `linear` alone) are PyTorch's `interpolate`.
   * `nearest-neighbor` takes whole multiples, where everyone agrees.
   */
  readonly resample2d: {
    readonly inputs: readonly [x: Value];
    readonly attributes: {
      readonly sizes: readonly [number, number];
      readonly mode: "nearest-neighbor" | "linear" | "cubic";
      readonly antialias: boolean;
    };
  };
  readonly reshape: {
    readonly inputs: readonly [x: Value];
    readonly attributes: { readonly newShape: readonly Dim[] };
  };
  /** Output axis i is input axis permutation[i]. */
  readonly transpose: {
    readonly inputs: readonly [x: Value];
    readonly attributes: { readonly permutation: readonly number[] };
  };
  readonly concat: { readonly inputs: readonly Value[]; readonly attributes: { readonly axis: number } };
  /** `sizes[i]` elements from `starts[i]` along every axis; of a named dimension only what is surely there (6 of `points + 6`), or all. */
  readonly slice: {
    readonly inputs: readonly [x: Value];
    readonly attributes: { readonly starts: readonly number[]; readonly sizes: readonly Dim[] };
  };
  /** Zeros before and after, along every axis. */
  readonly pad: {
    readonly inputs: readonly [x: Value];
    readonly attributes: { readonly beginningPadding: readonly number[]; readonly endingPadding: readonly number[] };
  };
  /** Broadcasts to a shape; a named dimension of it must be a dimension of one of the inputs of the graph. */
  readonly expand: { readonly inputs: readonly [x: Value]; readonly attributes: { readonly newShape: readonly Dim[] } };
  /** x indexed along an axis by int32 indices of any shape, which replaces that axis. */
  readonly gather: {
    readonly inputs: readonly [x: Value, indices: Value];
    readonly attributes: { readonly axis: number };
  };
}

/** The name of an operation. */
export type OpKind = keyof Ops;
/** What an operation takes. */
export type Inputs<K extends OpKind> = Ops[K]["inputs"];
/** How an operation is set. */
export type Attributes<K extends OpKind> = Ops[K]["attributes"];

/** A table with an entry for every operation: one that misses an operation does not compile. */
export type OpTable<F extends { readonly [K in OpKind]: unknown }> = { readonly [K in OpKind]: F[K] };
