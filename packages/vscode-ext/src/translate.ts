/** Words that are the editor's own, in the language of VS Code: they come from what is translated of the extension. */

/** What VS Code has read of a translation, each word under its English; `undefined` in English. */
export type Translation = Readonly<Record<string, string>> | undefined;

/** Words as the translation has them, in English where it has none. */
export function translated<T extends object>(words: T, translation: Translation): T {
  return Object.fromEntries(
    Object.entries(words).map(([name, text]: [string, unknown]) => [
      name,
      typeof text === "string" ? (translation?.[text] ?? text) : translated(text as object, translation),
    ]),
  ) as T;
}
