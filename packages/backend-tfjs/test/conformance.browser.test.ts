import { leanTest } from "@masklet/core/test/slow.web";
import { testBackend } from "@masklet/core/testing";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, test } from "vitest";
import type { TfjsBackend } from "../src/public.ts";
import { createTfjsBackend } from "../src/web.ts";

const held = (backend: object): number => (backend as TfjsBackend).liveTensors;

/** Small inputs would be computed by the cpu engine. */
const forwarding = { webgl: "WEBGL_CPU_FORWARD", webgpu: "WEBGPU_CPU_FORWARD" } as const;

describe.each(["webgl", "webgpu"] as const)("%s", (engine) => {
  beforeAll(async () => {
    await (await createTfjsBackend({ engine })).dispose();
    tf.env().set(forwarding[engine], false);
  });
  testBackend(() => createTfjsBackend({ engine }), { test: engine === "webgpu" ? leanTest : test, held });
});

/** With threads, which it does not have in Node. */
describe("wasm", () => {
  /** Where the test's server has the engine's files. */
  const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";
  testBackend(() => createTfjsBackend({ engine: "wasm", wasmPaths, threads: 2 }), { test, held });
});
