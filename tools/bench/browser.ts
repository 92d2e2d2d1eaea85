/**
 * `pnpm bench --browser [--model nano,tiny] [--threads N] [--json]`: the backends against each other in one headless
 * Chromium. Times are medians of warm runs, at most five and as many as begin within 10 s; beside each stands its ratio to
 * ONNX Runtime's wasm in the same run, which says more than milliseconds of a shared machine. GPUs that are software are
 * called so, and run nano alone.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isPresetName } from "@masklet/core";
import { build } from "esbuild";
import { type Browser, type Page, chromium as playwright } from "playwright";
import { chromium, root } from "../host.mjs";
import { type ModelPaths, modelFiles } from "./model-files.ts";
import {
  type BrowserColumn,
  type BrowserReport,
  columns,
  type PageJob,
  type PageRow,
  type Supported,
} from "./report.ts";

const places = [
  { backend: "ort", device: "wasm" },
  { backend: "ort", device: "webgpu" },
  { backend: "tfjs", device: "wasm" },
  { backend: "tfjs", device: "webgl" },
  { backend: "tfjs", device: "webgpu" },
] as const;
type Place = (typeof places)[number];

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/**
 * Serves a page that runs `page.js`, and what else is given by its path, models and the runtimes' wasm; opens Chromium for
 * it. Throws where there is none.
 */
export async function inPage<T>(
  files: Readonly<Record<string, Uint8Array>>,
  paths: readonly ModelPaths[],
  run: (browser: Browser, address: string) => Promise<T>,
): Promise<T> {
  const server = createServer(({ url = "/" }, response) => {
    // Isolated, so that wasm has threads.
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    const body = files[url] ?? answer(url, paths);
    response.setHeader("Content-Type", url === "/" ? "text/html" : (types[extname(url)] ?? "application/octet-stream"));
    if (body === undefined) response.writeHead(404);
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const address = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}/`;
  let browser: Browser | undefined;
  try {
    browser = await launch(address);
    return await run(browser, address);
  } finally {
    await browser?.close();
    server.close();
  }
}

/** Measures models, each backend in a page of its own. Throws where there is no Chromium. */
export async function benchInBrowser(models: readonly string[], threads: number): Promise<readonly BrowserReport[]> {
  const paths = models.map(modelFiles);
  return inPage({ "/page.js": await bundled("page.ts") }, paths, async (browser, address) => {
    const reports: BrowserReport[] = [];
    for (const [i, model] of models.entries()) {
      const found: BrowserColumn[] = [];
      for (const place of places) {
        const { checkpoint, config } = paths[i] as ModelPaths;
        const preset = isPresetName(model) ? model : undefined;
        const files = { checkpoint: addressOf(checkpoint), config: config && addressOf(config) };
        const job = { ...place, threads, preset, ...files };
        process.stderr.write(`bench: ${model} on ${place.backend} ${place.device}\n`);
        found.push(await measure(browser, address, model, job));
      }
      reports.push({ model, browser: `Chromium ${browser.version()}`, threads, columns: found });
    }
    return reports;
  });
}

export const addressOf = (path: string): string => `/models/${basename(path)}`;

/** A script of this folder with all that it imports. */
export async function bundled(name: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(name, import.meta.url))],
    bundle: true,
    format: "esm",
    conditions: ["@masklet/source", "onnxruntime-web-use-extern-wasm"],
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

function answer(url: string, models: readonly ModelPaths[]): string | Uint8Array | undefined {
  if (url === "/")
    return `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`;
  const files = models.flatMap(({ checkpoint, config }) =>
    config === undefined ? [checkpoint] : [checkpoint, config],
  );
  const model = files.find((path) => addressOf(path) === url);
  if (model !== undefined) return readFileSync(model);
  const name = /^\/wasm\/([\w.-]+)$/.exec(url)?.[1];
  if (name === undefined) return undefined;
  const [of, runtime] = name.startsWith("ort-")
    ? ["ort", "onnxruntime-web"]
    : ["tfjs", "@tensorflow/tfjs-backend-wasm"];
  return readFileSync(join(root, "packages", `backend-${of}`, "node_modules", runtime, "dist", name));
}

/** With the machine's GPU; where WebGPU finds none, with one in software. */
async function launch(address: string): Promise<Browser> {
  const executablePath = chromium();
  if (executablePath === undefined) throw new Error("bench: there is no Chromium; name one in CHROMIUM");
  const args = ["--enable-unsafe-webgpu", "--ignore-gpu-blocklist"];
  // Chromium's sandbox does not start as root, as in a container.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  const browser = await playwright.launch({ executablePath, args });
  const page = await browser.newPage();
  await page.goto(address);
  const hasGpu = await page.evaluate("bench.adapter('webgpu')");
  await page.close();
  if (hasGpu !== undefined) return browser;
  await browser.close();
  return playwright.launch({ executablePath, args: [...args, "--use-webgpu-adapter=swiftshader"] });
}

async function measure(browser: Browser, address: string, model: string, job: PageJob): Promise<BrowserColumn> {
  const { backend, device } = job;
  const page = await browser.newPage();
  try {
    await page.goto(address);
    const adapter = await adapterOf(page, device);
    const software = isSoftware(adapter);
    const column = { backend, device, software, rows: [], ...(adapter !== undefined && { adapter }) };
    if (device !== "wasm" && adapter === undefined) return { ...column, notRun: "there is no such device" };
    if (software && model !== "nano") return { ...column, notRun: "would take minutes on a software adapter" };
    try {
      return { ...column, rows: await page.evaluate<readonly PageRow[]>(`bench.measure(${JSON.stringify(job)})`) };
    } catch (error) {
      const [message = ""] = String(error).replace("Error: page.evaluate: ", "").split("\n");
      return { ...column, notRun: message };
    }
  } finally {
    await page.close();
  }
}

/** Each backend asked in a page for each of its devices. Throws where there is no Chromium. */
export async function supportInBrowser(): Promise<readonly (Place & Supported)[]> {
  return inPage({ "/page.js": await bundled("page.ts") }, [], async (browser, address) => {
    const found: (Place & Supported)[] = [];
    for (const place of places) {
      const page = await browser.newPage();
      await page.goto(address);
      const supported = await page.evaluate<Supported>(`bench.support(${JSON.stringify(place)})`);
      const adapter = await adapterOf(page, place.device);
      const isSoft = supported.state === "runs" && isSoftware(adapter);
      found.push({ ...place, ...supported, ...(isSoft && { state: "runs, in software" }) });
      await page.close();
    }
    return found;
  });
}

const adapterOf = async (page: Page, device: Place["device"]): Promise<string | undefined> =>
  device === "wasm" ? undefined : await page.evaluate<string | undefined>(`bench.adapter("${device}")`);

const isSoftware = (adapter: string | undefined): boolean =>
  adapter !== undefined && /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(adapter);

/** A table: a line for each backend, its times and their ratios. */
export function printBrowser({ model, browser, threads, columns: found }: BrowserReport): void {
  const first = found.find(({ rows }) => rows.length > 0);
  const base = first === undefined ? "" : `; times, and ratios to ${first.backend} ${first.device}`;
  console.log(`\n${model} in ${browser}, wasm with ${threads} threads${base}`);
  const called = ({ backend, device, software }: BrowserColumn): string =>
    `${backend} ${device}${software ? " (software)" : ""}`;
  const lines = found
    .filter(({ rows }) => rows.length > 0)
    .map((column) => [called(column), ...column.rows.flatMap((row, i) => cells(row, first?.rows[i]))]);
  if (first !== undefined) console.log(columns([["", ...first.rows.flatMap(({ name }) => [name, ""])], ...lines]));
  for (const column of found) if (column.notRun !== undefined) console.log(`  ${called(column)}: ${column.notRun}`);
  for (const adapter of new Set(found.flatMap((column) => column.adapter ?? []))) console.log(`  GPU: ${adapter}`);
}

function cells(row: PageRow, first: PageRow | undefined): readonly string[] {
  if ("skipped" in row) return [row.skipped, ""];
  const few = row.runs < 3 ? ` (${row.runs} run${row.runs === 1 ? "" : "s"})` : "";
  const ratio =
    first !== undefined && "milliseconds" in first ? (row.milliseconds / first.milliseconds).toFixed(2) : "";
  return [`${row.milliseconds.toFixed(row.milliseconds < 10 ? 1 : 0)} ms${few}`, ratio];
}
