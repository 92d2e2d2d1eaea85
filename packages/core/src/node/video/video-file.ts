/**
 * Video files as frames, through ffmpeg. What becomes of what it finds:
 * - each coded frame comes once, whatever its time: none is doubled or dropped to keep a rate;
 * - rotation is applied, so pixels are as a player shows them; pixels that are not square stay as they are coded, as the
 *   model has no use for a stretched copy (`info.sampleAspectRatio` says how to show them);
 * - colours become 8-bit RGB by the matrix and range the file names (BT.601 where it names none, as ffmpeg has it); 10
 *   and 12 bits are rounded, HDR is not tone-mapped, alpha is dropped and the colours beneath it stay;
 * - every frame has the first one's size; where a video changes its size, later frames are stretched.
 */
import { open, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AbortSignalLike } from "../../abort.ts";
import { ImageError, StateError, VideoError } from "../../errors.ts";
import { checkSize, type ImageLimits, type RawImage, type Size } from "../../image/image.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { Queue } from "../../queue.ts";
import type { FrameOptions, FrameSource } from "../../video/frame-source.ts";
import { systemReason, temporaryFolder, writeFailed } from "../files.ts";
import { type DecodedFrame, Decoder } from "./decoder.ts";
import { fileUrl } from "./ffmpeg.ts";
import { countFrames, type FrameIndex, type Input, indexFrames, inputFlags, probeTrack, type Track } from "./probe.ts";

/** Where a video comes from: a path, a URL that ffmpeg can read, or the file's bytes. */
export type VideoSource = string | URL | Uint8Array;

export interface OpenVideoOptions extends ImageLimits {
  /** Aborting ends the opening; later, it closes the video. */
  readonly signal?: AbortSignalLike;
  /** Bytes of decoded frames that are kept for being asked for again, and for going backwards. Default 256 MiB. */
  readonly cacheBytes?: number;
  /** How errors call the video, in place of its path: where it was fetched from, for instance. */
  readonly name?: string;
}

export interface VideoInfo {
  /** ffmpeg's name of the codec: "h264", "vp9", ... */
  readonly codec: string;
  /** ffmpeg's name of how pixels are stored: "yuv420p", "yuv420p10le", ... */
  readonly pixelFormat: string;
  /** Frames that are there, also where the file ends before its own end. */
  readonly frames: number;
  /** Frames per second, on average. */
  readonly fps: number;
  /** In seconds, the last frame's share included. */
  readonly duration: number;
  /** When each frame is shown, in seconds from the first. */
  readonly times: readonly number[];
  /** When the first frame is shown, in seconds from where the file begins: more than 0 if its sound begins earlier. */
  readonly start: number;
  /** Width of a pixel by its height, as frames come; 1 for almost every video. Frames are not stretched by it. */
  readonly sampleAspectRatio: number;
  /** Whether the file ends before its own end: the frame after the last there is cannot be read. */
  readonly truncated: boolean;
}

/** The frames of a video file. */
export interface VideoFrames extends FrameSource {
  readonly info: VideoInfo;
  /** Ends ffmpeg and removes what was put in the temporary folder. May be called more than once. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a video file: its frames by number, the same ones forwards, backwards and in any order. Needs ffmpeg and ffprobe,
 * on PATH or where the variables `FFMPEG_PATH` and `FFPROBE_PATH` say. Forwards, one ffmpeg goes through the file as
 * frames are asked for; elsewhere it starts again at the nearest key frame before. `close` it when done. Images that
 * come out are kept for a while: do not write to them.
 *
 * Rejects with a `VideoError`: "ffmpeg-missing", "not-found", "not-a-video", "no-video-track", "no-frames",
 * "decode-failed" (the first frame); an `ImageError` "image-too-large" for frames of more than `maxPixels`. `frame`
 * rejects with "decode-failed" for a frame that the file has and ffmpeg cannot decode, "truncated" past the last frame
 * of a file that was cut off; other frames can still be read. Which frames there are is known from reading the file
 * through once, without decoding it where that will do.
 */
export async function openVideo(source: VideoSource, options: OpenVideoOptions = {}): Promise<VideoFrames> {
  checkKeys("openVideo", options, openKeys);
  const { signal, maxPixels, cacheBytes = 2 ** 28 } = options;
  signal?.throwIfAborted();
  const { input: found, remove } = await resolveInput(source);
  const input = options.name === undefined ? found : { ...found, name: options.name };
  try {
    const track = await probeTrack(input, signal);
    checkSize(input.name, track.size, maxPixels);
    const first = await decodeFirst(input, track, signal);
    const indexed = await indexFrames(input, track, signal);
    // Packets have the times that their frames will have, but for odd files: then the frames are counted.
    const index =
      indexed.counted || indexed.pts[0] === first.pts
        ? indexed
        : await countFrames(input, track, { seekable: false, signal });
    signal?.throwIfAborted();
    return new VideoFile({ input, track, index, first, cacheBytes, signal, remove });
  } catch (error) {
    const animated = (error instanceof VideoError || error instanceof ImageError) && (await isAnimatedWebp(input));
    await remove();
    if (!animated) throw error;
    const problem =
      "is an animated WebP, which this ffmpeg does not decode: make a GIF, an MP4 or a folder of images of it";
    throw new VideoError("not-a-video", `${input.name} ${problem}`, { cause: error, details: { source: input.name } });
  }
}

/** By the flag of its extended header (RIFF, `VP8X`). */
async function isAnimatedWebp({ url }: Input): Promise<boolean> {
  if (!url.startsWith("file:")) return false;
  const file = await open(url.slice("file:".length));
  try {
    const { buffer } = await file.read(Buffer.alloc(21), 0, 21, 0);
    const tag = (at: number): string => buffer.toString("latin1", at, at + 4);
    return tag(0) === "RIFF" && tag(8) === "WEBP" && tag(12) === "VP8X" && ((buffer[20] as number) & 2) !== 0;
  } finally {
    await file.close();
  }
}

interface VideoFileOptions {
  readonly input: Input;
  readonly track: Track;
  readonly index: FrameIndex;
  readonly first: DecodedFrame;
  readonly cacheBytes: number;
  readonly signal: AbortSignalLike | undefined;
  readonly remove: () => Promise<void>;
}

/** A decoder on its way. */
interface Run {
  readonly decoder: Decoder;
  /** The frame it began with. */
  readonly start: number;
  /** Whether it began by seeking, which the first frame has yet to confirm. */
  sought: boolean;
  /** The frame that is to come. */
  next: number;
}

class VideoFile implements VideoFrames {
  readonly size: Size;
  readonly info: VideoInfo;
  readonly #options: VideoFileOptions;
  readonly #queue = new Queue();
  readonly #onAbort = (): void => {
    this.close().catch(() => {}); // whoever calls `close` hears of it
  };
  /** Least recently asked for first. */
  readonly #kept = new Map<number, RawImage>();
  /** Frames decoded at once when going backwards: half of those that are kept. */
  readonly #window: number;
  /** How many key frames earlier to seek: containers without an index are off by some. */
  #keysBack = 0;
  #run: Run | undefined;
  /** The frame that was asked for last. */
  #asked = 0;
  #closed = false;

  constructor(options: VideoFileOptions) {
    const { first, cacheBytes, signal } = options;
    this.#options = options;
    const { width, height, data } = first.image;
    this.size = { width, height };
    this.info = describe(options);
    this.#window = Math.max(1, Math.floor(cacheBytes / data.length / 2));
    this.#keep(0, first.image);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get count(): number {
    // A file that was cut off has one more, which cannot be read: whoever goes through it learns that.
    return this.info.frames + (this.info.truncated ? 1 : 0);
  }

  frame(index: number, { signal }: FrameOptions = {}): Promise<RawImage | undefined> {
    return this.#queue.run(() => this.#read(index), signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#run?.decoder.kill(); // a read under way ends with it
    await this.#queue.run(async () => {
      await this.#end();
      this.#kept.clear();
      await this.#options.remove();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(index: number): Promise<RawImage | undefined> {
    this.#checkOpen();
    const { name } = this.#options.input;
    if (index === this.info.frames && this.info.truncated) {
      throw new VideoError("truncated", `${name} is cut off: it ends within or before frame ${index}`, {
        details: { source: name, frame: index, frames: this.info.frames },
      });
    }
    if (!(index >= 0 && index < this.info.frames)) return undefined;
    const last = this.#asked;
    this.#asked = index;
    const kept = this.#kept.get(index);
    if (kept !== undefined) return this.#keep(index, kept);
    const ahead = this.#run === undefined ? -1 : index - this.#run.next;
    if (ahead < 0 || ahead >= this.#window) {
      const backwards = index < last && last - index <= this.#window;
      await this.#begin(backwards ? Math.max(0, index - this.#window + 1) : index);
    }
    try {
      return await this.#readOn(index);
    } catch (error) {
      await this.#end();
      this.#checkOpen();
      throw error;
    }
  }

  /** Goes on to the frame, and keeps those on the way. */
  async #readOn(index: number): Promise<RawImage> {
    const { pts } = this.#options.index;
    for (;;) {
      this.#checkOpen();
      const run = this.#run as Run;
      const frame = await run.decoder.next();
      // A seek that went too far: what comes first is not what was asked for.
      if (run.sought && frame?.pts !== pts[run.start]) {
        this.#keysBack = Math.max(1, 2 * this.#keysBack);
        await this.#begin(run.start);
        continue;
      }
      run.sought = false;
      if (frame === undefined) throw run.decoder.failure("the decoder ends before it");
      while (run.next < pts.length && (pts[run.next] as number) < (frame.pts ?? 0)) run.next++;
      if (pts[run.next] === frame.pts) this.#keep(run.next++, frame.image);
      const image = this.#kept.get(index);
      if (image !== undefined) return image;
      if (run.next > index) throw run.decoder.failure("the decoder leaves it out");
    }
  }

  /** Starts decoding at a frame. */
  async #begin(start: number): Promise<void> {
    const { input, track, index } = this.#options;
    await this.#end();
    const key = index.keys[index.keys.findLastIndex((at) => at <= start) - this.#keysBack] ?? 0;
    const sought = key > 0;
    const { numerator, denominator } = track.timeBase;
    const seconds = ((index.pts[key] as number) * numerator) / denominator;
    const decoder = await Decoder.start({
      input: [
        ...(sought
          ? ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", (Math.ceil(seconds * 1e6) / 1e6).toFixed(6)]
          : []),
        ...inputOptions(input),
      ],
      filters: [
        ...timeFilters(track),
        ...(index.counted ? ["setpts=N"] : []),
        ...(start > 0 ? [`select=gte(pts\\,${index.pts[start]})`] : []),
      ],
      size: this.size,
      failed: (problem) => decodeFailed(input, this.#asked, problem),
    });
    this.#run = { decoder, start, sought, next: start };
  }

  async #end(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.decoder.kill();
  }

  #keep(index: number, image: RawImage): RawImage {
    this.#kept.delete(index);
    this.#kept.set(index, image);
    if (this.#kept.size > Math.max(1, this.#options.cacheBytes / image.data.length)) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return image;
  }

  #checkOpen(): void {
    if (this.#closed) throw new StateError("disposed", `${this.#options.input.name}: the video is closed`);
  }
}

function describe({ track, index, first }: VideoFileOptions): VideoInfo {
  const { pts, times, truncated } = index;
  const { codec, pixelFormat, timeBase, clockStart } = track;
  const frames = pts.length;
  const begins = ((times?.[0] ?? 0) * timeBase.numerator) / timeBase.denominator;
  const seconds = times?.map((time) => ((time - (times[0] ?? 0)) * timeBase.numerator) / timeBase.denominator);
  const fps = frameRate(track, seconds);
  return {
    codec,
    pixelFormat,
    frames,
    fps,
    duration: (seconds?.at(-1) ?? (frames - 1) / fps) + 1 / fps,
    times: seconds ?? pts.map((frame) => frame / fps),
    start: times === undefined ? 0 : Math.max(0, begins - clockStart),
    sampleAspectRatio: first.sampleAspectRatio,
    truncated,
  };
}

/**
 * Frames per second. A file's own words are exact where times are rounded, and are taken if the times bear them out: the
 * average counts what is stored, which may be two packets for each frame. Without times it is what was coded; 25 is what
 * ffmpeg assumes where nothing is said.
 */
function frameRate({ averageRate, codedRate }: Track, seconds: readonly number[] | undefined): number {
  const span = seconds?.at(-1) ?? 0;
  if (seconds === undefined || span === 0) return codedRate || averageRate || 25;
  const mean = (seconds.length - 1) / span;
  const agrees = (rate: number): boolean => Math.abs(rate / mean - 1) < 0.1;
  return [averageRate, codedRate].find(agrees) ?? mean;
}

/** The first frame, which shows the size after rotation. */
async function decodeFirst(input: Input, track: Track, signal: AbortSignalLike | undefined): Promise<DecodedFrame> {
  const failed = (problem: string): VideoError => decodeFailed(input, 0, problem);
  const decoder = await Decoder.start({
    input: inputOptions(input),
    filters: timeFilters(track),
    count: 1,
    failed,
    signal,
  });
  try {
    const frame = await decoder.next();
    if (frame === undefined) throw decoder.failure("there is none");
    return frame;
  } finally {
    await decoder.kill();
  }
}

/** Times as they are in the file, so that frames are known by them wherever decoding began. */
function inputOptions({ url }: Input): readonly string[] {
  return [...inputFlags, "-copyts", "-i", url];
}

function timeFilters({ timeBase: { numerator, denominator } }: Track): readonly string[] {
  return [`settb=${numerator}/${denominator}`];
}

function decodeFailed({ name }: Input, frame: number, problem: string): VideoError {
  return new VideoError("decode-failed", `${name}: frame ${frame} cannot be decoded: ${problem}`, {
    details: { source: name, frame },
  });
}

/** What ffmpeg is to open, and how to remove it if it was made for that. */
async function resolveInput(source: VideoSource): Promise<{ input: Input; remove: () => Promise<void> }> {
  if (source instanceof Uint8Array) {
    // Not through a pipe: most containers need to be read in any order.
    const folder = await temporaryFolder("masklet-video-");
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    const path = join(folder, "video");
    await writeFile(path, source).catch(async (cause: unknown) => {
      await remove();
      throw writeFailed(path, cause);
    });
    return { input: { name: "video", url: fileUrl(path) }, remove };
  }
  const remove = async (): Promise<void> => {};
  const text = String(source);
  const isFile = source instanceof URL ? source.protocol === "file:" : !/^[a-z][a-z\d+.-]+:\/\//i.test(text);
  if (!isFile) return { input: { name: text.replace(/[?#].*/, ""), url: text }, remove };
  const path = source instanceof URL ? fileURLToPath(source) : text;
  const found = await stat(path).catch((cause: unknown) => {
    throw new VideoError("not-found", `${path} cannot be read: ${systemReason(cause)}`, { cause, details: { path } });
  });
  if (found.isDirectory()) {
    throw new VideoError("not-a-video", `${path} is a folder: framesFromFolder reads the images in it`, {
      details: { path },
    });
  }
  return { input: { name: path, url: fileUrl(path) }, remove };
}

const openKeys: Keys<OpenVideoOptions> = { maxPixels: true, signal: true, cacheBytes: true, name: true };
