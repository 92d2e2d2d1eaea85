// Size budgets: what each entry of each published package, and some usual imports from them, weigh in a user's bundle
// (minified by esbuild, gzipped, without other packages). `check` compares with tools/size-budget.json, `update` writes
// the present sizes there; a `limit` is never changed.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "./host.mjs";

const mode = process.argv[2];
if (mode !== "check" && mode !== "update") {
  console.error("usage: node tools/size.mjs check|update");
  process.exit(2);
}

const file = join(root, "tools", "size-budget.json");
/** @typedef {{ from: string, import: string, gzip: number, limit?: number }} Bundle */
/** @type {{ slack: number, bundles: Record<string, Bundle>, entries: Record<string, number> }} */
const budget = JSON.parse(readFileSync(file, "utf8"));

/** Every entry's file, by how it is imported. @type {Map<string, string>} */
const files = new Map();
for (const folder of readdirSync(join(root, "packages"))) {
  const packageJson = join(root, "packages", folder, "package.json");
  if (!existsSync(packageJson)) continue;
  const { name, exports = {}, private: unpublished = false } = JSON.parse(readFileSync(packageJson, "utf8"));
  for (const [subpath, target] of Object.entries(unpublished ? {} : exports)) {
    // Helpers of tests are for this repository alone.
    if (subpath === "./test/*") continue;
    // An entry of its own for Node has a subpath of its own too.
    const path = typeof target === "string" ? target : (target.default.default ?? target.default);
    if (path.endsWith(".js")) files.set(name + subpath.slice(1), join(root, "packages", folder, path));
  }
}

/** @param {string} from an entry @param {string} [names] what to take of it, all if not given */
async function gzip(from, names) {
  const path = files.get(from);
  if (path === undefined || !existsSync(path))
    throw new Error(`${from}: there is no ${path ?? "such entry"}; build first`);
  // A script is what it is.
  if (from.endsWith(".js")) return gzipSync(readFileSync(path), { level: 9 }).length;
  const { outputFiles } = await build({
    stdin: { contents: `export ${names ?? "*"} from ${JSON.stringify(path)};`, resolveDir: root },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    packages: "external",
    write: false,
    logLevel: "error",
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

let failed = 0;
/** @param {string} what @param {number} size @param {{ gzip?: number | undefined, limit?: number | undefined }} allowed */
function report(what, size, { gzip: recorded, limit }) {
  const held = recorded === undefined ? 0 : recorded + Math.max(100, Math.round(recorded * budget.slack));
  let state = limit === undefined ? "" : `limit ${limit}`;
  if (limit !== undefined && size > limit) state = `OVER its limit of ${limit}`;
  else if (mode === "check" && recorded === undefined) state = "NEW: not recorded yet";
  else if (mode === "check" && size > held) state = `GREW: recorded ${recorded}, held to ${held}`;
  if (/^[A-Z]/.test(state)) failed += 1;
  console.log(`${String(size).padStart(8)} B  ${what}${state && `  (${state})`}`);
}

for (const [what, bundle] of Object.entries(budget.bundles)) {
  const size = await gzip(bundle.from, `{ ${bundle.import} }`);
  report(`${what}: ${bundle.from}`, size, bundle);
  bundle.gzip = size;
}
/** @type {Record<string, number>} */
const entries = {};
for (const from of [...files.keys()].sort()) {
  entries[from] = await gzip(from);
  report(from, entries[from], { gzip: budget.entries[from] });
}
for (const gone of Object.keys(budget.entries).filter((from) => !files.has(from))) {
  if (mode === "check") failed += 1;
  console.log(`${gone}: recorded, and no entry any more`);
}

if (failed > 0) {
  console.error(
    `${failed} sizes are out of budget: make them smaller, or run "node tools/size.mjs update" and say why`,
  );
  process.exit(1);
}
if (mode === "update") writeFileSync(file, `${JSON.stringify({ ...budget, entries }, null, 2)}\n`);
