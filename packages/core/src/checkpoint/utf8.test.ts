import { expect, test } from "vitest";
import { random } from "../../test/checkpoint-files.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

const texts = ["", "plain", "é ü ß", "漢字", "😀 and 🏳️‍🌈", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}"];

test.each(texts)("%j there and back", (text) => {
  expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text));
  expect(decodeUtf8(encodeUtf8(text))).toBe(text);
});

test("long text", () => {
  const text = "añ😀".repeat(20_000);
  expect(decodeUtf8(encodeUtf8(text))).toBe(text);
});

test("a lone surrogate becomes the replacement character", () => {
  expect(encodeUtf8("a\ud800b")).toEqual(new TextEncoder().encode("a\ufffdb"));
});

test("agrees with TextDecoder on what is well-formed", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const next = random(1);
  const telling = [
    0x00, 0x41, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
  ];
  let valid = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: 1 + Math.floor(next() * 4) }, () => telling[Math.floor(next() * 17)] ?? 0);
    let expected: string | undefined;
    try {
      expected = decoder.decode(bytes);
      valid++;
    } catch {
      expected = undefined;
    }
    expect(decodeUtf8(bytes)).toBe(expected);
  }
  expect(valid).toBeGreaterThan(500);
});
