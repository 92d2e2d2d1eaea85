/**
 * ONNX models as plain data: the part of the format that lowering needs. Names and numbers are those of `onnx.proto`
 * (IR version 10, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
 */

/** Element types and their `TensorProto.DataType`. */
export const DATA_TYPE = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
export type OnnxDType = keyof typeof DATA_TYPE;

/** A number is an int, a list of them is ints; floats say so. */
export type OnnxAttribute = number | readonly number[] | string | { readonly float: number };

export interface OnnxNode {
  readonly op: string;
  /** "" is ONNX itself. */
  readonly domain: string;
  readonly name: string;
  /** "" is an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A graph's input or output; a dimension is a number or a name. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly dtype: OnnxDType;
  readonly dims: readonly (number | string)[];
}

/** A constant: its bytes (little-endian, C order) are in the model, or lie elsewhere. */
export interface OnnxTensor {
  readonly name: string;
  readonly dtype: OnnxDType;
  readonly dims: readonly number[];
  readonly data: Uint8Array | OnnxExternalData;
}

/** Bytes outside the model, in a file or buffer that the runtime is told of under this location. */
export interface OnnxExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

export interface OnnxModel {
  readonly irVersion: number;
  /** Version of each operator set by its domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  /** `metadata_props` */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly graph: OnnxGraph;
}

/** An attribute that is a float even when its value is whole. */
export function float(value: number): OnnxAttribute {
  return { float: value };
}
