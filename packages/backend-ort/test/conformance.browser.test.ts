import { leanTest } from "@masklet/core/test/slow.web";
import { testBackend } from "@masklet/core/testing";
import { describe, expect, test } from "vitest";
import type { OrtBackend } from "../src/runtime.ts";
import { createOrtBackend } from "../src/web.ts";

const held = (backend: object): number => (backend as OrtBackend).liveTensors;

describe("wasm, two threads", () => {
  test("the page is isolated", () => expect(globalThis.crossOriginIsolated).toBe(true));
  testBackend(() => createOrtBackend({ device: "wasm", threads: 2 }), { test, held });
});

describe("webgpu", () => {
  testBackend(() => createOrtBackend({ device: "webgpu" }), { test: leanTest, held });
});
