// The objects in some boxes of a picture: one overlay of all, one cutout of each. After `npm start`, in the root folder:
//
//   node examples/segment.mjs [IMAGE] [MODEL]
//
// MODEL is a path or a name such as sam2.1-hiera-tiny; the small model that ships with Masklet if not given.
import { mkdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { cutout, encodePng, ImagePredictor, loadSam2, overlay, readImage, writeFileAtomic } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";

const [file = fileURLToPath(new URL("scene.png", import.meta.url)), source = nanoModel.checkpoint] =
  process.argv.slice(2);

const backend = await createOrtBackend();
const model = await loadSam2(source, { backend });
const predictor = new ImagePredictor(model);
const image = await readImage(file);
await predictor.setImage(image);

/** @type {(readonly [number, number, number, number])[]} Left, top, right and bottom, in pixels. */
const boxes = [
  [45, 35, 225, 210],
  [447, 312, 496, 372],
];
const objects = await predictor.predictMany(
  boxes.map((box) => ({ box })),
  { multimaskOutput: false },
);

await mkdir("out", { recursive: true });
const name = basename(file, extname(file));
const masks = objects.flatMap((object) => object.masks); // one each
const painted = masks.map((mask) => ({ mask }));
await save(`${name}.objects.png`, overlay(image, painted));
for (const [i, mask] of masks.entries()) {
  await save(`${name}.object${i + 1}.png`, cutout(image, mask, { crop: true, padding: 8, feather: 1 }));
}

await predictor.dispose();
await model.dispose();
await backend.dispose();

/** @param {string} to @param {import("@masklet/core").RawImage} picture */
async function save(to, picture) {
  const path = join("out", to);
  await writeFileAtomic(path, await encodePng(picture));
  console.log(path);
}
