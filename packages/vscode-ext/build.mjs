// Builds dist: the folder that VS Code runs, and beside its files the packed VSIX.
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bundle, pack } from "./bundle.mjs";

const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");
// A platform's build has the native runtime too: `node build.mjs --target linux-x64`.
const at = process.argv.indexOf("--target");
const target = at < 0 ? undefined : process.argv[at + 1];
await rm(dist, { recursive: true, force: true });
const files = await bundle(dist, target);
await pack(dist, files, target);
