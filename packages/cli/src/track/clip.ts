/** The video that is tracked: a folder of images, or a file. */
import { createHash } from "node:crypto";
import { open, rm, stat } from "node:fs/promises";
import { basename, join, parse, resolve } from "node:path";
import {
  type FrameSource,
  fetchToFile,
  framesFromFolder,
  MaskletError,
  openVideo,
  systemReason,
  temporaryFolder,
  type VideoInfo,
} from "@masklet/core/node";
import { onceEach } from "../host.ts";
import { type Progress, showFetching } from "../progress.ts";
import { atAddress, isAddress, isOtherAddress, onlyWeb } from "../segment/inputs.ts";
import { UsageError } from "../usage.ts";

export interface Clip {
  /** Where its bytes lie. */
  readonly path: string;
  /** What it is called in messages. */
  readonly shown: string;
  /** What JSON calls it. */
  readonly name: string;
  readonly frames: FrameSource & { readonly count: number };
  readonly fps: number;
  /** In seconds. */
  readonly duration: number;
  /** When each frame is shown, in seconds, where a file says it. */
  readonly times: readonly number[] | undefined;
  /** Where a file's sound and picture lie, and the shape of its pixels. */
  readonly file: Pick<VideoInfo, "start" | "sampleAspectRatio"> | undefined;
  /** What tells this video from another one, wherever it lies. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly close: () => Promise<void>;
}

/** SA-V's and DAVIS's. */
const folderRate = 24;

export interface OpenClipOptions {
  /** Of a folder of images. */
  readonly fps: number | undefined;
  readonly maxPixels: number | undefined;
  readonly signal: AbortSignal;
  /** Shows how far the download is, where the video is one, and takes sentences for standard error. */
  readonly progress: Progress;
}

/** Of a video that is fetched. */
const maxVideoBytes = 2 ** 34;

/**
 * A video at an address is fetched into a temporary folder, which `close` removes. Rejects with a `UsageError` for a rate
 * given to a video file, or as `framesFromFolder`, `openVideo` and `fetchToFile` do.
 */
export async function openClip(path: string, options: OpenClipOptions): Promise<Clip> {
  if (isOtherAddress(path)) throw new UsageError(`${path}: ${onlyWeb}`);
  if (!isAddress(path)) return openLocal(path, options);
  const { progress, signal } = options;
  const { source, stem } = atAddress(path);
  const folder = await temporaryFolder("masklet-video-");
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, "video");
    await fetchToFile(path, file, { maxBytes: maxVideoBytes, signal, onProgress: showFetching(progress) });
    const clip = await openLocal(file, { ...options, name: source });
    const close = (): Promise<void> => clip.close().finally(remove);
    return { ...clip, name: stem, shown: source, close };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function openLocal(
  path: string,
  { fps, maxPixels, signal, progress, name }: OpenClipOptions & { readonly name?: string },
): Promise<Clip> {
  const settings = { signal, ...(maxPixels !== undefined && { maxPixels }) };
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    const warn = (problem: string): void => progress.note(`masklet track: ${problem}`);
    const frames = await framesFromFolder(path, { ...settings, onWarning: onceEach(warn) });
    const { count, names, leftOut } = frames;
    if (leftOut.length > 0) warn(`${path}: ${leftOutOf(leftOut)}: ${shortList(leftOut)}`);
    const rate = fps ?? folderRate;
    // A broken frame may be mended before a run goes on, so that only the first one's content counts.
    const identity = {
      images: count,
      names: createHash("sha256").update(names.join("\n")).digest("hex"),
      first: await digest(join(path, names[0] as string)),
    };
    const duration = count / rate;
    const close = async (): Promise<void> => {};
    return {
      path,
      shown: path,
      name: basename(resolve(path)),
      frames,
      fps: rate,
      duration,
      times: undefined,
      file: undefined,
      identity,
      close,
    };
  }
  if (fps !== undefined) throw new UsageError(`--fps is for a folder of images, ${name ?? path} has a rate of its own`);
  const video = await openVideo(path, { ...settings, ...(name !== undefined && { name }) });
  const { info, size, count = info.frames } = video;
  const { fps: rate, duration, times } = info;
  try {
    return {
      path,
      shown: path,
      name: parse(path).name,
      frames: { size, count, frame: (index, options) => video.frame(index, options) },
      fps: rate,
      duration,
      times,
      file: info,
      identity: { frames: info.frames, content: await digest(path) },
      close: () => video.close(),
    };
  } catch (error) {
    await video.close();
    throw error;
  }
}

function leftOutOf({ length }: readonly string[]): string {
  return length === 1
    ? "1 file that looks like an image is not read as a frame"
    : `${length} files that look like images are not read as frames`;
}

function shortList(names: readonly string[]): string {
  return names.length <= 5 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
}

const sampled = 2 ** 20;

/** A hash of a file's size, beginning and end, where containers and checkpoints keep what their contents hang on. */
export async function digest(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const hash = createHash("sha256").update(String(size));
      for (const position of new Set([0, Math.max(0, size - sampled)])) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(sampled), 0, sampled, position);
        hash.update(buffer.subarray(0, bytesRead));
      }
      return hash.digest("hex");
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new MaskletError("read-failed", `${path} cannot be read: ${systemReason(cause)}`, {
      cause,
      details: { path },
    });
  }
}
