import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig, toyTensors } from "../../test/toy-sam2.ts";
import { readSafetensors, writeSafetensors } from "../checkpoint/safetensors.ts";
import type { RawImage } from "../image/image.ts";
import { bytesSource } from "../index.ts";
import { loadSam2, type Sam2 } from "../sam2.ts";
import { float32, type HostTensor, int32 } from "../tensor/tensor.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { MemoryEmbeddingCache } from "./image-embedding.ts";
import { ImagePredictor } from "./image-predictor.ts";
import { type ImageJob, type ImageJobResult, type SegmentManyOptions, segmentMany } from "./segment-many.ts";

const backend = new ObservedBackend();
let model: Sam2;
beforeAll(async () => {
  model = await loadSam2(writeSafetensors(await toyTensors()), { backend, config: toyConfig });
});
afterAll(async () => {
  await model.dispose();
  expect([backend.tensors, backend.executables]).toEqual([0, 0]);
});
beforeEach(() => {
  backend.steps.length = 0;
});
const encodes = (): number => backend.steps.filter((step) => step === "run imageEncoder").length;

const images = [noiseImage(20, 16), noiseImage(9, 30, { seed: 2 }), noiseImage(32, 32, { seed: 3, channels: 4 })];
const click = { points: [[5, 8]] as const };

describe("batches", () => {
  test.each([1, 2, 3, 5])("%i images in a run of the encoder give what each gives alone", async (imagesPerRun) => {
    await using predictor = new ImagePredictor(model, { imagesPerRun });
    await predictor.setImages(images);
    expect(encodes()).toBe(Math.ceil(3 / imagesPerRun));
    expect(predictor.imageSizes.map(({ width }) => width)).toEqual([20, 9, 32]);
    for (const [i, image] of images.entries()) {
      await using alone = new ImagePredictor(model);
      await alone.setImage(image);
      const together = await predictor.predict(click, { image: i, returnLogits: true });
      expect(together).toEqual(await alone.predict(click, { returnLogits: true }));
    }
  });

  test("by default small images share a run", async () => {
    await using predictor = new ImagePredictor(model);
    expect(predictor.imagesPerRun).toBe(4);
  });

  test("a run that fails leaves what was set before", async () => {
    await using predictor = new ImagePredictor(model, { imagesPerRun: 2 });
    await predictor.setImage(noiseImage(7, 7));
    const alive = backend.tensors;
    backend.intervene = async (step) => {
      if (step === "run imageEncoder" && encodes() === 2) throw new Error("no memory");
    };
    backend.steps.length = 0;
    await expect(predictor.setImages(images)).rejects.toThrow("no memory");
    backend.intervene = async () => {};
    expect(predictor.imageSizes).toEqual([{ width: 7, height: 7 }]);
    expect(backend.tensors).toBe(alive);
  });
});

describe("saved images", () => {
  const saved = async (): Promise<readonly Uint8Array[]> => {
    await using predictor = new ImagePredictor(model);
    await predictor.setImages(images);
    return await Promise.all(images.map((_, i) => predictor.saveImage(i)));
  };

  test("an upload that fails half way leaks nothing", async () => {
    const [file] = (await saved()) as [Uint8Array];
    await using predictor = new ImagePredictor(model);
    const alive = backend.tensors;
    const upload = vi.spyOn(backend, "upload");
    try {
      upload.mockImplementationOnce((tensor) => ObservedBackend.prototype.upload.call(backend, tensor));
      upload.mockImplementationOnce(() => {
        throw new Error("no memory");
      });
      await expect(predictor.loadImages([file])).rejects.toThrow("no memory");
    } finally {
      upload.mockRestore();
    }
    expect(backend.tensors).toBe(alive);
  });

  test("another predictor goes on from them, without the encoder", async () => {
    await using local = new ImagePredictor(model);
    await using loaded = new ImagePredictor(model);
    const files = (await saved()).map((file) => Buffer.from(file)); // as they are read in Node
    await local.setImages(images);
    const before = encodes();
    await loaded.loadImages(files);
    expect(encodes()).toBe(before);
    expect(loaded.imageSizes).toEqual(local.imageSizes);
    for (const image of images.keys()) {
      expect(await loaded.predict(click, { image })).toEqual(await local.predict(click, { image }));
    }
  });

  test("what is refused leaves what was set before", async () => {
    const [file] = (await saved()) as [Uint8Array];
    const entries = await readSafetensors(bytesSource(file));
    const tensors = (change: (name: string, dims: readonly number[], data: Uint8Array) => HostTensor | undefined) => {
      const changed = entries.flatMap(({ name, dims, offset, byteLength, dtype }) => {
        const data = file.slice(offset, offset + byteLength);
        const typed = dtype === "int32" ? new Int32Array(data.buffer) : new Float32Array(data.buffer);
        const tensor = change(name, dims, data) ?? ({ dtype, dims, data: typed } as HostTensor);
        return name === "" ? [] : [[name, tensor] as const];
      });
      return writeSafetensors(new Map(changed));
    };
    const header = (...facts: readonly number[]) =>
      tensors((name) => (name === "image" ? int32([4], Int32Array.from(facts)) : undefined));
    const facts = new Int32Array(
      entries
        .filter(({ name }) => name === "image")
        .map(({ offset }) => file.slice(offset, offset + 16).buffer)[0] as ArrayBuffer,
    );
    const weights = facts[3] as number;
    const wrong: readonly [Uint8Array, string][] = [
      [file.subarray(0, 100), "truncated"],
      [header(2, 20, 16, weights), "embedding-malformed"],
      [header(1, 0, 16, weights), "embedding-malformed"],
      [header(1, 20, 16, weights + 1), "embedding-mismatch"],
      [tensors((name) => (name === "highRes0" ? float32([2], new Float32Array(2)) : undefined)), "embedding-malformed"],
    ];
    await using predictor = new ImagePredictor(model);
    await predictor.loadImages([file]);
    const alive = backend.tensors;
    for (const [bytes, code] of wrong) {
      await expect(predictor.loadImages([file, bytes])).rejects.toMatchObject({ name: "CheckpointError", code });
      expect([predictor.imageSizes.length, backend.tensors]).toEqual([1, alive]);
    }
  });
});

describe("MemoryEmbeddingCache", () => {
  test("an image with a key is encoded once", async () => {
    const cache = new MemoryEmbeddingCache();
    await using predictor = new ImagePredictor(model);
    const [first, second] = images as [RawImage, RawImage];
    await predictor.setImage(first, { cache, key: "first" });
    const before = await predictor.predict(click);
    await predictor.setImage(second, { cache, key: "second" });
    await predictor.setImage(first, { cache, key: "first" });
    expect(await predictor.predict(click)).toEqual(before);
    expect([encodes(), cache.keys]).toEqual([2, ["second", "first"]]);
  });

  test("of two images set at once each is kept under its own key", async () => {
    const cache = new MemoryEmbeddingCache();
    await using predictor = new ImagePredictor(model);
    const [first, second] = images as [RawImage, RawImage];
    await Promise.all([
      predictor.setImage(first, { cache, key: "first" }),
      predictor.setImage(second, { cache, key: "second" }),
    ]);
    await using alone = new ImagePredictor(model);
    for (const [key, image] of [
      ["first", first],
      ["second", second],
    ] as const) {
      await alone.setImage(image);
      expect(cache.get(key)).toEqual(await alone.saveImage());
    }
  });

  test.each(["an abort", "a cache that fails"])("%s before the end leaves the image set before", async (what) => {
    const abort = new TestAbort();
    const cache = {
      get: () => undefined,
      set: async () => {
        if (what === "a cache that fails") throw new Error("disk full");
        abort.abort();
      },
    };
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(noiseImage(7, 7));
    const alive = backend.tensors;
    const setting = predictor.setImage(images[0] as RawImage, { cache, key: "first", signal: abort.signal });
    await expect(setting).rejects.toThrow(what === "an abort" ? "aborted by the test" : "disk full");
    expect([predictor.imageSizes, backend.tensors]).toEqual([[{ width: 7, height: 7 }], alive]);
  });

  test("a file that cannot stand for the image is replaced", async () => {
    const [image, other] = images as [RawImage, RawImage];
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(other);
    const others = await predictor.saveImage();
    for (const wrong of [new Uint8Array(9), others.subarray(0, 100), others]) {
      const cache = new MemoryEmbeddingCache();
      cache.set("key", wrong);
      await predictor.setImage(image, { cache, key: "key" });
      expect(cache.get("key")).toEqual(await predictor.saveImage());
      expect(predictor.imageSizes).toEqual([{ width: image.width, height: image.height }]);
    }
  });

  test("is bounded, and what was used longest ago goes first", () => {
    const cache = new MemoryEmbeddingCache({ maxBytes: 10 });
    for (const key of ["a", "b", "c"]) cache.set(key, new Uint8Array(3));
    cache.get("a");
    cache.set("d", new Uint8Array(4));
    expect([cache.keys, cache.bytes]).toEqual([["c", "a", "d"], 10]);
    cache.set("c", new Uint8Array(11));
    expect([cache.keys, cache.bytes]).toEqual([["a", "d"], 7]);
    cache.delete("a");
    expect([cache.get("a"), cache.bytes]).toEqual([undefined, 4]);
    expect(() => new MemoryEmbeddingCache({ maxBytes: -1 })).toThrow("maxBytes must be a number from 0, got -1");
  });
});

describe("segmentMany", () => {
  const collect = async (jobs: Iterable<ImageJob> | AsyncIterable<ImageJob>, options?: SegmentManyOptions) => {
    const results: ImageJobResult[] = [];
    for await (const result of segmentMany(model, jobs, options)) results.push(result);
    return results;
  };

  test.each([1, 3])("gives what a predictor gives for each, %i in a run", async (imagesPerRun) => {
    const jobs = images.map(
      (image): ImageJob => ({ image: async () => image, prompts: [click, { box: [1, 1, 6, 9] }] }),
    );
    const results = await collect(jobs, { imagesPerRun, multimaskOutput: false });
    await using predictor = new ImagePredictor(model);
    for (const [i, image] of images.entries()) {
      await predictor.setImage(image);
      const predictions = await predictor.predictMany([click, { box: [1, 1, 6, 9] }], { multimaskOutput: false });
      expect(results[i]).toEqual({ job: jobs[i], image, predictions });
    }
  });

  test("refines, and takes from the cache what has a key", async () => {
    const image = images[0] as RawImage;
    const cache = new MemoryEmbeddingCache();
    const jobs = [image, image].map((image): ImageJob => ({ image, key: "first", prompts: [click] }));
    const results = await collect(jobs, { cache, refine: { iterations: 2 } });
    expect(encodes()).toBe(1);
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(image);
    const predictions = [await predictor.refine(click, { iterations: 2 })];
    expect(results).toEqual(jobs.map((job) => ({ job, image, predictions })));
  });

  test("a run of the encoder that fails is the result of its images alone", async () => {
    backend.intervene = async (step) => {
      if (step === "run imageEncoder" && encodes() === 1) throw new Error("no memory");
    };
    const jobs = images.map((image) => ({ image, prompts: [click] }));
    const results = await collect(jobs, { imagesPerRun: 2 });
    backend.intervene = async () => {};
    expect(results.map((result) => ("error" in result ? `${result.error}` : result.predictions.length))).toEqual([
      "Error: no memory",
      "Error: no memory",
      1,
    ]);
  });

  test("decodes ahead, but no further than it was told", async () => {
    let [decoded, done] = [0, 0];
    const furthest: number[] = [];
    async function* jobs() {
      for (let i = 0; i < 8; i++) {
        const image = async () => {
          decoded++;
          return noiseImage(12, 12);
        };
        yield { image, prompts: [click] };
      }
    }
    for await (const _ of segmentMany(model, jobs(), { readAhead: 3, imagesPerRun: 1 })) {
      done++;
      furthest.push(decoded - done);
    }
    expect(done).toBe(8);
    expect(Math.max(...furthest)).toBe(3);
  });

  test("what is wrong with one image or its prompts is its own result", async () => {
    const good = { image: noiseImage(12, 12), prompts: [click] };
    const broken = { ...good, image: () => Promise.reject(new Error("no such file")) };
    const misshapen = { ...good, image: { ...noiseImage(12, 12), width: 7 } };
    const unprompted = { ...good, prompts: () => [{ points: [[99, 1]] }] as const };
    const results = await collect([broken, good, misshapen, unprompted, good], { imagesPerRun: 2 });
    const told = results.map((result) => ("error" in result ? result.error : result.predictions.length));
    expect(told).toMatchObject([
      { message: "no such file" },
      1,
      { name: "ImageError", code: "image-data-length" },
      { name: "PromptError" },
      1,
    ]);
  });

  test("an abort and a break free everything, and end the jobs", async () => {
    const alive = backend.tensors;
    let ended = 0;
    function* jobs() {
      try {
        for (;;) yield { image: noiseImage(12, 12), prompts: [click] };
      } finally {
        ended++;
      }
    }
    for await (const _ of segmentMany(model, jobs())) break;
    const abort = new TestAbort();
    const loop = async () => {
      for await (const _ of segmentMany(model, jobs(), { signal: abort.signal })) abort.abort();
    };
    await expect(loop()).rejects.toBe(abort.reason);
    await new Promise((resolve) => setTimeout(resolve));
    expect([ended, backend.tensors]).toEqual([2, alive]);
    await expect(collect([], { readAhead: -1 })).rejects.toMatchObject({ code: "bad-option" });
  });
});
