/** Which device a page gets, and what becomes of it. */
import { type DeviceTensor, ImagePredictor, loadSam2, writeSafetensors } from "@masklet/core";
import { float32, GraphBuilder } from "@masklet/core/backend";
import { toyConfig, toyTensors } from "@masklet/core/test/toy-sam2";
import { memoryWeights, RandomTensors, toyEncoderGraph, toyWeights } from "@masklet/core/testing";
import { afterEach, expect, test, vi } from "vitest";
import type { GpuAdapter, GpuDevice } from "../src/gpu.ts";
import type { OrtBackend } from "../src/runtime.ts";
import { availableDevices, createOrtBackend } from "../src/web.ts";

const { gpu } = navigator as unknown as { readonly gpu: { requestAdapter(): Promise<GpuAdapter | null> } };
const image = new RandomTensors(2).floats([1, 14, 14, 3]);

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** A backend with the device that it got. */
async function createOnGpu(): Promise<{ readonly backend: OrtBackend; readonly device: GpuDevice }> {
  const devices: GpuDevice[] = [];
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  const spy = vi.spyOn(gpu, "requestAdapter").mockImplementation(async () => {
    const adapter = (await requestAdapter()) as GpuAdapter;
    const requestDevice = adapter.requestDevice.bind(adapter);
    vi.spyOn(adapter, "requestDevice").mockImplementation(async (descriptor) => {
      const device = await requestDevice(descriptor);
      devices.push(device);
      return device;
    });
    return adapter;
  });
  const backend = await createOrtBackend({ device: "webgpu" });
  spy.mockRestore();
  return { backend, device: devices[0] as GpuDevice };
}

async function encode(backend: OrtBackend): Promise<DeviceTensor> {
  const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
  const { features } = await encoder.run({ image });
  return features as DeviceTensor;
}

test("WebGPU where there is an adapter; what it declares", async () => {
  expect(await availableDevices()).toEqual(["webgpu", "wasm"]);
  const backend = await createOrtBackend();
  const adapter = (await gpu.requestAdapter()) as GpuAdapter;
  expect(backend.capabilities).toMatchObject({
    device: "webgpu",
    deviceTensors: true,
    maxTensorBytes: Math.min(adapter.limits.maxStorageBufferBindingSize, adapter.limits.maxBufferSize),
  });
  // The adapter of this test is a CPU's, and says so.
  expect(backend.capabilities.fusedOps).not.toContain("attention");
  await backend.dispose();
  const fused = await createOrtBackend({ attention: "fused" });
  expect(fused.capabilities.fusedOps).toContain("attention");
  await fused.dispose();
});

test.each([
  ["no adapter", () => vi.spyOn(gpu, "requestAdapter").mockResolvedValue(null)],
  ["an adapter that fails", () => vi.spyOn(gpu, "requestAdapter").mockRejectedValue(new Error("no driver"))],
  ["no WebGPU", () => vi.stubGlobal("navigator", {})],
])("%s: wasm, and an error that says so where WebGPU was asked for", async (_, take) => {
  take();
  expect(await availableDevices()).toEqual(["wasm"]);
  const backend = await createOrtBackend();
  expect(backend.capabilities.device).toBe("wasm");
  const features = await encode(backend);
  expect((await features.read()).data.length).toBeGreaterThan(0);
  await backend.dispose();
  await expect(createOrtBackend({ device: "webgpu" })).rejects.toMatchObject({
    name: "BackendError",
    code: "device-unavailable",
    message: expect.stringContaining("there is no WebGPU adapter"),
    details: { available: ["wasm"] },
  });
});

test.each([
  ["SIMD", () => vi.spyOn(WebAssembly, "validate").mockReturnValue(false)],
  ["WebAssembly", () => vi.stubGlobal("WebAssembly", undefined)],
])("no %s: an error that says what is needed", async (_, take) => {
  take();
  expect(await availableDevices()).toEqual([]);
  for (const device of ["wasm", "webgpu"] as const) {
    await expect(createOrtBackend({ device })).rejects.toMatchObject({
      code: "device-unavailable",
      message: expect.stringContaining("needs WebAssembly with SIMD"),
      details: { available: [] },
    });
  }
});

test("webgpu: a tensor beyond the limit is refused before anything runs, and the next run works", async () => {
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  vi.spyOn(gpu, "requestAdapter").mockImplementation(async () => {
    const adapter = (await requestAdapter()) as GpuAdapter;
    const limits = { ...adapter.limits, maxStorageBufferBindingSize: 2 ** 20 };
    for (const limit in adapter.limits) {
      const key = limit as keyof typeof limits;
      if (key !== "maxStorageBufferBindingSize") limits[key] = adapter.limits[key];
    }
    return new Proxy(adapter, {
      get: (target, key) => {
        if (key === "limits") return limits;
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  });
  const backend = await createOrtBackend({ device: "webgpu" });
  const { maxTensorBytes = 0 } = backend.capabilities;
  const g = new GraphBuilder("wide");
  const x = g.input("x", ["n", 1024]);
  g.output("y", g.add(g.concat([x, x], 0), g.weight("w", [1024])));
  const executable = await backend.compile(g.build(), memoryWeights({ w: float32([1024], new Float32Array(1024)) }));
  const rows = maxTensorBytes / 4096;
  await expect(executable.run({ x: float32([rows, 1024], new Float32Array(rows * 1024)) })).rejects.toMatchObject({
    name: "BackendError",
    code: "unsupported",
    message: expect.stringContaining(`the device has room for ${maxTensorBytes} in one tensor`),
    details: { bytes: 2 * maxTensorBytes, maxTensorBytes },
  });
  const { y } = await executable.run({ x: float32([2, 1024], new Float32Array(2048).fill(3)) });
  expect((await y?.read())?.data).toEqual(new Float32Array(4096).fill(3));
  await backend.dispose();
});

test("webgpu: after a run that failed none answers with its inputs", async () => {
  const backend = await createOrtBackend({ device: "webgpu" });
  const g = new GraphBuilder("part");
  const x = g.input("x", ["n", 4]);
  g.output("sum", g.add(g.input("y", [4]), g.scalar(1)));
  g.output(
    "attended",
    g.attention(g.reshape(x, [1, "n", 4]), g.reshape(x, [1, "n", 4]), g.reshape(x, [1, "n", 4]), {
      heads: 1,
      scale: 1,
    }),
  );
  const graph = g.build();
  const feeds = (n: number) => ({
    x: float32([n, 4], new Float32Array(4 * n)),
    y: float32([4], new Float32Array(4).fill(n)),
  });
  const executable = await backend.compile(graph, memoryWeights({}));
  // Nothing to attend to, which the kernels refuse, beside an output that is not empty.
  const failed = { name: "BackendError", code: "run-failed" };
  await expect(executable.run(feeds(0))).rejects.toMatchObject(failed);
  await expect(executable.run(feeds(2))).rejects.toMatchObject({
    ...failed,
    message: expect.stringContaining("compile the graph again"),
  });
  expect(executable.broken).toBe(true);
  const again = await backend.compile(graph, memoryWeights({}));
  const { sum } = await again.run(feeds(2));
  expect((await sum?.read())?.data).toEqual(new Float32Array(4).fill(3));
  await backend.dispose();
});

test("webgpu: a lost device is reported at once, also to what waits, and the next backend gets another", async () => {
  const { backend, device } = await createOnGpu();
  const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
  const { features } = await encoder.run({ image });
  const expected = await (features as DeviceTensor).read();
  const { features: unread } = await encoder.run({ image });
  const lost = { name: "BackendError", code: "device-lost", message: expect.stringContaining("make a new backend") };
  const waiting = [1, 2, 3].map(() => encoder.run({ image }));
  device.destroy();
  await Promise.all(waiting.map((run) => expect(run).rejects.toMatchObject(lost)));
  await expect((unread as DeviceTensor).read()).rejects.toMatchObject(lost);
  await expect(encoder.run({ image })).rejects.toMatchObject(lost);
  await expect(encode(backend)).rejects.toMatchObject(lost);
  expect(() => backend.upload(image)).toThrow("the GPU device was lost");
  await backend.dispose();
  expect(backend.liveTensors).toBe(0);

  const next = await createOrtBackend({ device: "webgpu" });
  expect(await (await encode(next)).read()).toEqual(expected);
  await next.dispose();
});

test("webgpu: a predictor reports the loss, and one made anew works", async () => {
  const checkpoint = writeSafetensors(await toyTensors());
  const config = toyConfig;
  const picture = { width: 60, height: 40, channels: 3, data: new Uint8Array(7200).fill(90) } as const;
  const first = await createOnGpu();
  const model = await loadSam2(checkpoint, { backend: first.backend, config });
  const predictor = new ImagePredictor(model);
  await predictor.setImage(picture);
  const before = await predictor.predict({ points: [[20, 20]] });
  first.device.destroy();
  await expect(predictor.predict({ points: [[20, 20]] })).rejects.toMatchObject({ code: "device-lost" });
  await expect(predictor.setImage(picture)).rejects.toMatchObject({ code: "device-lost" });
  predictor.dispose();
  await model.dispose();
  await first.backend.dispose();

  const backend = await createOrtBackend({ device: "webgpu" });
  const again = await loadSam2(checkpoint, { backend, config });
  await using next = new ImagePredictor(again);
  await next.setImage(picture);
  const after = await next.predict({ points: [[20, 20]] });
  expect(after.iouPredictions).toEqual(before.iouPredictions);
  await again.dispose();
  await backend.dispose();
});

test("both devices side by side", async () => {
  const backends = await Promise.all([createOrtBackend({ device: "wasm" }), createOrtBackend({ device: "webgpu" })]);
  const outputs = await Promise.all(
    backends.flatMap((backend) => [1, 2].map(async () => (await (await encode(backend)).read()).data as Float32Array)),
  );
  for (const data of outputs) {
    for (const [i, value] of data.entries()) expect(value).toBeCloseTo(outputs[0]?.[i] ?? Number.NaN, 3);
  }
  await Promise.all(backends.map((backend) => backend.dispose()));
});
