import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { childrenOf, ffmpeg, hasFfmpeg } from "../../../test/videos.ts";
import type { RawImage } from "../../image/image.ts";
import { applyEffect } from "../../mask/effects.ts";
import { type Mask, maskIou } from "../../mask/mask.ts";
import { readImage } from "../image.ts";
import { createFrameFolder } from "./frame-folder.ts";
import { openVideo } from "./video-file.ts";
import { videoStream } from "./video-stream.ts";
import { createVideo, type VideoWriter, type VideoWriterOptions } from "./video-writer.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-writer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const size = { width: 64, height: 48 };

/** A video of `frames` pictures at `path`. */
async function written(path: string, frames: number, options: Partial<VideoWriterOptions> = {}): Promise<void> {
  const video = await createVideo(path, { size, fps: 10, ...options });
  for (let i = 0; i < frames; i++) await video.write(picture(i));
  await video.finish();
}

describe.runIf(hasFfmpeg)("names that ffmpeg would take for something else", () => {
  test.each(["12:30:05.mp4", "-y.mp4", "pipe:1.mp4", "run-12:30/http:a.mp4", "a b%d'\"&.mp4"])("%s", async (name) => {
    const here = process.cwd();
    process.chdir(folder); // so that the name stands alone
    try {
      await ffmpeg(...["-f", "lavfi", "-i", "sine=d=0.3", "-f", "lavfi", "-i", "testsrc=d=0.3:s=64x48"], "sound.mp4");
      await rename("sound.mp4", "-12:30.mp4");
      await written(name, 3, { audio: "-12:30.mp4" });
      await using video = await openVideo(name);
      expect(video.info.frames).toBe(3);
      expect(probe(`file:${name}`, "a", "codec_name")).toMatchObject({ codec_name: "aac" });
      const live = videoStream(name, { keep: "all" });
      expect((await live.next()).value).toMatchObject({ index: 0, width: 64 });
      await live.return();
    } finally {
      process.chdir(here);
    }
  });
});

test.runIf(hasFfmpeg)("cameras of more than 1000 frames a second", async () => {
  await written(at("fast.mp4"), 8, { fps: 5000 });
  await using video = await openVideo(at("fast.mp4"));
  expect(video.info).toMatchObject({ frames: 8, fps: 5000 });
});

const disk = (frame: number, { width, height } = size): Mask => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height }, (_, i) =>
    Math.hypot((i % width) - 20 - 2 * frame, Math.floor(i / width) - 22) < 12 ? 1 : 0,
  ),
});
/** A smooth picture that differs from frame to frame. */
const picture = (frame: number, { width, height } = size): RawImage => ({
  width,
  height,
  channels: 3,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return 40 + 2 * (pixel % width) + (i % 3) * 20 + 3 * frame;
  }),
});

/** What ffprobe says of the first stream of a kind. */
function probe(file: string, kind: "v" | "a", ...entries: string[]): Record<string, unknown> {
  const { stdout } = spawnSync("ffprobe", [
    ...["-v", "error", "-count_packets", "-select_streams", `${kind}:0`, "-of", "json"],
    ...["-show_entries", `stream=${entries.join(",")}:stream_tags=alpha_mode`, file],
  ]);
  return JSON.parse(String(stdout)).streams[0];
}
function times(file: string): number[] {
  const { stdout } = spawnSync("ffprobe", [
    "-v",
    "error",
    "-select_streams",
    "v:0",
    "-show_entries",
    "frame=pts_time",
    "-of",
    "csv=p=0",
    file,
  ]);
  return String(stdout).trim().split(/,?\s+/).map(Number.parseFloat);
}
/** All frames, decoded again. */
function decode(file: string, { width, height }: { width: number; height: number }, channels: 3 | 4): RawImage[] {
  const decoder = channels === 4 ? ["-c:v", "libvpx-vp9"] : [];
  const { stdout } = spawnSync(
    "ffmpeg",
    ["-v", "error", ...decoder, "-i", file, "-f", "rawvideo", "-pix_fmt", channels === 4 ? "rgba" : "rgb24", "pipe:1"],
    { maxBuffer: 1 << 28 },
  );
  const length = width * height * channels;
  expect(stdout.length % length).toBe(0);
  return Array.from({ length: stdout.length / length }, (_, i) => ({
    width,
    height,
    channels,
    data: new Uint8Array(stdout.subarray(i * length, (i + 1) * length)),
  }));
}
const meanError = (a: RawImage, b: RawImage): number => {
  const errors = Array.from(a.data, (value, i) => Math.abs(value - (b.data[i] as number)));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
};
const left = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.endsWith(".tmp"));

describe.skipIf(!hasFfmpeg)("through ffmpeg", () => {
  test("mp4: every frame, its colours, an exact rate, the index in front", async () => {
    const file = at("plain.mp4");
    await using writer = await createVideo(file, { size, fps: 29.97 });
    await Promise.all([0, 1, 2, 3, 4, 5, 6].map((frame) => writer.write(picture(frame))));
    expect(await readdir(folder)).not.toContain("plain.mp4");
    await writer.finish();
    expect(
      probe(file, "v", "width", "height", "pix_fmt", "r_frame_rate", "nb_read_packets", "color_space"),
    ).toMatchObject({
      ...size,
      pix_fmt: "yuv420p",
      r_frame_rate: "30000/1001",
      nb_read_packets: "7",
      color_space: "bt709",
    });
    const frames = decode(file, size, 3);
    expect(frames).toHaveLength(7);
    for (const [i, frame] of frames.entries()) expect(meanError(frame, picture(i))).toBeLessThan(2.5);
    const bytes = await readFile(file);
    expect(bytes.indexOf("moov")).toBeLessThan(bytes.indexOf("mdat"));
    expect(await left()).toEqual([]);
  });

  test("odd sizes repeat the last column and row", async () => {
    const odd = { width: 33, height: 25 };
    const file = at("odd.mp4");
    const writer = await createVideo(file, { size: odd, fps: 25 });
    await writer.write(picture(0, odd));
    await writer.finish();
    const [frame] = decode(file, { width: 34, height: 26 }, 3) as [RawImage];
    const column = (x: number, y: number): number => frame.data[3 * (y * 34 + x)] as number;
    for (const y of [0, 12, 25]) expect(Math.abs(column(33, y) - (40 + 2 * 32))).toBeLessThan(6);
    expect(Math.abs(column(10, 25) - 60)).toBeLessThan(6);
  });

  test("transparent pixels lie on the background in an mp4", async () => {
    const file = at("background.mp4");
    const writer = await createVideo(file, { size, fps: 25, background: [0, 0, 255] });
    await writer.write(applyEffect(picture(0), [{ mask: disk(0) }], "cutout"));
    await writer.finish();
    const [frame] = decode(file, size, 3) as [RawImage];
    expect([...frame.data.subarray(0, 3)].map((value) => Math.round(value / 16))).toEqual([0, 0, 16]);
  });

  test("webm: alpha is the mask, colours those of the object", async () => {
    for (const [name, both] of [
      ["even.webm", size],
      ["odd.webm", { width: 51, height: 37 }],
    ] as const) {
      const file = at(name);
      const writer = await createVideo(file, { size: both, fps: 24 });
      for (let i = 0; i < 5; i++) {
        await writer.write(applyEffect(picture(i, both), [{ mask: disk(i, both) }], "cutout"));
      }
      await writer.finish();
      expect(writer.encoder).toBe("libvpx-vp9");
      expect(probe(file, "v", "codec_name", "nb_read_packets")).toMatchObject({
        codec_name: "vp9",
        nb_read_packets: "5",
        tags: { alpha_mode: "1" },
      });
      const frames = decode(file, both, 4);
      expect(frames).toHaveLength(5);
      for (const [i, frame] of frames.entries()) {
        const mask = disk(i, both);
        const alpha = mask.data.map((_, pixel) => ((frame.data[4 * pixel + 3] as number) >= 128 ? 1 : 0));
        expect(maskIou({ ...both, data: alpha }, mask)).toBeGreaterThan(0.97);
        for (let pixel = 0; pixel < mask.data.length; pixel++) {
          if (mask.data[pixel] === 0) continue;
          const error = (frame.data[4 * pixel] as number) - (picture(i, both).data[3 * pixel] as number);
          expect(Math.abs(error), `${name}: red of pixel ${pixel} of frame ${i}`).toBeLessThan(16); // no dark fringe
        }
      }
    }
  });

  test.each([".mp4", ".webm"])("the same frames make the same %s", async (ending) => {
    const [first, second] = [at(`first${ending}`), at(`second${ending}`)];
    for (const path of [first, second]) {
      await using writer = await createVideo(path, { size, fps: 25 });
      for (let frame = 0; frame < 3; frame++)
        await writer.write(applyEffect(picture(frame), [{ mask: disk(frame) }], "cutout"));
      await writer.finish();
    }
    expect((await readFile(first)).equals(await readFile(second))).toBe(true);
  });

  test("an opaque frame is opaque in a webm", async () => {
    const file = at("opaque.webm");
    const writer = await createVideo(file, { size, fps: 24 });
    await writer.write(picture(0));
    await writer.finish();
    const [frame] = decode(file, size, 4) as [RawImage];
    expect(Math.min(...frame.data.filter((_, i) => i % 4 === 3))).toBeGreaterThan(250);
  });

  test.each(["times.mp4", "times.webm"])("%s: frames have their own times", async (name) => {
    const own = [0, 0.04, 0.2, 0.25, 1, 1.0417];
    const writer = await createVideo(at(name), { size, fps: 6 / 1.08, times: own });
    for (const frame of own.keys()) await writer.write(picture(frame));
    await expect(writer.write(picture(6))).rejects.toMatchObject({ code: "video-option" });
    await writer.finish();
    const written = times(at(name));
    expect(written).toHaveLength(own.length);
    for (const [i, time] of written.entries()) expect(Math.abs(time - (own[i] as number))).toBeLessThan(6e-4);
  });

  test("the source's sound comes along, as far as the picture goes", async () => {
    const source = at("sound.mp4");
    const sine = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"];
    await ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=2", ...sine, "-c:a", "aac", source);
    await ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1", at("silent.mp4"));
    for (const [audio, name, codec] of [
      [source, "with.mp4", "aac"],
      [source, "with.webm", "opus"],
      [at("silent.mp4"), "without.mp4", undefined],
    ] as const) {
      const writer = await createVideo(at(name), { size, fps: 10, times: [0, 0.1, 0.2, 0.3, 0.4], audio });
      for (let frame = 0; frame < 5; frame++) await writer.write(picture(frame));
      await writer.finish();
      const sound = probe(at(name), "a", "codec_name");
      expect(sound?.["codec_name"]).toBe(codec);
      if (codec === "aac") expect(Number(probe(at(name), "a", "duration")["duration"])).toBeCloseTo(0.5, 1);
    }
  });

  /** When the sound of a file begins to be heard, in seconds from where the file begins. */
  function beep(file: string): number {
    const { stdout } = spawnSync(
      "ffmpeg",
      [...["-v", "error", "-i", file, "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ac", "1"], ...raw],
      { maxBuffer: 1 << 26 },
    );
    const samples = new Int16Array(stdout.buffer, stdout.byteOffset, stdout.length >> 1);
    return samples.findIndex((sample) => Math.abs(sample) > 3000) / 48_000;
  }
  const raw = ["-ar", "48000", "-f", "s16le", "pipe:1"];

  test.each([
    ["sound first", 0.4, ".mp4"],
    ["sound first", 0.4, ".webm"],
    ["picture first", -0.3, ".mp4"],
    ["together", 0, ".mp4"],
  ])("%s (%f s): they stay together in %s", async (_, lead, ending) => {
    // A beep at 0.9 s of the file's own clock, while frame `flash` of 10 a second is shown.
    const sound = [
      "-f",
      "lavfi",
      "-i",
      `sine=frequency=1000:sample_rate=48000:duration=1.5,volume=4:enable='gte(t,${0.9 - Math.max(0, -lead)})',volume=0:enable='lt(t,${0.9 - Math.max(0, -lead)})'`,
    ];
    const pictures = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1.5"];
    const source = at(`lead${lead}${ending}.mkv`);
    const offset = (seconds: number) => (seconds > 0 ? ["-itsoffset", String(seconds)] : []);
    const inputs = [...offset(-lead), ...sound, ...offset(lead), ...pictures];
    await ffmpeg(...inputs, "-map", "0:a", "-map", "1:v", "-c:v", "libx264", "-bf", "2", "-c:a", "libopus", source);
    const heard = beep(source) - Math.max(0, lead);
    for (const [first, audioStart] of [
      [0, undefined],
      [0, Math.max(0, lead)],
      [2, Math.max(0, lead) + 0.2],
    ] as const) {
      const name = at(`synced${ending}`);
      const frames = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
      const writer = await createVideo(name, {
        ...{ size, fps: 10, times: frames.map((frame) => frame / 10), audio: source },
        ...(audioStart !== undefined && { audioStart }),
      });
      for (const frame of frames) await writer.write(picture(frame));
      await writer.finish();
      expect(Math.abs(beep(name) - (heard - first / 10)), `${first} ${audioStart}`).toBeLessThan(0.03);
    }
  });

  test.each([".mp4", ".webm"])("pixels that are not square stay so in %s", async (ending) => {
    for (const times of [undefined, [0, 0.1, 0.5]]) {
      const name = at(`anamorphic${ending}`);
      const large = { width: 320, height: 240 };
      const writer = await createVideo(name, {
        size: large,
        fps: 10,
        sampleAspectRatio: 64 / 45,
        ...(times && { times }),
      });
      for (const frame of [0, 1, 2]) await writer.write(picture(frame, large));
      await writer.finish();
      const [across = 0, down = 1] = String(probe(name, "v", "sample_aspect_ratio")["sample_aspect_ratio"])
        .split(":")
        .map(Number);
      expect(across / down).toBeCloseTo(64 / 45, 2);
    }
  });

  test("what goes wrong with one frame leaves the video as it was", async () => {
    const file = at("kept.mp4");
    const writer = await createVideo(file, { size, fps: 10 });
    await writer.write(picture(0));
    await expect(writer.write(picture(1, { width: 60, height: 48 }))).rejects.toMatchObject({
      name: "FrameError",
      code: "frame-size",
      details: { frame: 1, width: 60, height: 48, expected: size },
    });
    await expect(writer.write({ ...size, channels: 3, data: new Uint8Array(1) })).rejects.toMatchObject({
      code: "image-data-length",
    });
    await writer.write(picture(1));
    await writer.finish();
    expect(decode(file, size, 3)).toHaveLength(2);
    await expect(writer.write(picture(2))).rejects.toMatchObject({ name: "StateError", code: "disposed" });
    await expect(writer.finish()).rejects.toMatchObject({ code: "disposed" });
    await writer.abort();
    expect(decode(file, size, 3)).toHaveLength(2);
  });

  describe("giving up leaves nothing behind", () => {
    const before = "what was there before";
    const begin = async (signal?: AbortSignal): Promise<VideoWriter> => {
      await writeFile(at("gone.mp4"), before);
      const writer = await createVideo(at("gone.mp4"), { size, fps: 10, ...(signal === undefined ? {} : { signal }) });
      await writer.write(picture(0));
      expect(await left()).toHaveLength(1);
      return writer;
    };
    const nothing = async (): Promise<void> => {
      expect(await left()).toEqual([]);
      expect(await readFile(at("gone.mp4"), "utf8")).toBe(before);
      expect(await childrenOf(process.pid)).not.toContain("ffmpeg");
    };

    test("by abort, also while a frame is written", async () => {
      const writer = await begin();
      const pending = Promise.allSettled([writer.write(picture(1)), writer.write(picture(2))]);
      await Promise.all([writer.abort(), writer.abort()]);
      for (const { status } of (await pending).slice(1)) expect(status).toBe("rejected");
      await expect(writer.write(picture(3))).rejects.toMatchObject({ code: "disposed" });
      await nothing();
    });

    test("by leaving its scope", async () => {
      {
        await using writer = await begin();
        expect(writer.encoder).toBeTruthy();
      }
      await nothing();
    });

    test("by the signal", async () => {
      const abort = new AbortController();
      const writer = await begin(abort.signal);
      abort.abort(new Error("enough"));
      await expect(writer.write(picture(1))).rejects.toThrow("enough");
      await expect(writer.finish()).rejects.toThrow("enough");
      await writer.abort();
      await nothing();
    });

    test("by a failing encoder", async () => {
      await writeFile(at("gone.mp4"), before);
      // No H.264 is that wide, which ffmpeg finds out when frames come.
      const wide = { width: 40_000, height: 16 };
      const writer = await createVideo(at("gone.mp4"), { size: wide, fps: 10 });
      const whole = async (): Promise<void> => {
        await writer.write(picture(0, wide));
        await writer.finish();
      };
      await expect(whole()).rejects.toMatchObject({ name: "VideoError", code: "encode-failed" });
      await nothing();
    });

    test("by finishing without a frame", async () => {
      await writeFile(at("gone.mp4"), before);
      const writer = await createVideo(at("gone.mp4"), { size, fps: 10 });
      await expect(writer.finish()).rejects.toMatchObject({ code: "no-frames" });
      await nothing();
    });
  });

  test.each([
    ["clip.gif", {}, "video-format"],
    ["clip.mp4", { fps: 0 }, "video-option"],
    ["clip.mp4", { times: [0, 1, 1] }, "video-option"],
    ["clip.mp4", { size: { width: 0, height: 1 } }, "image-size"],
    [`${"x".repeat(300)}.mp4`, {}, "write-failed"],
    ["clip.mp4", { audio: "no such file" }, "not-a-video"],
    ["clip.mp4", { audioStart: -1 }, "video-option"],
    ["clip.mp4", { sampleAspectRatio: 0 }, "video-option"],
  ])("%s with %j is %s", async (name, options, code) => {
    await expect(createVideo(at(name), { size, fps: 10, ...options })).rejects.toMatchObject({ code });
    expect(await left()).toEqual([]);
  });

  test("without ffmpeg, it says so", async () => {
    vi.stubEnv("PATH", "");
    await expect(createVideo(at("clip.mp4"), { size, fps: 10 })).rejects.toMatchObject({ code: "ffmpeg-missing" });
    vi.unstubAllEnvs();
  });

  test.skipIf(process.platform === "win32").each([
    [" V....D h264_videotoolbox  H.264", "h264_videotoolbox"],
    [" V.S... mpeg4\n V....D libx264  H.264", "libx264"],
    [" A....D libx264x\n V....D h264_nvenc", undefined],
  ])("of %j it takes %s", async (list, encoder) => {
    const program = at("ffmpeg.sh");
    await writeFile(program, `#!/bin/sh\nif [ "$2" = -encoders ]; then echo '${list}'; else cat > /dev/null; fi\n`, {
      mode: 0o755,
    });
    vi.stubEnv("FFMPEG_PATH", program);
    const made = createVideo(at("chosen.mp4"), { size, fps: 10 });
    if (encoder === undefined) await expect(made).rejects.toMatchObject({ code: "no-encoder" });
    else {
      await using writer = await made;
      expect(writer.encoder).toBe(encoder);
    }
    vi.unstubAllEnvs();
  });

  test.skipIf(process.platform === "win32").each([
    ["4.4.2-0ubuntu0.22.04.1", "-vsync"],
    ["n5.0.3", "-vsync"],
    ["5.1.9-0+deb12u1", "-fps_mode"],
    ["n7.1", "-fps_mode"],
    ["N-118000-g1a2b3c", "-fps_mode"],
  ])("ffmpeg %s is told by %s to keep the frames' own times", async (version, option) => {
    const [program, told] = [at(`ffmpeg-${version}.sh`), at(`${version}.txt`)];
    const script = `#!/bin/sh
      case "$*" in
        -version) echo 'ffmpeg version ${version} Copyright (c)' ;;
        *-encoders) echo ' V....D libx264  H.264' ;;
        *) printf '%s\n' "$@" > '${told}'; cat > /dev/null ;;
      esac`;
    await writeFile(program, script, { mode: 0o755 });
    vi.stubEnv("FFMPEG_PATH", program);
    const writer = await createVideo(at("told.mp4"), { size, fps: 10, times: [0, 0.13] });
    await writer.write(picture(0));
    await writer.finish();
    const args = (await readFile(told, "utf8")).split("\n");
    expect(args.filter((arg) => ["-vsync", "-fps_mode"].includes(arg))).toEqual([option]);
    expect(args[args.indexOf(option) + 1]).toBe("passthrough");
    vi.unstubAllEnvs();
  });
});

describe("a folder of PNGs", () => {
  test("keeps every pixel and alpha, and numbers on", async () => {
    const frames = [0, 1].map((frame) => applyEffect(picture(frame), [{ mask: disk(frame) }], "cutout"));
    const writer = await createFrameFolder(at("new/frames"), { first: 9 });
    await Promise.all(frames.map((frame) => writer.write(frame)));
    await writer.finish();
    expect((await readdir(at("new/frames"))).sort()).toEqual(["00009.png", "00010.png"]);
    expect(await readImage(at("new/frames/00010.png"))).toEqual(frames[1]);
    await expect(writer.write(frames[0] as RawImage)).rejects.toMatchObject({ code: "disposed" });
  });

  test("abort removes what was written and nothing else", async () => {
    const abort = new AbortController();
    const writer = await createFrameFolder(at("stopped"), { signal: abort.signal });
    await writeFile(at("stopped/other.txt"), "");
    await writer.write(picture(0));
    const pending = writer.write(picture(1));
    abort.abort(new Error("enough"));
    await expect(pending).rejects.toThrow("enough");
    await writer.abort();
    expect(await readdir(at("stopped"))).toEqual(["other.txt"]);

    const empty = await createFrameFolder(at("empty"));
    await expect(empty.finish()).rejects.toMatchObject({ code: "no-frames" });
    expect(await readdir(folder)).not.toContain("empty");
    await writeFile(at("file"), "");
    await expect(createFrameFolder(at("file"))).rejects.toMatchObject({ code: "write-failed" });
  });
});
