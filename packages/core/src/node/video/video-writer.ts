/**
 * Videos from frames, through ffmpeg. What becomes of what comes in:
 * - `.mp4`: H.264, 4:2:0, its index in front so that it plays while it loads; transparent pixels lie on a background.
 *   Odd sizes, which 4:2:0 does not have, repeat the last column or row;
 * - `.webm`: VP9 with alpha, any size; a few pixels of an object's colours go on beneath the transparent ones beside it;
 * - colours are BT.709 in limited range, and say so.
 */
import { open, rename, rm } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { AbortSignalLike } from "../../abort.ts";
import { FrameError, StateError, VideoError } from "../../errors.ts";
import { checkImage, checkSize, flatten, type RawImage, type Rgb, type Size } from "../../image/image.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { Queue } from "../../queue.ts";
import { temporaryBeside, writeFailed } from "../files.ts";
import { openNew } from "../open-new.ts";
import { FfmpegProcess, fileUrl, passthroughOption } from "./ffmpeg.ts";
import { matroskaFrame, matroskaHeader } from "./raw-matroska.ts";

export interface VideoWriterOptions {
  /** Of every frame. */
  readonly size: Size;
  /** Frames per second; 29.97 and its like are taken for the NTSC rate that is meant, 30000/1001. */
  readonly fps: number;
  /**
   * When each frame is shown, in seconds from the first, ascending: `info.times` of the video they come from. Needed
   * where its frame rate varies; where these are as regular as `fps`, that is what is written.
   */
  readonly times?: readonly number[];
  /**
   * A video whose sound goes with the picture: copied where the format can hold it and nothing is to be cut off its
   * beginning, else encoded anew. It ends with the picture if `times` are given. None if it has no sound.
   */
  readonly audio?: string | URL;
  /**
   * Where the first frame's sound is in `audio`, in seconds from where that file begins: `info.start` of the video, and
   * the frame's time in `info.times` if it is not the first. Default: where the picture of `audio` begins.
   */
  readonly audioStart?: number;
  /** Width of a pixel by its height: `info.sampleAspectRatio` of the video that the frames come from. Default 1. */
  readonly sampleAspectRatio?: number;
  /** What is under transparent pixels in an `.mp4`; white if not given. */
  readonly background?: Rgb;
  readonly signal?: AbortSignalLike;
}

/** A video on its way into its file. */
export interface VideoWriter extends AsyncDisposable {
  /** ffmpeg's name of the encoder that was found. */
  readonly encoder: string;
  /**
   * Appends a frame; resolves when it is handed on, so that whoever awaits it goes at the encoder's pace. Calls are taken
   * in their order. A frame of another size rejects with a `FrameError` "frame-size", what is no image with an
   * `ImageError`, and the video can go on; a failing encoder with a `VideoError` "encode-failed", an abort with the
   * signal's reason, and then the video is gone.
   */
  write(image: RawImage): Promise<void>;
  /**
   * Ends the video and puts it at its path. Rejects with a `VideoError` "no-frames" or "encode-failed", a `MaskletError`
   * "write-failed", or the signal's reason; then there is nothing, or what was there before.
   */
  finish(): Promise<void>;
  /** Gives it up: ffmpeg is ended, the unfinished file removed. Nothing once it is finished; may be called again. */
  abort(): Promise<void>;
}

interface Format {
  readonly muxer: string;
  readonly channels: 3 | 4;
  /** By preference. mp4's last resort is MPEG-4 part 2, which every ffmpeg has and players know, but browsers do not. */
  readonly encoders: Readonly<Record<string, readonly string[]>>;
  readonly options: readonly string[];
  /** Options for frames with times of their own. */
  readonly timed: readonly string[];
  /** Codecs of sound that can be copied, and the encoder for the others. */
  readonly sound: { readonly copied: readonly string[]; readonly encoder: string };
}

const formats: Readonly<Record<string, Format>> = {
  ".mp4": {
    muxer: "mp4",
    channels: 3,
    encoders: {
      libx264: ["-preset", "medium", "-crf", "18"],
      libopenh264: ["-b:v", "8M"],
      h264_videotoolbox: ["-b:v", "8M"],
      h264_mf: ["-b:v", "8M"],
      mpeg4: ["-q:v", "2"],
    },
    options: ["-pix_fmt", "yuv420p", "-movflags", "+faststart"],
    timed: ["-video_track_timescale", "90000"],
    sound: { copied: ["aac", "mp3", "ac3", "eac3", "alac", "opus"], encoder: "aac" },
  },
  ".webm": {
    muxer: "webm",
    channels: 4,
    encoders: {
      // Frames that are coded ahead and never shown do not go with alpha.
      "libvpx-vp9": [
        "-crf",
        "24",
        "-b:v",
        "0",
        "-deadline",
        "good",
        "-cpu-used",
        "4",
        "-row-mt",
        "1",
        "-auto-alt-ref",
        "0",
      ],
      libvpx: ["-crf", "10", "-b:v", "8M", "-deadline", "good", "-cpu-used", "4", "-auto-alt-ref", "0"],
    },
    // The muxer's ids would be random: the same frames are to make the same file.
    options: ["-pix_fmt", "yuva420p", "-fflags", "+bitexact"],
    timed: [],
    sound: { copied: ["opus", "vorbis"], encoder: "libopus" },
  },
};

/**
 * Begins a video: `path` ends with `.mp4`, or `.webm` for one with alpha. Needs ffmpeg, and its encoder, which is looked
 * for here. All is written beside `path`, under another name, until it is finished. A folder that is not there is made.
 *
 * Rejects with a `VideoError`: "video-format" (another ending), "video-option", "ffmpeg-missing", "no-encoder"; an
 * `ImageError` "image-size"; a `MaskletError` "write-failed"; the signal's reason.
 */
export async function createVideo(path: string | URL, options: VideoWriterOptions): Promise<VideoWriter> {
  checkKeys("createVideo", options, writerKeys);
  const { size, fps, times, audio, audioStart, sampleAspectRatio = 1, signal } = options;
  signal?.throwIfAborted();
  const target = path instanceof URL ? fileURLToPath(path) : path;
  const format = formats[extname(target).toLowerCase()];
  if (format === undefined) {
    throw new VideoError("video-format", `${target} must end with ${Object.keys(formats).join(" or ")}`, {
      details: { path: target },
    });
  }
  checkSize("createVideo", size);
  if (!(fps > 0 && fps <= maxFps)) throw badOption("fps", `more than 0 and at most ${maxFps}`, fps);
  if (times?.some((time, i) => !(i === 0 ? time === 0 : time > (times[i - 1] as number)))) {
    throw badOption("times", "seconds from 0, ascending", times);
  }
  if (audioStart !== undefined && !(audioStart >= 0)) throw badOption("audioStart", "seconds from 0", audioStart);
  if (!(sampleAspectRatio > 0.01 && sampleAspectRatio < 100)) {
    throw badOption("sampleAspectRatio", "a pixel's width by its height", sampleAspectRatio);
  }
  const encoder = await findEncoder(format, target, signal);
  const sound = audio === undefined ? [] : await soundFrom(audio, format, options);

  const temporary = temporaryBeside(target);
  try {
    await (await openNew(temporary)).close();
  } catch (cause) {
    throw writeFailed(target, cause);
  }
  const failed = (problem: string): VideoError =>
    new VideoError("encode-failed", `${target} cannot be encoded with ${encoder}: ${problem}`, {
      details: { path: target, encoder },
    });
  try {
    const regular = times === undefined || times.every((time, i) => Math.abs(time * fps - i) < 0.25);
    const pixels = format.channels === 4 ? "rgba" : "rgb24";
    const input = regular
      ? [
          "-f",
          "rawvideo",
          "-pixel_format",
          pixels,
          "-video_size",
          `${size.width}x${size.height}`,
          "-framerate",
          rate(fps),
        ]
      : ["-f", "matroska"];
    const args = [
      ...["-hide_banner", "-nostats", "-loglevel", "error", "-y", ...input, "-i", "pipe:0", ...sound],
      ...[
        "-vf",
        [...filters(size, format), `setsar=sar=${sampleAspectRatio}:max=10000`].join(","),
        "-c:v",
        encoder,
        ...(format.encoders[encoder] ?? []),
      ],
      ...(regular ? [] : [...(await passthroughOption()), "-enc_time_base", "1:90000", ...format.timed]),
      ...["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"],
      ...[...format.options, "-f", format.muxer, fileUrl(temporary)],
    ];
    const child = await FfmpegProcess.start("ffmpeg", args, { failed, signal });
    const writer = new FileWriter({ ...options, child, encoder, format, target, temporary });
    await writer.begin(regular ? undefined : times);
    return writer;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Of high-speed cameras; beyond it, containers' times run out of digits. */
const maxFps = 1e6;

/** What is done to the frames: even sizes where 4:2:0 needs them, then colours the exact way. */
function filters({ width, height }: Size, { channels }: Format): readonly string[] {
  const [right, bottom] = channels === 4 ? [0, 0] : [width % 2, height % 2];
  return [
    ...(right + bottom === 0
      ? []
      : [
          `pad=${width + right}:${height + bottom}`,
          "format=gbrp",
          `fillborders=right=${right}:bottom=${bottom}:mode=smear`,
        ]),
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int",
  ];
}

/** As ffmpeg wants it: a fraction, exact for whole rates and NTSC's, else within a millionth. */
function rate(fps: number): string {
  const ntsc = Math.round(fps * 1.001);
  if (!Number.isInteger(fps) && Math.abs(fps - ntsc / 1.001) < 1e-4) return `${ntsc * 1000}/1001`;
  for (let denominator = 1; denominator <= 1000; denominator++) {
    const numerator = Math.round(fps * denominator);
    if (Math.abs(numerator / denominator - fps) <= 1e-6 * fps) return `${numerator}/${denominator}`;
  }
  return `${Math.round(fps * 1000)}/1000`;
}

/** The first of the format's encoders that this ffmpeg has. */
async function findEncoder(format: Format, target: string, signal: AbortSignalLike | undefined): Promise<string> {
  const names = Object.keys(format.encoders);
  const missing = (problem: string): VideoError =>
    new VideoError("no-encoder", `${target} needs an ffmpeg with one of the encoders ${names.join(", ")}: ${problem}`, {
      details: { path: target, encoders: names },
    });
  const child = await FfmpegProcess.start("ffmpeg", ["-hide_banner", "-encoders"], { failed: missing, signal });
  const list = await child.text();
  const has = new Set(Array.from(list.matchAll(/^ V\S{5} (\S+)/gm), ([, name]) => name));
  const found = names.find((name) => has.has(name));
  if (found === undefined) throw missing("it has none of them");
  return found;
}

/** Arguments for the sound of `audio`; none if it has none. */
async function soundFrom(
  audio: string | URL,
  { sound: { copied, encoder } }: Format,
  { fps, times, audioStart, signal }: VideoWriterOptions,
): Promise<readonly string[]> {
  const file = audio instanceof URL ? fileURLToPath(audio) : audio;
  const asked = "stream=codec_type,codec_name,start_time:stream_disposition=attached_pic:format=start_time";
  const probe = await FfmpegProcess.start(
    "ffprobe",
    ["-v", "error", "-show_entries", asked, "-of", "json", fileUrl(file)],
    {
      failed: (problem) =>
        new VideoError("not-a-video", `the sound of ${file} cannot be read: ${problem}`, {
          details: { source: file },
        }),
      signal,
    },
  );
  const { streams = [], format } = JSON.parse(await probe.text()) as Probed;
  const sound = streams.find(({ codec_type }) => codec_type === "audio");
  if (sound === undefined) return [];
  const picture = streams.find((one) => one.codec_type === "video" && one.disposition?.attached_pic !== 1);
  const begins = (part: { readonly start_time?: string } | undefined): number => Number(part?.start_time ?? 0) || 0;
  const start = audioStart ?? (picture === undefined ? 0 : Math.max(0, begins(picture) - begins(format)));
  const end = times === undefined ? [] : ["-t", String((times.at(-1) ?? 0) + 1 / fps)];
  // Packets can only be copied from where a decoder could begin, which may be a second earlier.
  const copy = start === 0 && copied.includes(sound.codec_name ?? "");
  return [
    ...(start > 0 ? ["-ss", start.toFixed(6)] : []),
    ...[...end, "-i", fileUrl(file), "-map", "0:v", "-map", "1:a:0", "-c:a", copy ? "copy" : encoder],
  ];
}

/** The part of ffprobe's JSON that is looked at. */
interface Probed {
  readonly streams?: readonly {
    readonly codec_type?: string;
    readonly codec_name?: string;
    readonly start_time?: string;
    readonly disposition?: { readonly attached_pic?: number };
  }[];
  readonly format?: { readonly start_time?: string };
}

interface FileWriterOptions extends VideoWriterOptions {
  readonly child: FfmpegProcess;
  readonly encoder: string;
  readonly format: Format;
  readonly target: string;
  readonly temporary: string;
}

class FileWriter implements VideoWriter {
  readonly encoder: string;
  readonly #options: FileWriterOptions;
  readonly #queue = new Queue();
  readonly #onAbort = (): void => {
    this.abort().catch(() => {}); // whoever calls `abort` hears of it
  };
  /** Of the frames, where they are written with them. */
  #times: readonly number[] | undefined;
  #frames = 0;
  #ended: Promise<void> | undefined;

  constructor(options: FileWriterOptions) {
    this.encoder = options.encoder;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  async begin(times: readonly number[] | undefined): Promise<void> {
    const { child, size, format, signal } = this.#options;
    this.#times = times;
    await this.#orGone(async () => {
      signal?.throwIfAborted();
      if (times !== undefined) await child.write(matroskaHeader(size, format.channels));
    });
  }

  write(image: RawImage): Promise<void> {
    return this.#queue.run(async () => {
      this.#checkOpen("write");
      const pixels = this.#pixels(image);
      const time = this.#times?.[this.#frames];
      if (this.#times !== undefined && time === undefined) {
        throw badOption("times", `a time for frame ${this.#frames}`, `${this.#times.length} of them`);
      }
      await this.#orGone(async () => {
        if (time !== undefined) await this.#options.child.write(matroskaFrame(time, pixels.length));
        await this.#options.child.write(pixels);
      });
      this.#frames++;
    });
  }

  finish(): Promise<void> {
    return this.#queue.run(async () => {
      this.#checkOpen("finish");
      const { child, target, temporary, signal } = this.#options;
      await this.#orGone(async () => {
        if (this.#frames === 0) {
          throw new VideoError("no-frames", `${target} has no frame to show`, { details: { path: target } });
        }
        await child.finish();
        try {
          const file = await open(temporary, "r+");
          await file.sync().finally(() => file.close());
          signal?.throwIfAborted();
          await rename(temporary, target);
        } catch (cause) {
          signal?.throwIfAborted();
          throw writeFailed(target, cause);
        }
        signal?.removeEventListener("abort", this.#onAbort);
        this.#ended = Promise.resolve();
      });
    });
  }

  abort(): Promise<void> {
    this.#ended ??= this.#remove();
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  async #remove(): Promise<void> {
    const { child, signal, temporary } = this.#options;
    signal?.removeEventListener("abort", this.#onAbort);
    await child.kill();
    await rm(temporary, { force: true });
  }

  /** What fails takes the video with it. */
  async #orGone(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const given = this.#ended;
      await this.abort();
      if (given !== undefined) this.#checkOpen("write");
      throw error;
    }
  }

  #checkOpen(call: string): void {
    this.#options.signal?.throwIfAborted();
    if (this.#ended === undefined) return;
    throw new StateError("disposed", `${call}: ${this.#options.target} is finished or given up`);
  }

  /** The frame's bytes with the format's channels. */
  #pixels(image: RawImage): Uint8Array {
    const { size, format, background } = this.#options;
    checkImage("write", image);
    const { width, height, channels, data } = image;
    if (width !== size.width || height !== size.height) {
      throw new FrameError(
        "frame-size",
        `frame ${this.#frames} is ${width}x${height}, the video ${size.width}x${size.height}`,
        { details: { frame: this.#frames, width, height, expected: size } },
      );
    }
    if (channels > format.channels) return bytes(flatten(image, background).data);
    if (channels === format.channels) return channels === 3 ? bytes(data) : bled(image);
    const rgba = new Uint8Array(width * height * 4).fill(255);
    for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
      rgba[to] = data[from] as number;
      rgba[to + 1] = data[from + 1] as number;
      rgba[to + 2] = data[from + 2] as number;
    }
    return rgba;
  }
}

/**
 * RGBA whose fully transparent pixels take the colours of those beside them. They are not seen, but 4:2:0 and the codec
 * mix them into the edge, and what is mostly black there would darken it.
 */
function bled({ width, height, data }: RawImage): Uint8Array {
  const out = new Uint8Array(data);
  const known = new Uint8Array(width * height);
  for (let i = 0; i < known.length; i++) known[i] = out[4 * i + 3] === 0 ? 0 : 1;
  const spread = (start: number, step: number, count: number): void => {
    let from = -1;
    for (let i = start, left = 0, end = start + step * count; i !== end; i += step) {
      if (known[i] !== 0) {
        from = i;
        left = bleedReach;
      } else if (left > 0) {
        left--;
        known[i] = 1;
        out.copyWithin(4 * i, 4 * from, 4 * from + 3);
      }
    }
  };
  for (let y = 0; y < height; y++) {
    spread(y * width, 1, width);
    spread((y + 1) * width - 1, -1, width);
  }
  for (let x = 0; x < width; x++) {
    spread(x, width, height);
    spread((height - 1) * width + x, -width, height);
  }
  return out;
}

/** Pixels: as far as chroma and the codec's smallest blocks reach over an edge. */
const bleedReach = 4;

function bytes(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

function badOption(option: string, expected: string, value: unknown): VideoError {
  return new VideoError("video-option", `createVideo: ${option} must be ${expected}, got ${String(value)}`, {
    details: { option, value },
  });
}

const writerKeys: Keys<VideoWriterOptions> = {
  size: true,
  fps: true,
  times: true,
  audio: true,
  audioStart: true,
  sampleAspectRatio: true,
  background: true,
  signal: true,
};
