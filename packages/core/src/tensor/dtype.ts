/** Element types of tensors and checkpoints. `bfloat16` occurs in checkpoints only. */
export type DType = "float32" | "float16" | "bfloat16" | "int32" | "int64" | "uint8" | "bool";

interface ArrayOf {
  readonly float32: Float32Array;
  /** The bits of each half, since `Float16Array` is not everywhere yet. */
  readonly float16: Uint16Array;
  /** The upper 16 bits of the float32. */
  readonly bfloat16: Uint16Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
  /** 0 or 1. */
  readonly bool: Uint8Array;
}

/** The typed array that holds elements of a dtype. */
export type TensorData<D extends DType = DType> = ArrayOf[D];

/** Bytes per element. */
export const byteSize: { readonly [D in DType]: number } = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};
