// `npm start` and `npm test`: everything from a fresh clone, with nothing but Node and npm on the machine.
// Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { chromium, environment, lowestNode, manifest, pinnedNode, root } from "./host.mjs";
import { outcomeOf, runStages, Skip } from "./stages.mjs";

/** @typedef {import("./stages.mjs").Stage} Stage */
/** @typedef {import("./stages.mjs").Outcome} Outcome */

const modules = join(root, "node_modules");
const colors = `--colors=${process.stdout.isTTY ? "force" : "off"}`;
const reports = join(root, ".cache", "reports");

/** @param {string} command @param {string[]} args @param {{ shell?: boolean, env?: Record<string, string> }} [options] */
function run(command, args, { shell = false, env = {} } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...environment(), ...env },
    // No standard input: nothing may ask.
    stdio: ["ignore", "inherit", "inherit"],
    shell,
  });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`${relative(root, args[0] ?? command)}: ${result.signal ?? `exit code ${result.status}`}`);
}

/** Runs a script with the pinned Node. @param {string[]} args @param {{ env?: Record<string, string> }} [options] */
const node = (args, options) => run(pinnedNode().path, args, options);

/** Digest of all that an installation depends on. */
function installDigest() {
  const members = ["packages", "apps"].filter((folder) => existsSync(join(root, folder)));
  const manifests = members.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
  const files = [".", "examples", "tools/bench", "tools/node-lowest", ...manifests].map((folder) =>
    join(root, folder, "package.json"),
  );
  const hash = createHash("sha256");
  for (const file of [join(root, "pnpm-lock.yaml"), join(root, "pnpm-workspace.yaml"), ...files.sort()]) {
    if (existsSync(file)) hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** @type {Stage} */
const install = {
  name: "install",
  run() {
    // What is installed stays: neither the network nor the store of the first time (it may be of another home) is needed.
    const stamp = join(modules, ".masklet-install");
    const wanted = installDigest();
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) {
      console.log("as the lockfile says, already");
      return;
    }
    const args = ["install", "--frozen-lockfile", "--prefer-offline", "--config.confirm-modules-purge=false"];
    const own = join(modules, "pnpm", "bin", "pnpm.cjs");
    const pnpm = `pnpm@${manifest.devDependencies.pnpm}`;
    const npm = process.env.npm_execpath ?? "";
    // The installed pnpm needs neither network nor npm. The first time npm fetches it: through its own script, as a
    // shell on Windows would be needed for npx.
    if (existsSync(own)) run(process.execPath, [own, ...args]);
    else if (/npm-cli\.js$/.test(npm))
      run(process.execPath, [npm, "exec", "--yes", "--prefer-offline", pnpm, "--", ...args]);
    else run("npx", ["--yes", "--prefer-offline", pnpm, ...args], { shell: process.platform === "win32" });
    writeFileSync(stamp, wanted);
    const { path, note } = pinnedNode();
    console.log(note ?? `Node for everything that follows: ${relative(root, path)}`);
  },
};

/** @type {Stage} */
const build = { name: "build", needs: [install.name], run: () => node(["tools/turbo.mjs", "run", "build"]) };

/** @type {Stage} */
const segment = {
  name: "segment examples/scene.png",
  needs: [build.name],
  run() {
    const out = join(root, "out");
    const results = { cutout: "scene.cutout.png", overlay: "scene.overlay.png", JSON: "scene.json" };
    for (const file of Object.values(results)) rmSync(join(out, file), { force: true });
    node([
      ...["packages/cli/dist/main.js", "segment", "examples/scene.png", "--box", "45,35,224,209"],
      ...["--model", "nano", "--format", "cutout,mask,overlay,json", "-o", "out"],
    ]);
    for (const [what, file] of Object.entries(results)) {
      if (!existsSync(join(out, file))) throw new Error(`masklet segment: no ${what} at ${join("out", file)}`);
      console.log(`${`${what}:`.padEnd(9)}${join(out, file)}`);
    }
  },
};

/** @param {string} project of vitest.config.ts @param {Record<string, string>} [env] @returns {Outcome} */
function vitest(project, env = {}) {
  mkdirSync(reports, { recursive: true });
  const file = join(reports, `${project}.json`);
  rmSync(file, { force: true });
  /** @type {unknown} */
  let failure;
  try {
    node(
      [
        join(modules, "vitest", "vitest.mjs"),
        ...["run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
      ],
      { env },
    );
  } catch (error) {
    failure = error;
  }
  if (!existsSync(file)) throw failure ?? new Error(`vitest wrote no report for ${project}`);
  const outcome = outcomeOf(JSON.parse(readFileSync(file, "utf8")), root);
  // Errors outside of tests fail the run too.
  if (failure && outcome.failed.length === 0) throw failure;
  if (outcome.passed + outcome.failed.length + outcome.skipped.length === 0)
    throw new Error(`vitest found no test in ${project}`);
  return outcome;
}

/** @type {Stage[]} */
const tests = [
  install,
  {
    name: "format and lint",
    needs: [install.name],
    run: () => node([join(modules, "@biomejs", "biome", "bin", "biome"), "ci", "--error-on-warnings", colors, "."]),
  },
  {
    name: "type check",
    needs: [install.name],
    run() {
      node(["tools/turbo.mjs", "run", "typecheck"]);
      node([join(modules, "typescript-7", "bin", "tsc"), "-p", "tools"]);
    },
  },
  build,
  { name: "API reports", needs: [build.name], run: () => node(["tools/api-report.mjs", "check"]) },
  { name: "size budgets", needs: [build.name], run: () => node(["tools/size.mjs", "check"]) },
  { name: "core, labels and sessions without a host", needs: [build.name], run: () => node(["tools/host-free.mjs"]) },
  { name: "unit and conformance tests", needs: [install.name], run: () => vitest("unit") },
  { name: "goldens", needs: [install.name], run: () => vitest("goldens") },
  {
    name: "browser tests",
    needs: [install.name],
    run() {
      const path = chromium();
      if (!path) throw new Skip("no Chromium on this machine (set CHROMIUM to one)");
      return vitest("browser", { CHROMIUM: path });
    },
  },
  { name: "packages installed by npm", needs: [build.name], run: () => vitest("install") },
  {
    name: "packages on the lowest Node",
    needs: [build.name],
    run() {
      const lowest = lowestNode();
      if ("missing" in lowest) throw new Skip(lowest.missing);
      node(["tools/smoke.mjs", lowest.path]);
    },
  },
];

/** @type {Stage} */
const site = { name: "site", needs: [install.name], run: () => node(["apps/docs/site.mjs", "build"]) };

const plans = { start: [install, build, segment], test: tests, docs: [install, site], site: [install, site] };

const plan = /** @type {keyof typeof plans} */ (process.argv[2]);
if (Object.hasOwn(plans, plan)) {
  const total = runStages(plans[plan]);
  const failed = total.failed > 0;
  process.exitCode = failed ? 1 : 0;
  if (plan === "test") console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  else if (failed) console.log("\nfailed: see above");
  else if (plan === "start") console.log("\nDone: open the overlay to see what was found.");
  else if (plan === "docs") node(["apps/docs/site.mjs", "serve"]);
} else {
  console.error(`usage: node tools/drive.mjs ${Object.keys(plans).join("|")}`);
  process.exitCode = 2;
}
