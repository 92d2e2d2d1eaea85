// Core is free of hosts: its built index entry, bundled, runs in a bare node:vm context that has the ES globals alone.
import { join } from "node:path";
import vm from "node:vm";
import { build } from "esbuild";
import { root } from "./host.mjs";

for (const entry of ["index", "testing"]) {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, "packages", "core", "dist", `${entry}.js`)],
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
  if (outside.length > 0) throw new Error(`@masklet/core ${entry}: imports ${outside.join(", ")}`);

  // No code from strings, as in a page with a strict content security policy. Two globals of a bare context are not ES's.
  const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
  vm.runInContext("delete globalThis.console; delete globalThis.WebAssembly;", context);
  const hosts = ["process", "console", "WebAssembly", "Buffer", "setTimeout", "queueMicrotask", "URL", "TextDecoder"];
  const leaked = vm.runInContext(`${JSON.stringify(hosts)}.filter((name) => name in globalThis)`, context);
  if (leaked.length > 0) throw new Error(`the vm context is not bare: ${leaked.join(", ")}`);

  const [file] = outputFiles;
  if (!file) throw new Error(`@masklet/core ${entry}: esbuild made no bundle`);
  vm.runInContext(file.text, context, { filename: `core-${entry}.js` });
  const names = vm.runInContext("Object.keys(core)", context);
  if (names.length === 0) throw new Error(`@masklet/core ${entry}: exports nothing`);
  console.log(
    `@masklet/core ${entry}: ${names.length} exports, ${(file.contents.length / 1024).toFixed(0)} KiB bundled, runs in a bare context`,
  );
}
