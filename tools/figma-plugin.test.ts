/** The built plugin as a designer has it: the window in Chromium, Figma's side faked, from a click to the group and back. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { encodeChunks } from "../packages/core/src/node.ts";
import { bundleUi } from "../packages/figma-plugin/bundle.mjs";
import { start } from "../packages/figma-plugin/src/plugin.ts";
import { settle } from "../packages/figma-plugin/test/client.ts";
import { FakeFigma, type FakeOptions } from "../packages/figma-plugin/test/fake/figma.ts";
import { createHost, type Host, type Opened, type Shape, shapes } from "../packages/figma-plugin/test/window.ts";
import { chromium, root } from "./host.mjs";

vi.stubGlobal("__html__", "<!doctype html>");

const isBuilt = existsSync(join(root, "packages", "backend-ort", "dist", "classic-worker.js"));

/** A blue disk with a hole on white, as a PNG. */
function product(width: number, height: number): Uint8Array {
  const rows = new Uint8Array(height * (1 + 3 * width)).fill(255);
  for (let y = 0; y < height; y++) {
    const row = y * (1 + 3 * width);
    rows[row] = 0;
    for (let x = 0; x < width; x++) {
      const r = Math.hypot(x - width / 2, y - height / 2) / height;
      if (r < 0.4 && r > 0.1) rows.set([20, 60, 200], row + 1 + 3 * x);
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint16(8, 0x0802); // 8 bits, RGB
  return encodeChunks([
    ["IHDR", new Uint8Array(header.buffer)],
    ["IDAT", deflateSync(rows)],
    ["IEND", new Uint8Array()],
  ]);
}

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

  const waitFor = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 1200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(holds()).toBe(true);
  };

  test.each(shapes)(
    "removes a background without a window in a frame of shape %s, asking no network",
    { timeout: 60_000 },
    async (shape) => {
      const { figma, before, open } = await run("remove-background", [product(200, 150)]);
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
    const scene = readFileSync(join(root, "examples", "scene.png"));
    const pictures = Array.from({ length: 19 }, (_, i) => product(60 + (i % 15), 50));
    const { figma, before, open } = await run("remove-background-all", [...pictures, scene]);
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
    // One that has no flat background is left to the person.
    expect(await frame.locator(".card", { hasText: "By hand" }).count()).toBe(1);
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

  test("a photograph is not cut out at once: the window opens and says why", { timeout: 60_000 }, async () => {
    const { figma, before, open } = await run("remove-background", [readFileSync(join(root, "examples", "scene.png"))]);
    const { page } = await open("sandboxed-srcdoc");
    await waitFor(() => figma.window?.visible === true);
    expect(figma.document.serialise()).toBe(before);
    await page.close();
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
