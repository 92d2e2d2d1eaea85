/** Which engine a page gets, and what becomes of it. */
import type { DeviceTensor } from "@masklet/core";
import { float32 } from "@masklet/core/backend";
import { toyEncoderGraph, toyWeights } from "@masklet/core/testing";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import type { TfjsBackend } from "../src/public.ts";
import { availableEngines, createTfjsBackend } from "../src/web.ts";

/** Where the test's server has the engine's files. */
const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";
const image = float32(
  [1, 14, 14, 3],
  Float32Array.from({ length: 588 }, (_, i) => Math.sin(i)),
);

afterEach(() => {
  vi.restoreAllMocks();
});

async function encode(backend: TfjsBackend): Promise<DeviceTensor> {
  const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
  const { features } = await encoder.run({ image });
  return features as DeviceTensor;
}

test("the best that the page has", async () => {
  expect(await availableEngines({ wasmPaths })).toEqual(["webgpu", "webgl", "wasm", "cpu"]);
  await using backend = disposable(await createTfjsBackend());
  expect(backend.capabilities.device).toBe("webgpu");
  expect(backend.capabilities.maxTensorBytes).toBeGreaterThanOrEqual(2 ** 27);
});

test("without WebGPU the next best, and an error that says so where it was asked for", async () => {
  const { gpu } = navigator as unknown as { gpu: { requestAdapter(): Promise<object | null> } };
  vi.spyOn(gpu, "requestAdapter").mockResolvedValue(null);
  await using backend = disposable(await createTfjsBackend());
  expect(backend.capabilities.device).toBe("webgl");
  await expect(createTfjsBackend({ engine: "webgpu" })).rejects.toMatchObject({
    name: "BackendError",
    code: "device-unavailable",
    message: expect.stringContaining("there is no WebGPU adapter"),
    details: { available: ["webgl", "wasm", "cpu"] },
  });
});

test("webgpu: what the device refuses is an error, not zeros", async () => {
  await using backend = disposable(await createTfjsBackend({ engine: "webgpu" }));
  const limit = backend.capabilities.maxTensorBytes as number;
  const tooLarge = { dtype: "bool", dims: [limit + 4], data: new Uint8Array(limit + 4) } as const;
  expect(() => backend.upload(tooLarge)).toThrow(`webgpu has room for ${limit} in one tensor`);
  const { device } = tf.backend() as unknown as { device: { createBuffer(descriptor: object): object } };
  const createBuffer = device.createBuffer.bind(device);
  const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
  // A buffer without a purpose beside each: a validation error, which WebGPU reports on the side.
  vi.spyOn(device, "createBuffer").mockImplementation((descriptor) => {
    createBuffer({ size: 4, usage: 0 });
    return createBuffer(descriptor);
  });
  const refused = encoder.run({ image: float32([3, 14, 14, 3], new Float32Array(3 * 588)) });
  await expect(refused).rejects.toMatchObject({ name: "BackendError", code: "run-failed" });
});

test.each([
  ["webgpu", () => (tf.backend() as unknown as { device: { destroy(): void } }).device.destroy()],
  [
    "webgl",
    () => {
      const { gpgpu } = tf.backend() as unknown as { gpgpu: { gl: WebGL2RenderingContext } };
      gpgpu.gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  ],
] as const)("%s: a lost device is reported, and the next backend gets another", async (engine, lose) => {
  const backend = await createTfjsBackend({ engine });
  const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
  const { features } = await encoder.run({ image });
  const expected = await (features as DeviceTensor).read();
  lose();
  const lost = { name: "BackendError", code: "device-lost", message: expect.stringContaining("make a new backend") };
  await expect(encoder.run({ image })).rejects.toMatchObject(lost);
  await expect(encode(backend)).rejects.toMatchObject(lost);
  expect(() => backend.upload(image)).toThrow("the device was lost".replace("the", `the ${engine}`));
  await backend.dispose();

  await using next = disposable(await createTfjsBackend({ engine }));
  expect(await (await encode(next)).read()).toEqual(expected);
});

/** For `await using`. */
function disposable(backend: TfjsBackend): TfjsBackend & AsyncDisposable {
  return Object.assign(backend, { [Symbol.asyncDispose]: () => backend.dispose() });
}
