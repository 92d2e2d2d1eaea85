/** A page segments in its module worker: onnxruntime-web there, `createWorkerPredictor` here. */
import { type Image, parseConfig, type Sam2Config } from "@masklet/core";
import { createWorkerPredictor, RemoteClient } from "@masklet/core/remote";
import { imageFrom } from "@masklet/core/web";
import { nanoModel } from "@masklet/model-nano";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";

const picture = new URL("../../../examples/scene.png", import.meta.url);

/** What Meta's code answers under these weights (goldens/nano/image.json, first case of scene). */
const expected = { iou: [0.65131, 0.69276, 0.57176], areas: [9665, 12991, 16418] };

let image: Image;
let checkpoint: Blob;
let config: Sam2Config;
let worker: Worker;
beforeAll(async () => {
  image = await imageFrom(await (await fetch(picture)).blob());
  checkpoint = await (await fetch(nanoModel.checkpoint)).blob();
  config = parseConfig(await (await fetch(nanoModel.config)).json());
});
beforeEach(() => {
  worker = new Worker(new URL("./module-worker.web.ts", import.meta.url), { type: "module" });
});
afterEach(() => worker.terminate());

test("a Blob's model segments in the worker", async () => {
  const graphs = new Set<string>();
  const predictor = await createWorkerPredictor(worker, checkpoint, {
    config,
    onProgress: ({ graph }) => graphs.add(graph),
  });
  expect([...graphs]).toEqual(["imageEncoder", "maskDecoder"]);
  await predictor.setImage(image, { transfer: true });
  expect(image.data).toHaveLength(0);
  const prediction = await predictor.predict({ points: [[581, 532]] });
  for (const [i, iou] of prediction.iouPredictions.entries()) {
    expect(Math.abs(iou - (expected.iou[i] as number))).toBeLessThan(1e-3);
    const area = prediction.masks[i]?.data.reduce((sum, pixel) => sum + pixel, 0);
    expect(Math.abs((area as number) - (expected.areas[i] as number))).toBeLessThanOrEqual(4);
  }
  await expect(predictor.predict({ points: [[-1, 0]] })).rejects.toMatchObject({
    name: "PromptError",
    code: "out-of-image",
  });
  predictor.dispose();
});

test("aborting rejects at once, and the worker serves the next", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const loading = createWorkerPredictor(worker, checkpoint, {
    config,
    signal: abort.signal,
    onProgress: () => abort.abort(reason),
  });
  await expect(loading).rejects.toBe(reason);
  const predictor = await createWorkerPredictor(worker, checkpoint, { config });
  expect(predictor.imageSizes).toEqual([]);
  predictor.dispose();
});

test("a checkpoint the worker does not take is refused", async () => {
  await expect(createWorkerPredictor(worker, "a name")).rejects.toMatchObject({
    name: "PromptError",
    code: "bad-option",
  });
  await expect(createWorkerPredictor(worker, new Blob(["no model"]))).rejects.toMatchObject({
    name: "CheckpointError",
  });
});

test.each([
  ["does not start", 'throw new Error("broken")', "lost"],
  ["is of another release", "onmessage = ({ data }) => postMessage({ ...data, masklet: 0 })", "protocol-version"],
])("a worker that %s rejects what was asked", async (_, script, code) => {
  const broken = new Worker(URL.createObjectURL(new Blob([script])));
  broken.addEventListener("error", (event) => event.preventDefault());
  const client = new RemoteClient(broken);
  await expect(client.load(checkpoint)).rejects.toMatchObject({ name: "RemoteError", code });
  expect(client.pending).toBe(0);
  broken.terminate();
});
