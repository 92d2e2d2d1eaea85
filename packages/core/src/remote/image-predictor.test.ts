/** `RemoteImagePredictor` beside `ImagePredictor`: the same results and errors, through a port. */
import { MessageChannel } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig, toyTensors } from "../../test/toy-sam2.ts";
import type { Backend } from "../backend/backend.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import { BackendError, CheckpointError, MaskletError } from "../errors.ts";
import type { RawImage } from "../image/image.ts";
import type { ImagePrediction } from "../predict/finish.ts";
import { MemoryEmbeddingCache } from "../predict/image-embedding.ts";
import { ImagePredictor, type PredictOptions, type RefineOptions } from "../predict/image-predictor.ts";
import type { LoadProgress } from "../progress.ts";
import type { Prompt } from "../prompt/prompt.ts";
import { loadSam2, type Sam2 } from "../sam2.ts";
import { AutomaticSubjectFinder } from "../subject/automatic-subject.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { createWorkerPredictor, RemoteClient, type RemoteImagePredictor, type RemoteSam2 } from "./client.ts";
import { type RemoteHost, type Sam2HostOptions, serveSam2 } from "./host.ts";
import type { PortLike } from "./port.ts";
import { protocolVersion } from "./protocol.ts";

const picture = noiseImage(50, 40);
const other = noiseImage(30, 20, { seed: 2, channels: 4 });
const click: Prompt = { points: [[20, 20]] };

let file: Uint8Array;
/** Computes here, to compare with. */
let near: Sam2;
/** Computes behind the port. */
let backend: ObservedBackend;
let channel: InstanceType<typeof MessageChannel>;
let host: RemoteHost;
let client: RemoteClient;
let model: RemoteSam2;
/** Buffers that were handed over with each message of the host. */
let transferred: ArrayBuffer[][];

/** What hands the client each message of the host: at once, unless a test says otherwise. */
let deliver: (give: () => void) => void;

function start(options: Partial<Sam2HostOptions> = {}): void {
  channel = new MessageChannel();
  const watched: PortLike = {
    postMessage: (message, transfer) => {
      transferred.push([...transfer]);
      channel.port1.postMessage(message, transfer);
    },
    on: (event, listener) => channel.port1.on(event, listener),
    off: (event, listener) => channel.port1.off(event, listener),
  };
  host = serveSam2(watched, { backend, ...options });
  deliver = (give) => give();
  client = new RemoteClient({
    postMessage: (message, transfer) => channel.port2.postMessage(message, transfer),
    on: (event, listener) =>
      channel.port2.on(event, (value: unknown) =>
        event === "message" ? deliver(() => listener(value)) : listener(value),
      ),
    off: (event) => channel.port2.removeAllListeners(event),
  });
}

beforeAll(async () => {
  file = writeSafetensors(await toyTensors());
  near = await loadSam2(file, { backend: new ObservedBackend(), config: toyConfig });
});
beforeEach(async () => {
  transferred = [];
  backend = new ObservedBackend();
  start();
  model = await client.load(file, { config: toyConfig });
});
afterEach(async () => {
  await client.dispose();
  expect([client.pending, host.live, backend.tensors, backend.executables]).toEqual([0, 0, 0, 0]);
  await host.dispose();
  channel.port1.close();
});
afterAll(() => near.dispose());

const remotePredictor = async (image: RawImage = picture): Promise<RemoteImagePredictor> => {
  const predictor = await model.imagePredictor();
  await predictor.setImage(image);
  return predictor;
};

/** Waits until the host holds so much: models, predictors, calls; and the backend so many tensors. */
const holds = (live: number, tensors: number): Promise<void> =>
  vi.waitFor(() => expect([host.live, backend.tensors]).toEqual([live, tensors]), { interval: 1 });

const runs = (graph: string): number => backend.steps.filter((step) => step === `run ${graph}`).length;

describe("the same as an ImagePredictor", () => {
  let local: ImagePredictor;
  let remote: RemoteImagePredictor;
  beforeEach(async () => {
    const options = { maskThreshold: 0.1, maxHoleArea: 4, promptsPerRun: 2 };
    local = new ImagePredictor(near, options);
    remote = await model.imagePredictor(options);
    for (const predictor of [local, remote]) await predictor.setImages([picture, other]);
  });
  const both = async <T>(call: (predictor: ImagePredictor | RemoteImagePredictor) => Promise<T>): Promise<T> => {
    const there = await call(remote);
    expect(there).toEqual(await call(local));
    return there;
  };

  test("in what it predicts", async () => {
    expect(remote.imageSizes).toEqual(local.imageSizes);
    const prompts: Prompt[] = [click, { box: [1, 2, 25, 19] }, { points: [[0.5, 0.5]], labels: [0], normalized: true }];
    const { bestLogits: maskInput } = await both((predictor) => predictor.predict(click));
    if (maskInput === undefined) throw new Error("no logits");
    for (const options of [
      {},
      { multimaskOutput: false },
      { image: 1, returnLogits: true },
    ] satisfies PredictOptions[]) {
      await both((predictor) => predictor.predictMany([...prompts, { maskInput }], options));
    }
    await both((predictor) => predictor.imageEmbedding(1));
  });

  test("in the best mask, which is the very one of all", async () => {
    for (const predictor of [local, remote]) {
      const { masks, best, lowResLogits, bestLogits, iouPredictions, bestIou } = await predictor.predict(click);
      const index = masks.indexOf(best);
      expect(index).toBeGreaterThanOrEqual(0);
      expect([lowResLogits.indexOf(bestLogits), iouPredictions[index]]).toEqual([index, bestIou]);
      expect(bestIou).toBe(Math.max(...iouPredictions));
    }
  });

  test("in how it refines, step by step", async () => {
    const steps: [ImagePrediction, number][][] = [];
    await both((predictor) => {
      const seen: [ImagePrediction, number][] = [];
      steps.push(seen);
      const options: RefineOptions = { iterations: 2, until: 1, onStep: (...step) => seen.push(step) };
      return predictor.refine({ box: [5, 5, 40, 30] }, options);
    });
    expect(steps[0]?.length).toBeGreaterThan(1);
    expect(steps[0]).toEqual(steps[1]);
  });

  test("in what it refuses", async () => {
    const bad = (value: unknown): never => value as never;
    const calls: ((predictor: ImagePredictor | RemoteImagePredictor) => Promise<unknown>)[] = [
      (predictor) => predictor.predict({}),
      (predictor) => predictor.predict({ points: [[999, 0]] }),
      (predictor) => predictor.predict({ points: [[1, 1]], labels: [] }),
      (predictor) => predictor.predict(bad(null)),
      (predictor) => predictor.predictMany(bad("x")),
      (predictor) => predictor.predictMany([click, bad({ points: 3 })]),
      (predictor) => predictor.predict(click, { image: 7 }),
      (predictor) => predictor.predict({ maskInput: { width: 3, height: 3, data: new Float32Array(9) } }),
      (predictor) => predictor.refine(click, { iterations: -1 }),
      (predictor) => predictor.refine(click, { until: 2 }),
      (predictor) => predictor.refine(bad(undefined)),
      (predictor) => predictor.setImage(bad(undefined)),
      (predictor) => predictor.setImage({ ...picture, width: 51 }),
      (predictor) => predictor.imageEmbedding(9),
      (predictor) => predictor.reset().then(() => predictor.predict(click)),
      (predictor) => predictor.imageEmbedding(),
    ];
    for (const call of calls) {
      const [here, there] = await Promise.all(
        [local, remote].map((predictor) => call(predictor).catch((e: unknown) => e)),
      );
      expect(here).toBeInstanceOf(MaskletError);
      expect(there).toEqual(here);
      expect((there as Error).constructor).toBe((here as Error).constructor);
    }
    expect(remote.imageSizes).toEqual([]);
    await remote.dispose();
    await local.dispose();
    for (const call of [calls[0], calls[11]]) {
      const [here, there] = await Promise.all(
        [local, remote].map((predictor) => call?.(predictor).catch((e: unknown) => e)),
      );
      expect(there).toEqual(here);
    }
    expect(() => new ImagePredictor(near, { promptsPerRun: 0 })).toThrow("promptsPerRun");
    const refused = model.imagePredictor({ promptsPerRun: 0 });
    await expect(refused).rejects.toMatchObject({ name: "PromptError", code: "bad-option" });
  });
});

describe("pixels and masks", () => {
  test("pixels are copied, of a view no more than it shows, and of shared memory too", async () => {
    const whole = new Uint8Array(picture.data.length + 100);
    whole.set(picture.data, 50);
    const shared = new Uint8Array(new SharedArrayBuffer(picture.data.length));
    shared.set(picture.data);
    const remote = await remotePredictor();
    const expected = await remote.predict(click);
    for (const data of [
      whole.subarray(50, -50),
      shared,
      Buffer.from(picture.data),
      new Uint8ClampedArray(picture.data),
    ]) {
      await remote.setImage({ ...picture, data });
      expect(data.length).toBe(picture.data.length);
      expect(await remote.predict(click)).toEqual(expected);
    }
  });

  test("pixels are handed over when asked", async () => {
    const remote = await remotePredictor();
    const expected = await remote.predict(click);
    const data = picture.data.slice();
    await remote.setImage({ ...picture, data }, { transfer: true });
    expect(data.byteLength).toBe(0);
    expect(await remote.predict(click)).toEqual(expected);
    await expect(remote.setImage({ ...picture, data }, { transfer: true })).rejects.toMatchObject({
      name: "ImageError",
    });
  });

  test("everything a prediction carries is handed over", async () => {
    const remote = await remotePredictor();
    await holds(2, 3);
    transferred = [];
    const { masks } = await remote.predict(click, { returnLogits: true });
    expect(masks).toHaveLength(3);
    expect(transferred.map((buffers) => buffers.length)).toEqual([9]); // masks, logits, low-resolution logits
    expect(transferred.flat().every((buffer) => buffer.byteLength === 0)).toBe(true);
  });
});

/** Holds the backend the next time it comes to a step, until it is let go. */
function hold(at: string): { readonly reached: Promise<void>; readonly letGo: () => void } {
  let letGo = (): void => {};
  const reached = new Promise<void>((resolve) => {
    backend.intervene = async (step) => {
      if (step !== at) return;
      backend.intervene = async () => {};
      resolve();
      await new Promise<void>((done) => {
        letGo = done;
      });
    };
  });
  return { reached, letGo: () => letGo() };
}

describe("clicks that outrun the model", () => {
  test("with latest, those between cost the host nothing", async () => {
    const remote = await remotePredictor();
    const held = hold("run maskDecoder");
    const ask = (at: number): Promise<ImagePrediction> => remote.predict({ points: [[at, at]] }, { latest: true });
    const running = ask(0);
    await held.reached;
    const outcomes = Promise.allSettled([running, ...[1, 2, 3, 4].map(ask)]);
    held.letGo();
    const [first, ...rest] = await outcomes;
    const last = rest.pop();
    for (const outcome of [first, ...rest]) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { name: "StateError", code: "superseded" } });
    }
    expect(last?.status).toBe("fulfilled");
    expect(runs("maskDecoder")).toBe(2);
  });

  test("aborted ones reject at once, and those that waited never reach the host", async () => {
    const remote = await remotePredictor();
    const held = hold("run maskDecoder");
    const abort = new TestAbort();
    const calls = [1, 2, 3].map((x) => remote.predict({ points: [[x, x]] }, { signal: abort.signal }));
    const kept = remote.predict(click);
    await held.reached;
    abort.abort();
    for (const call of calls) await expect(call).rejects.toBe(abort.reason);
    expect([runs("maskDecoder"), abort.listeners]).toEqual([1, 0]); // the one under way still runs
    held.letGo();
    await kept;
    expect([runs("maskDecoder"), abort.listeners]).toEqual([2, 0]);
  });
});

describe("setImage changes nothing", () => {
  test("when it is aborted at any moment", async () => {
    const remote = await remotePredictor();
    const before = await remote.predict(click);
    let rejected = 0;
    for (let turns = 0; turns < 12; turns++) {
      const abort = new TestAbort();
      const call = remote.setImage(other, { signal: abort.signal }).then(
        () => true,
        () => false,
      );
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      if (await call) {
        expect(remote.imageSizes).toEqual([{ width: 30, height: 20 }]);
        await remote.setImage(picture);
      } else rejected++;
      expect(remote.imageSizes).toEqual([{ width: 50, height: 40 }]);
      expect(await remote.predict(click)).toEqual(before);
      await holds(2, 3); // the model and the predictor
    }
    expect(rejected).toBeGreaterThan(0);
  });

  test("when the host has done it, and the abort crosses its answer", async () => {
    const remote = await remotePredictor();
    const before = await remote.predict(click);
    const waiting: (() => void)[] = [];
    deliver = (give) => waiting.push(give);
    const abort = new TestAbort();
    const call = remote.setImage(other, { signal: abort.signal });
    await vi.waitFor(() => expect(waiting).toHaveLength(1));
    await holds(3, 6); // it is done
    abort.abort();
    await expect(call).rejects.toBe(abort.reason);
    deliver = (give) => give();
    for (const give of waiting) give();
    await holds(2, 3);
    expect(remote.imageSizes).toEqual([{ width: 50, height: 40 }]);
    expect(await remote.predict(click)).toEqual(before);
  });

  test("when the backend fails", async () => {
    const remote = await remotePredictor();
    const before = await remote.predict(click);
    const failure = new BackendError("run-failed", "the device is lost", { cause: new RangeError("buffer") });
    backend.intervene = async (step) => {
      if (step === "run imageEncoder") throw failure;
    };
    const error = await remote.setImage(other).catch((error: unknown) => error);
    expect(error).toEqual(failure);
    expect((error as Error).cause).toBeInstanceOf(RangeError);
    backend.intervene = async () => {};
    expect(await remote.predict(click)).toEqual(before);
  });
});

describe("loading", () => {
  test("saves an image here and loads it there, and caches it on this side", async () => {
    const remote = await model.imagePredictor();
    await remote.setImage(picture);
    const before = await remote.predict(click);
    const saved = await remote.saveImage();
    await using local = new ImagePredictor(near);
    await local.loadImages([saved]);
    expect(await local.predict(click)).toEqual(before);
    const cache = new MemoryEmbeddingCache();
    cache.set("picture", saved);
    backend.steps.length = 0;
    await remote.setImage(picture, { cache, key: "picture" });
    expect(await remote.predict(click)).toEqual(before);
    expect(backend.steps).not.toContain("run imageEncoder");
    await remote.dispose();
  });

  test("a cached image is the one of its key, of calls that overlap too", async () => {
    const remote = await remotePredictor();
    const cache = new MemoryEmbeddingCache();
    const set = (image: RawImage, key: string): Promise<void> => remote.setImage(image, { cache, key });
    await Promise.all([set(picture, "picture"), set(other, "other")]);
    expect(remote.imageSizes).toEqual([{ width: 30, height: 20 }]);
    for (const [key, { width, height }] of [["picture", picture] as const, ["other", other] as const]) {
      await remote.loadImages([cache.get(key) as Uint8Array]);
      expect(remote.imageSizes).toEqual([{ width, height }]);
    }
  });

  test("an image that is not cached in the end is not set either", async () => {
    const remote = await remotePredictor();
    const abort = new TestAbort();
    const cache = new MemoryEmbeddingCache();
    const waiting: (() => void)[] = [];
    backend.intervene = async (step) => {
      if (step.startsWith("read")) await new Promise<void>((resolve) => waiting.push(resolve));
    };
    const call = remote.setImage(other, { cache, key: "other", signal: abort.signal });
    await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(0));
    abort.abort();
    await expect(call).rejects.toBe(abort.reason);
    backend.intervene = async () => {};
    for (const letGo of waiting) letGo();
    await holds(2, 3);
    expect(remote.imageSizes).toEqual([{ width: 50, height: 40 }]);
    expect(cache.keys).toEqual([]);
  });

  test("tells of the model and of its progress", async () => {
    const progress: LoadProgress[] = [];
    const loaded = await client.load(file, { config: toyConfig, onProgress: (step) => progress.push(step) });
    expect(loaded).toMatchObject({ config: toyConfig, source: "bytes", backendName: "observed" });
    expect(new Set(progress.map(({ item }) => item))).toEqual(new Set(["imageEncoder", "maskDecoder"]));
    expect(progress.at(-1)?.loaded).toBe(progress.at(-1)?.total);
    await loaded.dispose();
    await loaded.dispose();
    expect(backend.executables).toBe(2);
    await expect(loaded.imagePredictor()).rejects.toMatchObject({ name: "StateError", code: "disposed" });
  });

  test("hands over what is named", async () => {
    const bytes = file.slice();
    const loaded = await client.load(bytes, { config: toyConfig, transfer: [bytes.buffer] });
    expect(bytes.byteLength).toBe(0);
    await loaded.dispose();
  });

  test("rejects as loadSam2 does", async () => {
    const cut = file.slice(0, 5000);
    const here = await loadSam2(cut, { backend, config: toyConfig }).catch((error: unknown) => error);
    expect(here).toBeInstanceOf(CheckpointError);
    expect(await client.load(cut, { config: toyConfig }).catch((error: unknown) => error)).toEqual(here);
    await expect(client.load("a name")).rejects.toMatchObject({ name: "PromptError", code: "bad-option" });
  });

  test("a model that the host has is shared, and stays when its clients let go of it", async () => {
    await client.dispose();
    start({ open: async () => near });
    model = await client.load("the one you have");
    const other = await client.load("the same");
    await other.dispose();
    const predictor = await remotePredictor();
    const here = new ImagePredictor(near);
    await here.setImage(picture);
    expect(await predictor.predict(click)).toEqual(await here.predict(click));
    await client.dispose();
    await here.setImage(picture); // would reject if it had been disposed of
    await here.dispose();
  });

  test("aborted, rejects at once and leaves nothing", async () => {
    for (const step of ["compile imageEncoder", "compile maskDecoder"]) {
      const held = hold(step);
      const abort = new TestAbort();
      const call = client.load(file, { config: toyConfig, signal: abort.signal });
      await held.reached;
      abort.abort();
      await expect(call).rejects.toBe(abort.reason);
      held.letGo();
      await holds(1, 0);
      await vi.waitFor(() => expect(backend.executables).toBe(2));
      expect([client.pending, abort.listeners]).toEqual([0, 0]);
    }
  });

  test("a host without a backend opens no model but its own", async () => {
    await client.dispose();
    await host.dispose();
    await using own = await loadSam2(file, { backend, config: toyConfig });
    const ports = new MessageChannel();
    host = serveSam2(ports.port1, { open: async (source) => (source === "own" ? own : file) });
    client = new RemoteClient(ports.port2);
    const loaded = await client.load("own");
    expect(loaded.config).toEqual(toyConfig);
    await loaded.dispose();
    const refusal = new BackendError("unsupported", "this host opens no model but its own");
    await expect(client.load("other")).rejects.toEqual(refusal);
  });

  test("a backend that the host makes is made of the request, and goes with its model", async () => {
    await client.dispose();
    await host.dispose();
    const asked: unknown[] = [];
    let disposed = 0;
    start({
      backend: async (options) => {
        asked.push(options);
        const dispose = async (): Promise<void> => void disposed++;
        return Object.assign(backend, { dispose });
      },
      open: async (source) =>
        source === "toy" ? file : Promise.reject(new CheckpointError("not-found", "no such file")),
    });
    await expect(client.load("other")).rejects.toEqual(new CheckpointError("not-found", "no such file"));
    expect([asked, disposed]).toEqual([[undefined], 1]); // it starts while the checkpoint is fetched
    await expect(client.load("toy", { config: { ...toyConfig, imageSize: 1 } })).rejects.toThrow();
    expect(disposed).toBe(2);
    const loaded = await client.load("toy", { config: toyConfig, backend: { wasm: Uint8Array.of(1) } });
    expect(asked).toEqual([undefined, undefined, { wasm: Uint8Array.of(1) }]);
    await loaded.dispose();
    expect(disposed).toBe(3);
  });

  describe("a backend that the host makes, and a checkpoint, are got at once", () => {
    /** A host whose backend comes when `give` is called; what it was asked. */
    async function waiting(open: Sam2HostOptions["open"]): Promise<{ give(made: Promise<Backend>): void }> {
      await client.dispose();
      await host.dispose();
      let give = (_: Promise<Backend>): void => {};
      const made = new Promise<Backend>((resolve) => {
        give = resolve;
      });
      start({ backend: () => made, ...(open && { open }) });
      return { give };
    }

    test("the checkpoint is asked for before the backend is there", async () => {
      const { give } = await waiting(async () => {
        give(Promise.resolve(backend));
        return file;
      });
      await (await client.load("toy", { config: toyConfig })).dispose();
    });

    test("where the backend fails, the checkpoint is told to stop", async () => {
      const failure = new BackendError("device-unavailable", "no such device");
      let told: unknown;
      const { give } = await waiting(async (_, { signal }) => {
        give(Promise.reject(failure));
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        told = signal.reason;
        throw signal.reason;
      });
      await expect(client.load("toy", { config: toyConfig })).rejects.toEqual(failure);
      expect(told).toBe(failure);
    });

    test("where it is aborted, both are given up", async () => {
      const abort = new TestAbort();
      let disposed = 0;
      const { give } = await waiting(async (_, { signal }) => {
        abort.abort();
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        const dispose = async (): Promise<void> => void disposed++;
        give(Promise.resolve(Object.assign(backend, { dispose })));
        throw signal.reason;
      });
      await expect(client.load("toy", { config: toyConfig, signal: abort.signal })).rejects.toBe(abort.reason);
      await vi.waitFor(() => expect(disposed).toBe(1));
    });
  });
});

describe("createWorkerPredictor", () => {
  test("loads and predicts, and its dispose frees the model too", async () => {
    await client.dispose();
    const predictor = await createWorkerPredictor(channel.port2, file, {
      config: toyConfig,
      predictor: { maskThreshold: 0.1 },
    });
    await predictor.setImage(picture);
    await using local = new ImagePredictor(near, { maskThreshold: 0.1 });
    await local.setImage(picture);
    expect(await predictor.predict(click)).toEqual(await local.predict(click));
    expect(predictor.model.config).toEqual(toyConfig);
    const held = hold("run maskDecoder");
    const last = predictor.predict(click);
    await held.reached;
    const disposed = predictor.dispose();
    held.letGo();
    expect((await last).masks).toHaveLength(3); // the call under way is finished
    await disposed;
    expect([host.live, backend.tensors]).toEqual([0, 0]);
    expect(backend.executables).toBe(0);
    await expect(predictor.predict(click)).rejects.toMatchObject({ code: "disposed" });
  });

  test("that fails leaves nothing, and the port to the next", async () => {
    await client.dispose();
    const failing = createWorkerPredictor(channel.port2, file, { config: toyConfig, predictor: { maxPixels: 0 } });
    await expect(failing).rejects.toMatchObject({ name: "PromptError", code: "bad-option" });
    const predictor = await createWorkerPredictor(channel.port2, file, { config: toyConfig });
    await holds(2, 0);
    await predictor.dispose();
    expect([host.live, backend.executables]).toEqual([0, 0]);
  });
});

test("a predictor that is disposed of frees its images, and its model goes on", async () => {
  const [first, second] = [await remotePredictor(), await remotePredictor(other)];
  await holds(3, 6);
  expect(first.dispose()).toBe(first.dispose());
  await first.dispose();
  expect([host.live, backend.tensors]).toEqual([2, 3]);
  expect((await second.predict({ points: [[3, 3]] })).masks).toHaveLength(3);
  await model.dispose();
  await expect(second.predict({ points: [[3, 3]] })).rejects.toMatchObject({ name: "StateError", code: "disposed" });
});

describe("subjects", () => {
  test("are found by the model as they are here", async () => {
    const finder = await model.subjectFinder();
    const alone = new AutomaticSubjectFinder(near, { maxPixels: Number.POSITIVE_INFINITY });
    expect(await finder.find(picture)).toEqual(await alone.find(picture));
    const abort = new TestAbort();
    const late = finder.find(picture, { signal: abort.signal });
    abort.abort();
    await expect(late).rejects.toBe(abort.signal.reason);
    await finder.dispose();
    await expect(finder.find(picture)).rejects.toMatchObject({ name: "RemoteError", code: "bad-message" });
  });

  test("are found by no model that is none: it is answered as such", async () => {
    const answer = new Promise((resolve) => channel.port2.once("message", resolve));
    const params = { model: null };
    channel.port2.postMessage({ masklet: protocolVersion, type: "call", id: -1, method: "openFinder", params });
    expect(await answer).toMatchObject({ type: "error", id: -1, error: { code: "bad-message" } });
  });

  test("are found by what the host opens, which goes with its client", async () => {
    await expect(client.openSubjectFinder("a model")).rejects.toMatchObject({ code: "bad-option" });
    const asked: unknown[] = [];
    const dispose = vi.fn(async () => {});
    const find = async ({ width, height }: RawImage) => ({
      width,
      height,
      data: new Float32Array(width * height).fill(0.5),
    });
    await model.dispose();
    await client.dispose();
    await host.dispose();
    start({
      openFinder: async (source, { backend }) => {
        asked.push(source, backend);
        return { kind: "u2net", find, dispose };
      },
    });
    const finder = await client.openSubjectFinder({ kept: "u2net" }, { backend: { wasm: 1 } });
    expect(asked).toEqual([{ kept: "u2net" }, { wasm: 1 }]);
    expect(finder.kind).toBe("u2net");
    expect((await finder.find(picture)).data).toHaveLength(2000);
    await client.dispose();
    expect(dispose).toHaveBeenCalledOnce();
  });
});

test("a client that is disposed of in the middle of everything leaves nothing", async () => {
  const predictor = await remotePredictor();
  const held = hold("run imageEncoder");
  const calls = [predictor.setImage(other), predictor.predict(click), predictor.refine(click), client.load(file)];
  const outcomes = Promise.allSettled(calls);
  await held.reached;
  const disposed = client.dispose();
  held.letGo();
  await disposed;
  for (const outcome of await outcomes) expect(outcome.status).toBe("rejected");
  expect([host.live, backend.tensors, backend.executables]).toEqual([0, 0, 0]);
});
