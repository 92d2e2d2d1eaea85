import starlight from "@astrojs/starlight";
import { defineConfig, passthroughImageService } from "astro/config";
import { defaultClientConditions, defaultServerConditions } from "vite";
import { offline } from "./src/offline/offline.ts";
import { preload } from "./src/offline/preload.ts";

/** Where the site lies (GitHub Pages has it under the repository's name), and the repository. */
const { SITE_URL: site = "http://localhost:4321", BASE_PATH: base = "/", REPOSITORY_URL: repository } = process.env;

const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({
  site,
  base,
  outDir: process.env["OUT_DIR"] ?? "dist",
  trailingSlash: "always",
  image: { service: passthroughImageService() },
  // The packages' sources, and one copy of the runtime's wasm.
  vite: {
    resolve: { conditions: ["@masklet/source", "onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
    environments: { prerender: { resolve: { conditions: ["@masklet/source", ...defaultServerConditions] } } },
    worker: { format: "es" },
  },
  // For threads, in `npm run docs`. `public/_headers` says the same to hosts that read it.
  server: { headers: isolation },
  integrations: [
    preload(),
    offline(),
    starlight({
      title: "Masklet",
      description: "SAM 2 in TypeScript: click on an object, get its mask. In Node and in the browser, without Python.",
      favicon: "/favicon.svg",
      customCss: ["./src/styles/site.css"],
      // On a phone too all of a line can be read, and nothing scrolls within the page.
      expressiveCode: { defaultProps: { wrap: true } },
      credits: false,
      head: [{ tag: "script", attrs: { src: `${base.replace(/\/?$/, "/")}offline.js`, defer: true } }],
      ...(repository !== undefined && { social: [{ icon: "github", label: "GitHub", href: repository }] }),
      sidebar: [
        { label: "Playground", link: "/playground/" },
        {
          label: "Start",
          items: ["getting-started", "prompts", "masks", "images", "everything", "cutout", "video", "editor"],
        },
        { label: "Command line and datasets", items: ["cli", "labels", "annotating"] },
        { label: "In an app", items: ["browser", "workers", "frameworks", "runtimes", "self-hosting"] },
        { label: "Plugins", items: ["figma", "vscode"] },
        { label: "Models and backends", items: ["models", "checkpoints", "precision", "backends", "write-a-backend"] },
        { label: "Reference", items: ["reports", "errors", "parity", "architecture"] },
        { label: "Packages", items: [{ autogenerate: { directory: "packages" } }], collapsed: true },
        { label: "API", items: [{ autogenerate: { directory: "api" } }], collapsed: true },
      ],
    }),
  ],
});
