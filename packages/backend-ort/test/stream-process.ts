/** For `stream.golden.test.ts`: a thousand frames of a moving picture under the nano weights, and what they take. */
import process from "node:process";
import { type Image, maskArea, VideoPredictor } from "@masklet/core";
import { readImage, Sam2 } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { createOrtBackend } from "../src/node.ts";

/** After each hundred frames. */
export interface StreamSample {
  readonly tensors: number;
  readonly bytes: number;
  readonly resident: number;
  /** Frames so far on which the object was found. */
  readonly found: number;
}

const FRAMES = 1000;
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

const picture = await readImage(new URL("../../../examples/scene.png", import.meta.url));
const backend = await createOrtBackend();
const model = await Sam2.load(nanoModel.checkpoint, { backend });
using stream = new VideoPredictor(model).stream();
await stream.push(view(picture, 0));
await stream.addPrompt({ object: 1, points: [[100, 110]] });
const samples: StreamSample[] = [];
let found = 0;
for (let frame = 1; frame <= FRAMES; frame++) {
  const { objects } = await stream.push(view(picture, frame));
  if (objects[0] !== undefined && maskArea(objects[0].mask) > 0) found++;
  if (frame % 100 !== 0) continue;
  globalThis.gc?.();
  const { liveTensors: tensors } = backend;
  samples.push({ tensors, bytes: stream.memoryBytes, resident: process.memoryUsage.rss(), found });
}
process.stdout.write(JSON.stringify(samples));
