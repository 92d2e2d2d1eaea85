/**
 * The graphs against Meta's own code without any runtime between: the reference backend on a recorded picture of the
 * nano model, and the sine encoding on a recorded one of tiny.
 */
import { expect, test } from "vitest";
import { createReferenceBackend } from "../src/backend/reference.ts";
import { openCheckpoint } from "../src/checkpoint/load.ts";
import { presets } from "../src/model/config.ts";
import { geometry } from "../src/model/geometry.ts";
import { sinePositionEncoding } from "../src/nn/position-encoding.ts";
import { fileSource } from "../src/node.ts";
import { testNanoImage } from "./goldens/nano-image.ts";
import { shared, sharedPath } from "./goldens/shared.node.ts";

await testNanoImage(createReferenceBackend, {
  shared,
  pictures: ["scene"],
  limits: { maskIou: 1, pixels: 4, meanIou: 0.999, iouPrediction: 1e-4, logits: 2e-3 },
});

test.skipIf(shared === undefined)("the sine encoding (needs ../shared)", async () => {
  const store = await openCheckpoint(await fileSource(sharedPath("goldens/full/sam2.1_hiera_t.safetensors")));
  const [values, shape] = await Promise.all([store.read("encoder.pos"), store.read("encoder.pos.shape")]);
  await store.close();
  const config = presets["sam2.1-hiera-tiny"];
  const { tokens, channels } = geometry(config).features.imageEmbeddings;
  const side = Math.sqrt(tokens);
  expect(Array.from(shape.data)).toEqual([1, channels, side, side]);
  const { data } = sinePositionEncoding(side, side, channels);
  const stride = Math.floor(data.length / values.data.length);
  for (const [k, value] of values.data.entries()) {
    const [channel, cell] = [Math.floor((k * stride) / side ** 2), (k * stride) % side ** 2];
    expect(Math.abs((data[cell * channels + channel] as number) - value)).toBeLessThanOrEqual(1e-5);
  }
});
