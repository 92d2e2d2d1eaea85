/**
 * The graphs against Meta's own code without any runtime between: the reference backend on a recorded case of the nano
 * model, and the sine encoding on a recorded one of tiny.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReferenceBackend } from "../src/backend/reference.ts";
import { openCheckpoint } from "../src/checkpoint/load.ts";
import { ImagePredictor } from "../src/image-predictor.ts";
import type { Mask } from "../src/mask/mask.ts";
import { decodeRle } from "../src/mask/rle.ts";
import { presets } from "../src/model/config.ts";
import { gridSize } from "../src/model/image-encoder.ts";
import { sinePositionEncoding } from "../src/nn/position-encoding.ts";
import { fileSource, readImage, Sam2 } from "../src/node.ts";
import type { Label, Point, Prompt, PromptBox } from "../src/prompt/prompt.ts";
import type { Sam2 as CoreSam2 } from "../src/sam2.ts";

const shared = new URL("../../../../shared/", import.meta.url);
const path = (name: string): string => fileURLToPath(new URL(name, shared));
const hasShared = existsSync(shared);

interface GoldenCase {
  readonly prompt: {
    readonly points?: readonly Point[];
    readonly labels?: readonly Label[];
    readonly box?: PromptBox;
    readonly multimask: boolean;
  };
  readonly iou: readonly number[];
  readonly masks: readonly (readonly number[])[];
  readonly low_res_sample: readonly (readonly number[])[];
}
interface GoldenImage {
  readonly size: readonly [height: number, width: number];
  readonly cases: readonly GoldenCase[];
}

describe.skipIf(!hasShared)("on the reference backend (needs ../shared/goldens)", () => {
  let sam2: CoreSam2;
  let predictor: ImagePredictor;
  let golden: GoldenImage;
  beforeAll(async () => {
    const goldens = JSON.parse(await readFile(path("goldens/nano/image.json"), "utf8")) as Record<string, GoldenImage>;
    golden = goldens["scene"] as GoldenImage;
    sam2 = await Sam2.load(path("nano/sam2.1_hiera_nano.safetensors"), { backend: createReferenceBackend() });
    predictor = new ImagePredictor(sam2);
    await predictor.setImage(await readImage(path("media/scene.png")));
  });
  afterAll(async () => {
    predictor?.dispose();
    await sam2?.dispose();
  });

  test("clicks and boxes on the nano model", async () => {
    expect(golden.cases.length).toBeGreaterThan(1);
    for (const { prompt: asked, masks, iou, low_res_sample } of golden.cases) {
      const { points, labels, box, multimask } = asked;
      const prompt: Prompt = { ...(points && { points }), ...(labels && { labels }), ...(box && { box }) };
      const prediction = await predictor.predict(prompt, { multimaskOutput: multimask });
      expect(prediction.masks).toHaveLength(masks.length);
      for (const [i, mask] of prediction.masks.entries()) {
        const expected = decodeRle({ size: golden.size, counts: masks[i] as readonly number[] });
        expect(different(mask, expected)).toBeLessThanOrEqual(4);
        expect(Math.abs((prediction.iouPredictions[i] as number) - (iou[i] as number))).toBeLessThanOrEqual(1e-4);
        const apart = (low_res_sample[i] as readonly number[]).map((value, k) =>
          Math.abs((prediction.lowResLogits[i]?.data[k * 61] as number) - value),
        );
        expect(Math.max(...apart)).toBeLessThanOrEqual(2e-3);
      }
    }
  });

  test("the sine encoding", async () => {
    const store = await openCheckpoint(await fileSource(path("goldens/full/sam2.1_hiera_t.safetensors")));
    const [values, shape] = await Promise.all([store.read("encoder.pos"), store.read("encoder.pos.shape")]);
    await store.close();
    const config = presets["sam2.1-hiera-tiny"];
    const [side, channels] = [gridSize(config), config.width];
    expect(Array.from(shape.data)).toEqual([1, channels, side, side]);
    const { data } = sinePositionEncoding(side, side, channels);
    const stride = Math.floor(data.length / values.data.length);
    for (const [k, value] of values.data.entries()) {
      const [channel, cell] = [Math.floor((k * stride) / side ** 2), (k * stride) % side ** 2];
      expect(Math.abs((data[cell * channels + channel] as number) - value)).toBeLessThanOrEqual(1e-5);
    }
  });
});

function different(a: Mask, b: Mask): number {
  return a.data.reduce((count, value, i) => count + (value === b.data[i] ? 0 : 1), 0);
}
