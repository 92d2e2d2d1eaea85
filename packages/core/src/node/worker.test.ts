/** Both sides in Node: `serveWorker` in a worker thread, and a client of it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ModelServer } from "../../test/model-server.ts";
import { noiseImage, toyConfig, toyTensors } from "../../test/toy-sam2.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import { serveWorker } from "../node.ts";
import type { LoadProgress } from "../progress.ts";
import { createWorkerPredictor, RemoteClient } from "../remote/client.ts";

let root = "";
let checkpoint = "";
let worker: Worker;
const hub = new ModelServer();
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-worker-"));
  checkpoint = join(root, "toy.safetensors");
  const bytes = writeSafetensors(await toyTensors());
  await writeFile(checkpoint, bytes);
  await hub.start();
  hub.files.set("facebook/sam2.1-hiera-tiny/model.safetensors", { bytes, lfs: true });
  worker = new Worker(new URL("../../test/serve-worker.ts", import.meta.url), {
    execArgv: ["--conditions=@masklet/source", "--no-warnings"],
    env: { HF_HOME: root, HF_ENDPOINT: hub.endpoint },
  });
});
afterAll(async () => {
  await worker.terminate();
  await hub.stop();
  await rm(root, { recursive: true });
});

test("takes a path, a URL object, its text and bytes", async () => {
  for (const source of [checkpoint, pathToFileURL(checkpoint), pathToFileURL(checkpoint).href]) {
    const predictor = await createWorkerPredictor(worker, source, { config: toyConfig });
    await predictor.setImage(noiseImage(20, 16));
    expect((await predictor.predict({ points: [[9, 8]] })).masks[0]).toMatchObject({ width: 20, height: 16 });
    await predictor.dispose();
  }
});

test("takes a name, and tells of the download and the compiling as one", async () => {
  const seen: LoadProgress[] = [];
  await using client = new RemoteClient(worker);
  const model = await client.load("sam2.1-hiera-tiny", { config: toyConfig, onProgress: (step) => seen.push(step) });
  expect(model.source).toMatch(/model\.safetensors$/);
  expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(["download", "verify", "compile"]));
  const fractions = seen.map(({ fraction }) => fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions.at(-1)).toBe(1);
});

test.each<[string, unknown, string]>([
  ["a web address", new URL("https://a.example/model.pt"), "not-found"],
  ["no such file", "none.pt", "not-found"],
  ["a number", { path: 3 }, "bad-option"],
])("%s is refused in words", async (_, source, code) => {
  await using client = new RemoteClient(worker);
  await expect(client.load(source as string)).rejects.toMatchObject({ code });
});

test("is for worker threads", async () => {
  const backend = async (): Promise<never> => Promise.reject(new Error("not asked"));
  // Where tests run in threads themselves, there is a parent.
  const { isMainThread } = await import("node:worker_threads");
  if (isMainThread) expect(() => serveWorker({ backend })).toThrow(expect.objectContaining({ code: "no-parent" }));
  expect(isMainThread).toBe(true);
});
