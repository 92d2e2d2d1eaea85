import { expect, test } from "vitest";
import { filledTimes } from "./probe.ts";

const none = undefined;

test.each([
  ["nothing missing", [0, 2, 4], [0, 2, 4]],
  ["the last ones", [4, 6, 8, none, none], [4, 6, 8, 10, 12]],
  ["the first one", [none, 2, 4, 6], [0, 2, 4, 6]],
  ["one in the middle", [0, none, 4, 6], [0, 2, 4, 6]],
  ["several, where the rate varies", [0, 1, none, none, 10, 11], [0, 1, 4, 7, 10, 11]],
  ["one that goes back", [0, 2, 4, 1, 8, 10], [0, 2, 4, 6, 8, 10]],
  ["one that leaps ahead", [0, 2, 900, 6, 8], [0, 2, 4, 6, 8]],
  ["one that is there twice", [0, 2, 2, 6, 8], [0, 2, 4, 6, 8]],
  ["times that begin anew", [0, 2, 4, 6, 0, 2, 4], [0, 2, 4, 6, 8, 10, 12]],
  ["all but one: the coded rate", [none, 7, none], [4, 7, 10]],
])("%s", (_, times, expected) => {
  expect(filledTimes(times, 3)).toEqual(expected);
});

test("no time at all, and no rate to go by", () => {
  expect(filledTimes([none, none], 3)).toBeUndefined();
  expect(filledTimes([none, 5], none)).toBeUndefined();
});
