/** For `long-use.golden.test.ts`: a thousand frames of a moving picture under the nano weights. */
import process from "node:process";
import { maskArea, type RawImage, VideoPredictor } from "@masklet/core";
import { loadSam2, readImage } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { createOrtBackend } from "../src/node.ts";
import { part, Sampler } from "./long-use.ts";

const FRAMES = 1000;
const SIZE = { width: 256, height: 256 };

/** The picture seen through a window that wanders. */
const view = (frame: number): RawImage =>
  part(picture, [Math.round(20 + 20 * Math.sin(frame / 15)), Math.round(10 + 10 * Math.cos(frame / 20))], SIZE);

const picture = await readImage(new URL("../../../examples/scene.png", import.meta.url));
const backend = await createOrtBackend();
const model = await loadSam2(nanoModel.checkpoint, { backend });
await using stream = new VideoPredictor(model).stream();
await stream.push(view(0));
await stream.addPrompt({ object: 1, points: [[100, 110]] });
const sampler = new Sampler(backend);
for (let frame = 1; frame <= FRAMES; frame++) {
  const { objects } = await stream.push(view(frame));
  sampler.add(objects[0] !== undefined && maskArea(objects[0].mask) > 0, stream.memoryBytes);
}
process.stdout.write(JSON.stringify(sampler.samples));
