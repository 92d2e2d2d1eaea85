// Core is free of hosts: its built entries, bundled, segment a picture in a bare node:vm context that has the ES globals
// alone, from the nano checkpoint's bytes on the reference backend.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";
import { build } from "esbuild";
import { root } from "./host.mjs";

const { outputFiles, metafile } = await build({
  stdin: {
    contents:
      'export * from "./index.js"; export * from "./remote/index.js"; export * from "./backend/index.js"; export { createReferenceBackend } from "./testing/index.js";',
    resolveDir: join(root, "packages", "core", "dist"),
  },
  bundle: true,
  format: "iife",
  globalName: "core",
  platform: "neutral",
  target: "es2022",
  write: false,
  metafile: true,
  logLevel: "warning",
});
const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
if (outside.length > 0) throw new Error(`@masklet/core: imports ${outside.join(", ")}`);

// No code from strings, as in a page with a strict content security policy. Two globals of a bare context are not ES's.
const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
vm.runInContext("delete globalThis.console; delete globalThis.WebAssembly;", context);
const hosts = ["process", "console", "WebAssembly", "Buffer", "setTimeout", "queueMicrotask", "URL", "TextDecoder"];
const leaked = vm.runInContext(`${JSON.stringify(hosts)}.filter((name) => name in globalThis)`, context);
if (leaked.length > 0) throw new Error(`the vm context is not bare: ${leaked.join(", ")}`);

const [file] = outputFiles;
if (!file) throw new Error("@masklet/core: esbuild made no bundle");
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
