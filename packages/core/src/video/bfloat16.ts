/** Memories are kept as bfloat16, as the reference keeps them: half the space, and the rounding is part of its results. */

/** Rounded to nearest, ties to even: the upper half of each float32. Not-a-numbers stay what they are. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] as number;
    const notANumber = (value & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Exact; written to `out` from `offset` on. */
export function fromBfloat16(values: Uint16Array, out: Float32Array, offset: number): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < values.length; i++) bits[offset + i] = (values[i] as number) << 16;
}
