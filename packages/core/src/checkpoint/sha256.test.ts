import { createHash } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { toyConfig } from "../../test/toy-sam2.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { Sam2 } from "../sam2.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { bytesSource } from "./byte-source.ts";

afterEach(() => vi.unstubAllGlobals());

test("bytes have their hash, and none once they are another thread's", async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i).subarray(10);
  const source = bytesSource(bytes);
  expect(await source.sha256?.()).toBe(createHash("sha256").update(bytes).digest("hex"));
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  expect(await source.sha256?.()).toBeUndefined();
});

test("where the page is not secure nobody can tell", async () => {
  vi.stubGlobal("crypto", {});
  expect(await bytesSource(Uint8Array.of(1)).sha256?.()).toBeUndefined();
});

test("a model asks its checkpoint once, and does not fail where that is gone", async () => {
  const sha256 = vi.fn(() => Promise.reject(new Error("gone")));
  const weights = { ...hashedWeights(toyConfig), sha256 };
  const model = await Sam2.fromWeights(weights, { backend: createReferenceBackend(), config: toyConfig });
  expect([await model.sha256(), await model.sha256(), sha256.mock.calls.length]).toEqual([undefined, undefined, 1]);
  await model.dispose();
});
