/**
 * `pnpm bench --first-mask [--rounds N] [--json]`: which runtime shows nano's first mask first, from opening a page with
 * nothing in its cache, in headless Chromium without threads, as on a host without isolation. The runtimes take turns, over
 * connections of several speeds; everything that compresses is sent compressed.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Browser, chromium as playwright } from "playwright";
import { chromium, root } from "../host.mjs";
import type { FirstMask, FirstMaskReport, FirstMaskRow, RuntimeName } from "./report.ts";

/** Bytes in a second; `null`: as fast as it goes. */
export const speeds: Readonly<Record<string, number | null>> = {
  "20 Mbit/s": 2.5e6,
  "100 Mbit/s": 12.5e6,
  local: null,
};

const runtimes = {
  ort: {
    entry: "@masklet/backend-ort/web",
    start: `createOrtBackend({ device: "wasm", wasmPaths: "/" })`,
    files: [
      "packages/backend-ort/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
      "packages/backend-ort/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
    ],
  },
  tfjs: {
    entry: "@masklet/backend-tfjs/web",
    start: `createTfjsBackend({ engine: "wasm", wasmPaths: "/" })`,
    files: ["tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm.wasm", "tfjs-backend-wasm-threaded-simd.wasm"].map(
      (name) => `packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/${name}`,
    ),
  },
} as const;

interface Sent {
  readonly body: Uint8Array;
  readonly encoding?: "gzip";
}

/** Throws where there is no Chromium. */
export async function benchFirstMask(rounds: number): Promise<FirstMaskReport> {
  const path = chromium();
  if (path === undefined) throw new Error("there is no Chromium on this machine (set CHROMIUM to one)");
  const names = Object.keys(runtimes) as RuntimeName[];
  const sites = new Map(await Promise.all(names.map(async (name) => [name, await siteOf(name)] as const)));
  let current: ReadonlyMap<string, Sent> = new Map();
  let rate: number | null = null;
  let bytes = 0;
  const server = createServer(({ url = "/" }, response) => {
    const found = current.get(url);
    if (found === undefined) return void response.writeHead(404).end();
    bytes += found.body.length;
    response.setHeader("Content-Type", url === "/" ? "text/html" : (typeOf(url) ?? "application/octet-stream"));
    if (found.encoding) response.setHeader("Content-Encoding", found.encoding);
    void send(response, found.body, () => rate);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const address = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}/`;
  const browser = await playwright.launch({
    executablePath: path,
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  try {
    const found = new Map<string, { readonly times: FirstMask[]; bytes: number }>();
    for (let round = 0; round < rounds; round++) {
      for (const [speed, limit] of Object.entries(speeds)) {
        for (const name of names) {
          current = sites.get(name) ?? current;
          rate = limit;
          bytes = 0;
          const key = `${name} ${speed}`;
          const known = found.get(key) ?? { times: [], bytes: 0 };
          known.times.push(await measure(browser, address));
          known.bytes = bytes;
          found.set(key, known);
          process.stderr.write(`bench: first mask, round ${round + 1}, ${key}\n`);
        }
      }
    }
    const rows = Object.keys(speeds).flatMap((speed) =>
      names.map((runtime): FirstMaskRow => {
        const { times = [], bytes: sent = 0 } = found.get(`${runtime} ${speed}`) ?? {};
        const at = (which: keyof FirstMask): number => median(times.map((one) => one[which]));
        return {
          runtime,
          speed,
          bytes: sent,
          started: at("started"),
          loaded: at("loaded"),
          encoded: at("encoded"),
          mask: at("mask"),
          click: at("click"),
        };
      }),
    );
    return { browser: `Chromium ${browser.version()}`, rounds, rows };
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function measure(browser: Browser, address: string): Promise<FirstMask> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(address);
    await page.waitForFunction("globalThis.found !== undefined", undefined, { timeout: 120_000 });
    const found = (await page.evaluate("globalThis.found")) as FirstMask | string;
    if (typeof found === "string") throw new Error(found);
    return found;
  } finally {
    await context.close();
  }
}

/** In pieces of 64 KiB, so that parallel answers share the connection. */
async function send(response: ServerResponse, body: Uint8Array, rate: () => number | null): Promise<void> {
  const piece = 65536;
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    const limit = rate();
    const part = body.subarray(at, at + piece);
    if (limit !== null) await turn(part.length / limit);
    if (!response.write(part)) await once(response, "drain").catch(() => {});
  }
  response.end();
}

/** When the connection is free again. */
let free = 0;
async function turn(seconds: number): Promise<void> {
  const now = performance.now();
  free = Math.max(now, free) + seconds * 1000;
  await sleep(free - now);
}

const typeOf = (url: string): string | undefined =>
  ({
    js: "text/javascript",
    mjs: "text/javascript",
    wasm: "application/wasm",
    json: "application/json",
    png: "image/png",
  })[url.split(".").at(-1) ?? ""];

/** A page and all that it may ask for, compressed where that makes it smaller. */
async function siteOf(name: RuntimeName): Promise<ReadonlyMap<string, Sent>> {
  const { entry, start, files } = runtimes[name];
  const maker = start.slice(0, start.indexOf("("));
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { ${maker} } from "${entry}";
        import { firstMask } from "./first-mask-page.ts";
        firstMask(() => ${start}).then((found) => { globalThis.found = found; }, (error) => { globalThis.found = String(error); });`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    outdir: "/",
    conditions: ["@masklet/source", "onnxruntime-web-use-extern-wasm"],
    write: false,
    logLevel: "error",
    // Node's, which TensorFlow.js names and does not use.
    external: ["fs", "os", "path", "perf_hooks", "worker_threads"],
  });
  const html = '<!doctype html><link rel="icon" href="data:," /><script type="module" src="/stdin.js"></script>';
  const read = (path: string): Uint8Array => readFileSync(join(root, path));
  const all: readonly (readonly [string, Uint8Array])[] = [
    ["/", new TextEncoder().encode(html)],
    ...outputFiles.map(({ path, contents }) => [`/${path.split("/").at(-1)}`, contents] as const),
    ...files.map((path) => [`/${path.split("/").at(-1)}`, read(path)] as const),
    ["/nano.safetensors", read("packages/model-nano/sam2.1_hiera_nano.safetensors")],
    ["/nano.json", read("packages/model-nano/sam2.1_hiera_nano.json")],
    ["/scene.png", read("examples/scene.png")],
  ];
  return new Map(
    all.map(([url, body]) => {
      const packed = gzipSync(body);
      return [url, packed.length < body.length * 0.95 ? { body: packed, encoding: "gzip" as const } : { body }];
    }),
  );
}
