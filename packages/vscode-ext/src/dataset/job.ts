/** Automatic masks over many pictures, one after the other: stopped, continued, and with the time that is left. */
import {
  type CompressedRle,
  decodeUtf8,
  decompressRle,
  encodeUtf8,
  MaskletError,
  type Rle,
  type Size,
} from "@masklet/core";
import { rleIou } from "@masklet/labels";
import type { Draft, DraftStore, StateFiles } from "./drafts.ts";

/** What a model found in a picture. */
export interface Proposals {
  readonly size: Size;
  readonly model: string;
  readonly objects: readonly { readonly mask: CompressedRle; readonly score: number; readonly category?: string }[];
}

/** What is asked for, and how far it is: plain data, so that it can be kept. */
export interface JobState {
  readonly id: string;
  readonly paths: readonly string[];
  /** The path of a detector's file, where its boxes are wanted; else everything is. */
  readonly detector?: string;
  /** Pictures that are done, from the first on. */
  readonly done: number;
  readonly objects: number;
  readonly failed: readonly { readonly path: string; readonly message: string }[];
}

export interface JobProgress {
  readonly state: JobState;
  /** `undefined` until a few pictures are done. */
  readonly secondsLeft: number | undefined;
}

export interface JobOptions {
  readonly signal: AbortSignal;
  readonly propose: (path: string, signal: AbortSignal) => Promise<Proposals>;
  /** Masks of accepted labels: what is proposed again is left out. */
  readonly accepted: (path: string, signal: AbortSignal) => Promise<readonly Rle[]>;
  readonly progress?: (progress: JobProgress) => void;
  /** Milliseconds; a test's own clock. */
  readonly now?: () => number;
}

/** A proposal that has this IoU with an accepted object is that object. */
const sameObject = 0.8;
/** As many pictures that fail one after the other end the job: the model is at fault, not they. */
const inARow = 5;
const stateName = "job.json";

/** The job that was not ended, if there is one. */
export async function unfinishedJob(files: StateFiles): Promise<JobState | undefined> {
  const bytes = await files.read(stateName);
  if (bytes === undefined) return undefined;
  try {
    const state = JSON.parse(decodeUtf8(bytes) ?? "") as JobState;
    return Array.isArray(state.paths) && state.done < state.paths.length ? state : undefined;
  } catch {
    return undefined; // it broke off while it was written: the drafts are there
  }
}

export async function forgetJob(files: StateFiles): Promise<void> {
  await files.remove(stateName);
}

/**
 * Runs a job from where it is. Each picture's drafts are kept before the next one begins, so that stopping costs nothing that
 * is done; accepted labels are never touched. Resolves with the state at the end, also when it is stopped. Rejects with the last
 * error where several pictures fail in a row.
 */
export async function runJob(
  job: JobState,
  store: DraftStore,
  files: StateFiles,
  options: JobOptions,
): Promise<JobState> {
  const { signal, propose, accepted, progress, now = () => performance.now() } = options;
  let state = job;
  let failures = 0;
  const started = now();
  const save = (): Promise<void> => files.write(stateName, encodeUtf8(JSON.stringify(state)));
  await save();
  try {
    for (const path of job.paths.slice(job.done)) {
      if (signal.aborted) break;
      try {
        const [{ size, model, objects }, masks] = [await propose(path, signal), await accepted(path, signal)];
        const fresh = objects.filter(({ mask }) => {
          const rle = decompressRle(mask);
          return !masks.some((one) => one.size.join() === rle.size.join() && rleIou(one, rle) >= sameObject);
        });
        const drafts: readonly Draft[] = fresh
          .toSorted((a, b) => b.score - a.score)
          .map((object, id) => ({ id, ...object }));
        await store.put({ path, size, model, drafts });
        state = { ...state, done: state.done + 1, objects: state.objects + drafts.length };
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof MaskletError)) throw error;
        failures++;
        if (failures >= inARow) throw error;
        state = { ...state, done: state.done + 1, failed: [...state.failed, { path, message: error.message }] };
      }
      await save();
      const did = state.done - job.done;
      const perPicture = (now() - started) / 1000 / did;
      progress?.({ state, secondsLeft: did < 3 ? undefined : perPicture * (state.paths.length - state.done) });
    }
  } finally {
    await store.flush();
  }
  if (state.done === state.paths.length) await forgetJob(files);
  return state;
}

/** `3 min`, `1 h 20 min`, `40 s`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
