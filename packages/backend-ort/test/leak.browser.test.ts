import type { TestedBackend } from "@masklet/core/test/goldens/shared";
import { useForLong } from "@masklet/core/test/long-use.web";
import { nanoModel } from "@masklet/model-nano";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createOrtBackend } from "../src/web.ts";

/** What the page has made: wasm memories, and GPU buffers that are not destroyed. */
const memories = new Set<WebAssembly.Memory>();
const buffers = new Set<GPUBuffer>();

const restore: (() => void)[] = [];

/** Spies would keep every buffer that they returned. */
function replace<T extends object, K extends keyof T>(target: T, key: K, by: (original: T[K]) => T[K]): void {
  const original = target[key];
  target[key] = by(original);
  restore.push(() => {
    target[key] = original;
  });
}

beforeEach(() => {
  type Source = WebAssembly.WebAssemblyInstantiatedSource;
  const noted = (result: Source, imports: WebAssembly.Imports = {}): Source => {
    for (const value of [result.instance.exports, ...Object.values(imports)].flatMap(Object.values<unknown>)) {
      if (value instanceof WebAssembly.Memory) memories.add(value);
    }
    return result;
  };
  replace(WebAssembly, "instantiateStreaming", (instantiate) => async (source, imports) => {
    return noted(await instantiate(source, imports), imports);
  });
  replace(GPUDevice.prototype, "createBuffer", (createBuffer) => {
    return function (this: GPUDevice, descriptor) {
      const buffer = createBuffer.call(this, descriptor);
      buffers.add(buffer);
      return buffer;
    };
  });
  replace(GPUBuffer.prototype, "destroy", (destroy) => {
    return function (this: GPUBuffer) {
      buffers.delete(this);
      return destroy.call(this);
    };
  });
});
afterEach(() => {
  memories.clear();
  buffers.clear();
  for (const undo of restore.splice(0)) undo();
});

test.each([
  { device: "wasm", name: "nano", model: nanoModel, warm: 10, images: 30 },
  { device: "webgpu", name: "toy", model: "toy", warm: 3, images: 6 }, // a software adapter takes its time
] as const)("$device, $name model: $images images with 4 clicks each", { timeout: 600_000 }, async (tested) => {
  const { device, name: _, ...use } = tested;
  const used = ({ liveTensors }: TestedBackend) => {
    const wasmBytes = [...memories].map(({ buffer }) => buffer.byteLength);
    expect(wasmBytes.length).toBeGreaterThan(0);
    expect(buffers.size > 0).toBe(device === "webgpu");
    return {
      liveTensors,
      wasmBytes,
      buffers: buffers.size,
      bytes: [...buffers].reduce((sum, { size }) => sum + size, 0),
    };
  };
  await useForLong(() => createOrtBackend({ device }), { ...use, used });
  expect(buffers.size).toBe(0);
});
