/**
 * Video files as frames in browsers, in windows and workers: mediabunny reads the container, the browser decodes
 * (WebCodecs). What becomes of what they find:
 * - each coded frame comes once, whatever its time: none is doubled or dropped to keep a rate; frames before the time 0,
 *   which a file's edit list hides, are left out;
 * - rotation and mirroring are applied, so pixels are as a player shows them; pixels that are not square stay as they are
 *   coded, as the model has no use for a stretched copy (`info.sampleAspectRatio` says how to show them);
 * - colours become 8-bit sRGB as the browser converts them; what is transparent is on black;
 * - every frame has the first one's size; where a video changes its size, later frames are stretched.
 */
import type { Input, InputVideoTrack, VideoSample } from "mediabunny";
import type { AbortSignalLike } from "../abort.ts";
import { httpError, withoutQuery } from "../checkpoint/http-error.ts";
import { DownloadError, MaskletError, StateError, VideoError } from "../errors.ts";
import { checkSize, defaultMaxPixels, type ImageLimits, type RawImage, type Size } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
import { Queue } from "../queue.ts";
import type { FrameOptions, FrameSource } from "../video/frame-source.ts";
import { canvas, pixelsOf } from "./image.ts";
import { loadMediabunny, type Mediabunny } from "./mediabunny.ts";

/** Where a video comes from: a Blob or file, the file's bytes, or an address, which is read in parts. */
export type VideoSource = Blob | Uint8Array | string | URL;

export interface OpenVideoOptions extends ImageLimits {
  /** Aborting ends the opening; later, it closes the video. */
  readonly signal?: AbortSignalLike;
  /** Bytes of decoded frames that are kept for being asked for again, and for going backwards. Default 256 MiB. */
  readonly cacheBytes?: number;
}

export interface VideoInfo {
  /** "avc", "hevc", "vp8", "vp9", "av1". */
  readonly codec: string;
  /** Frames that the file says it has. */
  readonly frames: number;
  /** Frames per second, on average. */
  readonly fps: number;
  /** In seconds, the last frame's share included. */
  readonly duration: number;
  /** When each frame is shown, in seconds from the first. */
  readonly times: readonly number[];
  /** Width of a pixel by its height, as frames come; 1 for almost every video. Frames are not stretched by it. */
  readonly sampleAspectRatio: number;
}

/** The frames of a video file. */
export interface VideoFrames extends FrameSource {
  readonly count: number;
  readonly info: VideoInfo;
  /** Ends decoding and reading. May be called more than once. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a video file: its frames by number, the same ones forwards, backwards and in any order. Forwards, one decoder goes
 * through the file as frames are asked for, a few ahead; elsewhere it starts again at the key frame before. `close` it
 * when done. Images that come out are kept for a while: do not write to them. Needs the package `mediabunny`.
 *
 * Rejects with a `VideoError`: "mediabunny-missing", "not-a-video", "no-video-track", "no-frames", "codec-unsupported"
 * (by this browser, or there is no WebCodecs: pages that are neither https nor localhost), "decode-failed" (the first
 * frame); a `DownloadError` as `cachedSource` for an address; an `ImageError` "image-too-large" for frames of more than
 * `maxPixels`. `frame` rejects with "decode-failed" for a frame that the browser cannot decode, "truncated" for one that
 * lies past the end of a file that was cut off; other frames can still be read. What a cut has left of WebM or Matroska
 * ends earlier, and does not say so.
 */
export async function openVideo(source: VideoSource, options: OpenVideoOptions = {}): Promise<VideoFrames> {
  checkKeys("openVideo", options, openKeys);
  const { signal } = options;
  signal?.throwIfAborted();
  const media = await loadMediabunny();
  signal?.throwIfAborted();
  const input = new media.Input({ source: sourceOf(media, source), formats: media.ALL_FORMATS });
  const name = nameOf(source);
  const onAbort = (): void => input.dispose();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await open(media, input, name, options);
  } catch (cause) {
    input.dispose();
    signal?.throwIfAborted();
    if (cause instanceof MaskletError) throw cause;
    throw new VideoError("not-a-video", `${name} is no video that can be read: ${messageOf(cause)}`, {
      cause,
      details: { source: name },
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function nameOf(source: VideoSource): string {
  if (source instanceof Blob) return source instanceof File ? source.name : "video";
  return source instanceof Uint8Array ? "video" : withoutQuery(String(source));
}

function sourceOf(media: typeof Mediabunny, source: VideoSource): Mediabunny.Source {
  if (source instanceof Blob) return new media.BlobSource(source);
  if (source instanceof Uint8Array) return new media.BufferSource(source);
  return new media.UrlSource(source, { fetchFn: fetchPart, getRetryDelay: () => null });
}

/** As `fetch`, whose failures are Masklet's errors. */
const fetchPart: typeof fetch = async (input, init) => {
  const url = input instanceof Request ? input.url : String(input);
  const response = await fetch(input, init).catch((cause: unknown) => {
    const name = withoutQuery(url);
    const message = `${name}: the connection failed, or the server does not allow this page to read it (CORS)`;
    throw new DownloadError("connection-failed", message, { cause, details: { url: name } });
  });
  if (response.ok) return response;
  await response.body?.cancel();
  throw httpError(url, response, Date.now());
};

async function open(
  media: typeof Mediabunny,
  input: Input,
  name: string,
  { signal, maxPixels = defaultMaxPixels, cacheBytes = 2 ** 28 }: OpenVideoOptions,
): Promise<VideoFrames> {
  const track = await findTrack(input, name);
  if (!(await track.canDecode())) {
    const codec = (await track.getCodecParameterString()) ?? (await track.getCodec());
    const told =
      typeof VideoDecoder === "undefined" ? "has no WebCodecs: it needs https or localhost" : `cannot decode ${codec}`;
    throw new VideoError("codec-unsupported", `${name}: this browser ${told}`, { details: { source: name, codec } });
  }
  const index = await indexFrames(media, track, name);
  const sideways = (await track.getRotation()) % 180 !== 0;
  const coded = { width: await track.getCodedWidth(), height: await track.getCodedHeight() };
  checkSize(name, sideways ? { width: coded.height, height: coded.width } : coded, maxPixels);
  const pixel = await track.getPixelAspectRatio();
  const codec = (await track.getCodec()) ?? "unknown";
  const { times, duration } = index;
  const info: VideoInfo = {
    codec,
    frames: times.length,
    fps: times.length / duration,
    duration,
    times: times.map((time) => time - (times[0] as number)),
    sampleAspectRatio: sideways ? pixel.den / pixel.num : pixel.num / pixel.den,
  };
  const video = new VideoFile({ media, input, track, name, index, info, cacheBytes, signal });
  await video.begin();
  return video;
}

async function findTrack(input: Input, name: string): Promise<InputVideoTrack> {
  const track = await input.getPrimaryVideoTrack();
  if (track !== null) return track;
  const tracks = (await input.getTracks()).map(({ type }) => type);
  throw new VideoError("no-video-track", `${name} has no video track, only ${tracks.join(", ") || "nothing"}`, {
    details: { source: name, tracks },
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** When frames are shown, in that order, in seconds. */
interface FrameIndex {
  readonly times: readonly number[];
  /** Frames that need no other to be decoded, in order. */
  readonly keys: readonly number[];
  /** Whether there are packets whose frames are never shown. */
  readonly hidden: boolean;
  readonly duration: number;
}

async function indexFrames(media: typeof Mediabunny, track: InputVideoTrack, name: string): Promise<FrameIndex> {
  const isVp8 = (await track.getCodec()) === "vp8";
  let hidden = false;
  const packets: { readonly time: number; readonly end: number; readonly key: boolean }[] = [];
  for await (const packet of new media.EncodedPacketSink(track).packets(undefined, undefined, {
    metadataOnly: !isVp8,
  })) {
    // VP8 keeps frames that are never shown in packets of their own; RFC 6386, 9.1: show_frame is bit 4.
    if (isVp8 && ((packet.data[0] as number) & 16) === 0) hidden = true;
    else packets.push({ time: packet.timestamp, end: packet.timestamp + packet.duration, key: packet.type === "key" });
  }
  const shown = packets.filter(({ time }) => time >= 0).sort((a, b) => a.time - b.time);
  const first = shown[0];
  if (first === undefined) {
    throw new VideoError("no-frames", `${name} has a video track without frames`, { details: { source: name } });
  }
  const last = shown.at(-1) as typeof first;
  // A last frame whose share is not told gets the mean of the others, a single one a 25th of a second.
  const mean = shown.length > 1 ? (last.time - first.time) / (shown.length - 1) : 1 / 25;
  return {
    times: shown.map(({ time }) => time),
    keys: shown.flatMap(({ key }, i) => (key ? [i] : [])),
    hidden,
    duration: Math.max(last.end, last.end > last.time ? 0 : last.time + mean) - first.time,
  };
}

interface VideoFileOptions {
  readonly media: typeof Mediabunny;
  readonly input: Input;
  readonly track: InputVideoTrack;
  readonly name: string;
  readonly index: FrameIndex;
  readonly info: VideoInfo;
  readonly cacheBytes: number;
  readonly signal: AbortSignalLike | undefined;
}

/** A decoder on its way. */
interface Run {
  readonly samples: AsyncGenerator<VideoSample, void, unknown>;
  /** The first frame that is still to come. */
  next: number;
}

class VideoFile implements VideoFrames {
  /** The first frame's, known from `begin` on. */
  size: Size = { width: 0, height: 0 };
  readonly info: VideoInfo;
  readonly #options: VideoFileOptions;
  readonly #queue = new Queue();
  readonly #onAbort = (): void => {
    this.close().catch(() => {}); // whoever calls `close` hears of it
  };
  /** Least recently asked for first. */
  readonly #kept = new Map<number, RawImage>();
  #drawing: ReturnType<typeof canvas> | undefined;
  #run: Run | undefined;
  #last = 0;
  #closed = false;

  constructor(options: VideoFileOptions) {
    this.#options = options;
    this.info = options.info;
  }

  get count(): number {
    return this.info.frames;
  }

  /** Decodes the first frame, which has the size of all. */
  async begin(): Promise<void> {
    const { signal } = this.#options;
    try {
      await this.#read(0);
      signal?.throwIfAborted();
    } catch (error) {
      await this.close();
      throw error;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  frame(index: number, { signal }: FrameOptions = {}): Promise<RawImage | undefined> {
    return this.#queue.run(() => this.#read(index), signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#end(); // a read under way ends with it
    this.#options.input.dispose();
    await this.#queue.run(async () => this.#kept.clear());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(index: number): Promise<RawImage | undefined> {
    this.#checkOpen();
    const { keys, times } = this.#options.index;
    if (!(index >= 0 && index < times.length)) return undefined;
    const backwards = index < this.#last;
    this.#last = index;
    const kept = this.#kept.get(index);
    if (kept !== undefined) return this.#keep(index, kept);
    const key = keys.findLast((at) => at <= index) ?? 0;
    // All from the key frame on is decoded anyway: half of what is kept is for the next steps back.
    const from = backwards ? Math.max(key, index + 1 - Math.ceil(this.#capacity / 2)) : index;
    // mediabunny gives out times in the order they went in: what is not shown shifts them, and frames have to be counted.
    const start = this.#options.index.hidden ? key : from;
    if (this.#run === undefined || from < this.#run.next || key > this.#run.next) await this.#start(start);
    try {
      return await this.#readOn(index, from);
    } catch (error) {
      await this.#end();
      this.#checkOpen();
      throw this.#failure(index, error);
    }
  }

  /** Goes on to a frame, and keeps those from `from` on. */
  async #readOn(index: number, from: number): Promise<RawImage> {
    const run = this.#run as Run;
    for (;;) {
      const { done, value: sample } = await run.samples.next();
      if (done === true) throw await this.#ended(index);
      try {
        const at = this.#options.index.hidden ? run.next : this.#frameAt(sample.timestamp, run.next);
        run.next = at + 1;
        if (at >= from && at <= index) this.#keep(at, this.#draw(sample));
      } finally {
        sample.close();
      }
      const image = this.#kept.get(index);
      if (image !== undefined) return image;
      if (run.next > index) throw new Error("the decoder leaves it out");
    }
  }

  async #start(index: number): Promise<void> {
    await this.#end();
    const { media, track, index: frames } = this.#options;
    const samples = new media.VideoSampleSink(track).samples(frames.times[index]);
    this.#run = { samples, next: index };
  }

  async #end(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.samples.return();
  }

  /** The frame of that time, or nearest to it: decoders count in microseconds, files in other units. */
  #frameAt(time: number, next: number): number {
    const { times } = this.#options.index;
    const distance = (frame: number): number => Math.abs((times[frame] ?? Number.POSITIVE_INFINITY) - time);
    let at = Math.max(0, next - 1);
    while (distance(at + 1) <= distance(at) && at + 1 < times.length) at++;
    return at;
  }

  #draw(sample: VideoSample): RawImage {
    const { rotation, visibleRect } = sample;
    const [width, height] =
      rotation % 180 === 0 ? [visibleRect.width, visibleRect.height] : [visibleRect.height, visibleRect.width];
    if (this.#drawing === undefined) {
      this.size = { width, height };
      this.#drawing = canvas(this.size, { alpha: false });
    }
    const { context, surface } = this.#drawing;
    sample.draw(context, 0, 0, surface.width, surface.height);
    return pixelsOf(context, surface);
  }

  /** How many frames are kept. */
  get #capacity(): number {
    const { width, height } = this.size;
    return Math.max(1, Math.floor(this.#options.cacheBytes / (4 * width * height)));
  }

  #keep(index: number, image: RawImage): RawImage {
    this.#kept.delete(index);
    this.#kept.set(index, image);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#capacity) break;
      this.#kept.delete(oldest);
    }
    return image;
  }

  /** Why there is nothing where the file says there is a frame. */
  async #ended(frame: number): Promise<Error> {
    const { media, track, index, name } = this.#options;
    const time = index.times[frame] as number;
    const packet = await new media.EncodedPacketSink(track).getPacket(time);
    if (packet?.timestamp === time) return new Error("the decoder ends before it");
    return new VideoError("truncated", `${name} is cut off: it ends within or before frame ${frame}`, {
      details: { source: name, frame },
    });
  }

  #failure(frame: number, cause: unknown): unknown {
    if (cause instanceof MaskletError) return cause;
    const { name } = this.#options;
    return new VideoError("decode-failed", `${name}: frame ${frame} cannot be decoded: ${messageOf(cause)}`, {
      cause,
      details: { source: name, frame },
    });
  }

  #checkOpen(): void {
    if (this.#closed) throw new StateError("disposed", `${this.#options.name}: the video is closed`);
  }
}

const openKeys: Keys<OpenVideoOptions> = { maxPixels: true, signal: true, cacheBytes: true };
