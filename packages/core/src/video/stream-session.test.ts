import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import type { RawImage } from "../image/image.ts";
import { Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import type { FrameResult } from "./frame-result.ts";
import type { StreamSession } from "./stream-session.ts";
import { VideoPredictor } from "./video-predictor.ts";

const frames = Array.from({ length: 12 }, (_, i) => noiseImage(24, 16, { seed: i + 1 }));
const at = (index: number): RawImage => frames[index % frames.length] as RawImage;
const click = { points: [[5, 6]] } as const;

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
async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

const stream = (): StreamSession => new VideoPredictor(model, { fillHoleArea: 0 }).stream();

test("a stream gives what a video of unknown length gives", async () => {
  await using live = stream();
  expect(live.frame).toBe(-1);
  expect(await live.push(at(0))).toEqual({ frame: 0, objects: [] });
  const results: FrameResult[] = [await live.addPrompt({ object: 3, ...click })];
  for (let i = 1; i < 6; i++) results.push(await live.push(at(i)));
  expect(live.frame).toBe(5);

  await using session = new VideoPredictor(model, { fillHoleArea: 0 }).start({
    size: { width: 24, height: 16 },
    frame: async (index) => (index < 6 ? at(index) : undefined),
  });
  await session.addPrompt({ frame: 0, object: 3, ...click });
  expect(results).toEqual(await collect(session.propagate()));
});

test("objects come, are corrected and go while it runs", async () => {
  await using live = stream();
  const seen: (readonly number[])[] = [];
  for (let i = 0; i < 8; i++) {
    seen.push((await live.push(at(i))).objects.map(({ id }) => id));
    if (i === 1) await live.addPrompt({ object: 4, ...click });
    if (i === 3) {
      const mask = { width: 24, height: 16, data: new Uint8Array(24 * 16).fill(1, 100, 200) };
      expect((await live.addMask({ object: 2, mask })).objects.map(({ id }) => id)).toEqual([4, 2]);
    }
    if (i === 4) await live.addPrompt({ object: 4, points: [[9, 9]], labels: [0] });
    if (i === 5) await live.removeObject(4);
    if (i === 6) await live.reset();
  }
  expect(seen).toEqual([[], [], [4], [4], [4, 2], [4, 2], [2], []]);
});

test("without objects nothing is computed", async () => {
  await using live = stream();
  backend.steps.length = 0;
  for (let i = 0; i < 3; i++) await live.push(at(i));
  expect(backend.steps).toEqual([]);
});

test("one encoder run a frame, prompts included", async () => {
  await using live = stream();
  backend.steps.length = 0;
  await live.push(at(0));
  await live.addPrompt({ object: 1, ...click });
  for (let i = 1; i < 4; i++) await live.push(at(i));
  await live.addPrompt({ object: 1, points: [[7, 7]] });
  await live.push(at(4));
  expect(backend.steps.filter((step) => step === "run imageEncoder")).toHaveLength(5);
});

test("memory and tensors stay as they are", async () => {
  await using live = stream();
  await live.push(at(0));
  await live.addPrompt({ object: 1, ...click });
  const sizes: (readonly [bytes: number, tensors: number])[] = [];
  for (let i = 1; i < 60; i++) {
    await live.push(at(i));
    sizes.push([live.memoryBytes, backend.tensors]);
  }
  expect(new Set(sizes.slice(20).map(String)).size).toBe(1);
  expect(sizes.at(-1)?.[1]).toBe(3); // the last frame's features
});

describe("frames left out", () => {
  test("superseded by a newer one", async () => {
    await using live = stream();
    await live.push(at(0));
    await live.addPrompt({ object: 1, ...click });
    const pushes = [1, 2, 3].map((i) => live.push(at(i), { latest: true }));
    const outcomes = await Promise.allSettled(pushes);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
    expect(outcomes[0]).toMatchObject({ reason: { code: "superseded" } });
    expect(outcomes[2]).toMatchObject({ value: { frame: 1 } });
  });

  test("aborted, of another size, or no image", async () => {
    await using live = stream();
    await live.push(at(0));
    await live.addPrompt({ object: 1, ...click });
    const abort = new TestAbort();
    backend.intervene = async (step) => {
      if (step === "run memoryAttention") abort.abort();
    };
    await expect(live.push(at(1), { signal: abort.signal })).rejects.toBe(abort.reason);
    backend.intervene = async () => {};
    await expect(live.push(noiseImage(16, 16))).rejects.toMatchObject({ code: "frame-size" });
    await expect(live.push({ ...at(0), data: new Uint8Array(3) })).rejects.toMatchObject({ code: "image-data-length" });
    const { objects } = await live.push(at(2));
    expect(objects.map(({ id }) => id)).toEqual([1]);
    expect(objects[0]?.lowResLogits.data.every(Number.isFinite)).toBe(true);
  });

  test("prompts before the first frame, calls after dispose", async () => {
    const live = stream();
    await expect(live.addPrompt({ object: 1, ...click })).rejects.toMatchObject({ code: "no-frame" });
    live.dispose();
    await expect(live.push(at(0))).rejects.toMatchObject({ code: "disposed" });
  });
});

test("no tensor outlives its stream", async () => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(backend.tensors).toBe(0);
});

test("what is pushed and prompted is the caller's again at once", async () => {
  const track = async (spoil: boolean): Promise<readonly FrameResult[]> => {
    await using live = stream();
    const image = { ...at(0), data: at(0).data.slice() };
    const mask = { width: 24, height: 16, data: new Uint8Array(24 * 16).fill(1, 100, 200) };
    const points: [number, number][] = [[5, 6]];
    const pushed = live.push(image);
    if (spoil) image.data.fill(0);
    const prompted = [live.addMask({ object: 1, mask }), live.addPrompt({ object: 2, points })];
    if (spoil) {
      mask.data.fill(0);
      points[0] = [20, 15];
    }
    return await Promise.all([pushed, ...prompted]);
  };
  expect(await track(true)).toEqual(await track(false));
});
