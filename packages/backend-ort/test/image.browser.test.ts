/** A page segments a picture: decoded by the browser, computed by onnxruntime-web, nothing fetched from elsewhere. */
import { ImagePredictor, loadSam2, parseConfig } from "@masklet/core";
import { imageFrom } from "@masklet/core/web";
import { nanoModel } from "@masklet/model-nano";
import { expect, test } from "vitest";
import { createOrtBackend } from "../src/web.ts";

const picture = new URL("../../../examples/scene.png", import.meta.url);

/** What Meta's code answers under these weights (goldens/nano/image.json, first case of scene). */
const expected = { iou: [0.65131, 0.69276, 0.57176], areas: [9665, 12991, 16418] };

test("wasm", async () => {
  const image = await imageFrom(await (await fetch(picture)).blob());
  const checkpoint = new Uint8Array(await (await fetch(nanoModel.checkpoint)).arrayBuffer());
  const config = parseConfig(await (await fetch(nanoModel.config)).json());
  const backend = await createOrtBackend({ device: "wasm" });
  const model = await loadSam2(checkpoint, { backend, config });
  {
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(image);
    const prediction = await predictor.predict({ points: [[581, 532]] });
    for (const [i, iou] of prediction.iouPredictions.entries()) {
      expect(Math.abs(iou - (expected.iou[i] as number))).toBeLessThan(1e-3);
      const area = prediction.masks[i]?.data.reduce((sum, pixel) => sum + pixel, 0);
      expect(Math.abs((area as number) - (expected.areas[i] as number))).toBeLessThanOrEqual(4);
    }
  }
  await model.dispose();
  await backend.dispose();
});
