import { writeFile } from "node:fs/promises";
import { readImage, encodePng, loadSam2 } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "./src/node.ts";
import { BackgroundRemover } from "../core/src/subject/remove-background.ts";
const backend = await createOrtBackend();
const model = await loadSam2(fileURLToPath(nanoModel.checkpoint), { backend });
const remover = new BackgroundRemover(model as never, {});
for (const name of process.argv.slice(2)) {
  const image = await readImage(name);
  const t = performance.now();
  const f = await remover.remove(image);
  console.log(name, image.width, image.height, f.method, f.predictedIou, f.unsure, Math.round(performance.now() - t), "ms");
  await writeFile(`/tmp/try/${name.split("/").at(-1)}`, await encodePng(f.cutout));
}
await backend.dispose();
