/**
 * For `long-use.golden.test.ts`: a thousand frames of a moving picture under the nano weights, or, with an argument, under
 * hashed weights of a published model or of EdgeTAM in miniature ("toy").
 */
import process from "node:process";
import { maskArea, type RawImage, VideoPredictor } from "@masklet/core";
import { isPresetName, loadSam2, presets, readImage, Sam2 } from "@masklet/core/node";
import { toyEdgeTam } from "@masklet/core/test/toy-sam2";
import { hashedWeights } from "@masklet/core/testing";
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
const model = await load(process.argv[2]);
await using stream = new VideoPredictor(model).stream();
await stream.push(view(0));
await stream.addPrompt({ object: 1, points: [[100, 110]] });
const trained = process.argv[2] === undefined;
const sampler = new Sampler(backend);
for (let frame = 1; frame <= FRAMES; frame++) {
  const { objects } = await stream.push(view(frame));
  const [object] = objects;
  sampler.add(object !== undefined && (!trained || maskArea(object.mask) > 0), stream.memoryBytes);
}
process.stdout.write(JSON.stringify(sampler.samples));

function load(name: string | undefined): Promise<Sam2> {
  if (name === undefined) return loadSam2(nanoModel.checkpoint, { backend });
  const config = isPresetName(name) ? presets[name] : toyEdgeTam;
  return Sam2.fromWeights(hashedWeights(config), { backend, config });
}
