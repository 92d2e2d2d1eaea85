/** Which model is in use when several were asked for. */
import type { RawImage } from "@masklet/core";
import { expect, test, vi } from "vitest";
import { Engine, pictureKeys } from "./engine.ts";

/** A hosted engine whose models load when the test says so. */
function hosted() {
  const loading = new Map<string, { resolve(model?: unknown): void; reject(error: Error): void }>();
  const closed: string[] = [];
  const load = (name: string) =>
    new Promise((resolve, reject) => {
      const model = { imagePredictor: async () => ({ name }), dispose: async () => void closed.push(name) };
      loading.set(name, { resolve: (given = model) => resolve(given), reject });
    });
  const openSubjectFinder = async ({ kept }: { readonly kept: string }) => ({
    kind: kept.startsWith("u2") ? "u2net" : "birefnet",
    dispose: async () => undefined,
  });
  const state = { device: "wasm", models: [], kept: [] };
  const keep = vi.fn(async () => undefined);
  const forget = vi.fn(async () => undefined);
  return { engine: { client: { load, openSubjectFinder }, state, keep, forget } as never, loading, closed, forget };
}

test("the model that was asked for last is used, whichever loads first", async () => {
  const { engine: there, loading, closed } = hosted();
  const engine = new Engine();
  await engine.isSettled;
  engine.hosted = there;
  const large = engine.use({ from: "hosted", name: "large" });
  const tiny = engine.use({ from: "hosted", name: "tiny" });
  loading.get("tiny")?.resolve();
  await tiny;
  loading.get("large")?.resolve();
  await large;
  expect(engine.choice).toEqual({ from: "hosted", name: "tiny" });
  expect(closed).toEqual(["large"]);
});

test("a file that does not load is not kept, and the model before stays", async () => {
  const { engine: there, loading, closed, forget } = hosted();
  const engine = new Engine();
  await engine.isSettled;
  engine.hosted = there;
  const tiny = engine.use({ from: "hosted", name: "tiny" });
  loading.get("tiny")?.resolve();
  await tiny;
  const broken = engine.use({ from: "file", name: "broken.pt", file: new Blob(["x"]) });
  await vi.waitFor(() => expect(loading.has("broken.pt")).toBe(true));
  loading.get("broken.pt")?.reject(new Error("no checkpoint"));
  await expect(broken).rejects.toThrow("no checkpoint");
  expect(forget.mock.calls).toEqual([["broken.pt"], ["broken.pt.json"]]);
  expect(engine.choice).toEqual({ from: "hosted", name: "tiny" });
  expect(closed).toEqual([]);
});

test("a picture is ready before it is kept, and what is kept under its key is it", async () => {
  const { engine: there, loading } = hosted();
  const engine = new Engine();
  await engine.isSettled;
  engine.hosted = there;
  const calls: string[] = [];
  let set = "";
  const images = {
    setImage: async (image: RawImage, { key }: { readonly key?: string }) => {
      const name = pictureKeys.get(image) ?? "";
      await Promise.resolve();
      calls.push(key === undefined ? `encode ${name}` : `load ${key}`);
      set = name;
    },
    saveImage: async () => {
      calls.push(`save ${set}`);
      return Uint8Array.of(set.length);
    },
  };
  const wanted = engine.use({ from: "hosted", name: "tiny" });
  loading.get("tiny")?.resolve({ imagePredictor: async () => images, dispose: async () => undefined });
  await wanted;
  const predictor = await engine.predictor();
  const picture = (key: string): RawImage => {
    const image: RawImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    pictureKeys.set(image, key);
    return image;
  };
  await predictor.setImage(picture("a"));
  expect(calls).toEqual(["encode a"]);
  // Together: the second must not be kept as the first.
  await Promise.all([predictor.setImage(picture("b")), predictor.setImage(picture("c"))]);
  await predictor.setImage(picture("a"));
  expect(calls.slice(1)).toEqual(["save a", "encode b", "save b", "encode c", "save c", "load a"]);
});

test("a model that fails late takes nothing from the one that has come in the meantime", async () => {
  const { engine: there, loading } = hosted();
  const engine = new Engine();
  await engine.isSettled;
  engine.hosted = there;
  // The built-in one is packed into a page, and there is none.
  const asked: ((error: Error) => void)[] = [];
  vi.stubGlobal("document", { getElementById: () => null });
  vi.stubGlobal("atob", () => "");
  vi.stubGlobal(
    "DecompressionStream",
    class {
      readonly readable = new ReadableStream({
        start: (controller) => void asked.push((error) => controller.error(error)),
      });
      readonly writable = new WritableStream();
    },
  );
  try {
    const builtIn = engine.predictor();
    builtIn.catch(() => undefined);
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    const tiny = engine.use({ from: "hosted", name: "tiny" });
    await vi.waitFor(() => expect(loading.has("tiny")).toBe(true));
    loading.get("tiny")?.resolve();
    await vi.waitFor(() => expect(engine.choice).toEqual({ from: "hosted", name: "tiny" }));
    const before = engine.predictor();
    for (const fail of asked) fail(new Error("the page was closed"));
    await expect(builtIn).rejects.toThrow("the page was closed");
    await tiny;
    expect(await engine.predictor()).toBe(await before);
    expect(loading.size).toBe(1);
  } finally {
    vi.unstubAllGlobals();
  }
});

test.each([
  ["u2.onnx", false],
  ["matting.onnx", true],
])("who draws the outline depends on what the file of %s itself says it is", async (name, isSoft) => {
  const engine = new Engine();
  await engine.isSettled;
  engine.hosted = hosted().engine;
  await engine.useFinder({ name, kind: null, file: new Blob(["x"]) });
  expect(await engine.subjectMethod(true)).toMatchObject({ isSoft });
});
