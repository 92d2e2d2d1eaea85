/** A long stream keeps its memory: a thousand frames of a moving picture under the nano weights. */
import process from "node:process";
import { type Image, maskArea, VideoPredictor } from "@masklet/core";
import { readImage, Sam2 } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { expect, test } from "vitest";
import { createOrtBackend } from "../src/node.ts";

const FRAMES = 1000;
/** What the JavaScript engine's young generation grows by in some hundred frames, whoever allocates, with room to spare. */
const ENGINE_BYTES = 48e6;
const SIZE = 256;

/** The picture seen through a window that wanders. */
function view({ width, channels, data }: Image, frame: number): Image {
  const [left, top] = [Math.round(20 + 20 * Math.sin(frame / 15)), Math.round(10 + 10 * Math.cos(frame / 20))];
  const pixels = new Uint8Array(SIZE * SIZE * channels);
  for (let y = 0; y < SIZE; y++) {
    const from = channels * ((top + y) * width + left);
    pixels.set(data.subarray(from, from + channels * SIZE), channels * y * SIZE);
  }
  return { width: SIZE, height: SIZE, channels, data: pixels };
}

test(`${FRAMES} frames take no more memory than 100`, { timeout: 600_000 }, async () => {
  const picture = await readImage(new URL("../../../examples/scene.png", import.meta.url));
  const backend = await createOrtBackend();
  const model = await Sam2.load(nanoModel.checkpoint, { backend });
  const predictor = new VideoPredictor(model);
  const seen: { tensors: number; bytes: number; resident: number }[] = [];
  let found = 0;
  {
    using stream = predictor.stream();
    await stream.push(view(picture, 0));
    await stream.addPrompt({ object: 1, points: [[100, 110]] });
    for (let frame = 1; frame <= FRAMES; frame++) {
      const { objects } = await stream.push(view(picture, frame));
      if (objects[0] !== undefined && maskArea(objects[0].mask) > 0) found++;
      if (frame % 100 !== 0) continue;
      seen.push({ tensors: backend.liveTensors, bytes: stream.memoryBytes, resident: process.memoryUsage.rss() });
    }
  }
  await model.dispose();
  await backend.dispose();

  const [early, late] = [seen[0], seen.at(-1)] as [(typeof seen)[number], (typeof seen)[number]];
  expect(found).toBe(FRAMES);
  expect(new Set(seen.map(({ tensors }) => tensors)).size, "tensors alive").toBe(1);
  expect(new Set(seen.map(({ bytes }) => bytes)).size, "bytes remembered").toBe(1);
  expect(late.resident - early.resident, "growth of resident memory").toBeLessThan(ENGINE_BYTES);
});
