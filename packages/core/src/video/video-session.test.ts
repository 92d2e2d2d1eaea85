import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import { FrameForgottenError } from "../errors.ts";
import type { RawImage } from "../image/image.ts";
import { fillHoles } from "../mask/components.ts";
import type { Mask } from "../mask/mask.ts";
import { Sam2 } from "../sam2.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import type { FrameResult } from "./frame-result.ts";
import type { FrameSource } from "./frame-source.ts";
import type { VideoOptions } from "./options.ts";
import { VideoPredictor } from "./video-predictor.ts";
import type { PropagateOptions, VideoSession } from "./video-session.ts";

const FRAMES = 8;
const size = { width: 24, height: 16 };
const images = Array.from({ length: FRAMES }, (_, i) => noiseImage(24, 16, { seed: i + 1 }));
const video: FrameSource = { size, count: FRAMES, frame: async (index) => images[index] };
const click = { points: [[5, 6]] } as const;
const box = { box: [2, 2, 20, 12] } as const;
const mask: Mask = { ...size, data: Uint8Array.from({ length: 24 * 16 }, (_, i) => (i % 24 < 9 && i > 96 ? 1 : 0)) };

let backend: ObservedBackend;
let model: Sam2;
beforeAll(async () => {
  backend = new ObservedBackend();
  model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
});
afterAll(() => model.dispose());
beforeEach(() => {
  backend.intervene = async () => {};
});

const start = (options: VideoOptions = {}, source: FrameSource = video): VideoSession =>
  new VideoPredictor(model, { fillHoleArea: 0, ...options }).start(source);

async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
const all = (session: VideoSession, options?: PropagateOptions): Promise<readonly FrameResult[]> =>
  collect(session.propagate(options));
const numbers = (frames: readonly FrameResult[]): readonly number[] => frames.map(({ frame }) => frame);
const ids = ({ objects }: FrameResult): readonly number[] => objects.map(({ id }) => id);
const runs = (name: string): number => backend.steps.filter((step) => step === `run ${name}`).length;

describe("propagate", () => {
  test.each<[PropagateOptions, readonly number[]]>([
    [{}, [2, 3, 4, 5, 6, 7]],
    [{ count: 3 }, [2, 3, 4]],
    [{ count: 100 }, [2, 3, 4, 5, 6, 7]],
    [{ count: 0 }, []],
    [{ start: 5 }, [5, 6, 7]],
    [{ start: 0, count: 1 }, [0]],
    [{ reverse: true }, [2, 1, 0]],
    [{ reverse: true, count: 2 }, [2, 1]],
    [{ reverse: true, start: 6, count: 2 }, [6, 5]],
    [{ reverse: true, start: 0 }, []],
  ])("%j", async (options, expected) => {
    await using session = start();
    await session.addPrompt({ frame: 2, object: 1, ...click });
    expect(numbers(await all(session, options))).toEqual(expected);
  });

  test("needs an object, and a prompt of each", async () => {
    await using session = start();
    await expect(all(session)).rejects.toMatchObject({ code: "no-objects" });
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await session.addPrompt({ frame: 0, object: 2, ...click });
    await session.clearPrompts({ frame: 0, object: 2 });
    await expect(all(session)).rejects.toMatchObject({ code: "no-prompt", details: { object: 2 } });
    await session.removeObject(2);
    expect(await all(session)).toHaveLength(FRAMES);
  });

  test("masks have the video's size, scores and logits go with them", async () => {
    await using session = start({ returnLogits: true });
    const prompted = await session.addPrompt({ frame: 0, object: 9, ...click });
    const frames = await all(session);
    expect(frames[0]).toEqual(prompted);
    for (const { objects } of frames) {
      const [object] = objects;
      expect(object).toMatchObject({ id: 9, mask: size, lowResLogits: { width: 16, height: 16 } });
      expect(object?.mask.data).toEqual(Uint8Array.from(object?.logits ?? [], (logit) => (logit > 0 ? 1 : 0)));
      expect(Number.isFinite(object?.objectScore)).toBe(true);
      expect(object?.iouPrediction).toBeGreaterThan(0);
    }
  });

  test("a second pass repeats the first", async () => {
    await using session = start();
    await session.addPrompt({ frame: 1, object: 1, ...click });
    const first = await all(session);
    expect(await all(session)).toEqual(first);
  });

  test("a video of one frame", async () => {
    await using session = start({}, { ...video, count: 1 });
    await session.addPrompt({ frame: 0, object: 1, ...click });
    expect(numbers(await all(session))).toEqual([0]);
    const corrected = await session.addPrompt({ frame: 0, object: 1, points: [[9, 9]], clearOldPoints: false });
    expect(corrected.objects[0]?.lowResLogits.data.every(Number.isFinite)).toBe(true);
    expect(numbers(await all(session))).toEqual([0]);
    expect(numbers(await all(session, { reverse: true }))).toEqual([]);
  });

  test("a video of unknown length goes on to its end, and reads ahead", async () => {
    const asked: number[] = [];
    await using session = start(
      { readAhead: 3 },
      {
        size,
        frame: async (index) => {
          asked.push(index);
          return images[index];
        },
      },
    );
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const steps = session.propagate();
    await steps.next();
    await steps.next();
    expect(asked).toEqual([0, 1, 2, 3, 4]);
    const rest = await collect(steps);
    expect(numbers(rest)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  test("leaving the loop leaves a session that goes on", async () => {
    await using session = start();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    for await (const { frame } of session.propagate()) if (frame === 3) break;
    await using other = start();
    await other.addPrompt({ frame: 0, object: 1, ...click });
    expect((await all(session, { start: 4 })).at(-1)).toEqual((await all(other)).at(-1));
  });
});

describe("objects", () => {
  test("eight together are eight one by one, with one encoder run a frame", async () => {
    const prompts = Array.from({ length: 8 }, (_, i) =>
      i % 2 === 0 ? { points: [[2 * i + 1, i + 2]] as const } : { box: [i, i, i + 8, i + 6] as const },
    );
    await using together = start();
    for (const [i, prompt] of prompts.entries()) await together.addPrompt({ frame: 0, object: i, ...prompt });
    backend.steps.length = 0;
    const frames = await all(together);
    expect(runs("imageEncoder")).toBe(FRAMES - 1); // the prompted frame is still there
    expect(runs("memoryAttention")).toBe(FRAMES - 1);
    expect(runs("maskDecoder")).toBe(FRAMES - 1);
    expect(runs("memoryEncoder")).toBe(FRAMES);
    for (const [i, prompt] of prompts.entries()) {
      await using alone = start();
      await alone.addPrompt({ frame: 0, object: i, ...prompt });
      expect((await all(alone)).map(({ objects }) => objects[0])).toEqual(frames.map(({ objects }) => objects[i]));
    }
  });

  test("those that remember differently run apart, and come out the same", async () => {
    await using together = start({ objectsPerRun: 2 });
    await using alone = start();
    for (const [object, frame] of [
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 3],
    ] as const) {
      await together.addPrompt({ frame, object, ...click });
    }
    await alone.addPrompt({ frame: 3, object: 4, ...click });
    backend.steps.length = 0;
    const frames = await all(together);
    expect(runs("imageEncoder")).toBe(FRAMES - 2);
    expect(runs("memoryAttention")).toBeGreaterThan(2 * (FRAMES - 1));
    const expected = await all(alone, { start: 0 });
    expect(frames.map(({ objects }) => objects[3])).toEqual(expected.map(({ objects }) => objects[0]));
    expect(frames.map(ids)).toEqual(frames.map(() => [1, 2, 3, 4]));
  });

  test("added, corrected and removed between two frames: from the next one on", async () => {
    await using session = start();
    await session.addPrompt({ frame: 0, object: 5, ...click });
    const seen: (readonly number[])[] = [];
    for await (const result of session.propagate()) {
      seen.push(ids(result));
      if (result.frame === 1) await session.addPrompt({ frame: 1, object: 2, ...box });
      if (result.frame === 3) await session.addPrompt({ frame: 3, object: 5, ...click, labels: [0] });
      if (result.frame === 4) await session.removeObject(5);
    }
    expect(seen).toEqual([[5], [5], [5, 2], [5, 2], [5, 2], [2], [2], [2]]);
  });

  test("a correction between two frames counts in the next", async () => {
    const run = async (correct: boolean): Promise<readonly FrameResult[]> => {
      await using session = start();
      await session.addPrompt({ frame: 0, object: 1, ...click });
      const frames: FrameResult[] = [];
      for await (const result of session.propagate()) {
        frames.push(result);
        if (correct && result.frame === 3) await session.addMask({ frame: 3, object: 1, mask });
      }
      return frames;
    };
    const [plain, corrected] = [await run(false), await run(true)];
    expect(corrected.slice(0, 4)).toEqual(plain.slice(0, 4));
    expect(corrected[4]).not.toEqual(plain[4]);
  });

  test("removing the last one ends propagation", async () => {
    await using session = start();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const seen: number[] = [];
    for await (const { frame } of session.propagate()) {
      seen.push(frame);
      if (frame === 2) expect(await session.removeObject(1)).toEqual([]);
    }
    expect(seen).toEqual([0, 1, 2]);
    expect(session.objectIds).toEqual([]);
    expect(session.memoryBytes).toBe(0);
  });

  test("removing gives the others on the frames it was prompted on; unknown ids only matter when strict", async () => {
    await using session = start();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await session.addPrompt({ frame: 0, object: 2, ...box });
    const both = await session.addPrompt({ frame: 4, object: 1, ...click });
    // an object that nothing is known of on a frame
    expect(both.objects[1]).toMatchObject({ id: 2, objectScore: -1024, iouPrediction: 0 });
    expect(both.objects[1]?.mask.data.some((pixel) => pixel === 1)).toBe(false);
    expect(await session.removeObject(7)).toEqual([]);
    await expect(session.removeObject(7, { strict: true })).rejects.toMatchObject({
      code: "no-such-object",
      details: { objects: [1, 2] },
    });
    const updated = await session.removeObject(1);
    expect(updated.map((result) => [result.frame, ids(result)])).toEqual([
      [0, [2]],
      [4, [2]],
    ]);
  });

  test("ids keep their order, a removed one comes back last", async () => {
    await using session = start();
    for (const object of [9, 4, 6]) await session.addPrompt({ frame: 0, object, ...click });
    await session.removeObject(9);
    expect(ids(await session.addPrompt({ frame: 0, object: 9, ...click }))).toEqual([4, 6, 9]);
    await session.reset();
    expect(session.objectIds).toEqual([]);
  });
});

describe("prompts", () => {
  test("clicks follow or replace earlier ones", async () => {
    const first = { points: [[5, 6]] } as const;
    const second = { points: [[14, 9]], labels: [0] } as const;
    await using inTurn = start();
    await inTurn.addPrompt({ frame: 0, object: 1, ...first });
    const added = await inTurn.addPrompt({ frame: 0, object: 1, ...second, clearOldPoints: false });
    await using replaced = start();
    await replaced.addPrompt({ frame: 0, object: 1, ...first });
    expect(await replaced.addPrompt({ frame: 0, object: 1, ...second })).not.toEqual(added);
    expect(
      await replaced.addPrompt({ frame: 0, object: 1, points: [...first.points, ...second.points], labels: [1, 0] }),
    ).not.toEqual(added); // another mask went in again
  });

  test("a box cannot follow clicks", async () => {
    await using session = start();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await expect(session.addPrompt({ frame: 0, object: 1, ...box, clearOldPoints: false })).rejects.toMatchObject({
      code: "box-keeps-points",
    });
  });

  test("fractions are pixels of the video divided by its size", async () => {
    await using pixels = start();
    await using fractions = start();
    expect(await fractions.addPrompt({ frame: 0, object: 1, points: [[5 / 24, 6 / 16]], normalized: true })).toEqual(
      await pixels.addPrompt({ frame: 0, object: 1, points: [[5, 6]] }),
    );
  });

  test.each([
    [{ frame: FRAMES, object: 1, ...click }, "no-such-frame"],
    [{ frame: -1, object: 1, ...click }, "no-such-frame"],
    [{ frame: 0.5, object: 1, ...click }, "no-such-frame"],
    [{ frame: 0, object: 1.5, ...click }, "bad-object"],
    [{ frame: 0, object: 1 }, "empty"],
    [{ frame: 0, object: 1, points: [[99, 2]] as const }, "out-of-image"],
    [{ frame: 0, object: 1, points: [[1, 2]] as const, labels: [1, 1] as const }, "labels-mismatch"],
  ])("%j is refused and changes nothing", async (prompt, code) => {
    await using session = start();
    await expect(session.addPrompt(prompt)).rejects.toMatchObject({ code });
    expect(session.objectIds).toEqual([]);
  });

  test("an empty mask is refused, and so is a field that there is not", async () => {
    await using session = start();
    const empty = { ...size, data: new Uint8Array(24 * 16) };
    await expect(session.addMask({ frame: 0, object: 1, mask: empty })).rejects.toMatchObject({
      ...{ name: "PromptError", code: "empty-mask" },
      message: "addMask: the mask is empty: none of its 24x16 pixels is 1",
    });
    const named: object = { pointLabels: [1] };
    await expect(session.addPrompt({ frame: 0, object: 1, ...click, ...named })).rejects.toThrow(
      "addPrompt: there is no option pointLabels; did you mean labels?",
    );
    await expect(session.addMask({ frame: 0, obejct: 1, mask } as never)).rejects.toThrow(/did you mean object/);
    expect(session.objectIds).toEqual([]);
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await expect(session.propagate({ revers: true } as object).next()).rejects.toThrow(/did you mean reverse/);
    expect(() => start({ memorystride: 2 } as object)).toThrow(/did you mean memoryStride/);
    expect(() => start({}, Promise.resolve(video) as never)).toThrow("start: the video is a Promise: await it first");
  });

  test("a mask of another size is stretched", async () => {
    await using session = start();
    const half: Mask = { width: 12, height: 8, data: Uint8Array.from({ length: 96 }, (_, i) => (i % 12 < 6 ? 1 : 0)) };
    const [object] = (await session.addMask({ frame: 0, object: 1, mask: half })).objects;
    expect(object?.objectScore).toBe(10);
    expect(object?.mask.data).toEqual(Uint8Array.from({ length: 24 * 16 }, (_, i) => (i % 24 < 12 ? 1 : 0)));
  });
});

describe("options", () => {
  test.each([
    ["fillHoleArea", -1],
    ["memoryStride", 0],
    ["maxConditioningFrames", 1],
    ["objectsPerRun", 0],
    ["cachedFrames", 0],
    ["readAhead", 1.5],
    ["history", -1],
  ])("%s: %s is refused", (option, value) => {
    expect(() => new VideoPredictor(model, { [option]: value })).toThrow(
      expect.objectContaining({ code: "bad-option", details: expect.objectContaining({ option }) }),
    );
  });

  test("holes are filled in what comes out, is fed back and is remembered", async () => {
    // a block of 6x4 pixels, which is one of 4x4 in the 16x16 logits
    const holed: Mask = {
      ...size,
      data: Uint8Array.from({ length: 24 * 16 }, (_, i) => (i % 24 >= 6 && i % 24 < 12 && i >= 96 && i < 192 ? 0 : 1)),
    };
    const prompt = { frame: 0, object: 1, mask: holed };
    await using plain = start();
    const logits = (await plain.addMask(prompt)).objects[0]?.lowResLogits.data ?? new Float32Array();
    const expected = fillHoles(logits, { width: 16, height: 16, maxArea: 16 });
    expect(expected.filter((logit) => logit === Math.fround(0.1))).toHaveLength(16);
    for (const [fillHoleArea, seen] of [
      [15, logits],
      [16, expected],
    ] as const) {
      await using session = start({ fillHoleArea });
      expect((await session.addMask(prompt)).objects[0]?.lowResLogits.data).toEqual(seen);
      const frames = await all(session, { count: 2 });
      expect(frames[0]?.objects[0]?.lowResLogits.data).toEqual(seen);
      expect(frames[1]?.objects[0]?.lowResLogits.data.every(Number.isFinite)).toBe(true);
    }
    await using filled = start({ fillHoleArea: 16 });
    await filled.addMask(prompt);
    // the filled logits go in again, so the clicks' answer is another one
    const again = await filled.addPrompt({ frame: 0, object: 1, ...click });
    expect(again).not.toEqual(await plain.addPrompt({ frame: 0, object: 1, ...click }));
  });

  test("each pixel goes to the strongest object", async () => {
    const options = { returnLogits: true };
    const prompts = [
      { frame: 0, object: 1, ...box },
      { frame: 0, object: 2, ...click },
      { frame: 0, object: 3, points: [[12, 8]] as const },
    ];
    await using overlapping = start(options);
    await using separate = start({ ...options, nonOverlappingMasks: true });
    for (const prompt of prompts) {
      await overlapping.addPrompt(prompt);
      await separate.addPrompt(prompt);
    }
    const [before, after] = [await all(overlapping), await all(separate)];
    let contested = 0;
    for (const [f, { objects }] of after.entries()) {
      for (let p = 0; p < 24 * 16; p++) {
        const raw = before[f]?.objects.map(({ logits }) => logits?.[p] as number) ?? [];
        const best = raw.indexOf(Math.max(...raw));
        expect(objects.map(({ logits }) => logits?.[p])).toEqual(
          raw.map((v, i) => (i === best ? v : Math.min(v, -10))),
        );
        expect(objects.map((o) => o.mask.data[p])).toEqual(raw.map((v, i) => (i === best && v > 0 ? 1 : 0)));
        if (raw.filter((v) => v > 0).length > 1) contested++;
      }
    }
    expect(contested).toBeGreaterThan(0);
  });

  test("prompts drop what was tracked around them", async () => {
    await using session = start({ forgetAroundPrompts: true });
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await all(session, { count: 7 });
    expect(remembered(session)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    await session.addPrompt({ frame: 7, object: 1, ...click });
    await all(session, { start: 7 });
    expect(remembered(session)).toEqual([0, 1, 2, 3, 7]); // as many around it as there are memories
  });

  test("corrected frames become conditioning frames", async () => {
    const correct = async (options: VideoOptions): Promise<readonly FrameResult[]> => {
      await using session = start(options);
      await session.addPrompt({ frame: 0, object: 1, ...click });
      await all(session);
      await session.addPrompt({ frame: 3, object: 1, points: [[20, 3]], labels: [1] });
      return await all(session);
    };
    const plain = await correct({});
    const conditioning = await correct({ conditionOnCorrections: true });
    await using untouched = start();
    await untouched.addPrompt({ frame: 0, object: 1, ...click });
    const tracked = await all(untouched);
    expect(plain).toEqual(tracked); // tracked over again
    expect(conditioning[3]).not.toEqual(tracked[3]);
  });
});

/** The frames that the session's only object has an entry on, as its file says. */
function remembered(session: VideoSession): readonly number[] {
  const text = Buffer.from(session.save()).toString("latin1");
  const found = new Set(
    Array.from(text.matchAll(/"objects\.0\.(?:conditioning|recent)\.(\d+)\.memory"/g), (m) => Number(m[1])),
  );
  return [...found].sort((a, b) => a - b);
}

describe("history", () => {
  test("a window gives what everything gives in one pass, and memory stays flat", async () => {
    const long: FrameSource = { size, count: 16, frame: async (index) => images[index % FRAMES] };
    const run = async (options: VideoOptions, reverse: boolean): Promise<readonly [FrameResult[], number[]]> => {
      await using session = start(options, long);
      const [frames, bytes]: [FrameResult[], number[]] = [[], []];
      await session.addPrompt({ frame: reverse ? 15 : 0, object: 1, ...click });
      for await (const frame of session.propagate({ reverse })) {
        frames.push(frame);
        bytes.push(session.memoryBytes);
      }
      return [frames, bytes];
    };
    for (const stride of [1, 2]) {
      for (const reverse of [false, true]) {
        const [everything, growing] = await run({ memoryStride: stride }, reverse);
        const [window, flat] = await run({ memoryStride: stride, history: 0 }, reverse);
        expect(window).toEqual(everything);
        expect(new Set(flat.slice(8)).size).toBe(1);
        expect(growing.at(-1)).toBeGreaterThan(2 * (flat.at(-1) as number));
      }
    }
  });

  test("what needs a dropped frame says so", async () => {
    await using session = start({ history: 0 });
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await all(session);
    await expect(session.addPrompt({ frame: 2, object: 1, ...click })).rejects.toThrow(FrameForgottenError);
    await expect(session.addMask({ frame: 2, object: 7, mask })).rejects.toThrow(FrameForgottenError);
    expect(session.objectIds).toEqual([1]);
    const error = await all(session, { start: 5 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FrameForgottenError);
    expect(error).toMatchObject({ code: "frame-forgotten", details: { frame: 3, needed: 5 } });
    // from the prompt on everything is made again
    expect(await all(session)).toHaveLength(FRAMES);
    expect(await all(session, { start: 7 })).toHaveLength(1);
  });

  test("the estimate is what is used", async () => {
    const predictor = new VideoPredictor(model, { fillHoleArea: 0 });
    await using session = predictor.start(video);
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await session.addPrompt({ frame: 0, object: 2, ...click });
    await all(session);
    expect(predictor.estimate({ objects: 2, frames: FRAMES }).history).toBe(session.memoryBytes);
  });
});

describe("frames that fail", () => {
  const broken = (index: number, answer: () => Promise<RawImage>): FrameSource => ({
    ...video,
    frame: (i) => (i === index ? answer() : video.frame(i)),
  });

  test("an unreadable frame is named, and what came before is kept", async () => {
    let works = false;
    const source = broken(4, async () => {
      if (!works) throw new Error("truncated");
      return images[4] as RawImage;
    });
    await using session = start({}, source);
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const seen: FrameResult[] = [];
    const run = async (): Promise<void> => {
      for await (const result of session.propagate()) seen.push(result);
    };
    await expect(run()).rejects.toMatchObject({
      code: "frame-unreadable",
      message: "frame 4 cannot be read: truncated",
      details: { frame: 4 },
      cause: { message: "truncated" },
    });
    expect(numbers(seen)).toEqual([0, 1, 2, 3]);
    works = true;
    seen.push(...(await all(session, { start: 4 })));
    await using whole = start();
    await whole.addPrompt({ frame: 0, object: 1, ...click });
    expect(seen).toEqual(await all(whole));
  });

  test("a frame of another size is named", async () => {
    await using session = start(
      {},
      broken(2, async () => noiseImage(16, 24)),
    );
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await expect(all(session)).rejects.toMatchObject({
      code: "frame-size",
      message: "frame 2 is 16x24, but the video is 24x16",
      details: { frame: 2 },
    });
  });

  test("so is one that is no image", async () => {
    await using session = start(
      {},
      broken(1, async () => ({ ...(images[1] as RawImage), data: new Uint8Array(5) })),
    );
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await expect(all(session)).rejects.toMatchObject({ code: "frame-unreadable", details: { frame: 1 } });
  });
});

describe("save and load", () => {
  const busy = async (options: VideoOptions = {}): Promise<VideoSession> => {
    const session = start(options);
    await session.addPrompt({ frame: 1, object: 8, ...click });
    await session.addMask({ frame: 0, object: 3, mask });
    await all(session, { count: 4 });
    await session.addPrompt({ frame: 6, object: 8, ...box });
    await session.addPrompt({ frame: 2, object: 3, ...click, labels: [0] });
    return session;
  };

  test.each<VideoOptions>([{}, { history: 0 }])("a loaded session goes on bit by bit: %j", async (options) => {
    await using session = await busy(options);
    const bytes = session.save();
    await using loaded = await new VideoPredictor(model, { fillHoleArea: 0, ...options }).load(bytes, video);
    expect(loaded.objectIds).toEqual([8, 3]);
    expect(loaded.memoryBytes).toBe(session.memoryBytes);
    expect(loaded.save()).toEqual(bytes);
    const more = { frame: 6, object: 8, points: [[12, 9]] as const, clearOldPoints: false };
    expect(await loaded.addPrompt(more)).toEqual(await session.addPrompt(more));
    expect(await all(loaded, { start: 4 })).toEqual(await all(session, { start: 4 }));
    expect(loaded.save()).toEqual(session.save());
  });

  test("between two frames", async () => {
    await using session = start();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const steps = session.propagate();
    for (let i = 0; i < 4; i++) await steps.next();
    await using loaded = await new VideoPredictor(model, { fillHoleArea: 0 }).load(session.save(), video);
    expect(await all(loaded, { start: 4 })).toEqual(await collect(steps));
  });

  test("as files are read in Node, in a Buffer amid a pool", async () => {
    await using session = await busy();
    const bytes = session.save();
    const read = Buffer.alloc(bytes.length + 1).subarray(1);
    read.set(bytes);
    await using loaded = await new VideoPredictor(model, { fillHoleArea: 0 }).load(read, video);
    read.fill(0);
    expect(loaded.save()).toEqual(bytes);
  });

  test("another video or model", async () => {
    await using session = await busy();
    const bytes = session.save();
    const predictor = new VideoPredictor(model);
    const mismatch = { code: "session-mismatch" };
    await expect(predictor.load(bytes, { ...video, count: 9 })).rejects.toMatchObject(mismatch);
    await expect(predictor.load(bytes, { ...video, size: { width: 1, height: 1 } })).rejects.toMatchObject(mismatch);
    const config = { ...toyConfig, name: "other" };
    await using other = await Sam2.fromWeights(hashedWeights(config), { backend, config });
    await expect(new VideoPredictor(other).load(bytes, video)).rejects.toMatchObject({
      ...mismatch,
      details: { part: "model" },
    });
  });

  test("damaged files are errors, never crashes", async () => {
    await using session = await busy();
    const bytes = session.save();
    const predictor = new VideoPredictor(model);
    const codes = new Set<string>();
    const attempt = async (damaged: Uint8Array): Promise<void> => {
      const outcome = await predictor.load(damaged, video).then(
        (loaded) => loaded.dispose(),
        (error: unknown) => error,
      );
      if (outcome === undefined) return; // a number in a tensor, perhaps
      expect(outcome).toMatchObject({ name: "CheckpointError" });
      codes.add((outcome as { code: string }).code);
    };
    for (const end of [0, 7, 8, 100, bytes.length - 1]) await attempt(bytes.slice(0, end));
    const text = Buffer.from(bytes).toString("latin1");
    const swap = (from: string, to: string): Uint8Array => {
      expect(text).toContain(from);
      return Buffer.from(text.replace(from, to), "latin1");
    };
    await attempt(swap('{"__metadata__', '["__metadata__'));
    await attempt(swap('"version":1', '"version":2'));
    await attempt(swap('"id":8', '"id":{'));
    await attempt(swap('"id":8', '"ib":8'));
    await attempt(swap('"objects":[', '"objectz":['));
    await attempt(swap('"points":[', '"points":"'));
    await attempt(swap("objects.0.recent.2.logits", "objects.0.recent.9.logits"));
    await attempt(swap('"tracked":[[', '"tracked":[{'));
    expect([...codes].sort()).toEqual(["safetensors-malformed", "session-malformed", "truncated"]);
  });
});

test("calls that overlap are queued, and after dispose they reject", async () => {
  const session = start();
  const first = session.addPrompt({ frame: 0, object: 1, ...click });
  const second = session.addPrompt({ frame: 0, object: 2, ...click });
  expect(ids(await second)).toEqual([1, 2]);
  expect(ids(await first)).toEqual([1]);
  await session.dispose();
  await expect(session.addPrompt({ frame: 0, object: 3, ...click })).rejects.toMatchObject({ code: "disposed" });
  await expect(all(session)).rejects.toMatchObject({ code: "disposed" });
});

test("no tensor outlives its session", async () => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(backend.tensors).toBe(0);
});
