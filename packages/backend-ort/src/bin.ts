#!/usr/bin/env node
/**
 * `npx @masklet/backend-ort`: installs ONNX Runtime for Node as most want it, in every shell. By itself it brings binaries of
 * five platforms, 301 MB, and on Linux on x64 a script that fetches CUDA's libraries besides; here only those of this
 * machine stay. Where it is installed already, what is too much goes.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { ortVersion } from "./ort-version.ts";

const { platform, arch } = process;

/** Where the project's runtime is, in this folder or one around it, if it has the version that is wanted. */
function installed(place = process.cwd()): string | undefined {
  const found = join(place, "node_modules", "onnxruntime-node");
  const about = join(found, "package.json");
  if (existsSync(about)) return JSON.parse(readFileSync(about, "utf8")).version === ortVersion ? found : undefined;
  return dirname(place) === place ? undefined : installed(dirname(place));
}

function fail(problem: string): never {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}

/** Runs the package manager that runs this. */
function install(): void {
  const [manager = "npm"] = /^(npm|pnpm|yarn|bun)(?=\/)/.exec(process.env["npm_config_user_agent"] ?? "") ?? [];
  const args = [manager === "npm" ? "install" : "add", `onnxruntime-node@${ortVersion}`];
  const env = { ONNXRUNTIME_NODE_INSTALL: "skip", ...process.env };
  // On Windows they are scripts of its shell.
  const { status } = spawnSync(manager, args, { env, stdio: "inherit", shell: platform === "win32" });
  if (status !== 0) process.exit(status ?? 1);
}

/** Removes the binaries of all other machines. */
function prune(folder: string): void {
  const bin = join(folder, "bin");
  for (const api of readdirSync(bin)) {
    if (!existsSync(join(bin, api, platform, arch))) {
      fail(`onnxruntime-node has no build for ${platform} ${arch}: take @masklet/backend-tfjs`);
    }
    for (const other of readdirSync(join(bin, api))) {
      if (other !== platform) rmSync(join(bin, api, other), { recursive: true });
    }
    for (const other of readdirSync(join(bin, api, platform))) {
      if (other !== arch) rmSync(join(bin, api, platform, other), { recursive: true });
    }
  }
}

if (process.argv.length > 2) {
  fail(
    `@masklet/backend-ort takes no arguments: it installs onnxruntime-node ${ortVersion} here, for this machine alone`,
  );
}
if (installed() === undefined) install();
const folder = installed();
if (folder === undefined) fail(`onnxruntime-node@${ortVersion} is not found from here after it was installed`);
prune(folder);
process.stdout.write(`onnxruntime-node ${ortVersion} for ${platform} ${arch}: ${folder}\n`);
