import { expect, test } from "vitest";
import { encodeLabelPng as encodeWith } from "../mask/label-png.ts";
import { decodeLabelPng, encodeLabelPng } from "../web.ts";

const map = { width: 300, height: 200, data: Uint8Array.from({ length: 60_000 }, (_, i) => (i * i) % 256) };

test("labels come back as they were, through a page's own compression", async () => {
  const png = await encodeLabelPng(map);
  expect(await decodeLabelPng(png)).toEqual(map);
  const bitmap = await createImageBitmap(new Blob([png as Uint8Array<ArrayBuffer>], { type: "image/png" }));
  expect([bitmap.width, bitmap.height]).toEqual([300, 200]);
});

test("what is broken, or longer than it says, is refused", async () => {
  const png = await encodeLabelPng(map);
  await expect(decodeLabelPng(png.subarray(0, 500), "a.png")).rejects.toMatchObject({ code: "image-corrupt" });
  const long = new Blob([new Uint8Array(10_000_000)]).stream().pipeThrough(new CompressionStream("deflate"));
  const deflated = new Uint8Array(await new Response(long).arrayBuffer());
  const bomb = await encodeWith(map, { deflate: async () => deflated, inflate: async (bytes) => bytes });
  await expect(decodeLabelPng(bomb)).rejects.toMatchObject({ code: "image-corrupt" });
});
