/**
 * The site as GitHub Pages would have it, below a folder: every link leads somewhere, and in Chromium its pages are
 * accessible, ask nobody else for anything, and the first one segments.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { type Browser, chromium as playwright } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
    browser = await playwright.launch({ executablePath: chromium() ?? "", args });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  test.each([
    ["the first page", "", ["light", "dark"]],
    ["a guide", "cli/", ["light"]],
    ["the reference", "api/core/remote/", ["dark"]],
  ] as const)("%s is accessible, and asks nobody else", { timeout: 120_000 }, async (_, path, schemes) => {
    const axe = createRequire(join(root, "packages", "editor", "package.json")).resolve("axe-core/axe.min.js");
    for (const colorScheme of schemes) {
      const page = await browser.newPage({ colorScheme });
      const problems: string[] = [];
      page.on("pageerror", (error) => problems.push(String(error)));
      page.on("request", (request) => {
        if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(site.origin))
          problems.push(request.url());
      });
      page.on("response", (response) => {
        if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
      });
      await page.goto(`${site.origin}${base}/${path}`, { waitUntil: "load" });
      await page.addScriptTag({ path: axe });
      const { violations } = (await page.evaluate("axe.run()")) as { readonly violations: readonly AxeViolation[] };
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      expect(found, colorScheme).toEqual([]);
      expect(problems).toEqual([]);
      await page.close();
    }
  });

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
