/** Datasets as people meet them: commands, tree and problems in the host, and its pages in Chromium by keys alone. */
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compressRle, encodeRle } from "@masklet/core";
import type { Browser } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromium } from "../../../tools/host.mjs";
import { registerDatasets } from "../src/dataset/activate.ts";
import { DraftStore } from "../src/dataset/drafts.ts";
import { WorkspaceState } from "../src/dataset/workspace-files.ts";
import { localFiles } from "../src/desktop.ts";
import type { EngineClient } from "../src/engine-client.ts";
import {
  answers,
  type FakePanel,
  fakeContext,
  openFolders,
  ran,
  registered,
  resetFake,
  shown,
  trust,
  Uri,
  window,
} from "./fake/vscode.ts";
import { greyPng } from "./folder.ts";
import { buildPages, inAllThemes, launch, openPage } from "./page-driver.ts";

const folder = mkdtempSync(join(tmpdir(), "masklet-dataset-"));
const extension = join(folder, "extension");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A YOLO dataset whose pictures are links to one. */
function dataset(name: string, count: number, labelled: (i: number) => boolean): string {
  const root = join(folder, name);
  for (const split of ["train", "val"])
    for (const kind of ["images", "labels"]) mkdirSync(join(root, kind, split), { recursive: true });
  writeFileSync(join(root, "data.yaml"), "train: images/train\nval: images/val\nnames: [cat, dog]\n");
  const picture = join(root, "images", "train", "000000.png");
  writeFileSync(picture, greyPng(320, 240));
  for (let i = 0; i < count; i++) {
    const file = `${i % 10 === 9 ? "val" : "train"}/${String(i).padStart(6, "0")}`;
    if (i > 0) linkSync(picture, join(root, "images", `${file}.png`));
    if (labelled(i)) writeFileSync(join(root, "labels", `${file}.txt`), "0 0.2 0.2 0.6 0.2 0.6 0.7 0.2 0.7\n");
  }
  return root;
}

const engineOf = (request: EngineClient["request"]): EngineClient => ({ request }) as EngineClient;

const storageOf = (root: string): string => join(folder, "storage", root.split("/").at(-1) as string);

function start(root: string, engine?: EngineClient): void {
  openFolders(root);
  const context = fakeContext(extension, storageOf(root));
  registerDatasets(
    context,
    { kind: "node", files: localFiles },
    {
      engine,
      log: window.createOutputChannel("Masklet") as never,
      segment: () => Promise.reject(new Error("not here")),
    },
  );
}

const run = (name: string, ...args: readonly unknown[]): Promise<unknown> =>
  (registered.commands.get(`masklet.dataset.${name}`) as (...args: readonly unknown[]) => Promise<unknown>)(...args);
const problems = (): readonly string[] => shown.filter(({ kind }) => kind === "error").map(({ message }) => message);

beforeEach(() => resetFake());
afterEach(() => expect(problems()).toEqual([]));

test("nothing is read until somebody asks, and then the tree has splits, classes and states", async () => {
  const root = dataset("tree", 20, (i) => i % 2 === 0);
  const begun = performance.now();
  start(root);
  expect(performance.now() - begun).toBeLessThan(100);
  const tree = registered.trees.get("masklet.dataset");
  expect(await tree?.getChildren(undefined)).toEqual([]);
  await run("open", Uri.file(root));
  const nodes = (await tree?.getChildren(undefined)) as readonly {
    readonly label: string;
    readonly description: string;
    readonly children: readonly unknown[];
  }[];
  expect(nodes.map(({ label, children }) => [label, children.length])).toEqual([
    ["All pictures", 0],
    ["Splits", 2],
    ["Classes", 2],
    ["States", 4],
  ]);
  expect(nodes[0]?.description).toBe("20 · tree · yolo");
  expect(nodes[3]?.children).toMatchObject([
    { description: "10" },
    { description: "0" },
    { description: "10" },
    { description: "0" },
  ]);
});

test("the sample is a dataset of one's own: what was done with it stays", async () => {
  start("");
  for (const name of ["scene.json", "scene.png", "balls.jpg"]) {
    mkdirSync(join(extension, "media", "sample"), { recursive: true });
    const bytes =
      name === "scene.json"
        ? readFileSync(new URL(`../media/sample/${name}`, import.meta.url))
        : name.endsWith(".png")
          ? greyPng(640, 640)
          : "";
    writeFileSync(join(extension, "media", "sample", name), bytes);
  }
  await run("sample");
  const tree = registered.trees.get("masklet.dataset");
  const nodes = (await tree?.getChildren(undefined)) as readonly {
    readonly label: string;
    readonly description: string;
    readonly children: readonly { readonly label: string }[];
  }[];
  expect(nodes[0]?.description).toBe("2 · sample · labelme");
  const classes = nodes.find(({ label }) => label === "Classes")?.children;
  expect(classes?.map(({ label }) => label).sort()).toEqual(["clock", "sign"]);
  const own = join(storageOf(""), "global", "sample", "scene.json");
  writeFileSync(own, readFileSync(own, "utf8").replace("clock", "watch"));
  await run("sample");
  expect(readFileSync(own, "utf8")).toContain("watch");
});

test("problems are listed at their lines", async () => {
  const root = dataset("problems", 4, () => true);
  writeFileSync(join(root, "labels", "train", "000001.txt"), "0 0.5 0.5 0.2 0.2\n\n7 0.5 0.5 0.2 0.2\n");
  start(root);
  answers.push(undefined);
  await run("open", Uri.file(root));
  await run("check");
  const entries = registered.diagnostics.get("masklet")?.entries as ReadonlyMap<
    string,
    readonly { readonly message: string; readonly range: { readonly start: { readonly line: number } } }[]
  >;
  const [found] = entries.get(Uri.file(join(root, "labels", "train", "000001.txt")).toString()) ?? [];
  expect([found?.range.start.line, found?.message]).toEqual([2, "line 3: class 7: there are 2"]);
  expect(ran.map(({ command }) => command)).toContain("workbench.actions.view.problems");
});

test("problems follow the files: what is mended goes, what is new comes, and what is gone has none", async () => {
  const root = dataset("renewed", 4, () => true);
  const file = (i: number): string => join(root, "labels", "train", `00000${i}.txt`);
  const wrong = "7 0.5 0.5 0.2 0.2\n";
  writeFileSync(file(1), wrong);
  writeFileSync(file(2), wrong);
  start(root);
  answers.push(undefined);
  await run("open", Uri.file(root));
  await run("check");
  const entries = registered.diagnostics.get("masklet")?.entries as ReadonlyMap<
    string,
    readonly { readonly range: { readonly start: { readonly line: number } } }[]
  >;
  const lines = (): readonly (readonly [number, number | undefined])[] =>
    [1, 2, 3].flatMap((i) => {
      const found = entries.get(Uri.file(file(i)).toString());
      return found === undefined ? [] : [[i, found[0]?.range.start.line] as const];
    });
  expect(lines()).toEqual([
    [1, 0],
    [2, 0],
  ]);
  const [watcher] = registered.watchers;
  // The same words at another line; one comes; one goes with its file.
  writeFileSync(file(1), `0 0.5 0.5 0.2 0.2\n${wrong}`);
  writeFileSync(file(3), wrong);
  rmSync(file(2));
  watcher?.changed.fire(Uri.file(file(1)));
  watcher?.changed.fire(Uri.file(file(3)));
  watcher?.deleted.fire(Uri.file(file(2)));
  await expect.poll(lines).toEqual([
    [1, 1],
    [3, 0],
  ]);
  writeFileSync(file(1), "");
  watcher?.changed.fire(Uri.file(file(1)));
  await expect.poll(lines).toEqual([[3, 0]]);
});

test("the last commit is compared with, through git's extension", async () => {
  const root = dataset("git", 3, () => true);
  const file = join(root, "labels", "train", "000001.txt");
  const before = readFileSync(file);
  writeFileSync(file, "1 0.2 0.2 0.6 0.2 0.6 0.7 0.2 0.7\n");
  const original = join(folder, "original.txt");
  writeFileSync(original, before);
  registered.exports.set("vscode.git", {
    getAPI: () => ({
      toGitUri: () => Uri.file(original),
      getRepository: () => ({
        rootUri: Uri.file(root),
        diffWithHEAD: async () => [{ uri: Uri.file(file), originalUri: Uri.file(file), status: 5 }],
        state: { untrackedChanges: [], workingTreeChanges: [] },
      }),
    }),
  });
  start(root);
  await run("open", Uri.file(root));
  await run("compareWithHead");
  const panel = registered.panels.at(-1) as FakePanel;
  panel.webview.received.fire({ type: "ready" });
  await expect
    .poll(() => panel.webview.sent.at(-1))
    .toMatchObject({
      type: "comparison",
      before: "HEAD",
      counts: { images: 3, different: 1, class: 1, same: 2 },
      images: [{ file: "images/train/000001.png", changed: [{ was: "cat", is: "dog", iou: 1 }] }],
    });
});

test("a page reads no file that is not in the folder, and nothing is written where nobody trusts", async () => {
  const root = dataset("secret", 2, () => true);
  writeFileSync(join(folder, "secret.png"), "secret");
  const coco = {
    images: [
      { id: 1, file_name: "../secret.png", width: 4, height: 4 },
      { id: 2, file_name: "images/train/000000.png", width: 320, height: 240 },
    ],
    annotations: [],
    categories: [{ id: 1, name: "cat" }],
  };
  writeFileSync(join(root, "coco.json"), JSON.stringify(coco));
  start(root);
  await run("open", Uri.file(join(root, "coco.json")));
  const panel = registered.panels.at(-1) as FakePanel;
  panel.webview.received.fire({ type: "ready" });
  for (const path of ["../secret.png", "/etc/passwd", "../../x"])
    panel.webview.received.fire({ type: "picture", path, side: 160 });
  await expect.poll(() => problems().length).toBe(3);
  expect(panel.webview.sent.filter((message) => (message as { type: string }).type === "picture")).toEqual([]);
  trust(false);
  panel.webview.received.fire({ type: "propose", places: [] });
  panel.webview.received.fire({ type: "accept", path: "images/train/000000.png", ids: [] });
  await expect.poll(() => problems().length).toBe(5);
  expect(
    problems()
      .slice(3)
      .every((message) => /not trusted/.test(message)),
  ).toBe(true);
  shown.length = 0;
});

test("a detector is asked for once, and what it finds are drafts with class and score, until they are accepted", async () => {
  const root = dataset("detected", 3, () => false);
  const data = new Uint8Array(320 * 240);
  for (let y = 60; y < 120; y++) data.fill(1, y * 320 + 180, y * 320 + 280);
  const { counts } = compressRle(encodeRle({ width: 320, height: 240, data }));
  const asked: unknown[] = [];
  const engine = engineOf((async (method: string, { detector }: { detector: string }) => {
    asked.push([method, detector]);
    return {
      masks: [
        { counts, score: 0.8, category: "dog" },
        { counts, score: 0.3, category: "cat" },
      ],
    };
  }) as never);
  start(root, engine);
  await run("open", Uri.file(root));
  const { webview } = registered.panels.at(-1) as FakePanel;
  const said: string[] = [];
  webview.page = (message) => {
    const { type, id, text } = message as { readonly type: string; readonly id: number; readonly text: string };
    if (type === "status") said.push(text);
    const pixels = { width: 320, height: 240, channels: 3, data: new ArrayBuffer(320 * 240 * 3) };
    if (type === "decode") webview.received.fire({ type: "decoded", id, picture: pixels, problem: undefined });
  };
  webview.received.fire({ type: "ready" });
  webview.received.fire({ type: "detect", places: [1] }); // nobody chooses one: nothing happens
  answers.push([Uri.file("/detectors/pets.onnx")]);
  webview.received.fire({ type: "detect", places: [1] });
  await expect.poll(() => said.at(-1)).toBe("Done: 2 drafts in 1 pictures");
  webview.received.fire({ type: "detect", places: [0, 2] });
  await expect.poll(() => said.at(-1)).toBe("Done: 4 drafts in 2 pictures");
  expect(asked).toEqual(Array(3).fill(["detect", "/detectors/pets.onnx"]));
  answers.push("0.5");
  await run("acceptAbove");
  for (const i of [0, 1, 2]) {
    const label = readFileSync(join(root, "labels", "train", `00000${i}.txt`), "utf8");
    expect(label).toMatch(/^1 0\.5625 0\.25 [\d. ]+\n$/);
  }
});

describe.skipIf(chromium() === undefined)("in Chromium", () => {
  let browser: Browser;
  const violations: string[] = [];
  beforeAll(async () => {
    await buildPages(extension, ["gallery", "statistics", "comparison"]);
    browser = await launch();
  }, 60_000);
  afterAll(() => browser?.close());
  afterEach(() => expect(violations.splice(0)).toEqual([]));

  test("20,000 pictures are scrolled from end to end with few cells, filtered, and paged by a key", async () => {
    const root = dataset("many", 20_000, (i) => i % 100 === 0);
    start(root);
    await run("open", Uri.file(root));
    const page = await openPage(browser, registered.panels.at(-1) as FakePanel, violations);
    const list = page.getByRole("listbox", { name: "Pictures" });
    await expect.poll(() => page.locator("output.summary").textContent()).toBe("20000 of 20000 pictures");
    await page.locator(".cell canvas").first().waitFor();
    await list.focus();
    let most = 0;
    for (let share = 0; share <= 10; share++) {
      await list.evaluate((element, part) => {
        element.scrollTop = (element.scrollHeight * part) / 10;
      }, share);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      most = Math.max(most, await page.locator(".cell").count());
    }
    expect(most).toBeLessThan(200);
    await page.keyboard.press("End");
    await page.locator("#cell-19999").getByText("019999.png").or(page.locator("#cell-19999 .name")).first().waitFor();
    await page.keyboard.press("Home");
    await page.keyboard.press("n");
    await expect.poll(() => list.getAttribute("aria-activedescendant")).toBe("cell-1");
    await page.locator("#search").fill("0001 objects>0");
    await expect.poll(() => page.locator("output.summary").textContent()).toMatch(/^\d+ of 20000 pictures$/);
    await page.locator("#search").fill("/(/");
    await expect.poll(() => page.locator("output.summary").textContent()).toMatch(/Invalid regular expression/);
    await page.locator("#search").fill("");
    await expect.poll(() => page.locator("output.summary").textContent()).toBe("20000 of 20000 pictures");
    await list.focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    const times: number[] = [];
    const name = page.locator(".review h1");
    await expect.poll(() => name.textContent()).toBe("000000.png, 1 of 20000");
    for (let i = 1; i < 12; i++) {
      await page.waitForTimeout(60);
      const took = await page.evaluate(async () => {
        const from = performance.now();
        const title = document.querySelector(".review h1");
        const before = title?.textContent;
        document
          .querySelector(".review")
          ?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
        const canvas = document.querySelector<HTMLCanvasElement>(".review canvas");
        while (title?.textContent === before || canvas?.hidden !== false)
          await new Promise((done) => requestAnimationFrame(done));
        return performance.now() - from;
      });
      times.push(took);
    }
    expect(times.sort((a, b) => a - b)[5]).toBeLessThan(150);
    await page.close();
  }, 60_000);

  test("drafts are proposed, looked at, accepted and rejected by keys; axe finds nothing in any theme", async () => {
    const root = dataset("drafts", 12, (i) => i % 3 === 0);
    const data = new Uint8Array(320 * 240);
    for (let y = 60; y < 120; y++) data.fill(1, y * 320 + 180, y * 320 + 280);
    const { counts } = compressRle(encodeRle({ width: 320, height: 240, data }));
    const asked: unknown[] = [];
    const engine = engineOf((async (
      _: string,
      args: { picture: { width: number; height: number; data: ArrayBuffer } },
    ) => {
      asked.push([args.picture.width, args.picture.height, args.picture.data.byteLength]);
      return {
        masks: [
          { counts, score: 0.91 },
          { counts, score: 0.42 },
        ],
      };
    }) as never);
    start(root, engine);
    await run("open", Uri.file(root));
    const page = await openPage(browser, registered.panels.at(-1) as FakePanel, violations);
    await page.locator(".cell canvas").first().waitFor();
    await page.getByRole("listbox", { name: "Pictures" }).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Propose masks for 1" }).click();
    await expect.poll(() => page.locator("output.job").textContent()).toBe("Done: 2 drafts in 1 pictures");
    expect(asked).toEqual([[320, 240, 4 * 320 * 240]]);
    await page.locator("#state").selectOption({ label: "With drafts" });
    await expect.poll(() => page.locator("output.summary").textContent()).toBe("1 of 12 pictures");
    await inAllThemes(page, violations, "gallery");
    await page.getByRole("listbox", { name: "Pictures" }).focus();
    await page.keyboard.press("Enter");
    await expect
      .poll(() => page.locator(".objects li").allTextContents())
      .toEqual(["Draft: no class, 0.91", "Draft: no class, 0.42"]);
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => page.locator(".objects li[aria-current]").textContent()).toBe("Draft: no class, 0.91");
    await inAllThemes(page, violations, "review");
    answers.push("dog");
    await page.keyboard.press("a");
    const label = join(root, "labels", "train", "000001.txt");
    await expect
      .poll(() => {
        try {
          return readFileSync(label, "utf8");
        } catch {
          return "";
        }
      })
      .toMatch(/^1 0\.5625 0\.25 /);
    await expect.poll(() => page.locator(".objects li").allTextContents()).toEqual(["dog", "Draft: no class, 0.42"]);
    await page.keyboard.press("x");
    // With its drafts gone the picture is none of the filter's.
    await expect.poll(() => page.locator("output.summary").textContent()).toBe("0 of 12 pictures");
    expect(readFileSync(label, "utf8").trim().split("\n")).toHaveLength(1);
    const state = await DraftStore.open(new WorkspaceState(Uri.file(join(folder, "nowhere"))), () => undefined);
    expect(state.paths).toEqual([]);
    await page.close();
  });

  test("statistics and comparisons: axe finds nothing in any theme", async () => {
    const root = dataset("pages", 30, (i) => i % 2 === 0);
    const other = dataset("others", 30, (i) => i % 3 === 0);
    start(root);
    await run("open", Uri.file(root));
    await run("statistics");
    const statistics = await openPage(browser, registered.panels.at(-1) as FakePanel, violations);
    await expect
      .poll(() => statistics.locator("tbody tr").first().locator("th, td").allTextContents())
      .toEqual(["cat", "15", "15", "0", "0", "15", "15609", ""]);
    await inAllThemes(statistics, violations, "statistics");
    await statistics.close();
    answers.push([Uri.file(other)]);
    await run("compare");
    const panel = registered.panels.at(-1) as FakePanel;
    const page = await openPage(browser, panel, violations);
    const list = page.getByRole("listbox", { name: "Pictures that differ" });
    await expect.poll(() => list.locator("li").count()).toBe(15);
    await list.focus();
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => list.getAttribute("aria-activedescendant")).toBe("image-1");
    await page.getByRole("slider").fill("30");
    await inAllThemes(page, violations, "comparison");
    await page.close();
  });
});
