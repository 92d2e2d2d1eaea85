/** A page that is used for long: images and clicks leave nothing behind. */
import { type Image, ImagePredictor, parseConfig, Sam2 } from "@masklet/core";
import { nanoModel } from "@masklet/model-nano";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { createTfjsBackend } from "../src/web.ts";

/** Where the test's server has the engine's files. */
const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";

/** Pictures of many sizes. */
function picture(seed: number): Image {
  const [width, height] = [200 + 7 * (seed % 9), 150 + 11 * (seed % 5)];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (seed + 7)) % 251);
  return { width, height, channels: 3, data };
}

interface Used {
  readonly tensors: number;
  readonly bytes: number;
  /** Of the wasm heap, or of all textures. */
  readonly device: number;
}

function used(): Used {
  const { numTensors, numBytes, ...more } = tf.memory() as tf.MemoryInfo & { numBytesInGPUAllocated?: number };
  const { wasm } = tf.backend() as unknown as { wasm?: { HEAPU8: Uint8Array } };
  return { tensors: numTensors, bytes: numBytes, device: wasm?.HEAPU8.length ?? more.numBytesInGPUAllocated ?? 0 };
}

test.each([
  { engine: "wasm", images: 50, clicks: 4, warm: 10 },
  { engine: "webgl", images: 4, clicks: 2, warm: 2 },
] as const)("$engine: $images images with $clicks clicks each", async ({ engine, images, clicks, warm }) => {
  const checkpoint = new Uint8Array(await (await fetch(nanoModel.checkpoint)).arrayBuffer());
  const config = parseConfig(await (await fetch(nanoModel.config)).json());
  const backend = await createTfjsBackend({ engine, wasmPaths });
  const start = tf.memory().numTensors;
  const model = await Sam2.load(checkpoint, { backend, config });
  const predictor = new ImagePredictor(model);
  let warmed: Used | undefined;
  for (let i = 0; i < images; i++) {
    await predictor.setImage(picture(i));
    for (let click = 0; click < clicks; click++) {
      // One point more at every click: shapes vary, as they do when a mask is refined.
      const points = Array.from({ length: 1 + click }, (_, n): [number, number] => [20 + 30 * n, 40 + i]);
      await predictor.predict({ points });
    }
    if (i + 1 === warm) warmed = used();
  }
  expect(used()).toEqual(warmed);
  predictor.dispose();
  await model.dispose();
  await backend.dispose();
  expect(tf.memory().numTensors).toBe(start);
});
