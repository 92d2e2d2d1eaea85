import type { DType, TensorData } from "./dtype.ts";

/** A dense tensor in JavaScript memory, C order. */
export interface HostTensor<D extends DType = DType> {
  readonly dtype: D;
  readonly dims: readonly number[];
  readonly data: TensorData<D>;
}

/**
 * A tensor that a backend holds. It lives until `dispose()`, which may be called more than once; `read()` copies it out
 * and leaves it alive, and rejects with a `StateError` once it is disposed.
 */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  read(): Promise<HostTensor>;
  dispose(): void;
  [Symbol.dispose](): void;
}

/** What a graph takes: host data is uploaded, device data is used where it is. */
export type Tensor = HostTensor | DeviceTensor;

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** A float32 host tensor around `data`, which is not copied. */
export function float32(dims: readonly number[], data: Float32Array): HostTensor<"float32"> {
  return { dtype: "float32", dims, data };
}

/** An int32 host tensor around `data`, which is not copied. */
export function int32(dims: readonly number[], data: Int32Array): HostTensor<"int32"> {
  return { dtype: "int32", dims, data };
}
