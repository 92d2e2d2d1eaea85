import { expect, test } from "vitest";
import { fromBfloat16, toBfloat16 } from "./bfloat16.ts";

const round = (value: number): number => {
  const out = new Float32Array(2);
  fromBfloat16(toBfloat16(Float32Array.of(value)), out, 1);
  return out[1] as number;
};

test.each([
  [0, 0],
  [-0, -0],
  [1, 1],
  [-1.5, -1.5],
  // eight bits of fraction: halfway cases go to the even neighbour
  [1 + 2 ** -8, 1],
  [1 + 3 * 2 ** -8, 1 + 2 ** -6],
  [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
  [3.3895313892515355e38, 3.3895313892515355e38],
  [3.4028234663852886e38, Number.POSITIVE_INFINITY],
  [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
  [Number.NaN, Number.NaN],
])("%s becomes %s", (value, expected) => {
  expect(round(value)).toBe(expected);
});

test("a not-a-number whose bits are all below the cut stays one", () => {
  const values = new Float32Array(1);
  new Uint32Array(values.buffer)[0] = 0x7f800001;
  const out = new Float32Array(1);
  fromBfloat16(toBfloat16(values), out, 0);
  expect(out[0]).toBeNaN();
});
