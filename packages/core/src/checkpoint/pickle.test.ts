import { describe, expect, test } from "vitest";
import { checkpointError, pickle, random } from "../../test/checkpoint-files.ts";
import { CheckpointError } from "../errors.ts";
import { PickleGlobal, type PickleValue, unpickle } from "./pickle.ts";

const allowed = new Map([
  ["collections.OrderedDict", new PickleGlobal("collections.OrderedDict", () => new Map())],
  ["torch.FloatStorage", new PickleGlobal("torch.FloatStorage")],
]);

function read(bytes: Uint8Array): PickleValue {
  return unpickle(bytes, { name: "x.pt", allowed, persistentLoad: (id) => id }).value;
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * `pickle.dumps(value, protocol)` by Python 3 of
 * `{"a": l, "big": 2**70, "neg": -2**40, "t4": (1, 2, 3, (4,)), "o": OrderedDict(x=1), "e": [(), [], {}], "same": l}`
 * with `l = [1, -2, 3.5, None, True, False, "é😀"]`; from protocol 4 also `"b": b"\x00\xff", "s": {7}, "f": frozenset([8])`.
 */
const byPython = {
  2:
    "80027d71002858010000006171015d7102284b014afeffffff47400c0000000000004e88895806000000c3a9f09f988071036558030000" +
    "0062696771048a0900000000000000004058030000006e656771058a060000000000ff580200000074347106284b014b024b034b048571" +
    "0774710858010000006f710963636f6c6c656374696f6e730a4f726465726564446963740a710a2952710b580100000078710c4b017358" +
    "0100000065710d5d710e28295d710f7d711065580400000073616d6571116802752e",
  4:
    "800495b8000000000000007d94288c0161945d94284b014afeffffff47400c0000000000004e88898c06c3a9f09f988094658c03626967" +
    "948a090000000000000000408c036e6567948a060000000000ff8c02743494284b014b024b034b04859474948c016f948c0b636f6c6c65" +
    "6374696f6e73948c0b4f726465726564446963749493942952948c0178944b01738c0165945d9428295d947d94658c0473616d65946802" +
    "8c016294430200ff948c0173948f94284b07908c016694284b089194752e",
} as const;

describe.each([2, 4] as const)("what Python wrote with protocol %i", (protocol) => {
  const list = [1, -2, 3.5, null, true, false, "é😀"];
  const expected = new Map<string, unknown>([
    ["a", list],
    ["big", 2n ** 70n],
    ["neg", -(2 ** 40)],
    ["t4", [1, 2, 3, [4]]],
    ["o", new Map([["x", 1]])],
    ["e", [[], [], new Map()]],
    ["same", list],
  ]);
  if (protocol === 4)
    expected
      .set("b", Uint8Array.of(0, 255))
      .set("s", new Set([7]))
      .set("f", new Set([8]));

  test("is read", () => {
    const value = read(hex(byPython[protocol]));
    expect(value).toEqual(expected);
    expect(value instanceof Map && value.get("same") === value.get("a")).toBe(true);
  });

  test("cut off anywhere is a typed error", async () => {
    const bytes = hex(byPython[protocol]);
    for (let length = 0; length < bytes.length; length++) {
      const error = await checkpointError(() => read(bytes.subarray(0, length)));
      expect(error.code).toBe("pickle-malformed");
    }
  });
});

describe("imports", () => {
  test.each([
    ["os.system by protocol 2", "800263706f7369780a73797374656d0a710058040000006563686f71018571025271032e"],
    ["os.system by protocol 4", "8004951f000000000000008c05706f736978948c0673797374656d9493948c046563686f94859452942e"],
    ["os.system by protocol 0", "63706f7369780a73797374656d0a70300a28566563686f0a70310a7470320a5270330a2e"],
    ["os.system by INST", "2858010000006169706f7369780a73797374656d0a2e"],
  ])("%s is never run", async (_, bytes) => {
    const error = await checkpointError(() => read(hex(bytes)));
    expect(error.code).toBe("pickle-forbidden");
    expect(error.details).toEqual({ file: "x.pt", global: "posix.system" });
    expect(error.message).toContain("posix.system");
  });

  test.each(["builtins.eval", "builtins.getattr", "torch.load", "collections.OrderedDict.clear", "numpy.ndarray"])(
    "%s is named",
    async (global) => {
      const error = await checkpointError(() => read(pickle({ global })));
      expect([error.code, error.details["global"]]).toEqual(["pickle-forbidden", global]);
    },
  );

  test("a name that is allowed, but no constructor, cannot be called", async () => {
    expect(read(pickle({ global: "torch.FloatStorage" }))).toBeInstanceOf(PickleGlobal);
    const error = await checkpointError(() => read(pickle({ call: { global: "torch.FloatStorage" }, args: [] })));
    expect(error.code).toBe("pickle-forbidden");
  });

  test("attributes of a dict are left out", () => {
    const state = { ordered: [["w", 1]], attributes: { dict: [["_metadata", null]] } } as const;
    expect(read(pickle(state))).toEqual(new Map([["w", 1]]));
  });
});

test("names of Object.prototype are no globals", async () => {
  const error = await checkpointError(() => read(pickle({ global: "toString.constructor" })));
  expect(error.code).toBe("pickle-forbidden");
});

describe("does not hang or grow", () => {
  test("deep nesting", () => {
    const bytes = new Uint8Array(200_003).fill(0x85); // a tuple of a tuple of ...
    bytes.set([0x80, 2, 0x4e]);
    bytes[bytes.length - 1] = 0x2e;
    expect(Array.isArray(read(bytes))).toBe(true);
  });

  test("a list that holds itself", () => {
    const value = read(Uint8Array.of(0x5d, 0x71, 0, 0x68, 0, 0x61, 0x2e));
    expect(Array.isArray(value) && value[0] === value).toBe(true);
  });

  test.each([
    ["string", [0x8d, 255, 255, 255, 255, 255, 255, 255, 127]],
    ["string", [0x58, 255, 255, 255, 255]],
    ["bytes", [0x96, 0, 0, 0, 0, 0, 0, 16, 0]],
    ["integer", [0x8b, 255, 255, 255, 127]],
    ["memo of nothing", [0x72, 255, 255, 255, 255]],
  ])("a %s of impossible size", async (_, bytes) => {
    const error = await checkpointError(() => read(Uint8Array.from(bytes)));
    expect(error.code).toBe("pickle-malformed");
  });

  test("5000 mutations load or throw a CheckpointError", () => {
    const next = random(3);
    const originals = Object.values(byPython).map(hex);
    const outcomes = { loaded: 0, failed: 0 };
    for (let i = 0; i < 5000; i++) {
      const bytes = Uint8Array.from(originals[i % 2] ?? []);
      for (let flips = 1 + (i % 3); flips > 0; flips--) bytes[Math.floor(next() * bytes.length)] = next() * 256;
      try {
        read(bytes);
        outcomes.loaded++;
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        outcomes.failed++;
      }
    }
    expect(outcomes.loaded).toBeGreaterThan(100);
    expect(outcomes.failed).toBeGreaterThan(100);
  });
});
