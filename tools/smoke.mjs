// Smoke test of the packages as a user gets them: packed, unpacked into an empty project, run by the Node named.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { environment, root } from "./host.mjs";
import { installPackages } from "./pack.mjs";

const node = process.argv[2] ?? process.execPath;
const project = mkdtempSync(join(tmpdir(), "masklet-smoke-"));

try {
  installPackages(project);
  copyFileSync(join(root, "tools", "smoke-consumer.mjs"), join(project, "consumer.mjs"));
  copyFileSync(join(root, "examples", "scene.png"), join(project, "scene.png"));
  const { status, error } = spawnSync(node, ["consumer.mjs"], {
    cwd: project,
    env: environment(),
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`consumer.mjs: exit code ${status}`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
