/**
 * The projects under examples/, bundled, and their pages in Chromium. Next and Electron are not installed for this: Next's
 * page is rendered by React as Next would (Next itself builds it in packages.install.test.ts), Electron's page is driven with a
 * stand-in for its preload script, and its main process is run against one for Electron.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { type Browser, chromium as playwright } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readImage } from "../packages/core/src/node.ts";
import { chromium, root } from "./host.mjs";
import { type Preview, preview } from "./site-preview.ts";

const examples = join(root, "examples");
const required = createRequire(join(examples, "package.json"));
const out = mkdtempSync(join(tmpdir(), "masklet-examples-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Of `vue/compiler-sfc`, which is the examples' to depend on. */
interface Compiler {
  parse(text: string, options: object): { readonly descriptor: object; readonly errors: readonly Error[] };
  compileScript(descriptor: object, options: object): { readonly content: string };
}

/** What Vite's plugin does of Vue's single files. */
const vue: Plugin = {
  name: "vue",
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { parse, compileScript } = required("vue/compiler-sfc") as Compiler;
      const { descriptor, errors } = parse(readFileSync(path, "utf8"), { filename: path });
      if (errors.length > 0) return { errors: errors.map(({ message }) => ({ text: message })) };
      const isCustomElement = (tag: string): boolean => tag.startsWith("masklet-");
      const templateOptions = { compilerOptions: { isCustomElement } };
      const { content } = compileScript(descriptor, { id: basename(path), inlineTemplate: true, templateOptions });
      return { contents: content, loader: "js" };
    });
  },
};

const common: BuildOptions = {
  bundle: true,
  format: "esm",
  jsx: "automatic",
  conditions: ["@masklet/source", "onnxruntime-web-use-extern-wasm"],
  define: {
    "process.env.NODE_ENV": '"production"',
    __VUE_OPTIONS_API__: "false",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
  },
  logLevel: "error",
};

const pages = { editor: "page.js", react: "page.jsx", vue: "page.js", electron: "page.js" } as const;

beforeAll(async () => {
  // The worker once: it is the same for all.
  await build({
    ...common,
    entryPoints: [join(examples, "editor", "worker.js")],
    outdir: join(out, "worker"),
    splitting: true,
  });
  for (const [name, entry] of Object.entries(pages)) {
    const folder = join(out, name);
    cpSync(join(out, "worker"), folder, { recursive: true });
    await build({ ...common, entryPoints: [join(examples, name, entry)], outdir: folder, plugins: [vue] });
    const html = join(examples, name, "index.html");
    const plain =
      '<!doctype html><link rel="icon" href="data:," /><div id="app"></div><script type="module" src="page.js"></script>';
    writeFileSync(join(folder, "index.html"), name === "editor" || name === "electron" ? readFileSync(html) : plain);
    cpSync(join(examples, "scene.png"), join(folder, "scene.png"));
    mkdirSync(join(folder, "wasm"));
    for (const ending of ["mjs", "wasm"]) {
      const file = `ort-wasm-simd-threaded.${ending}`;
      cpSync(join(examples, "node_modules", "onnxruntime-web", "dist", file), join(folder, "wasm", file));
    }
  }
  // esbuild does not follow `new URL(…, import.meta.url)`: one folder above the script.
  for (const ending of ["json", "safetensors"]) {
    const file = `sam2.1_hiera_nano.${ending}`;
    cpSync(join(root, "packages", "model-nano", file), join(out, file));
  }
}, 60_000);

describe.skipIf(chromium() === undefined)("in Chromium (needs it)", () => {
  let browser: Browser;
  let site: Preview;
  beforeAll(async () => {
    site = await preview(out, "");
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await playwright.launch({ executablePath: chromium() ?? "", args });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });
  const editor = "document.querySelector('masklet-editor')";

  test.each(["editor", "react", "vue"] as const)("%s: a click gives a mask", { timeout: 60_000 }, async (name) => {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(`${site.origin}/${name}/`);
    await page.waitForFunction(`${editor}?.engineState === "ready"`);
    const [x, y] = (await page.evaluate(`${editor}.pagePoint([130, 121])`)) as [number, number];
    await page.mouse.click(x, y);
    if (name === "editor") await page.waitForFunction(`${editor}.session.document.objects.length === 1`);
    else await page.locator("output").getByText("prompt", { exact: true }).waitFor();
    expect(problems).toEqual([]);
    await page.close();
  });

  test("electron's page opens, cuts out and saves through its preload script", { timeout: 60_000 }, async () => {
    const page = await browser.newPage();
    const saved: { name: string; bytes: Uint8Array }[] = [];
    await page.exposeFunction("hostSave", (name: string, bytes: readonly number[]) => {
      saved.push({ name, bytes: Uint8Array.from(bytes) });
    });
    await page.addInitScript(`globalThis.host = {
      open: async () => ({ name: "scene.png", bytes: new Uint8Array(await (await fetch("scene.png")).arrayBuffer()) }),
      save: (name, bytes) => hostSave(name, [...bytes]),
    };`);
    await page.goto(`${site.origin}/electron/`);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.waitForFunction(`${editor}?.engineState === "ready"`);
    const [x, y] = (await page.evaluate(`${editor}.pagePoint([130, 121])`)) as [number, number];
    await page.mouse.click(x, y);
    await page.waitForFunction(`${editor}.session.document.objects.length === 1`);
    await page.getByRole("button", { name: "Save the cutout" }).click();
    await expect.poll(() => saved.length, { timeout: 30_000 }).toBe(1);
    expect(saved[0]?.name).toBe("scene.png");
    expect((await readImage(saved[0]?.bytes ?? new Uint8Array())).width).toBeLessThan(640);
    await page.close();
  });
});

test("electron's main process serves its folder, isolated, and nothing above it", async () => {
  const at = join(out, "main");
  mkdirSync(join(at, "node_modules", "electron"), { recursive: true });
  cpSync(join(examples, "electron", "index.html"), join(at, "index.html"));
  writeFileSync(join(out, "secret.txt"), "not to be read");
  writeFileSync(
    join(at, "node_modules", "electron", "package.json"),
    '{ "name": "electron", "type": "module", "main": "i.js" }',
  );
  writeFileSync(
    join(at, "node_modules", "electron", "i.js"),
    `export const seen = [];
    export const app = { whenReady: async () => {}, on() {}, quit() {} };
    export const protocol = { registerSchemesAsPrivileged: (all) => seen.push(all[0].scheme), handle: (scheme) => seen.push(scheme) };
    export const ipcMain = { handle: (name) => seen.push(name) };
    export const dialog = {};
    export class BrowserWindow { constructor({ webPreferences }) { seen.push(webPreferences.preload); } loadURL(url) { seen.push(url); } }`,
  );
  const options = {
    entryPoints: [join(examples, "electron", "main.js")],
    outfile: join(at, "main.mjs"),
    external: ["electron"],
  };
  await build({ ...common, ...options, platform: "node" });
  const { answer } = (await import(pathToFileURL(join(at, "main.mjs")).href)) as {
    answer(request: Request): Promise<Response>;
  };
  const page = await answer(new Request("http://masklet/index.html"));
  expect(page.headers.get("Cross-Origin-Embedder-Policy")).toBe("require-corp");
  expect(await page.text()).toContain("<masklet-editor");
  for (const path of ["%2e%2e%2fsecret.txt", "..%2fsecret.txt", "missing"]) {
    expect((await answer(new Request(`http://masklet/${path}`))).ok, path).toBe(false);
  }
  const { seen } = (await import(pathToFileURL(join(at, "node_modules", "electron", "i.js")).href)) as {
    seen: string[];
  };
  expect(seen).toEqual(["app", "app", "open", "save", join(at, "preload.cjs"), "app://masklet/index.html"]);
});

test("next's page renders on a server without the element, and its config isolates", async () => {
  // As Next's does with `ssr: false` on a server.
  const stub = join(out, "dynamic.mjs");
  writeFileSync(
    stub,
    "export default (_, { ssr, loading }) => { if (ssr !== false) throw new Error(); return loading; };",
  );
  const file = join(out, "next.cjs");
  await build({
    ...common,
    stdin: {
      contents: `import Layout from "./next/app/layout.jsx"; import Page from "./next/app/page.jsx"; import { renderToString } from "react-dom/server"; export const html = renderToString(<Layout><Page /></Layout>);`,
      resolveDir: examples,
      loader: "jsx",
    },
    alias: { "next/dynamic": stub },
    platform: "node",
    format: "cjs",
    outfile: file,
    external: ["@masklet/*"],
  });
  const { html } = createRequire(file)(file) as { html: string };
  expect(html).toMatch(/^<html lang="en">.*The editor is loading\./);
  const { default: config } = await import(pathToFileURL(join(examples, "next", "next.config.mjs")).href);
  const [{ headers }] = await config.headers();
  expect(headers).toContainEqual({ key: "Cross-Origin-Embedder-Policy", value: "require-corp" });
  // Next's bundler refuses a build that has a config for another.
  expect(Object.keys(config)).toEqual(["headers"]);
});
