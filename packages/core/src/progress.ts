/** How far long work is: what every `onProgress` is told. */
export interface Progress<Stage extends string = string> {
  /** What is being done. */
  readonly stage: Stage;
  /** What it is done to: a file's name, a graph's. */
  readonly item: string;
  /** Bytes of the item so far, and in all; `undefined` where a server does not say. */
  readonly loaded: number;
  readonly total: number | undefined;
  /** How much of the whole call is done, 0 to 1; it never falls. */
  readonly fraction: number;
}

export type OnProgress<Stage extends string> = (progress: Progress<Stage>) => void;

/** What is done of something; all of nothing. */
export const share = (loaded: number, total: number): number => (total === 0 ? 1 : loaded / total);

/** Tells `report` of work that is a part of the whole, from one fraction to another. */
export function within<Stage extends string>(report: OnProgress<Stage>, from: number, to: number): OnProgress<Stage> {
  return (progress) => report({ ...progress, fraction: from + (to - from) * progress.fraction });
}

/** Tells `report` of no fraction that is lower than the one before: work that failed is done again. */
export function rising<Stage extends string>(report: OnProgress<Stage>): OnProgress<Stage> {
  let reached = 0;
  return (progress) => {
    reached = Math.max(reached, progress.fraction);
    report({ ...progress, fraction: reached });
  };
}

/** What a download goes through; "wait": another process downloads the file, and this is how far that is. */
export type DownloadStage = "wait" | "download" | "verify";

/** What loading a model goes through. */
export type LoadStage = DownloadStage | "compile";

/** How far loading is. */
export type LoadProgress = Progress<LoadStage>;

/** Part of loading that is the download, where there is one. */
const DOWNLOAD = 0.9;

/** One progress of two steps, of which the first is often not needed. */
export function loadingSteps(report: OnProgress<LoadStage>): {
  readonly fetching: OnProgress<LoadStage>;
  readonly compiling: OnProgress<LoadStage>;
} {
  const whole = rising(report);
  let start = 0;
  return {
    fetching: (progress) => {
      start = DOWNLOAD;
      within(whole, 0, DOWNLOAD)(progress);
    },
    compiling: (progress) => within(whole, start, 1)(progress),
  };
}
