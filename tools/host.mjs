// What the tools know of the machine: where things are, which Node to use, and an environment in which nothing calls home.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export const manifest = createRequire(import.meta.url)("../package.json");

const host = `${process.platform}-${process.arch}`;

/** @type {Record<string, string>} */
const renamed = { "darwin-arm64": "bin-darwin-arm64", "win32-arm64": "win-arm64", "win32-x64": "win-x64" };

/**
 * Node as an npm package for this platform: plain binaries without an install script.
 *
 * @param {string} folder that may have it in its node_modules
 * @returns {string | undefined} undefined where npm has none, or one that does not run (glibc's under musl)
 */
function packagedNode(folder) {
  const file = process.platform === "win32" ? "node.exe" : "node";
  const path = join(folder, "node_modules", `node-${renamed[host] ?? host}`, "bin", file);
  return spawnSync(path, ["--version"]).status === 0 ? path : undefined;
}

/** @param {string} version such as "24.21.0" @param {number} major @param {number} minor */
function atLeast(version, major, minor) {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

/**
 * The Node that builds and tests: the pinned one where npm has it for this platform, else a system Node that can do it.
 *
 * @returns {{ path: string, note?: string }}
 */
export function pinnedNode() {
  const path = packagedNode(root);
  if (path) return { path };
  const running = process.versions.node;
  const missing = `npm has no Node for ${host}`;
  // The build and test tools ask for 22.18 or later.
  if (atLeast(running, 22, 18)) return { path: process.execPath, note: `${missing}: using this Node, ${running}` };
  throw new Error(`${missing}, and this Node is ${running}: run the same command with Node 24`);
}

/**
 * The lowest Node that the packages claim, or why it cannot be had here.
 *
 * @returns {{ path: string } | { missing: string }}
 */
export function lowestNode() {
  const path = packagedNode(join(root, "tools", "node-lowest"));
  if (path) return { path };
  const lowest = manifest.engines.node.replace(">=", "");
  if (process.versions.node.startsWith(`${lowest}.`)) return { path: process.execPath };
  return {
    missing: `npm has no Node ${lowest} for ${host}, and this Node is another`,
  };
}

/** Chromium or Chrome for the browser tests: what CHROMIUM names, else the usual places. @returns {string | undefined} */
export function chromium() {
  const named = process.env.CHROMIUM;
  if (named) return named;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const onPath = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].flatMap((name) =>
    folders.map((folder) => join(folder, name)),
  );
  return [
    ...onPath,
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ].find((path) => existsSync(path));
}

/** Opt-outs of every tool and library in use that would otherwise report home. */
export const quiet = {
  TURBO_TELEMETRY_DISABLED: "1",
  ORT_DISABLE_TELEMETRY: "1",
  DO_NOT_TRACK: "1",
};

/** An environment for children: quiet, with the repository's own binaries first, and caches where they can be written. */
export function environment() {
  /** @type {Record<string, string | undefined>} */
  const env = { ...process.env, ...quiet };
  // Windows spells it Path, and a copied environment is case-sensitive.
  const key = Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  env[key] = [join(root, "node_modules", ".bin"), env[key]].join(delimiter);
  // Colours are for a terminal, not for a log.
  if (!process.stdout.isTTY) {
    env.NO_COLOR = "1";
    delete env.FORCE_COLOR;
  }
  // The tests start a hundred programs from their sources, half of whose time is spent reading the same modules.
  env.NODE_COMPILE_CACHE ??= join(root, "node_modules", ".cache", "node");
  if (!writable(homedir())) {
    env.npm_config_cache ??= join(root, ".cache", "npm");
    env.npm_config_store_dir ??= join(root, ".cache", "pnpm-store");
    env.XDG_CACHE_HOME ??= join(root, ".cache");
  }
  return env;
}

/** @param {string} folder */
function writable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
