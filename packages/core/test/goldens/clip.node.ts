import { readFileSync } from "node:fs";
import {
  decodeLabelPng,
  evaluateMasklet,
  type Mask,
  objectMask,
  type Sam2,
  type VideoOptions,
  VideoPredictor,
} from "../../src/node.ts";
import { sharedPath } from "./shared.node.ts";
import type { Shared } from "./shared.ts";

/** J&F of two objects of the clip, one given by a box and one by a click. */
export async function trackClip(model: Sam2, files: Shared, options: VideoOptions = {}): Promise<readonly number[]> {
  const names = files.list("media/clip");
  const images = await Promise.all(names.map((name) => files.image(`media/clip/${name}`)));
  const label = (name: string) => decodeLabelPng(readFileSync(sharedPath(`media/clip.labels/${name}`)));
  const truth = await Promise.all(names.map(label));
  const [first] = images as [(typeof images)[number]];
  await using session = new VideoPredictor(model, options).start({
    size: { width: first.width, height: first.height },
    count: images.length,
    frame: async (index) => images[index] ?? first,
  });
  await session.addPrompt({ frame: 0, object: 1, box: [0, 73, 128, 214] });
  await session.addPrompt({ frame: 0, object: 2, points: [[422, 113]] });
  const masklets: [Mask[], Mask[]] = [[], []];
  for await (const { objects } of session.propagate()) {
    for (const [i, { mask }] of objects.entries()) masklets[i]?.push(mask);
  }
  return masklets.map((masks, i) => {
    const labels = truth.map((map) => objectMask(map, i + 1));
    return evaluateMasklet(masks, labels, { skipFirstAndLast: true }).jAndF;
  });
}
