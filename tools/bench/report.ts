import type { AutomaticMaskOptions, Precision, PresetName } from "@masklet/core";

/** One measured piece of work. */
export interface Row {
  readonly name: string;
  /** Median of five warm runs. */
  readonly milliseconds: number;
  /** GFLOP/s of the best 2048 x 2048 product, run in turns with it. */
  readonly peak: number;
  /** What the plain algorithm takes, so that cleverness counts as speed. */
  readonly gigaflops: number;
  /** The share of the peak that is aimed at. */
  readonly mark?: number;
  /** Resident bytes: the most of this row's process while it had run this alone, and before the model was loaded. */
  readonly memory: { readonly baseline: number; readonly peak: number };
}

/** Everything in one image, and what of the time its parts take; the rest is JavaScript's own. */
export interface EverythingRow {
  readonly setting: "usual" | "low";
  readonly points: number;
  readonly masks: number;
  readonly milliseconds: number;
  readonly encode: number;
  readonly decode: number;
  readonly filter: number;
  readonly upsample: number;
  readonly nms: number;
}

/**
 * Thresholds, which against.py has too. Of hashed weights the usual ones keep nothing, as they do of most candidates of a
 * picture; the low ones send nearly all through every stage, more than any picture does.
 */
export const everythingSettings: Readonly<Record<EverythingRow["setting"], AutomaticMaskOptions>> = {
  usual: {},
  low: { predIouThreshold: 0.5, stabilityScoreThreshold: 0.05 },
};

/** How many times as fast as Meta's generator in PyTorch it is to be. */
export const everythingMark = 4;

/** A piece of work that needs no model. */
export interface HostRow {
  readonly name: string;
  /** Median of five warm runs. */
  readonly milliseconds: number;
  /** How many times as long as a plain loop over the bytes of eight masks, run in turns with it. */
  readonly passes: number;
}

/** Work with datasets. */
export interface DatasetRow {
  readonly name: string;
  readonly seconds: number;
  /** How many went through it, where that is what counts. */
  readonly pictures?: number;
  /** Of anonymous memory at its peak; of all processes together. */
  readonly bytes: number;
  /** What that aims to be below. */
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

/** What loading a model took. */
export interface Start {
  /** The config's name. */
  readonly model: string;
  readonly load: { readonly milliseconds: number; readonly bytes: number };
  /** Milliseconds from the start of `masklet segment` to its end, with one box; `null` where it is not built. */
  readonly firstMask: number | null;
}

/** What was found of one model. */
export interface Report extends Start {
  readonly threads: number;
  readonly rows: readonly Row[];
  readonly comparisons: readonly Comparison[];
  /** With `--against python`. */
  readonly python?: Against;
}

/** Medians of warm runs in PyTorch by the rows' names, and its GEMM peak in GFLOP/s; or why there are none. */
export type Against =
  | { readonly torch: string; readonly peak: number; readonly milliseconds: Readonly<Record<string, number>> }
  | { readonly skipped: string };

/** What of a model is computed where, in a browser. */
export interface PageJob {
  readonly backend: "ort" | "tfjs";
  readonly device: "wasm" | "webgl" | "webgpu";
  readonly threads: number;
  /** Addresses. */
  readonly checkpoint: string;
  readonly config: string | undefined;
  /** The published model that it is: some are told apart by their files' names alone, and bytes have none. */
  readonly preset: PresetName | undefined;
}

/** What a backend said when it was asked to start: "runs" or an error's code. */
export interface Supported {
  readonly state: string;
  readonly dtypes: readonly string[];
}

/** One measured piece of work in a browser, or why it was not measured. */
export type PageRow = { readonly name: string } & (
  | {
      /** Median of the warm runs. */
      readonly milliseconds: number;
      readonly runs: number;
    }
  | { readonly skipped: string }
);

/** What one model did on one backend. */
export interface BrowserColumn extends Pick<PageJob, "backend" | "device"> {
  /** The GPU. */
  readonly adapter?: string;
  readonly software: boolean;
  readonly rows: readonly PageRow[];
  /** Why there are no rows. */
  readonly notRun?: string;
}

/** What one model did in a browser. */
export interface BrowserReport {
  readonly model: string;
  readonly browser: string;
  readonly threads: number;
  readonly columns: readonly BrowserColumn[];
}

/** Lines of cells as text: the first to the left, the others to the right. */
export function columns(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) => {
      const cells = line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
      return `  ${cells.join("  ")}`;
    })
    .join("\n");
}

/** Anonymous resident bytes of some work. */
export interface MemoryUse {
  readonly name: string;
  readonly bytes: number;
  /** What it aims to stay below. */
  readonly mark: number;
}

/** The longest task of the page while something was done; 0 where none was over 50 ms, which browsers do not tell. */
export interface EditorTask {
  readonly name: string;
  /** Milliseconds. */
  readonly longest: number;
}

/** A walk through the editor. */
export interface EditorRun {
  /** Masks in a second under a pointer that moves. */
  readonly rate: number;
  readonly tasks: readonly EditorTask[];
}

export interface EditorReport extends EditorRun {
  /** How many times as wide and high the picture was made. */
  readonly scale: number;
}

/** Milliseconds since the page was opened. */
export interface FirstMask {
  readonly started: number;
  readonly loaded: number;
  readonly encoded: number;
  readonly mask: number;
  /** What a click takes from then on: the median of five. */
  readonly click: number;
}

export type RuntimeName = "ort" | "tfjs";

/** One runtime over one speed: medians of the rounds, in milliseconds since the page was opened. */
export interface FirstMaskRow extends FirstMask {
  readonly runtime: RuntimeName;
  readonly speed: string;
  /** Of the page and all that it fetched, as they were sent. */
  readonly bytes: number;
}

export interface FirstMaskReport {
  readonly browser: string;
  readonly rounds: number;
  readonly rows: readonly FirstMaskRow[];
}

/** A number beside what it may be. */
export interface BudgetRow {
  readonly name: string;
  readonly value: number;
  readonly unit: "ms" | "kB" | "MB";
  readonly budget: number;
}
