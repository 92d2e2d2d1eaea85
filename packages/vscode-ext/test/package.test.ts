/** What is packed: every file that is named is there, nothing of the workspace is, and it stays small. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle, pack } from "../bundle.mjs";
import { activate } from "../src/activate.ts";
import { fileSystem } from "../src/storage.ts";
import { translated } from "../src/translate.ts";
import { allWords, sourceWords } from "../words.mjs";
import { fakeContext, registered, resetFake } from "./fake/vscode.ts";

const require = createRequire(import.meta.url);
const worker = join(dirname(require.resolve("@masklet/backend-ort/package.json")), "dist", "classic-worker.js");

interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string }[];
    readonly customEditors: readonly { readonly viewType: string }[];
    readonly languageModelTools: readonly { readonly name: string }[];
  };
}
const manifestText = readFileSync(new URL("../manifest.json", import.meta.url), "utf8");
const manifest = JSON.parse(manifestText) as Manifest;

const json = (name: string): Readonly<Record<string, string>> =>
  JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8"));

test("what the manifest names is registered, and said in words", () => {
  resetFake();
  activate(fakeContext("/extension", "/storage"), { kind: "web", files: fileSystem });
  const { commands, customEditors, languageModelTools } = manifest.contributes;
  expect(commands.map(({ command }) => command).filter((command) => !registered.commands.has(command))).toEqual([]);
  expect(customEditors.map(({ viewType }) => viewType).filter((type) => !registered.customEditors.has(type))).toEqual(
    [],
  );
  expect(languageModelTools.map(({ name }) => name).filter((name) => !registered.tools.has(name))).toEqual([]);
  const words = json("package.nls.json");
  const wanted = new Set(Array.from(manifestText.matchAll(/"%([^"%]+)%"/g), ([, key]) => key));
  expect([...wanted].sort()).toEqual(Object.keys(words).sort());
});

test("words are taken from calls, and what cannot be translated is said", () => {
  const source = `l10n.t("a {0}", b); l10n.t(\n  'say "c"',\n); other.t("d")`;
  expect(Object.keys(sourceWords({ "a.ts": source }))).toEqual(["a {0}", 'say "c"']);
  expect(() => sourceWords({ "b.ts": "\nl10n.t(name)" })).toThrow(/^b\.ts:2: /);
});

/** What is put into a text, and the commands that its links run. */
const places = (text: string): readonly string[] =>
  Array.from(text.matchAll(/\{\w+\}|\(command:[^)]+\)|`[^`]+`/g), ([place]) => place).sort();

test.each([
  ["package.nls.de.json", () => json("package.nls.json")],
  ["l10n/bundle.l10n.de.json", allWords],
])("%s has every word, with what is put into it, and no other", (name, english) => {
  const [of, german] = [english(), json(name)];
  expect(Object.keys(german).sort()).toEqual(Object.keys(of).sort());
  for (const [key, text] of Object.entries(of)) {
    expect(german[key]?.trim(), key).not.toBe("");
    expect(places(german[key] ?? ""), key).toEqual(places(text));
  }
});

test("the editor's words are translated, and stay English where nobody has", () => {
  const words = { undo: "Undo", steps: { grow: "Grow" }, fit: "Fit" };
  expect(translated(words, { Undo: "Rückgängig", Grow: "Vergrößern" })).toEqual({
    undo: "Rückgängig",
    steps: { grow: "Vergrößern" },
    fit: "Fit",
  });
  expect(translated(words, undefined)).toEqual(words);
});

describe.skipIf(!existsSync(worker))("needs the built packages", () => {
  let folder: string;
  let files: string[];
  let entries: Record<string, Uint8Array>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "masklet-package-"));
    files = await bundle(folder);
    const vsix = await pack(folder, files);
    // 14 MB of WebAssembly and 7 of the model, packed; what else there is is small.
    expect(statSync(vsix).size).toBeLessThan(11_700_000);
    entries = unzipSync(readFileSync(vsix));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("a platform's VSIX has its runtime, and no more than it may weigh", async () => {
    const out = join(folder, "linux-x64");
    const vsix = await pack(out, await bundle(out, "linux-x64"), "linux-x64");
    const names = Object.keys(unzipSync(readFileSync(vsix)));
    expect(names.filter((name) => name.endsWith(".node")).length).toBe(1);
    // The universal one, and ONNX Runtime's library.
    expect(statSync(vsix).size).toBeLessThan(31_000_000);
  });

  test("the VSIX has the manifest, what it names, and the files of the engine and the pages", () => {
    const names = Object.keys(entries);
    for (const name of [
      "extension.vsixmanifest",
      "[Content_Types].xml",
      ...[
        "package.json",
        "package.nls.json",
        "extension.cjs",
        "web/extension.js",
        "README.md",
        "LICENSE.txt",
        "NOTICE",
      ],
      ...[
        "media/icon.png",
        "media/walkthrough/look.md",
        "media/sample/scene.json",
        "media/sample/scene.png",
        "media/sample/balls.jpg",
        "webview/image.js",
        "webview/image.css",
      ],
      ...["main.mjs", "worker.js", "nano.safetensors", "nano.json", "ort-wasm-simd-threaded.wasm"].map(
        (name) => `engine/${name}`,
      ),
    ].map((name) => (/^\[|vsixmanifest$/.test(name) ? name : `extension/${name}`))) {
      expect(names).toContain(name);
    }
    const packed = new TextDecoder().decode(entries["extension/package.json"]);
    expect(packed).not.toMatch(/workspace:|"private"/);
    expect(new TextDecoder().decode(entries["extension.vsixmanifest"])).toContain(
      'Id="masklet" Version="0.1.0" Publisher="masklet"',
    );
  });

  test("scripts are small, name no place of the machine that built them, and the browser's needs vscode alone", () => {
    const sizes = {
      "extension.cjs": 500_000,
      "web/extension.js": 500_000,
      "engine/main.mjs": 600_000,
      "webview/image.js": 200_000,
      "webview/video.js": 500_000,
    };
    for (const [name, most] of Object.entries(sizes)) {
      const script = entries[`extension/${name}`] ?? new Uint8Array();
      expect(script.length, name).toBeLessThan(most);
      expect(new TextDecoder().decode(script)).not.toContain(dirname(dirname(dirname(worker))));
    }
    const web = new TextDecoder().decode(entries["extension/web/extension.js"]);
    expect(new Set(Array.from(web.matchAll(/\brequire\("([^"]+)"\)/g), ([, name]) => name))).toEqual(
      new Set(["vscode"]),
    );
  });

  test("every word of the sources is there for translators", () => {
    const packed = JSON.parse(new TextDecoder().decode(entries["extension/l10n/bundle.l10n.json"]));
    expect(packed).toEqual(allWords());
    for (const word of ["{0} is read-only.", "Keep Mine", "Brush size", "Track back"]) expect(packed[word]).toBe(word);
    for (const name of ["package.nls.de.json", "l10n/bundle.l10n.de.json"])
      expect(Object.keys(entries)).toContain(`extension/${name}`);
  });

  test("a platform that is none is said", async () => {
    await expect(bundle(join(folder, "other"), "linux-x46")).rejects.toThrow(/linux-x46: is no platform of VS Code's/);
  });
});
