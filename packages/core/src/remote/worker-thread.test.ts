/** The protocol between threads of Node: on the `Worker` itself, and on a port that is handed over. */
import { MessageChannel, Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { noiseImage, toyConfig, toyTensors } from "../../test/toy-sam2.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import { loadSam2 } from "../sam2.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import { createWorkerPredictor, RemoteClient } from "./client.ts";
import type { PortLike } from "./port.ts";
import { RemoteVideoPredictor } from "./video-client.ts";

const script = new URL("../../test/remote-worker.ts", import.meta.url);
const picture = noiseImage(20, 16);
const click = { points: [[9, 8]] as const };

let worker: Worker;
afterEach(() => worker.terminate());

/** A thread, and the port that its host is at. */
function thread(on: "worker" | "port"): PortLike {
  const options = { execArgv: ["--conditions=@masklet/source", "--no-warnings"] };
  if (on === "worker") {
    worker = new Worker(script, { ...options, workerData: {} });
    return worker;
  }
  const { port1, port2 } = new MessageChannel();
  worker = new Worker(script, { ...options, workerData: { port: port1 }, transferList: [port1] });
  return port2;
}

test.each(["worker", "port"] as const)("segments as this thread does, over the %s", async (on) => {
  const file = writeSafetensors(await toyTensors());
  const remote = await createWorkerPredictor(thread(on), file, { config: toyConfig });
  await remote.setImage(picture);
  const model = await loadSam2(file, { backend: createReferenceBackend(), config: toyConfig });
  const local = new ImagePredictor(model);
  await local.setImage(picture);
  expect(await remote.predict(click, { returnLogits: true })).toEqual(
    await local.predict(click, { returnLogits: true }),
  );
  await expect(remote.predict({})).rejects.toMatchObject({ name: "PromptError", code: "empty" });
  await remote.dispose();
});

test("tracks as this thread does, with frames that are read here", async () => {
  const file = writeSafetensors(await toyTensors());
  await using client = new RemoteClient(thread("worker"));
  const remote = new RemoteVideoPredictor(await client.load(file, { config: toyConfig }));
  const model = await loadSam2(file, { backend: createReferenceBackend(), config: toyConfig });
  const frames = [1, 2, 3].map((seed) => noiseImage(20, 16, { seed }));
  const video = { size: { width: 20, height: 16 }, count: 3, frame: async (index: number) => frames[index] };
  const tracked = [new VideoPredictor(model), remote].map(async (predictor) => {
    const session = predictor.start(video);
    const masks = [await session.addPrompt({ frame: 0, object: 1, ...click })];
    for await (const frame of session.propagate()) masks.push(frame);
    await session.dispose();
    return masks;
  });
  const [here, there] = await Promise.all(tracked);
  expect(there).toHaveLength(4);
  expect(there).toEqual(here);
  await model.dispose();
});

test.each([
  ["worker", "exit", "the host is lost: the worker ended with exit code 7"],
  ["worker", "throw", "the host is lost: the worker failed: not caught"],
  ["port", "exit", "the host is lost: the port is closed"],
] as const)("over the %s, a thread that ends by %s rejects what waits for it", async (on, how, message) => {
  const client = new RemoteClient(thread(on));
  const file = writeSafetensors(await toyTensors());
  const model = await client.load(file, { config: toyConfig });
  const predictor = await model.imagePredictor();
  worker.on("error", () => {}); // seen through the client
  worker.postMessage(how);
  const waiting = predictor.setImage(noiseImage(400, 400));
  await expect(waiting).rejects.toMatchObject({ name: "RemoteError", code: "lost", message });
  await expect(predictor.predict(click)).rejects.toMatchObject({ code: "lost" });
  await expect(client.load(file)).rejects.toMatchObject({ code: "lost" });
  await model.dispose();
  await client.dispose();
  expect(client.pending).toBe(0);
});
