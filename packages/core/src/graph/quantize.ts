import type { HostTensor } from "../tensor/tensor.ts";
import type { WeightBits } from "./ops.ts";

/** Entries along a row that share a scale where they have 4 bits. */
export const WEIGHT_BLOCK = 32;

/** A matrix in whole numbers. */
export interface QuantizedWeight {
  /** [out, in]: -127 to 127 with 8 bits, -8 to 7 with 4. */
  readonly values: Int8Array;
  /** What a value of 1 stands for: [out] with 8 bits, [out, in / 32 rounded up] with 4. */
  readonly scales: Float32Array;
}

/**
 * Rounds a matrix [out, in], each row (8 bits) or each 32 entries along a row (4 bits) by a scale of its own. With 8 bits
 * the range is symmetric; with 4 the entry of the largest magnitude, of whichever sign, becomes -8.
 */
export function quantizeWeight({ dims, data }: HostTensor<"float32">, bits: WeightBits): QuantizedWeight {
  const [rows = 0, inner = 0] = dims;
  const length = bits === 8 ? inner : WEIGHT_BLOCK;
  const blocks = Math.ceil(inner / length);
  const values = new Int8Array(data.length);
  const scales = new Float32Array(rows * blocks);
  for (let block = 0; block < scales.length; block++) {
    const row = Math.floor(block / blocks) * inner;
    const start = row + (block % blocks) * length;
    const end = Math.min(row + inner, start + length);
    let extreme = 0;
    for (let i = start; i < end; i++) {
      const value = data[i] as number;
      if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    }
    const scale = Math.fround(bits === 8 ? Math.abs(extreme) / 127 : extreme / -8);
    scales[block] = scale;
    if (scale === 0) continue;
    const most = bits === 8 ? 127 : 7;
    for (let i = start; i < end; i++) values[i] = Math.min(most, Math.round((data[i] as number) / scale));
  }
  return { values, scales };
}

/**
 * Rounds activations as ONNX's DynamicQuantizeLinear does, in float32: to 256 steps of one size, from the least of them
 * and 0 to the largest of them and 0. `values` are whole numbers, 0 standing for 0.
 */
export function quantizeActivations(data: Float32Array): { readonly values: Float32Array; readonly scale: number } {
  let [least, most] = [0, 0];
  for (const value of data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const scale = Math.fround(Math.fround(most - least) / 255) || 1;
  const zero = roundHalfEven(Math.fround(-least / scale));
  const values = data.map((value) => Math.min(255 - zero, Math.max(-zero, roundHalfEven(Math.fround(value / scale)))));
  return { values, scale };
}

function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
