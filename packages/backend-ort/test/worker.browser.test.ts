/** A page segments in its module worker: onnxruntime-web there, `createWorkerPredictor` here. */
import { maskArea, maskBox, parseConfig, type RawImage, type Sam2Config, type VideoObject } from "@masklet/core";
import { createWorkerPredictor, RemoteClient, RemoteVideoPredictor } from "@masklet/core/remote";
import { encodeVideo, imageFrom } from "@masklet/core/web";
import { nanoModel } from "@masklet/model-nano";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

const picture = new URL("../../../examples/scene.png", import.meta.url);

/** What Meta's code answers under these weights (goldens/nano/image.json, first case of scene). */
const expected = { iou: [0.65131, 0.69276, 0.57176], areas: [9665, 12991, 16418] };

let image: RawImage;
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
    onProgress: ({ item }) => graphs.add(item),
  });
  expect([...graphs]).toEqual(["imageEncoder", "maskDecoder"]);
  const handed = { ...image, data: image.data.slice() };
  await predictor.setImage(handed, { transfer: true });
  expect(handed.data).toHaveLength(0);
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
  await predictor.dispose();
});

describe("video", () => {
  /** The picture's upper left, moving by `step` pixels a frame. */
  const step = 6;
  const side = 320;
  const frame = (index: number): RawImage => {
    const data = new Uint8Array(side * side * image.channels);
    for (let y = 0; y < side; y++) {
      const from = (y * image.width + (3 - index) * step) * image.channels;
      data.set(image.data.subarray(from, from + side * image.channels), y * side * image.channels);
    }
    return { width: side, height: side, channels: image.channels, data };
  };

  test.each(["here", "in the worker"] as const)("is tracked in the worker; its frames are read %s", async (where) => {
    await using client = new RemoteClient(worker);
    const model = await client.load(checkpoint, { config });
    const predictor = new RemoteVideoPredictor(model);
    const frames = [0, 1, 2, 3].map(frame);
    const session =
      where === "here"
        ? predictor.start({ size: { width: side, height: side }, count: 4, frame: async (index) => frames[index] })
        : await predictor.open(await encodeVideo(frames, { fps: 10 }));
    expect([session.size, session.count]).toEqual([{ width: side, height: side }, 4]);
    await session.addPrompt({ frame: 0, object: 7, box: [45 - 3 * step, 35, 225 - 3 * step, 210] });
    const centres: number[] = [];
    for await (const { frame, objects } of session.propagate()) {
      expect(frame).toBe(centres.length);
      const [{ id, mask, objectScore }] = objects as [VideoObject];
      expect([id, objectScore > 0]).toEqual([7, true]);
      expect(maskArea(mask)).toBeGreaterThan(20_000);
      const { x, width } = maskBox(mask);
      centres.push(x + width / 2);
    }
    for (const [i, centre] of centres.entries()) {
      expect(Math.abs(centre - ((centres[0] as number) + i * step))).toBeLessThan(3);
    }
    expect(centres).toHaveLength(4);
    expect(session.objectIds).toEqual([7]);
    await expect(predictor.open(new Blob(["no video"]))).rejects.toMatchObject({
      name: "VideoError",
      code: "not-a-video",
    });
    await session.dispose();
  });
});

test("the worker fetches a checkpoint by its address", async () => {
  await expect(createWorkerPredictor(worker, "/no-such-file")).rejects.toMatchObject({
    name: "DownloadError",
    code: "not-on-server",
  });
  const address = String(new URL(nanoModel.checkpoint, location.href));
  const predictor = await createWorkerPredictor(worker, address, { config });
  expect(predictor.model.config.name).toBe(config.name);
  await predictor.dispose();
  expect(await caches.delete("masklet")).toBe(true); // where it is kept
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
  await predictor.dispose();
});

test("a checkpoint the worker does not take is refused", async () => {
  await expect(createWorkerPredictor(worker, 7 as never)).rejects.toMatchObject({
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
