import type { Precision } from "@masklet/core";

/** One measured piece of work. */
export interface Row {
  readonly name: string;
  /** Median of five warm runs. */
  readonly milliseconds: number;
  /** What the plain algorithm takes, so that cleverness counts as speed. */
  readonly gigaflops: number;
  /** The share of the peak that is aimed at. */
  readonly mark?: number;
}

/** A piece of work in another precision, run in turns with float32. */
export interface Comparison {
  readonly name: string;
  readonly dtype: Precision;
  /** Medians of five warm runs. */
  readonly milliseconds: number;
  readonly fp32Milliseconds: number;
  /** How many times as fast it aims to be. */
  readonly mark?: number;
}

/** What one model's process found. */
export interface Report {
  readonly model: string;
  readonly threads: number;
  /** GFLOP/s of the best 2048 x 2048 product. */
  readonly peak: number;
  readonly rows: readonly Row[];
  readonly comparisons: readonly Comparison[];
  readonly load: { readonly milliseconds: number; readonly bytes: number };
  /** Resident bytes. */
  readonly memory: { readonly baseline: number; readonly peak: number };
}
