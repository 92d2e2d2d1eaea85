/** Has pages name all that their scripts import, so that a browser asks for it at once and not level by level. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import type { AstroIntegration } from "astro";

/** Of a built script, what it imports before it runs. */
const importsOf = (script: string): readonly string[] =>
  Array.from(script.matchAll(/\b(?:import|from)\s*["'`](\.[^"'`]+\.js)["'`]/g), ([, path = ""]) => path);

const scripts = /<script type="module" src="([^"]+\.js)"/g;

export function preload(): AstroIntegration {
  let base = "/";
  return {
    name: "preload",
    hooks: {
      "astro:config:done": ({ config }) => {
        base = config.base.replace(/\/?$/, "/");
      },
      "astro:build:done": async ({ dir }) => {
        const root = fileURLToPath(dir);
        const known = new Map<string, Promise<readonly string[]>>();
        const imports = (path: string): Promise<readonly string[]> => {
          const found =
            known.get(path) ??
            readFile(join(root, path), "utf8").then((script) =>
              importsOf(script).map((one) => posix.join(posix.dirname(path), one)),
            );
          known.set(path, found);
          return found;
        };
        const files = await readdir(root, { recursive: true });
        for (const file of files.filter((name) => name.endsWith(".html"))) {
          const html = await readFile(join(root, file), "utf8");
          const own = Array.from(html.matchAll(scripts), ([, src = ""]) => src)
            .filter((src) => src.startsWith(base))
            .map((src) => src.slice(base.length));
          const all = new Set(own);
          for (const path of all) for (const one of await imports(path)) all.add(one);
          const links = [...all]
            .filter((path) => !own.includes(path))
            .map((path) => `<link rel="modulepreload" href="${base}${path}">`);
          if (links.length > 0)
            await writeFile(
              join(root, file),
              html.replace("</head>", () => `${links.join("")}</head>`),
            );
        }
      },
    },
  };
}
