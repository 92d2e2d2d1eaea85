import { expect, test } from "vitest";
import { parseNames } from "./metadata.ts";

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
