// Runs inside the project that smoke.mjs lays out, on the Node under test.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** A class is the same from whichever entry it comes. @type {Map<string, unknown>} */
const errors = new Map();
const scope = join("node_modules", "@masklet");
for (const name of readdirSync(scope)) {
  const { exports = {}, bin } = JSON.parse(readFileSync(join(scope, name, "package.json"), "utf8"));
  for (const [subpath, target] of Object.entries(exports)) {
    // Helpers of tests are for Masklet's repository alone.
    if (subpath === "./test/*") continue;
    // Files of data are looked for, modules imported. A module for the web imports too: it touches nothing until called.
    if (typeof target === "string") {
      if (!existsSync(join(scope, name, target))) throw new Error(`@masklet/${name}: ${target} is not in the package`);
      continue;
    }
    const specifier = join("@masklet", name, subpath).replaceAll("\\", "/");
    const module = await import(specifier);
    const names = Object.keys(module);
    if (names.length === 0) throw new Error(`${specifier} exports nothing`);
    for (const error of names.filter((exported) => exported.endsWith("Error"))) {
      if (module[error] !== (errors.get(error) ?? module[error])) throw new Error(`${specifier}: another ${error}`);
      errors.set(error, module[error]);
    }
    console.log(`${specifier}: ${names.length} exports`);
  }
  for (const [command, path] of Object.entries(bin ?? {})) {
    if (command !== "masklet") continue; // that of @masklet/backend-ort installs something
    const args = [
      join(scope, name, String(path)),
      "segment",
      "scene.png",
      "--box",
      "45,35,224,209",
      "-m",
      "nano",
      "-o",
      "out",
    ];
    const { status } = spawnSync(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
    if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}`);
    const record = JSON.parse(readFileSync(join("out", "scene.json"), "utf8"));
    console.log(`masklet segment: ${record.annotations.length} object, area ${record.annotations[0].area}`);
  }
}
console.log(`on Node ${process.version}`);
