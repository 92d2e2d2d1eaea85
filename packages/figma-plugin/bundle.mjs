// Makes the plugin's files: code.js for Figma's main thread, and ui.html with everything inside.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/** @type {import("esbuild").BuildOptions} */
const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none",
  write: false,
  logLevel: "warning",
};

/** The packages' sources, and the runtime without its wasm inside. */
const fromSources = { conditions: ["@masklet/source", "onnxruntime-web-use-extern-wasm"] };

/** Where the hosted engine may fetch from: its own site, and where the models are published. */
const enginePolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  // The worker's own modules are asked for by this one.
  "worker-src blob: 'self'",
  "connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co",
].join("; ");

/** @param {string} entry @param {string} target @param {import("esbuild").BuildOptions} [options] */
async function bundle(entry, target, options = {}) {
  const { outputFiles } = await build({
    ...common,
    entryPoints: [join(here, entry)],
    format: "iife",
    target,
    ...options,
  });
  return outputFiles?.[0]?.text ?? "";
}

/**
 * The script of the main thread.
 *
 * Throws for what Figma's loader refuses wherever it stands, in strings too: a dynamic import, and an HTML comment.
 *
 * @returns {Promise<string>}
 */
export async function bundleCode() {
  const code = await bundle("src/main.ts", "es2017", { platform: "neutral" });
  const refused = /import\s*\(|<!--|-->/.exec(code);
  if (refused !== null) throw new Error(`code.js: Figma refuses a script with "${refused[0]}" in it`);
  return code;
}

/** Bytes as text for a page: gzip halves what base64 adds. @param {string} path */
const packed = async (path) => gzipSync(await readFile(path), { level: 9 }).toString("base64");

/**
 * The hosted engine, by file names: a page without anything to see, its worker and the runtime's files.
 *
 * @returns {Promise<Readonly<Record<string, Uint8Array>>>}
 */
export async function bundleEngine() {
  const runtime = dirname(require.resolve("onnxruntime-web/wasm"));
  const page = await bundle("src/engine/page.ts", "es2022", { platform: "browser", format: "esm", ...fromSources });
  /** @type {Record<string, Uint8Array>} */
  const files = {
    "index.html": Buffer.from(
      [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Masklet engine</title>',
        `<meta http-equiv="Content-Security-Policy" content="${enginePolicy}">`,
        "<script type=module src=page.js></script><p>The models of a plugin compute here. There is nothing to see.</p>",
      ].join("\n"),
    ),
    "page.js": Buffer.from(page),
  };
  const { outputFiles } = await build({
    ...common,
    ...fromSources,
    entryPoints: [join(here, "src/engine/worker.ts")],
    outdir: join(here, "dist"),
    format: "esm",
    // The runtimes of the two devices, of which one is needed.
    splitting: true,
    platform: "browser",
    target: "es2022",
  });
  for (const { path, contents } of outputFiles ?? []) files[basename(path)] = contents;
  for (const name of ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"]) {
    for (const ending of ["mjs", "wasm"])
      files[`${name}.${ending}`] = await readFile(join(runtime, `${name}.${ending}`));
  }
  return files;
}

/**
 * The page of the UI: styles, script, and the engine (worker, runtime, nano) as inert text that is read when it is needed.
 *
 * @param {{ hosted?: string }} [options] the address of the hosted engine's page, if there is one
 * @returns {Promise<string>}
 */
export async function bundleUi({ hosted } = {}) {
  const nano = dirname(require.resolve("@masklet/model-nano/package.json"));
  const assets = {
    worker: require.resolve("@masklet/backend-ort/classic-worker.js"),
    wasm: require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
    checkpoint: join(nano, "sam2.1_hiera_nano.safetensors"),
    config: join(nano, "sam2.1_hiera_nano.json"),
  };
  const script = await bundle("src/ui/main.ts", "es2022", { platform: "browser", ...fromSources });
  const style = await bundle("src/ui/style.css", "es2022");
  const texts = await Promise.all(
    Object.entries(assets).map(
      async ([name, path]) => `<script type="text/plain" id="${name}">${await packed(path)}</script>`,
    ),
  );
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Masklet Cutout</title>',
    ...(hosted === undefined ? [] : [`<meta name="masklet-engine" content="${new URL(hosted).href}">`]),
    `<style>${style}</style><body></body>`,
    ...texts,
    `<script>${script.replaceAll("</script", "<\\/script")}</script></html>`,
  ].join("\n");
}
