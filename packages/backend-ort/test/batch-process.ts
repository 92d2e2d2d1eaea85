/** For `long-use.golden.test.ts`: a thousand pictures of many sizes in one batch under the nano weights. */
import process from "node:process";
import { type ImageJob, maskArea, type RawImage, segmentMany } from "@masklet/core";
import { loadSam2, readImage } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { createOrtBackend } from "../src/node.ts";
import { part, Sampler } from "./long-use.ts";

const IMAGES = 1000;
const picture = await readImage(new URL("../../../examples/scene.png", import.meta.url));

/** Every other job makes its picture when its turn is near. */
function* jobs(): Generator<ImageJob> {
  for (let i = 0; i < IMAGES; i++) {
    const size = { width: 224 + 16 * (i % 9), height: 224 + 16 * (i % 7) };
    const image = (): RawImage => part(picture, [i % 16, i % 12], size);
    yield {
      image: i % 2 === 0 ? image() : async () => image(),
      prompts: [{ points: [[100, 110]] }, { box: [30, 25, 205, 195] }],
    };
  }
}

const backend = await createOrtBackend();
const model = await loadSam2(nanoModel.checkpoint, { backend });
const sampler = new Sampler(backend);
for await (const result of segmentMany(model, jobs(), { multimaskOutput: false })) {
  sampler.add("predictions" in result && result.predictions.every(({ masks: [mask] }) => mask && maskArea(mask) > 0));
}
process.stdout.write(JSON.stringify(sampler.samples));
