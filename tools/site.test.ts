/**
 * The site as GitHub Pages would have it, below a folder: every link leads somewhere, and in Chromium its pages are
 * accessible, ask nobody else for anything, and do what they are for.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
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
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Browser, type BrowserContextOptions, type Download, type Page, chromium as playwright } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RawImage, readImage } from "../packages/core/src/node.ts";
import { chromium, environment, root } from "./host.mjs";
import { type Preview, preview } from "./site-preview.ts";

const base = "/masklet";
const folder = mkdtempSync(join(tmpdir(), "masklet-site-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  // Vitest's own variables would be the site's.
  const { BASE_URL: _, NODE_ENV: __, VITEST: ___, ...inherited } = environment() as NodeJS.ProcessEnv;
  const env = { ...inherited, OUT_DIR: folder, BASE_PATH: base, SITE_URL: "https://example.org" };
  await promisify(execFile)(process.execPath, [join(root, "apps", "docs", "site.mjs"), "build"], {
    env,
  });
}, 300_000);

test("its pages are those of apps/docs, of the packages, and of their docstrings", () => {
  const pages = readdirSync(join(root, "apps", "docs")).filter((name) => name.endsWith(".md"));
  const ids = pages.map((name) => name.replace(/\.md$/, ""));
  for (const id of [...ids, "packages/cli", "api/core", "api/core/web", "api/labels"]) {
    expect(existsSync(join(folder, id, "index.html")), id).toBe(true);
  }
  const sidebar = readFileSync(join(folder, "cli", "index.html"), "utf8");
  for (const id of ids) expect(sidebar, `the sidebar's link to ${id}`).toContain(`href="${base}/${id}/"`);
  const reference = readFileSync(join(folder, "api", "core", "index.html"), "utf8");
  expect(reference).toContain("ImagePredictor");
});

test("links and anchors lead somewhere", () => {
  const pages = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));
  const anchors = new Map<string, ReadonlySet<string>>();
  const anchorsOf = (file: string): ReadonlySet<string> => {
    const known = anchors.get(file);
    if (known !== undefined) return known;
    const found = new Set([...readFileSync(file, "utf8").matchAll(/\sid="([^"]+)"/g)].map(([, id = ""]) => id));
    anchors.set(file, found);
    return found;
  };
  const broken: string[] = [];
  let links = 0;
  for (const page of pages) {
    const file = join(folder, page);
    for (const [, href = ""] of readFileSync(file, "utf8").matchAll(/\s(?:href|src)="([^"]+)"/g)) {
      if (/^(https?|data|mailto):/.test(href)) continue;
      links++;
      const [path = "", hash] = href.split("#");
      let target = path === "" ? file : join(folder, relative(base, path));
      if (existsSync(target) && statSync(target).isDirectory()) target = join(target, "index.html");
      const leads = existsSync(target) && (path === "" || path.startsWith(`${base}/`));
      if (!leads || (hash !== undefined && !anchorsOf(target).has(decodeURIComponent(hash)))) {
        broken.push(`${page}: ${href}`);
      }
    }
  }
  expect(broken).toEqual([]);
  expect(links).toBeGreaterThan(1000);
});

/** The page's editor, in scripts for it. */
const editor = "document.querySelector('masklet-editor')";

describe.skipIf(chromium() === undefined)("in Chromium (needs it)", () => {
  let browser: Browser;
  let site: Preview;
  beforeAll(async () => {
    site = await preview(folder, base);
    // Chromium's sandbox does not start as root, as in a container.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    args.push("--use-fake-device-for-media-stream");
    browser = await playwright.launch({ executablePath: chromium() ?? "", args });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  /** A page, and what goes wrong in it: errors, answers that are none, requests of other sites. */
  async function watched(options: BrowserContextOptions = {}): Promise<{ page: Page; problems: string[] }> {
    const page = await browser.newPage({ serviceWorkers: "block", ...options });
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(site.origin)) problems.push(request.url());
    });
    page.on("response", (response) => {
      if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
    });
    await page.addInitScript(`
      globalThis.shift = 0;
      new PerformanceObserver((list) => {
        for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shift += value;
      }).observe({ type: "layout-shift", buffered: true });`);
    return { page, problems };
  }

  const axe = createRequire(join(root, "packages", "editor", "package.json")).resolve("axe-core/axe.min.js");
  async function violations(page: Page): Promise<readonly string[]> {
    await page.addScriptTag({ path: axe });
    const found = (await page.evaluate("axe.run()")) as { readonly violations: readonly AxeViolation[] };
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  }

  test.each([
    ["the first page", "", ["light", "dark"]],
    ["the playground", "playground/", ["light", "dark"]],
    ["a guide", "cli/", ["light"]],
    ["the reference", "api/core/remote/", ["dark"]],
  ] as const)(
    "%s is accessible, stays where it is, and asks nobody else",
    { timeout: 120_000 },
    async (_, path, schemes) => {
      for (const colorScheme of schemes) {
        const { page, problems } = await watched({ colorScheme });
        await page.goto(`${site.origin}${base}/${path}`, { waitUntil: "load" });
        if (colorScheme === "light" && path !== "cli/") {
          await page.waitForFunction(`${editor}?.session !== undefined`);
        }
        expect(await violations(page), colorScheme).toEqual([]);
        expect(await page.evaluate("shift")).toBeLessThan(0.01);
        expect(await page.context().cookies()).toEqual([]);
        expect(problems).toEqual([]);
        await page.close();
      }
    },
  );

  test("the first page shows a result before the model is there, and then segments what is clicked on", async () => {
    const page = await browser.newPage();
    await page.goto(`${site.origin}${base}/`);
    const objects = (count: number): Promise<unknown> =>
      page.waitForFunction(`${editor}?.session?.document.objects.length === ${count}`);
    await objects(7);
    await page.waitForFunction(`${editor}.engineState === "ready"`);
    await page.getByRole("application").click();
    await objects(8);
    await page.close();
  }, 120_000);

  /** By Tab alone, also into the editor's shadow. */
  async function tabTo(page: Page, what: string, isThere: string): Promise<void> {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const found = await page.evaluate(`(() => {
        let at = document.activeElement;
        while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at !== null && (${isThere})(at);
      })()`);
      if (found === true) return;
    }
    throw new Error(`60 Tabs do not reach ${what}`);
  }

  const pixelsOf = async (download: Download): Promise<RawImage> => readImage(await download.path());
  const isReady = `${editor}?.engineState === "ready"`;

  test("the first page's own JavaScript is under 100 kB as it is sent", async () => {
    const { page } = await watched();
    await page.goto(`${site.origin}${base}/`);
    await page.waitForFunction(isReady);
    // The worker's is the model's; what it imports is not among these.
    const urls = (await page.evaluate(
      "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => /(?<!worker-[^/]*)[.]js$/.test(name))",
    )) as readonly string[];
    await page.close();
    const sizes = urls.map((url) => {
      const path = new URL(url).pathname.slice(base.length);
      return [path, gzipSync(readFileSync(join(folder, path))).length] as const;
    });
    expect(sizes.length).toBeGreaterThan(2);
    const bytes = sizes.reduce((sum, [, size]) => sum + size, 0);
    expect(bytes, sizes.map(([path, size]) => `${path} ${size}`).join("\n")).toBeLessThan(100_000);
  });

  test("what a page's script imports is asked for before the script has come", async () => {
    const html = readFileSync(join(folder, "index.html"), "utf8");
    const [entry = ""] = /_astro\/index\.astro[^"]+\.js/.exec(html) ?? [];
    const imports = Array.from(
      readFileSync(join(folder, entry), "utf8").matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g),
      ([, name]) => `/_astro/${name}`,
    );
    expect(imports.length).toBeGreaterThan(0);
    const missing = new Set(imports);
    let all = (): void => {};
    const areAsked = new Promise<void>((resolve) => {
      all = resolve;
    });
    const own = await preview(folder, base, async (path) => {
      missing.delete(path);
      if (missing.size === 0) all();
      if (path === `/${entry}`) await areAsked;
    });
    const page = await browser.newPage({ serviceWorkers: "block" });
    try {
      await page.goto(`${own.origin}${base}/`, { waitUntil: "commit" });
      await expect.poll(() => [...missing], { timeout: 30_000 }).toEqual([]);
      await page.waitForFunction(`${editor}?.session !== undefined`);
    } finally {
      all();
      await page.close();
      await own.close();
    }
  }, 120_000);

  test("the model's weights and its runtime are asked for at once: neither waits for the other", async () => {
    const asked: string[] = [];
    let both = (): void => {};
    const areAsked = new Promise<void>((resolve) => {
      both = resolve;
    });
    const own = await preview(folder, base, async (path) => {
      const kind = /[.](wasm|safetensors)$/.exec(path)?.[1];
      if (kind === undefined) return;
      asked.push(kind);
      if (new Set(asked).size === 2) both();
      await areAsked;
    });
    const page = await browser.newPage({ serviceWorkers: "block" });
    try {
      await page.goto(`${own.origin}${base}/`);
      await page.waitForFunction(isReady, undefined, { timeout: 60_000 });
      expect(asked.toSorted()).toEqual(["safetensors", "wasm"]);
    } finally {
      both();
      await page.close();
      await own.close();
    }
  }, 120_000);

  test("keys alone lead from the first page to a cutout", async () => {
    const { page, problems } = await watched();
    await page.goto(`${site.origin}${base}/`);
    await tabTo(page, "the playground", "(at) => at.textContent.trim() === 'Playground'");
    await page.keyboard.press("Enter");
    await page.waitForURL(`**${base}/playground/`);
    await page.waitForFunction(isReady);
    await tabTo(page, "the picture", "(at) => at.getAttribute('role') === 'application'");
    // From the middle to the boat.
    for (let i = 0; i < 8; i++) await page.keyboard.press("Shift+ArrowRight");
    for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+ArrowDown");
    await page.keyboard.press("Space");
    await page.waitForFunction(`${editor}.session.document.objects.length === 1`);
    await tabTo(page, "Save", "(at) => at.textContent === 'Save'");
    const downloading = page.waitForEvent("download");
    await page.keyboard.press("Enter");
    const download = await downloading;
    expect(download.suggestedFilename()).toBe("scene.cutout.png");
    const { data } = await pixelsOf(download);
    expect(data.some((value, i) => i % 4 === 3 && value === 255)).toBe(true);
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  /**
   * The browser's program in the page of a bundler, with the page's first picture, or the files that a person has chosen; ->
   * the names of what it made.
   */
  async function runInPage(program: string, chosen: readonly string[] = []): Promise<readonly string[]> {
    const at = join(folder, "program");
    const { outputFiles } = await build({
      stdin: { contents: program, resolveDir: join(root, "examples") },
      bundle: true,
      splitting: true,
      format: "esm",
      outdir: join(at, "js"),
      conditions: ["@masklet/source", "onnxruntime-web-use-extern-wasm"],
      write: false,
      logLevel: "error",
    });
    mkdirSync(join(at, "js"), { recursive: true });
    for (const { path, contents } of outputFiles) writeFileSync(path, contents);
    const copy = (from: string, to: string): void => cpSync(join(root, from), join(at, to));
    for (const ending of ["mjs", "wasm"]) {
      const name = `ort-wasm-simd-threaded.${ending}`;
      copy(`packages/backend-ort/node_modules/onnxruntime-web/dist/${name}`, `js/${name}`);
    }
    for (const ending of ["json", "safetensors"]) {
      copy(`packages/model-nano/sam2.1_hiera_nano.${ending}`, `sam2.1_hiera_nano.${ending}`);
    }
    copy("examples/scene.png", "scene.png");
    const html =
      '<!doctype html><link rel="icon" href="data:," /><img src="scene.png" /><input type="file" multiple />';
    writeFileSync(join(at, "index.html"), html);
    const { page, problems } = await watched();
    await page.goto(`${site.origin}${base}/program/`);
    await page.locator("input").setInputFiles([...chosen]);
    await page.evaluate('import(new URL("js/stdin.js", location.href).href)');
    await page.waitForSelector("a[download]");
    const files = await page.locator("a").evaluateAll((links) => links.map((link) => link.textContent ?? ""));
    expect(problems).toEqual([]);
    await page.close();
    return files;
  }

  /** Saves what is there in every format that is offered; -> the files' names. */
  async function exportsOf(page: Page): Promise<Readonly<Record<string, string>>> {
    const formats = page.locator("[data-play=format]");
    const values = await formats
      .locator("option")
      .evaluateAll((options) => options.map((option) => (option as unknown as { value: string }).value));
    const names: Record<string, string> = {};
    for (const value of values) {
      await formats.selectOption(value);
      const downloading = page.waitForEvent("download");
      await page.getByRole("button", { name: "Save" }).click();
      const download = await downloading;
      expect(statSync(await download.path()).size, value).toBeGreaterThan(0);
      names[value] = download.suggestedFilename();
    }
    return names;
  }

  test("a click is shared by a link, exported, and done again by the program that is shown", async () => {
    const { page, problems } = await watched({ permissions: ["clipboard-read", "clipboard-write"] });
    await page.goto(`${site.origin}${base}/playground/`);
    await page.waitForFunction(isReady);
    const point = (await page.evaluate(`${editor}.pagePoint([130, 121])`)) as [number, number];
    await page.mouse.click(...point);
    await page.waitForFunction(`${editor}.session.document.objects.length === 1`);
    const mask = `${editor}.session.document.objects[0].mask`;
    const first = await page.evaluate(mask);

    await page.locator("[value=browser]").check();
    await page.getByRole("button", { name: "Copy the code" }).click();
    await page.getByText("Copied.", { exact: true }).waitFor();
    const program = (await page.evaluate("navigator.clipboard.readText()")) as string;
    expect(await runInPage(program)).toEqual(["scene.1.cutout.png"]);

    expect(await exportsOf(page)).toMatchObject({
      cutout: "scene.cutout.png",
      yolo: "scene.yolo.zip",
      "coco-results": "results.json",
      svg: "scene.svg",
    });

    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Copied: prompts and settings").waitFor();
    const link = (await page.evaluate("navigator.clipboard.readText()")) as string;
    expect(link).toMatch(/#v=1&size=640x640&file=scene\.png&model=nano&o=p1[23]\d[\d.]*,1[12]\d/);
    await page.goto("about:blank");
    await page.goto(link);
    await page.waitForFunction(`${editor}?.session?.document.objects.length === 1`);
    expect(await page.evaluate(mask)).toBe(first);

    await page.locator("[data-play=points]").fill("4");
    await page.getByRole("button", { name: "Find everything" }).click();
    await page.waitForFunction(`${editor}.session.document.objects.length > 1`);
    await page.locator("[value=cli]").check();
    expect(await page.locator("[data-play=code]").textContent()).toContain("--everything --points-per-side 4");
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  test("pictures come by drop, by paste and from the camera", async () => {
    const { page, problems } = await watched({ permissions: ["camera", "clipboard-read", "clipboard-write"] });
    await page.goto(`${site.origin}${base}/playground/`);
    await page.waitForFunction(isReady);
    /** A drawing of so many pixels across, as a file. */
    const drawn = (width: number): string => `(async () => {
      const canvas = new OffscreenCanvas(${width}, 30);
      const context = canvas.getContext("2d");
      context.fillRect(0, 0, ${width}, 30);
      return new File([await canvas.convertToBlob()], "drawn.png", { type: "image/png" });
    })()`;
    const hasWidth = (width: number): string => `${editor}.image?.width === ${width}`;
    await page.evaluate(`(async () => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(await ${drawn(41)});
      const init = { dataTransfer, bubbles: true, cancelable: true, composed: true };
      document.querySelector("masklet-editor").dispatchEvent(new DragEvent("drop", init));
    })()`);
    await page.waitForFunction(hasWidth(41));
    await page.evaluate(`(async () => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(await ${drawn(42)});
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    })()`);
    await page.waitForFunction(hasWidth(42));
    await page.evaluate(`(async () => {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": await ${drawn(43)} })]);
    })()`);
    await page.locator("[data-play=paste]").click();
    await page.waitForFunction(hasWidth(43));
    await page.locator("[data-play=camera]").click();
    await page.waitForFunction("document.querySelector('[data-play=camera-view]').videoWidth > 0");
    const width = (await page.evaluate("document.querySelector('[data-play=camera-view]').videoWidth")) as number;
    await page.locator("[data-play=shoot]").click();
    await page.waitForFunction(hasWidth(width));
    expect(await page.locator("[data-play=camera-box]").isVisible()).toBe(false);
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  test("a file that is no picture is said to be none, for as long as nothing else is opened, and what was open stays", async () => {
    const { page, problems } = await watched();
    await page.goto(`${site.origin}${base}/playground/`);
    await page.waitForFunction(isReady);
    const problem = page.getByRole("alert");
    const buffer = Buffer.from("no picture");
    for (const [name, mimeType] of [
      ["notes.txt", "text/plain"],
      ["broken.png", "image/png"],
      ["broken.mp4", "video/mp4"],
    ] as const) {
      await page.locator("[data-play=file]").setInputFiles({ name, mimeType, buffer });
      await problem.getByText(`${name} could not be opened: `).waitFor();
      await page.waitForFunction(isReady);
      expect(await problem.textContent()).toContain(`${name} could not be opened: `);
      expect(await problem.textContent()).not.toMatch(/imageFrom|openVideo/);
      expect(await page.evaluate(`${editor}.image.width`)).toBe(640);
    }
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "The drawing" }).click();
    await page.waitForFunction("document.querySelector('[role=alert]').textContent === ''");
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  test("a photograph is met with the offer of a real model, which is fetched when it is asked for, and kept", async () => {
    const bytes = readFileSync(join(root, "packages", "model-nano", "sam2.1_hiera_nano.safetensors"));
    const config = JSON.parse(readFileSync(join(root, "packages", "model-nano", "sam2.1_hiera_nano.json"), "utf8"));
    const asked: string[] = [];
    let isSlow = true;
    // Stands for Hugging Face: another origin, which allows this one.
    const hub = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("Content-Length", bytes.length);
      if (isSlow) response.write(bytes.subarray(0, 100_000));
      else response.end(bytes);
    });
    await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
    const { port } = hub.address() as AddressInfo;
    const { page } = await watched();
    try {
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const model = { name: "sam2.1-hiera-tiny", url: `http://127.0.0.1:${port}/tiny.safetensors`, sha256, config };
      const list = JSON.stringify([{ ...model, bytes: bytes.length, about: "good masks" }]);
      // As who hosts the page may change it.
      const html = readFileSync(join(folder, "playground", "index.html"), "utf8");
      mkdirSync(join(folder, "hosted"), { recursive: true });
      writeFileSync(
        join(folder, "hosted", "index.html"),
        html.replace(/(id="models">)[^<]*/, (_, tag) => tag + list),
      );
      await page.goto(`${site.origin}${base}/hosted/`);
      const photo = join(root, "examples", "clip", "00000.jpg");
      const status = page.locator("[data-play=status]");
      await page.waitForFunction(isReady);
      await page.locator("[data-play=file]").setInputFiles(photo);
      const fetching = page.getByRole("button", { name: "Fetch 7 MB" });
      await fetching.waitFor();
      expect(await page.locator("[data-play=offer]").textContent()).toContain(
        `7 MB, from 127.0.0.1:${port}: fetched once`,
      );
      expect(await page.evaluate(`${editor}.engineState`)).toBe("none");
      expect(await violations(page)).toEqual([]);
      expect(asked).toEqual([]);

      await fetching.click();
      await expect.poll(() => asked.length, { timeout: 30_000 }).toBe(1);
      await page.getByRole("button", { name: "Cancel" }).click();
      await status.getByText("Cancelled").waitFor();
      isSlow = false;
      await fetching.click();
      await page.waitForFunction(isReady);
      expect(asked).toEqual(["/tiny.safetensors", "/tiny.safetensors"]);
      expect(await page.locator("[data-play=rough-note]").isVisible()).toBe(false);
      expect(await status.textContent()).toContain("sam2.1-hiera-tiny is ready");

      // Kept: another visit takes it at once. Deleted, it is offered again; nano's masks are called what they are.
      await page.reload();
      await page.waitForFunction(isReady);
      await page.locator("[data-play=file]").setInputFiles(photo);
      await status.getByText("sam2.1-hiera-tiny is ready").waitFor();
      expect(asked).toHaveLength(2);
      await page.getByRole("button", { name: "Delete sam2.1-hiera-tiny" }).click();
      await page.getByText("None but nano").waitFor();
      await page.reload();
      await page.waitForFunction(isReady);
      await page.locator("[data-play=file]").setInputFiles(photo);
      await page.getByRole("button", { name: "Go on with nano, roughly" }).click();
      await page.getByText("Rough: nano’s masks").waitFor();
      await page.waitForFunction(isReady);
    } finally {
      await page.close();
      hub.closeAllConnections();
      await new Promise((resolve) => hub.close(resolve));
    }
  }, 120_000);

  test("a video is tracked", async () => {
    const { page, problems } = await watched();
    await page.goto(`${site.origin}${base}/playground/`);
    await page.waitForFunction(isReady);
    const frames = ["00000.jpg", "00001.jpg", "00002.jpg"].map((name) => join(root, "examples", "clip", name));
    await page.locator("[data-play=file]").setInputFiles(frames);
    await page.locator("[data-play=offer-text]").getByText("edgetam is 56 MB").waitFor();
    await page.getByRole("button", { name: "Go on with nano, roughly" }).click();
    const video = "document.querySelector('masklet-video-editor')";
    await page.waitForFunction(`${video}?.session?.tracking !== undefined`);
    const point = (await page.evaluate(`${video}.editor.pagePoint([57, 100])`)) as [number, number];
    await page.mouse.click(...point);
    await page.waitForFunction(`${video}.session.document.objects.length === 1`);
    await page.getByRole("button", { name: "Track on" }).click();
    await page.waitForFunction(`Object.keys(${video}.session.document.objects[0].frames).length === 3`);
    expect(await violations(page)).toEqual([]);
    expect(await exportsOf(page)).toMatchObject({ labels: "frames.labels.zip", session: "frames.session.json" });
    const code = page.locator("[data-play=code]");
    await page.locator("[value=cli]").check();
    expect(await code.textContent()).toMatch(/^masklet track frames --point [\d.]+,[\d.]+#1 /);
    await page.locator("[value=browser]").check();
    const made = await runInPage((await code.textContent()) ?? "", frames);
    expect(made).toEqual(["frames.0.png", "frames.1.png", "frames.2.png"]);
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  test("after one visit it needs no network, and has threads", async () => {
    const own = await preview(folder, base);
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(`${own.origin}${base}/`);
      expect(await page.evaluate("crossOriginIsolated")).toBe(false);
      await page.waitForFunction(isReady);
      const kept = `(async () => {
        if (navigator.serviceWorker.controller?.state !== "activated") return false;
        for (const name of await caches.keys()) {
          const paths = (await (await caches.open(name)).keys()).map(({ url }) => url);
          if (name.startsWith("masklet-site") && paths.filter((url) => url.endsWith(".wasm")).length === 3 && paths.some((url) => url.endsWith("/workers/"))) return true;
        }
        return false;
      })()`;
      await expect.poll(() => page.evaluate(kept), { timeout: 60_000 }).toBe(true);
      await own.close();
      await page.goto(`${own.origin}${base}/workers/`);
      expect(await page.title()).toContain("Workers");
      await page.goto(`${own.origin}${base}/playground/`);
      await page.waitForFunction(isReady);
      expect(await page.evaluate("crossOriginIsolated")).toBe(true);
      expect(await page.locator("[data-play=threads]").textContent()).toContain("cross-origin isolated");
    } finally {
      await context.close();
      await own.close();
    }
  }, 120_000);

  test("guides can be read without JavaScript", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${site.origin}${base}/cli/`);
    expect(await page.getByRole("heading", { name: "masklet annotate" }).isVisible()).toBe(true);
    await page.getByRole("link", { name: "Labels", exact: true }).first().click();
    expect(new URL(page.url()).pathname).toBe(`${base}/labels/`);
    await context.close();
  }, 60_000);
});

interface AxeViolation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}
