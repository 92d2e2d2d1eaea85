import { useForLong } from "@masklet/core/test/long-use.web";
import { nanoModel } from "@masklet/model-nano";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { createTfjsBackend } from "../src/web.ts";

/** Where the test's server has the engine's files. */
const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";

function used(): object {
  const { numTensors, numBytes, numDataBuffers } = tf.memory();
  const { numBytesInGPUAllocated } = tf.memory() as { readonly numBytesInGPUAllocated?: number };
  const { wasm } = tf.backend() as unknown as { readonly wasm?: { readonly HEAPU8: Uint8Array } };
  return { numTensors, numBytes, numDataBuffers, numBytesInGPUAllocated, wasmBytes: wasm?.HEAPU8.length };
}

test.each([
  { engine: "wasm", name: "nano", model: nanoModel, warm: 10, images: 30 },
  { engine: "webgl", name: "toy", model: "toy", warm: 6, images: 14 }, // a software adapter takes its time
] as const)("$engine, $name model: $images images with 4 clicks each", { timeout: 600_000 }, async (tested) => {
  const { engine, name: _, ...use } = tested;
  const create = () => createTfjsBackend({ engine, wasmPaths, threads: 2 });
  await (await create()).dispose(); // starts the engine
  const { numTensors } = tf.memory();
  await useForLong(create, { ...use, used });
  expect(tf.memory().numTensors).toBe(numTensors);
});
