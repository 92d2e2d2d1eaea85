// Builds dist: the folder that Figma imports, and the zip of it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { zipSync } from "fflate";
import { bundleCode, bundleUi } from "./bundle.mjs";

const manifest = JSON.parse(await readFile("manifest.json", "utf8"));
// A menu item that asks Figma what no fake can know.
if (process.argv.includes("--dev")) manifest.menu.push({ name: "Self-test", command: "self-test" });
const files = {
  "manifest.json": Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`),
  "code.js": Buffer.from(await bundleCode()),
  "ui.html": Buffer.from(await bundleUi()),
  LICENSE: await readFile("../../LICENSE"),
  NOTICE: await readFile("../../NOTICE"),
};
await mkdir("dist", { recursive: true });
for (const [name, content] of Object.entries(files)) await writeFile(`dist/${name}`, content);
// A fixed time, so that the same sources make the same zip.
const packed = zipSync(files, { level: 9, mtime: "2020-01-01T00:00:00" });
await writeFile("dist/masklet-cutout.zip", packed);
