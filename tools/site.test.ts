/** The site as GitHub Pages would have it, below a folder: every link in it leads somewhere. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { environment, root } from "./host.mjs";

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
