import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { childrenOf, ffmpeg, hasFfmpeg } from "../../../test/videos.ts";
import { type StreamFrame, type VideoStreamOptions, videoStream } from "./video-stream.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-stream-test-"));
  file = join(folder, "video.mkv");
  // Each picture is of the grey 10 * its number.
  const grey = "nullsrc=size=32x18:rate=20:duration=1,format=gray,geq=lum=10*N,format=gbrp";
  if (hasFfmpeg) await ffmpeg("-f", "lavfi", "-i", grey, "-c:v", "libx264rgb", "-qp", "0", file);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => expect(await childrenOf(process.pid), "nothing is left running").toEqual([]));

const collect = async (options: VideoStreamOptions, pause: number): Promise<readonly StreamFrame[]> => {
  const frames: StreamFrame[] = [];
  for await (const frame of videoStream(file, options)) {
    frames.push(frame);
    await sleep(pause);
  }
  return frames;
};
const live = ["-re"]; // reads the file at its own pace, as a camera gives pictures
const endless = ["-f", "lavfi"];
const source = "testsrc=size=32x18:rate=50,realtime";

describe.skipIf(!hasFfmpeg)("videoStream (needs ffmpeg on PATH)", () => {
  test("all frames come, in order, to a slow consumer too", async () => {
    const frames = await collect({ keep: "all" }, 5);
    expect(frames.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    for (const { index, width, height, data } of frames) {
      expect([width, height, data.length, ...data.subarray(0, 3)]).toEqual([
        32,
        18,
        1728,
        ...Array(3).fill(10 * index),
      ]);
    }
  });

  test("a slow consumer of live pictures gets the newest, and the last", async () => {
    const frames = await collect({ inputOptions: live }, 200);
    const numbers = frames.map(({ index }) => index);
    expect(numbers.length).toBeLessThan(12);
    expect(numbers.at(-1)).toBe(19);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    for (const { index, data } of frames) expect(data[0]).toBe(10 * index);
  });

  test.each(["newest", "all"] as const)("leaving the loop ends ffmpeg: %s", async (keep) => {
    for await (const { index } of videoStream(source, { inputOptions: endless, keep })) if (index >= 3) break;
    const fails = async (): Promise<void> => {
      for await (const _ of videoStream(source, { inputOptions: endless, keep })) throw new Error("no more");
    };
    await expect(fails()).rejects.toThrow("no more");
  });

  test.each(["newest", "all"] as const)("an abort ends it with its reason: %s", async (keep) => {
    const abort = new AbortController();
    const aborted = async (): Promise<void> => {
      const frames = videoStream(source, { inputOptions: endless, keep, signal: abort.signal });
      for await (const { index } of frames) if (index >= 3) abort.abort(new Error("enough"));
    };
    await expect(aborted()).rejects.toThrow("enough");
  });

  test("what cannot be opened", async () => {
    const frames = videoStream("http://user:secret@127.0.0.1:9/live?key=1");
    await expect(frames.next()).rejects.toMatchObject({
      name: "VideoError",
      code: "stream-failed",
      details: { source: "http://127.0.0.1:9/live" },
    });
  });
});
