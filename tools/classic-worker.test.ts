/** The worker in one classic script, where little is allowed: a null-origin frame, and a page with a strict policy. */
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { build } from "esbuild";
import { type Browser, chromium as playwright } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readImage } from "../packages/core/src/node.ts";
import { chromium, root } from "./host.mjs";

const packages = join(root, "packages");
const script = join(packages, "backend-ort", "dist", "classic-worker.js");
const remote = join(packages, "core", "dist", "remote", "index.js");
const built = existsSync(script) && existsSync(remote);

/** What Meta's code answers under these weights (goldens/nano/image.json, first case of scene). */
const expected = { iou: [0.65131, 0.69276, 0.57176], areas: [9665, 12991, 16418] };

const nonce = "c2VjcmV0";
const policy = `default-src 'none'; script-src 'nonce-${nonce}' 'wasm-unsafe-eval'; worker-src blob:`;

/** Runs in the frame: all it needs comes by message, the result goes the same way. */
const inFrame = `
  import { createWorkerPredictor } from "./remote/index.js";

  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    parent.postMessage({ failed: "policy: " + violatedDirective + " " + blockedURI }, "*"));
  addEventListener("message", async ({ data: { script, wasm, checkpoint, config, image, prompt } }) => {
    try {
      const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      const worker = new Worker(url);
      const refused = await createWorkerPredictor(worker, checkpoint, { config }).catch((error) => error);
      // Ahead of the requests, or with the first.
      const isAhead = self.origin === "null";
      if (isAhead) worker.postMessage({ wasm });
      const backend = isAhead ? {} : { backend: { wasm } };
      const steps = [];
      const onProgress = ({ item }) => steps.push(item);
      const predictor = await createWorkerPredictor(worker, checkpoint, { config, ...backend, onProgress });
      await predictor.setImage(image);
      const { masks, iouPredictions } = await predictor.predict(prompt);
      const wrong = await predictor.predict({}).catch((error) => error);
      await predictor.dispose();
      const areas = masks.map(({ data }) => data.reduce((sum, pixel) => sum + pixel, 0));
      parent.postMessage({
        origin: self.origin, areas, iouPredictions, graphs: [...new Set(steps)], refused: refused.code, wrong: wrong.code,
      }, "*");
    } catch (error) {
      parent.postMessage({ failed: String(error) + " " + error.stack }, "*");
    }
  });
  parent.postMessage({ ready: true }, "*");
`;

/** Runs in the page around it: fetches what the frame may not, and waits for its result. */
const around = `
  const get = async (path) => (await fetch(path)).arrayBuffer();
  const bytes = async (path) => new Uint8Array(await get(path));
  const text = async (path) => new TextDecoder().decode(await get(path));
  window.ask = async (id) => {
    const { size, ...rest } = JSON.parse(await text("/setup"));
    const image = { ...size, data: await bytes("/pixels") };
    const job = { ...rest, image, script: await text("/script"), wasm: await bytes("/wasm"), checkpoint: await bytes("/checkpoint") };
    const inFrame = await text("/frame.js");
    const frame = document.getElementById(id);
    return new Promise((resolve) => {
      addEventListener("message", ({ data, source }) => {
        if (source !== frame.contentWindow) return;
        if (data.ready) source.postMessage(job, "*");
        else resolve(data);
      });
      if (id === "strict") frame.src = "/strict.html";
      else frame.srcdoc = "<!doctype html><script>" + inFrame + "</script>";
    });
  };
`;

describe.skipIf(!built || chromium() === undefined)("needs Chromium, and the built packages", () => {
  let server: Server;
  let browser: Browser;
  let address: string;
  const asked: string[] = [];

  beforeAll(async () => {
    const nano = join(packages, "model-nano", "sam2.1_hiera_nano");
    const image = await readImage(join(root, "examples", "scene.png"));
    const { width, height, channels } = image;
    const { outputFiles } = await build({
      stdin: { contents: inFrame, resolveDir: join(packages, "core", "dist") },
      bundle: true,
      format: "iife",
      write: false,
      logLevel: "error",
    });
    const frameScript = outputFiles[0]?.text ?? "";
    const { parseConfig } = await import("../packages/core/src/node.ts");
    const config = parseConfig(JSON.parse(readFileSync(`${nano}.json`, "utf8")));
    const runtime = join(packages, "backend-ort", "node_modules", "onnxruntime-web", "dist");
    const page = `<!doctype html><link rel="icon" href="data:,"><iframe id="null-origin" sandbox="allow-scripts"></iframe><iframe id="strict"></iframe><script src="around.js"></script>`;
    const strict = `<!doctype html><script nonce="${nonce}">${frameScript}</script>`;
    const files: Readonly<Record<string, readonly [type: string, body: string | Uint8Array]>> = {
      "/": ["text/html", page],
      "/around.js": ["text/javascript", around],
      "/strict.html": ["text/html", strict],
      "/frame.js": ["text/plain", frameScript],
      "/script": ["text/plain", readFileSync(script)],
      "/wasm": ["application/octet-stream", readFileSync(join(runtime, "ort-wasm-simd-threaded.wasm"))],
      "/checkpoint": ["application/octet-stream", readFileSync(`${nano}.safetensors`)],
      "/pixels": ["application/octet-stream", new Uint8Array(image.data)],
      "/setup": [
        "application/json",
        JSON.stringify({ config, size: { width, height, channels }, prompt: { points: [[581, 532]] } }),
      ],
    };
    server = createServer(({ url = "" }, response) => {
      asked.push(url);
      const [type, body] = files[url] ?? [];
      if (type === undefined) response.writeHead(404);
      else response.setHeader("Content-Type", type);
      if (url === "/strict.html") response.setHeader("Content-Security-Policy", policy);
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    address = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}/`;
    // Chromium's sandbox does not start as root, as in a container.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await playwright.launch({ executablePath: chromium() ?? "", args });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test("the script has no import in it", () => {
    const source = readFileSync(script, "utf8");
    expect(source).not.toMatch(/\bimport\s*[({"'*]/);
    expect(source).not.toMatch(/\bimport\.meta\b/);
  });

  test.each([
    ["a null-origin srcdoc frame", "null-origin", "null"],
    ["a page that allows scripts by nonce, wasm and blob workers only", "strict", "http"],
  ])("segments in %s", { timeout: 120_000 }, async (_, frame, origin) => {
    const page = await browser.newPage();
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    await page.goto(address);
    asked.length = 0;
    const result = await page.evaluate(`ask("${frame}")`);
    await page.close();
    expect(said).toEqual([]);
    expect(result).toMatchObject({
      origin: expect.stringContaining(origin),
      graphs: ["imageEncoder", "maskDecoder"],
      refused: "runtime-missing",
      wrong: "empty",
    });
    const { areas, iouPredictions } = result as { areas: readonly number[]; iouPredictions: readonly number[] };
    expect(areas).toHaveLength(3);
    for (const [i, area] of areas.entries()) {
      expect(Math.abs(area - (expected.areas[i] as number))).toBeLessThanOrEqual(4);
      expect(Math.abs((iouPredictions[i] as number) - (expected.iou[i] as number))).toBeLessThan(1e-3);
    }
    const fetched = ["/wasm", "/checkpoint", "/pixels", "/script", "/setup", "/frame.js", "/strict.html"];
    expect(asked.filter((url) => !fetched.includes(url))).toEqual([]);
  });
});
