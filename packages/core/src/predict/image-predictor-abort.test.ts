/** Aborted or failing at every point where something is awaited: what is rejected, what is left alive, what still works. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import type { AbortSignalLike } from "../abort.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { ImagePredictor } from "./image-predictor.ts";

const before = noiseImage(12, 12);
const image = noiseImage(20, 10, { seed: 2 });
const point = [5, 5] as const;
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

interface Call {
  readonly name: string;
  readonly run: (predictor: ImagePredictor, signal?: AbortSignalLike) => Promise<unknown>;
  /** Sizes of the images once it has succeeded. */
  readonly after?: readonly object[];
}
const calls: readonly Call[] = [
  {
    name: "setImage",
    run: (predictor, signal) => predictor.setImage(image, signal && { signal }),
    after: [{ width: 20, height: 10 }],
  },
  {
    name: "setImages",
    run: (predictor, signal) => predictor.setImages([image, before], signal && { signal }),
    after: [
      { width: 20, height: 10 },
      { width: 12, height: 12 },
    ],
  },
  { name: "predict", run: (predictor, signal) => predictor.predict({ points: [point] }, signal && { signal }) },
  {
    name: "predictMany",
    run: (predictor, signal) =>
      predictor.predictMany(
        [{ points: [point] }, { box: [1, 1, 9, 9] }, { points: [point, point] }],
        signal && { signal },
      ),
  },
  {
    name: "refine",
    run: (predictor, signal) =>
      predictor.refine({ points: [point] }, { iterations: 2, until: 1, ...(signal && { signal }) }),
  },
];

let backend: ObservedBackend;
let model: Sam2;
beforeAll(async () => {
  backend = new ObservedBackend({ compute: false });
  model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
});
afterAll(() => model.dispose());

/** A predictor that holds the image `before`, and the means to count what a call takes. */
async function ready(): Promise<ImagePredictor> {
  backend.intervene = async () => {};
  const predictor = new ImagePredictor(model);
  await predictor.setImage(before);
  backend.steps.length = 0;
  return predictor;
}

/** The predictor works as if the call had never been; then nothing of it is left. */
async function checkUnharmed(
  predictor: ImagePredictor,
  sizes: readonly object[] = [{ width: 12, height: 12 }],
): Promise<void> {
  backend.intervene = async () => {};
  expect(predictor.imageSizes).toEqual(sizes);
  expect((await predictor.predict({ points: [point] })).masks).toHaveLength(3);
  expect(backend.tensors).toBe(3 * sizes.length);
  predictor.dispose();
  await settled();
  expect([backend.tensors, backend.executables]).toEqual([0, 2]);
}

/** Every turn of the microtask queue until `outcome` settles, at most `limit`. */
async function turns(outcome: Promise<unknown>, limit = 1000): Promise<number> {
  let open = true;
  const close = (): void => {
    open = false;
  };
  outcome.then(close, close);
  let count = 0;
  for (; open && count < limit; count++) await undefined;
  return count;
}

describe.each(calls)("$name", ({ run, after }) => {
  test("aborted at any turn of the microtask queue", async () => {
    const counting = await ready();
    const total = await turns(run(counting));
    await checkUnharmed(counting, after);
    expect(total).toBeGreaterThan(10);

    let rejected = 0;
    for (let n = 0; n <= total; n++) {
      const predictor = await ready();
      const abort = new TestAbort();
      const outcome = run(predictor, abort.signal);
      await turns(outcome, n);
      abort.abort();
      const [{ status, ...result }] = (await Promise.allSettled([outcome])) as [PromiseSettledResult<unknown>];
      if (status === "rejected") {
        rejected++;
        expect(result).toEqual({ reason: abort.reason });
      }
      expect(abort.listeners).toBe(0);
      await checkUnharmed(predictor, status === "rejected" ? undefined : after);
    }
    // at the very end it has already succeeded
    expect(rejected).toBeGreaterThan(total - 5);
    expect(rejected).toBeLessThanOrEqual(total);
  });

  test("aborted when a signal is looked at", async () => {
    for (let n = 1; ; n++) {
      const predictor = await ready();
      const abort = new TestAbort();
      let looks = 0;
      const look = (): void => {
        if (++looks === n) abort.abort();
      };
      const signal: AbortSignalLike = {
        get aborted() {
          look();
          return abort.signal.aborted;
        },
        get reason() {
          return abort.signal.reason;
        },
        throwIfAborted: () => {
          look();
          abort.signal.throwIfAborted();
        },
        addEventListener: abort.signal.addEventListener,
        removeEventListener: abort.signal.removeEventListener,
      };
      const outcome = run(predictor, signal);
      if (
        await outcome.then(
          () => true,
          () => false,
        )
      ) {
        expect(looks).toBeLessThan(n); // looked at less often than that
        expect(n).toBeGreaterThan(2);
        await checkUnharmed(predictor, after);
        break;
      }
      await expect(outcome).rejects.toBe(abort.reason);
      expect(abort.listeners).toBe(0);
      await checkUnharmed(predictor);
    }
  });

  test("aborted while the backend hangs: rejects at once, and the next call waits", async () => {
    const counting = await ready();
    await run(counting);
    const total = backend.steps.length;
    await checkUnharmed(counting, after);
    expect(total).toBeGreaterThan(0);

    for (let k = 1; k <= total; k++) {
      const predictor = await ready();
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
      const outcome = run(predictor, abort.signal);
      await hung;
      abort.abort();
      await expect(outcome).rejects.toBe(abort.reason); // it still hangs
      let answered = false;
      const next = predictor.predict({ points: [point] }).then(() => {
        answered = true;
      });
      await settled();
      expect([answered, backend.steps.length]).toEqual([false, k]);
      release();
      await next;
      await checkUnharmed(predictor);
    }
  });

  test("a backend that fails at any step", async () => {
    const counting = await ready();
    await run(counting);
    const total = backend.steps.length;
    await checkUnharmed(counting, after);
    for (let k = 1; k <= total; k++) {
      const predictor = await ready();
      const failure = new Error(`step ${k} failed`);
      backend.intervene = async () => {
        if (backend.steps.length === k) throw failure;
      };
      await expect(run(predictor)).rejects.toBe(failure);
      await checkUnharmed(predictor);
    }
  });

  test("a signal that is aborted already", async () => {
    const predictor = await ready();
    const abort = new TestAbort();
    abort.abort();
    await expect(run(predictor, abort.signal)).rejects.toBe(abort.reason);
    expect(backend.steps).toEqual([]);
    await checkUnharmed(predictor);
  });
});

test("aborted while it waits for its turn: rejects at once and never runs", async () => {
  const predictor = await ready();
  let release = (): void => {};
  backend.intervene = () =>
    new Promise<void>((resolve) => {
      release = resolve;
    });
  const running = predictor.predict({ points: [point] });
  const abort = new AbortController();
  const waiting = calls.map(({ run }) => run(predictor, abort.signal));
  await settled();
  abort.abort();
  for (const outcome of waiting) await expect(outcome).rejects.toBe(abort.signal.reason);
  backend.intervene = async () => {};
  release();
  await running;
  const { length } = backend.steps;
  await settled();
  expect(backend.steps).toHaveLength(length);
  await checkUnharmed(predictor);
});

test("a backend that can stop is stopped in the middle of a run", async () => {
  let operations = 0;
  let abort = new TestAbort();
  let at = Number.POSITIVE_INFINITY;
  const reference = createReferenceBackend({
    pause: async () => {
      if (++operations === at) abort.abort();
    },
  });
  const sam2 = await Sam2.fromWeights(hashedWeights(toyConfig), { backend: reference, config: toyConfig });
  const predictor = new ImagePredictor(sam2);
  await predictor.setImage(before);
  const expected = await predictor.predict({ points: [point] });
  for (const { run } of calls) {
    for (const stop of [1, 30, 90]) {
      abort = new TestAbort();
      [operations, at] = [0, stop];
      await expect(run(predictor, abort.signal)).rejects.toBe(abort.reason);
      at = Number.POSITIVE_INFINITY;
      expect(await predictor.predict({ points: [point] })).toEqual(expected);
      expect(abort.listeners).toBe(0);
      expect(reference.liveTensors).toBe(3);
    }
  }
  predictor.dispose();
  await sam2.dispose();
  expect(reference.liveTensors).toBe(0);
});
