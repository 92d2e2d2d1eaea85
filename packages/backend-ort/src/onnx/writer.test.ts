import { expect, test } from "vitest";
import { float, type OnnxModel } from "./schema.ts";
import { writeModel } from "./writer.ts";

/** A message as the wire format has it: field numbers to values; nested messages stay bytes. */
type Message = Record<number, (bigint | number | Uint8Array)[]>;

function read(bytes: Uint8Array): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const message: Message = {};
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.byteLength) {
    const key = Number(varint());
    const values = message[key >> 3] ?? [];
    message[key >> 3] = values;
    if ((key & 7) === 0) values.push(varint());
    else if ((key & 7) === 5) {
      values.push(view.getFloat32(at, true));
      at += 4;
    } else if ((key & 7) === 2) {
      const length = Number(varint());
      values.push(bytes.subarray(at, at + length));
      at += length;
    } else throw new Error(`wire type ${key & 7} at ${at}`);
  }
  expect(at).toBe(bytes.byteLength);
  return message;
}

const nested = (message: Message, field: number, index = 0): Message => read(message[field]?.[index] as Uint8Array);
const text = (message: Message, field: number): string[] =>
  (message[field] ?? []).map((bytes) => new TextDecoder().decode(bytes as Uint8Array));

const model: OnnxModel = {
  irVersion: 10,
  opsets: { "": 21, "com.microsoft": 1 },
  producer: "masklet",
  graph: {
    name: "g",
    nodes: [
      {
        op: "Gemm",
        domain: "com.microsoft",
        name: "é",
        inputs: ["x", "", "w"],
        outputs: ["y"],
        attributes: { transB: 1, axis: -1, alpha: float(1), perm: [0, -2, 300], mode: "nearest" },
      },
    ],
    initializers: [
      { name: "inline", dtype: "int64", dims: [2], data: Uint8Array.of(1, 2, 3) },
      {
        name: "w",
        dtype: "float32",
        dims: [4096, 3],
        data: { location: "a/b.safetensors", offset: 5_000_000_123, length: 49152 },
      },
    ],
    inputs: [{ name: "x", dtype: "float32", dims: ["images", 200] }],
    outputs: [{ name: "y", dtype: "bool", dims: [] }],
  },
};

test("a model decodes to what was written", () => {
  const file = read(writeModel(model));
  expect(file[1]).toEqual([10n]);
  expect(text(file, 2)).toEqual(["masklet"]);
  const opsets = [0, 1].map((i) => nested(file, 8, i));
  expect(opsets.map((opset) => [text(opset, 1)[0], opset[2]?.[0]])).toEqual([
    ["", 21n],
    ["com.microsoft", 1n],
  ]);
  const graph = nested(file, 7);
  expect(text(graph, 2)).toEqual(["g"]);

  const node = nested(graph, 1);
  expect([text(node, 1), text(node, 2), text(node, 3), text(node, 4), text(node, 7)]).toEqual([
    ["x", "", "w"],
    ["y"],
    ["é"],
    ["Gemm"],
    ["com.microsoft"],
  ]);
  const attributes = (node[5] ?? []).map((bytes) => read(bytes as Uint8Array));
  const two64 = 2n ** 64n;
  expect(attributes.map((a) => [text(a, 1)[0], a[20]?.[0], a[2] ?? a[3] ?? a[8] ?? text(a, 4)])).toEqual([
    ["transB", 2n, [1n]],
    ["axis", 2n, [two64 - 1n]],
    ["alpha", 1n, [1]],
    ["perm", 7n, [0n, two64 - 2n, 300n]],
    ["mode", 3n, ["nearest"]],
  ]);

  const [inline, external] = [nested(graph, 5, 0), nested(graph, 5, 1)];
  expect([inline[1], inline[2], text(inline, 8), inline[9]]).toEqual([
    [2n],
    [7n],
    ["inline"],
    [Uint8Array.of(1, 2, 3)],
  ]);
  expect([external[1], external[2], external[9], external[14]]).toEqual([[4096n, 3n], [1n], undefined, [1n]]);
  const entries = [0, 1, 2].map((i) => nested(external, 13, i));
  expect(entries.map((entry) => [text(entry, 1)[0], text(entry, 2)[0]])).toEqual([
    ["location", "a/b.safetensors"],
    ["offset", "5000000123"],
    ["length", "49152"],
  ]);

  const type = nested(nested(nested(graph, 11), 2), 1);
  expect(type[1]).toEqual([1n]);
  const dims = (nested(type, 2)[1] ?? []).map((bytes) => read(bytes as Uint8Array));
  expect(dims.map((dim) => dim[1]?.[0] ?? text(dim, 2)[0])).toEqual(["images", 200n]);
  expect(nested(nested(nested(graph, 12), 2), 1)[1]).toEqual([9n]);
});
