import { expect, test } from "vitest";
import { data, fields, given, image, list, optional, prompt } from "./kind.ts";

test("fields that a kind does not have are left behind, and those left out stay out", () => {
  const kind = fields<{ readonly a: number; readonly b?: number }>({ a: data(), b: optional(data()) });
  const value = { a: 1, c: () => 1 };
  expect(Object.keys(kind.send(value, new Set()))).toEqual(["a"]);
  expect([{ a: 1 }, null, 7].map((came) => kind.fits(came))).toEqual([true, false, false]);
});

test("pixels and logits are copied and the copy is handed over, unless their own buffer is", () => {
  const picture = { width: 1, height: 1, channels: 3, data: new Uint8Array(9).subarray(3, 6) } as const;
  const transfer = new Set<ArrayBuffer>();
  const sent = image.send(picture, transfer);
  expect(sent).toEqual(picture);
  expect([...transfer]).toEqual([sent.data.buffer]);
  expect(sent.data.buffer.byteLength).toBe(3);
  const own = new Set([picture.data.buffer]);
  expect(image.send(picture, own).data).toBe(picture.data);
  expect(own.size).toBe(1);

  const maskInput = { width: 2, height: 1, data: Float32Array.of(1, 2) };
  const asked = prompt.send({ maskInput }, transfer);
  expect(asked).toEqual({ maskInput });
  expect(transfer).toContain(asked.maskInput?.data.buffer);
  expect(transfer).not.toContain(maskInput.data.buffer);
});

test("buffers to hand over are found without looking through those found before", () => {
  class Watched extends Set<ArrayBuffer> {
    looked = 0;
    override [Symbol.iterator](): SetIterator<ArrayBuffer> {
      this.looked++;
      return super[Symbol.iterator]();
    }
  }
  const transfer = new Watched();
  const masks = Array.from({ length: 1000 }, () => ({ data: new Uint8Array(1) }));
  const part = new Uint8Array(8).subarray(1); // its buffer may be another's too
  const value = [{ masks, best: masks[0], part }];
  expect(list(given<unknown>()).send(value, transfer)[0]).toBe(value[0]);
  expect([transfer.size, transfer.looked]).toEqual([1000, 0]);
});
