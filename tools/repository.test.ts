import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { environment, quiet, root } from "./host.mjs";

interface Manifest {
  name: string;
  private?: boolean;
  type?: string;
  license?: string;
  description?: string;
  engines?: { node?: string };
  scripts?: Record<string, string>;
  publishConfig?: { access?: string; provenance?: boolean };
}

const text = (path: string): string => readFileSync(join(root, path), "utf8");
const manifest = (path: string): Manifest => JSON.parse(text(path));
const packages = readdirSync(join(root, "packages")).map((name) => manifest(`packages/${name}/package.json`));

test("turbo runs with its telemetry off, and only through the tool that turns it off", () => {
  const status = execFileSync(process.execPath, [join(root, "tools", "turbo.mjs"), "telemetry", "status"], {
    encoding: "utf8",
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: undefined, DO_NOT_TRACK: undefined },
  });
  expect(status).toMatch(/Status: Disabled/);
  for (const { name, scripts = {} } of [manifest("package.json"), ...packages]) {
    for (const [script, command] of Object.entries(scripts)) {
      expect(command, `${name}: script ${script} calls turbo itself`).not.toMatch(/(^|[\s&;])turbo\s/);
    }
  }
  expect(JSON.parse(text("turbo.json"))).toMatchObject({ remoteCache: { enabled: false }, noUpdateNotifier: true });
});

test("the environment of every stage opts out of every telemetry", () => {
  expect(environment()).toMatchObject(quiet);
});

test("the lockfile names no host, and nothing runs an install script", () => {
  expect(text("pnpm-lock.yaml")).not.toMatch(/https?:\/\/|tarball:/);
  expect(text("pnpm-workspace.yaml")).toMatch(/^onlyBuiltDependencies: \[\]$/m);
});

test("ONNX Runtime has one version: the one that is tested is asked for, and named wherever it is installed", () => {
  const read = (path: string): Record<string, Record<string, string> | undefined> => JSON.parse(text(path));
  const { dependencies, devDependencies, peerDependencies } = read("packages/backend-ort/package.json");
  const { optionalDependencies } = read("packages/cli/package.json");
  const version = peerDependencies?.["onnxruntime-node"];
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  const asked = [dependencies, devDependencies, peerDependencies, optionalDependencies].flatMap((group = {}) =>
    Object.entries(group).filter(([name]) => name.startsWith("onnxruntime-")),
  );
  expect(asked.filter(([, range]) => range !== version)).toEqual([]);
  const pages = ["README.md", ...["apps", "packages"].flatMap((folder) => markdown(folder))];
  const named = pages.flatMap((page) =>
    [...text(page).matchAll(/onnxruntime-(?:node|web)@([\d.]*\d)/g)].map(([, found]) => `${page}: ${found}`),
  );
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((found) => !found.endsWith(`: ${version}`))).toEqual([]);
});

/** The pages below a folder. */
function markdown(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !path.includes("node_modules"))
    .map((path) => join(folder, path));
}

test("no package reaches into another's folder, and tests alone into the tools", () => {
  const reached = readdirSync(join(root, "packages"), { recursive: true, encoding: "utf8" })
    .filter((path) => /^[^/\\]+[/\\](src|test)[/\\].*\.ts$/.test(path))
    .flatMap((path) => {
      const [home = "", kind] = path.split(sep);
      const own = [join("packages", home) + sep, ...(kind === "test" ? [`tools${sep}`] : [])];
      return [...text(join("packages", path)).matchAll(/\b(?:from|import\(|import) ?"(\.[^"]+)"/g)]
        .map(([, imported = ""]) => imported)
        .filter((imported) => !own.some((folder) => join("packages", path, "..", imported).startsWith(folder)))
        .map((imported) => `packages/${path}: ${imported}`);
    });
  expect(reached).toEqual([]);
});

test.each(packages.filter((one) => !one.private).map((one) => [one.name, one] as const))(
  "%s is published as ES modules, with licence, lowest Node and provenance",
  (_, one) => {
    expect(one).toMatchObject({
      type: "module",
      license: "Apache-2.0",
      engines: { node: manifest("package.json").engines?.node },
      publishConfig: { access: "public", provenance: true },
    });
    expect(one.description).toMatch(/ESM only\.$/);
  },
);
