// API reports: the public surface of every entry of every published package, committed as packages/*/etc/*.api.md, so
// that a change of it shows in review. `check` compares with the built declarations, `update` writes them anew.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";
import { root } from "./host.mjs";

const mode = process.argv[2];
if (mode !== "check" && mode !== "update") {
  console.error("usage: node tools/api-report.mjs check|update");
  process.exit(2);
}

/**
 * The declaration files that a package's exports name, and the entry of each.
 *
 * @param {Record<string, unknown>} exports
 * @returns {Map<string, string>}
 */
function declarations(exports) {
  /** @type {Map<string, string>} */
  const entries = new Map();
  // An entry of its own for Node has a subpath of its own too.
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === "object" && target !== null && "types" in target)
      entries.set(String(target.types), subpath === "." ? "index" : subpath.slice(2).replaceAll("/", "-"));
  }
  return entries;
}

let changed = 0;
for (const name of readdirSync(join(root, "packages"))) {
  const folder = join(root, "packages", name);
  const packageJson = join(folder, "package.json");
  if (!existsSync(packageJson)) continue;
  const { exports } = JSON.parse(readFileSync(packageJson, "utf8"));
  for (const [types, entry] of declarations(exports ?? {})) {
    mkdirSync(join(folder, "etc"), { recursive: true });
    const config = ExtractorConfig.prepare({
      configObjectFullPath: undefined,
      packageJsonFullPath: packageJson,
      configObject: {
        projectFolder: folder,
        mainEntryPointFilePath: join(folder, types),
        newlineKind: "lf",
        compiler: {
          overrideTsconfig: {
            compilerOptions: {
              target: "ES2023",
              module: "ESNext",
              moduleResolution: "Bundler",
              lib: ["ES2023", "ESNext.Disposable", "DOM"],
              types: ["node"],
              strict: true,
              skipLibCheck: true,
            },
            files: [join(folder, types)],
          },
        },
        apiReport: {
          enabled: true,
          reportFileName: `${entry}.api.md`,
          reportFolder: join(folder, "etc"),
          reportTempFolder: join(root, ".cache", "api", name),
          includeForgottenExports: true,
        },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: {
          compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
          extractorMessageReporting: {
            default: { logLevel: ExtractorLogLevel.Error },
            // Everything exported is public here; there are no release tags to forget.
            "ae-missing-release-tag": { logLevel: ExtractorLogLevel.None },
            // What is reached through an export alone is in the report too.
            "ae-forgotten-export": { logLevel: ExtractorLogLevel.None },
            "ae-undocumented": { logLevel: ExtractorLogLevel.None },
            "ae-unresolved-link": { logLevel: ExtractorLogLevel.None },
          },
          tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        },
      },
    });
    const result = Extractor.invoke(config, {
      localBuild: mode === "update",
      messageCallback: (message) => {
        // Progress is ours to report; what is wrong is the extractor's.
        if (message.logLevel === "info" || message.logLevel === "verbose") message.logLevel = ExtractorLogLevel.None;
      },
    });
    const bad = !result.succeeded || (mode === "check" && result.apiReportChanged);
    const state = result.apiReportChanged
      ? mode === "update"
        ? "updated"
        : "CHANGED"
      : bad
        ? "ERRORS"
        : "as committed";
    console.log(`packages/${name}/etc/${entry}.api.md: ${state}`);
    if (bad) changed += 1;
  }
}
if (changed > 0) {
  console.error(
    `${changed} API reports are not as committed: run "npm run api:update" after a build and review the difference`,
  );
  process.exit(1);
}
