// Builds the worker in one classic script, with everything inside but the wasm.
import { readFile } from "node:fs/promises";
import { build } from "esbuild";

await build({
  entryPoints: { "classic-worker": "src/classic-worker.ts" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife",
  platform: "browser",
  target: "es2022",
  legalComments: "inline",
  logLevel: "warning",
  // Its device is always wasm.
  alias: { "onnxruntime-web/webgpu": "onnxruntime-web/wasm" },
  // A worker from a blob has no address to find anything beside.
  define: { "import.meta.url": '""' },
  plugins: [
    {
      name: "no dynamic import",
      setup(on) {
        on.onLoad({ filter: /onnxruntime-web[\\/]dist[\\/].*\.mjs$/ }, async ({ path }) => {
          const parts = (await readFile(path, "utf8")).split(/\bimport\((?=\/\*webpackIgnore)/);
          if (parts.length !== 2) throw new Error(`${path}: one dynamic import is known, found ${parts.length - 1}`);
          // Wanted only for a runtime beside the script, or for threads.
          return { contents: parts.join("Promise.reject(") };
        });
      },
    },
  ],
});
