import { expect, test } from "vitest";
import { bytesOf } from "../../test/checkpoint-files.ts";
import { toFloat16, toFloat32 } from "./convert.ts";

const every16 = Uint16Array.from({ length: 65536 }, (_, i) => i);

test("every half is its IEEE 754 value", () => {
  const values = toFloat32("float16", bytesOf(every16));
  every16.forEach((bits) => {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    const magnitude =
      exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : exponent === 0
          ? fraction * 2 ** -24
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    if (!Object.is(values[bits], sign * magnitude)) expect([bits, values[bits]]).toEqual([bits, sign * magnitude]);
  });
});

test("a bfloat16 is the upper half of a float32", () => {
  const bits = new Uint32Array(toFloat32("bfloat16", bytesOf(every16)).buffer);
  expect(bits.every((value, i) => value === i * 65536)).toBe(true);
});

test("integers and truth values", () => {
  expect([...toFloat32("int32", bytesOf(Int32Array.of(-1, 7, 2 ** 31 - 1)))]).toEqual([-1, 7, 2 ** 31]);
  expect([...toFloat32("int64", bytesOf(BigInt64Array.of(-5n, 2n ** 40n)))]).toEqual([-5, 2 ** 40]);
  expect([...toFloat32("uint8", Uint8Array.of(0, 255))]).toEqual([0, 255]);
  expect([...toFloat32("bool", Uint8Array.of(0, 1, 2))]).toEqual([0, 1, 1]);
});

test("aligned float32 is a view, unaligned is copied", () => {
  const memory = new Uint8Array(16);
  new DataView(memory.buffer).setFloat32(4, 1.5, true);
  const aligned = toFloat32("float32", memory.subarray(4, 8));
  expect(aligned[0]).toBe(1.5);
  expect(aligned.buffer).toBe(memory.buffer);
  memory.copyWithin(5, 4, 8);
  expect(toFloat32("float32", memory.subarray(5, 9))[0]).toBe(1.5);
  expect(toFloat32("float32", Buffer.from(memory.buffer, 5, 4))[0]).toBe(1.5); // whose slice is no copy
});

test("float32 to float16: every half and what lies between", () => {
  const all = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
  const values = toFloat32("float16", new Uint8Array(all.buffer));
  expect(toFloat16(values)).toEqual(all);
  expect(toFloat16(values.map((value) => -value))).toEqual(all.map((half) => half | 0x8000));
  // Halfway between neighbours the even one; a little further the nearer.
  const middle = values.subarray(0, -1).map((value, i) => (value + (values[i + 1] as number)) / 2);
  expect(toFloat16(middle)).toEqual(all.subarray(0, -1).map((half) => half + (half & 1)));
  const above = middle.map((value, i) => value + ((values[i + 1] as number) - value) / 64);
  expect(toFloat16(above)).toEqual(all.subarray(1));
  const special = Float32Array.of(65519, 65520, -1e30, Number.POSITIVE_INFINITY, Number.NaN, -0, 1e-30);
  expect([...toFloat16(special)]).toEqual([0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x7e00, 0x8000, 0]);
});
