/** A page that is used for long: images and clicks leave nothing behind. */
import { type Image, ImagePredictor, parseConfig, Sam2, writeSafetensors } from "@masklet/core";
import { nanoModel } from "@masklet/model-nano";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toyJson, toyTensors } from "../../core/test/toy-sam2.ts";
import { createOrtBackend } from "../src/web.ts";

const MiB = 2 ** 20;

/** Pictures of many sizes. */
function picture(seed: number): Image {
  const [width, height] = [200 + 7 * (seed % 9), 150 + 11 * (seed % 5)];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (seed + 7)) % 251);
  return { width, height, channels: 3, data };
}

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

/** The page's heap after a collection, in bytes: by Chromium's own functions, of which two want flags. */
async function heap(): Promise<number> {
  const { gc, performance } = globalThis as unknown as {
    gc(options: { readonly execution: "async" }): Promise<void>;
    readonly performance: { readonly memory: { readonly usedJSHeapSize: number } };
  };
  for (let i = 0; i < 2; i++) await gc({ execution: "async" });
  return performance.memory.usedJSHeapSize;
}

const nano = async (): Promise<readonly [checkpoint: Uint8Array, config: unknown]> => [
  new Uint8Array(await (await fetch(nanoModel.checkpoint)).arrayBuffer()),
  await (await fetch(nanoModel.config)).json(),
];
/** As many nodes, less to compute: a software adapter takes its time. */
const toy = async (): ReturnType<typeof nano> => [writeSafetensors(await toyTensors()), toyJson];

test.each([
  { device: "wasm", name: "nano", load: nano },
  { device: "webgpu", name: "toy", load: toy },
] as const)("$device, $name model: 50 images with 4 clicks each", { timeout: 600_000 }, async ({ device, load }) => {
  const [checkpoint, config] = await load();
  const backend = await createOrtBackend({ device });
  const model = await Sam2.load(checkpoint, { backend, config: parseConfig(config) });
  const predictor = new ImagePredictor(model);
  const used = () => ({
    tensors: backend.liveTensors,
    wasmBytes: [...memories].map(({ buffer }) => buffer.byteLength),
    buffers: buffers.size,
    bufferBytes: [...buffers].reduce((sum, { size }) => sum + size, 0),
  });
  let warmed: ReturnType<typeof used> | undefined;
  let warmedHeap = 0;
  for (let i = 0; i < 50; i++) {
    await predictor.setImage(picture(i));
    for (let click = 0; click < 4; click++) {
      // One point more at every click: shapes vary, as they do when a mask is refined.
      const points = Array.from({ length: 1 + click }, (_, n): [number, number] => [20 + 30 * n, 40 + i]);
      await predictor.predict({ points });
    }
    if (i === 9) {
      warmed = used();
      warmedHeap = await heap();
    }
  }
  expect(warmed?.wasmBytes.length).toBeGreaterThan(0);
  expect(warmed?.buffers ?? 0).toSatisfy((count: number) => device === "wasm" || count > 0);
  expect(used()).toEqual(warmed);
  expect((await heap()) - warmedHeap).toBeLessThan(2 * MiB);
  predictor.dispose();
  await model.dispose();
  await backend.dispose();
  expect(backend.liveTensors).toBe(0);
  expect(buffers.size).toBe(0);
});
