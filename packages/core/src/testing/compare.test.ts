import { expect, test } from "vitest";
import { assertClose, compare } from "./compare.ts";
import { bools, floats, ints } from "./fixtures.ts";

test("errors: absolute, relative, in standard deviations", () => {
  expect(compare([1, 2.5, 3, 8], [1, 2, 3, 10])).toEqual({
    maxAbsolute: 2,
    maxRelative: 0.25,
    maxScaled: 2 / Math.sqrt(12.5),
    medianScaled: 0.5 / Math.sqrt(12.5),
    worstIndex: 3,
  });
});

test("nothing, equal infinities and NaN are no error; unlike ones are infinite", () => {
  expect(compare([], [])).toMatchObject({ maxAbsolute: 0, worstIndex: -1 });
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, 0];
  expect(compare(odd, odd)).toMatchObject({ maxAbsolute: 0, maxRelative: 0 });
  expect(compare([Number.NaN], [1]).maxAbsolute).toBe(Number.POSITIVE_INFINITY);
  expect(compare([1], [Number.NaN]).maxAbsolute).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  {
    actual: floats([2], 1, 2),
    expected: floats([1, 2], 1, 2),
    message: "y: expected float32[1,2], got float32[2] of 2 elements",
  },
  { actual: ints([1], 1), expected: floats([1], 1), message: "y: expected float32[1], got int32[1] of 1 elements" },
  {
    actual: { dtype: "float32" as const, dims: [2], data: Float32Array.of(1) },
    expected: floats([2], 1, 2),
    message: "got float32[2] of 1 elements",
  },
  {
    actual: floats([3], 1, 2.1, 4),
    expected: floats([3], 1, 2, 3),
    message: "y: element 1 of float32[3] is 2.0999999046325684, expected 2; the worst is element 2 with 4 for 3",
  },
  { actual: floats([1], Number.NaN), expected: floats([1], 1), message: "is NaN, expected 1" },
  { actual: bools([1], true), expected: bools([1], false), message: "is 1, expected 0" },
  { actual: ints([1], 1_000_001), expected: ints([1], 1_000_000), message: "is 1000001, expected 1000000" },
])("$message", ({ actual, expected, message }) => {
  expect(() => assertClose(actual, expected, "y")).toThrow(message);
});

test("within the tolerance", () => {
  expect(() => assertClose(floats([2], 1.00001, 100.005), floats([2], 1, 100), "y")).not.toThrow();
  expect(() => assertClose(floats([1], 1.1), floats([1], 1), "y", { absolute: 0.2, relative: 0 })).not.toThrow();
});
