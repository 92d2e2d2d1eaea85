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
 * Packs every published package.
 *
 * @param {string} folder that the tarballs are put in
 * @returns {{ name: string, folder: string, tarball: string }[]} each with the folder of its sources
 */
export function packPackages(folder) {
  const pnpm = join(root, "node_modules", "pnpm", "bin", "pnpm.cjs");
  return readdirSync(join(root, "packages")).flatMap((directory) => {
    const source = join(root, "packages", directory);
    const packageJson = join(source, "package.json");
    if (!existsSync(packageJson)) return [];
    const manifest = JSON.parse(readFileSync(packageJson, "utf8"));
    if (manifest.private) return [];
    const tarball = join(folder, `${directory}.tgz`);
    run(process.execPath, [pnpm, "pack", "--out", tarball], source);
    return [{ name: manifest.name, folder: source, tarball }];
  });
}

/**
 * Packs every published package and unpacks it into the project; what others publish is linked, so that no network is
 * needed.
 *
 * @param {string} project an empty folder
 */
export function installPackages(project) {
  const modules = join(project, "node_modules");
  for (const { name, folder, tarball } of packPackages(project)) {
    const unpacked = join(modules, name);
    mkdirSync(unpacked, { recursive: true });
    run("tar", ["-xzf", tarball, "-C", unpacked, "--strip-components=1"], project);
    rmSync(tarball);

    const manifest = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8"));
    const needed = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies };
    for (const [dependency, range] of Object.entries(needed)) {
      if (String(range).startsWith("workspace:")) throw new Error(`${name}: packed with ${dependency} ${range}`);
      const installed = join(folder, "node_modules", dependency);
      const link = join(modules, dependency);
      if (dependency.startsWith("@masklet/") || existsSync(link) || !existsSync(installed)) continue;
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(realpathSync(installed), link, "junction");
    }
  }
}
