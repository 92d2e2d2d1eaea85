/** Pages of a dataset that are filled once: statistics, and comparisons. */
import type { LabelStats } from "@masklet/labels";
import type { ComparisonCounts, ComparisonReport } from "./compare.ts";
import type { OverlayObject } from "./overlay.ts";

export interface StatisticsMessage {
  readonly type: "statistics";
  readonly name: string;
  readonly stats: LabelStats;
  readonly words: Readonly<Record<string, string>>;
}

export interface ComparisonMessage {
  readonly type: "comparison";
  readonly before: string;
  readonly after: string;
  readonly counts: ComparisonCounts;
  readonly images: ComparisonReport["images"];
  /** Pictures that differ too and are not listed. */
  readonly more: number;
  readonly words: Readonly<Record<string, string>>;
}

/** Both sides of a picture, drawn one over the other. */
export interface SidesMessage {
  readonly type: "sides";
  readonly at: number;
  readonly bytes: ArrayBuffer | undefined;
  readonly problem: string | undefined;
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly before: readonly OverlayObject[];
  readonly after: readonly OverlayObject[];
}

export type FromComparison =
  | { readonly type: "ready" }
  | { readonly type: "sides"; readonly at: number; readonly side: number }
  | { readonly type: "report"; readonly format: "markdown" | "json" }
  | { readonly type: "open"; readonly at: number };
