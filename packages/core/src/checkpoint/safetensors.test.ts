import { describe, expect, test } from "vitest";
import { checkpointError, safetensors } from "../../test/checkpoint-files.ts";
import { float32, type HostTensor, int32 } from "../tensor/tensor.ts";
import { bytesSource } from "./byte-source.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import { weightStore } from "./weight-store.ts";

describe("writes and reads back", () => {
  const tensors = new Map<string, HostTensor>([
    ["mask", { dtype: "bool", dims: [3], data: Uint8Array.of(0, 1, 1) }],
    ["é.weight", float32([2, 2], Float32Array.of(1, -0, 0.1, Infinity))],
    ["half", { dtype: "float16", dims: [1], data: Uint16Array.of(0x3c00) }],
    ["brain", { dtype: "bfloat16", dims: [1], data: Uint16Array.of(0x3f80) }],
    ["ids", int32([2], Int32Array.of(-1, 5))],
    ["long", { dtype: "int64", dims: [], data: BigInt64Array.of(9n) }],
    ["empty", float32([0, 4], new Float32Array())],
    ["bytes", { dtype: "uint8", dims: [1], data: Uint8Array.of(200) }],
  ]);

  test("every dtype, aligned to its elements", async () => {
    const entries = await readSafetensors(bytesSource(writeSafetensors(tensors, { format: "pt", note: "ü" })));
    const store = weightStore("x", entries);
    expect(new Set(store.entries.keys())).toEqual(new Set(tensors.keys()));
    for (const [name, { dtype, dims, data }] of tensors) {
      const entry = store.entries.get(name);
      expect([entry?.dtype, entry?.dims]).toEqual([dtype, dims]);
      expect((entry?.offset ?? 1) % data.BYTES_PER_ELEMENT).toBe(0);
    }
    expect([...(await store.read("é.weight")).data]).toEqual([1, -0, Math.fround(0.1), Infinity]);
    expect([...(await store.read("half")).data]).toEqual([1]);
    expect([...(await store.read("brain")).data]).toEqual([1]);
    expect([...(await store.read("mask")).data]).toEqual([0, 1, 1]);
    expect([...(await store.read("empty")).data]).toEqual([]);
  });

  test("float32 in memory is not copied", async () => {
    const file = writeSafetensors(tensors);
    const store = weightStore("x", await readSafetensors(bytesSource(file)));
    expect((await store.read("é.weight")).data.buffer).toBe(file.buffer);
  });

  test("nothing", async () => {
    expect(await readSafetensors(bytesSource(writeSafetensors(new Map())))).toEqual([]);
  });

  test.each<[string, string, HostTensor, RegExp]>([
    ["data that does not fill the shape", "a", float32([3], new Float32Array(2)), /a \[3\] has 2 values/],
    ["the metadata's name", "__metadata__", float32([1], new Float32Array(1)), /__metadata__/],
  ])("not %s", async (_, name, tensor, message) => {
    const error = await checkpointError(() => writeSafetensors(new Map([[name, tensor]])));
    expect(error.message).toMatch(message);
  });
});

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]): object => {
  return { dtype: "F32", shape, data_offsets: [begin, end] };
};

describe("rejects", () => {
  const data = new Uint8Array(8);
  const ok = safetensors({ a: f32(0, 8) }, data);
  test.each<[string, Uint8Array, code: string, message: RegExp]>([
    [
      "a header over the limit",
      safetensors("{}", data, 100_000_001n),
      "safetensors-malformed",
      /claims 100000001 bytes/,
    ],
    [
      "a header of 2^64 - 1 bytes",
      safetensors("{}", data, 2n ** 64n - 1n),
      "safetensors-malformed",
      /more than the format's/,
    ],
    ["a header beyond the file", safetensors("{}", data, 1000n), "truncated", /1000 bytes from 8 are needed/],
    ["a header that is not JSON", safetensors("{nope}", data), "safetensors-malformed", /not JSON/],
    ["deeply nested JSON", safetensors(`${'{"a":'.repeat(50_000)}1`, data), "safetensors-malformed", /not JSON/],
    ["a list for a header", safetensors([], data), "safetensors-malformed", /not a JSON object/],
    ["a header that is not UTF-8", safetensors("{}", data).fill(0xff, 9, 10), "safetensors-malformed", /not UTF-8/],
    ["too few bytes", ok.subarray(0, ok.length - 1), "truncated", /the tensors need/],
    ["bytes that belong to none", Uint8Array.of(...ok, 1), "safetensors-malformed", /1 bytes after the last tensor/],
    ["overlapping tensors", safetensors({ a: f32(0, 8), b: f32(4, 8) }, data), "safetensors-malformed", /b overlaps/],
    ["the same bytes twice", safetensors({ a: f32(0, 8), b: f32(0, 8) }, data), "safetensors-malformed", /overlaps/],
    ["a gap", safetensors({ a: f32(4, 8) }, data), "safetensors-malformed", /4 bytes before tensor a/],
    ["offsets beyond the file", safetensors({ a: f32(0, 4), b: f32(4, 4000) }, data), "truncated", /the tensors need/],
    [
      "offsets the wrong way",
      safetensors({ a: f32(8, 0, [2]) }, data),
      "safetensors-malformed",
      /data_offsets should be two ascending integers/,
    ],
    [
      "another length than the shape's",
      safetensors({ a: f32(0, 8, [3]) }, data),
      "safetensors-malformed",
      /\[3\] takes 12 bytes, but has 8/,
    ],
    [
      "a wrong dtype",
      safetensors({ a: { ...f32(0, 8), dtype: "F16" } }, data),
      "safetensors-malformed",
      /F16 .* takes 4 bytes/,
    ],
    [
      "an unknown dtype",
      safetensors({ a: { ...f32(0, 8), dtype: "F64" } }, data),
      "unsupported-dtype",
      /a is of type F64/,
    ],
    [
      "a dtype from Object.prototype",
      safetensors({ a: { ...f32(0, 8), dtype: "toString" } }, data),
      "unsupported-dtype",
      /toString/,
    ],
    [
      "no dtype",
      safetensors({ a: { shape: [2] } }, data),
      "safetensors-malformed",
      /tensor a is described wrongly: dtype should be a text, but is missing/,
    ],
    [
      "a negative shape",
      safetensors({ a: f32(0, 8, [-2]) }, data),
      "safetensors-malformed",
      /shape should be a list of integers from 0/,
    ],
    [
      "a fractional shape",
      safetensors({ a: f32(0, 8, [0.5]) }, data),
      "safetensors-malformed",
      /shape should be a list of integers from 0/,
    ],
    [
      "a shape whose product overflows",
      safetensors({ a: f32(0, 8, [2 ** 40, 2 ** 40]) }, data),
      "safetensors-malformed",
      /takes/,
    ],
    [
      "a tensor that is no object",
      safetensors({ a: 1 }, data),
      "safetensors-malformed",
      /a is described wrongly: it should be a JSON object, but is 1/,
    ],
    [
      "a tensor called __proto__",
      safetensors('{"__proto__": 1}', data),
      "safetensors-malformed",
      /__proto__ is described wrongly/,
    ],
    ["no header at all", Uint8Array.of(1, 2, 3), "truncated", /8 bytes from 0/],
  ])("%s", async (_, file, code, message) => {
    const error = await checkpointError(() => readSafetensors(bytesSource(file, "x.safetensors")));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect(error.message).toMatch(/^x\.safetensors: /);
  });
});
