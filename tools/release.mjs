// Publishes what changesets has versioned: builds, writes where the sources are (provenance compares it), publishes.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { environment, pinnedNode, root } from "./host.mjs";

const repository = process.env.GITHUB_REPOSITORY;
if (!repository) throw new Error("tools/release.mjs: runs in the release workflow, where GITHUB_REPOSITORY is set");

for (const name of readdirSync(join(root, "packages"))) {
  const file = join(root, "packages", name, "package.json");
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  manifest.repository = { type: "git", url: `git+https://github.com/${repository}.git`, directory: `packages/${name}` };
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
for (const args of [
  ["tools/turbo.mjs", "run", "build"],
  ["node_modules/@changesets/cli/bin.js", "publish"],
]) {
  const { status } = spawnSync(pinnedNode().path, args, { cwd: root, env: environment(), stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
