// Builds the library in whose folder it runs: `dist` mirrors `src`, a module for a module, so that bundlers take the
// modules that are used, and a class is the same class from whichever entry it was imported.
import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./host.mjs";

rmSync("dist", { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript-7", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

// The compiler names modules by their output in JavaScript alone, not yet in declarations. And what is disposable needs
// declarations that few have in their `lib`: asked for here, they are there.
for (const file of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".d.ts")) continue;
  const path = join("dist", file);
  const text = readFileSync(path, "utf8");
  const lib = /\b(Async)?Disposable\b|\bSymbol\.(asyncD|d)ispose\b/.test(text)
    ? '/// <reference lib="esnext.disposable" />\n'
    : "";
  writeFileSync(path, lib + text.replace(/((?:\bfrom |\bimport\()"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
}

// The licence asks for the notice in every copy; npm adds the licence itself.
copyFileSync(join(root, "NOTICE"), join("dist", "NOTICE"));
