// Makes the plugin's files: code.js for Figma's main thread, and ui.html with everything inside.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/** @param {string} entry @param {string} target @param {import("esbuild").BuildOptions} [options] */
async function bundle(entry, target, options = {}) {
  const { outputFiles } = await build({
    entryPoints: [join(here, entry)],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    format: "iife",
    target,
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "warning",
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
 * The page of the UI: styles, script, and the engine (worker, runtime, nano) as inert text that is read when it is needed.
 *
 * @returns {Promise<string>}
 */
export async function bundleUi() {
  const nano = dirname(require.resolve("@masklet/model-nano/package.json"));
  const assets = {
    worker: require.resolve("@masklet/backend-ort/classic-worker.js"),
    wasm: require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
    checkpoint: join(nano, "sam2.1_hiera_nano.safetensors"),
    config: join(nano, "sam2.1_hiera_nano.json"),
  };
  const script = await bundle("src/ui/main.ts", "es2022", { platform: "browser", conditions: ["@masklet/source"] });
  const style = await bundle("src/ui/style.css", "es2022");
  const texts = await Promise.all(
    Object.entries(assets).map(
      async ([name, path]) => `<script type="text/plain" id="${name}">${await packed(path)}</script>`,
    ),
  );
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Masklet Cutout</title>',
    `<style>${style}</style><body></body>`,
    ...texts,
    `<script>${script.replaceAll("</script", "<\\/script")}</script></html>`,
  ].join("\n");
}
