/** The page of a server that does not isolate it. */
import { testBackend } from "@masklet/core/testing";
import * as ort from "onnxruntime-web/wasm";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { OrtBackend } from "../src/runtime.ts";
import { createOrtBackend } from "../src/web.ts";

const held = (backend: object): number => (backend as OrtBackend).liveTensors;

beforeAll(() => {
  vi.stubGlobal("crossOriginIsolated", false);
  vi.stubGlobal("SharedArrayBuffer", undefined);
});
afterAll(() => vi.unstubAllGlobals());

testBackend(() => createOrtBackend({ device: "wasm", threads: 4 }), { test, held });

test("it had one thread, and nothing was said about it", async () => {
  const warn = vi.spyOn(console, "warn");
  const backend = await createOrtBackend({ device: "wasm", threads: 4 });
  expect(ort.env.wasm.numThreads).toBe(1);
  expect(warn).not.toHaveBeenCalled();
  await backend.dispose();
});
