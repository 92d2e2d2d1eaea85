import { float32, type HostTensor } from "../tensor/tensor.ts";

/** Cosines and sines of axial rotary position encoding, each [side * side, width / 2]. */
export interface RotaryTables {
  readonly cos: HostTensor<"float32">;
  readonly sin: HostTensor<"float32">;
}

/**
 * Axial rotary encoding of a square map (Su et al. 2021; Heo et al. 2024; reference: modeling/position_encoding.py,
 * `compute_axial_cis`, theta 10000): the first half of the pairs turns with x, the second with y.
 */
export function axialRotaryTables(side: number, width: number): RotaryTables {
  const pairs = width / 2;
  const perAxis = pairs / 2;
  const cos = new Float32Array(side * side * pairs);
  const sin = new Float32Array(side * side * pairs);
  for (let cell = 0; cell < side * side; cell++) {
    const [x, y] = [cell % side, Math.floor(cell / side)];
    for (let i = 0; i < pairs; i++) {
      const frequency = Math.fround(1 / 10000 ** ((4 * (i % perAxis)) / width));
      const angle = Math.fround((i < perAxis ? x : y) * frequency);
      cos[cell * pairs + i] = Math.cos(angle);
      sin[cell * pairs + i] = Math.sin(angle);
    }
  }
  return { cos: float32([side * side, pairs], cos), sin: float32([side * side, pairs], sin) };
}
