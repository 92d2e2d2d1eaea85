import { crc32, deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../src/png/base64.ts";
import { concat, decodePng, encodePng, type Png } from "../src/png/png.ts";
import { random } from "./random.ts";

const kinds = [
  ["grey", 1, 8],
  ["grey", 1, 16],
  ["rgb", 3, 8],
  ["rgba", 4, 16],
  ["palette", 1, 8],
] as const;

test.each(kinds)("%s of %i channels and %i bits there and back", (kind, channels, depth) => {
  const next = random(channels * depth);
  for (let i = 0; i < 20; i++) {
    const [width, height] = [1 + Math.floor(next() * 9), 1 + Math.floor(next() * 9)];
    const values = Array.from({ length: width * height * channels }, () => Math.floor(next() * 2 ** depth));
    const samples = depth === 8 ? Uint8Array.from(values) : Uint16Array.from(values);
    const palette = kind === "palette" ? { palette: Uint8Array.from({ length: 768 }, (_, k) => k) } : {};
    const png: Png = { width, height, kind, channels, depth, samples, ...palette };
    expect(decodePng(encodePng(png))).toEqual(png);
  }
});

/** A PNG by hand: header fields and raw lines, each with its filter's number. */
function byHand(
  width: number,
  height: number,
  depth: number,
  kind: number,
  interlace: number,
  raw: readonly number[],
): Uint8Array {
  const chunk = (type: string, content: Uint8Array): Uint8Array => {
    const body = concat([new TextEncoder().encode(type), content]);
    const [length, check] = [new Uint8Array(4), new Uint8Array(4)];
    new DataView(length.buffer).setUint32(0, content.length);
    new DataView(check.buffer).setUint32(0, crc32(body));
    return concat([length, body, check]);
  };
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([depth, kind, 0, 0, interlace], 8);
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const data = new Uint8Array(deflateSync(Uint8Array.from(raw)));
  return concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", new Uint8Array(0))]);
}

test("bits below eight, filters and Adam7 as the specification has them", () => {
  expect(Array.from(decodePng(byHand(5, 2, 1, 0, 0, [0, 0b10110_000, 0, 0b01001_000])).samples)).toEqual([
    1, 0, 1, 1, 0, 0, 1, 0, 0, 1,
  ]);
  expect(Array.from(decodePng(byHand(3, 1, 2, 3, 0, [0, 0b11_01_10_00])).samples)).toEqual([3, 1, 2]);
  expect(Array.from(decodePng(byHand(3, 1, 4, 0, 0, [0, 0xab, 0xc0])).samples)).toEqual([10, 11, 12]);
  // Sub, up, average, Paeth over rows of two: what is left and above comes back in.
  const filtered = byHand(2, 4, 8, 0, 0, [1, 5, 1, 2, 1, 1, 3, 4, 4, 4, 1, 255]);
  expect(Array.from(decodePng(filtered).samples)).toEqual([5, 6, 6, 7, 7, 11, 8, 10]);
  // Adam7 of 3x3: passes 1, 4, 5, 6 and 7 have pixels (0,0), (2,0), (0..2,2), (1,0..2), row 1.
  const interlaced = byHand(3, 3, 8, 0, 1, [0, 1, 0, 3, 0, 7, 9, 0, 2, 0, 8, 0, 4, 5, 6]);
  expect(Array.from(decodePng(interlaced).samples)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("no PNG, and one that lies about its size, are refused before memory is taken", () => {
  expect(() => decodePng(Uint8Array.of(0xff, 0xd8, 0xff))).toThrow(
    expect.objectContaining({ code: "png-unsupported" }),
  );
  expect(() => decodePng(byHand(60_000, 60_000, 8, 0, 0, [0, 1]))).toThrow(
    expect.objectContaining({ code: "png-malformed" }),
  );
  expect(() => decodePng(byHand(4, 4, 8, 0, 0, [0, 1]))).toThrow(expect.objectContaining({ code: "png-malformed" }));
  expect(() => decodePng(byHand(1, 1, 8, 0, 0, [9, 1]))).toThrow(expect.objectContaining({ code: "png-malformed" }));
});

test("base64", () => {
  const next = random(2);
  for (let length = 0; length < 40; length++) {
    const bytes = Uint8Array.from({ length }, () => Math.floor(next() * 256));
    expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
  }
  expect(decodeBase64("a")).toBeUndefined();
  expect(decodeBase64("ab*=")).toBeUndefined();
});
