/** Aborted or failing at every point where something is awaited: nothing is remembered of it, and the session goes on. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import type { AbortSignalLike } from "../abort.ts";
import { Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { VideoPredictor } from "./video-predictor.ts";
import type { VideoSession } from "./video-session.ts";

const size = { width: 24, height: 16 };
const images = Array.from({ length: 6 }, (_, i) => noiseImage(24, 16, { seed: i + 1 }));
const source = { size, count: 6, frame: async (index: number) => images[index] };
const click = { points: [[5, 6]] } as const;
const mask = { ...size, data: new Uint8Array(24 * 16).fill(1, 90, 300) };
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

type Run = (session: VideoSession, signal?: AbortSignalLike) => Promise<unknown>;
const calls: readonly (readonly [name: string, run: Run])[] = [
  ["addPrompt, a new object", (s, signal) => s.addPrompt({ frame: 4, object: 3, ...click }, signal && { signal })],
  ["addPrompt, a correction", (s, signal) => s.addPrompt({ frame: 1, object: 1, ...click }, signal && { signal })],
  ["addMask", (s, signal) => s.addMask({ frame: 5, object: 1, mask }, signal && { signal })],
  ["propagate", (s, signal) => s.propagate({ start: 2, count: 1, ...(signal && { signal }) }).next()],
];

let backend: ObservedBackend;
let model: Sam2;
beforeAll(async () => {
  backend = new ObservedBackend({ compute: false });
  model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
  for (const graph of ["memoryEncoder", "memoryAttention"] as const) await model.executable(graph);
});
afterAll(() => model.dispose());

/** Two objects, tracked to frame 1; the second has another prompt that is not remembered yet. */
async function ready(): Promise<{ readonly session: VideoSession; readonly before: Uint8Array }> {
  backend.intervene = async () => {};
  const session = new VideoPredictor(model, { cachedFrames: 1 }).start(source);
  await session.addPrompt({ frame: 0, object: 1, ...click });
  await session.addPrompt({ frame: 0, object: 2, ...click });
  const steps = session.propagate({ count: 2 });
  for await (const _ of steps);
  await session.addPrompt({ frame: 3, object: 2, ...click });
  backend.steps.length = 0;
  return { session, before: session.save() };
}

/**
 * The session remembers what it did, prompts that were settled aside, and works; then nothing of it is left. The call's
 * own work may still be under way.
 */
async function checkUnharmed(session: VideoSession, before: Uint8Array, name: string): Promise<void> {
  backend.intervene = async () => {};
  if (name !== "propagate") expect(session.save()).toEqual(before);
  const frames: number[] = [];
  for await (const { frame, objects } of session.propagate({ start: 2 })) {
    frames.push(frame);
    expect(objects.map(({ id }) => id)).toEqual([1, 2]);
  }
  expect(frames).toEqual([2, 3, 4, 5]);
  expect(backend.tensors).toBe(3); // one frame's features
  await session.dispose();
  await settled();
  expect([backend.tensors, backend.executables]).toEqual([0, 4]);
}

/** Every turn of the microtask queue until `outcome` settles, at most `limit`. */
async function turns(outcome: Promise<unknown>, limit = 2000): Promise<number> {
  let open = true;
  const close = (): void => {
    open = false;
  };
  outcome.then(close, close);
  let count = 0;
  for (; open && count < limit; count++) await undefined;
  return count;
}

async function finish(session: VideoSession): Promise<void> {
  await session.dispose();
  await settled();
  expect(backend.tensors).toBe(0);
}

describe.each(calls)("%s", (name, run) => {
  test("aborted at any turn of the microtask queue", async () => {
    const counting = await ready();
    const total = await turns(run(counting.session));
    await finish(counting.session);
    expect(total).toBeGreaterThan(20);
    let rejected = 0;
    for (let n = 0; n <= total; n++) {
      const { session, before } = await ready();
      const abort = new TestAbort();
      const outcome = run(session, abort.signal);
      await turns(outcome, n);
      abort.abort();
      const [result] = await Promise.allSettled([outcome]);
      expect(abort.listeners).toBe(0);
      if (result?.status === "fulfilled") await finish(session);
      else {
        rejected++;
        expect(result?.reason).toBe(abort.reason);
        // in the last turns it has been done, and only its answer was still to come
        if (n < total - 8) await checkUnharmed(session, before, name);
        else await finish(session);
      }
    }
    expect(rejected).toBeGreaterThan(total - 8);
  });

  test("a backend that hangs: rejects at once, and the next call waits", async () => {
    const counting = await ready();
    await run(counting.session);
    const total = backend.steps.length;
    await finish(counting.session);
    expect(total).toBeGreaterThan(4);
    for (let k = 1; k <= total; k++) {
      const { session, before } = await ready();
      const abort = new TestAbort();
      let release = (): void => {};
      const hung = new Promise<void>((reached) => {
        backend.intervene = async () => {
          if (backend.steps.length !== k) return;
          reached();
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        };
      });
      const outcome = run(session, abort.signal);
      await hung;
      abort.abort();
      await expect(outcome).rejects.toBe(abort.reason); // it still hangs
      const next = session.clearPrompts({ frame: 5, object: 1 });
      await settled();
      expect(backend.steps).toHaveLength(k);
      release();
      await next;
      await checkUnharmed(session, before, name);
    }
  });

  test("a backend that fails at any step", async () => {
    const counting = await ready();
    await run(counting.session);
    const total = backend.steps.length;
    await finish(counting.session);
    for (let k = 1; k <= total; k++) {
      const { session, before } = await ready();
      const failure = new Error(`step ${k} failed`);
      backend.intervene = async () => {
        if (backend.steps.length === k) throw failure;
      };
      await expect(run(session)).rejects.toBe(failure);
      await checkUnharmed(session, before, name);
    }
  });

  test("a signal that is aborted already", async () => {
    const { session, before } = await ready();
    const abort = new TestAbort();
    abort.abort();
    await expect(run(session, abort.signal)).rejects.toBe(abort.reason);
    expect(backend.steps).toEqual([]);
    await checkUnharmed(session, before, name);
  });
});
