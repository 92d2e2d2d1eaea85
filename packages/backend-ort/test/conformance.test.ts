import { float32, GraphBuilder, Queue, type Value } from "@masklet/core/backend";
import { conformanceCases, memoryWeights, testBackend } from "@masklet/core/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { createBackend } from "../src/backend.ts";
import { createOrtBackend } from "../src/node.ts";
import type { OrtBackend, OrtRuntime } from "../src/runtime.ts";
import { sessionOptions } from "../src/session-options.ts";
import { createOrtBackend as createWebBackend } from "../src/web-backend.ts";

const held = (backend: object): number => (backend as OrtBackend).liveTensors;

describe("onnxruntime-node, cpu", () => {
  testBackend(() => createOrtBackend({ threads: 2 }), { test, held });
});

/** Small, so that few queries make several blocks. */
const composed = { fuses: () => false, scoreBytes: 256 };

describe.each([
  { name: "the nodes that GPUs get", target: "gpu" },
  { name: "those without a kernel for attention", target: "gpu", attention: composed },
  { name: "those of wasm where scores are many", target: "cpu", attention: composed },
] as const)("$name, on the cpu", ({ target, ...attention }) => {
  let ort: OrtRuntime;
  beforeAll(async () => {
    ort = await import("onnxruntime-node");
  });
  const create = (): OrtBackend =>
    createBackend({
      ort,
      target,
      ...attention,
      capabilities: { device: "cpu", deviceTensors: true, fusedOps: [], dtypes: ["fp32", "fp16", "q8", "q4"] },
      sessionOptions: sessionOptions("cpu", { threads: 1 }),
      lock: new Queue(),
    });
  testBackend(create, { test, held });
});

describe("where products of signed bytes saturate: unsigned ones", () => {
  const cases = conformanceCases({ held }).filter(({ name }) => /^quantizedLinear: |8 bits/.test(name));
  test.each(cases)("$name", async ({ run }) => {
    const real = await import("onnxruntime-node");
    // The probe's session is the one that takes bytes: its answer is replaced by that of a processor without VNNI.
    const create: OrtRuntime["InferenceSession"]["create"] = async (model, options) => {
      const session = await real.InferenceSession.create(model, options);
      const [input] = session.inputMetadata;
      if (!input?.isTensor || input.type !== "uint8") return session;
      const y = new real.Tensor("int32", Int32Array.of(32767), [1, 1]);
      return { run: async () => ({ y }), release: () => session.release() } as unknown as typeof session;
    };
    const backend = await createOrtBackend({ ort: { ...real, InferenceSession: { create } }, threads: 1 });
    await run(backend);
    await backend.dispose();
  });
});

describe("onnxruntime-web, wasm, in Node", () => {
  let ort: OrtRuntime;
  beforeAll(async () => {
    ort = await import("onnxruntime-web");
  });
  testBackend(() => createWebBackend({ ort, device: "wasm", threads: 1 }), { test, held });

  test("a head of more operations than the kernel can count", async () => {
    const [rows, width] = [2048, 256];
    const g = new GraphBuilder("wide");
    const [q, k, v] = ["q", "k", "v"].map((name) => g.input(name, [1, rows, width])) as [Value, Value, Value];
    g.output("y", g.attention(q, k, v, { heads: 1, scale: 1 }));
    const backend = await createWebBackend({ ort, device: "wasm", threads: 1 });
    const executable = await backend.compile(g.build(), memoryWeights({}));
    const zeros = float32([1, rows, width], new Float32Array(rows * width));
    const numbered = float32(
      [1, rows, width],
      Float32Array.from(zeros.data, (_, i) => Math.floor(i / width)),
    );
    const { y } = await executable.run({ q: zeros, k: zeros, v: numbered });
    const means = (await y?.read())?.data as Float32Array;
    expect(means.every((mean) => Math.abs(mean - (rows - 1) / 2) < 0.01)).toBe(true);
    await backend.dispose();
  });
});
