/** A page segments a picture: decoded by the browser, computed by TensorFlow.js, nothing fetched from elsewhere. */
import { type ImagePrediction, ImagePredictor, loadSam2, parseConfig } from "@masklet/core";
import { imageFrom } from "@masklet/core/web";
import { nanoModel } from "@masklet/model-nano";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { createTfjsBackend } from "../src/web.ts";

const picture = new URL("../../../examples/scene.png", import.meta.url);
/** Where the test's server has the engine's files. */
const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";

/** What Meta's code answers under these weights (goldens/nano/image.json, first case of scene). */
const expected = { iou: [0.65131, 0.69276, 0.57176], areas: [9665, 12991, 16418] };

function expectAnswer({ iouPredictions, masks }: ImagePrediction): void {
  expect(masks.length).toBe(3);
  for (const [i, iou] of iouPredictions.entries()) {
    expect(Math.abs(iou - (expected.iou[i] as number))).toBeLessThan(1e-3);
    const area = masks[i]?.data.reduce((sum, pixel) => sum + pixel, 0);
    expect(Math.abs((area as number) - (expected.areas[i] as number))).toBeLessThanOrEqual(4);
  }
}

test.each([{ engine: "webgpu" }, { engine: "webgl" }, { engine: "wasm", wasmPaths, threads: 2 }] as const)(
  "$engine",
  async (options) => {
    const image = await imageFrom(await (await fetch(picture)).blob());
    const checkpoint = new Uint8Array(await (await fetch(nanoModel.checkpoint)).arrayBuffer());
    const config = parseConfig(await (await fetch(nanoModel.config)).json());
    const backend = await createTfjsBackend(options);
    expect(backend.capabilities.device).toBe(options.engine);
    const { numTensors } = tf.memory();
    const model = await loadSam2(checkpoint, { backend, config });
    {
      await using predictor = new ImagePredictor(model);
      await predictor.setImage(image);
      expectAnswer(await predictor.predict({ points: [[581, 532]] }));
      const used = tf.memory();
      for (let click = 0; click < 3; click++) expectAnswer(await predictor.predict({ points: [[581, 532]] }));
      expect(tf.memory()).toMatchObject({ numTensors: used.numTensors, numBytes: used.numBytes });
    }
    await model.dispose();
    await backend.dispose();
    expect(tf.memory().numTensors).toBe(numTensors);
  },
);

test("wasm has threads in an isolated page", async () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
  expect(await tf.env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT")).toBe(true);
});
