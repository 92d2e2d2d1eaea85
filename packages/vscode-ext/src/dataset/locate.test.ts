import { filesOf, readLabels } from "@masklet/labels";
import { expect, test } from "vitest";
import type { PlacedFinding } from "./index.ts";
import { placeOf } from "./locate.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const finding = (labels: string, at: string, more: Partial<PlacedFinding> = {}): PlacedFinding => ({
  severity: "error",
  file: labels,
  labels,
  at,
  message: "",
  ...more,
});

function textAt(text: string, place: ReturnType<typeof placeOf>): string {
  const lines = text.split("\n");
  const { line, character, endLine, endCharacter } = place;
  if (line === endLine) return (lines[line] as string).slice(character, endCharacter);
  return [
    (lines[line] as string).slice(character),
    ...lines.slice(line + 1, endLine),
    (lines[endLine] as string).slice(0, endCharacter),
  ].join("\n");
}

test("a field of JSON, after letters of several bytes and a byte order mark", () => {
  const text = '{"ü": "😀", "annotations": [\n  {"id": 1}, {"id": 2, "bbox": [1, 2]}]}';
  const at = (path: string, prefix = ""): string =>
    textAt(text, placeOf(finding("a.json", path), "coco", bytes(prefix + text)));
  expect(at("annotations[1].bbox")).toBe("[1, 2]");
  expect(at("annotations[1].bbox", "\ufeff")).toBe("[1, 2]");
  expect(at("annotations[0].bbox")).toBe('{"id": 1}');
});

test("a line of a text file, and the row of an object, blank ones not counted", () => {
  const text = "0 1 2 3 4\r\n\r\n1 1 2 3 4\r\n";
  expect(textAt(text, placeOf(finding("a.txt", "line 3"), "yolo", bytes(text)))).toBe("1 1 2 3 4");
  const object = { shape: { kind: "points", points: [], line: false }, places: [1] } as const;
  expect(textAt(text, placeOf(finding("a.txt", "object 1", { object }), "yolo", bytes(text)))).toBe("1 1 2 3 4");
});

test("CVAT's n-th object of an image", async () => {
  const text = `<annotations><image name="b.png" width="9" height="9"/>
<image id="0" name="a &amp; b.png" width="9" height="9">
  <box label="cat" xtl="1" ytl="1" xbr="4" ybr="4"/>
  <polygon label="dog" points="1,1;3,1;3,3"/>
</image></annotations>`;
  const { dataset } = await readLabels(filesOf({ "a.xml": bytes(text) }));
  const [, object] = dataset.images.find(({ file }) => file === "a & b.png")?.objects ?? [];
  if (object === undefined) throw new Error("no object");
  const place = placeOf(finding("a.xml", "object 1", { file: "a & b.png", object }), "cvat", bytes(text));
  expect(textAt(text, place)).toBe('<polygon label="dog" points="1,1;3,1;3,3"/>');
  expect(textAt(text, placeOf(finding("a.xml", "picture", { file: "b.png" }), "cvat", bytes(text)))).toBe(
    '<image name="b.png" width="9" height="9"/>',
  );
});

test("a malformed file at its byte", () => {
  expect(placeOf(finding("a.json", "byte 4"), "coco", bytes("{\n1\n}"))).toMatchObject({ line: 2, character: 0 });
});

test("what tells no place is at the file's beginning", () => {
  expect(placeOf(finding("a.json", "category cat"), "coco", bytes("{}"))).toEqual({
    line: 0,
    character: 0,
    endLine: 0,
    endCharacter: 0,
  });
});
