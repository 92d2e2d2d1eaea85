import util from "node:util";
import { BackendError, type DeviceTensor, type HostTensor } from "@masklet/core";
import { assertClose, floats, TestAbort, toyDecoderGraph, toyEncoderGraph, toyWeights } from "@masklet/core/testing";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createBackend } from "../src/backend.ts";
import { Engine } from "../src/engine.ts";
import { availableEngines, createTfjsBackend } from "../src/node.ts";

const image = (n = 1): Record<string, HostTensor> => ({
  image: floats([n, 14, 14, 3], ...Array.from({ length: n * 588 }, (_, i) => Math.sin(i))),
});

const readFirst = async (outputs: Record<string, DeviceTensor>): Promise<HostTensor> => {
  const [first] = Object.values(outputs) as [DeviceTensor];
  const host = await first.read();
  for (const tensor of Object.values(outputs)) tensor.dispose();
  return host;
};

describe("engines", () => {
  test("the best that is installed", async () => {
    const backend = await createTfjsBackend();
    expect(backend.capabilities).toEqual({
      device: "wasm",
      deviceTensors: true,
      dtypes: ["fp32"],
      fusedOps: expect.any(Array),
    });
    await backend.dispose();
    expect(await availableEngines()).toEqual(["wasm", "cpu"]);
  });

  test.each(["node", "node-gpu"] as const)("%s without its package names the package", async (engine) => {
    await expect(createTfjsBackend({ engine })).rejects.toMatchObject({
      code: "runtime-missing",
      message: expect.stringContaining(`npm install @tensorflow/tfjs-${engine}`),
    });
  });

  test("one that this host does not have", async () => {
    const asked = createTfjsBackend({ engine: "webgl" as "cpu" });
    await expect(asked).rejects.toMatchObject({
      name: "BackendError",
      code: "device-unavailable",
      message: expect.stringContaining('engine "webgl" is not available here'),
      details: { engine: "webgl", available: ["wasm", "cpu"] },
    });
  });

  test("one that does not start", async () => {
    tf.registerBackend("tensorflow", () => Promise.reject(new Error("no library")));
    vi.spyOn(console, "warn").mockImplementation(() => {});
    try {
      await expect(createTfjsBackend({ tf, engine: "node" })).rejects.toMatchObject({
        code: "device-unavailable",
        message: expect.stringContaining("it does not start"),
      });
    } finally {
      tf.removeBackend("tensorflow");
      vi.restoreAllMocks();
    }
  });

  test("an injected runtime that lacks the engine", async () => {
    await expect(createTfjsBackend({ tf, engine: "node" })).rejects.toMatchObject({ code: "device-unavailable" });
  });
});

test("libtensorflow has the function of util that it calls", async () => {
  await createTfjsBackend({ engine: "node" }).catch(() => {});
  const { isNullOrUndefined } = util as unknown as { isNullOrUndefined: (value: unknown) => boolean };
  expect([null, undefined, 0, ""].map(isNullOrUndefined)).toEqual([true, true, false, false]);
});

describe("libtensorflow, its place taken by the cpu engine", () => {
  class Native extends MathBackendCPU {
    readonly isGPUPackage: boolean;
    constructor(isGPUPackage: boolean) {
      super();
      this.isGPUPackage = isGPUPackage;
    }
  }
  const inject = (isGpu: boolean): void => {
    tf.registerBackend("tensorflow", () => new Native(isGpu));
    if (tf.getKernelsForBackend("tensorflow").length === 0) tf.copyRegisteredKernels("cpu", "tensorflow");
  };
  afterEach(() => tf.removeBackend("tensorflow"));

  test.each([
    [false, "node"],
    [true, "node-gpu"],
  ] as const)("GPU package: %s is found as %s", async (isGpu, device) => {
    await createTfjsBackend({ engine: "cpu" });
    inject(isGpu);
    const backend = await createTfjsBackend({ tf });
    expect(backend.capabilities.device).toBe(device);
    const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
    expect((await readFirst(await encoder.run(image()))).dims).toEqual([1, 49, 12]);
    await backend.dispose();
  });

  test("one package is not the other", async () => {
    inject(false);
    await expect(createTfjsBackend({ tf, engine: "node-gpu" })).rejects.toMatchObject({
      message: expect.stringContaining("the runtime is @tensorflow/tfjs-node"),
    });
  });
});

describe.each(["cpu", "wasm"] as const)("memory on %s", (engine) => {
  test("is back to where it was after dispose", async () => {
    await (await createTfjsBackend({ engine })).dispose();
    const before = tf.memory();
    const backend = await createTfjsBackend({ engine });
    const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
    await backend.compile(toyDecoderGraph(), toyWeights());
    const uploaded = backend.upload(floats([2], 1, 2));
    const compiled = tf.memory();
    expect(compiled.numTensors).toBeGreaterThan(before.numTensors);
    for (let n = 1; n <= 4; n++) await readFirst(await encoder.run(image(n)));
    expect(tf.memory()).toMatchObject({ numTensors: compiled.numTensors, numBytes: compiled.numBytes });
    const outputs = await encoder.run(image());
    expect(backend.liveTensors).toBe(2);
    await backend.dispose();
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
    outputs["features"]?.dispose();
    uploaded.dispose();
  });

  test("is back after a run that fails, and after one that is aborted", async () => {
    const backend = await createTfjsBackend({ engine });
    const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
    const before = tf.memory().numTensors;
    vi.spyOn(tf.engine(), "runKernel").mockImplementation(() => {
      throw new Error("broken kernel");
    });
    const failed = encoder.run(image());
    await expect(failed).rejects.toMatchObject({
      name: "BackendError",
      code: "run-failed",
      message: expect.stringContaining("broken kernel"),
    });
    vi.restoreAllMocks();
    const abort = new TestAbort();
    const aborted = encoder.run(image(), { signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toBe(abort.reason);
    await readFirst(await encoder.run(image()));
    expect(tf.memory().numTensors).toBe(before);
    await backend.dispose();
  });

  test("is not taken by a tidy of the caller's", async () => {
    const backend = await createTfjsBackend({ engine });
    const kept: DeviceTensor[] = [];
    tf.tidy(() => void kept.push(backend.upload(floats([2], 3, 4))));
    expect((await kept[0]?.read())?.data).toEqual(Float32Array.of(3, 4));
    await backend.dispose();
  });
});

test("engines of one runtime take turns, and each computes where it should", async () => {
  const engines = ["cpu", "wasm"] as const;
  const backends = await Promise.all(engines.map((engine) => createTfjsBackend({ engine })));
  const encoders = await Promise.all(backends.map((backend) => backend.compile(toyEncoderGraph(), toyWeights())));
  const runs = Array.from({ length: 6 }, (_, i) => (encoders[i % 2] as (typeof encoders)[number]).run(image()));
  const meddling = tf.setBackend("cpu");
  const outputs = await Promise.all(runs);
  await meddling;
  const results = await Promise.all(outputs.map(readFirst));
  for (const result of results) assertClose(result, results[0] as HostTensor, "features");
  const [onCpu, onWasm] = encoders as [(typeof encoders)[number], (typeof encoders)[number]];
  const { features } = await onCpu.run(image());
  await expect(onWasm.run({ image: features as DeviceTensor })).rejects.toMatchObject({ code: "bad-feeds" });
  await Promise.all(backends.map((backend) => backend.dispose()));
});

describe("room", () => {
  const limited = async (limits: Partial<Engine["traits"]>) => {
    await (await createTfjsBackend({ engine: "cpu" })).dispose();
    const engine = new Engine(tf, "cpu", limits);
    return createBackend(engine, async () => {});
  };

  test("a tensor larger than the engine's largest is refused, not zeros", async () => {
    const backend = await limited({ maxTensorBytes: 4000 });
    expect(backend.capabilities.maxTensorBytes).toBe(4000);
    const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
    await expect(encoder.run(image(2))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("cpu has room for 4000 in one tensor"),
    });
    expect(() => backend.upload(floats([1001], ...new Array<number>(1001).fill(0)))).toThrow(BackendError);
    await backend.dispose();
  });

  test("a full heap is reported before it overflows", async () => {
    const backend = await limited({ heapBytes: tf.memory().numBytes + 40_000 });
    const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
    await expect(encoder.run(image(8))).rejects.toMatchObject({ code: "out-of-memory" });
    await readFirst(await encoder.run(image(1)));
    await backend.dispose();
  });

  test("attention in blocks of queries gives the same", async () => {
    const results: HostTensor[] = [];
    for (const limits of [{}, { scoreBytes: 4 * 16 * 5 }, { scoreBytes: 1 }, { softmaxRows: 7 }]) {
      const backend = await limited(limits);
      const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
      results.push(await readFirst(await encoder.run(image())));
      await backend.dispose();
    }
    for (const { data } of results) expect(data).toEqual(results[0]?.data);
  });
});
