/** A page that is used for long: images and clicks leave nothing behind. */

import { expect } from "vitest";
import { writeSafetensors } from "../src/checkpoint/safetensors.ts";
import type { RawImage } from "../src/image/image.ts";
import { parseConfig } from "../src/model/config.ts";
import { ImagePredictor } from "../src/predict/image-predictor.ts";
import { loadSam2 } from "../src/sam2.ts";
import type { CreateBackend, TestedBackend } from "./goldens/shared.ts";
import { toyJson, toyTensors } from "./toy-sam2.ts";

const MiB = 2 ** 20;

export interface LongUseOptions {
  /** Where a model's files are, or the toy, which has as many nodes as nano, and less to compute. */
  readonly model: { readonly checkpoint: URL; readonly config: URL } | "toy";
  /** How many go before what is used is noted, and how many in all. Defaults 10 and 30. */
  readonly warm?: number;
  readonly images?: number;
  /** What the backend's runtime has taken: tensors, bytes, buffers. */
  readonly used: (backend: TestedBackend) => object;
}

/** Sets images and clicks four times in each: after the first of them nothing grows, the page's heap included. */
export async function useForLong(
  createBackend: CreateBackend,
  { model: files, warm = 10, images = 30, used }: LongUseOptions,
): Promise<void> {
  const [checkpoint, config]: readonly [Uint8Array, unknown] =
    files === "toy"
      ? [writeSafetensors(await toyTensors()), toyJson]
      : [new Uint8Array(await (await fetch(files.checkpoint)).arrayBuffer()), await (await fetch(files.config)).json()];
  const backend = await createBackend();
  const model = await loadSam2(checkpoint, { backend, config: parseConfig(config) });
  const predictor = new ImagePredictor(model);
  let warmed: object = {};
  let warmedHeap = 0;
  for (let i = 0; i < images; i++) {
    await predictor.setImage(picture(i));
    for (let click = 0; click < 4; click++) {
      // One point more at every click: shapes vary, as they do when a mask is refined.
      const points = Array.from({ length: 1 + click }, (_, n): [number, number] => [20 + 30 * n, 40 + i]);
      await predictor.predict({ points });
    }
    if (i !== warm - 1) continue;
    warmed = used(backend);
    warmedHeap = await heap();
  }
  expect(used(backend)).toEqual(warmed);
  expect((await heap()) - warmedHeap, "growth of the page's heap").toBeLessThan(2 * MiB);
  predictor.dispose();
  await model.dispose();
  await backend.dispose();
  expect(backend.liveTensors).toBe(0);
}

/** Pictures of many sizes. */
function picture(seed: number): RawImage {
  const [width, height] = [200 + 7 * (seed % 9), 150 + 11 * (seed % 5)];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (seed + 7)) % 251);
  return { width, height, channels: 3, data };
}

/** The page's heap after a collection, in bytes: by Chromium's own functions, of which two want flags. */
async function heap(): Promise<number> {
  const { gc, performance } = globalThis as unknown as {
    gc(options: { readonly execution: "async" }): Promise<void>;
    readonly performance: { readonly memory: { readonly usedJSHeapSize: number } };
  };
  for (let i = 0; i < 2; i++) await gc({ execution: "async" });
  return performance.memory.usedJSHeapSize;
}
