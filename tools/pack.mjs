// Packages as a user gets them: packed, and unpacked into the node_modules of a project.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { environment, root } from "./host.mjs";

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  const { status, error, stderr } = spawnSync(command, args, { cwd, env: environment(), encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}\n${stderr}`);
}

/**
 * Packs every published package and unpacks it into the project; what others publish is linked, so that no network is
 * needed.
 *
 * @param {string} project an empty folder
 */
export function installPackages(project) {
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "@masklet"), { recursive: true });
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    const packageJson = join(folder, "package.json");
    if (!existsSync(packageJson) || JSON.parse(readFileSync(packageJson, "utf8")).private) continue;
    const pnpm = join(root, "node_modules", "pnpm", "bin", "pnpm.cjs");
    const tarball = join(project, `${name}.tgz`);
    run(process.execPath, [pnpm, "pack", "--out", tarball], folder);
    const unpacked = join(modules, "@masklet", name);
    mkdirSync(unpacked);
    run("tar", ["-xzf", tarball, "-C", unpacked, "--strip-components=1"], project);
    rmSync(tarball);

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
}
