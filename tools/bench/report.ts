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

/** What one model's process found. */
export interface Report {
  readonly model: string;
  readonly threads: number;
  /** GFLOP/s of the best 2048 x 2048 product. */
  readonly peak: number;
  readonly rows: readonly Row[];
  readonly load: { readonly milliseconds: number; readonly bytes: number };
  /** Resident bytes. */
  readonly memory: { readonly baseline: number; readonly peak: number };
}
