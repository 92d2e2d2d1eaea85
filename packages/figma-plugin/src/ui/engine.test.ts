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
  const state = { device: "wasm", models: [], kept: [] };
  const keep = vi.fn(async () => undefined);
  const forget = vi.fn(async () => undefined);
  return { engine: { client: { load }, state, keep, forget } as never, loading, closed, forget };
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
  const broken = engine.use({ from: "file", name: "broken.pt", bytes: new Uint8Array(3) });
  await vi.waitFor(() => expect(loading.has("broken.pt")).toBe(true));
  loading.get("broken.pt")?.reject(new Error("no checkpoint"));
  await expect(broken).rejects.toThrow("no checkpoint");
  expect(forget.mock.calls).toEqual([["broken.pt"], ["broken.pt.json"]]);
  expect(engine.choice).toEqual({ from: "hosted", name: "tiny" });
  expect(closed).toEqual([]);
});
