import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { AbortSignalLike } from "../../abort.ts";
import { VideoError } from "../../errors.ts";
import type { RawImage } from "../../image/image.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { Decoder } from "./decoder.ts";
import { fileUrl } from "./ffmpeg.ts";

export interface VideoStreamOptions {
  /**
   * What becomes of frames that come while the consumer is busy. "newest" (the default) keeps the one that came last, as
   * live pictures want it: memory and delay stay bounded, however slow the model. "all" drops none: the source has to
   * wait, which a file does and a camera answers by dropping frames itself, or by falling behind.
   */
  readonly keep?: "newest" | "all";
  /** ffmpeg's options for the input: `["-f", "v4l2", "-framerate", "30"]`, `["-rtsp_transport", "tcp"]`. */
  readonly inputOptions?: readonly string[];
  /** Aborting ends the iteration with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/** One frame of a stream. */
export interface StreamFrame extends RawImage {
  /** Its number in the source, from 0: where numbers are missing, frames were dropped. */
  readonly index: number;
}

/**
 * Live frames of anything that ffmpeg reads: an address (`rtsp:`, `http:`, `udp:`, ...), a device (`/dev/video0` with
 * `-f v4l2`), a pipe, a file; for `StreamSession.push`. Decoded as `openVideo` does; all frames have the first one's
 * size. Each iteration is a run of ffmpeg of its own, which ends with it: also by `break`, an error or an abort.
 *
 * The iteration rejects with a `VideoError`: "ffmpeg-missing", "stream-failed" (ffmpeg's complaint in the message;
 * frames before it have been given).
 */
export async function* videoStream(
  source: string | URL,
  options: VideoStreamOptions = {},
): AsyncGenerator<StreamFrame, void, undefined> {
  checkKeys("videoStream", options, streamKeys);
  const { keep = "newest", inputOptions = [], signal } = options;
  signal?.throwIfAborted();
  const name = String(source)
    .replace(/[?#].*/, "")
    .replace(/\/\/[^/@]*@/, "//"); // without a password
  const decoder = await Decoder.start({
    input: [...inputOptions, "-i", await inputOf(source, inputOptions)],
    failed: (problem) => new VideoError("stream-failed", `${name}: ${problem}`, { details: { source: name } }),
    signal,
  });
  try {
    yield* keep === "all" ? allFrames(decoder) : newestFrames(decoder);
  } finally {
    await decoder.kill();
  }
}

/** A file is that file, whatever its name looks like; where options name a format, a device may be meant. */
async function inputOf(source: string | URL, inputOptions: readonly string[]): Promise<string> {
  if (source instanceof URL) return source.protocol === "file:" ? fileUrl(fileURLToPath(source)) : source.href;
  if (inputOptions.includes("-f")) return source;
  const isFile = await stat(source).then(
    (found) => !found.isDirectory(),
    () => false,
  );
  return isFile ? fileUrl(source) : source;
}

async function* allFrames(decoder: Decoder): AsyncGenerator<StreamFrame, void, undefined> {
  for (let index = 0; ; index++) {
    const frame = await decoder.next();
    if (frame === undefined) return;
    yield { ...frame.image, index };
  }
}

async function* newestFrames(decoder: Decoder): AsyncGenerator<StreamFrame, void, undefined> {
  let newest: StreamFrame | undefined;
  let arrived = (): void => {};
  let ended = false;
  const reading = (async () => {
    for await (const frame of allFrames(decoder)) {
      newest = frame;
      arrived();
    }
  })().finally(() => {
    ended = true;
    arrived();
  });
  reading.catch(() => {}); // seen below, unless the consumer has left
  for (;;) {
    if (newest === undefined && !ended) await new Promise<void>((resolve) => (arrived = resolve));
    const frame = newest;
    newest = undefined;
    if (frame !== undefined) yield frame;
    else if (ended) return await reading;
  }
}

const streamKeys: Keys<VideoStreamOptions> = { keep: true, inputOptions: true, signal: true };
