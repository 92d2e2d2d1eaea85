import type { HostTensor } from "../tensor/tensor.ts";
import type { Dim } from "./dim.ts";
import type { Attributes, Inputs, OpKind, ValueDType } from "./ops.ts";

/** Dtype and shape. */
export interface ValueType {
  readonly dtype: ValueDType;
  readonly dims: readonly Dim[];
}

/** One use of an operation. */
export interface OpNode<K extends OpKind = OpKind> {
  readonly kind: K;
  readonly inputs: Inputs<K>;
  readonly attributes: Attributes<K>;
  /** Where in the model it was written: `sam_mask_decoder.transformer.layers.0`. */
  readonly scope: string;
}

/** Any operation, as a union that `kind` tells apart. */
export type AnyOpNode = { [K in OpKind]: OpNode<K> }[OpKind];

/** Where a value comes from. */
export type ValueSource =
  | { readonly from: "input"; readonly name: string }
  | { readonly from: "constant"; readonly tensor: HostTensor }
  /**
   * As many elements as the value has, from element `offset` of the checkpoint's tensor `key`, whose whole shape is
   * `keyDims`: a view, so that thirds of a matrix need no copy.
   */
  | { readonly from: "weight"; readonly key: string; readonly keyDims: readonly number[]; readonly offset: number }
  | { readonly from: "op"; readonly node: AnyOpNode };

/** A tensor in a graph. */
export interface Value extends ValueType {
  /** Unique within the graph; rises in the order of building. */
  readonly id: number;
  readonly source: ValueSource;
}

/** A value computed by an operation. */
export type OpValue = Value & { readonly source: { readonly from: "op" } };

/**
 * A computation over named inputs and a checkpoint's weights, as data. `values` holds every operation's result that an
 * output depends on, inputs before uses.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly values: readonly OpValue[];
}
