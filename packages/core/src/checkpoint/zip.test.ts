import { describe, expect, test } from "vitest";
import { checkpointError, type ZipFile, zip } from "../../test/checkpoint-files.ts";
import { type ByteSource, bytesSource } from "./byte-source.ts";
import { locate, openZip } from "./zip.ts";

const [one, two] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6, 7)];
const files: readonly ZipFile[] = [
  { name: "a", bytes: one, padding: 7 },
  { name: "folder/ü", bytes: two },
];

async function contents(source: ByteSource): Promise<Record<string, number[]>> {
  const archive = await openZip(source);
  const found: Record<string, number[]> = {};
  for (const record of archive.records.values()) {
    found[record.name] = Array.from(await source.read(await locate(archive, record), record.size));
  }
  return found;
}

describe("reads stored records", () => {
  test.each([
    ["plain", {}],
    ["zip64", { zip64: true }],
    ["with a comment", { comment: "PK\u0005\u0006 is no end here" }],
  ])("%s", async (_, options) => {
    const expected = { a: [...one], "folder/ü": [...two] };
    expect(await contents(bytesSource(zip(files, options)))).toEqual(expected);
  });
});

test("reads the directory and the headers only", async () => {
  const inMemory = bytesSource(zip([{ name: "big", bytes: new Uint8Array(500_000) }]));
  let read = 0;
  const source: ByteSource = {
    name: "big.zip",
    size: inMemory.size,
    read: (offset, length) => {
      read += length;
      return inMemory.read(offset, length);
    },
  };
  const archive = await openZip(source);
  for (const record of archive.records.values()) await locate(archive, record);
  expect(read).toBeLessThan(66_000);
});

const lies: readonly (readonly [string, readonly ZipFile[], RegExp])[] = [
  ["compressed", [{ name: "a", bytes: one, lie: { method: 8 } }], /record a is compressed \(method 8\)/],
  ["encrypted", [{ name: "a", bytes: one, lie: { flags: 1 } }], /record a is encrypted/],
  [
    "two of a name",
    [
      { name: "a", bytes: one },
      { name: "a", bytes: two },
    ],
    /two records named a/,
  ],
  [
    "overlapping the next",
    [
      { name: "a", bytes: one, lie: { size: 20 } },
      { name: "b", bytes: two },
    ],
    /record a overlaps/,
  ],
  ["overlapping the directory", [{ name: "a", bytes: one, lie: { size: 20 } }], /record a overlaps/],
  [
    "at another's place",
    [
      { name: "a", bytes: one },
      { name: "b", bytes: two, lie: { headerOffset: 0 } },
    ],
    /record a overlaps/,
  ],
  ["at no header", [{ name: "a", bytes: one, lie: { headerOffset: 1 } }], /record a has no header/],
];

test.each(lies)("rejects a record %s", async (_, wrong, message) => {
  const error = await checkpointError(() => contents(bytesSource(zip(wrong), "x.pt")));
  expect(error.code).toBe("zip-malformed");
  expect(error.message).toMatch(message);
  expect(error.message).toMatch(/^x\.pt: /);
});

test.each([
  ["an offset beyond the file", { headerOffset: 1_000_000 }],
  ["a size beyond the file", { size: 1_000_000 }],
])("rejects %s", async (_, lie) => {
  const error = await checkpointError(() => contents(bytesSource(zip([{ name: "a", bytes: one, lie }]))));
  expect(error.code).toBe("truncated");
});

test("rejects a directory larger than any model's without reading it", async () => {
  const tail = zip(files, { zip64: true });
  const [size, end64] = [2 ** 34, tail.length - 22 - 20 - 56];
  const start = size - tail.length; // the archive is the end of a large, mostly empty file
  const view = new DataView(tail.buffer);
  view.setBigUint64(end64 + 40, 2n ** 33n, true);
  view.setBigUint64(end64 + 56 + 8, BigInt(start + end64), true);
  const source: ByteSource = {
    name: "huge.pt",
    size,
    read: async (offset, length) => {
      expect(length).toBeLessThan(70_000);
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = tail[offset + i - start] ?? 0;
      return bytes;
    },
  };
  const error = await checkpointError(() => openZip(source));
  expect(error.message).toMatch(/its directory has 8589934592 bytes/);
});

test("cut off anywhere", async () => {
  const whole = zip(files, { zip64: true });
  for (let length = 0; length < whole.length; length++) {
    const error = await checkpointError(() => contents(bytesSource(whole.subarray(0, length))));
    expect(error.code).toBe("truncated");
  }
});
