/** Which model is in use when several were asked for. */
import { expect, test, vi } from "vitest";
import { Engine } from "./engine.ts";

/** A hosted engine whose models load when the test says so. */
function hosted() {
  const loading = new Map<string, { resolve(): void; reject(error: Error): void }>();
  const closed: string[] = [];
  const load = (name: string) =>
    new Promise((resolve, reject) => {
      const model = { imagePredictor: async () => ({ name }), dispose: async () => void closed.push(name) };
      loading.set(name, { resolve: () => resolve(model), reject });
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
    await vi.waitFor(() => expect(asked).toHaveLength(4));
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
