import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ModelServer } from "../test/model-server.ts";
import { ObservedBackend } from "../test/observed-backend.ts";
import { toyConfig, toyJson, toyTensors } from "../test/toy-sam2.ts";
import { bytesSource } from "./checkpoint/byte-source.ts";
import { writeSafetensors } from "./checkpoint/safetensors.ts";
import { encodePng, ImagePredictor, loadSam2, readConfig, Sam2 } from "./node.ts";
import type { LoadProgress } from "./progress.ts";
import { TestAbort } from "./testing/fixtures.ts";

const backend = new ObservedBackend({ compute: false });
let root = "";
let file: Uint8Array;
let path = "";
beforeAll(async () => {
  file = writeSafetensors(await toyTensors());
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-"));
  path = await put("toy.safetensors", file);
  return () => rm(root, { recursive: true });
});
afterAll(() => {
  vi.unstubAllEnvs();
  expect(backend.executables).toBe(0);
});

async function put(name: string, content: Uint8Array | string): Promise<string> {
  await writeFile(join(root, name), content);
  return join(root, name);
}

async function loadedConfig(...args: Parameters<typeof loadSam2>) {
  await using sam2 = await loadSam2(...args);
  return sam2.config;
}

describe("loadSam2", () => {
  test("a path, with the config beside it", async () => {
    await put("toy.json", JSON.stringify(toyJson));
    expect(await loadedConfig(path, { backend })).toEqual(toyConfig);
  });

  test("a file URL, a folder, bytes and a source", async () => {
    await put("config.json", JSON.stringify(toyJson));
    expect(await loadedConfig(pathToFileURL(path), { backend })).toEqual(toyConfig);
    expect(await loadedConfig(root, { backend })).toEqual(toyConfig);
    expect(await loadedConfig(file, { backend, config: toyConfig })).toEqual(toyConfig);
    expect(await loadedConfig(bytesSource(file), { backend, config: toyConfig })).toEqual(toyConfig);
  });

  test("a given config goes before the one beside", async () => {
    await put("toy.json", "{ broken");
    const named = { ...toyConfig, name: "mine" };
    expect(await loadedConfig(path, { backend, config: named })).toEqual(named);
  });

  test("the model's name is its path", async () => {
    await using sam2 = await loadSam2(path, { backend, config: toyConfig });
    expect(sam2.source).toBe(path);
  });

  test.each<[string, string, string, RegExp]>([
    ["broken JSON", "{ broken", "config-invalid", /toy\.json: is not JSON$/],
    ["nothing", "", "config-invalid", /toy\.json: is not JSON$/],
    ["JSON of something else", '{ "model_type": "bert" }', "config-invalid", /toy\.json: config: model_type should be/],
    [
      "a missing field",
      JSON.stringify({ ...toyJson, d_model: undefined }),
      "config-invalid",
      /toy\.json: config: d_model .* is missing$/,
    ],
    [
      "another width",
      JSON.stringify({ ...toyJson, d_model: 64 }),
      "not-this-model",
      /toy\.safetensors is not toy: .*of another shape/,
    ],
  ])("%s in the config beside it", async (_, json, code, message) => {
    await put("toy.json", json);
    await expect(loadSam2(path, { backend })).rejects.toMatchObject({
      name: "CheckpointError",
      code,
      message: expect.stringMatching(message),
    });
  });

  test("a model is the one class of all entries", async () => {
    await using model = await loadSam2(path, { backend, config: toyConfig });
    expect(model).toBeInstanceOf(Sam2);
  });

  test("no config at all", async () => {
    await expect(loadSam2(path, { backend })).rejects.toMatchObject({ code: "config-missing" });
  });

  test("a name that is not on this machine is downloaded, with progress", async () => {
    const server = new ModelServer();
    await server.start();
    try {
      server.files.set("facebook/sam2.1-hiera-tiny/model.safetensors", { bytes: file, lfs: true });
      vi.stubEnv("HF_HUB_CACHE", root);
      vi.stubEnv("HF_HUB_OFFLINE", "");
      vi.stubEnv("HF_ENDPOINT", server.endpoint);
      const told: LoadProgress[] = [];
      for (let time = 0; time < 2; time++) {
        await using sam2 = await loadSam2("sam2.1-hiera-tiny", {
          backend: new ObservedBackend(), // one that computes, and so reads weights
          config: toyConfig,
          onProgress: (progress) => told.push(progress),
        });
        expect(sam2.source).toContain(join(root, "models--facebook--sam2.1-hiera-tiny"));
      }
      const stages = told.map(({ stage }) => stage).filter((stage, i, all) => stage !== all[i - 1]);
      expect(stages).toEqual(["download", "verify", "compile"]); // and the second time only the last
      expect(new Set(told.map(({ item }) => item))).toEqual(
        new Set(["model.safetensors", "imageEncoder", "maskDecoder"]),
      );
      const second = told.findIndex(({ fraction }, i) => fraction < (told[i - 1]?.fraction ?? 0));
      for (const time of [told.slice(0, second), told.slice(second)]) {
        const fractions = time.map(({ fraction }) => fraction);
        expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
        expect(fractions.at(-1)).toBe(1);
      }
      expect(told[second]?.stage).toBe("compile");
      expect(server.downloads).toHaveLength(1);
    } finally {
      await server.stop();
    }
  });

  test("a name that is not on this machine, offline", async () => {
    vi.stubEnv("HF_HUB_CACHE", root);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(loadSam2("sam2.1-hiera-tiny", { backend })).rejects.toMatchObject({
      name: "DownloadError",
      code: "offline",
      message: expect.stringContaining(root),
    });
  });

  test("no such file", async () => {
    await expect(loadSam2(join(root, "none.pt"), { backend })).rejects.toMatchObject({ code: "not-found" });
    await expect(loadSam2(pathToFileURL(join(root, "none.pt")), { backend })).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test("an address on the web", async () => {
    await expect(loadSam2(new URL("https://example.com/sam2.pt"), { backend })).rejects.toMatchObject({
      name: "CheckpointError",
      code: "not-found",
      message: "https://example.com/sam2.pt: only file: URLs are opened; download it, and give its path",
    });
  });

  test("aborted before it begins looks for nothing", async () => {
    const abort = new TestAbort();
    abort.abort();
    await expect(loadSam2(join(root, "none.pt"), { backend, signal: abort.signal })).rejects.toBe(abort.reason);
  });
});

describe("readConfig", () => {
  test("a file", async () => {
    expect(await readConfig(await put("c.json", JSON.stringify(toyJson)))).toEqual(toyConfig);
  });

  test("a file that cannot be read", async () => {
    await expect(readConfig(join(root, "none.json"))).rejects.toMatchObject({
      name: "CheckpointError",
      code: "not-found",
    });
    await expect(readConfig(root)).rejects.toMatchObject({ name: "CheckpointError", code: "read-failed" });
  });
});

test("setImage opens what readImage does, in its turn, and refuses what is neither", async () => {
  const png = await encodePng({ width: 5, height: 4, channels: 3, data: new Uint8Array(60) });
  const picture = await put("picture.png", new Uint8Array(png));
  await using sam2 = await loadSam2(file, { backend, config: toyConfig });
  await using predictor = new ImagePredictor(sam2);
  for (const image of [picture, pathToFileURL(picture), new Uint8Array(png), new Blob([new Uint8Array(png)])]) {
    void predictor.setImage(image);
    const [prediction] = await predictor.predictMany([{ points: [[1, 1]] }]); // without waiting for setImage
    expect(prediction?.best).toMatchObject({ width: 5, height: 4 });
  }
  await predictor.setImages([picture, { width: 3, height: 2, channels: 3, data: new Uint8Array(18) }]);
  expect(predictor.imageSizes).toEqual([
    { width: 5, height: 4 },
    { width: 3, height: 2 },
  ]);
  await expect(predictor.setImage("none.png")).rejects.toMatchObject({ code: "image-not-found" });
  const small = new ImagePredictor(sam2, { maxPixels: 19 });
  await expect(small.setImage(picture)).rejects.toMatchObject({ code: "image-too-large" });
});
