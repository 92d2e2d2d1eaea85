// Smoke test of the packages as a user gets them: packed, unpacked into an empty project, run by the Node named.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { environment, root } from "./host.mjs";

const node = process.argv[2] ?? process.execPath;
const project = mkdtempSync(join(tmpdir(), "masklet-smoke-"));

/** @param {string} command @param {string[]} args @param {string} cwd @param {"inherit" | "ignore"} [output] */
function run(command, args, cwd, output = "inherit") {
  const { status, error } = spawnSync(command, args, { cwd, env: environment(), stdio: ["ignore", output, "inherit"] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}`);
}

try {
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "@masklet"), { recursive: true });
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    const packageJson = join(folder, "package.json");
    if (!existsSync(packageJson) || JSON.parse(readFileSync(packageJson, "utf8")).private) continue;
    const pnpm = join(root, "node_modules", "pnpm", "bin", "pnpm.cjs");
    const tarball = join(project, `${name}.tgz`);
    run(process.execPath, [pnpm, "pack", "--out", tarball], folder, "ignore");
    const unpacked = join(modules, "@masklet", name);
    mkdirSync(unpacked);
    run("tar", ["-xzf", tarball, "-C", unpacked, "--strip-components=1"], project);

    // What others publish is linked, so that the test needs no network.
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8"));
    for (const [dependency, range] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      if (String(range).startsWith("workspace:")) throw new Error(`${name}: packed with ${dependency} ${range}`);
      const installed = join(folder, "node_modules", dependency);
      const link = join(modules, dependency);
      if (dependency.startsWith("@masklet/") || existsSync(link) || !existsSync(installed)) continue;
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(realpathSync(installed), link, "junction");
    }
  }
  copyFileSync(join(root, "tools", "smoke-consumer.mjs"), join(project, "consumer.mjs"));
  copyFileSync(join(root, "examples", "scene.png"), join(project, "scene.png"));
  run(node, ["consumer.mjs"], project);
} finally {
  rmSync(project, { recursive: true, force: true });
}
