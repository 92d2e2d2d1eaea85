/** Frames from files and live pictures, and frames into video files. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { numberOn, watchFrames } from "../../test/videos.web.ts";
import { VideoError } from "../errors.ts";
import type { RawImage } from "../image/image.ts";
import { cameraFrames } from "./camera.ts";
import { encodeVideo } from "./encode-video.ts";
import { framesFromFiles } from "./frame-files.ts";
import { encodeBlob } from "./image.ts";
import { openVideo } from "./video.ts";

const width = 96;
const height = 48;
/** Shows a number as `numberOn` reads it. */
function picture(number: number, { alpha = 255 } = {}): RawImage {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const bit = Math.floor(((i % width) * 6) / width);
    data.fill((number >> bit) & 1 ? 255 : 0, 4 * i, 4 * i + 3);
    data[4 * i + 3] = alpha;
  }
  return { width, height, channels: 4, data };
}

let frames: ReturnType<typeof watchFrames>;
beforeEach(() => {
  frames = watchFrames();
});
afterEach(() => {
  frames.restore();
  expect(frames.open()).toBe(0);
});

describe("framesFromFiles", () => {
  const file = async (name: string, number: number): Promise<File> =>
    new File([await encodeBlob(picture(number))], name, { type: "image/png" });

  test("orders by number, and leaves out what is no image", async () => {
    const files = await Promise.all([file("f10.png", 10), file("f2.png", 2), file("f001.png", 1), file(".f0.png", 0)]);
    const video = await framesFromFiles([...files, new File(["x"], "f0.txt", { type: "text/plain" })]);
    expect(video).toMatchObject({ size: { width, height }, count: 3, names: ["f001.png", "f2.png", "f10.png"] });
    expect([await numbersOf(video), await video.frame(3)]).toEqual([[1, 2, 10], undefined]);
  });
  const numbersOf = async (video: Awaited<ReturnType<typeof framesFromFiles>>): Promise<readonly number[]> =>
    Promise.all([0, 1, 2].map(async (i) => numberOn((await video.frame(i)) as RawImage)));

  test("refuses none, twins, and frames of another size", async () => {
    await expect(framesFromFiles([])).rejects.toMatchObject({ name: "VideoError", code: "no-frames" });
    const [one, twin] = await Promise.all([file("1.png", 1), file("01.png", 1)]);
    await expect(framesFromFiles([one, twin])).rejects.toMatchObject({ code: "ambiguous-frames" });
    const other = new File([await encodeBlob({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) })], "2.png");
    const video = await framesFromFiles([one, other]);
    await expect(video.frame(1)).rejects.toMatchObject({ name: "FrameError", code: "frame-size" });
    await expect(framesFromFiles([one], { maxPixels: 9 })).rejects.toMatchObject({ code: "image-too-large" });
  });
});

describe("cameraFrames", () => {
  /** A camera that shows how many pictures it has shown. */
  function camera() {
    const surface = document.createElement("canvas");
    Object.assign(surface, { width, height });
    const context = surface.getContext("2d") as CanvasRenderingContext2D;
    let shown = 0;
    const timer = setInterval(() => {
      const { data } = picture(++shown % 64);
      context.putImageData(new ImageData(data as Uint8ClampedArray<ArrayBuffer>, width, height), 0, 0);
    }, 20);
    const stream = surface.captureStream(50);
    const [track] = stream.getVideoTracks() as [MediaStreamTrack];
    const stop = (): void => {
      clearInterval(timer);
      track.stop();
    };
    return { track, stream, stop, shown: () => shown };
  }

  async function element(stream: MediaStream): Promise<HTMLVideoElement> {
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    await video.play();
    return video;
  }

  test.each(["track", "element", "track without a processor"] as const)("of a %s gives the newest", async (of) => {
    const { track, stream, stop, shown } = camera();
    const processor = Reflect.get(globalThis, "MediaStreamTrackProcessor");
    if (of === "track without a processor") Reflect.deleteProperty(globalThis, "MediaStreamTrackProcessor");
    try {
      const numbers: number[] = [];
      for await (const image of cameraFrames(of === "element" ? await element(stream) : track)) {
        expect([image.width, image.height]).toEqual([width, height]);
        numbers.push(numberOn(image));
        // The first may be from before the camera's first picture, or have waited.
        if (numbers.length > 2) expect((shown() - (numbers.at(-1) as number) + 64) % 64).toBeLessThan(12);
        if (numbers.length === 5) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(new Set(numbers.slice(1)).size).toBe(4);
      expect(track.readyState).toBe("live");
    } finally {
      Reflect.set(globalThis, "MediaStreamTrackProcessor", processor);
      stop();
    }
  });

  test("ends with the track, and by a signal", async () => {
    const first = camera();
    const all = cameraFrames(first.track);
    expect((await all.next()).done).toBe(false);
    first.stop();
    for await (const _ of all); // what was waiting
    const second = camera();
    const abort = new AbortController();
    const live = cameraFrames(second.track, { signal: abort.signal });
    await live.next();
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(live.next()).rejects.toBe(reason);
    await expect(cameraFrames(second.track, { signal: abort.signal }).next()).rejects.toBe(reason);
    second.stop();
  });

  test("ends with the video, and refuses what does not play", async () => {
    const frames = Array.from({ length: 6 }, (_, i) => picture(i));
    const video = document.createElement("video");
    video.muted = true;
    video.src = URL.createObjectURL(await encodeVideo(frames, { fps: 12, type: "video/webm" }));
    const numbers: number[] = [];
    const loop = (async () => {
      for await (const image of cameraFrames(video)) numbers.push(numberOn(image));
    })();
    await video.play();
    await loop;
    expect(numbers.length).toBeGreaterThan(1);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    const broken = document.createElement("video");
    const failing = cameraFrames(broken).next();
    broken.src = URL.createObjectURL(new Blob(["no video"]));
    await expect(failing).rejects.toMatchObject({ name: "VideoError", code: "stream-failed" });
    await expect(cameraFrames(broken).next()).rejects.toBeInstanceOf(VideoError);
  });
});

describe("encodeVideo", () => {
  test.each(["video/mp4", "video/webm"] as const)("%s is read back as it was", async (type) => {
    let ended = 0;
    async function* made(): AsyncGenerator<RawImage> {
      try {
        for (let i = 0; i < 10; i++) yield picture(i);
      } finally {
        ended++;
      }
    }
    const blob = await encodeVideo(made(), { fps: 20, type });
    expect([blob.type, ended]).toEqual([type, 1]);
    await using video = await openVideo(blob);
    expect([video.count, video.size]).toEqual([10, { width, height }]);
    expect(video.info.fps).toBeCloseTo(20, 0);
    for (let i = 0; i < 10; i++) expect(numberOn((await video.frame(i)) as RawImage)).toBe(i);
  });

  test("keeps transparency in WebM", async () => {
    const blob = await encodeVideo([picture(63, { alpha: 0 }), picture(63)], { type: "video/webm", alpha: true });
    await using video = await openVideo(blob);
    expect(numberOn((await video.frame(0)) as RawImage)).toBe(0); // on black
    expect(numberOn((await video.frame(1)) as RawImage)).toBe(63);
  });

  test("odd sizes, one frame", async () => {
    const image: RawImage = { width: 33, height: 17, channels: 3, data: new Uint8Array(33 * 17 * 3).fill(200) };
    await using video = await openVideo(await encodeVideo([image]));
    expect([video.count, video.size]).toEqual([1, { width: 33, height: 17 }]);
  });

  test.each(["video/mp4", "video/webm"] as const)("pixels that are not square stay so in %s", async (type) => {
    const blob = await encodeVideo([picture(1), picture(2)], { type, sampleAspectRatio: 64 / 45 });
    await using video = await openVideo(blob);
    expect(video.info.sampleAspectRatio).toBeCloseTo(64 / 45, 2);
  });

  test("says what it cannot write, and ends the frames", async () => {
    await expect(encodeVideo([picture(1)], { fps: 0 })).rejects.toMatchObject({ code: "video-option" });
    await expect(encodeVideo([])).rejects.toMatchObject({ name: "VideoError", code: "no-frames" });
    let ended = 0;
    function* odd(): Generator<RawImage> {
      try {
        yield picture(1);
        yield { width: 2, height: 2, channels: 3, data: new Uint8Array(12) };
      } finally {
        ended++;
      }
    }
    await expect(encodeVideo(odd())).rejects.toMatchObject({ name: "FrameError", code: "frame-size" });
    expect(ended).toBe(1);
    await expect(encodeVideo([{ ...picture(1), width: 5 }])).rejects.toMatchObject({ name: "ImageError" });
    const abort = new AbortController();
    function* endless(): Generator<RawImage> {
      for (let i = 0; ; i++) {
        if (i === 5) abort.abort(new Error("enough"));
        yield picture(i);
      }
    }
    await expect(encodeVideo(endless(), { signal: abort.signal })).rejects.toThrow("enough");
  });
});
