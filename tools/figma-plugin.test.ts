/** The built plugin as a designer has it: the window in Chromium, Figma's side faked, from a click to the group and back. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { RawImage } from "../packages/core/src/index.ts";
import { readImage } from "../packages/core/src/node.ts";
import { bundleUi } from "../packages/figma-plugin/bundle.mjs";
import { start } from "../packages/figma-plugin/src/plugin.ts";
import { settle } from "../packages/figma-plugin/test/client.ts";
import { FakeFigma, type FakeOptions } from "../packages/figma-plugin/test/fake/figma.ts";
import { pngFrom } from "../packages/figma-plugin/test/fake/images.ts";
import { drawingPng, photoPng, productPng } from "../packages/figma-plugin/test/scenes.ts";
import { createHost, type Host, type Opened, type Shape, shapes } from "../packages/figma-plugin/test/window.ts";
import { chromium, root } from "./host.mjs";

vi.stubGlobal("__html__", "<!doctype html>");

const isBuilt = existsSync(join(root, "packages", "backend-ort", "dist", "classic-worker.js"));

describe.skipIf(!isBuilt || chromium() === undefined)("needs Chromium, and the built packages", () => {
  let host: Host;
  beforeAll(async () => {
    const html = await bundleUi();
    // Figma names no limit; this is what a runtime of 14 MB and a model of 7 come to, packed.
    expect(html.length).toBeLessThan(15_000_000);
    host = await createHost({ html, executablePath: chromium() ?? "" });
  }, 60_000);
  afterAll(async () => host?.close());

  interface Run {
    readonly figma: FakeFigma;
    readonly layers: readonly string[];
    readonly before: string;
    open(shape: Shape): Promise<Opened>;
  }

  async function run(command: string, pictures: readonly Uint8Array[], options: FakeOptions = {}): Promise<Run> {
    const figma = new FakeFigma({ command, ...options });
    const layers = pictures.map((bytes, i) =>
      figma.add("RECTANGLE", {
        name: `photo ${i}`,
        width: 120,
        height: 90,
        fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(bytes) }],
      }),
    );
    figma.select(...layers);
    figma.document.commit();
    const before = figma.document.serialise();
    start(figma.api);
    figma.emit("run", { command });
    await settle();
    return { figma, before, layers: layers.map(({ id }) => id), open: (shape) => host.open(figma, shape) };
  }

  const waitForState = async (state: () => Promise<string>): Promise<void> => {
    for (let i = 0; i < 300 && (await state()) !== "ready"; i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await state()).toBe("ready");
  };

  const waitFor = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 1200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(holds()).toBe(true);
  };

  test.each(shapes)(
    "removes a background without a window in a frame of shape %s, asking no network",
    { timeout: 60_000 },
    async (shape) => {
      const { figma, before, open } = await run("remove-background", [productPng(200, 150)]);
      host.asked.length = 0;
      const { page, said } = await open(shape);
      await waitFor(() => figma.notified.length > 0);
      expect(figma.notified[0]?.message).toMatch(/^Background removed/);
      expect(figma.window?.visible).toBe(false);
      const [group] = figma.selected;
      expect(figma.document.state(group ?? "")).toMatchObject({ type: "GROUP", name: "photo 0" });
      expect(figma.document.problems()).toEqual([]);
      figma.undo();
      expect(figma.document.serialise()).toBe(before);
      expect(said).toEqual([]);
      expect(new Set(host.asked)).toEqual(new Set(["/", "/ui.html"]));
      await page.close();
    },
  );

  test("a click cuts out, is refined a week later, and the original comes back", { timeout: 120_000 }, async () => {
    const { figma, before, open } = await run("cut-out", [readFileSync(join(root, "examples", "scene.png"))]);
    const { page, frame, said } = await open("srcdoc-in-data");
    const says = (text: RegExp): Promise<void> =>
      frame.locator(".status", { hasText: text }).waitFor({ timeout: 60_000 });
    await says(/^Click what/);
    const canvas = frame.locator("masklet-editor .stage");
    await frame.locator("masklet-editor").evaluate(
      (editor) =>
        new Promise<void>((resolve) => {
          const poll = (): unknown =>
            (editor as unknown as { engineState: string }).engineState === "ready" ? resolve() : setTimeout(poll, 20);
          poll();
        }),
    );
    const area = await canvas.boundingBox();
    await canvas.click({ position: { x: (area?.width ?? 0) * 0.25, y: (area?.height ?? 0) * 0.25 } });
    await frame.locator("masklet-editor li").waitFor();
    await frame.getByRole("button", { name: "Cut out" }).click();
    await says(/^Done/);
    const [group] = figma.selected;
    expect(figma.document.state(group ?? "")).toMatchObject({ type: "GROUP" });
    await page.close();

    // Another day: nothing is left of the window, the group is selected.
    const again = await host.open(figma, "srcdoc-in-data");
    await again.frame.getByRole("button", { name: "Update" }).waitFor({ timeout: 60_000 });
    expect(await again.frame.locator("masklet-editor li").count()).toBe(1);
    await again.frame.getByLabel("Result").selectOption("shape");
    await again.frame.getByRole("button", { name: "Update" }).click();
    await again.frame.locator(".status", { hasText: /^Done/ }).waitFor({ timeout: 60_000 });
    const [shape] = figma.selected;
    const types = figma.document.state(shape ?? "").children.map((id) => figma.document.state(id).type);
    expect(types).toEqual(["RECTANGLE", "VECTOR"]);
    await again.frame.getByRole("button", { name: "Restore original" }).click();
    await waitFor(() => figma.document.serialise() === before);
    expect([...said, ...again.said]).toEqual([]);
    await again.page.close();
  });

  test("twenty layers are reviewed and applied in one step", { timeout: 120_000 }, async () => {
    const pictures = Array.from({ length: 19 }, (_, i) => productPng(60 + (i % 15), 50));
    const { figma, before, open } = await run("remove-background-all", [...pictures, photoPng(80, 60)]);
    const asked: unknown[] = [];
    const send = figma.send.bind(figma);
    figma.send = (message) => {
      asked.push((message as { method: unknown }).method);
      send(message);
    };
    const { page, frame, said } = await open("srcdoc-in-data");
    const button = frame.getByRole("button", { name: "Apply to 19" });
    await button.waitFor({ timeout: 60_000 });
    await frame.locator(".status", { hasText: "19 of 20 are ready" }).waitFor({ timeout: 60_000 });
    // Four of the layers share another's picture.
    expect(asked.filter((method) => method === "picture")).toHaveLength(16);
    // A photograph without a model for it is left to the person.
    expect(await frame.locator(".card", { hasText: "needs a model" }).count()).toBe(1);
    await frame.getByLabel("Apply to photo 3", { exact: true }).uncheck();
    await frame.getByRole("button", { name: "Apply to 18" }).click();
    await frame.locator(".status", { hasText: "18 of 18 done" }).waitFor();
    expect(figma.selected).toHaveLength(18);
    expect(figma.document.problems()).toEqual([]);
    figma.undo();
    expect(figma.document.serialise()).toBe(before);
    expect(said).toEqual([]);
    await page.close();
  });

  test("a batch is stopped in the middle, goes on one by one, and closing the plugin leaves the document whole", {
    timeout: 120_000,
  }, async () => {
    const pictures = Array.from({ length: 20 }, (_, i) => productPng(60 + i, 50));
    const { figma, before, open } = await run("remove-background-all", pictures);
    const send = figma.send.bind(figma);
    let held: unknown;
    let asked = 0;
    figma.send = (message) => {
      const { method } = message as { method: unknown };
      if (method === "picture" && ++asked === 6) held = message;
      else send(message);
      if (method === "apply") figma.close();
    };
    const { page, frame, said } = await open("srcdoc-in-data");
    await waitFor(() => held !== undefined);
    await frame.getByRole("button", { name: "Stop" }).click();
    await frame.locator(".status", { hasText: "Stopped. 5 of 20 are ready" }).waitFor();
    expect(await frame.locator(".card", { hasText: "Not looked at" }).count()).toBe(15);
    // The picture that was on its way is late, and no result any more.
    send(held);
    await frame.getByRole("button", { name: "Look at it" }).nth(3).click();
    await frame.locator(".status", { hasText: "6 of 20 are ready" }).waitFor();
    await frame.getByRole("button", { name: "Apply to 6" }).click();
    await waitFor(() => figma.closed !== undefined);
    await settle();
    expect(figma.document.problems()).toEqual([]);
    if (figma.document.serialise() !== before) figma.undo();
    expect(figma.document.serialise()).toBe(before);
    expect(said).toEqual([]);
    await page.close();
  });

  test("with nano alone a photograph is not cut out: the window opens and offers a model", {
    timeout: 60_000,
  }, async () => {
    const { figma, before, open } = await run("remove-background", [photoPng(120, 90)]);
    const { page, frame, said } = await open("sandboxed-srcdoc");
    await frame.locator(".status", { hasText: "knows drawings, not photographs" }).waitFor();
    expect(figma.window?.visible).toBe(true);
    expect(figma.document.serialise()).toBe(before);
    // A click does nothing as long as nobody asks for the built-in model in spite of that.
    const editor = frame.locator("masklet-editor");
    await editor.locator(".stage").click();
    expect(await editor.locator("li").count()).toBe(0);
    const state = (): Promise<string> =>
      editor.evaluate((element) => (element as unknown as { engineState: string }).engineState);
    expect(await state()).toBe("none");
    await frame.getByRole("button", { name: "Try the built-in one" }).click();
    await frame.locator(".status", { hasText: "rough" }).waitFor();
    await waitForState(state);
    await frame.getByRole("button", { name: "Model: built in…" }).click();
    await frame.getByText("Nothing is fetched.").waitFor();
    await frame.getByRole("button", { name: "Back to the image" }).click();
    await editor.waitFor();
    expect(said).toEqual([]);
    await page.close();
  });

  test("with nano alone a drawing's subject is found, and what is unsure is shown", { timeout: 60_000 }, async () => {
    const { figma, before, open } = await run("remove-background", [drawingPng(128, 96)]);
    const { page, frame } = await open("srcdoc-in-data");
    await waitFor(() => figma.notified.length > 0);
    expect(figma.notified[0]?.message).toBe("Looking for the subject…");
    await waitFor(() => figma.notified.length > 1 || figma.window?.visible === true);
    if (figma.window?.visible === true) {
      // Something was found, is shown, and is not applied by itself.
      await frame.locator(".status", { hasText: "Please check" }).waitFor();
      await frame.locator("masklet-editor li").waitFor();
      expect(figma.document.serialise()).toBe(before);
    } else expect(figma.document.serialise()).not.toBe(before);
    await page.close();
  });

  const leftHalf = {
    name: "mask.png",
    mimeType: "image/png",
    buffer: Buffer.from(
      pngFrom(
        40,
        30,
        0,
        1,
        new Uint8Array(1200).map((_, i) => (i % 40 < 20 ? 255 : 0)),
      ),
    ),
  };

  test("a mask from a file is cut out with hair, and the clipboard that a plugin has not is said", {
    timeout: 120_000,
  }, async () => {
    const { figma, open } = await run("cut-out", [photoPng(120, 90)]);
    const { page, frame, said } = await open("srcdoc-in-data");
    const says = (text: RegExp): Promise<void> =>
      frame.locator(".status", { hasText: text }).waitFor({ timeout: 60_000 });
    await says(/knows drawings/);
    await frame.locator('.actions input[type="file"]').setInputFiles(leftHalf);
    await says(/^The mask is an object now/);
    await frame.getByLabel("Hair and fur").check();
    await frame.getByRole("button", { name: "Preview" }).click();
    await frame.getByLabel("Ground").selectOption("On black");
    const behind = `getComputedStyle(document.querySelector(".preview canvas")).backgroundColor`;
    expect(await frame.evaluate(behind)).toBe("rgb(0, 0, 0)");
    await frame.getByRole("button", { name: "Edit" }).click();
    await frame.getByLabel("Result").selectOption("clipboard");
    const downloading = page.waitForEvent("download");
    await frame.getByRole("button", { name: "Cut out" }).click();
    expect((await downloading).suggestedFilename()).toBe("photo 0.png");
    await says(/keeps the clipboard from plugins/);
    await frame.getByLabel("Result").selectOption("sticker");
    await frame.locator(".actions").getByLabel("Outline").selectOption("wide");
    await frame.getByRole("button", { name: "Cut out" }).click();
    await says(/^Done/);
    const [group = ""] = figma.selected;
    const [line = ""] = figma.document.state(group).children;
    // Four of a hundred of 90, twice, because half of the line is under the object.
    expect(figma.document.state(line)).toMatchObject({ name: "Outline", strokeWeight: 8 });
    expect(said).toEqual([]);
    await page.close();

    const again = await host.open(figma, "srcdoc-in-data");
    await again.frame.getByRole("button", { name: "Update" }).waitFor({ timeout: 60_000 });
    expect(await again.frame.getByLabel("Hair and fur").isChecked()).toBe(true);
    await again.page.close();
  });

  test.each([
    ["is there", "clipboard-write; clipboard-read", /^Copied/],
    ["is kept from it", "clipboard-write 'none'", /keeps the clipboard from plugins/],
  ])("a PNG to the clipboard where it %s", { timeout: 60_000 }, async (_, allow, words) => {
    await host.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const { figma } = await run("cut-out", [photoPng(80, 60)]);
    // The only shape of frame with an origin, which a clipboard needs.
    const { page, frame, said } = await host.open(figma, "hosted", { allow });
    const says = (text: RegExp): Promise<void> => frame.locator(".status", { hasText: text }).waitFor();
    await says(/knows drawings/);
    await frame.locator('.actions input[type="file"]').setInputFiles(leftHalf);
    await says(/^The mask is an object now/);
    await frame.getByRole("button", { name: "Model: built in…" }).click();
    await frame.getByLabel("Soften edges").fill("3");
    await frame.getByRole("button", { name: "Back to the image" }).click();
    await says(/knows drawings/);
    const cutOut = async (result: string): Promise<void> => {
      await frame.getByLabel("Result").selectOption(result);
      await frame.getByRole("button", { name: "Cut out" }).click();
    };
    const save = async (result: string): Promise<RawImage> => {
      const downloading = page.waitForEvent("download");
      await cutOut(result);
      return readImage(await (await downloading).path());
    };
    const file = await save("png");
    expect(file).toMatchObject({ width: 80, height: 60, channels: 4 });
    if (allow.endsWith("'none'")) {
      expect(await save("clipboard")).toEqual(file);
      await says(words);
    } else {
      await cutOut("clipboard");
      await says(words);
      const copied = await frame.evaluate<number[]>(
        `navigator.clipboard.read().then(async ([item]) => [...new Uint8Array(await (await item.getType("image/png")).arrayBuffer())])`,
      );
      const { data, ...size } = await readImage(Uint8Array.from(copied));
      expect(size).toEqual({ width: 80, height: 60, channels: 4 });
      const alphaOf = (pixels: ArrayLike<number>): number[] => Array.from(pixels).filter((__, i) => i % 4 === 3);
      expect(alphaOf(data)).toEqual(alphaOf(file.data));
      expect(new Set(alphaOf(data)).size).toBeGreaterThan(2);
      // The browser multiplies colours by their alpha on the way.
      const worst = Array.from(data, (value, i) => {
        const alpha = file.data[i - (i % 4) + 3] ?? 0;
        return (Math.abs(value - (file.data[i] ?? 0)) * alpha) / 255;
      });
      expect(Math.max(...worst)).toBeLessThanOrEqual(1);
    }
    // The browser's own words of the refusal.
    expect(said.filter((text) => !text.startsWith("Permissions policy violation: The Clipboard API"))).toEqual([]);
    await page.close();
    await host.context.clearPermissions();
  });

  test("the self-test tells a Figma that turns paints the other way", { timeout: 60_000 }, async () => {
    const { open } = await run("self-test", [], { turns: -1 });
    const { page, frame } = await open("sandboxed-srcdoc");
    await frame.locator(".status", { hasText: "Copy the report" }).waitFor({ timeout: 50_000 });
    const report = await frame.getByLabel("Report").inputValue();
    expect(report).not.toMatch(/OFF|failed/);
    for (const degrees of [0, 90, 180, 270]) {
      const wanted = degrees % 180 === 0 ? "as assumed" : "TURNED THE OTHER WAY";
      expect(report).toContain(`{"scaleMode":"FILL","rotation":${degrees}}: ${wanted}`);
    }
    expect(report).toContain("becomes M 0 0 L 100 0 L 100 50 Z at 0 0");
    await page.close();
  });
});
