/** `npx @masklet/backend-ort`, with a runtime and a package manager that are none. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ortVersion } from "../src/ort-version.ts";

const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
const { platform, arch } = process;

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "masklet-ort-bin-"));
  writeFileSync(join(cwd, "package.json"), "{}");
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const modules = (): string => join(cwd, "node_modules", "onnxruntime-node");
const builds = (): string => join(modules(), "bin", "napi-v6");

function put(machines: readonly string[], version = ortVersion): void {
  for (const machine of machines) {
    mkdirSync(join(builds(), machine), { recursive: true });
    writeFileSync(join(builds(), machine, "onnxruntime_binding.node"), "");
  }
  writeFileSync(join(modules(), "package.json"), JSON.stringify({ name: "onnxruntime-node", version }));
}

function run(env: Readonly<Record<string, string>> = {}, ...args: readonly string[]): ReturnType<typeof spawnSync> {
  return spawnSync(process.execPath, ["--no-warnings", bin, ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, npm_config_user_agent: "", ...env },
  });
}

test("of the binaries those of this machine stay", () => {
  put(["freebsd/x64", "freebsd/arm64", `${platform}/${arch}`, `${platform}/other`]);
  for (let again = 0; again < 2; again++) {
    const { status, stdout } = run();
    expect([status, String(stdout)]).toEqual([0, expect.stringContaining(`${ortVersion} for ${platform} ${arch}`)]);
    expect(readdirSync(builds())).toEqual([platform]);
    expect(readdirSync(join(builds(), platform))).toEqual([arch]);
    expect(existsSync(join(builds(), platform, arch, "onnxruntime_binding.node"))).toBe(true);
  }
});

test("who asks what it is gets told, and nothing installed or removed", () => {
  put(["freebsd/x64", `${platform}/${arch}`]);
  const { status, stderr } = run({}, "--help");
  expect([status, String(stderr)]).toEqual([1, expect.stringContaining("it installs onnxruntime-node")]);
  expect(readdirSync(builds()).sort()).toEqual(["freebsd", platform].sort());
});

test("a machine without a build keeps everything, and is told what helps", () => {
  put(["freebsd/x64"]);
  const { status, stderr } = run();
  expect([status, String(stderr)]).toEqual([1, expect.stringMatching(/no build for .*@masklet\/backend-tfjs/)]);
  expect(readdirSync(builds())).toEqual(["freebsd"]);
});

test.skipIf(platform === "win32").each([
  ["", "npm", "install"],
  ["pnpm/10.0.0 npm/? node/v24.0.0", "pnpm", "add"],
])("installs it without its script, by the package manager that runs it (%j)", (agent, manager, verb) => {
  // Another version does not do.
  put([`${platform}/${arch}`], "1.0.0");
  const said = join(cwd, "said");
  const fake = join(cwd, manager);
  const json = JSON.stringify({ name: "onnxruntime-node", version: ortVersion });
  writeFileSync(
    fake,
    `#!/bin/sh\necho "$ONNXRUNTIME_NODE_INSTALL $@" > ${said}\necho '${json}' > ${join(modules(), "package.json")}\n`,
  );
  chmodSync(fake, 0o755);
  const { status } = run({ npm_config_user_agent: agent, PATH: `${cwd}${delimiter}${process.env["PATH"]}` });
  expect(status).toBe(0);
  expect(readFileSync(said, "utf8")).toBe(`skip ${verb} onnxruntime-node@${ortVersion}\n`);
});
