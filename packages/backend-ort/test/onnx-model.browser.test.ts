import type { HostTensor } from "@masklet/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOrtBackend, type OrtBackend, openDetector, openSubjectFinder, removeBackground } from "../src/web.ts";
import { blobModel } from "./blob-models.ts";
import { onnxFile } from "./onnx-file.ts";

let backend: OrtBackend;
beforeAll(async () => {
  backend = await createOrtBackend({ device: "wasm", threads: 1 });
});
afterAll(() => backend.dispose());

test("files that others made run as they are, halves and integers too", async () => {
  const dtypes = ["float32", "float16", "int64", "uint8"] as const;
  const data = [Float32Array.of(1, -2), Uint16Array.of(0x3c00, 0xc000), BigInt64Array.of(1n, -2n), Uint8Array.of(1, 2)];
  const file = onnxFile({
    nodes: dtypes.map((dtype) => ({ op: "Identity", inputs: [dtype], outputs: [`${dtype}Out`] })),
    inputs: dtypes.map((dtype) => ({ name: dtype, dtype, dims: ["n"] })),
    outputs: dtypes.map((dtype) => ({ name: `${dtype}Out`, dtype, dims: ["n"] })),
    metadata: { stride: "32" },
  });
  await using model = await backend.openModel(file);
  expect(model.inputs).toEqual(dtypes.map((dtype) => ({ name: dtype, dtype, dims: ["n"] })));
  expect(model.metadata).toEqual({ stride: "32" });
  const feeds = dtypes.map((dtype, i) => [dtype, { dtype, dims: [2], data: data[i] } as HostTensor] as const);
  const results = await model.run(Object.fromEntries(feeds));
  for (const [dtype, fed] of feeds) expect(results[`${dtype}Out`]).toEqual(fed);
});

test("a subject model from an address, and its soft mask as alpha", async () => {
  const redness = onnxFile({
    nodes: [{ op: "Conv", inputs: ["input", "kernel"], outputs: ["output"] }],
    initializers: [{ name: "kernel", dims: [1, 3, 1, 1], data: Float32Array.of(1, 0, 0) }],
    inputs: [{ name: "input", dims: [1, 3, "height", "width"] }],
    outputs: [{ name: "output", dims: [1, 1, "height", "width"] }],
  });
  const blob = new Blob([redness as Uint8Array<ArrayBuffer>]);
  const address = new URL("/subject.onnx", location.href);
  const cache = await caches.open("masklet");
  await cache.put(address, new Response(blob)); // as if it had been fetched before
  await using finder = await openSubjectFinder(address, { backend, kind: "modnet" });
  await cache.delete(address);
  await using fromBlob = await openSubjectFinder(blob, { backend, kind: "modnet" });
  expect(fromBlob.kind).toBe("modnet");
  const data = new Uint8Array(3 * 32 * 32);
  for (let i = 0; i < 1024; i++) data.set(i % 32 < 16 ? [255, 0, i % 7] : [0, 0, i % 200], 3 * i);
  const { cutout, method } = await removeBackground(
    { width: 32, height: 32, channels: 3, data },
    { finder, sharpen: false, flat: false },
  );
  expect(method).toBe("soft-mask");
  expect([cutout.data[4 * (16 * 32 + 4) + 3], cutout.data[4 * (16 * 32 + 28) + 3]]).toEqual([255, 0]);
});

test.each(["float32", "float16"] as const)("a detector of %s, from a file that a page's user chose", async (dtype) => {
  const file = new Blob([blobModel("yolo", { dtype, metadata: { names: "{0: 'red', 1: 'blue'}" } }) as BlobPart]);
  await using detector = await openDetector(file, { backend });
  const data = new Uint8Array(100 * 60 * 3);
  for (let y = 12; y < 40; y++) for (let x = 20; x < 60; x++) data[(y * 100 + x) * 3] = 255;
  const found = await detector.detect({ width: 100, height: 60, channels: 3, data });
  expect([detector.layout, found.map(({ label }) => label)]).toEqual(["yolo", ["red"]]);
  for (const [i, edge] of [20, 12, 60, 40].entries())
    expect(Math.abs((found[0]?.box[i] ?? 0) - edge)).toBeLessThan(1.6);
});
