// Builds dist: the folder that Figma imports, and the zip of it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { zipSync } from "fflate";
import { bundleCode, bundleUi } from "./bundle.mjs";

const files = {
  "manifest.json": await readFile("manifest.json"),
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
