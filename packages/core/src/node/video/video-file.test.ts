import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { noiseImage } from "../../../test/toy-sam2.ts";
import { childrenOf, ffmpeg, hasFfmpeg } from "../../../test/videos.ts";
import type { RawImage } from "../../image/image.ts";
import { encodePng } from "../image.ts";
import { openVideo, type VideoFrames } from "./video-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-video-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  vi.unstubAllEnvs();
  expect(await childrenOf(process.pid), "nothing is left running").toEqual([]);
});

const at = (name: string): string => join(folder, name);
const count = 14;
const noise = (i: number, [width, height] = [34, 21]): RawImage => noiseImage(width, height, { seed: i + 1 });

/** Says whether pixels are the same: a comparison number by number takes seconds. */
const digest = (image: RawImage | undefined): string =>
  image === undefined ? "none" : createHash("sha256").update(image.data).digest("hex");
const exactly = (i: number): string => digest(noise(i));

/** A video of noise, kept exactly by the codec; `size` may be odd. */
async function noiseVideo(name: string, args: readonly string[], frames = count, size = [34, 21]): Promise<string> {
  const pictures = await mkdtemp(at("pictures-"));
  for (let i = 0; i < frames; i++)
    await writeFile(join(pictures, `${i}.png`), await encodePng(noise(i, size as [number, number])));
  await ffmpeg("-framerate", "10", "-i", join(pictures, "%d.png"), ...args, at(name));
  return at(name);
}

/** Another of `testsrc`'s pictures at every frame. */
const testVideo = async (name: string, ...args: readonly string[]): Promise<string> => {
  await ffmpeg("-f", "lavfi", "-i", "testsrc=size=48x32:rate=25:duration=1", ...args, at(name));
  return at(name);
};

test.runIf(hasFfmpeg)("an animated WebP says why not", async () => {
  const frames = Buffer.concat([0, 1].map((i) => Buffer.from(noise(i).data)));
  const raw = { width: 34, height: 42, channels: 3, pageHeight: 21 } as const;
  await writeFile(at("moving.webp"), await sharp(frames, { raw }).webp().toBuffer());
  await expect(openVideo(at("moving.webp"))).rejects.toMatchObject({ code: "not-a-video" });
  await expect(openVideo(at("moving.webp"))).rejects.toThrow(/moving\.webp is an animated WebP.*make a GIF/);
});

const closing = async <T>(video: VideoFrames, use: (video: VideoFrames) => Promise<T>): Promise<T> => {
  try {
    return await use(video);
  } finally {
    await video.close();
  }
};

/** All frames, forwards; the same backwards, and some in a jumble, each of which starts a decoder, with a small cache. */
async function everyWay(path: string): Promise<readonly RawImage[]> {
  const size = await closing(await openVideo(path), async (video) => video.size);
  return closing(await openVideo(path, { cacheBytes: size.width * size.height * 3 * 6 }), async (video) => {
    const n = video.info.frames;
    const read = async (order: readonly number[]): Promise<ReadonlyMap<number, RawImage>> => {
      const read = new Map<number, RawImage>();
      for (const i of order) read.set(i, (await video.frame(i)) as RawImage);
      return read;
    };
    const forwards = Array.from({ length: n }, (_, i) => i);
    const frames = await read(forwards);
    for (const order of [forwards.toReversed(), forwards.map((i) => (i * 11 + 4) % n).slice(0, 8)]) {
      for (const [i, image] of await read(order)) {
        expect(digest(image), `frame ${i} of ${path}`).toBe(digest(frames.get(i)));
      }
    }
    return [...frames.values()];
  });
}

describe.skipIf(!hasFfmpeg)("openVideo (needs ffmpeg on PATH)", { timeout: 60_000 }, () => {
  test.each([
    ["h264 without B-frames", "h264.mkv", ["-c:v", "libx264rgb", "-qp", "0", "-g", "5"]],
    ["FFV1 in AVI, one frame a group", "ffv1.avi", ["-c:v", "ffv1", "-pix_fmt", "bgra"]],
    ["PNG in MOV", "png.mov", ["-c:v", "png"]],
    ["APNG, which paints over what was there", "a.apng", ["-f", "apng"]],
  ])("lossless frames are exact, any way they are read: %s", async (_, name, args) => {
    const frames = await everyWay(await noiseVideo(name, args));
    expect(frames).toHaveLength(count);
    for (const [i, image] of frames.entries()) expect(digest(image), `frame ${i}`).toBe(exactly(i));
  });

  test.each([
    ["B-frames", "b.mp4", ["-c:v", "libx264", "-g", "9", "-bf", "3"]],
    [
      "open groups in a transport stream",
      "open.ts",
      ["-c:v", "libx264", "-x264-params", "open-gop=1:keyint=8:bframes=4"],
    ],
    [
      "VP8 with hidden frames",
      "hidden.webm",
      ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "8"],
    ],
    ["interlaced", "fields.mpg", ["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "8", "-bf", "2"]],
    ["no times at all", "raw.h264", ["-c:v", "libx264", "-g", "9", "-bf", "2"]],
    ["GIF", "a.gif", []],
  ])("all frames are the same any way they are read: %s", async (_, name, args) => {
    expect(await everyWay(await testVideo(name, ...args))).toHaveLength(25);
  });

  test("what a video is", async () => {
    const path = await noiseVideo("info.mkv", ["-c:v", "ffv1", "-pix_fmt", "gbrp10le", "-vf", "setsar=2/1"]);
    await closing(await openVideo(pathToFileURL(path)), async ({ size, count: frames, info }) => {
      expect([size, frames]).toEqual([{ width: 34, height: 21 }, count]);
      expect(info).toMatchObject({ codec: "ffv1", pixelFormat: "gbrp10le", frames: count, fps: 10 });
      expect(info).toMatchObject({ sampleAspectRatio: 2, truncated: false });
      expect(info.duration).toBeCloseTo(1.4);
      expect(info.times.map((time) => Math.round(time * 10))).toEqual(Array.from({ length: count }, (_, i) => i));
    });
  });

  test("variable frame rate: each coded frame once, at its time", async () => {
    const path = await noiseVideo("vfr.mkv", [
      ...["-vf", "settb=1/1000,setpts=N*N*30", "-vsync", "passthrough", "-enc_time_base", "1/1000"],
      ...["-c:v", "libx264rgb", "-qp", "0", "-g", "4", "-bf", "0"],
    ]);
    const frames = await everyWay(path);
    expect(frames.map(digest)).toEqual(Array.from({ length: count }, (_, i) => exactly(i)));
    await closing(await openVideo(path), async ({ info }) => {
      for (const [i, time] of info.times.entries()) expect(time).toBeCloseTo(i * i * 0.03, 3);
    });
  });

  test("an AVI with B-frames, whose last times are missing, plays at its own speed", async () => {
    const mp4 = await testVideo("b.mp4", ..."-c:v libx264 -g 10 -bf 2 -pix_fmt yuv420p".split(" "));
    await ffmpeg("-i", mp4, "-c", "copy", at("b.avi"));
    await closing(await openVideo(at("b.avi")), async (video) => {
      expect(video.info).toMatchObject({ frames: 25, fps: 25 });
      expect(video.info.duration).toBeCloseTo(1, 3);
      for (const [i, time] of video.info.times.entries()) expect(time).toBeCloseTo(i / 25, 6);
    });
  });

  test("a stream without any times goes at the rate it was coded for", async () => {
    await ffmpeg(
      ..."-f lavfi -i testsrc=s=48x32:r=30:d=0.5 -c:v libx264 -bf 2 -pix_fmt yuv420p".split(" "),
      at("raw.264"),
    );
    await closing(await openVideo(at("raw.264")), async (video) => {
      expect(video.info).toMatchObject({ frames: 15, fps: 30, start: 0 });
      expect(video.info.times[3]).toBeCloseTo(0.1, 6);
    });
  });

  test("pixels that are not square, upright and rotated; where the picture starts", async () => {
    const upright = await testVideo("anamorphic.mov", "-vf", "setsar=64/45", "-c:v", "mpeg4");
    await ffmpeg("-i", upright, "-c", "copy", "-metadata:s:v:0", "rotate=90", at("sideways.mov"));
    const late = ["-f", "lavfi", "-i", "sine=duration=1", "-itsoffset", "0.4", "-i", upright];
    await ffmpeg(...late, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac", at("late.mov"));
    for (const [name, ratio, start] of [
      ["anamorphic.mov", 64 / 45, 0],
      ["sideways.mov", 45 / 64, 0],
      ["late.mov", 64 / 45, 0.4],
    ] as const) {
      const { info } = await closing(await openVideo(at(name)), async (video) => video);
      expect(info.sampleAspectRatio, name).toBeCloseTo(ratio, 3);
      expect(info.start, name).toBeCloseTo(start, 2);
    }
  });

  test("rotation is applied, and the sides swapped", async () => {
    const upright = await noiseVideo("upright.mov", ["-c:v", "png"]);
    await ffmpeg("-i", upright, "-c", "copy", "-metadata:s:v:0", "rotate=90", at("rotated.mov"));
    const { data } = noise(3);
    const frames = await everyWay(at("rotated.mov"));
    const [{ width, height }, third] = [frames[0] as RawImage, frames[3] as RawImage];
    expect([width, height]).toEqual([21, 34]);
    const pixel = (from: Uint8Array | Uint8ClampedArray, i: number): string => String(from.subarray(i * 3, i * 3 + 3));
    const turned = (place: (x: number, y: number) => number): boolean =>
      Array.from({ length: 34 * 21 }, (_, i) => [i % 21, Math.floor(i / 21)] as const).every(
        ([x, y]) => pixel(third.data, y * 21 + x) === pixel(data, place(x, y)),
      );
    // Which way "rotate=90" turns is another with other releases of ffmpeg.
    const clockwise = turned((x, y) => (20 - x) * 34 + y);
    const counterclockwise = turned((x, y) => x * 34 + 33 - y);
    expect([clockwise, counterclockwise].sort()).toEqual([false, true]);
  });

  test.each([
    ["16x16", [16, 16], 3],
    ["1x1", [1, 1], 3],
    ["4K", [3840, 2160], 1],
    ["one frame", [34, 21], 1],
  ])("%s", async (name, size, frames) => {
    const path = await noiseVideo(`${name}.mkv`, ["-c:v", "ffv1"], frames, size);
    await closing(await openVideo(path), async (video) => {
      expect([video.count, video.size]).toEqual([frames, { width: size[0], height: size[1] }]);
      for (let i = frames - 1; i >= 0; i--) {
        expect(digest(await video.frame(i))).toBe(digest(noise(i, size as [number, number])));
      }
      expect(await video.frame(frames)).toBeUndefined();
      expect(await video.frame(-1)).toBeUndefined();
    });
  });

  test("alpha is dropped, and the colours beneath it stay", async () => {
    const path = await noiseVideo("alpha.mov", ["-vf", "format=rgba,colorchannelmixer=aa=0.2", "-c:v", "png"]);
    await closing(await openVideo(path), async (video) => {
      expect(digest(await video.frame(5)), "frame 5").toBe(exactly(5));
    });
  });

  test.each(["mkv", "mp4"])("a file that was cut off gives what is there: %s", async (ending) => {
    const whole = await noiseVideo(`whole.${ending}`, ["-c:v", "libx264rgb", "-qp", "0", "-movflags", "+faststart"]);
    await truncate(whole, Math.floor((await readFile(whole)).length * 0.6));
    await closing(await openVideo(whole), async (video) => {
      const { frames, truncated } = video.info;
      expect(truncated).toBe(true);
      expect(frames).toBeGreaterThan(count * 0.4);
      expect(frames).toBeLessThan(count * 0.7);
      for (let i = 0; i < frames; i++) expect(digest(await video.frame(i)), `frame ${i}`).toBe(exactly(i));
      await expect(video.frame(frames)).rejects.toMatchObject({
        name: "VideoError",
        code: "truncated",
        details: { frame: frames },
      });
      expect(digest(await video.frame(0)), "frame 0").toBe(exactly(0));
    });
  });

  test("a frame that cannot be decoded is named, and the others can be read", async () => {
    const path = await noiseVideo("broken.mov", ["-c:v", "png"]);
    const bytes = await readFile(path);
    const signature = Buffer.from("89504e470d0a1a0a", "hex");
    let place = -1;
    for (let i = 0; i <= 6; i++) place = bytes.indexOf(signature, place + 1);
    bytes.fill(0, place, place + 40);
    await closing(await openVideo(bytes), async (video) => {
      for (const i of [5, 7, 13]) expect(digest(await video.frame(i)), `frame ${i}`).toBe(exactly(i));
      const error = { code: "decode-failed", message: expect.stringMatching(/frame 6 cannot be decoded: ./) };
      await expect(video.frame(6)).rejects.toMatchObject({ ...error, details: { frame: 6 } });
      for (const i of [0, 4, 5]) expect(digest(await video.frame(i)), `frame ${i}`).toBe(exactly(i));
      await expect(video.frame(6)).rejects.toMatchObject(error);
      expect(digest(await video.frame(7)), "frame 7").toBe(exactly(7));
    });
  });

  test("bytes, and nothing of them is left", async () => {
    const path = await noiseVideo("bytes.mp4", ["-c:v", "libx264rgb", "-qp", "0"]);
    const before = await readdir(tmpdir());
    await using video = await openVideo(await readFile(path));
    expect(digest(await video.frame(9)), "frame 9").toBe(exactly(9));
    await video.close();
    await video.close();
    const left = (await readdir(tmpdir())).filter((name) => /^masklet-video-(?!test)/.test(name));
    expect(left.filter((name) => !before.includes(name))).toEqual([]);
    await expect(video.frame(0)).rejects.toMatchObject({ name: "StateError", code: "disposed" });
  });

  test("what is no video says so", async () => {
    await ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", at("sound.wav"));
    await writeFile(at("letter.mp4"), "Dear reader, this is no video.");
    await expect(openVideo(at("nowhere.mp4"))).rejects.toMatchObject({ code: "not-found" });
    await expect(openVideo(at("letter.mp4"))).rejects.toMatchObject({ name: "VideoError", code: "not-a-video" });
    await expect(openVideo(new Uint8Array(0))).rejects.toMatchObject({ code: "not-a-video" });
    await expect(openVideo(folder)).rejects.toThrow("framesFromFolder");
    await expect(openVideo(at("sound.wav"))).rejects.toMatchObject({
      code: "no-video-track",
      message: expect.stringContaining("only audio (pcm_s16le)"),
    });
    const cover = ["-i", at("sound.wav"), "-f", "lavfi", "-i", "testsrc=d=0.04", "-map", "0", "-map", "1"];
    await ffmpeg(...cover, "-frames:v", "1", "-c:v", "png", "-disposition:v", "attached_pic", at("cover.m4a"));
    await expect(openVideo(at("cover.m4a"))).rejects.toMatchObject({ code: "no-video-track" });
  });

  test("maxPixels", async () => {
    const path = await testVideo("large.mp4", "-frames:v", "1");
    await expect(openVideo(path, { maxPixels: 48 * 32 - 1 })).rejects.toMatchObject({ code: "image-too-large" });
  });

  test("calls may overlap, and an aborted one leaves the video as it was", async () => {
    const path = await noiseVideo("overlap.mkv", ["-c:v", "libx264rgb", "-qp", "0", "-g", "5"]);
    await closing(await openVideo(path), async (video) => {
      const abort = new AbortController();
      const calls = [9, 8, 2].map((i) => video.frame(i));
      const aborted = video.frame(12, { signal: abort.signal });
      abort.abort(new Error("enough"));
      await expect(aborted).rejects.toThrow("enough");
      expect((await Promise.all(calls)).map(digest)).toEqual([9, 8, 2].map(exactly));
      expect(digest(await video.frame(12)), "frame 12").toBe(exactly(12));
    });
  });

  test("aborting ends the opening, and closes what is open", async () => {
    const path = await noiseVideo("abort.mkv", ["-c:v", "ffv1"], 4, [1280, 720]);
    for (const delay of [0, 40, 90]) {
      const abort = new AbortController();
      const opening = openVideo(path, { signal: abort.signal }).then((video) => video.frame(2));
      setTimeout(() => abort.abort(new Error("enough")), delay);
      await expect(opening).rejects.toThrow(/enough|is closed/);
      await vi.waitFor(async () => expect(await childrenOf(process.pid)).toEqual([]));
    }
    const abort = new AbortController();
    const video = await openVideo(path, { signal: abort.signal, cacheBytes: 0 });
    await video.frame(1); // ffmpeg waits with the next frame
    expect((await childrenOf(process.pid)).length).toBeGreaterThanOrEqual(process.platform === "linux" ? 1 : 0);
    abort.abort();
    await vi.waitFor(async () => expect(await childrenOf(process.pid)).toEqual([]));
    await expect(video.frame(2)).rejects.toMatchObject({ code: "disposed" });
  });
});

test("without ffmpeg the error says what to install", async () => {
  vi.stubEnv("PATH", "");
  await writeFile(at("any.mp4"), "");
  await expect(openVideo(at("any.mp4"))).rejects.toMatchObject({
    name: "VideoError",
    code: "ffmpeg-missing",
    message: expect.stringContaining("Folders of images need neither"),
  });
});
