// Makes the pictures of the extension's README in a real workbench: `node tools/code-server.mjs` once, then
// `node --conditions=@masklet/source packages/vscode-ext/test/pictures.ts`. They are looked at before they are committed.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MaskletEditorElement } from "@masklet/editor/element";
import { chromium, root } from "../../../tools/host.mjs";
import { bundle, pack } from "../bundle.mjs";
import { codeServer, Workbench } from "./workbench.ts";

const out = join(root, "packages", "vscode-ext", "media", "readme");
/** What is clicked on in the scene, and what it is; the last one stays a draft. */
const things: readonly (readonly [name: string, x: number, y: number])[] = [
  ["key", 565, 95],
  ["clown", 66, 374],
  ["boat", 583, 458],
  ["sign", 134, 123],
];

const executable = chromium();
if (codeServer() === undefined || executable === undefined)
  throw new Error("pictures: needs code-server (node tools/code-server.mjs) and Chromium");
const folder = mkdtempSync(join(tmpdir(), "masklet-pictures-"));
try {
  const vsix = await pack(join(folder, "extension"), await bundle(join(folder, "extension")));
  const data = join(folder, "toys");
  mkdirSync(join(data, "clip"), { recursive: true });
  cpSync(join(root, "examples", "scene.png"), join(data, "scene.png"));
  for (const name of readdirSync(join(root, "examples", "clip"))) {
    if (name.endsWith(".jpg")) cpSync(join(root, "examples", "clip", name), join(data, "clip", name));
  }
  mkdirSync(out, { recursive: true });
  const settings = { "workbench.colorTheme": "Dark 2026", "workbench.secondarySideBar.defaultVisibility": "hidden" };
  const workbench = await Workbench.start({ vsix, executable, settings });
  try {
    await workbench.page.setViewportSize({ width: 1120, height: 700 });
    await workbench.open(data);
    await segment(workbench);
    await workbench.page.screenshot({ path: join(out, "segment.png") });
    await workbench.theme("Light 2026");
    await gallery(workbench);
    await workbench.page.screenshot({ path: join(out, "gallery.png") });
  } finally {
    await workbench.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function segment(workbench: Workbench): Promise<void> {
  const frame = await workbench.file("scene.png");
  await frame.locator("body").press("s");
  await frame.evaluate(
    (names) => {
      const colours = [[230, 159, 0] as const, [86, 180, 233] as const, [0, 158, 115] as const, [213, 94, 0] as const];
      const editor = document.querySelector("masklet-editor") as MaskletEditorElement;
      editor.session?.setClasses(names.map((name, i) => ({ name, colour: colours[i] ?? [0, 0, 0] })));
    },
    things.map(([name]) => name),
  );
  await frame.waitForFunction(
    () => (document.querySelector("masklet-editor") as MaskletEditorElement).engineState === "ready",
    undefined,
    { timeout: 60_000 },
  );
  for (const [i, [, x, y]] of things.entries()) {
    const position = await frame.evaluate(
      (point) => {
        const editor = document.querySelector("masklet-editor") as MaskletEditorElement;
        const [left, top] = editor.pagePoint(point) ?? [0, 0];
        const box = editor.getBoundingClientRect();
        return { x: left - box.left, y: top - box.top };
      },
      [x, y] as const,
    );
    await frame.locator("masklet-editor").click({ position });
    await frame.waitForFunction(
      (count) =>
        (document.querySelector("masklet-editor") as MaskletEditorElement).session?.document.objects.length === count,
      i + 1,
    );
    await workbench.page.keyboard.press(String(i + 1));
    if (i < things.length - 1) for (const key of ["Enter", "n"]) await workbench.page.keyboard.press(key);
    await workbench.page.waitForTimeout(500);
  }
}

async function gallery(workbench: Workbench): Promise<void> {
  const frame = await workbench.dataset("clip");
  await frame.getByRole("button", { name: "Propose masks" }).click();
  await frame.locator("output.job", { hasText: "Done" }).waitFor({ timeout: 120_000 });
  await frame.locator("[role=listbox]").focus();
  await workbench.page.keyboard.press("Enter");
  await frame.locator(".review .objects li").first().waitFor();
  await workbench.page.waitForTimeout(1000);
}
