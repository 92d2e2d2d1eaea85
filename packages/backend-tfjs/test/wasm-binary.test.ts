import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { toyEncoderGraph, toyWeights } from "@masklet/core/testing";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import { createTfjsBackend } from "../src/node.ts";

const file = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm");

test("the wasm engine from bytes: refused if they are none, then without SIMD, and nothing is fetched", async () => {
  await expect(createTfjsBackend({ engine: "wasm", wasmBinary: Uint8Array.of(1, 2, 3) })).rejects.toMatchObject({
    code: "device-unavailable",
    message: expect.stringContaining("wasmBinary is no wasm module"),
  });
  const fetch = vi.spyOn(tf.env().platform, "fetch");
  const backend = await createTfjsBackend({ engine: "wasm", wasmBinary: await readFile(file) });
  expect(fetch).not.toHaveBeenCalled();
  const encoder = await backend.compile(toyEncoderGraph(), toyWeights());
  const data = Float32Array.from({ length: 588 }, (_, i) => Math.sin(i));
  const { features } = await encoder.run({ image: { dtype: "float32", dims: [1, 14, 14, 3], data } });
  expect((await features?.read())?.data.every(Number.isFinite)).toBe(true);
  await backend.dispose();
});
