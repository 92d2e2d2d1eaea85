import { expect, test } from "vitest";
import { upsampledArea, upsampleLogits, upsampleMask } from "./postprocess.ts";
import { randomNumbers } from "./samples.ts";

const sizes = [
  [8, 8, 30, 17],
  [16, 16, 16, 16],
  [16, 12, 7, 5],
  [16, 16, 1, 1],
  [16, 16, 1, 200],
  [1, 1, 9, 9],
  [5, 3, 64, 48],
] as const;

test.each(sizes.flatMap((s) => [0, 1.5, -2].map((t) => [...s, t] as const)))(
  "%i x %i to %i x %i: the mask is the logits above %f",
  (w, h, width, height, threshold) => {
    for (const spread of [1, 0.02, 8]) {
      const next = randomNumbers(w * 31 + height);
      // Blobs: neighbours mostly agree, as real logits do.
      const logits = Float32Array.from({ length: w * h }, (_, i) => {
        const wave = Math.sin((i % w) / spread) + Math.cos(Math.floor(i / w) / spread);
        return threshold + 4 * wave + next() - 0.5;
      });
      const from = { width: w, height: h };
      const to = { width, height };
      const expected = upsampleLogits(logits, from, to).map((v) => (v > threshold ? 1 : 0));
      const mask = upsampleMask(logits, from, to, { threshold });
      expect(mask).toEqual({ width, height, data: Uint8Array.from(expected) });
      expect(upsampledArea(logits, from, to, { threshold })).toBe(expected.reduce((sum, v) => sum + v, 0));
    }
  },
);

test("a logit of exactly the threshold is outside", () => {
  const to = { width: 4, height: 4 };
  expect(upsampleMask(new Float32Array(4), { width: 2, height: 2 }, to).data).toEqual(new Uint8Array(16));
});

test("halves fall between the low-resolution pixels", () => {
  // -1 and 1 at centres 2 and 6 of 8: the edge is at 4.
  const { data } = upsampleMask(Float32Array.of(-1, 1), { width: 2, height: 1 }, { width: 8, height: 2 });
  expect([...data]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
});
