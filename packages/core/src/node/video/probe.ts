/**
 * What a video file holds, by ffprobe: its track, and where each of its frames is.
 *
 * Frames are numbered in the order they are shown. Packets tell their times without decoding, and mostly a packet is a
 * frame; where it may not be (fields, hidden frames, times that are missing or jump), the frames are counted by decoding
 * them once.
 */
import type { AbortSignalLike } from "../../abort.ts";
import { VideoError } from "../../errors.ts";
import type { Size } from "../../image/image.ts";
import { FfmpegProcess } from "./ffmpeg.ts";

/** One video as ffmpeg is to open it. */
export interface Input {
  /** What it is called in errors. */
  readonly name: string;
  /** ffmpeg's URL of it. */
  readonly url: string;
}

interface Rational {
  readonly numerator: number;
  readonly denominator: number;
}

export interface Track {
  /** As it is coded: before rotation. */
  readonly size: Size;
  readonly codec: string;
  readonly pixelFormat: string;
  readonly timeBase: Rational;
  /** Average frames per second as the container counts them, which may be packets or fields; 0 where it does not say. */
  readonly averageRate: number;
  /** Frames per second that the codec or the container was set to; 0 where neither says. */
  readonly codedRate: number;
  /** Where the file's own clock begins, in seconds: the first of all its tracks. */
  readonly clockStart: number;
  readonly fieldOrder: string;
}

export interface FrameIndex {
  /** Each frame's time in units of the track's time base, ascending; the frame's number itself where `counted`. */
  readonly pts: readonly number[];
  /** Each frame's time in the same units, ascending; some may be filled in from their neighbours. Left out without any. */
  readonly times?: readonly number[];
  /** Numbers of the frames that decoding can begin at, ascending from 0. */
  readonly keys: readonly number[];
  /** Whether frames can only be told by counting from the first: there are no usable times. */
  readonly counted: boolean;
  /** Whether the file ends before its own end. */
  readonly truncated: boolean;
}

/** Partly received packets are left out, so that no half of a picture passes for a frame. */
export const inputFlags: readonly string[] = ["-fflags", "+discardcorrupt"];

/** Rejects with a `VideoError`: "ffmpeg-missing", "not-a-video", "no-video-track". */
export async function probeTrack(input: Input, signal: AbortSignalLike | undefined): Promise<Track> {
  const asked =
    "stream=codec_type,codec_name,width,height,pix_fmt,time_base,avg_frame_rate,r_frame_rate,field_order:format=start_time";
  const probe = await FfmpegProcess.start(
    "ffprobe",
    ["-v", "error", "-of", "json", "-show_entries", `${asked}:stream_disposition=attached_pic`, input.url],
    { signal, failed: (problem) => notVideo(input, problem) },
  );
  const { streams = [], format } = JSON.parse(await probe.text()) as Probed;
  const stream = streams.find((one) => one.codec_type === "video" && one.disposition?.attached_pic !== 1);
  if (stream === undefined) {
    const has = streams.map((one) => `${one.codec_type ?? "unknown"} (${one.codec_name ?? "unknown"})`).join(", ");
    throw new VideoError("no-video-track", `${input.name} has no video track, only ${has || "nothing"}`, {
      details: { source: input.name, tracks: streams.map((one) => one.codec_type ?? "unknown") },
    });
  }
  const rate = (text: string | undefined): number => {
    const given = rational(text, "/");
    return given === undefined ? 0 : given.numerator / given.denominator;
  };
  return {
    size: { width: stream.width ?? 0, height: stream.height ?? 0 },
    codec: stream.codec_name ?? "unknown",
    pixelFormat: stream.pix_fmt ?? "unknown",
    timeBase: rational(stream.time_base, "/") ?? { numerator: 1, denominator: 1 },
    averageRate: rate(stream.avg_frame_rate),
    codedRate: rate(stream.r_frame_rate),
    clockStart: Number(format?.start_time ?? 0) || 0, // "N/A" is no start
    fieldOrder: stream.field_order ?? "unknown",
  };
}

/** The part of ffprobe's JSON that is looked at. */
interface Probed {
  readonly streams?: readonly Stream[];
  readonly format?: { readonly start_time?: string };
}

interface Stream {
  readonly codec_type?: string;
  readonly codec_name?: string;
  readonly width?: number;
  readonly height?: number;
  readonly pix_fmt?: string;
  readonly time_base?: string;
  readonly avg_frame_rate?: string;
  readonly r_frame_rate?: string;
  readonly field_order?: string;
  readonly disposition?: { readonly attached_pic?: number };
}

function rational(text: string | undefined, separator: string): Rational | undefined {
  const [numerator = Number.NaN, denominator = Number.NaN] = (text ?? "").split(separator).map(Number);
  return Number.isInteger(numerator) && denominator > 0 ? { numerator, denominator } : undefined;
}

/** By packets where they are known to be frames, else by decoding. Rejects with a `VideoError` as `probeTrack`. */
export async function indexFrames(
  input: Input,
  track: Track,
  signal: AbortSignalLike | undefined,
): Promise<FrameIndex> {
  const { lines, truncated } = await listEntries(input, "packet=pts,dts,flags", signal);
  const packets = lines.map((line) => ({
    pts: field(line, "pts"),
    dts: field(line, "dts"),
    key: /flags=K/.test(line),
    dropped: /flags=\w?D/.test(line),
  }));
  const timed = packets.every(({ pts }) => pts !== undefined);
  const ordered = increasing(packets.flatMap(({ dts }) => (dts === undefined ? [] : [dts])));
  if (timed && ordered && isFrameAPacket(track)) {
    const shown = packets.filter(({ dropped }) => !dropped).sort((a, b) => (a.pts as number) - (b.pts as number));
    const index = indexOf(shown, truncated);
    // A picture before the first key picture refers to what is not there: whether it is shown is the decoder's choice.
    if (index !== undefined && packets[0]?.key === true && (shown[0] === packets[0] || shown[0]?.key === true)) {
      return index;
    }
  }
  return countFrames(input, track, { seekable: timed && ordered && !builtOnAll.has(track.codec), signal });
}

/**
 * By decoding all of it. Where its times are of use, decoding may begin at every key frame; `seekable` says whether
 * that is so of the packets.
 */
export async function countFrames(
  input: Input,
  track: Track,
  { seekable, signal }: { readonly seekable: boolean; readonly signal: AbortSignalLike | undefined },
): Promise<FrameIndex> {
  const { lines, truncated } = await listEntries(input, "frame=key_frame,best_effort_timestamp", signal);
  const frames = lines.map((line) => ({ pts: field(line, "best_effort_timestamp"), key: /key_frame=1/.test(line) }));
  const index = indexOf(frames, truncated);
  if (seekable && index !== undefined) return index;
  const times = filledTimes(
    frames.map(({ pts }) => pts),
    track.codedRate > 0 ? track.timeBase.denominator / track.timeBase.numerator / track.codedRate : undefined,
  );
  return {
    pts: frames.map((_, i) => i),
    ...(times === undefined ? {} : { times }),
    keys: [0],
    counted: true,
    truncated,
  };
}

/**
 * Times for all frames, ascending, where some are missing or wrong. Those kept are the longest ascending row of them, so
 * that one that jumps ahead or back costs itself alone. Between two of them the others are spread evenly; before the first and
 * after the last they go on at the pace of most, or at `step` where there are no two. `undefined` without any.
 */
export function filledTimes(
  times: readonly (number | undefined)[],
  step: number | undefined,
): readonly number[] | undefined {
  const known = longestAscending(times);
  const [first] = known;
  if (first === undefined) return undefined;
  const timeOf = (frame: number): number => times[frame] as number;
  const paces = known
    .slice(1)
    .map((frame, i) => (timeOf(frame) - timeOf(known[i] as number)) / (frame - (known[i] as number)))
    .sort((a, b) => a - b);
  const pace = paces[paces.length >> 1] ?? step;
  if (pace === undefined) return undefined;
  const last = known.at(-1) as number;
  let next = 0;
  return times.map((_, frame) => {
    if (frame <= first) return timeOf(first) - (first - frame) * pace;
    if (frame >= last) return timeOf(last) + (frame - last) * pace;
    while ((known[next] as number) < frame) next++;
    const [from, to] = [known[next - 1] as number, known[next] as number];
    return timeOf(from) + ((timeOf(to) - timeOf(from)) * (frame - from)) / (to - from);
  });
}

/** Indices of the longest row of values each larger than the one before it (patience sorting). */
function longestAscending(values: readonly (number | undefined)[]): readonly number[] {
  /** The index that ends the best row of each length. */
  const ends: number[] = [];
  const before = new Map<number, number | undefined>();
  for (const [i, value] of values.entries()) {
    if (value === undefined) continue;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[ends[middle] as number] as number) < value) low = middle + 1;
      else high = middle;
    }
    if (low < ends.length && values[ends[low] as number] === value) continue; // of two alike the first
    before.set(i, ends[low - 1]);
    ends[low] = i;
  }
  const row: number[] = [];
  for (let i = ends.at(-1); i !== undefined; i = before.get(i)) row.push(i);
  return row.reverse();
}

/** `undefined` unless all have times, each its own, and the first is a key frame. */
function indexOf(
  frames: readonly { readonly pts: number | undefined; readonly key: boolean }[],
  truncated: boolean,
): FrameIndex | undefined {
  const pts = frames.flatMap((frame) => (frame.pts === undefined ? [] : [frame.pts]));
  if (pts.length !== frames.length || !increasing(pts)) return undefined;
  const keys = frames.flatMap(({ key }, i) => (key ? [i] : []));
  return keys[0] === 0 ? { pts, times: pts, keys, counted: false, truncated } : undefined;
}

function increasing(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value > (values[i - 1] as number));
}

/** Pictures that are painted over the ones before, whatever is called a key frame. */
const builtOnAll: ReadonlySet<string> = new Set(["gif", "apng"]);

/** Fields may come in packets of their own, and VP8 has packets with nothing to show. */
function isFrameAPacket({ codec, fieldOrder }: Track): boolean {
  return codec !== "vp8" && !builtOnAll.has(codec) && ["progressive", "unknown"].includes(fieldOrder);
}

async function listEntries(
  input: Input,
  entries: string,
  signal: AbortSignalLike | undefined,
): Promise<{ readonly lines: readonly string[]; readonly truncated: boolean }> {
  let truncated = false;
  const onLine = (line: string): boolean => {
    truncated ||= /partial file|ended prematurely/i.test(line); // as MP4 and Matroska say it
    return false;
  };
  const probe = await FfmpegProcess.start(
    "ffprobe",
    ["-v", "error", ...inputFlags, "-select_streams", "V:0", "-show_entries", entries, "-of", "compact=p=0", input.url],
    { signal, onLine, failed: (problem) => notVideo(input, problem) },
  );
  // The section's own line ends with what is left of its side data, so lines are known by their fields.
  const lines = (await probe.text()).split(/\r?\n/).filter((line) => /pts=|timestamp=/.test(line));
  return { lines, truncated };
}

function field(line: string, name: string): number | undefined {
  const value = new RegExp(`\\b${name}=(-?\\d+)`).exec(line)?.[1];
  return value === undefined ? undefined : Number(value);
}

function notVideo({ name, url }: Input, said: string): VideoError {
  const problem = said.replaceAll(`${url}: `, ""); // ffmpeg begins with it
  return new VideoError("not-a-video", `${name} cannot be read as a video: ${problem}`, { details: { source: name } });
}
