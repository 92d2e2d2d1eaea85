// Builds dist: the folder that Figma imports, and the zip of it.
//
//   node build.mjs [--dev] [--engine https://.../engine/v1/]
//
// --engine is the address of the hosted engine, a page of the docs site: the only one that the plugin may then open.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { zipSync } from "fflate";
import { bundleCode, bundleUi } from "./bundle.mjs";

const manifest = JSON.parse(await readFile("manifest.json", "utf8"));
const { values: options } = parseArgs({
  options: { dev: { type: "boolean", default: false }, engine: { type: "string" } },
});
if (options.engine !== undefined) {
  const { href, protocol } = new URL(options.engine);
  if (protocol !== "https:" || !href.endsWith("/"))
    throw new Error(`build: --engine https://.../, not ${options.engine}`);
  manifest.networkAccess = {
    allowedDomains: [href],
    reasoning:
      "Optional: a page that computes on the GPU and keeps larger models, fetched once when you choose one. Images stay on your machine; offline the plugin works with the model inside.",
  };
}
// A menu item that asks Figma what no fake can know.
if (options.dev) manifest.menu.push({ name: "Self-test", command: "self-test" });
const files = {
  "manifest.json": Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`),
  "code.js": Buffer.from(await bundleCode()),
  "ui.html": Buffer.from(await bundleUi(options.engine === undefined ? {} : { hosted: options.engine })),
  LICENSE: await readFile("../../LICENSE"),
  NOTICE: await readFile("../../NOTICE"),
};
await mkdir("dist", { recursive: true });
for (const [name, content] of Object.entries(files)) await writeFile(`dist/${name}`, content);
// A fixed time, so that the same sources make the same zip.
const packed = zipSync(files, { level: 9, mtime: "2020-01-01T00:00:00" });
await writeFile("dist/masklet-cutout.zip", packed);
