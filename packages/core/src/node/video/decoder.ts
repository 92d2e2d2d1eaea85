import type { AbortSignalLike } from "../../abort.ts";
import type { RawImage, Size } from "../../image/image.ts";
import { FfmpegProcess, passthroughOption } from "./ffmpeg.ts";

export interface DecoderOptions {
  /** What stands before the output: options of the input, and `-i`. */
  readonly input: readonly string[];
  /** Filters for the decoded frames, in ffmpeg's syntax. */
  readonly filters?: readonly string[];
  /** Stretches frames to this size; without it all are as large as the first. */
  readonly size?: Size;
  /** Ends after so many frames. */
  readonly count?: number;
  readonly failed: (problem: string) => Error;
  readonly signal?: AbortSignalLike | undefined;
}

export interface DecodedFrame {
  /** Its presentation time, in units of the time base that the filters set; `undefined` if it has none. */
  readonly pts: number | undefined;
  readonly image: RawImage;
  /** Width of a pixel by its height, after rotation; 1 where nothing is said. */
  readonly sampleAspectRatio: number;
}

/**
 * One run of ffmpeg that decodes a video to RGB. Pixels come through stdout; times, and the size, from the lines that
 * the filter `showinfo` writes for each frame.
 */
export class Decoder {
  readonly #child: FfmpegProcess;
  readonly #shown: ShownFrames;
  #size: Size | undefined;

  /** Rejects with a `VideoError` "ffmpeg-missing". Whoever starts it must read to the end, or `kill` it. */
  static async start({ input, filters = [], size, count, failed, signal }: DecoderOptions): Promise<Decoder> {
    const shown = new ShownFrames();
    const scaled = size === undefined ? "" : `${size.width}:${size.height}:`;
    const args = [
      ...["-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+info"],
      ...input,
      ...["-map", "0:V:0", ...(await passthroughOption()), "-enc_time_base", "-1"],
      ...["-vf", [...filters, "showinfo=checksum=0", `scale=${scaled}flags=${scaling}`, "format=rgb24"].join(",")],
      ...(count === undefined ? [] : ["-frames:v", String(count)]),
      ...["-f", "rawvideo", "-flush_packets", "1", "pipe:1"],
    ];
    const onLine = (line: string): boolean => shown.take(line);
    return new Decoder(await FfmpegProcess.start("ffmpeg", args, { failed, signal, onLine }), shown, size);
  }

  private constructor(child: FfmpegProcess, shown: ShownFrames, size: Size | undefined) {
    this.#child = child;
    this.#shown = shown;
    this.#size = size;
  }

  /** The next frame; `undefined` after the last. Rejects with what `failed` makes of ffmpeg's complaint. */
  async next(): Promise<DecodedFrame | undefined> {
    if (!(await this.#child.hasMore())) {
      await this.#child.finish();
      return undefined;
    }
    const shown = await this.#shown.next();
    if (shown === undefined) throw this.#child.failure("it does not tell of its frames as ffmpeg 4.4 and newer do");
    this.#size ??= shown.size;
    const { width, height } = this.#size;
    const data = await this.#child.read(width * height * 3);
    if (data.length < width * height * 3) {
      await this.#child.finish();
      throw this.#child.failure("it ended within a frame");
    }
    const { pts, sampleAspectRatio } = shown;
    return { pts, sampleAspectRatio, image: { width, height, channels: 3, data } };
  }

  /** What `failed` makes of ffmpeg's complaints, or of `otherwise` if it had none. */
  failure(otherwise: string): Error {
    return this.#child.failure(otherwise);
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }
}

/**
 * Colours are converted as ffmpeg does unless told otherwise, which is also how frames get into folders and into Meta's
 * code. The exact way (`accurate_rnd+full_chroma_int`) takes four times as long as decoding; it differs where sharp edges
 * have colour. Bicubic itself only matters where a video changes its size.
 */
const scaling = "bicubic";

interface Shown {
  readonly pts: number | undefined;
  readonly size: Size;
  readonly sampleAspectRatio: number;
}

/** What `showinfo` has said of frames whose pixels are not taken yet. */
class ShownFrames {
  readonly #waiting: Shown[] = [];
  #arrived: () => void = () => {};

  /** Whether the line needs no place among the complaints. */
  take(line: string): boolean {
    const [, pts, width, height] = /\bn: *\d+ pts: *(-?\d+|NOPTS) .*\bs:(\d+)x(\d+)/.exec(line) ?? [];
    const [, across, down] = /\bsar:(\d+)\/(\d+)/.exec(line) ?? [];
    if (pts === undefined) return !/\[(error|fatal|panic)\]/.test(line);
    this.#waiting.push({
      pts: pts === "NOPTS" ? undefined : Number(pts),
      size: { width: Number(width), height: Number(height) },
      sampleAspectRatio: Number(across) / Number(down) || 1,
    });
    this.#arrived();
    return true;
  }

  /** ffmpeg writes the line before the pixels, but it comes through another pipe; `undefined` if it stays away. */
  async next(): Promise<Shown | undefined> {
    if (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        const timeout = setTimeout(resolve, patience);
        this.#arrived = () => {
          clearTimeout(timeout);
          resolve();
        };
      });
    }
    return this.#waiting.shift();
  }
}

const patience = 10_000;
