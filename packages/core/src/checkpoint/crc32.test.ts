import { crc32 as zlibCrc32 } from "node:zlib";
import { expect, test } from "vitest";
import { random } from "../../test/checkpoint-files.ts";
import { crc32 } from "./crc32.ts";
import { encodeUtf8 } from "./utf8.ts";

test("the check value of the standard", () => {
  expect(crc32(encodeUtf8("123456789"))).toBe(0xcbf43926);
});

test("agrees with zlib at every length and alignment", () => {
  const next = random(2);
  const bytes = Uint8Array.from({ length: 100 }, () => next() * 256);
  for (let from = 0; from < 9; from++) {
    for (let to = from; to <= 100; to++)
      expect(crc32(bytes.subarray(from, to))).toBe(zlibCrc32(bytes.subarray(from, to)));
  }
});
