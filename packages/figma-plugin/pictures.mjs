// Makes the pictures of the Community page from the real window: dist/community/*.png
//
//   node --conditions=@masklet/source pictures.mjs
//
// Figma takes a cover of 1920 x 1080 and screenshots beside it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { chromium } from "playwright";
import { chromium as installed } from "../../tools/host.mjs";
import { bundleUi } from "./bundle.mjs";
import { start } from "./src/plugin.ts";
import { FakeFigma } from "./test/fake/figma.ts";
import { productPng } from "./test/scenes.ts";
import { createHost } from "./test/window.ts";

const folder = "dist/community";
await mkdir(folder, { recursive: true });
const executablePath = installed() ?? "chromium";
const host = await createHost({ html: await bundleUi(), executablePath });
const scene = await readFile("../../examples/scene.png");
Object.assign(globalThis, { __html__: "" });

/** The window as Figma opens it, in a theme. @param {string} command @param {readonly Uint8Array[]} pictures @param {string} theme */
async function open(command, pictures, theme) {
  const figma = new FakeFigma({ command });
  figma.select(
    ...pictures.map((bytes, i) =>
      figma.add("RECTANGLE", {
        name: `Photo ${i + 1}`,
        width: 400,
        height: 300,
        fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(bytes) }],
      }),
    ),
  );
  start(figma.api);
  figma.emit("run", { command });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { page, frame } = await host.open(figma, "hosted", { size: { width: 960, height: 640 } });
  await frame.locator("main").waitFor();
  await frame.locator(":root").evaluate((element, name) => element.classList.add(name), `figma-${theme}`);
  return { page, frame };
}

for (const theme of ["light", "dark"]) {
  const { page, frame } = await open("cut-out", [scene], theme);
  const editor = frame.locator("masklet-editor");
  await frame.locator(".status", { hasText: /^Click what/ }).waitFor({ timeout: 120_000 });
  while ((await editor.evaluate((element) => element.engineState)) !== "ready") await page.waitForTimeout(100);
  await editor.evaluate(async ({ session }) => {
    for (const box of [
      [45, 35, 225, 210],
      [505, 20, 615, 220],
      [72, 548, 145, 625],
    ]) {
      session.select(null);
      await session.setBox(box);
    }
  });
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${folder}/cut-out-${theme}.png` });
  await frame.getByRole("button", { name: "Preview" }).click();
  await frame.getByLabel("Hair and fur").check();
  await frame.locator(".status .text:empty").waitFor({ state: "attached" });
  await page.screenshot({ path: `${folder}/preview-${theme}.png` });
  await frame.getByRole("button", { name: /^Model/ }).click();
  await page.screenshot({ path: `${folder}/settings-${theme}.png` });
  await page.close();

  const batch = await open(
    "remove-background-all",
    Array.from({ length: 6 }, (_, i) => productPng(300 + 20 * i, 240)),
    theme,
  );
  await batch.frame.locator(".status", { hasText: "6 of 6 are ready" }).waitFor({ timeout: 120_000 });
  await batch.page.screenshot({ path: `${folder}/batch-${theme}.png` });
  await batch.page.close();
}
await host.close();

// The cover: the window on a plain ground with the name beside it.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } });
const shot = (await readFile(`${folder}/cut-out-light.png`)).toString("base64");
await page.setContent(`<body style="margin:0;height:1080px;display:grid;grid-template-columns:640px 1fr;align-items:center;background:#f0f4ff;font:500 34px/1.4 Inter,Arial,sans-serif;color:#111">
  <div style="padding-left:96px"><div style="font-size:76px;font-weight:700;line-height:1.1">Masklet<br>Cutout</div><p>Cut out anything,<br>on your own machine.</p><p style="color:#555">No key. No account.<br>No credits.</p></div>
  <img src="data:image/png;base64,${shot}" style="width:1150px;border-radius:14px;box-shadow:0 24px 80px #2344"></body>`);
await page.waitForTimeout(200);
await page.screenshot({ path: `${folder}/cover.png` });
await browser.close();
await writeFile(`${folder}/text.md`, await readFile("community.md"));
