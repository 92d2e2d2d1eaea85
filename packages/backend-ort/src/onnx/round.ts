import { type HostTensor, quantizeWeight, type TensorData, WEIGHT_BLOCK, type WeightBits } from "@masklet/core/backend";
import type { OnnxTensor } from "./schema.ts";

/** What becomes of a rounded weight in the model. */
export type RoundedFormat =
  /** For DynamicQuantizeMatMul: the matrix transposed, in signed or unsigned bytes. */
  | "int8"
  | "uint8"
  /** For MatMulNBits: rows in blocks. */
  | "blocks";

/** The names of a rounded weight's tensors in the model. */
export interface RoundedNames {
  readonly values: string;
  readonly scales: string;
  /** Of unsigned bytes alone. */
  readonly zeroPoints?: string;
}

/** A tensor of the model whose bytes are in memory. */
export interface InMemory extends Omit<OnnxTensor, "data"> {
  readonly data: TensorData | Int8Array;
}

/** A matrix [out, in] rounded, as tensors whose names begin with `name`. */
export function roundWeight(
  name: string,
  weight: HostTensor<"float32">,
  bits: WeightBits,
  format: RoundedFormat,
): { readonly tensors: readonly InMemory[]; readonly names: RoundedNames } {
  const [rows = 0, inner = 0] = weight.dims;
  const { values, scales } = quantizeWeight(weight, bits);
  const names = { values: `${name}: values`, scales: `${name}: scales` };
  if (format === "blocks") {
    const blocks = Math.ceil(inner / WEIGHT_BLOCK);
    return {
      names,
      tensors: [
        {
          name: names.values,
          dtype: "uint8",
          dims: [rows, blocks, (WEIGHT_BLOCK * bits) / 8],
          data: packBlocks(values, { rows, inner, blocks, bits }),
        },
        {
          name: names.scales,
          dtype: "float32",
          dims: [rows * blocks],
          data: repeat(scales, (rows * blocks) / scales.length),
        },
      ],
    };
  }
  const isSigned = format === "int8";
  const transposed = isSigned ? new Int8Array(values.length) : new Uint8Array(values.length);
  const shift = isSigned ? 0 : 128;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < inner; i++) transposed[i * rows + row] = (values[row * inner + i] as number) + shift;
  }
  const tensors: InMemory[] = [
    { name: names.values, dtype: format, dims: [inner, rows], data: transposed },
    { name: names.scales, dtype: "float32", dims: [rows], data: scales },
  ];
  if (isSigned) return { names, tensors };
  const zeroPoints = `${name}: zero points`;
  tensors.push({ name: zeroPoints, dtype: "uint8", dims: [rows], data: new Uint8Array(rows).fill(shift) });
  return { names: { ...names, zeroPoints }, tensors };
}

/** Unsigned, 0 in the middle of the range; of 4 bits two to a byte, the first in the lower half. */
function packBlocks(
  values: Int8Array,
  {
    rows,
    inner,
    blocks,
    bits,
  }: { readonly rows: number; readonly inner: number; readonly blocks: number; readonly bits: WeightBits },
): Uint8Array {
  const zero = 1 << (bits - 1);
  const perByte = 8 / bits;
  const packed = new Uint8Array((rows * blocks * WEIGHT_BLOCK) / perByte);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < blocks * WEIGHT_BLOCK; i++) {
      const value = zero + (i < inner ? (values[row * inner + i] as number) : 0);
      const at = row * blocks * WEIGHT_BLOCK + i;
      const byte = Math.floor(at / perByte);
      packed[byte] = (packed[byte] as number) | (value << (bits * (at % perByte)));
    }
  }
  return packed;
}

/** Each element `times` times. */
function repeat(data: Float32Array, times: number): Float32Array {
  return Float32Array.from({ length: data.length * times }, (_, i) => data[Math.floor(i / times)] as number);
}
