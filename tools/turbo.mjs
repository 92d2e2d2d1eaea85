// turbo with its telemetry off: the only way in which this repository calls it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { environment, pinnedNode, root } from "./host.mjs";

const turbo = join(root, "node_modules", "turbo", "bin", "turbo");
const { status } = spawnSync(pinnedNode().path, [turbo, ...process.argv.slice(2)], {
  cwd: root,
  env: environment(),
  stdio: ["ignore", "inherit", "inherit"],
});
process.exit(status ?? 1);
