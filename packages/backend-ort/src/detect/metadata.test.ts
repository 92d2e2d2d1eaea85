import { expect, test } from "vitest";
import { parseNames, readMetadata } from "./metadata.ts";

test.each([
  ["{0: 'person', 1: \"driver's seat\"}", ["person", "driver's seat"]],
  ["{1: 'b', 0: 'a',}", ["a", "b"]],
  ['["a", "b, {c}: \\"d\\""]', ["a", 'b, {c}: "d"']],
  ['{"0": "a"}', ["a"]],
  ["['it\\'s', '\\u00e9\\xe9\\n']", ["it's", "éé\n"]],
  ["{0: 'x'} \n", ["x"]],
  ["[]", []],
])("names %s", (source, expected) => {
  expect(parseNames(source)).toEqual(expected);
});

test.each(["", "person", "{0: 'a', 2: 'b'}", "{0: 1}", "['a'", "['a' 'b']", "{'a': 'b'}", "[1]", "'a'"])(
  "names %s are refused",
  (source) => {
    expect(() => parseNames(source)).toThrow(expect.objectContaining({ code: "model-malformed" }));
  },
);

test("properties are found among what is skipped, and bytes that are no protobuf refused", () => {
  const property = [0x72, 8, 0x0a, 1, 97, 0x12, 3, 98, 99, 100];
  const model = Uint8Array.from([
    0x08,
    8,
    0x3a,
    3,
    1,
    2,
    3,
    ...property,
    0x0d,
    1,
    2,
    3,
    4,
    0x09,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  ]);
  expect([...readMetadata(model)]).toEqual([["a", "bcd"]]);
  for (let end = 1; end < model.length; end++) {
    const cut = (): unknown => readMetadata(model.subarray(0, end));
    if ([2, 7, 17, 22].includes(end)) expect(cut).not.toThrow();
    else expect(cut, String(end)).toThrow(expect.objectContaining({ code: "model-malformed" }));
  }
});
