/** What is made of a run's masks once they are there: always of all of them, so that a run may have been interrupted. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  applyEffect,
  createFrameFolder,
  createVideo,
  type EffectName,
  effectNames,
  encodeMaskPng,
  type MaskletFrame,
  MaskletRecorder,
  type RawImage,
  writeFileAtomic,
} from "@masklet/core/node";
import { prepareFolder } from "../folder.ts";
import type { ModelFacts } from "../models.ts";
import type { Clip } from "./clip.ts";
import { frameName, type RunFolder } from "./run-folder.ts";

export const formats = ["mask", "objects", "json", "overlay", "cutout", "cutout-png"] as const;

export type Format = (typeof formats)[number];

/** Older names of formats. */
export const formatAliases: Readonly<Record<string, Format>> = { alpha: "cutout", "alpha-png": "cutout-png" };

/** An overlay is a format. */
export const effects: readonly EffectName[] = effectNames.filter((name) => name !== "overlay");

export interface ResultSettings {
  readonly formats: readonly Format[];
  readonly effects: readonly EffectName[];
}

/** Every file that a run can make, pictures of frames aside. */
export const resultFiles: readonly string[] = [
  "masklets.json",
  "overlay.mp4",
  "alpha.webm",
  ...effects.map((effect) => `${effect}.mp4`),
];

export interface ResultsOptions extends ResultSettings {
  readonly clip: Clip;
  /** Stands in JSON. */
  readonly model: ModelFacts;
  /** On how many frames each object was prompted, by id. */
  readonly prompted: ReadonlyMap<number, number>;
  readonly signal: AbortSignal;
  readonly onFrame: (done: number, all: number) => void;
}

/** Results before it is known which model makes them. */
export type WantedResults = Omit<ResultsOptions, "model">;

/** One result on its way. */
interface Result {
  readonly path: string;
  /** Whether it shows the video's own pixels. */
  readonly pictures: boolean;
  readonly write: (frame: MaskletFrame, image: RawImage | undefined) => Promise<void>;
  readonly finish: () => Promise<void>;
  /** Takes back what is not finished. */
  readonly abort: () => Promise<void>;
}

/**
 * Makes every result of the frames that were tracked. -> their paths. Rejects as the writers do, with nothing half-made
 * left over.
 */
export async function makeResults(
  run: RunFolder,
  frames: readonly number[],
  options: ResultsOptions,
): Promise<readonly string[]> {
  const { clip, signal, onFrame } = options;
  const results: Result[] = [];
  try {
    for (const format of options.formats) {
      // Masks are there already.
      if (format !== "mask") results.push(await beginFormat(format, run.path, frames, options));
    }
    for (const effect of options.effects) {
      results.push(await beginVideo(join(run.path, `${effect}.mp4`), effect, frames, options));
    }
    if (results.length === 0) return [];
    const pictures = results.some((result) => result.pictures);
    for (const [i, index] of frames.entries()) {
      signal.throwIfAborted();
      const frame = await run.frame(index);
      const image = pictures ? await clip.frames.frame(index, { signal }) : undefined;
      for (const result of results) await result.write(frame, image);
      onFrame(i + 1, frames.length);
    }
    for (const result of results) await result.finish();
    return results.map(({ path }) => path);
  } catch (error) {
    await Promise.all(results.map((result) => result.abort()));
    throw error;
  }
}

/**
 * Writes a video of one frame of each kind that is wanted, with its sound, and removes it: what cannot be written is to be
 * known before a long run. Rejects as `createVideo`.
 */
export async function checkResults(folder: string, { formats, effects, clip, signal }: WantedResults): Promise<void> {
  const endings = [
    ...(formats.includes("overlay") || effects.length > 0 ? [".mp4"] : []),
    ...(formats.includes("cutout") ? [".webm"] : []),
  ];
  for (const ending of endings) {
    const path = join(folder, ".track", `check${ending}`);
    const video = await createVideo(path, {
      size: clip.frames.size,
      fps: clip.fps,
      signal,
      ...(clip.times !== undefined && { times: [0], audio: clip.path }),
    });
    const image = await clip.frames.frame(0, { signal });
    if (image !== undefined) await video.write(image);
    await video.finish();
    await rm(path, { force: true });
  }
}

async function beginFormat(
  format: Exclude<Format, "mask">,
  folder: string,
  frames: readonly number[],
  options: ResultsOptions,
): Promise<Result> {
  const { clip, signal } = options;
  switch (format) {
    case "objects":
      return objectMasks(join(folder, "objects"), signal);
    case "json":
      return masklets(join(folder, "masklets.json"), options);
    case "overlay":
      return beginVideo(join(folder, "overlay.mp4"), "overlay", frames, options);
    case "cutout":
      return beginVideo(join(folder, "alpha.webm"), "cutout", frames, options);
    case "cutout-png": {
      const path = join(folder, "alpha");
      const writer = await createFrameFolder(path, { first: frames[0] ?? 0, signal });
      return { path, pictures: true, ...written(writer, "cutout", clip) };
    }
  }
}

function objectMasks(path: string, signal: AbortSignal): Result {
  return {
    path,
    pictures: false,
    write: async ({ frame, objects }) => {
      for (const { id, mask } of objects) {
        const folder = join(path, String(id));
        await prepareFolder(folder);
        await writeFileAtomic(join(folder, `${frameName(frame)}.png`), await encodeMaskPng(mask), { signal });
      }
    },
    finish: async () => {},
    abort: async () => {}, // each file is whole
  };
}

function masklets(path: string, { clip, model, prompted, signal }: ResultsOptions): Result {
  const { name, frames, duration } = clip;
  const recorder = new MaskletRecorder(frames.size);
  return {
    path,
    pictures: false,
    write: async (frame) => recorder.add(frame),
    finish: async () => {
      const json = recorder.annotation({ videoId: name, frameCount: frames.count, duration, edited: prompted });
      await writeFileAtomic(path, `${JSON.stringify({ ...json, model })}\n`, { signal });
    },
    abort: async () => {},
  };
}

async function beginVideo(
  path: string,
  effect: EffectName,
  frames: readonly number[],
  { clip, signal }: ResultsOptions,
): Promise<Result> {
  const { fps, times, file } = clip;
  const [first = 0] = frames;
  const start = times?.[first] ?? 0;
  const writer = await createVideo(path, {
    size: clip.frames.size,
    fps,
    signal,
    ...(times !== undefined && { times: frames.map((frame) => (times[frame] as number) - start) }),
    ...(file !== undefined && {
      audio: clip.path,
      audioStart: file.start + start,
      sampleAspectRatio: file.sampleAspectRatio,
    }),
  });
  return { path, pictures: true, ...written(writer, effect, clip) };
}

function written(
  writer: Awaited<ReturnType<typeof createVideo>>,
  effect: EffectName,
  { shown }: Clip,
): Pick<Result, "write" | "finish" | "abort"> {
  return {
    write: async ({ frame, objects }, image) => {
      if (image === undefined) throw new Error(`${shown}: frame ${frame} was there, and is not any more`);
      const several = effect === "overlay" && objects.length > 1;
      const painted = several ? objects.map((object) => ({ ...object, label: String(object.id) })) : objects;
      await writer.write(applyEffect(image, painted, effect));
    },
    finish: () => writer.finish(),
    abort: () => writer.abort(),
  };
}
