// The extension's words and those of the editor in it, for translators: what is looked up in `l10n/bundle.l10n.<language>.json`.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { editorWords, videoWords } from "@masklet/editor";

const here = dirname(fileURLToPath(import.meta.url));
const call = /\bl10n\s*\.t\(\s*/g;
const literal = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y;

/**
 * What the sources say by `l10n.t`, each under itself, as VS Code's bundles have it. Throws for a call whose message is no
 * literal, because nobody could translate it.
 *
 * @param {Readonly<Record<string, string>>} [sources] by their names
 * @returns {Record<string, string>}
 */
export function sourceWords(sources = hostSources()) {
  /** @type {Record<string, string>} */
  const words = {};
  for (const [name, text] of Object.entries(sources)) {
    for (const {
      index,
      0: { length },
    } of text.matchAll(call)) {
      literal.lastIndex = index + length;
      const [found] = literal.exec(text) ?? [];
      if (found === undefined) {
        const line = text.slice(0, index).split("\n").length;
        throw new Error(`${name}:${line}: the message of l10n.t is no literal, and could not be translated`);
      }
      const message = found.startsWith('"') ? JSON.parse(found) : found.slice(1, -1).replaceAll("\\'", "'");
      words[message] = message;
    }
  }
  return Object.fromEntries(Object.entries(words).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * All that is translated: what the sources say, and every word of the editors.
 *
 * @returns {Record<string, string>}
 */
export function allWords() {
  const { steps, ...video } = videoWords;
  const { steps: imageSteps, ...image } = editorWords;
  const texts = [image, imageSteps, video, steps].flatMap((words) => Object.values(words));
  return { ...sourceWords(), ...Object.fromEntries(texts.map((text) => [text, text])) };
}

/** @returns {Record<string, string>} */
function hostSources() {
  const names = readdirSync(join(here, "src"), { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(here, "src", name), "utf8")]));
}
