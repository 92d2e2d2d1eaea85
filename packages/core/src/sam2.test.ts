import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, torchTensor, torchZip } from "../test/checkpoint-files.ts";
import { ObservedBackend } from "../test/observed-backend.ts";
import { noiseImage, toyConfig, toyTensors } from "../test/toy-sam2.ts";
import { type ByteSource, bytesSource } from "./checkpoint/byte-source.ts";
import { writeSafetensors } from "./checkpoint/safetensors.ts";
import { presets } from "./model/config.ts";
import { ImagePredictor } from "./predict/image-predictor.ts";
import type { LoadProgress } from "./progress.ts";
import { loadSam2, type Sam2 } from "./sam2.ts";
import type { HostTensor } from "./tensor/tensor.ts";
import { TestAbort } from "./testing/fixtures.ts";

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const config = toyConfig;
let tensors: ReadonlyMap<string, HostTensor<"float32">>;
let file: Uint8Array;
let pytorch: Uint8Array;
let backend: ObservedBackend;
beforeAll(async () => {
  tensors = await toyTensors();
  file = writeSafetensors(tensors);
  const named = [...tensors];
  const storages = named.map(([, { data }], i): [string, Uint8Array] => [String(i), bytesOf(data)]);
  const state = named.map(([name, { dims, data }], i) => {
    return [name, torchTensor({ type: "FloatStorage", key: String(i), count: data.length, dims })] as const;
  });
  pytorch = torchZip({ dict: [["model", { dict: state }]] }, Object.fromEntries(storages));
});
beforeEach(() => {
  backend = new ObservedBackend();
});

/** A file whose handle is counted; `onRead` is awaited before each read. */
class CountedSource implements ByteSource {
  readonly name = "toy.safetensors";
  readonly size: number;
  closes = 0;
  reads = 0;
  readonly #inner: ByteSource;
  readonly #onRead: (read: number) => Promise<void>;

  constructor(bytes: Uint8Array, onRead: (read: number) => Promise<void> = async () => {}) {
    this.#inner = bytesSource(bytes, this.name);
    this.#onRead = onRead;
    this.size = bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.closes > 0) throw new Error("read after close");
    await this.#onRead(++this.reads);
    return this.#inner.read(offset, length);
  }

  async close(): Promise<void> {
    this.closes++;
  }
}

async function predict(sam2: Sam2) {
  await using predictor = new ImagePredictor(sam2);
  await predictor.setImage(noiseImage(20, 20));
  return await predictor.predict({ points: [[10, 10]] });
}

describe("load", () => {
  test("bytes, a source and PyTorch's format are the same model", async () => {
    const answers = [];
    for (const source of [file, bytesSource(file, "toy.safetensors"), pytorch]) {
      const sam2 = await loadSam2(source, { backend, config });
      expect([sam2.config, sam2.backendName]).toEqual([config, "observed"]);
      expect(sam2.source).toBe(source instanceof Uint8Array ? "bytes" : "toy.safetensors");
      answers.push(await predict(sam2));
      await sam2.dispose();
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(backend.executables).toBe(0);
  });

  test.each(["q8", "q4"] as const)("in %s it is nearly the same model", async (dtype) => {
    const exact = await loadSam2(file, { backend, config });
    const sam2 = await loadSam2(file, { backend, config, dtype });
    expect([exact.dtype, sam2.dtype]).toEqual(["fp32", dtype]);
    const [expected, got] = [await predict(exact), await predict(sam2)];
    expect(got.iouPredictions).not.toEqual(expected.iouPredictions);
    for (const [i, iou] of got.iouPredictions.entries()) {
      expect(Math.abs(iou - (expected.iouPredictions[i] as number))).toBeLessThan(0.05);
    }
    await exact.dispose();
    await sam2.dispose();
  });

  test("a dtype that the backend does not compute in", async () => {
    const source = new CountedSource(file);
    const modest = new Proxy(backend, {
      get: (target, key) =>
        key === "capabilities" ? { ...target.capabilities, dtypes: ["fp32", "q4"] } : Reflect.get(target, key, target),
    });
    await expect(loadSam2(source, { backend: modest, config, dtype: "q8" })).rejects.toMatchObject({
      name: "BackendError",
      code: "dtype-unsupported",
      message: "load: the observed backend on cpu computes in fp32, q4, not in q8",
      details: { dtype: "q8", device: "cpu", available: ["fp32", "q4"] },
    });
    expect(source.closes).toBe(1);
  });

  test.each([
    { contract: 2, said: "version 2", update: "@masklet/core" },
    { contract: 0, said: "version 0", update: "the backend" },
    { contract: undefined, said: "no version", update: "the backend" },
  ])("a backend that keeps to $said of the contract", async ({ contract, said, update }) => {
    const source = new CountedSource(file);
    const other = new Proxy(backend, {
      get: (target, key) => (key === "contract" ? contract : Reflect.get(target, key, target)),
    });
    await expect(loadSam2(source, { backend: other, config })).rejects.toMatchObject({
      name: "BackendError",
      code: "contract-mismatch",
      message: `load: the observed backend keeps to ${said} of the contract of backends, @masklet/core to 1: update ${update}`,
      details: { backend: "observed", contract, expected: 1 },
    });
    expect(source.closes).toBe(1);
  });

  test("the same checkpoint twice, side by side", async () => {
    const both = await Promise.all([loadSam2(file, { backend, config }), loadSam2(file, { backend, config })]);
    const [a, b] = await Promise.all(both.map(predict));
    expect(a).toEqual(b);
    await both[0]?.dispose();
    expect(await predict(both[1] as Sam2)).toEqual(a);
    await both[1]?.dispose();
  });

  test("progress goes up to the whole, graph by graph", async () => {
    const seen: LoadProgress[] = [];
    const sam2 = await loadSam2(file, { backend, config, onProgress: (progress) => seen.push(progress) });
    expect([...new Set(seen.map(({ item }) => item))]).toEqual(["imageEncoder", "maskDecoder"]);
    for (const graph of ["imageEncoder", "maskDecoder"]) {
      const steps = seen.filter((step) => step.item === graph);
      const total = steps[0]?.total;
      expect(steps.every((step) => step.total === total)).toBe(true);
      expect(steps.every(({ loaded }, i) => i === 0 || loaded >= (steps[i - 1]?.loaded ?? 0))).toBe(true);
      expect(steps.at(-1)?.loaded).toBe(total);
    }
    const fractions = seen.map(({ fraction }) => fraction);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    await sam2.dispose();
  });

  test("an onProgress that throws is the caller's own error, and nothing stays open", async () => {
    const source = new CountedSource(file);
    const stop = new Error("stop");
    const options = {
      backend,
      config,
      onProgress: () => {
        throw stop;
      },
    };
    await expect(loadSam2(source, options)).rejects.toBe(stop);
    expect([source.closes, backend.executables]).toEqual([1, 0]);
  });
});

describe("files that are no such model", () => {
  test.each<[string, () => Uint8Array, string, RegExp]>([
    ["empty", () => new Uint8Array(0), "unknown-format", /it is empty/],
    ["cut in the header", () => file.subarray(0, 100), "truncated", /the file ends at 100/],
    ["cut in the tensors", () => file.subarray(0, file.length - 1), "truncated", /the file ends at/],
    ["a cut .pt", () => pytorch.subarray(0, pytorch.length - 100), "truncated", /the zip/],
    ["of other widths", () => without(), "not-this-model", /1 tensor missing: no_mem_embed; 1 tensor left over: stray/],
  ])("%s", async (_, bytes, code, message) => {
    const source = new CountedSource(bytes());
    await expect(loadSam2(source, { backend, config })).rejects.toMatchObject({
      name: "CheckpointError",
      code,
      message: expect.stringMatching(message),
    });
    expect([source.closes, backend.steps]).toEqual([1, []]);
  });

  test("a flipped bit of a .pt", async () => {
    const damaged = pytorch.slice();
    damaged[pytorch.length >> 1] = (damaged[pytorch.length >> 1] ?? 0) ^ 1;
    const source = new CountedSource(damaged);
    await expect(loadSam2(source, { backend, config })).rejects.toMatchObject({ code: "checksum-mismatch" });
    expect([source.closes, backend.executables]).toEqual([1, 0]);
  });

  test("without its config", async () => {
    const source = new CountedSource(file);
    await expect(loadSam2(source, { backend })).rejects.toMatchObject({
      name: "CheckpointError",
      code: "config-missing",
    });
    expect(source.closes).toBe(1);
  });

  test("with the config of another", async () => {
    const source = new CountedSource(file);
    const other = presets["sam2.1-hiera-tiny"];
    await expect(loadSam2(source, { backend, config: other })).rejects.toMatchObject({
      code: "not-this-model",
      message: expect.stringContaining("toy.safetensors is not sam2.1-hiera-tiny"),
    });
    expect(source.closes).toBe(1);
  });

  function without(): Uint8Array {
    const changed = new Map(tensors);
    changed.set("stray", changed.get("no_mem_embed") as HostTensor<"float32">);
    changed.delete("no_mem_embed");
    return writeSafetensors(changed);
  }
});

describe("a source or a backend that fails", () => {
  test("reading, at any point", async () => {
    const whole = new CountedSource(file);
    await (await loadSam2(whole, { backend, config })).dispose();
    for (const at of everySoOften(whole.reads)) {
      const failure = new Error(`read ${at}`);
      const source = new CountedSource(file, async (read) => {
        if (read === at) throw failure;
      });
      await expect(loadSam2(source, { backend, config })).rejects.toBe(failure);
      expect([source.closes, backend.executables, backend.tensors]).toEqual([1, 0, 0]);
    }
  });

  test.each(["compile imageEncoder", "compile maskDecoder"])("%s", async (step) => {
    const failure = new Error("no memory");
    backend.intervene = async (current) => {
      if (current === step) throw failure;
    };
    const source = new CountedSource(file);
    await expect(loadSam2(source, { backend, config })).rejects.toBe(failure);
    expect([source.closes, backend.executables]).toEqual([1, 0]);
    backend.intervene = async () => {};
    await (await loadSam2(file, { backend, config })).dispose();
  });
});

describe("aborted", () => {
  test("before it begins: the source is closed all the same", async () => {
    const abort = new TestAbort();
    abort.abort();
    const source = new CountedSource(file);
    await expect(loadSam2(source, { backend, config, signal: abort.signal })).rejects.toBe(abort.reason);
    await settled();
    expect([source.closes, source.reads, backend.steps]).toEqual([1, 0, []]);
  });

  test.each(["safetensors", "pt"])("at any read of a .%s, by a source that knows no signals", async (format) => {
    const bytes = format === "pt" ? pytorch : file;
    const whole = new CountedSource(bytes);
    await (await loadSam2(whole, { backend, config })).dispose();
    for (const at of everySoOften(whole.reads)) {
      const abort = new TestAbort();
      const source = new CountedSource(bytes, async (read) => {
        if (read === at) abort.abort();
      });
      await expect(loadSam2(source, { backend, config, signal: abort.signal })).rejects.toBe(abort.reason);
      await settled();
      expect([source.closes, backend.executables, abort.listeners]).toEqual([1, 0, 0]);
    }
  });

  test("while a read hangs: rejects at once, and closes when the read has ended", async () => {
    const abort = new TestAbort();
    let release = (): void => {};
    const source = new CountedSource(file, async (read) => {
      if (read === 2) await new Promise<void>((resolve) => (release = resolve));
    });
    const loading = loadSam2(source, { backend, config, signal: abort.signal });
    await settled();
    abort.abort();
    await expect(loading).rejects.toBe(abort.reason);
    expect(source.closes).toBe(0);
    release();
    await settled();
    expect([source.closes, backend.steps]).toEqual([1, []]);
  });

  test.each(["compile imageEncoder", "compile maskDecoder"])("while the backend hangs in %s", async (step) => {
    const abort = new TestAbort();
    let release = (): void => {};
    backend.intervene = async (current) => {
      if (current === step) await new Promise<void>((resolve) => (release = resolve));
    };
    const source = new CountedSource(file);
    const loading = loadSam2(source, { backend, config, signal: abort.signal });
    while (backend.steps.at(-1) !== step) await settled();
    abort.abort();
    await expect(loading).rejects.toBe(abort.reason);
    release();
    for (let i = 0; i < 100 && source.closes === 0; i++) await settled();
    expect([source.closes, backend.executables]).toEqual([1, 0]);
  });

  test("at any turn of the microtask queue", async () => {
    const quick = new ObservedBackend({ compute: false });
    const total = 60;
    const outcomes = new Set<string>();
    for (let n = 0; n < total; n++) {
      const abort = new TestAbort();
      const source = new CountedSource(file);
      const loading = loadSam2(source, { backend: quick, config, signal: abort.signal });
      for (let i = 0; i < n; i++) await undefined;
      abort.abort();
      const [outcome] = await Promise.allSettled([loading]);
      outcomes.add(outcome.status);
      if (outcome.status === "fulfilled") await outcome.value.dispose();
      else expect(outcome.reason).toBe(abort.reason);
      await settled();
      expect([source.closes, quick.executables, abort.listeners]).toEqual([1, 0, 0]);
    }
    expect(outcomes).toEqual(new Set(["rejected", "fulfilled"])); // the sweep went from the first turn past the last
  });
});

describe("dispose", () => {
  test("frees the graphs and closes the source once, however often it is called", async () => {
    const source = new CountedSource(file);
    const sam2 = await loadSam2(source, { backend, config });
    expect([source.closes, backend.executables]).toEqual([0, 2]);
    await Promise.all([sam2.dispose(), sam2.dispose()]);
    await sam2.dispose();
    expect([source.closes, backend.executables]).toEqual([1, 0]);
  });

  test("await using", async () => {
    const source = new CountedSource(file);
    {
      await using sam2 = await loadSam2(source, { backend, config });
      expect(sam2.source).toBe("toy.safetensors");
    }
    expect([source.closes, backend.executables]).toEqual([1, 0]);
  });

  test("what comes after it is refused", async () => {
    const sam2 = await loadSam2(file, { backend, config });
    await sam2.dispose();
    const disposed = { name: "StateError", code: "disposed", message: "Sam2 (bytes) is disposed" };
    await expect(sam2.executable("imageEncoder")).rejects.toMatchObject(disposed);
    await expect(sam2.executable("memoryEncoder")).rejects.toMatchObject(disposed);
    await expect(sam2.weight("no_mem_embed")).rejects.toMatchObject(disposed);
  });

  test("waits for a graph that is being compiled", async () => {
    const source = new CountedSource(file);
    const sam2 = await loadSam2(source, { backend, config });
    const compiling = sam2.executable("memoryEncoder");
    await sam2.dispose();
    await compiling;
    expect([source.closes, backend.executables]).toEqual([1, 0]);
  });

  test("what fails to go leaves nothing else behind", async () => {
    const source = new CountedSource(file);
    const sam2 = await loadSam2(source, { backend, config });
    const cause = new Error("lost device");
    (await sam2.executable("imageEncoder")).dispose = () => Promise.reject(cause);
    await expect(sam2.dispose()).rejects.toMatchObject({ name: "MaskletError", code: "dispose-failed", cause });
    expect([source.closes, backend.executables]).toEqual([1, 1]);
  });

  test("all failures are told", async () => {
    const sam2 = await loadSam2(file, { backend, config });
    const errors = [new Error("first"), new Error("second")];
    (await sam2.executable("imageEncoder")).dispose = () => Promise.reject(errors[0]);
    (await sam2.executable("maskDecoder")).dispose = () => Promise.reject(errors[1]);
    await expect(sam2.dispose()).rejects.toMatchObject({
      message: "Sam2 (bytes): not all of it could be freed: first; second",
      cause: { errors },
    });
  });
});

describe("graphs on demand", () => {
  test("compiled once for all who ask", async () => {
    const sam2 = await loadSam2(file, { backend, config });
    const [a, b] = await Promise.all([sam2.executable("memoryEncoder"), sam2.executable("memoryEncoder")]);
    expect(a).toBe(b);
    expect(backend.steps.filter((step) => step === "compile memoryEncoder")).toHaveLength(1);
    await sam2.dispose();
  });

  test("who aborts does not take it from another who waits", async () => {
    const sam2 = await loadSam2(file, { backend, config });
    const abort = new TestAbort();
    const first = sam2.executable("memoryAttention", { signal: abort.signal });
    const second = sam2.executable("memoryAttention");
    const third = sam2.executable("memoryAttention", { signal: abort.signal });
    abort.abort();
    await expect(first).rejects.toBe(abort.reason);
    await expect(third).rejects.toBe(abort.reason);
    expect((await second).signature.outputs).toHaveProperty("imageEmbeddings");
    expect(backend.steps.filter((step) => step === "compile memoryAttention")).toHaveLength(1);
    await sam2.dispose();
  });

  test("one that a run has broken is compiled anew, once", async () => {
    const sam2 = await loadSam2(file, { backend, config });
    const known = await sam2.executable("maskDecoder");
    Object.assign(known, { broken: true });
    const [a, b] = await Promise.all([sam2.executable("maskDecoder"), sam2.executable("maskDecoder")]);
    expect(a).toBe(b);
    expect(a).not.toBe(known);
    expect([await sam2.executable("maskDecoder"), backend.executables]).toEqual([a, 2]);
    await sam2.dispose();
    expect(backend.executables).toBe(0);
  });

  test("one that failed is tried again", async () => {
    const sam2 = await loadSam2(file, { backend, config });
    backend.intervene = async () => {
      throw new Error("busy");
    };
    await expect(sam2.executable("memoryEncoder")).rejects.toThrow("busy");
    backend.intervene = async () => {};
    await sam2.executable("memoryEncoder");
    await sam2.dispose();
    expect(backend.executables).toBe(0);
  });
});

/** The first few of `count` steps, some on the way, and the last. */
function everySoOften(count: number): readonly number[] {
  return [1, 2, 3, ...Array.from({ length: 8 }, (_, i) => Math.round(4 + (i * (count - 4)) / 7))];
}
