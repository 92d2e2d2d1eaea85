/** What the model thought of an object is found by its mask, kept as text, and forgotten when the mask is another. */
import type { Mask, MaskLogits } from "@masklet/core";
import { EditorSession } from "@masklet/editor";
import { expect, test } from "vitest";
import { ObjectLogits } from "./logits.ts";

const size = { width: 96, height: 64 };
/** A disc's logits, firm but within a slope of its edge. */
const disc = (middle: number): MaskLogits => ({
  width: 32,
  height: 32,
  data: new Float32Array(1024).map((_, i) => 3 * (8 - Math.hypot((i % 32) - middle, Math.floor(i / 32) - 16)) + 0.001),
});
const maskOf = ({ data }: MaskLogits): Mask => ({
  ...size,
  data: new Uint8Array(size.width * size.height).map((_, i) =>
    Number((data[32 * Math.floor(Math.floor(i / 96) / 2) + Math.floor((i % 96) / 3)] ?? 0) > 0),
  ),
});

function added(logits: MaskLogits, recent: readonly (readonly MaskLogits[])[]): [EditorSession, ObjectLogits] {
  const session = new EditorSession(size);
  const known = new ObjectLogits(session);
  session.engine = { recent, predict: async () => ({ masks: [], iouPredictions: [] }) } as never;
  session.addObjects([{ mask: maskOf(logits) }]);
  return [session, known];
}

test("a new object's logits are those of the prediction that it is from", () => {
  const [, known] = added(disc(20), [[disc(12), disc(20)], [disc(21)]]);
  const found = known.of(1);
  const wanted = disc(20).data;
  for (const [i, value] of (found?.data ?? []).entries()) {
    const firm = Math.max(-4, Math.min(4, wanted[i] ?? 0));
    expect(Math.abs(value - firm)).toBeLessThan(0.04);
    expect(Math.sign(value)).toBe(Math.sign(wanted[i] ?? 0));
  }
  expect(found?.data).toHaveLength(1024);
  expect(added(disc(20), [[disc(8)]])[1].of(1)).toBeUndefined();
});

test("as text they come back, and what is none is left", () => {
  const [session, known] = added(disc(20), [[disc(20)]]);
  const text = known.write(1);
  expect(text.length).toBeLessThan(1200);
  const again = new ObjectLogits(session);
  expect(again.write(1)).toBe("");
  for (const other of [undefined, 5, "", "32 32 AAAA", "32 32 a-b", "32 32 AA=A", "1e9 1e9 AAAA", "-1 -1 AAAA"])
    again.read(1, other);
  expect(again.of(1)).toBeUndefined();
  again.read(1, text);
  expect(again.of(1)).toEqual(known.of(1));
});

test("a mask that was made another has none, one that was mended keeps them", () => {
  const [session, known] = added(disc(20), [[disc(20)]]);
  session.select(1);
  session.grow(1);
  expect(known.of(1)).toBeDefined();
  session.invert();
  expect(known.of(1)).toBeUndefined();
});
