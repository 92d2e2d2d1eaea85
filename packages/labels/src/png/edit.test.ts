import { crc32 } from "node:zlib";
import { decodeRle, encodeRle, type Rle } from "@masklet/core";
import { editLabelMap } from "@masklet/labels";
import { zlibSync } from "fflate";
import { expect, test } from "vitest";
import { decodePng } from "./png.ts";

/** A PNG with a palette, transparency and a text around pixels of some bits. */
function palettePng(depth: 1 | 2 | 4 | 8 | 16, rows: readonly (readonly number[])[], kind: 0 | 3 = 3): Uint8Array {
  const width = rows[0]?.length ?? 0;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(rows.length, 4);
  header.set([depth, kind], 8);
  const bits = (value: number): string => value.toString(2).padStart(depth, "0");
  const raw = rows.flatMap((row) => {
    const text = row.map(bits).join("");
    return [
      0,
      ...(text.padEnd(Math.ceil(text.length / 8) * 8, "0").match(/.{8}/g) ?? []).map((one) => Number.parseInt(one, 2)),
    ];
  });
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(data.length, 0);
    head.write(type, 4, "latin1");
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])));
    return Buffer.concat([head, data, check]);
  };
  const palette =
    kind === 3
      ? [chunk("PLTE", Buffer.from([9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 2].slice(0, 3 * Math.min(3, 2 ** depth))))]
      : [];
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
    chunk("IHDR", header),
    ...palette,
    chunk("tEXt", Buffer.from("Title\0mine")),
    chunk("IDAT", zlibSync(Uint8Array.from(raw))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunks(png: Uint8Array): readonly (readonly [type: string, data: string])[] {
  const found: [string, string][] = [];
  const bytes = Buffer.from(png);
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    found.push([bytes.toString("latin1", at + 4, at + 8), bytes.toString("hex", at + 8, at + 8 + length)]);
    at += length + 12;
  }
  return found;
}

function mask(...rows: readonly string[]): Rle {
  const [width, height] = [rows[0]?.length ?? 0, rows.length];
  return encodeRle({ width, height, data: Uint8Array.from(rows.join(""), (one) => (one === "#" ? 1 : 0)) });
}

const rows = [
  [0, 1, 1],
  [2, 1, 0],
];

test.each([2, 4, 8] as const)("%i bits: pixels of one object change, all else stays", (depth) => {
  const png = palettePng(depth, rows);
  const edited = editLabelMap(png, { masks: new Map([[1, mask("##.", "...")]]) });
  expect([...decodePng(edited).samples]).toEqual([1, 1, 0, 2, 0, 0]);
  const other = (list: ReturnType<typeof chunks>): ReturnType<typeof chunks> =>
    list.filter(([type]) => type !== "IDAT");
  expect(other(chunks(edited))).toEqual(other(chunks(png)));
});

test("grey of 16 bits, one bit, and an object that is taken away", () => {
  const deep = palettePng(16, [[0, 26001, 26001]], 0);
  expect([...decodePng(editLabelMap(deep, { masks: new Map([[26001, mask("#..")]]) })).samples]).toEqual([26001, 0, 0]);
  const single = palettePng(1, [[0, 1, 1]]);
  expect([...decodePng(editLabelMap(single, { masks: new Map([[1, undefined]]) })).samples]).toEqual([0, 0, 0]);
});

test("without a change the bytes are the same", () => {
  const png = palettePng(8, rows);
  expect(editLabelMap(png, { masks: new Map() })).toBe(png);
  expect(editLabelMap(png, { masks: new Map([[1, mask(".##", ".#.")]]) })).toBe(png);
});

test("void is nobody's, the later mask lies in front, others are painted over", () => {
  const png = palettePng(8, [[255, 1, 2]]);
  const all = mask("###");
  expect([...decodePng(editLabelMap(png, { masks: new Map([[1, all]]) })).samples]).toEqual([255, 1, 1]);
  const two = new Map([
    [2, all],
    [1, mask(".#.")],
  ]);
  expect([...decodePng(editLabelMap(png, { masks: two })).samples]).toEqual([255, 1, 2]);
  expect([...decodePng(editLabelMap(png, { masks: two, keep: new Set() })).samples]).toEqual([2, 1, 2]);
  expect(decodeRle(all).data).toEqual(Uint8Array.of(1, 1, 1));
});

test.each([
  ["a value too large", { masks: new Map([[4, undefined]]) }, "cannot-write"],
  ["a value beyond the palette", { masks: new Map([[3, undefined]]) }, "cannot-write"],
  ["a background too large", { masks: new Map(), background: 4 }, "cannot-write"],
  ["an option that there is not", { masks: new Map(), keeps: new Set([1]) }, "unknown-option"],
  ["a mask of another size", { masks: new Map([[1, mask("#")]]) }, "cannot-write"],
] as const)("%s is refused", (_, edits, code) => {
  expect(() => editLabelMap(palettePng(2, rows), edits)).toThrow(expect.objectContaining({ code }));
});
