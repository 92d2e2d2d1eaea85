import { MaskletError } from "../errors.ts";
import { formatDims } from "../graph/dim.ts";
import type { DType } from "../tensor/dtype.ts";
import type { HostTensor } from "../tensor/tensor.ts";

/** A backend that does not do what the contract says. */
export class ConformanceError extends MaskletError {
  override readonly name: string = "ConformanceError";
}

/** How far one tensor is from another. */
export interface Comparison {
  /** Largest |actual - expected|; infinite where one is NaN or infinite and the other is not the same. */
  readonly maxAbsolute: number;
  /** Largest |actual - expected| / |expected|. */
  readonly maxRelative: number;
  /** `maxAbsolute` and the median of |actual - expected|, in standard deviations of `expected`. */
  readonly maxScaled: number;
  readonly medianScaled: number;
  /** Where the largest absolute error is; -1 for empty tensors. */
  readonly worstIndex: number;
}

/** An element passes with an error of at most absolute + relative * |expected|. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** For float32 backends on a CPU; integers and booleans must be equal. */
export const defaultTolerance: Tolerance = { absolute: 2e-5, relative: 1e-4 };

type Contents = Pick<HostTensor, "dtype" | "dims" | "data">;

/** Errors of `actual`, element by element; both have the same number of elements. */
export function compare(actual: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>): Comparison {
  const errors = new Float64Array(expected.length);
  let worstIndex = -1;
  let maxRelative = 0;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [Number(actual[i]), Number(expected[i])];
    const difference = Math.abs(a - e);
    const error = Object.is(a, e) || a === e ? 0 : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    errors[i] = error;
    sum += e;
    squares += e * e;
    if (error > 0) maxRelative = Math.max(maxRelative, error / Math.abs(e));
    if (worstIndex < 0 || error > (errors[worstIndex] ?? 0)) worstIndex = i;
  }
  const maxAbsolute = errors[worstIndex] ?? 0;
  const mean = sum / expected.length;
  const deviation = Math.sqrt(Math.max(0, squares / expected.length - mean * mean));
  const scaled = (error: number): number => (error === 0 ? 0 : error / deviation);
  const median = errors.toSorted()[errors.length >> 1] ?? 0;
  return { maxAbsolute, maxRelative, maxScaled: scaled(maxAbsolute), medianScaled: scaled(median), worstIndex };
}

const isFloat: { readonly [D in DType]: boolean } = {
  float32: true,
  float16: true,
  bfloat16: true,
  int32: false,
  int64: false,
  uint8: false,
  bool: false,
};

/** Throws a `ConformanceError` unless dtype, shape and values agree; `what` opens its message. */
export function assertClose(
  actual: Contents,
  expected: Contents,
  what: string,
  tolerance: Tolerance = defaultTolerance,
): void {
  const type = ({ dtype, dims }: Contents): string => `${dtype}${formatDims(dims)}`;
  if (type(actual) !== type(expected) || actual.data.length !== expected.data.length) {
    const [got, wanted] = [`${type(actual)} of ${actual.data.length} elements`, type(expected)];
    throw new ConformanceError("wrong-type", `${what}: expected ${wanted}, got ${got}`);
  }
  const { absolute, relative } = isFloat[expected.dtype] ? tolerance : { absolute: 0, relative: 0 };
  for (let i = 0; i < expected.data.length; i++) {
    const [a, e] = [Number(actual.data[i]), Number(expected.data[i])];
    if (Object.is(a, e) || a === e || Math.abs(a - e) <= absolute + relative * Math.abs(e)) continue;
    const comparison = compare(actual.data, expected.data);
    const worst = comparison.worstIndex;
    throw new ConformanceError(
      "wrong-values",
      `${what}: element ${i} of ${type(expected)} is ${a}, expected ${e}; the worst is element ${worst} with ` +
        `${Number(actual.data[worst])} for ${Number(expected.data[worst])} (allowed: ${absolute} + ${relative} * |expected|)`,
      { details: { index: i, actual: a, expected: e, ...comparison } },
    );
  }
}
