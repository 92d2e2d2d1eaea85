import { describe, expect, test } from "vitest";
import { bytesOf, checkpointError, type Py, pickle, torchTensor, torchZip, zip } from "../../test/checkpoint-files.ts";
import { bytesSource } from "./byte-source.ts";
import { openCheckpoint } from "./load.ts";
import { readPytorch } from "./pytorch.ts";
import { encodeUtf8 } from "./utf8.ts";
import { weightStore } from "./weight-store.ts";

const six = bytesOf(Float32Array.of(0, 1, 2, 3, 4, 5));
const plain = { type: "FloatStorage", key: "0", count: 6, dims: [2, 3] };

function named(tensor: Py): Py {
  return { dict: [["w", tensor]] };
}

async function values(file: Uint8Array): Promise<Record<string, [dims: readonly number[], values: number[]]>> {
  const store = weightStore("x.pt", await readPytorch(bytesSource(file, "x.pt")));
  const read = Array.from(store.entries.keys(), async (name) => {
    const { dims, data } = await store.read(name);
    return [name, [dims, Array.from(data)]] as const;
  });
  return Object.fromEntries(await Promise.all(read)) as Record<string, [readonly number[], number[]]>;
}

const expected = {
  w: [
    [2, 3],
    [0, 1, 2, 3, 4, 5],
  ],
};

describe("reads", () => {
  const tensor = torchTensor(plain);
  test.each<[string, Py]>([
    ['{"model": state_dict}', { dict: [["model", named(tensor)]] }],
    ["a bare state dict", named(tensor)],
    [
      "an OrderedDict with _metadata",
      { dict: [["model", { ordered: [["w", tensor]], attributes: { dict: [["_metadata", null]] } }]] },
    ],
    ...["state_dict", "model_state_dict", "module", "ema"].map((wrapper): [string, Py] => [
      `{"${wrapper}": state_dict}`,
      {
        dict: [
          ["epoch", 3],
          [wrapper, named(tensor)],
        ],
      },
    ]),
    [
      "a model in a model, beside the average of it",
      {
        dict: [
          ["ema", named(torchTensor({ ...plain, key: "7" }))],
          ["model", { dict: [["state_dict", named(tensor)]] }],
        ],
      },
    ],
    [
      "dtypes, devices, paths and numbers of numpy beside the weights",
      {
        dict: [
          ["dtype", { global: "torch.bfloat16" }],
          ["device", { call: { global: "torch.device" }, args: ["cuda", 0] }],
          ["args", { call: { global: "argparse.Namespace" }, args: [] }],
          ["path", { call: { global: "pathlib.PosixPath" }, args: ["runs", "1"] }],
          [
            "best",
            {
              call: { global: "numpy.core.multiarray.scalar" },
              args: [{ call: { global: "numpy.dtype" }, args: ["f8"] }, "x"],
            },
          ],
          ["model", named(tensor)],
        ],
      },
    ],
    ["parameters", named({ call: { global: "torch._utils._rebuild_parameter" }, args: [tensor, true, null] })],
    [
      "beside an optimiser's doubles",
      {
        dict: [
          ["model", named(tensor)],
          ["epoch", 3],
          ["loss", 0.25],
          ["optimizer", [torchTensor({ ...plain, type: "DoubleStorage", key: "9" })]],
        ],
      },
    ],
  ])("%s", async (_, value) => {
    expect(await values(torchZip(value, { 0: six }))).toEqual(expected);
  });

  test("half, bfloat16 and integers", async () => {
    const file = torchZip(
      {
        dict: [
          ["h", torchTensor({ type: "HalfStorage", key: "0", count: 2, dims: [2] })],
          ["b", torchTensor({ type: "BFloat16Storage", key: "1", count: 2, dims: [2] })],
          ["l", torchTensor({ type: "LongStorage", key: "2", count: 1, dims: [] })],
        ],
      },
      {
        0: bytesOf(Uint16Array.of(0x3c00, 0xc100)),
        1: bytesOf(Uint16Array.of(0x3f80, 0xc020)),
        2: bytesOf(BigInt64Array.of(-7n)),
      },
    );
    expect(await values(file)).toEqual({ h: [[2], [1, -2.5]], b: [[2], [1, -2.5]], l: [[], [-7]] });
  });

  test("views of one storage, without copying it", async () => {
    const tail = torchTensor({ ...plain, dims: [3], offset: 3 });
    const file = torchZip(
      {
        dict: [
          ["all", torchTensor(plain)],
          ["tail", tail],
        ],
      },
      { 0: six },
    );
    const entries = await readPytorch(bytesSource(file));
    expect(new Set(entries.map(({ source }) => source)).size).toBe(1);
    expect(await values(file)).toEqual({ all: expected.w, tail: [[3], [3, 4, 5]] });
  });

  test("transposed and channels-last tensors in C order", async () => {
    const transposed = torchTensor({ ...plain, dims: [3, 2], strides: [1, 3] });
    const channelsLast = torchTensor({ ...plain, dims: [1, 3, 1, 2], strides: [6, 1, 6, 3] });
    const file = torchZip(
      {
        dict: [
          ["t", transposed],
          ["c", channelsLast],
        ],
      },
      { 0: six },
    );
    expect(await values(file)).toEqual({
      t: [
        [3, 2],
        [0, 3, 1, 4, 2, 5],
      ],
      c: [
        [1, 3, 1, 2],
        [0, 3, 1, 4, 2, 5],
      ],
    });
  });

  test("strides of dimensions of one element do not matter", async () => {
    const file = torchZip(named(torchTensor({ ...plain, dims: [2, 3, 1, 1], strides: [3, 1, 99, 7] })), { 0: six });
    const [entry] = await readPytorch(bytesSource(file));
    expect(entry?.source.size).toBe(file.length);
  });
});

/** What `torch.save` wrote before 1.6: pickles one after another, then the storages. */
function legacy(
  value: Py,
  storages: readonly (readonly [key: string, count: number, bytes: Uint8Array])[],
  littleEndian = true,
): Uint8Array {
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
  return Buffer.concat([
    Uint8Array.from(magic),
    pickle(1001),
    pickle({
      dict: [
        ["protocol_version", 1001],
        ["little_endian", littleEndian],
      ],
    }),
    pickle(value),
    pickle(storages.map(([key]) => key)),
    ...storages.map(([, count, bytes]) => Buffer.concat([bytesOf(BigInt64Array.of(BigInt(count))), bytes])),
  ]);
}

describe("the format before 1.6", () => {
  /** A storage is described with the part of another that it may be. */
  const tensor = (key: string, type = "FloatStorage", count = 6): Py => {
    const { call, args } = torchTensor({ ...plain, type, key, count }) as { call: Py; args: readonly Py[] };
    const storage = ["storage", { global: `torch.${type}` }, key, "cpu", count, null];
    return { call, args: [{ persistent: { tuple: storage } }, ...args.slice(1)] };
  };
  const doubles = bytesOf(Float64Array.of(1, 2, 3, 4, 5, 6));
  const value: Py = {
    dict: [
      ["optimizer", [tensor("9", "DoubleStorage")]],
      ["state_dict", named(tensor("4"))],
    ],
  };
  const file = legacy(value, [
    ["9", 6, doubles],
    ["4", 6, six],
  ]);

  test("is read, with an optimiser's storages between", async () => {
    const store = await openCheckpoint(bytesSource(file, "old.pt"));
    expect(await store.read("w")).toMatchObject({ dims: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
  });

  test.each<[string, Uint8Array, code: string]>([
    ["cut off in a storage", file.subarray(0, -4), "truncated"],
    ["cut off in its pickles", file.subarray(0, 120), "pickle-malformed"],
    ["big-endian", legacy(value, [], false), "pytorch-malformed"],
    ["without a storage", legacy(value, [["9", 6, doubles]]), "pytorch-malformed"],
    ["a storage of another size", legacy(named(tensor("4")), [["4", 5, six.subarray(4)]]), "pytorch-malformed"],
    ["a storage that none refers to", legacy(named(tensor("4")), [["5", 6, six]]), "pytorch-malformed"],
    ["code", legacy({ call: { global: "os.system" }, args: ["true"] }, []), "pickle-forbidden"],
  ])("%s", async (_, bytes, code) => {
    expect((await checkpointError(() => openCheckpoint(bytesSource(bytes, "old.pt")))).code).toBe(code);
  });
});

describe("rejects", () => {
  const storages = { 0: six };
  const tensor = (change: object): Py => named(torchTensor({ ...plain, ...change }));
  test.each<[string, Uint8Array, code: string, message: RegExp]>([
    ["a zip that is no checkpoint", zip([{ name: "a.txt", bytes: six }]), "pytorch-malformed", /without a data\.pkl/],
    ["a pickle of no dict", torchZip([1], {}), "pytorch-malformed", /is no dict/],
    [
      "a dict without tensors",
      torchZip({ dict: [["model", { dict: [] }]] }, {}),
      "pytorch-malformed",
      /holds no tensors/,
    ],
    ["a missing storage", torchZip(tensor({}), {}), "pytorch-malformed", /m\/data\/0\) is missing/],
    [
      "a storage of another size",
      torchZip(tensor({ count: 7 }), storages),
      "pytorch-malformed",
      /wants 28 bytes, .* has 24/,
    ],
    [
      "a tensor beyond its storage",
      torchZip(tensor({ dims: [2, 4] }), storages),
      "pytorch-malformed",
      /beyond its storage/,
    ],
    [
      "an offset beyond its storage",
      torchZip(tensor({ offset: 1 }), storages),
      "pytorch-malformed",
      /beyond its storage/,
    ],
    [
      "strides beyond its storage",
      torchZip(tensor({ strides: [4, 1] }), storages),
      "pytorch-malformed",
      /beyond its storage/,
    ],
    [
      "an expanded tensor",
      torchZip(tensor({ dims: [1 << 30], strides: [0] }), storages),
      "pytorch-malformed",
      /beyond its storage/,
    ],
    ["a negative dimension", torchZip(tensor({ dims: [-2, -3] }), storages), "pytorch-malformed", /no proper shape/],
    [
      "fewer strides than dimensions",
      torchZip(tensor({ strides: [1] }), storages),
      "pytorch-malformed",
      /no proper shape/,
    ],
    [
      "doubles",
      torchZip(tensor({ type: "DoubleStorage", count: 3, dims: [3] }), storages),
      "unsupported-dtype",
      /w is a torch\.DoubleStorage/,
    ],
    [
      "another storage type",
      torchZip(tensor({ type: "QInt8Storage" }), storages),
      "pickle-forbidden",
      /torch\.QInt8Storage/,
    ],
    [
      "big-endian files",
      torchZip(tensor({}), storages, [{ name: "m/byteorder", bytes: encodeUtf8("big") }]),
      "pytorch-malformed",
      /not little-endian/,
    ],
    [
      "compressed storages",
      torchZip(tensor({}), {}, [{ name: "m/data/0", bytes: six, lie: { method: 8 } }]),
      "zip-malformed",
      /compressed/,
    ],
    [
      "a damaged pickle",
      damaged(torchZip(tensor({}), storages), "_rebuild_tensor_v2"),
      "checksum-mismatch",
      /data\.pkl/,
    ],
  ])("%s", async (_, file, code, message) => {
    const error = await checkpointError(() => readPytorch(bytesSource(file, "x.pt")));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect(error.message).toMatch(/^x\.pt: /);
    expect(error.details["file"]).toBe("x.pt");
  });

  test("a storage that is gathered again and again", async () => {
    const turned = torchTensor({ ...plain, dims: [3, 2], strides: [1, 3] });
    const many: Py = { dict: Array.from({ length: 400 }, (_, i) => [`t${i}`, turned]) };
    expect(Object.keys(await values(torchZip(many, storages)))).toHaveLength(400);
    const large = { ...plain, count: 60_000, dims: [30_000, 2], strides: [1, 30_000] };
    const file = torchZip(
      {
        dict: [
          ["a", torchTensor(large)],
          ["b", torchTensor(large)],
        ],
      },
      { 0: new Uint8Array(240_000) },
    );
    const error = await checkpointError(() => readPytorch(bytesSource(file)));
    expect(error.message).toMatch(/too many of its tensors are not contiguous/);
  });

  test("a tensor whose bytes were damaged, when it is read", async () => {
    const file = torchZip(tensor({}), storages);
    const at = find(file, six);
    file[at + 5] = 77;
    const store = weightStore("x.pt", await readPytorch(bytesSource(file, "x.pt")));
    const error = await checkpointError(() => store.read("w"));
    expect([error.code, error.message]).toEqual(["checksum-mismatch", expect.stringContaining("tensor w")]);
  });
});

test("a file that torch wrote without checksums is read", async () => {
  const file = torchZip(named(torchTensor(plain)), {}, [
    { name: "m/version", bytes: encodeUtf8("3\n"), lie: { crc: 0 } },
    { name: "m/data/0", bytes: six, lie: { crc: 0 } },
  ]);
  expect(await values(file)).toEqual(expected);
});

function find(bytes: Uint8Array, part: Uint8Array): number {
  return bytes.findIndex((_, i) => part.every((byte, k) => bytes[i + k] === byte));
}

function damaged(file: Uint8Array, text: string): Uint8Array {
  const at = find(file, encodeUtf8(text));
  file[at] = 0x58;
  return file;
}
