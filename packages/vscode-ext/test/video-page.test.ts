/** Videos as people meet them: the page in Chromium, the real host before it, nano behind both. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { fileSource, loadSam2, openVideo, readConfig } from "@masklet/core/node";
import type { MaskletVideoEditorElement } from "@masklet/editor/video-element";
import { nanoModel } from "@masklet/model-nano";
import type { Browser, Page } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CustomDocument, CustomDocumentEditEvent, CustomEditorProvider } from "vscode";
import { chromium } from "../../../tools/host.mjs";
import { localFiles } from "../src/desktop.ts";
import { EngineServer } from "../src/engine/serve.ts";
import { EngineClient } from "../src/engine-client.ts";
import type { VideoDocument } from "../src/video/document.ts";
import { registerVideos } from "../src/video/register.ts";
import {
  answers,
  FakePanel,
  fakeContext,
  l10n,
  openFolders,
  ran,
  registered,
  resetFake,
  shown,
  Uri,
  window,
} from "./fake/vscode.ts";
import { buildPages, inAllThemes, launch, openPage } from "./page-driver.ts";

const require = createRequire(import.meta.url);
const worker = join(dirname(require.resolve("@masklet/backend-ort/package.json")), "dist", "classic-worker.js");
const folder = mkdtempSync(join(tmpdir(), "masklet-video-page-"));
const extension = join(folder, "extension");
const data = join(folder, "data");
const clip = fileURLToPath(new URL("../../../examples/clip", import.meta.url));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loaded = loadSam2(await fileSource(fileURLToPath(nanoModel.checkpoint)), {
  backend: await createOrtBackend(),
  config: await readConfig(fileURLToPath(nanoModel.config)),
});

/** The engine without its process; `kill` ends it as a crash would. */
let kill: () => void;
function engine(): EngineClient {
  return new EngineClient({
    spawn: (reply, lost) => {
      let isAlive = true;
      const server = new EngineServer(
        {
          detector: () => Promise.reject(new Error("no detector is looked for here")),
          load: async () => ({ model: await loaded, facts: { model: "nano", runtime: "native", imageSize: 256 } }),
          models: async () => [],
          openVideo,
          download: async () => undefined,
        },
        (answer) => isAlive && reply(structuredClone(answer)),
      );
      kill = () => {
        isAlive = false;
        lost("killed");
      };
      return { send: (request) => isAlive && server.handle(structuredClone(request)), kill };
    },
    settings: () => ({ model: "nano", runtime: "auto", cacheBytes: 2 ** 20 }),
    idle: () => 60_000,
    log: () => undefined,
  });
}

const problems = (): readonly string[] => shown.filter(({ kind }) => kind === "error").map(({ message }) => message);

beforeEach(() => {
  resetFake();
  rmSync(data, { recursive: true, force: true });
  mkdirSync(join(data, "clip"), { recursive: true });
  for (const i of [0, 1, 2, 3]) copyFileSync(join(clip, `0000${i}.jpg`), join(data, "clip", `0000${i}.jpg`));
  copyFileSync(
    fileURLToPath(new URL("../../core/test/hidden-frames.webm", import.meta.url)),
    join(data, "hidden.webm"),
  );
  writeFileSync(join(data, "broken.mp4"), "no video at all");
  openFolders(data);
});
afterEach(() => expect(problems()).toEqual([]));

test("a folder of frames is opened from the explorer, and one without frames is refused by name", async () => {
  registerVideos(
    fakeContext(extension, join(folder, "storage")),
    { kind: "node", files: localFiles },
    {
      engine: undefined,
      log: window.createOutputChannel("Masklet") as never,
      segment: () => Promise.reject(new Error("not here")),
    },
  );
  const run = registered.commands.get("masklet.video.openFolder") as (uri?: unknown) => Promise<void>;
  await run(Uri.file(join(data, "clip")));
  expect(ran.map(({ command, args }) => [command, ...args.map(String)])).toEqual([
    ["vscode.openWith", Uri.file(join(data, "clip")).toString(), "masklet.video"],
  ]);
  mkdirSync(join(data, "empty"));
  answers.push([Uri.file(join(data, "empty"))], undefined);
  await run();
  expect(problems()).toEqual([expect.stringMatching(/^empty has no JPEG, PNG/)]);
  shown.length = 0;
});

describe.skipIf(chromium() === undefined)("in Chromium", () => {
  let browser: Browser;
  const violations: string[] = [];
  beforeAll(async () => {
    await buildPages(extension, ["video"]);
    browser = await launch();
  }, 60_000);
  afterAll(() => browser?.close());
  afterEach(() => expect(violations.splice(0)).toEqual([]));

  interface Opened {
    readonly page: Page;
    readonly document: VideoDocument;
    readonly edits: CustomDocumentEditEvent[];
    readonly provider: CustomEditorProvider;
    readonly close: () => Promise<void>;
  }

  /** As VS Code opens an editor. */
  async function open(name: string, client: EngineClient | null = engine()): Promise<Opened> {
    registerVideos(
      fakeContext(extension, join(folder, "storage")),
      { kind: "node", files: localFiles },
      {
        engine: client ?? undefined,
        log: window.createOutputChannel("Masklet") as never,
        segment: () => Promise.reject(new Error("not here")),
      },
    );
    const provider = registered.customEditors.get("masklet.video") as CustomEditorProvider;
    const edits: CustomDocumentEditEvent[] = [];
    provider.onDidChangeCustomDocument((event) => edits.push(event as CustomDocumentEditEvent));
    const token = undefined as never;
    const context = { backupId: undefined, untitledDocumentData: undefined };
    const document: CustomDocument = await provider.openCustomDocument(Uri.file(join(data, name)), context, token);
    const panel = new FakePanel("masklet.video", name);
    await provider.resolveCustomEditor(document, panel, token);
    const page = await openPage(browser, panel, violations);
    const close = async (): Promise<void> => {
      await page.close();
      panel.dispose();
      document.dispose();
      client?.dispose();
    };
    return { page, document: document as VideoDocument, edits, provider, close };
  }

  const isReady = (page: Page): Promise<boolean> =>
    page.evaluate(() => {
      const video = document.querySelector("masklet-video-editor") as MaskletVideoEditorElement;
      return video.session?.tracking !== undefined;
    });

  async function click(page: Page, point: readonly [number, number]): Promise<void> {
    const [x, y] = await page.evaluate((at) => {
      const video = document.querySelector("masklet-video-editor") as MaskletVideoEditorElement;
      return video.editor.pagePoint(at) ?? [0, 0];
    }, point);
    await page.mouse.click(x, y);
  }

  test("prompted, tracked, undone, saved: the frames keep their bytes; a lost engine costs nothing that was tracked", async () => {
    const bytes = (): readonly string[] =>
      readdirSync(join(data, "clip")).map((name) => readFileSync(join(data, "clip", name), "base64"));
    const before = bytes();
    const { page, document, edits, provider, close } = await open("clip");
    const frames = (id: number): readonly string[] =>
      Object.keys(document.document?.objects.find((object) => object.id === id)?.frames ?? {});
    const labels = (): readonly (string | undefined)[] => edits.map(({ label }) => label);
    await expect.poll(() => isReady(page), { timeout: 20_000 }).toBe(true);
    await click(page, [57, 143]);
    await expect.poll(labels, { timeout: 10_000 }).toEqual(["Prompt"]);
    // Undo while it is tracked ends that, and goes no further: VS Code would take back the prompt.
    const ended = await page.locator("masklet-video-editor").evaluate((element) => {
      const video = element as MaskletVideoEditorElement;
      void video.track();
      const began = video.session?.trackingState?.start;
      const keys = { key: "z", ctrlKey: true, bubbles: true, composed: true, cancelable: true };
      return [began, video.dispatchEvent(new KeyboardEvent("keydown", keys)), video.session?.trackingState];
    });
    expect(ended).toEqual([0, false, null]);
    await page.getByRole("button", { name: "Track on" }).click();
    await expect.poll(labels, { timeout: 20_000 }).toEqual(["Prompt", "Track (3)"]);
    expect(frames(1)).toEqual(["0", "1", "2", "3"]);
    // What is shown follows what is tracked, and a click is on what is shown.
    const frameShown = (): Promise<number | undefined> =>
      page.locator("masklet-video-editor").evaluate((video) => (video as MaskletVideoEditorElement).session?.frame);
    await expect.poll(frameShown, { timeout: 10_000 }).toBe(3);

    // Another object joins on frame 3, and is followed back; the first one stays as it was.
    const first = document.document?.objects[0]?.frames;
    await page
      .locator("masklet-video-editor")
      .evaluate((video) => (video as MaskletVideoEditorElement).session?.select(null));
    await click(page, [330, 113]);
    await expect.poll(labels, { timeout: 10_000 }).toHaveLength(3);
    kill();
    await expect.poll(() => page.locator(".notice").textContent()).toMatch(/The engine has ended: .*killed/);
    await expect.poll(() => isReady(page), { timeout: 10_000 }).toBe(true);
    expect([frames(1), frames(2)]).toEqual([["0", "1", "2", "3"], ["3"]]);
    await page.getByRole("button", { name: "Track back" }).click();
    await expect.poll(labels, { timeout: 20_000 }).toEqual(["Prompt", "Track (3)", "Prompt", "Track (3)"]);
    expect(frames(2)).toEqual(["0", "1", "2", "3"]);
    expect(document.document?.objects[0]?.frames[3]).toEqual(first?.[3]);

    const rows = page.locator(".rows li");
    const undo = edits.at(-2) as CustomDocumentEditEvent;
    await edits.at(-1)?.undo();
    await undo.undo();
    await expect.poll(() => rows.count()).toBe(1);
    await undo.redo();
    await edits.at(-1)?.redo();
    await expect.poll(() => rows.count()).toBe(2);
    expect(await page.getByRole("button", { name: /^Undo/ }).isVisible()).toBe(false);
    await inAllThemes(page, violations, "video");

    await provider.saveCustomDocument(document, undefined as never);
    expect(readFileSync(join(data, "clip.masklet.json"), "utf8")).toContain('"masklet":"video"');
    expect(bytes()).toEqual(before);
    const exported = join(folder, "exported");
    answers.push("DAVIS: a palette PNG for each frame", [Uri.file(exported)]);
    await (registered.commands.get("masklet.video.export") as () => Promise<void>)();
    expect(readdirSync(join(exported, "Annotations", "480p", "clip"))).toHaveLength(4);
    expect(shown.at(-1)?.message).toMatch(/^5 of 5 files written/);
    // What is imported joins what is there, and the page shows it.
    const tracked = document.document?.objects.map((object) => object.frames[2]?.mask);
    answers.push("DAVIS: the folder of this video's masks", [Uri.file(join(exported, "Annotations", "480p", "clip"))]);
    await (registered.commands.get("masklet.video.import") as () => Promise<void>)();
    expect(shown.at(-1)?.message).toBe("2 objects were imported.");
    expect(labels().at(-1)).toBe("Add object (2)");
    expect(document.document?.objects.map((object) => object.frames[2]?.mask)).toEqual([
      ...(tracked ?? []),
      ...(tracked ?? []),
    ]);
    await expect.poll(() => rows.count()).toBe(4);
    await edits.at(-1)?.undo();
    await expect.poll(() => rows.count()).toBe(2);
    await close();
  }, 90_000);

  test("a file is decoded by the page; one that nobody can decode is said, with what both decoders said", async () => {
    l10n.bundle = { "Track on": "Weiter verfolgen" };
    const { page, document, close } = await open("hidden.webm");
    l10n.bundle = undefined;
    await expect.poll(() => document.document?.count ?? 0, { timeout: 20_000 }).toBeGreaterThan(1);
    await expect.poll(() => page.locator("masklet-video-editor").isVisible()).toBe(true);
    // The editor speaks VS Code's language, and English where nobody has translated.
    for (const name of ["Weiter verfolgen", "Track back"])
      await expect.poll(() => page.getByRole("button", { name }).count()).toBe(1);
    expect(shown.filter(({ kind }) => kind === "warning")).toEqual([]);
    await close();
    const broken = await open("broken.mp4");
    await expect
      .poll(() => broken.page.locator(".notice").textContent(), { timeout: 20_000 })
      .toMatch(/^This video cannot be read here: .*With ffmpeg: .*broken\.mp4/);
    expect(broken.document.document).toBeUndefined();
    await broken.close();
    expect(readdirSync(data).sort()).toEqual(["broken.mp4", "clip", "hidden.webm"]);
  }, 60_000);

  test.skipIf(!existsSync(worker))(
    "without processes the model follows objects in a worker of the page",
    async () => {
      mkdirSync(join(extension, "engine"), { recursive: true });
      const files = {
        "worker.js": worker,
        "ort-wasm-simd-threaded.wasm": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
        "nano.safetensors": fileURLToPath(nanoModel.checkpoint),
        "nano.json": fileURLToPath(nanoModel.config),
      };
      for (const [name, from] of Object.entries(files)) copyFileSync(from, join(extension, "engine", name));
      for (const i of [2, 3]) rmSync(join(data, "clip", `0000${i}.jpg`));
      const { page, edits, close } = await open("clip", null);
      await expect.poll(() => isReady(page), { timeout: 30_000 }).toBe(true);
      await click(page, [57, 143]);
      await expect.poll(() => edits.length, { timeout: 30_000 }).toBe(1);
      await page.keyboard.press("t");
      await expect.poll(() => edits.map(({ label }) => label), { timeout: 30_000 }).toEqual(["Prompt", "Track"]);
      await close();
    },
    90_000,
  );
});
