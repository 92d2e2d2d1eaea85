/** The setups of apps/docs/browser.md, and those of apps/docs/workers.md for bundlers, made with the packages as they are published, and run in Chromium. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type Browser, chromium as playwright } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromium, environment, root } from "./host.mjs";
import { installPackages } from "./pack.mjs";

const built = readdirSync(join(root, "packages")).every(
  (name) =>
    !existsSync(join(root, "packages", name, "package.json")) || existsSync(join(root, "packages", name, "dist")),
);

/** What Meta's code answers under these weights (goldens/nano/image.json, first case of scene). */
const expected = { iou: [0.65131, 0.69276, 0.57176], areas: [9665, 12991, 16418] };

const docs = readFileSync(join(root, "apps", "docs", "browser.md"), "utf8").replaceAll("\r\n", "\n");

/** How the bundlers' worker and its page are written. */
const workers = readFileSync(join(root, "apps", "docs", "workers.md"), "utf8").replaceAll("\r\n", "\n");

/** What apps/docs/workers.md says, or an error. */
function said(what: RegExp): string {
  const [, text] = workers.match(what) ?? [];
  if (text === undefined) throw new Error(`apps/docs/workers.md has no ${what}`);
  return text;
}

/** A block of the page, by what follows its fence. */
function block(mark: string): string {
  const [, text] = docs.split(`\`\`\`${mark}\n`);
  if (text === undefined) throw new Error(`apps/docs/browser.md has no block "${mark}"`);
  return text.slice(0, text.indexOf("\n```"));
}

function replace(text: string, pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`apps/docs/browser.md does not say ${from}`);
    return changed.replaceAll(from, to);
  }, text);
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

const project = mkdtempSync(join(tmpdir(), "masklet-browser-"));
const publicFolder = join(project, "public");
const programs = ["ort", "tfjs"] as const;
/** Pages whose worker computes: bundlers alone make them, as import maps do not reach into workers. */
const pages = [...programs, "worker-page"] as const;
const page = (script: string): string =>
  `<!doctype html><link rel="icon" href="data:,"><body></body><script type="module" src="${script}"></script>`;

function run(name: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: project,
    env: environment() as NodeJS.ProcessEnv,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${name}: exit code ${status}\n${stdout}${stderr}`);
}

/** A bundler as if it had been installed in the project. */
function link(name: string): string {
  const target = join(project, "node_modules", name);
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(realpathSync(join(root, "node_modules", name)), target, "junction");
  return target;
}

/** Each makes a folder that a server can serve, with `public` under it. */
const setups: Readonly<Record<string, (out: string) => void>> = {
  Vite: (out) => {
    link("vite");
    const config = replace(block("js vite.config.js"), {
      "export default {": `export default {\n  ${said(/`(worker: \{ format: "es" \})`/)},`,
    });
    writeFileSync(join(project, "vite.config.mjs"), config);
    for (const name of pages) {
      mkdirSync(join(project, name), { recursive: true });
      writeFileSync(join(project, name, "index.html"), page(`/${name}.js`));
    }
    const inputs = pages.map((name) => `${name}/index.html`);
    // Two pages are no matter of the setup; the public folder is served as it is.
    const script = `
      import { build } from "vite";
      const options = { outDir: ${JSON.stringify(out)}, copyPublicDir: false, rolldownOptions: { input: ${JSON.stringify(inputs)} } };
      await build({ logLevel: "error", configFile: "vite.config.mjs", build: options });
    `;
    run("vite", ["--input-type=module", "--eval", script]);
  },
  webpack: (out) => {
    link("webpack");
    writeFileSync(join(project, "webpack.config.mjs"), block("js webpack.config.js"));
    const script = `
      import webpack from "webpack";
      import config from "./webpack.config.mjs";
      const entry = ${JSON.stringify(Object.fromEntries(pages.map((name) => [name, `./${name}.js`])))};
      webpack({ ...config, entry, output: { path: ${JSON.stringify(out)}, publicPath: "/" } }, (error, stats) => {
        if (error || stats.hasErrors()) throw error ?? new Error(stats.toString("errors-only"));
      });
    `;
    run("webpack", ["--input-type=module", "--eval", script]);
    for (const name of pages) {
      mkdirSync(join(out, name), { recursive: true });
      writeFileSync(join(out, name, "index.html"), page(`/${name}.js`));
    }
  },
  esbuild: (out) => {
    const esbuild = join(link("esbuild"), "bin", "esbuild");
    const build = (entries: readonly string[], line: string): void => {
      const flags = line.replace("--outdir=public/js", `--outdir=${join(out, "js")}`).split(" ");
      run("esbuild", [esbuild, ...entries.map((name) => `${name}.js`), ...flags]);
    };
    build(programs, docs.match(/^esbuild main\.js (.*)$/m)?.[1] ?? "");
    writeFileSync(
      join(project, "worker-page.esbuild.js"),
      replace(readFileSync(join(project, "worker-page.js"), "utf8"), {
        [said(/= (new Worker\(new URL\(.*);$/m).replace("./worker.ts", "./worker.js")]:
          said(/= (new Worker\("\/js.*);$/m),
      }),
    );
    build(["worker-page.esbuild", "worker"], said(/^esbuild page\.ts worker\.ts (.*)$/m));
    for (const file of ["sam2.1_hiera_nano.safetensors", "sam2.1_hiera_nano.json"]) {
      copyFileSync(join(project, "node_modules", "@masklet", "model-nano", file), join(out, file));
    }
    for (const name of pages) {
      mkdirSync(join(out, name), { recursive: true });
      writeFileSync(join(out, name, "index.html"), page(`/js/${name}${name === "worker-page" ? ".esbuild" : ""}.js`));
    }
  },
  "no bundler": (out) => {
    mkdirSync(out);
    symlinkSync(join(project, "node_modules"), join(out, "node_modules"), "junction");
    for (const name of programs) {
      copyFileSync(join(project, `${name}.js`), join(out, `${name}.js`));
      mkdirSync(join(out, name));
      writeFileSync(join(out, name, "index.html"), replace(block("html index.html"), { "/main.js": `/${name}.js` }));
    }
  },
};

describe.skipIf(!built || chromium() === undefined)("needs Chromium, and the built packages", () => {
  let browser: Browser;
  /** What is served, and whether pages are isolated. */
  let served = { folder: "", isolated: false };
  let server: Server;
  let origin = "";

  beforeAll(async () => {
    installPackages(project);
    const main = block("js main.js");
    writeFileSync(join(project, "ort.js"), main);
    writeFileSync(
      join(project, "tfjs.js"),
      replace(main, {
        createOrtBackend: "createTfjsBackend",
        "backend-ort/web": "backend-tfjs/web",
        "device:": "engine:",
      }),
    );
    writeFileSync(join(project, "worker.js"), said(/^```ts\n\/\/ worker\.ts\n([^`]*wasmPaths[^`]*)```$/m));
    writeFileSync(
      join(project, "worker-page.js"),
      replace(main, {
        'import { createOrtBackend } from "@masklet/backend-ort/web";\n': "",
        "ImagePredictor, loadSam2, maskArea": "createWorkerPredictor, maskArea",
        'const backend = await createOrtBackend({ device: "wasm", wasmPaths: "/wasm/" });': `const worker = ${said(/= (new Worker\(new URL\(.*);$/m).replace("./worker.ts", "./worker.js")};`,
        "new ImagePredictor(await loadSam2(checkpoint, { backend, config }))":
          "await createWorkerPredictor(worker, checkpoint, { config })",
      }),
    );
    const wasm = join(publicFolder, "wasm");
    mkdirSync(wasm, { recursive: true });
    const modules = join(project, "node_modules");
    for (const file of ["ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]) {
      copyFileSync(join(modules, "onnxruntime-web", "dist", file), join(wasm, file));
    }
    cpSync(join(modules, "@tensorflow", "tfjs-backend-wasm", "dist"), wasm, {
      recursive: true,
      dereference: true,
      filter: (path) => path.endsWith(".wasm") || path.endsWith("dist"),
    });
    copyFileSync(join(root, "examples", "scene.png"), join(publicFolder, "scene.png"));

    server = createServer(({ url = "/" }, response) => {
      const { pathname } = new URL(url, "http://localhost");
      const wanted = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
      const path = [served.folder, publicFolder].map((folder) => join(folder, wanted)).find((file) => existsSync(file));
      if (served.isolated) {
        response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
        response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
      }
      response.setHeader("Access-Control-Allow-Origin", "*"); // as a CDN does
      if (path === undefined) response.writeHead(404);
      else response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
      response.end(path === undefined ? "" : readFileSync(path));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    origin = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`;
    // Chromium's sandbox does not start as root, as in a container.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await playwright.launch({ executablePath: chromium() ?? "", args });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(project, { recursive: true, force: true });
  });

  /** Opens an address and waits for its answer; nothing may fail, and nothing may be asked of anybody else. */
  async function check(url: string, { threads }: { readonly threads: boolean }): Promise<void> {
    const context = await browser.newContext();
    const opened = await context.newPage();
    // Runtimes take half of the cores.
    await opened.addInitScript("Object.defineProperty(navigator, 'hardwareConcurrency', { value: 4 })");
    const problems: string[] = [];
    let workers = 0;
    let failed: (error: Error) => void = () => {};
    const failure = new Promise<never>((_, reject) => {
      failed = reject;
    });
    const problem = (text: string): void => {
      problems.push(text);
      failed(new Error(problems.join("\n")));
    };
    failure.catch(() => {});
    const own = new URL(url).origin;
    context.on("request", (request) => {
      const asked = new URL(request.url());
      if (!["data:", "blob:"].includes(asked.protocol) && asked.origin !== own) problem(`asked ${request.url()}`);
    });
    context.on("requestfailed", (request) => problem(`failed: ${request.url()}`));
    context.on("response", (response) => {
      if (response.status() >= 400) problem(`${response.status()}: ${response.url()}`);
    });
    opened.on("pageerror", (error) => problem(String(error)));
    opened.on("console", (message) => {
      if (message.type() === "error") problem(message.text());
    });
    opened.on("worker", () => workers++);
    try {
      await opened.goto(url);
      const answered = opened.waitForFunction("document.body.textContent.includes('predicted')", { timeout: 60_000 });
      await Promise.race([answered, failure]);
      const answer = (await opened.textContent("body")) ?? "";
      const found = [...answer.matchAll(/(\d+) pixels, predicted IoU (\S+)/g)].map(([, area, iou]) => [
        Number(area),
        Number(iou),
      ]);
      expect(found).toHaveLength(3);
      for (const [i, [area = 0, iou = 0]] of found.entries()) {
        expect(Math.abs(area - (expected.areas[i] as number))).toBeLessThanOrEqual(4);
        expect(Math.abs(iou - (expected.iou[i] as number))).toBeLessThan(1e-3);
      }
      expect(workers > 0).toBe(threads);
      expect(problems).toEqual([]);
    } finally {
      await context.close();
    }
  }

  describe.each(Object.keys(setups))("%s", (name) => {
    const out = join(project, `out-${name.replace(" ", "-")}`);
    beforeAll(() => setups[name]?.(out), 120_000);

    test.each(
      programs.flatMap((program) => [
        { program, isolated: false, how: "one thread" },
        { program, isolated: true, how: "threads, isolated" },
      ]),
    )("$program, $how", { timeout: 90_000 }, async ({ program, isolated }) => {
      served = { folder: out, isolated };
      await check(`${origin}/${program}/`, { threads: isolated });
    });

    test.skipIf(name === "no bundler")("a worker", { timeout: 90_000 }, async () => {
      served = { folder: out, isolated: true };
      await check(`${origin}/worker-page/`, { threads: true });
    });
  });

  test("the editor in ten lines, from a folder as a CDN serves it", { timeout: 60_000 }, async () => {
    const editing = readFileSync(join(root, "apps", "docs", "editor.md"), "utf8").replaceAll("\r\n", "\n");
    const [, lines] = /```html\n([\s\S]*?)```/.exec(editing) ?? [];
    if (lines === undefined) throw new Error("apps/docs/editor.md has no page");
    expect(lines.trimEnd().split("\n").length).toBeLessThanOrEqual(10);
    const folder = join(project, "out-cdn");
    mkdirSync(folder);
    symlinkSync(join(project, "node_modules", "@masklet"), join(folder, "npm"), "junction");
    // Another origin than the page's.
    const cdn = origin.replace("127.0.0.1", "localhost");
    const text = lines.replaceAll("https://cdn.example/", `${cdn}/npm/`).replace("picture.png", "scene.png");
    expect(text).not.toContain("example");
    writeFileSync(join(folder, "index.html"), text);
    served = { folder, isolated: false };
    const opened = await browser.newPage({ viewport: { width: 1000, height: 700 } });
    const problems: string[] = [];
    opened.on("pageerror", (error) => problems.push(String(error)));
    opened.on("response", (response) => {
      if (response.status() >= 400 && !response.url().endsWith("favicon.ico")) problems.push(response.url());
    });
    try {
      await opened.goto(`${origin}/`);
      const editor = opened.locator("masklet-editor");
      await editor.locator(".status", { hasText: "brush and eraser work" }).waitFor();
      await editor.getByRole("button", { name: "Brush" }).click();
      const { x, y, width, height } = (await editor.locator(".stage").boundingBox()) ?? {
        x: 0,
        y: 0,
        width: 0,
        height: 0,
      };
      await opened.mouse.move(x + width / 2, y + height / 2);
      await opened.mouse.down();
      await opened.mouse.move(x + width / 2 + 40, y + height / 2);
      await opened.mouse.up();
      await editor.locator("li", { hasText: "Object 1" }).waitFor();
      expect(problems).toEqual([]);
    } finally {
      await opened.close();
    }
  });

  test("Vite's development server", { timeout: 120_000 }, async () => {
    const { createServer: createVite } = (await import(
      pathToFileURL(join(root, "node_modules", "vite", "dist", "node", "index.js")).href
    )) as typeof import("vite");
    const vite = await createVite({
      root: project,
      configFile: false,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0, fs: { strict: false } },
    });
    try {
      await vite.listen();
      const bound = vite.httpServer?.address();
      const port = typeof bound === "object" ? bound?.port : "";
      for (const program of programs) await check(`http://127.0.0.1:${port}/${program}/`, { threads: false });
    } finally {
      await vite.close();
    }
  });
});
