/** Video files that the test makes itself, and what becomes of odd ones. */
import {
  ALL_FORMATS,
  AudioSample,
  AudioSampleSource,
  BufferSource,
  BufferTarget,
  EncodedPacketSink,
  Input,
  type InputVideoTrack,
  Output,
  WavOutputFormat,
} from "mediabunny";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type NumberedVideo, numberedVideo, numberOn, steady, watchFrames } from "../../test/videos.web.ts";
import type { VideoError } from "../errors.ts";
import type { RawImage } from "../image/image.ts";
import { openVideo, type VideoFrames } from "./video.ts";

let frames: ReturnType<typeof watchFrames>;
beforeEach(() => {
  frames = watchFrames();
});
afterEach(() => {
  frames.restore();
  expect(frames.open()).toBe(0);
});

const shown = async (video: VideoFrames, order: readonly number[]): Promise<readonly number[]> => {
  const numbers: number[] = [];
  for (const index of order) numbers.push(numberOn((await video.frame(index)) as RawImage));
  return numbers;
};
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

describe("frames", () => {
  test.each<[string, NumberedVideo]>([
    ["vp8 in WebM", { codec: "vp8" }],
    ["vp9 in WebM", { codec: "vp9" }],
    ["vp9 in MP4", { codec: "vp9", container: "mp4" }],
    ["av1 in MP4", { codec: "av1", container: "mp4" }],
    ["H.264 in MP4", { codec: "avc", container: "mp4" }],
    ["H.264 in Matroska", { codec: "avc", container: "mkv" }],
  ])("of %s are the same in any order", async (_, options) => {
    await using video = await openVideo(await numberedVideo(options));
    expect(video.size).toEqual({ width: 96, height: 48 });
    expect(video.count).toBe(12);
    expect(video.info).toMatchObject({ codec: options.codec, frames: 12, sampleAspectRatio: 1 });
    expect(video.info.fps).toBeCloseTo(10, 1);
    for (const [i, time] of steady(12).entries()) expect(video.info.times[i]).toBeCloseTo(time, 2);
    for (const order of [upTo(12), upTo(12).toReversed(), [7, 2, 11, 0, 6, 5, 5, 1], [0, 3, 4, 9]]) {
      expect(await shown(video, order)).toEqual(order);
    }
    expect(await video.frame(12)).toBeUndefined();
    expect(await video.frame(-1)).toBeUndefined();
  });

  test("are kept as far as there is room", async () => {
    const bytes = await numberedVideo({ times: steady(30), keyFrameInterval: 10 });
    const frame = 96 * 48 * 4;
    for (const cacheBytes of [0, 4 * frame]) {
      await using video = await openVideo(bytes, { cacheBytes });
      expect(await shown(video, upTo(30).toReversed())).toEqual(upTo(30).toReversed());
      const last = await video.frame(29);
      expect(await video.frame(29)).toBe(last);
    }
  });

  test("may be asked for all at once", async () => {
    await using video = await openVideo(await numberedVideo());
    const images = await Promise.all(upTo(12).map((index) => video.frame(index)));
    expect(images.map((image) => numberOn(image as RawImage))).toEqual(upTo(12));
  });

  test("of a Blob, a file and an address", async () => {
    const bytes = await numberedVideo();
    const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
    const address = URL.createObjectURL(blob);
    for (const source of [blob, new File([blob], "a.webm"), address, new URL(address)]) {
      await using video = await openVideo(source);
      expect(await shown(video, [5, 0])).toEqual([5, 0]);
    }
    URL.revokeObjectURL(address);
  });
});

describe("odd videos", () => {
  test("of a rate that varies", async () => {
    const times = [0, 0.04, 0.05, 0.5, 2, 2.01, 7];
    await using video = await openVideo(await numberedVideo({ times }));
    for (const [i, time] of times.entries()) expect(video.info.times[i]).toBeCloseTo(time, 2);
    expect(video.info.duration).toBeGreaterThan(7);
    expect(await shown(video, [6, 1, 2, 0, 5, 4, 3])).toEqual([6, 1, 2, 0, 5, 4, 3]);
  });

  test.each([90, 180, 270] as const)("turned by %i degrees come as they are to be seen", async (rotation) => {
    await using video = await openVideo(await numberedVideo({ container: "mp4", codec: "avc", rotation }));
    const { width, height } = video.size;
    expect([width, height]).toEqual(rotation === 180 ? [96, 48] : [48, 96]);
    const image = (await video.frame(1)) as RawImage;
    expect([image.width, image.height]).toEqual([width, height]);
    // Frame 1 is white in its first sixth alone, which is now on another side.
    const [x, y] = { 90: [24, 8], 180: [88, 24], 270: [24, 88] }[rotation] as [number, number];
    const at = (px: number, py: number): number => image.data[(py * width + px) * 4] as number;
    expect(at(x, y)).toBeGreaterThan(200);
    expect(at(width - 1 - x, height - 1 - y)).toBeLessThan(50);
  });

  test("of one frame, and of 16x16", async () => {
    await using one = await openVideo(await numberedVideo({ times: [0] }));
    expect([one.count, await shown(one, [0])]).toEqual([1, [0]]);
    expect(one.info.fps).toBeGreaterThan(0);
    await using small = await openVideo(await numberedVideo({ width: 16, height: 16, times: steady(3) }));
    expect(small.size).toEqual({ width: 16, height: 16 });
    expect(((await small.frame(2)) as RawImage).data).toHaveLength(16 * 16 * 4);
  });

  test.each([
    ["bytes that are none", async () => new Uint8Array(1000).fill(7), "not-a-video"],
    ["nothing", async () => new Uint8Array(0), "not-a-video"],
    ["sound alone", soundAlone, "no-video-track"],
    ["a file that ends in its header", async () => (await numberedVideo()).slice(0, 60), "no-video-track"],
  ])("%s are refused", async (_, make, code) => {
    await expect(openVideo(await make())).rejects.toMatchObject({ name: "VideoError", code });
  });

  test("that are too large are refused before they are decoded", async () => {
    const bytes = await numberedVideo();
    await expect(openVideo(bytes, { maxPixels: 1000 })).rejects.toMatchObject({ code: "image-too-large" });
  });

  test("whose codec the browser does not have are refused", async () => {
    const bytes = await numberedVideo({ codec: "avc", container: "mp4" });
    const text = new TextDecoder("latin1").decode(bytes);
    bytes.set(new TextEncoder().encode("hvc1"), text.indexOf("avc1", text.indexOf("stsd")));
    await expect(openVideo(bytes)).rejects.toMatchObject({ name: "VideoError", code: "codec-unsupported" });
  });

  test("an address that is none", async () => {
    await expect(openVideo("/no-such.webm?token=secret")).rejects.toMatchObject({
      name: "DownloadError",
      code: "not-on-server",
      details: { url: "/no-such.webm", status: 404 },
    });
    await expect(openVideo("http://127.0.0.1:9/x.mp4")).rejects.toMatchObject({ code: "connection-failed" });
  });

  /** What each frame shows, or the code of its error. */
  const each = async (video: VideoFrames): Promise<readonly unknown[]> => {
    const outcomes: unknown[] = [];
    for (const index of upTo(video.count)) {
      const outcome = video.frame(index).then((image) => numberOn(image as RawImage));
      outcomes.push(await outcome.catch((error: VideoError) => [error.code, error.details["frame"]]));
    }
    return outcomes;
  };

  test("an MP4 that was cut off gives what is left, and says where it ends", async () => {
    const whole = await numberedVideo({ container: "mp4", codec: "vp9", times: steady(40) });
    await using video = await openVideo(whole.slice(0, Math.floor(whole.length * 0.7)));
    const outcomes = await each(video);
    const left = outcomes.findIndex((outcome) => typeof outcome !== "number");
    expect(left).toBeGreaterThan(10);
    const expected = upTo(40).map((index) => (index < left ? index : ["truncated", index]));
    expect(outcomes).toEqual(expected);
    expect(await shown(video, [0, left - 1, 3])).toEqual([0, left - 1, 3]);
  });

  test("a WebM that was cut off gives what is left", async () => {
    const whole = await numberedVideo({ times: steady(40) });
    await using video = await openVideo(whole.slice(0, Math.floor(whole.length * 0.7)));
    expect(video.count).toBeGreaterThan(10);
    expect(video.count).toBeLessThan(40);
    expect(await each(video)).toEqual(upTo(video.count));
  });

  test("a frame whose data is broken takes those with it that need it, and no other", async () => {
    const bytes = await numberedVideo({ container: "mp4", codec: "vp9", times: steady(20), keyFrameInterval: 0.5 });
    const input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
    const track = (await input.getPrimaryVideoTrack()) as InputVideoTrack;
    const data = (await new EncodedPacketSink(track).getPacket(0.7))?.data as Uint8Array;
    input.dispose();
    bytes.fill(0xff, offsetOf(bytes, data), offsetOf(bytes, data) + data.length);
    await using video = await openVideo(bytes);
    const broken = [7, 8, 9];
    expect(await each(video)).toEqual(
      upTo(20).map((index) => (broken.includes(index) ? ["decode-failed", index] : index)),
    );
    expect(await shown(video, [6, 10])).toEqual([6, 10]);
  });

  // Made with ffmpeg in two passes: testsrc2 of 32x32 with 10 frames a second, 3.2 s, libvpx, -auto-alt-ref 1.
  test("frames that are coded and never shown do not count", async () => {
    const url = new URL("../../test/hidden-frames.webm", import.meta.url);
    await using video = await openVideo(new Uint8Array(await (await fetch(url)).arrayBuffer()));
    expect(video.count).toBe(32);
    const forwards = await Promise.all(upTo(32).map((index) => video.frame(index)));
    expect(forwards.every((image) => image?.width === 32)).toBe(true);
    await using again = await openVideo(url);
    for (const index of upTo(32).toReversed()) expect(await again.frame(index)).toEqual(forwards[index]);
  });
});

function offsetOf(bytes: Uint8Array, part: Uint8Array): number {
  const at = bytes.findIndex((_, i) => part.every((byte, j) => bytes[i + j] === byte));
  if (at < 0) throw new Error("the packet is not in the file");
  return at;
}

async function soundAlone(): Promise<Uint8Array> {
  const target = new BufferTarget();
  const output = new Output({ format: new WavOutputFormat(), target });
  const source = new AudioSampleSource({ codec: "pcm-s16" });
  output.addAudioTrack(source);
  await output.start();
  const data = new Int16Array(4800);
  const sample = new AudioSample({ data, format: "s16", numberOfChannels: 1, sampleRate: 48_000, timestamp: 0 });
  await source.add(sample);
  sample.close();
  await output.finalize();
  return new Uint8Array(target.buffer as ArrayBuffer);
}

describe("the end", () => {
  test("of a video refuses what comes, and ends what runs", async () => {
    const video = await openVideo(await numberedVideo({ times: steady(40), keyFrameInterval: 10 }));
    const running = video.frame(39).catch((error: unknown) => error);
    await video.close();
    await video.close();
    expect(await running).toMatchObject({ name: "StateError", code: "disposed" });
    await expect(video.frame(0)).rejects.toMatchObject({ name: "StateError", code: "disposed" });
  });

  test("by a signal", async () => {
    const bytes = await numberedVideo();
    const abort = new AbortController();
    const video = await openVideo(bytes, { signal: abort.signal });
    const reason = new Error("enough");
    const one = new AbortController();
    const frame = video.frame(11, { signal: one.signal });
    one.abort(reason);
    await expect(frame).rejects.toBe(reason);
    expect(await shown(video, [3])).toEqual([3]);
    abort.abort(reason);
    await expect(video.frame(0)).rejects.toMatchObject({ code: "disposed" });
    await video.close();
    await expect(openVideo(bytes, { signal: abort.signal })).rejects.toBe(reason);
    const early = new AbortController();
    const opening = openVideo(bytes, { signal: early.signal });
    early.abort(reason);
    await expect(opening).rejects.toBe(reason);
  });
});
