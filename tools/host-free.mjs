// Core, labels and the editor's session are free of hosts. Core's built entries, bundled, segment a picture in a bare node:vm
// context that has the ES globals alone, from the nano checkpoint's bytes on the reference backend; those of labels convert a
// dataset there; a session paints, is saved, loaded and undone.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";
import { build } from "esbuild";
import { root } from "./host.mjs";

/** A package's entries as one script that sets a global. @param {string} name @param {string} contents */
async function bundle(name, contents) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: join(root, "packages", name, "dist") },
    bundle: true,
    format: "iife",
    globalName: name,
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    write: false,
    metafile: true,
    logLevel: "warning",
  });
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  if (outside.length > 0) throw new Error(`@masklet/${name}: imports ${outside.join(", ")}`);
  const [file] = outputFiles;
  if (!file) throw new Error(`@masklet/${name}: esbuild made no bundle`);
  return file;
}
const file = await bundle(
  "core",
  'export * from "./index.js"; export * from "./remote/index.js"; export * from "./backend/index.js"; export { createReferenceBackend } from "./testing/index.js";',
);

// No code from strings, as in a page with a strict content security policy. Two globals of a bare context are not ES's.
const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
vm.runInContext("delete globalThis.console; delete globalThis.WebAssembly;", context);
const hosts = ["process", "console", "WebAssembly", "Buffer", "setTimeout", "queueMicrotask", "URL", "TextDecoder"];
const leaked = vm.runInContext(`${JSON.stringify(hosts)}.filter((name) => name in globalThis)`, context);
if (leaked.length > 0) throw new Error(`the vm context is not bare: ${leaked.join(", ")}`);

vm.runInContext(file.text, context, { filename: "core.js" });
const names = vm.runInContext("Object.keys(core)", context).length;

/** The main job, as source because it runs with the context's own globals. */
const segment = `(async (bytes, json) => {
  const backend = core.createReferenceBackend();
  const config = core.parseConfig(JSON.parse(json));
  const model = await core.loadSam2(Uint8Array.from(bytes), { backend, config });
  const predictor = new core.ImagePredictor(model);
  const [width, height] = [64, 48];
  const data = new Uint8Array(width * height * 3);
  for (let y = 12; y < 36; y++) data.fill(230, 3 * (y * width + 16), 3 * (y * width + 48)); // a bright block on black
  await predictor.setImage({ width, height, channels: 3, data });
  const { best } = await predictor.predict({ box: [16, 12, 48, 36] });
  const area = core.maskArea(best);
  await predictor.dispose();
  await model.dispose();
  await backend.dispose();
  return area;
})`;
const nano = join(root, "packages", "model-nano", "sam2.1_hiera_nano");
const area = await vm.runInContext(segment, context)(
  readFileSync(`${nano}.safetensors`),
  readFileSync(`${nano}.json`, "utf8"),
);
const block = 32 * 24;
if (!(Math.abs(area - block) < 0.2 * block))
  throw new Error(`@masklet/core: a block of ${block} pixels is found as ${area}`);
const size = (file.contents.length / 1024).toFixed(0);
console.log(
  `@masklet/core: ${names} exports, ${size} KiB bundled; in a bare context it finds ${area} of a block's ${block} pixels`,
);

const labels = await bundle("labels", 'export * from "./index.js";');
vm.runInContext(labels.text, context, { filename: "labels.js" });
/** A COCO file, an XML and a YAML: all that is read through another package. */
const convert = `(async (coco, cvat, yaml) => {
  const read = (files) => labels.readLabels(labels.filesOf(files), { imageSize: () => ({ width: 8, height: 6 }) });
  const bytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const { dataset } = await read({ "a.json": bytes(coco) });
  const written = {};
  for (const file of labels.writeLabels(dataset, "voc").files) written[file.path] = await file.bytes();
  const found = [await read(written), await read({ "a.xml": bytes(cvat) }), await read({ "data.yaml": bytes(yaml), "labels/a.txt": bytes("0 0.5 0.5 0.5 0.5") })];
  return found.map(({ format, dataset }) => format + " " + dataset.images[0].objects.length).join(", ");
})`;
const found = await vm.runInContext(convert, context)(
  '{"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}], "categories": [{"id": 1, "name": "cat"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": {"size": [6, 8], "counts": [7, 3, 38]}}]}',
  '<annotations><image id="0" name="a.jpg" width="8" height="6"><box label="cat" xtl="1" ytl="1" xbr="3" ybr="3"/></image></annotations>',
  "names: [cat]",
);
if (found !== "voc 1, cvat 1, yolo 1") throw new Error(`@masklet/labels: in a bare context it reads ${found}`);
console.log(
  `@masklet/labels: ${(labels.contents.length / 1024).toFixed(0)} KiB bundled; in a bare context it reads ${found}`,
);

const editor = await bundle("editor", 'export * from "./index.js";');
vm.runInContext(editor.text, context, { filename: "editor.js" });
const edit = `(async () => {
  const data = new Uint8Array(48).fill(1, 0, 20);
  const engine = {
    model: { config: { imageSize: 64 } },
    predict: async () => ({ masks: [{ width: 8, height: 6, data }], iouPredictions: [0.9] }),
  };
  const session = new editor.EditorSession({ width: 8, height: 6 }, { engine });
  await session.addPoint([2, 2]);
  session.grow(1);
  const again = editor.EditorSession.load(JSON.parse(JSON.stringify(session.save())));
  again.undo();
  return editor.stepText(again.redoStep) + " " + again.mask(1).data.join("");
})()`;
const edited = await vm.runInContext(edit, context);
if (edited !== `Grow ${"1".repeat(20)}${"0".repeat(28)}`)
  throw new Error(`@masklet/editor: in a bare context it gives ${edited}`);
console.log(
  `@masklet/editor: ${(editor.contents.length / 1024).toFixed(0)} KiB bundled; in a bare context it undoes what it did`,
);
