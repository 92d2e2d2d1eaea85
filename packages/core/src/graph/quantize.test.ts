import { expect, test } from "vitest";
import { floats, RandomTensors } from "../testing/fixtures.ts";
import { quantizeActivations, quantizeWeight } from "./quantize.ts";

const random = new RandomTensors(3);

test("8 bits: each row by its largest magnitude", () => {
  const { values, scales } = quantizeWeight(floats([2, 3], 1, -2, 0.5, 0.1, 0.02, 0.1), 8);
  expect([...values]).toEqual([64, -127, 32, 127, 25, 127]);
  expect([...scales]).toEqual([2 / 127, 0.1 / 127].map(Math.fround));
});

test("4 bits: each 32 entries by the one of the largest magnitude, which becomes -8", () => {
  const weight = floats([1, 34], ...new Array(31).fill(0.5), -2, 3, -1);
  const { values, scales } = quantizeWeight(weight, 4);
  expect([...scales]).toEqual([0.25, -0.375]);
  expect([...values]).toEqual([...new Array(31).fill(2), -8, -8, 3]);
});

test.each([8, 4] as const)("%i bits: no entry is further off than half a step, zeros stay", (bits) => {
  const [rows, inner] = [5, 70];
  const weight = random.floats([rows, inner]);
  weight.data.fill(0, inner, 2 * inner);
  const { values, scales } = quantizeWeight(weight, bits);
  const blocks = scales.length / rows;
  const [least, most] = bits === 8 ? [-127, 127] : [-8, 7];
  for (const [i, value] of values.entries()) {
    const scale = scales[Math.floor(i / inner) * blocks + Math.floor((i % inner) / Math.ceil(bits === 8 ? inner : 32))];
    const apart = Math.abs(value * (scale as number) - (weight.data[i] as number));
    // The far end of a range that is not symmetric is half a step further off.
    expect(apart).toBeLessThanOrEqual(Math.abs(scale as number) * (value === most && bits === 4 ? 1.001 : 0.501));
    expect(value >= least && value <= most).toBe(true);
  }
  expect(values.subarray(inner, 2 * inner).every((value) => value === 0)).toBe(true);
});

test("activations: 256 steps between their ends, 0 exactly", () => {
  const { values, scale } = quantizeActivations(Float32Array.of(-1, 0, 0.004, 1.55));
  expect(scale).toBe(Math.fround(Math.fround(2.55) / 255));
  expect([...values]).toEqual([-100, 0, 0, 155]);
  expect(quantizeActivations(Float32Array.of(1, 3, 510)).values).toEqual(Float32Array.of(0, 2, 255)); // half to even
  expect(quantizeActivations(new Float32Array(3))).toEqual({ values: new Float32Array(3), scale: 1 });
});
