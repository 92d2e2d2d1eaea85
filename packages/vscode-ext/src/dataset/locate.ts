/** Where in a label file a finding is, so that a person can go there. */
import { decodeUtf8 } from "@masklet/core";
import { jsonSlice, LabelError, type ReadFormat } from "@masklet/labels";
import type { PlacedFinding } from "./index.ts";

/** Lines and characters from 0, characters in units of UTF-16 as VS Code counts them. */
export interface TextPlace {
  readonly line: number;
  readonly character: number;
  readonly endLine: number;
  readonly endCharacter: number;
}

export const fileStart: TextPlace = { line: 0, character: 0, endLine: 0, endCharacter: 0 };

/** The place of a finding in the bytes of its label file; the file's beginning where nothing tells it. */
export function placeOf(finding: PlacedFinding, format: ReadFormat | undefined, bytes: Uint8Array): TextPlace {
  const { labels, at, object, file } = finding;
  const [, line] = /\bline (\d+)/.exec(at) ?? [];
  if (line !== undefined) return wholeLine(bytes, Number(line) - 1);
  const [, offset] = /^byte (\d+)$/.exec(at) ?? [];
  if (offset !== undefined) return textPlace(bytes, Number(offset), Number(offset) + 1);
  const [place] = object?.places ?? [];
  if (/\.json$/i.test(labels)) {
    const path = place !== undefined && format === "labelme" ? ["shapes", place] : jsonPath(at);
    const slice = sliceOf(bytes, path);
    return slice === undefined ? fileStart : textPlace(bytes, slice.start, slice.end);
  }
  if (place === undefined) return format === "cvat" ? xmlPlace(bytes, file, undefined) : fileStart;
  if (format === "yolo") return rowPlace(bytes, place);
  return format === "cvat" ? xmlPlace(bytes, file, place) : fileStart;
}

/** The names and places that a finding begins with: `annotations[5].bbox` and `[2].result, region 0`. */
function jsonPath(at: string): readonly (string | number)[] {
  const [path = ""] = /^[\w.[\]]*/.exec(at) ?? [];
  return Array.from(path.matchAll(/(\w+)|\[(\d+)\]/g), ([, name, place]) =>
    place === undefined ? (name as string) : Number(place),
  );
}

function sliceOf(
  bytes: Uint8Array,
  path: readonly (string | number)[],
): { readonly start: number; readonly end: number } | undefined {
  try {
    // What is said of a field that is missing is of what should have it.
    for (let length = path.length; length > 0; length--) {
      const slice = jsonSlice(bytes, path.slice(0, length));
      if (slice !== undefined) return slice;
    }
  } catch (error) {
    if (!(error instanceof LabelError)) throw error;
  }
  return undefined;
}

/** A slice of a file's bytes as a place in its text. */
export function textPlace(bytes: Uint8Array, start: number, end: number): TextPlace {
  const [line, character] = position(bytes, start);
  const [endLine, endCharacter] = position(bytes, end);
  return { line, character, endLine, endCharacter };
}

function position(bytes: Uint8Array, offset: number): readonly [line: number, character: number] {
  const end = Math.min(offset, bytes.length);
  let [line, from] = [0, 0];
  for (let i = 0; i < end; i++) {
    if (bytes[i] !== 0x0a) continue;
    line++;
    from = i + 1;
  }
  // A byte order mark is no character of the text.
  const start = from === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : from;
  return [line, decodeUtf8(bytes.subarray(start, Math.max(start, end)))?.length ?? end - start];
}

function wholeLine(bytes: Uint8Array, line: number): TextPlace {
  let [at, start] = [0, 0];
  while (at < line) {
    const next = bytes.indexOf(0x0a, start);
    if (next < 0) return fileStart;
    start = next + 1;
    at++;
  }
  const next = bytes.indexOf(0x0a, start);
  const end = next < 0 ? bytes.length : next;
  return textPlace(bytes, start, bytes[end - 1] === 0x0d ? end - 1 : end);
}

/** A row of a text file, blank ones not counted. */
function rowPlace(bytes: Uint8Array, row: number): TextPlace {
  let left = row;
  for (const [i, text] of (decodeUtf8(bytes) ?? "").split(/\r?\n/).entries()) {
    if (text.trim() !== "" && left-- === 0) return wholeLine(bytes, i);
  }
  return fileStart;
}

/** The n-th object of an image of CVAT's, or the image's own tag. */
function xmlPlace(bytes: Uint8Array, image: string, place: number | undefined): TextPlace {
  const text = decodeUtf8(bytes) ?? "";
  const tags = /<image\b[^>]*\bname="([^"]*)"[^>]*>/g;
  const own = [...text.matchAll(tags)].find(([, name = ""]) => unescaped(name) === image);
  if (own === undefined) return fileStart;
  const from = own.index + own[0].length;
  const last = text.indexOf("</image>", from);
  const inside = text.slice(from, last < 0 ? text.length : last);
  const objects = [...inside.matchAll(/<(polygon|box|mask|points|polyline|ellipse|cuboid|skeleton)\b[^>]*>/g)];
  const [tag, start] =
    place === undefined || objects[place] === undefined
      ? [own[0], own.index]
      : [objects[place][0], from + objects[place].index];
  const at = (offset: number): readonly [number, number] => {
    const before = text.slice(0, offset);
    const line = before.split("\n").length - 1;
    return [line, offset - (before.lastIndexOf("\n") + 1)];
  };
  const [[line, character], [endLine, endCharacter]] = [at(start), at(start + tag.length)];
  return { line, character, endLine, endCharacter };
}

function unescaped(text: string): string {
  const meant: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replaceAll(/&(\w+);/g, (whole, name: string) => meant[name] ?? whole);
}
