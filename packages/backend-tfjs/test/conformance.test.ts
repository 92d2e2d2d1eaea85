import { testBackend } from "@masklet/core/testing";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, test } from "vitest";
import { createTfjsBackend } from "../src/node.ts";
import type { TfjsBackend } from "../src/public.ts";

const held = (backend: object): number => (backend as TfjsBackend).liveTensors;

describe.each(["cpu", "wasm"] as const)("%s", (engine) => {
  testBackend(() => createTfjsBackend({ engine }), { test, held });
});

/** The path of `tfjs-node`, whose binding is not there: the cpu engine's kernels under libtensorflow's name. */
describe("node, injected", () => {
  beforeAll(() => {
    tf.registerBackend("tensorflow", () => new MathBackendCPU());
    tf.copyRegisteredKernels("cpu", "tensorflow");
  });
  testBackend(() => createTfjsBackend({ tf, engine: "node" }), { test, held });
});
