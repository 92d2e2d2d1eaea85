/** Writes the service worker, which has to know what the build made. */
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AstroIntegration } from "astro";

/** Pages that are kept once they were read, not before; what the site's search has; the worker itself. */
const later = /^(api|packages|pagefind)\/|^(404\.html|sw\.js|_headers|sitemap.*)$|\.map$/;
/** The runtime of the first page's model; the model itself is kept by its page. */
const model = /^_astro\/tfjs-backend-wasm-(threaded-)?simd-.*\.wasm$/;
/** ONNX Runtime's wasm is kept when it is used. */
const tooLarge = 1_000_000;

export function offline(): AstroIntegration {
  return {
    name: "offline",
    hooks: {
      "astro:build:done": async ({ dir }) => {
        const root = fileURLToPath(dir);
        const found = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
        const paths = found
          .map(({ parentPath, name }) => join(parentPath, name).slice(root.length).replaceAll("\\", "/"))
          .filter((path) => !later.test(path))
          .sort();
        const hash = createHash("sha256");
        const files: string[] = [];
        for (const path of paths) {
          const bytes = await readFile(join(root, path));
          hash.update(path).update(bytes);
          if (bytes.length < tooLarge && !model.test(path)) files.push(path.replace(/(^|\/)index\.html$/, "$1"));
        }
        const site = {
          version: hash.digest("hex").slice(0, 12),
          files,
          model: paths.filter((path) => model.test(path)),
        };
        const worker = await readFile(new URL("./service-worker.js", import.meta.url), "utf8");
        await writeFile(join(root, "sw.js"), `globalThis.site = ${JSON.stringify(site)};\n${worker}`);
      },
    },
  };
}
