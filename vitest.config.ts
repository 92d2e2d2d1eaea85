import { existsSync, realpathSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromium, quiet } from "./tools/host.mjs";

/** Workspace packages are tested from their sources, without a build. */
const source = (host: "node" | "browser"): string[] => ["@masklet/source", "module", host, "development|production"];
/** VS Code's API is there inside of VS Code alone. */
const vscode = fileURLToPath(new URL("packages/vscode-ext/test/fake/vscode.ts", import.meta.url));
const node = {
  resolve: { conditions: source("node"), alias: { vscode } },
  ssr: { resolve: { conditions: source("node") } },
};

/** The goldens, which lie beside the repository where there are any. */
const shared = existsSync("../shared") ? [realpathSync("../shared")] : [];

export default defineConfig({
  test: {
    projects: [
      {
        ...node,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: ["**/*.golden.test.ts", "**/*.browser.test.ts", "**/*.install.test.ts", "**/node_modules/**"],
          env: quiet,
          // A core is left over by default: one of two, where half of the time is spent waiting for processes.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          // Machines are shared, and some tests start processes or compile models.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...node,
        test: {
          name: "goldens",
          include: ["packages/*/src/**/*.golden.test.ts", "packages/*/test/**/*.golden.test.ts"],
          env: quiet,
          // More would fill the memory; one would leave a core idle while it reads, compares and starts processes.
          maxWorkers: 2,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "install",
          include: ["tools/**/*.install.test.ts"],
          env: quiet,
        },
      },
      {
        resolve: { conditions: source("browser") },
        // The first finds its wasm beside itself, which a bundled copy could not; finding the second late reloads the page.
        optimizeDeps: { exclude: ["onnxruntime-web", "mediabunny"] },
        server: {
          // Cross-origin isolated, so that wasm has threads.
          headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
          fs: { allow: [".", ...shared] },
        },
        test: {
          name: "browser",
          provide: { slow: process.env["MASKLET_SLOW"] === "1" },
          include: ["packages/*/src/**/*.browser.test.ts", "packages/*/test/**/*.browser.test.ts"],
          // Software adapters take up to two minutes for a few frames on a quiet machine, and machines are shared.
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // One leaves a third of two cores idle: most of a page's work is on one thread.
          maxWorkers: 2,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: chromium() ?? "chromium",
                args: [
                  // WebGPU on a software adapter, where the machine has no GPU.
                  "--enable-unsafe-webgpu",
                  "--use-webgpu-adapter=swiftshader",
                  // So that a test of leaks sees what is reachable, not what is not collected yet.
                  "--js-flags=--expose-gc",
                  "--enable-precise-memory-info",
                  // Chromium's sandbox does not start as root, as in a container.
                  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
                ],
              },
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
