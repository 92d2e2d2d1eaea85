// Makes the extension's files, and packs them.
import { existsSync, readdirSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { zipSync } from "fflate";
import { allWords } from "./words.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/**
 * Pages read videos, and write none: of mediabunny they get what that takes, which is half of it.
 *
 * @type {import("esbuild").Plugin}
 */
export const readingVideos = {
  name: "reading videos",
  setup: (build) =>
    build.onResolve({ filter: /^mediabunny$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: join(here, "src", "webview", "video", "mediabunny.ts") } : undefined,
    ),
};

/**
 * Writes the extension's folder.
 *
 * @param {string} out
 * @param {string} [target] a platform as VS Code names it, whose native runtime is taken along
 * @returns {Promise<string[]>} the files, relative to `out`
 */
export async function bundle(out, target) {
  if (target !== undefined && !Object.hasOwn(targets, target))
    throw new Error(`${target}: is no platform of VS Code's, which are ${Object.keys(targets).join(", ")}`);
  /** @type {import("esbuild").BuildOptions} */
  const common = {
    absWorkingDir: here,
    bundle: true,
    minify: true,
    charset: "utf8",
    legalComments: "none",
    conditions: ["@masklet/source"],
    logLevel: "warning",
  };
  // VS Code's hosts: the worker's takes one CommonJS file and gives it `vscode` alone.
  const host = { ...common, format: /** @type {const} */ ("cjs"), external: ["vscode"] };
  const webview = join(here, "src", "webview");
  const pages = readdirSync(webview).filter((name) => existsSync(join(webview, name, "main.ts")));
  await Promise.all([
    build({
      ...host,
      entryPoints: ["src/desktop.ts"],
      outfile: join(out, "extension.cjs"),
      platform: "node",
      target: "node22",
    }),
    build({
      ...host,
      entryPoints: ["src/web.ts"],
      outfile: join(out, "web", "extension.js"),
      platform: "browser",
      target: "es2022",
    }),
    build({
      ...common,
      entryPoints: ["src/engine/main.ts"],
      outfile: join(out, "engine", "main.mjs"),
      format: "esm",
      platform: "node",
      target: "node22",
      // Pictures are decoded by the editor's page; the native runtime lies beside, where there is one.
      external: ["sharp", "onnxruntime-node"],
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    }),
    ...pages.flatMap((page) => [
      build({
        ...common,
        entryPoints: [`src/webview/${page}/main.ts`],
        outfile: join(out, "webview", `${page}.js`),
        format: "iife",
        platform: "browser",
        target: "es2022",
        plugins: [readingVideos],
      }),
      ...(existsSync(join(webview, page, "style.css"))
        ? [
            build({
              ...common,
              entryPoints: [`src/webview/${page}/style.css`],
              outfile: join(out, "webview", `${page}.css`),
              target: "es2022",
            }),
          ]
        : []),
    ]),
  ]);
  const nano = dirname(require.resolve("@masklet/model-nano/package.json"));
  const worker = require.resolve("@masklet/backend-ort/classic-worker.js");
  /** @type {Record<string, string>} */
  const copied = {
    "package.nls.json": "package.nls.json",
    "package.nls.de.json": "package.nls.de.json",
    l10n: "l10n",
    "README.md": "README.md",
    "LICENSE.txt": join("..", "..", "LICENSE"),
    NOTICE: join("..", "..", "NOTICE"),
    media: "media",
    "media/sample/scene.png": join("..", "..", "examples", "scene.png"),
    "media/sample/balls.jpg": join("..", "..", "examples", "clip", "00000.jpg"),
    "engine/ort-wasm-simd-threaded.wasm": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
    "engine/ort-wasm-simd-threaded.mjs": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.mjs"),
    "engine/worker.js": worker,
    "engine/nano.safetensors": join(nano, "sam2.1_hiera_nano.safetensors"),
    "engine/nano.json": join(nano, "sam2.1_hiera_nano.json"),
  };
  for (const [to, from] of Object.entries(copied)) {
    await mkdir(dirname(join(out, to)), { recursive: true });
    await cp(resolve(here, from), join(out, to), { recursive: true });
  }
  await writeFile(join(out, "l10n", "bundle.l10n.json"), `${JSON.stringify(allWords(), undefined, 2)}\n`);
  const manifest = JSON.parse(await readFile(join(here, "manifest.json"), "utf8"));
  await writeFile(join(out, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  if (target !== undefined) await copyNative(out, target);
  return readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(out.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort();
}

/**
 * VS Code's platforms, and where onnxruntime-node keeps its libraries for them: those without have WebAssembly alone.
 *
 * @type {Record<string, string | undefined>}
 */
export const targets = {
  "alpine-arm64": undefined,
  "alpine-x64": undefined,
  "darwin-arm64": "darwin/arm64",
  "darwin-x64": undefined,
  "linux-arm64": "linux/arm64",
  "linux-armhf": undefined,
  "linux-x64": "linux/x64",
  web: undefined,
  "win32-arm64": "win32/arm64",
  "win32-x64": "win32/x64",
};

/**
 * Puts the native runtime beside the engine, which imports it from there.
 *
 * @param {string} out
 * @param {string} target
 */
async function copyNative(out, target) {
  const platform = targets[target];
  if (platform === undefined) return;
  const runtime = dirname(require.resolve("onnxruntime-node/package.json"));
  const common = dirname(dirname(dirname(createRequire(join(runtime, "package.json")).resolve("onnxruntime-common"))));
  const modules = join(out, "engine", "node_modules");
  const binaries = readdirSync(join(runtime, "bin"))[0] ?? "";
  const wanted = (/** @type {string} */ path) => !/\.(map|d\.ts)$/.test(path);
  await cp(join(runtime, "package.json"), join(modules, "onnxruntime-node", "package.json"), { recursive: true });
  await cp(join(runtime, "dist"), join(modules, "onnxruntime-node", "dist"), { recursive: true, filter: wanted });
  await cp(join(runtime, "bin", binaries, platform), join(modules, "onnxruntime-node", "bin", binaries, platform), {
    recursive: true,
    dereference: true,
  });
  await cp(join(common, "package.json"), join(modules, "onnxruntime-common", "package.json"));
  await cp(join(common, "dist", "cjs"), join(modules, "onnxruntime-common", "dist", "cjs"), {
    recursive: true,
    filter: wanted,
  });
}

const types = /** @type {Record<string, string>} */ ({
  cjs: "application/javascript",
  css: "text/css",
  js: "application/javascript",
  json: "application/json",
  md: "text/markdown",
  mjs: "application/javascript",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain",
  wasm: "application/wasm",
});

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/**
 * A VSIX of the folder: a zip as `vsce package --no-dependencies` makes it, without vsce's two hundred packages, one of
 * which is not free. A fixed time, so that the same sources make the same file.
 *
 * @param {string} out
 * @param {readonly string[]} files relative to `out`
 * @param {string} [target]
 * @returns {Promise<string>} its path
 */
export async function pack(out, files, target) {
  const manifest = JSON.parse(await readFile(join(out, "package.json"), "utf8"));
  const words = JSON.parse(await readFile(join(out, "package.nls.json"), "utf8"));
  const said = (/** @type {string} */ text) => text.replace(/^%(.*)%$/, (_, key) => words[key] ?? text);
  const properties = {
    "Microsoft.VisualStudio.Code.Engine": manifest.engines.vscode,
    "Microsoft.VisualStudio.Code.ExtensionKind": manifest.extensionKind.join(","),
    "Microsoft.VisualStudio.Code.ExecutesCode": "true",
    "Microsoft.VisualStudio.Services.GitHubFlavoredMarkdown": "true",
    "Microsoft.VisualStudio.Services.Content.Pricing": "Free",
  };
  const asset = (/** @type {string} */ type, /** @type {string} */ path) =>
    `    <Asset Type="${type}" Path="extension/${path}" Addressable="true"/>`;
  const vsixmanifest = `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${manifest.name}" Version="${manifest.version}" Publisher="${manifest.publisher}"${target === undefined ? "" : ` TargetPlatform="${target}"`}/>
    <DisplayName>${escaped(said(manifest.displayName))}</DisplayName>
    <Description xml:space="preserve">${escaped(said(manifest.description))}</Description>
    <Tags>${escaped(manifest.keywords.join(","))}</Tags>
    <Categories>${escaped(manifest.categories.join(","))}</Categories>
    <GalleryFlags>Public</GalleryFlags>
    <Properties>
${Object.entries(properties)
  .map(([id, value]) => `      <Property Id="${id}" Value="${escaped(value)}"/>`)
  .join("\n")}
    </Properties>
    <License>extension/LICENSE.txt</License>
    <Icon>extension/${manifest.icon}</Icon>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
${asset("Microsoft.VisualStudio.Code.Manifest", "package.json")}
${asset("Microsoft.VisualStudio.Services.Content.Details", "README.md")}
${asset("Microsoft.VisualStudio.Services.Content.License", "LICENSE.txt")}
${asset("Microsoft.VisualStudio.Services.Icons.Default", manifest.icon)}
  </Assets>
</PackageManifest>
`;
  const extensions = new Set(files.map((path) => /\.([^./]+)$/.exec(path)?.[1] ?? ""));
  const contentTypes = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">${["vsixmanifest", ...extensions]
    .filter((extension) => extension !== "")
    .map(
      (extension) =>
        `<Default Extension=".${extension}" ContentType="${extension === "vsixmanifest" ? "text/xml" : (types[extension] ?? "application/octet-stream")}"/>`,
    )
    .join("")}</Types>
`;
  /** @type {Record<string, Uint8Array>} */
  const entries = {
    "extension.vsixmanifest": Buffer.from(vsixmanifest),
    "[Content_Types].xml": Buffer.from(contentTypes),
  };
  for (const path of files) entries[`extension/${path}`] = await readFile(join(out, path));
  const vsix = join(out, `masklet-${manifest.version}${target === undefined ? "" : `-${target}`}.vsix`);
  await writeFile(vsix, zipSync(entries, { level: 9, mtime: "2020-01-01T00:00:00" }));
  return vsix;
}
