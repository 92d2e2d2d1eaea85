// Puts code-server, a real workbench of VS Code, into .cache for the extension's tests: 500 MB and a minute or two, so that
// it is only done when it is asked for. Its native modules are built here; of their install scripts only those are run.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { environment, pinnedNode, root } from "./host.mjs";

const version = "4.139.1";
const folder = join(root, ".cache", "code-server");
const node = pinnedNode().path;
const env = {
  ...environment(),
  PATH: `${dirname(node)}:${process.env.PATH}`,
  // Node's headers come with its package.
  npm_config_nodedir: dirname(dirname(node)),
};

/** @param {string} cwd @param {readonly string[]} args */
function npm(cwd, ...args) {
  const { status } = spawnSync("npm", [...args, "--no-audit", "--no-fund"], { cwd, env, stdio: "inherit" });
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed in ${cwd}`);
}

mkdirSync(folder, { recursive: true });
npm(folder, "install", "--prefix", folder, "--ignore-scripts", `code-server@${version}`);
const server = join(folder, "node_modules", "code-server", "lib", "vscode");
npm(server, "install", "--ignore-scripts", "--omit=dev");
npm(server, "rebuild", "@vscode/spdlog", "node-pty", "@parcel/watcher", "@vscode/native-watchdog");
npm(join(folder, "node_modules", "code-server"), "rebuild", "argon2");
