import type { DType } from "../tensor/dtype.ts";

/**
 * The values of little-endian `bytes` as float32: exact for float32, float16, bfloat16, uint8 and bool, rounded for
 * large integers. Aligned float32 bytes come back as a view of the same memory. `bytes` holds whole elements.
 */
export function toFloat32(dtype: DType, bytes: Uint8Array): Float32Array {
  return converters[dtype](bytes);
}

const converters: { readonly [D in DType]: (bytes: Uint8Array) => Float32Array } = {
  float32: (bytes) => view(Float32Array, bytes),
  float16: (bytes) => {
    const table = halfTable();
    const halves = view(Uint16Array, bytes);
    const bits = new Uint32Array(halves.length);
    for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i] ?? 0] ?? 0;
    return new Float32Array(bits.buffer);
  },
  bfloat16: (bytes) => {
    const halves = view(Uint16Array, bytes);
    const bits = new Uint32Array(halves.length);
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16;
    return new Float32Array(bits.buffer);
  },
  int32: (bytes) => Float32Array.from(view(Int32Array, bytes)),
  int64: (bytes) => {
    const integers = view(BigInt64Array, bytes);
    const values = new Float32Array(integers.length);
    for (let i = 0; i < values.length; i++) values[i] = Number(integers[i]);
    return values;
  },
  uint8: (bytes) => Float32Array.from(bytes),
  bool: (bytes) => new Float32Array(bytes).map((byte) => (byte === 0 ? 0 : 1)),
};

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

/** `bytes` as elements of `type`; copied only where they are not aligned. */
function view<T>(type: ArrayType<T>, bytes: Uint8Array): T {
  const aligned = bytes.byteOffset % type.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes); // a Buffer's slice would be no copy
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / type.BYTES_PER_ELEMENT);
}

let halves: Uint32Array | undefined;

/** The float32 bits of each of the 65536 halves: one look-up a value is faster than its arithmetic. */
function halfTable(): Uint32Array {
  if (halves !== undefined) return halves;
  const table = new Uint32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) table[half] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent !== 0) table[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    else if (fraction === 0) table[half] = sign;
    else {
      const shift = Math.clz32(fraction) - 21; // subnormal half, normal float
      table[half] = sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
    }
  }
  halves = table;
  return table;
}

/**
 * The bits of each value as a half, rounded to the nearest, ties to even; what is too large becomes infinite.
 */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) {
    const float = bits[i] as number;
    const sign = (float >>> 16) & 0x8000;
    const magnitude = float & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      halves[i] = sign | 0x7e00; // not a number
    } else if (magnitude < 0x38800000) {
      // Below the least normal half its fraction counts steps of 2^-24.
      const steps = Math.abs(values[i] as number) * 2 ** 24;
      const down = Math.floor(steps);
      const rest = steps - down;
      halves[i] = sign | (down + (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? 1 : 0));
    } else {
      const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
      halves[i] = sign | Math.min(rounded >>> 13, 0x7c00);
    }
  }
  return halves;
}
