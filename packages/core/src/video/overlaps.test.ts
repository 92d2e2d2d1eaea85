import { expect, test } from "vitest";
import { upsampleLogits } from "../mask/postprocess.ts";
import { randomNumbers } from "../mask/samples.ts";
import { type FrameResult, frameResult } from "./frame-result.ts";
import { labelMap } from "./label-map.ts";

const size = { width: 61, height: 37 };
const side = 16;
const low = { width: side, height: side };

/** Objects of noise in coarse steps, so that some are equally strong; one is absent, and nothing is known of one. */
function known(objects: number, seed: number): Parameters<typeof frameResult>[1] {
  const next = randomNumbers(seed);
  const decoded = Array.from({ length: objects }, (_, i) => ({
    logits: new Float32Array(side * side).map(() => (i === 2 ? -1024 : Math.round(next() * 60 - 36) / 2)),
    pointer: new Float32Array(0),
    objectScore: i === 2 ? -1024 : 1,
    iouPrediction: 1,
  }));
  return new Map(decoded.map((one, i) => [255 - 7 * i, i === 4 ? undefined : one]));
}

/** Pixel by pixel, from all objects' logits at the video's size, as the reference has it. */
function plainly(objects: FrameResult["objects"]): { owners: number[]; logits: Float32Array[]; masks: Uint8Array[] } {
  const all = objects.map(({ lowResLogits }) => upsampleLogits(lowResLogits.data, low, size));
  const owners = Array.from({ length: size.width * size.height }, (_, p) => {
    const here = all.map((logits) => logits[p] as number);
    return here.indexOf(Math.max(...here));
  });
  const logits = all.map((own, i) => own.map((logit, p) => (owners[p] === i ? logit : Math.min(logit, -10))));
  return { owners, logits, masks: logits.map((own) => Uint8Array.from(own, (logit) => (logit > 0 ? 1 : 0))) };
}

test.each([1, 2, 3, 8, 20])("%i objects: the strongest has the pixel, the first of equals", (count) => {
  const all = known(count, count + 1);
  const options = { size, side, nonOverlappingMasks: true };
  const separate = frameResult(5, all, { ...options, returnLogits: false });
  const { owners, logits, masks } = plainly(separate.objects);
  expect(separate.objects.map(({ mask }) => mask)).toEqual(masks.map((data) => ({ ...size, data })));

  const withLogits = frameResult(5, all, { ...options, returnLogits: true });
  expect(withLogits.objects.map((one) => one.logits)).toEqual(logits);
  expect(withLogits.objects.map(({ mask }) => mask)).toEqual(separate.objects.map(({ mask }) => mask));

  for (const returnLogits of [false, true]) {
    const overlapping = frameResult(5, all, { size, side, nonOverlappingMasks: false, returnLogits });
    const labels = owners.map((i, p) => (masks[i]?.[p] === 1 ? separate.objects[i]?.id : 0));
    expect([...labelMap(overlapping, size).data]).toEqual(labels);
  }
});
