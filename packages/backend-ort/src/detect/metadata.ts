/** What an ONNX file says about itself, which ONNX Runtime's JavaScript does not tell. */
import { DetectorError } from "@masklet/core/backend";

/** `ModelProto.metadata_props`, and `StringStringEntryProto`'s fields (onnx.proto3). */
const METADATA_PROPS = 14;
const KEY = 1;
const VALUE = 2;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The file's own properties (`metadata_props`), by their names. The rest, weights too, is skipped. Throws a
 * `DetectorError` "model-malformed" for what is no protobuf.
 */
export function readMetadata(model: Uint8Array): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [field, content] of messageFields(model)) {
    if (field !== METADATA_PROPS) continue;
    const entry = new Map(messageFields(content));
    found.set(text(entry.get(KEY)), text(entry.get(VALUE)));
  }
  return found;
}

function text(bytes: Uint8Array = new Uint8Array(0)): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new DetectorError("model-malformed", "the model's metadata is no UTF-8", { cause });
  }
}

/** A message's fields that have a length: strings and messages. */
function* messageFields(bytes: Uint8Array): Generator<readonly [field: number, content: Uint8Array], void, void> {
  let at = 0;
  const malformed = (): DetectorError =>
    new DetectorError("model-malformed", `this is no ONNX model: its bytes end or make no sense at ${at}`, {
      details: { at, length: bytes.length },
    });
  /** Lengths and tags stay far below 2^53. */
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 63) throw malformed();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, type] = [Math.floor(tag / 8), tag % 8];
    if (field === 0) throw malformed();
    if (type === 0) varint();
    else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else if (type === 2) {
      const length = varint();
      if (at + length > bytes.length) throw malformed();
      yield [field, bytes.subarray(at, at + length)];
      at += length;
    } else throw malformed();
    if (at > bytes.length) throw malformed();
  }
}

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
