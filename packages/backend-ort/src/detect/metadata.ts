/** What exporters write beside an ONNX graph. */
import { DetectorError } from "@masklet/core/backend";

/**
 * Class names as Ultralytics writes them: a Python dictionary by number, `{0: 'person', 1: "driver's seat"}`, or a list;
 * JSON is one too. Throws a `DetectorError` "model-malformed".
 */
export function parseNames(source: string): readonly string[] {
  const token = /\s*(?:(-?\d+)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([{}[\]:,]))/suy;
  const tokens: (number | { readonly text: string } | { readonly mark: string })[] = [];
  const fail = (): DetectorError =>
    new DetectorError("model-malformed", `the model's names are neither a list nor numbered: ${source.slice(0, 200)}`, {
      details: { names: source },
    });
  while (token.lastIndex < source.trimEnd().length) {
    const [, number, single, double, mark] = token.exec(source) ?? [];
    const quoted = single ?? double;
    if (number !== undefined) tokens.push(Number(number));
    else if (quoted !== undefined) tokens.push({ text: unescaped(quoted) });
    else if (mark !== undefined) tokens.push({ mark });
    else throw fail();
  }
  const isMark = (at: number, mark: string): boolean => {
    const one = tokens[at];
    return typeof one === "object" && "mark" in one && one.mark === mark;
  };
  const numbered = isMark(0, "{");
  if (!isMark(tokens.length - 1, numbered ? "}" : "]") || (!numbered && !isMark(0, "["))) throw fail();
  const names = new Map<number, string>();
  for (let at = 1; at < tokens.length - 1; ) {
    let key = names.size;
    if (numbered) {
      const given = tokens[at];
      key = typeof given === "number" ? given : typeof given === "object" && "text" in given ? Number(given.text) : -1;
      if (!isMark(at + 1, ":")) throw fail();
      at += 2;
    }
    const name = tokens[at++];
    if (typeof name !== "object" || !("text" in name)) throw fail();
    names.set(key, name.text);
    if (at < tokens.length - 1 && !isMark(at++, ",")) throw fail();
  }
  return Array.from({ length: names.size }, (_, i) => {
    const name = names.get(i);
    if (name === undefined) throw fail();
    return name;
  });
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))/gisu,
    (_, byte: string | undefined, unit: string | undefined, other: string | undefined) => {
      const code = byte ?? unit;
      return code === undefined
        ? (escapes[other ?? ""] ?? (other as string))
        : String.fromCharCode(Number.parseInt(code, 16));
    },
  );
}
