// Builds the site, with the API reference that TypeDoc makes of the docstrings, or serves what was built:
//
//   node apps/docs/site.mjs build|serve
//
// SITE_URL and BASE_PATH say where it will lie, REPOSITORY_URL where its sources are, OUT_DIR where it goes (dist).
import { join } from "node:path";
import process from "node:process";
import { build, preview } from "astro";
import { Application } from "typedoc";

const root = import.meta.dirname;
process.chdir(root);
process.env.ASTRO_TELEMETRY_DISABLED = "1";

if (process.argv[2] === "build") {
  const app = await Application.bootstrapWithPlugins({ options: join(root, "typedoc.json"), logLevel: "Error" });
  const project = await app.convert();
  if (project === undefined) throw new Error("TypeDoc cannot read the packages: see above");
  await app.generateOutputs(project);
  if (app.logger.hasErrors()) throw new Error("TypeDoc failed: see above");
  await build({ root, logLevel: "warn" });
} else if (process.argv[2] === "serve") {
  await preview({ root });
} else {
  console.error("usage: node apps/docs/site.mjs build|serve");
  process.exitCode = 2;
}
