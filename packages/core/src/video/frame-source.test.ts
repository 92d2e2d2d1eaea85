import { describe, expect, test } from "vitest";
import { noiseImage } from "../../test/toy-sam2.ts";
import type { AbortSignalLike } from "../abort.ts";
import { FrameError, FrameForgottenError } from "../errors.ts";
import type { RawImage } from "../image/image.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { FrameReader, type FrameSource, framesFrom } from "./frame-source.ts";

const image = (seed: number): RawImage => noiseImage(4, 3, { seed: seed + 1 });

async function* video(count: number, pulled: number[] = []): AsyncGenerator<RawImage> {
  for (let i = 0; i < count; i++) {
    pulled.push(i);
    yield image(i);
  }
}

describe("framesFrom", () => {
  test("any order within what is kept, undefined past the end", async () => {
    const frames = await framesFrom(video(6), { keep: 3 });
    expect(frames.size).toEqual({ width: 4, height: 3 });
    expect(frames.count).toBeUndefined();
    expect(await frames.frame(4)).toEqual(image(4));
    expect(await frames.frame(1)).toEqual(image(1));
    await expect(frames.frame(0)).rejects.toThrow(FrameForgottenError);
    expect(await frames.frame(6)).toBeUndefined();
    expect(await frames.frame(9)).toBeUndefined();
    expect(await frames.frame(5)).toEqual(image(5));
  });

  test("reads no further than asked, and calls may overlap", async () => {
    const pulled: number[] = [];
    const frames = await framesFrom(video(100, pulled));
    expect(pulled).toEqual([0]);
    const both = await Promise.all([frames.frame(3), frames.frame(2)]);
    expect(both).toEqual([image(3), image(2)]);
    expect(pulled).toEqual([0, 1, 2, 3]);
  });

  test("an array will do", async () => {
    const frames = await framesFrom([image(0), image(1)], { count: 2 });
    expect(frames.count).toBe(2);
    expect(await frames.frame(1)).toEqual(image(1));
  });

  test("no frames at all", async () => {
    await expect(framesFrom([])).rejects.toMatchObject({ code: "no-such-frame" });
  });

  test("an abort leaves the frame to the next call", async () => {
    const frames = await framesFrom(video(3));
    const abort = new TestAbort();
    const aborted = frames.frame(2, { signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toBe(abort.reason);
    expect(await frames.frame(1)).toEqual(image(1));
    expect(await frames.frame(2)).toEqual(image(2));
  });

  test("a failure sticks: what comes after it is no end", async () => {
    async function* broken(): AsyncGenerator<RawImage> {
      yield* [image(0), image(1)];
      throw new Error("bad block");
    }
    const frames = await framesFrom(broken());
    for (const index of [2, 2, 3]) await expect(frames.frame(index)).rejects.toThrow("bad block");
    expect(await frames.frame(1)).toEqual(image(1));
    const reader = new FrameReader(await framesFrom(broken()));
    await reader.read(1, { ahead: [2, 3] });
    for (const frame of [2, 3]) {
      await expect(reader.read(frame)).rejects.toMatchObject({
        code: "frame-unreadable",
        details: { frame },
        cause: { message: "bad block" },
      });
    }
  });

  test("closing ends the iteration", async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<RawImage> {
      try {
        for (let i = 0; ; i++) yield image(i);
      } finally {
        ended = true;
      }
    }
    const frames = await framesFrom(endless());
    await frames.close();
    expect(ended).toBe(true);
    expect(await frames.frame(1)).toBeUndefined();
  });
});

describe("FrameReader", () => {
  const asked: number[] = [];
  const source: FrameSource = {
    size: { width: 4, height: 3 },
    count: 10,
    frame: async (index) => {
      asked.push(index);
      if (index === 5) throw new Error("bad block");
      return image(index);
    },
  };

  test("starts what comes next, once, and forgets what does not", async () => {
    asked.length = 0;
    const reader = new FrameReader(source);
    await reader.read(0, { ahead: [1, 2] });
    expect(asked).toEqual([0, 1, 2]);
    await reader.read(1, { ahead: [2, 3] });
    expect(asked).toEqual([0, 1, 2, 3]);
    await reader.read(7);
    await reader.read(2);
    expect(asked).toEqual([0, 1, 2, 3, 7, 2]);
  });

  test("an error names the frame, when it is needed and not before", async () => {
    asked.length = 0;
    const reader = new FrameReader(source);
    expect(await reader.read(4, { ahead: [5] })).toEqual(image(4));
    await new Promise((resolve) => setTimeout(resolve, 1));
    const error = await reader.read(5).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FrameError);
    expect(error).toMatchObject({ code: "frame-unreadable", message: "frame 5 cannot be read: bad block" });
    expect(error).toMatchObject({ details: { frame: 5 }, cause: { message: "bad block" } });
    expect(asked).toEqual([4, 5, 5]); // asked again
  });

  test("an abort is not the frame's fault", async () => {
    const abort = new TestAbort();
    const reader = new FrameReader({ ...source, frame: () => new Promise(() => {}) });
    const pending = reader.read(1, { signal: abort.signal, ahead: [2] });
    abort.abort();
    await expect(pending).rejects.toBe(abort.reason);
    expect(abort.listeners).toBe(0);
  });

  test("an abort does not reach what was read ahead", async () => {
    const pending = new Map<number, { readonly signal: AbortSignalLike; readonly finish: () => void }>();
    const reader = new FrameReader({
      ...source,
      frame: (index, { signal } = {}) =>
        new Promise((resolve, reject) => {
          if (signal === undefined) throw new Error("a signal was expected");
          pending.set(index, { signal, finish: () => resolve(image(index)) });
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    });
    const abort = new TestAbort();
    const aborted = reader.read(1, { signal: abort.signal, ahead: [2, 3] });
    abort.abort();
    await expect(aborted).rejects.toBe(abort.reason);
    expect(Array.from(pending.values(), ({ signal }) => signal.aborted)).toEqual([true, false, false]);
    const next = reader.read(2, { ahead: [3] });
    pending.get(2)?.finish();
    expect(await next).toEqual(image(2));
    expect(pending.get(3)?.signal.aborted).toBe(false);
    reader.dispose();
    expect(pending.get(3)?.signal.aborted).toBe(true);
  });
});
