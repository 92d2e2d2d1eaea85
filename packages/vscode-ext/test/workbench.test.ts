/** The packed extension in a real workbench, as a person has it; label files compared byte for byte after each act. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { MaskletEditorElement } from "@masklet/editor/element";
import type { MaskletVideoEditorElement } from "@masklet/editor/video-element";
import axe from "axe-core";
import type { Frame } from "playwright";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chromium } from "../../../tools/host.mjs";
import { bundle, pack } from "../bundle.mjs";
import { codeServer, Workbench } from "./workbench.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const isBuilt = existsSync(join(root, "packages", "backend-ort", "dist", "classic-worker.js"));
const executable = chromium();

/** A square at the scene's top left, as LabelMe writes it, with things of others in it. */
const labels = `{
  "version": "5.2.1",
  "flags": {"checked": true},
  "shapes": [
    {
      "label": "square",
      "points": [[20.0, 20.0], [80.50, 20.0], [80.5, 80.0], [20.0, 80.0]],
      "group_id": null,
      "description": "keep me",
      "shape_type": "polygon",
      "flags": {}
    }
  ],
  "imagePath": "scene.png",
  "imageData": null,
  "imageHeight": 640,
  "imageWidth": 640
}`;

type Editor = MaskletEditorElement;
/** What the page shows: each object's class, state and area of the run lengths' text. */
const objects = (frame: Frame): Promise<readonly { id: number; class: string | null; state: string; mask: string }[]> =>
  frame.evaluate(() => {
    const editor = document.querySelector("masklet-editor") as Editor;
    return (editor.session?.document.objects ?? []).map(({ id, class: name, state, mask }) => ({
      id,
      class: name,
      state,
      mask,
    }));
  });

async function clickAt(
  frame: Frame,
  point: readonly [number, number],
  modifiers: ("Shift" | "Control")[] = [],
): Promise<void> {
  const position = await frame.evaluate(([x, y]) => {
    const editor = document.querySelector("masklet-editor") as Editor;
    const at = editor.pagePoint([x, y]) ?? [0, 0];
    const { left, top } = editor.getBoundingClientRect();
    return { x: at[0] - left, y: at[1] - top };
  }, point);
  await frame.locator("masklet-editor").click({ position, modifiers });
}

async function until(check: () => Promise<boolean> | boolean, what: string, seconds = 25): Promise<void> {
  for (let tries = 0; tries < seconds * 10; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not after ${seconds} s`);
}

/** What axe finds, by rule; with MASKLET_SCREENSHOTS a picture is kept to look at. */
async function violations(frame: Frame): Promise<readonly unknown[]> {
  const found = await frame.evaluate(`${axe.source}; axe.run(document, { resultTypes: ["violations"] })`);
  const folder = process.env["MASKLET_SCREENSHOTS"];
  if (folder !== undefined) {
    const kind = await frame.evaluate(() => document.body.dataset["vscodeThemeKind"]);
    await frame.page().screenshot({ path: join(folder, `${kind}.png`) });
  }
  return (found as axe.AxeResults).violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}

let packing: Promise<string> | undefined;
const built = mkdtempSync(join(tmpdir(), "masklet-vsix-"));
afterAll(() => rmSync(built, { recursive: true, force: true }));

/** The packed extension, made once for all workbenches here. */
const packed = (): Promise<string> => {
  packing ??= bundle(built).then((files) => pack(built, files));
  return packing;
};

const ready = (frame: Frame): Promise<void> =>
  until(
    () => frame.evaluate(() => (document.querySelector("masklet-editor") as Editor).engineState === "ready"),
    "the engine is ready",
    60,
  );

/** Goes from looking to making, once the engine can answer. */
async function beginSegmenting(frame: Frame): Promise<void> {
  const isBare = await frame.evaluate(() => (document.querySelector("masklet-editor") as Editor).hasAttribute("bare"));
  if (isBare) await frame.locator("body").press("s");
  await ready(frame);
}

describe.skipIf(codeServer() === undefined || executable === undefined || !isBuilt)(
  "needs code-server (node tools/code-server.mjs), Chromium and the built packages",
  { timeout: 120_000 },
  () => {
    let workbench: Workbench;
    let folder: string;
    let file: string;
    const bytes = (): string => readFileSync(file, "utf8");

    type Shown = Awaited<ReturnType<typeof objects>>[number] | undefined;
    /** What a person has done with an object, the last first: how each is seen to be undone, and redone. */
    const acts: readonly [string, (one: Shown) => boolean, string, (one: Shown) => boolean][] = [
      ["a draft", (one) => one?.state === "draft", "accepted", (one) => one?.state === "accepted"],
      ["no class", (one) => one?.class === null, "its class", (one) => one?.class === "square"],
      ["gone", (one) => one === undefined, "there", (one) => one !== undefined],
    ];
    /** Undoes what was done with the object of a place: VS Code leaves out what comes before it is done with the last. */
    async function undoAll(frame: Frame, place: number): Promise<void> {
      for (const [what, isIt] of acts) {
        await workbench.page.keyboard.press("Control+Z");
        await until(async () => isIt((await objects(frame))[place]), `undone: ${what}`);
        await workbench.page.waitForTimeout(200);
      }
    }

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "masklet-ws-"));
      const data = join(folder, "data");
      mkdirSync(data);
      for (const name of ["scene.png", "bare.png", "locked.png"])
        cpSync(join(root, "examples", "scene.png"), join(data, name));
      file = join(data, "scene.json");
      writeFileSync(file, labels);
      writeFileSync(join(data, "locked.json"), labels.replace("scene.png", "locked.png"));
      chmodSync(join(data, "locked.json"), 0o444);
      cpSync(join(root, "examples", "clip"), join(data, "clip"), {
        recursive: true,
        filter: (path) => !/0000[4-7]\.jpg$/.test(path),
      });
      cpSync(join(root, "packages", "core", "test", "hidden-frames.webm"), join(data, "hidden.webm"));
      workbench = await Workbench.start({ vsix: await packed(), executable: executable ?? "" });
      await workbench.open(data);
    }, 120_000);
    afterAll(async () => {
      await workbench?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    test("shows labels, and leaves bytes and times when it is closed", async () => {
      const before = statSync(file);
      const picture = readFileSync(join(folder, "data", "scene.png"));
      const frame = await workbench.file("scene.png");
      await until(async () => (await objects(frame)).length === 1, "the label is shown");
      expect(await objects(frame)).toMatchObject([{ class: "square", state: "accepted" }]);
      expect(await workbench.isDirty()).toBe(false);
      await workbench.page.keyboard.press("Control+S");
      await workbench.command("View: Close Editor");
      expect(bytes()).toBe(labels);
      expect(statSync(file).mtimeMs).toBe(before.mtimeMs);
      expect(readFileSync(join(folder, "data", "scene.png")).equals(picture)).toBe(true);
    });

    test("an accepted object is one slice more; undo and redo are VS Code's", async () => {
      const frame = await workbench.file("scene.png");
      await beginSegmenting(frame);
      await clickAt(frame, [510, 60]);
      await until(async () => (await objects(frame)).length === 2, "the click is answered");
      await until(() => workbench.isDirty(), "the tab says that there is unsaved work");
      await workbench.page.keyboard.press("1");
      await until(async () => (await objects(frame))[1]?.class === "square", "its class is the first");
      await workbench.page.keyboard.press("Enter");
      await until(async () => (await objects(frame))[1]?.state === "accepted", "it is accepted");
      expect(bytes()).toBe(labels);
      await workbench.page.keyboard.press("Control+S");
      await until(() => bytes() !== labels, "it is saved");
      await until(async () => !(await workbench.isDirty()), "the dot is gone");
      const saved = bytes();
      // All there was is there as it was: one shape comes in behind it.
      const at = labels.indexOf("\n  ],");
      expect(saved.startsWith(labels.slice(0, at))).toBe(true);
      expect(saved.endsWith(labels.slice(at))).toBe(true);
      expect(JSON.parse(saved).shapes).toHaveLength(2);

      await undoAll(frame, 1);
      await workbench.page.keyboard.press("Control+S");
      await until(() => bytes() === labels, "without it, the file is what it was");
      for (const [what, isIt] of [...acts].reverse().map(([, , does, isDone]) => [does, isDone] as const)) {
        await workbench.page.keyboard.press("Control+Shift+Z");
        await until(async () => isIt((await objects(frame))[1]), `redone: ${what}`);
        await workbench.page.waitForTimeout(200);
      }
      await workbench.page.keyboard.press("Control+S");
      await until(() => bytes() === saved, "and saved again it is the same bytes");
    });

    test("a change of the file is shown, and is no unsaved work", async () => {
      const frame = await workbench.file("scene.png");
      const before = bytes();
      const root = JSON.parse(before) as { shapes: { label: string; points: number[][] }[] };
      root.shapes.push({
        ...(root.shapes[0] as { label: string; points: number[][] }),
        label: "other",
        points: [
          [200, 200],
          [260, 200],
          [260, 260],
        ],
      });
      writeFileSync(file, JSON.stringify(root, undefined, 2));
      await until(async () => (await objects(frame)).length === 3, "the third is shown");
      expect(await workbench.isDirty()).toBe(false);
      expect((await objects(frame)).map((one) => one.class)).toContain("other");
    });

    test("what both have changed is asked for, and nothing is lost silently", async () => {
      const frame = await workbench.file("scene.png");
      const square = (await objects(frame)).find((one) => one.class === "square");
      await frame.evaluate((id) => {
        const session = (document.querySelector("masklet-editor") as Editor).session;
        session?.select(id);
        session?.grow(3);
      }, square?.id ?? 0);
      await until(() => workbench.isDirty(), "it is unsaved");
      const theirs = bytes().replace("80.5", "90.0");
      expect(theirs).not.toBe(bytes());
      writeFileSync(file, theirs);
      await workbench.page.waitForTimeout(1500);
      await workbench.page.keyboard.press("Control+S");
      const dialog = workbench.page.locator(".monaco-dialog-box");
      await dialog.waitFor();
      expect(bytes()).toBe(theirs);
      await dialog.getByRole("button", { name: "Keep Mine" }).click();
      await until(() => bytes() !== theirs, "ours is written over theirs");
      await until(async () => !(await workbench.isDirty()), "the dot is gone");
      expect(JSON.parse(bytes()).shapes).toHaveLength(3);
    });

    test("unsaved work is there after a reload of the window", async () => {
      const frame = await workbench.file("scene.png");
      const saved = bytes();
      const [first, ...rest] = await objects(frame);
      await frame.evaluate((id) => {
        (document.querySelector("masklet-editor") as Editor).session?.remove(id);
      }, first?.id ?? 0);
      await until(async () => (await objects(frame)).length === rest.length, "it is removed");
      await until(() => workbench.isDirty(), "it is unsaved");
      // VS Code makes a backup a second after each change; a page that is reloaded before has none.
      const ids = JSON.stringify(rest.map(({ id }) => id));
      await until(
        () =>
          workbench.backups().some((text) => {
            if (!text.endsWith("}")) return false;
            const { document } = JSON.parse(text) as { document: { objects: { id: number }[] } };
            return JSON.stringify(document.objects.map(({ id }) => id)) === ids;
          }),
        "the backup is made",
      );
      await workbench.page.waitForTimeout(1000); // and VS Code writes down that it is
      await workbench.reload();
      const again = await workbench.image();
      await until(async () => (await objects(again)).length === rest.length, "what was done is still done");
      expect(await objects(again)).toEqual(rest);
      expect(await workbench.isDirty()).toBe(true);
      expect(bytes()).toBe(saved);
      await workbench.command("File: Revert File");
      await until(async () => (await objects(again)).length === rest.length + 1, "the file's objects are back");
      await until(async () => !(await workbench.isDirty()), "the dot is gone");
      expect(bytes()).toBe(saved);
    });

    test("two views of one picture show the same", async () => {
      await workbench.command("View: Split Editor Right");
      const [left, right] = [await workbench.image(0), await workbench.image(1)];
      const count = (await objects(left)).length;
      await left.evaluate(() => {
        const session = (document.querySelector("masklet-editor") as Editor).session;
        const [first] = session?.document.objects ?? [];
        if (first !== undefined) session?.remove(first.id);
      });
      await until(async () => (await objects(right)).length === count - 1, "the other view has it too");
      await workbench.command("File: Revert File");
      await until(
        async () => (await objects(left)).length === count && (await objects(right)).length === count,
        "and back",
      );
      await workbench.command("View: Close Editor");
    });

    afterEach(async ({ task }) => {
      const shots = process.env["MASKLET_SCREENSHOTS"];
      if (shots !== undefined && task.result?.state === "fail")
        await workbench.page.screenshot({ path: join(shots, `failed-${task.id}.png`) });
    });

    test.each([
      ["Dark 2026", "vscode-dark"],
      ["Dark High Contrast", "vscode-high-contrast"],
      ["Light High Contrast", "vscode-high-contrast-light"],
      ["Light 2026", "vscode-light"],
    ])("axe finds nothing in the page: %s", async (theme, kind) => {
      const frame = await workbench.file("scene.png");
      await workbench.theme(theme);
      await until(
        async () => (await frame.evaluate(() => document.body.dataset["vscodeThemeKind"])) === kind,
        `the theme is ${kind}`,
      );
      await beginSegmenting(frame);
      expect(await violations(frame)).toEqual([]);
      const [tool, page] = await frame.evaluate(() => {
        const { shadowRoot } = document.querySelector("masklet-editor") as Editor;
        const taken = shadowRoot?.querySelector("button[aria-pressed=true]");
        return [taken ?? document.body, document.body].map((one) => getComputedStyle(one).backgroundColor);
      });
      expect(tool, "the tool that is taken looks like the others").not.toBe(page);
    });

    test("auto-save writes what is accepted, and no draft", async () => {
      const frame = await workbench.file("scene.png");
      await workbench.command("File: Toggle Auto Save");
      const before = bytes();
      const count = (await objects(frame)).length;
      await beginSegmenting(frame);
      await clickAt(frame, [510, 60]);
      await until(async () => (await objects(frame)).length === count + 1, "the click is answered");
      await workbench.page.waitForTimeout(1000);
      await until(async () => !(await workbench.isDirty()), "nothing is unsaved");
      expect(bytes()).toBe(before);
      await workbench.page.keyboard.press("1");
      await until(async () => (await objects(frame))[count]?.class === "square", "its class is the first");
      await workbench.page.keyboard.press("Enter");
      await until(() => bytes() !== before, "what is accepted is saved by itself");
      expect(JSON.parse(bytes()).shapes).toHaveLength(count + 1);
      await undoAll(frame, count);
      await until(() => bytes() === before, "what is undone is saved too");
      await until(async () => !(await workbench.isDirty()), "nothing is unsaved at the end");
      await workbench.set({});
    });

    test("a file that is read-only is shown, and nothing can be changed", async () => {
      const frame = await workbench.file("locked.png");
      await until(async () => (await objects(frame)).length === 1, "the label is shown");
      await frame.locator("body").press("s");
      await workbench.page.waitForTimeout(300);
      expect(
        await frame.evaluate(() => (document.querySelector("masklet-editor") as Editor).hasAttribute("bare")),
      ).toBe(true);
      await expect.poll(() => workbench.page.locator(".statusbar").textContent()).toContain("read-only");
    });

    test("a folder of frames is tracked, undone, reloaded and saved as a video, and its frames keep their bytes", async () => {
      const clip = join(folder, "data", "clip");
      const frameBytes = (): readonly string[] =>
        readdirSync(clip).map((name) => readFileSync(join(clip, name), "base64"));
      const before = frameBytes();
      /** On how many frames each object is known, once nothing is under way. */
      const tracked = (frame: Frame): Promise<readonly number[]> =>
        frame.evaluate(() => {
          const { session } = document.querySelector("masklet-video-editor") as MaskletVideoEditorElement;
          if (session === undefined || session.trackingState !== null) return [];
          return session.document.objects.map(({ frames }) => Object.keys(frames).length);
        });
      const is = (frame: Frame, wanted: readonly number[], what: string): Promise<void> =>
        until(async () => JSON.stringify(await tracked(frame)) === JSON.stringify(wanted), what);
      await workbench.explorerMenu("clip", "Open Frame Folder as Video");
      const frame = await workbench.video();
      const position = await frame.evaluate(() => {
        const video = document.querySelector("masklet-video-editor") as MaskletVideoEditorElement;
        const [x, y] = video.editor.pagePoint([57, 143]) ?? [0, 0];
        return { x, y };
      });
      await frame.locator("body").click({ position });
      await is(frame, [1], "it is prompted");
      await frame.getByRole("button", { name: "Track on" }).click();
      await is(frame, [4], "it is tracked");
      await workbench.page.waitForTimeout(500); // until VS Code has heard of it
      expect(await workbench.isDirty()).toBe(true);
      await workbench.page.keyboard.press("Control+Z");
      await is(frame, [1], "tracking is undone");
      await workbench.page.keyboard.press("Control+Shift+Z");
      await is(frame, [4], "and done again");
      await until(
        () => workbench.backups().some((text) => text.startsWith('{"masklet":"video"') && text.includes('\n"3":')),
        "the backup is made",
      );
      await workbench.page.waitForTimeout(1000); // and VS Code writes down that it is
      await workbench.reload();
      const again = await workbench.video();
      await is(again, [4], "what was done is still done");
      expect(await workbench.isDirty()).toBe(true);
      expect(existsSync(`${clip}.masklet.json`)).toBe(false);
      expect(await violations(again)).toEqual([]);
      await again.locator("body").click({ position: { x: 5, y: 5 } });
      await workbench.page.keyboard.press("Control+S");
      await until(async () => !(await workbench.isDirty()), "it is saved");
      expect(readFileSync(`${clip}.masklet.json`, "utf8")).toMatch(/^\{"masklet":"video"/);
      expect(frameBytes()).toEqual(before);
      await workbench.command("View: Close Editor");

      // A file, by the browser's own decoders, whose bytes come in parts.
      const video = readFileSync(join(folder, "data", "hidden.webm"));
      await workbench.quickOpen("hidden.webm");
      await workbench.video();
      expect(await workbench.isDirty()).toBe(false);
      await workbench.command("View: Close Editor");
      expect(readFileSync(join(folder, "data", "hidden.webm"))).toEqual(video);
      expect(existsSync(join(folder, "data", "hidden.webm.masklet.json"))).toBe(false);
    });

    test("the first save of a folder without labels asks for the format, once", async () => {
      const frame = await workbench.file("bare.png");
      await frame.evaluate(() => {
        const editor = document.querySelector("masklet-editor") as Editor;
        editor.session?.paintStroke(
          [
            [100, 100],
            [160, 100],
          ],
          10,
        );
        const [object] = editor.session?.document.objects ?? [];
        if (object !== undefined) editor.session?.setState("accepted", [object.id]);
      });
      await until(() => workbench.isDirty(), "it is unsaved");
      await workbench.page.keyboard.press("Control+S");
      const pick = workbench.page.locator(".quick-input-widget");
      // Keys that come while a question is being asked are lost.
      await pick.locator(".monaco-list-row", { hasText: "LabelMe" }).first().click();
      await pick.locator(".monaco-list-row", { hasText: "New class" }).first().click();
      await pick.locator(".quick-input-message", { hasText: "Name of the class" }).waitFor();
      await pick.locator("input[type=text]").first().fill("rope");
      await workbench.page.keyboard.press("Enter");
      const made = join(folder, "data", "bare.json");
      await until(() => existsSync(made), "a file is made");
      expect(JSON.parse(readFileSync(made, "utf8"))).toMatchObject({
        imagePath: "bare.png",
        shapes: [{ label: "rope" }],
      });
    });

    test("in the browser's own host the page answers clicks, and saves the same bytes", async () => {
      // Unsaved work lies where the other host cannot read.
      await workbench.file("scene.png");
      await workbench.command("File: Revert File");
      await until(async () => !(await workbench.isDirty()), "nothing is unsaved");
      writeFileSync(file, labels);
      await workbench.command("View: Close All Editors");
      await workbench.set({ "remote.extensionKind": { "masklet.masklet": ["web"] } });
      const frame = await workbench.file("scene.png");
      await until(async () => (await objects(frame)).length === 1, "the label is shown");
      await workbench.command("Masklet: Choose Model");
      await workbench.page.locator(".notification-toast", { hasText: "In the browser" }).waitFor();
      await beginSegmenting(frame);
      await clickAt(frame, [510, 60]);
      await until(async () => (await objects(frame)).length === 2, "the click is answered");
      await workbench.page.keyboard.press("1");
      await until(async () => (await objects(frame))[1]?.class === "square", "its class is the first");
      await workbench.page.keyboard.press("Enter");
      await until(async () => (await objects(frame))[1]?.state === "accepted", "it is accepted");
      expect(bytes()).toBe(labels);
      await workbench.page.keyboard.press("Control+S");
      await until(() => bytes() !== labels, "it is saved");
      const at = labels.indexOf("\n  ],");
      expect(bytes().startsWith(labels.slice(0, at))).toBe(true);
      expect(bytes().endsWith(labels.slice(at))).toBe(true);
      await undoAll(frame, 1);
      await workbench.page.keyboard.press("Control+S");
      await until(() => bytes() === labels, "without it, the file is what it was");
    });
  },
);

describe.skipIf(codeServer() === undefined || executable === undefined || !isBuilt)(
  "in a workspace that is not trusted, with auto-save and a dark theme",
  { timeout: 120_000 },
  () => {
    let workbench: Workbench;
    let folder: string;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "masklet-ws-"));
      mkdirSync(join(folder, "data"));
      cpSync(join(root, "examples", "scene.png"), join(folder, "data", "scene.png"));
      writeFileSync(join(folder, "data", "scene.json"), labels);
      const settings = {
        "files.autoSave": "afterDelay",
        "security.workspace.trust.enabled": true,
        "security.workspace.trust.startupPrompt": "never",
        "workbench.colorTheme": "Dark 2026",
      };
      workbench = await Workbench.start({ vsix: await packed(), executable: executable ?? "", settings });
      await workbench.open(join(folder, "data"));
    }, 120_000);
    afterAll(async () => {
      await workbench?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    test("shows labels without trust, and changes none", async () => {
      const file = join(folder, "data", "scene.json");
      const frame = await workbench.file("scene.png");
      await until(async () => (await objects(frame)).length === 1, "the label is shown");
      await expect.poll(() => workbench.page.locator(".statusbar").textContent()).toContain("read-only");
      await frame.evaluate(() => (document.querySelector("masklet-editor") as Editor).session?.remove(1));
      await until(async () => (await objects(frame)).length === 1, "the page takes back what is not allowed");
      expect(readFileSync(file, "utf8")).toBe(labels);
      expect(await violations(frame)).toEqual([]);
    });
  },
);
