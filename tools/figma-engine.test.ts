/** The Figma plugin with its hosted engine: a page of the docs site in a frame, where it can be reached. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Frame } from "playwright";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { onnxFile } from "../packages/backend-ort/test/onnx-file.ts";
import { bundleEngine, bundleUi } from "../packages/figma-plugin/bundle.mjs";
import { start } from "../packages/figma-plugin/src/plugin.ts";
import { settle } from "../packages/figma-plugin/test/client.ts";
import { FakeFigma } from "../packages/figma-plugin/test/fake/figma.ts";
import { pixelsOf } from "../packages/figma-plugin/test/fake/images.ts";
import { photoPng } from "../packages/figma-plugin/test/scenes.ts";
import { createHost, type Host, type Opened } from "../packages/figma-plugin/test/window.ts";
import { chromium, root } from "./host.mjs";

vi.stubGlobal("__html__", "<!doctype html>");

const isBuilt = existsSync(join(root, "packages", "backend-ort", "dist", "classic-worker.js"));

/** Says of every pixel how red it is; a model of saliency in form, MODNet's. */
const redness = onnxFile({
  nodes: [{ op: "Conv", inputs: ["input", "kernel"], outputs: ["output"] }],
  initializers: [{ name: "kernel", dims: [1, 3, 1, 1], data: Float32Array.of(2, -1, 0) }],
  inputs: [{ name: "input", dims: [1, 3, 512, 512] }],
  outputs: [{ name: "output", dims: [1, 1, 512, 512] }],
});

/** Chromium itself says that there is no GPU. */
const isNews = (text: string): boolean => text !== "No available adapters.";

describe.skipIf(!isBuilt || chromium() === undefined)("needs Chromium, and the built packages", () => {
  let html: (engine: string) => string;
  let host: Host;
  beforeAll(async () => {
    const bare = await bundleUi({ hosted: "https://engine.example/v1/" });
    html = (engine) => bare.replace("https://engine.example/v1/", engine);
    host = await createHost({ html, executablePath: chromium() ?? "", engine: await bundleEngine() });
  }, 60_000);
  afterAll(async () => host?.close());

  const figma = new FakeFigma({ command: "cut-out" });
  const photo = figma.add("RECTANGLE", {
    name: "photo",
    width: 120,
    height: 90,
    fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(photoPng(120, 90)) }],
  });
  figma.select(photo);
  figma.document.commit();
  figma.storage.set("finder", { name: "old.onnx", kind: "modnet", bytes: redness });

  /** Another day's window, with what was kept. */
  async function day(on: Host = host): Promise<Opened & { says(text: RegExp | string): Promise<void> }> {
    const opened = await on.open(begin(), "srcdoc-in-data");
    return {
      ...opened,
      says: (text) => opened.frame.locator(".status", { hasText: text }).waitFor({ timeout: 60_000 }),
    };
  }

  /** The engine's page in a window. */
  function engineIn({ frame, page }: Pick<Opened, "frame" | "page">): Frame {
    const engine = page.frames().find((one) => one.parentFrame() === frame);
    if (engine === undefined) throw new Error("the window has no engine");
    return engine;
  }

  /** Names of the files in the engine's storage. */
  function kept(opened: Opened): Promise<unknown> {
    return engineIn(opened).evaluate(`caches.open("masklet-kept").then((cache) => cache.keys())
      .then((all) => all.map(({ url }) => url.slice(url.indexOf("/kept/") + 6)).sort())`);
  }

  let begun = false;
  /** The plugin's main thread goes on with the same document. */
  function begin(): FakeFigma {
    if (begun) return figma;
    begun = true;
    start(figma.api);
    figma.emit("run", { command: "cut-out" });
    return figma;
  }

  test("files that a person chose are kept by the engine, and used the next day", { timeout: 180_000 }, async () => {
    const first = await day();
    await settle();
    await first.says("knows drawings, not photographs");
    await first.frame.getByRole("button", { name: "Choose a model…" }).click();
    await first.frame.getByText("SAM 2.1 Tiny").waitFor({ timeout: 30_000 });
    await first.frame.getByText("from huggingface.co a model, once, when you choose it").waitFor();

    // A model of saliency, and another in its place.
    for (const name of ["other.onnx", "redness.onnx"]) {
      await first.frame
        .locator('input[accept=".onnx"]')
        .setInputFiles({ name, mimeType: "", buffer: Buffer.from(redness) });
      await first.frame.getByText(name, { exact: true }).waitFor({ timeout: 60_000 });
    }
    // A checkpoint that does not say which model it is, with its config; the engine takes its time.
    await engineIn(first).evaluate(`{
      const open = caches.open.bind(caches);
      const waited = new Promise((resolve) => { globalThis.goOn = resolve; });
      caches.open = (name) => waited.then(() => open(name));
    }`);
    const nano = join(root, "packages", "model-nano", "sam2.1_hiera_nano");
    await first.frame
      .locator('input[accept=".pt,.safetensors,.json"]')
      .setInputFiles([`${nano}.safetensors`, `${nano}.json`]);
    // Nobody has to wait for it in the settings: the picture gets it when it is there.
    await first.frame.getByRole("button", { name: "Back to the image" }).click();
    await first.frame.getByRole("button", { name: "Model: built in…" }).waitFor();
    await engineIn(first).evaluate("goOn()");
    await first.frame
      .getByRole("button", { name: "Model: sam2.1_hiera_nano.safetensors…" })
      .waitFor({ timeout: 60_000 });
    await first.says(/^Click what/);
    await vi.waitFor(
      () =>
        expect(figma.storage.get("settings")).toMatchObject({
          model: "sam2.1_hiera_nano.safetensors",
          finder: { name: "redness.onnx", kind: null },
        }),
      { timeout: 60_000 },
    );
    expect(first.said.filter(isNews)).toEqual([]);
    expect(await kept(first)).toEqual([
      "redness.onnx",
      "sam2.1_hiera_nano.safetensors",
      "sam2.1_hiera_nano.safetensors.json",
    ]);
    // What another session kept in Figma's storage, without this engine, would come back in its place.
    expect(figma.storage.has("finder")).toBe(false);
    await first.page.close();

    const second = await day();
    await second.frame
      .getByRole("button", { name: "Model: sam2.1_hiera_nano.safetensors…" })
      .waitFor({ timeout: 60_000 });
    host.asked.length = 0;
    await second.frame.getByRole("button", { name: "Remove background" }).click();
    await second.frame.locator("masklet-editor li").waitFor({ timeout: 60_000 });
    await second.frame.getByRole("button", { name: "Cut out" }).click();
    await second.says(/^Done/);
    const [group] = figma.selected;
    const [mask] = figma.document.state(group ?? "").children.map((id) => figma.document.state(id));
    const fill = mask?.fills[0] as { imageHash: string };
    const alpha = pixelsOf(figma.images.get(fill.imageHash)?.bytes ?? new Uint8Array());
    const at = (x: number, y: number): number => alpha.data[2 * (y * 120 + x) + 1] ?? -1;
    expect([at(60, 45) > 220, at(4, 4) < 40, at(115, 45) < 40]).toEqual([true, true, true]);
    // What is asked for when pictures are there: nothing.
    expect(host.asked).toEqual([]);
    expect(second.said.filter(isNews)).toEqual([]);

    // And it can be had no longer.
    await second.frame.getByRole("button", { name: "Model: sam2.1_hiera_nano.safetensors…" }).click();
    await second.frame.getByRole("button", { name: "Forget the model of saliency" }).click();
    await second.frame.getByRole("button", { name: "Use the built-in model" }).click();
    await second.frame.getByRole("button", { name: "Delete sam2.1_hiera_nano.safetensors" }).click();
    await second.frame
      .getByRole("button", { name: "Delete sam2.1_hiera_nano.safetensors" })
      .waitFor({ state: "detached" });
    await vi.waitFor(() => expect(figma.storage.get("settings")).toMatchObject({ model: "", finder: null }));
    await second.page.close();
  });

  test("a download that is not what was published is refused, and the model before stays", {
    timeout: 60_000,
  }, async () => {
    await host.context.route("https://huggingface.co/**", (route) =>
      route.fulfill({ body: Buffer.from("not a model"), headers: { "Access-Control-Allow-Origin": "*" } }),
    );
    const { frame, page, says } = await day();
    await frame.getByRole("button", { name: "Model: built in…" }).click();
    await frame.getByRole("button", { name: "Fetch SAM 2.1 Tiny" }).click({ timeout: 30_000 });
    await says(/its SHA-256 should be/);
    await frame.getByRole("button", { name: "Fetch SAM 2.1 Tiny" }).waitFor();
    await page.close();
    await host.context.unroute("https://huggingface.co/**");
  });

  test("the engine's page may fetch from its own site and the models' alone", { timeout: 60_000 }, async () => {
    const { frame, page } = await day();
    await frame.getByRole("button", { name: "Model: built in…" }).click();
    await frame.getByText("SAM 2.1 Tiny").waitFor({ timeout: 30_000 });
    const blocked = await engineIn({ frame, page }).evaluate(`new Promise((resolve) => {
      addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective));
      fetch("https://elsewhere.example/").catch(() => undefined);
    })`);
    expect(blocked).toBe("connect-src");
    await page.close();
  });

  test("an engine that does not answer is not waited for", { timeout: 60_000 }, async () => {
    const silent = await createHost({ html, executablePath: chromium() ?? "" });
    const { frame, page, says } = await day(silent);
    await says("knows drawings, not photographs");
    await frame.getByRole("button", { name: "Choose a model…" }).click();
    await frame.getByText("Nothing is fetched.").waitFor();
    await new Promise((resolve) => setTimeout(resolve, 3500));
    expect(await frame.getByText("SAM 2.1").count()).toBe(0);
    expect(page.frames()).toHaveLength(3);
    await page.close();
    await silent.close();
  });
});
