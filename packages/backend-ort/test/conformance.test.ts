import { testBackend } from "@masklet/core/testing";
import { beforeAll, describe, test } from "vitest";
import { createBackend } from "../src/backend.ts";
import { Lock } from "../src/lock.ts";
import { createOrtBackend } from "../src/node.ts";
import type { OrtBackend, OrtRuntime } from "../src/runtime.ts";
import { sessionOptions } from "../src/session-options.ts";
import { createOrtBackend as createWebBackend } from "../src/web.ts";

const held = (backend: object): number => (backend as OrtBackend).liveTensors;

describe("onnxruntime-node, cpu", () => {
  testBackend(() => createOrtBackend({ threads: 2 }), { test, held });
});

describe("the nodes that GPUs get, on the cpu", () => {
  let ort: OrtRuntime;
  beforeAll(async () => {
    ort = await import("onnxruntime-node");
  });
  const create = (): OrtBackend =>
    createBackend({
      ort,
      target: "gpu",
      capabilities: { device: "cpu", deviceTensors: true, fusedOps: [] },
      sessionOptions: sessionOptions("cpu", { threads: 1 }),
      lock: new Lock(),
    });
  testBackend(create, { test, held });
});

describe("onnxruntime-web, wasm, in Node", () => {
  let ort: OrtRuntime;
  beforeAll(async () => {
    ort = await import("onnxruntime-web");
  });
  testBackend(() => createWebBackend({ ort, device: "wasm", threads: 1 }), { test, held });
});
