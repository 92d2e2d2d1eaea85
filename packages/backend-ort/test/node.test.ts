import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendError, type ByteSource, type WeightEntry, type WeightStore } from "@masklet/core";
import { type Graph, GraphBuilder } from "@masklet/core/backend";
import { floats, memoryWeights, RandomTensors, TestAbort } from "@masklet/core/testing";
import * as onnxruntime from "onnxruntime-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { availableDevices, createOrtBackend, type OrtBackend, type OrtRuntime } from "../src/node.ts";

/** y = x a^T + b, for any number of rows. */
function affine(): Graph {
  const g = new GraphBuilder("affine");
  g.output("y", g.linear(g.input("x", ["n", 2]), g.weight("a", [2, 2]), g.weight("b", [2])));
  return g.build();
}
const a = floats([2, 2], 1, 2, 3, 4);
const b = floats([2], 10, 20);
const x = floats([1, 2], 1, -1);
const expected = Float32Array.of(9, 19);

async function runAffine(backend: OrtBackend, weights: WeightStore): Promise<unknown> {
  const executable = await backend.compile(affine(), weights);
  const { y } = await executable.run({ x });
  const { data } = (await y?.read()) ?? {};
  y?.dispose();
  await executable.dispose();
  return data;
}

/** The runtime, counting the sessions that are open. */
function counting(overrides: Partial<onnxruntime.InferenceSession> = {}): { ort: OrtRuntime; open: () => number } {
  let open = 0;
  const create: OrtRuntime["InferenceSession"]["create"] = async (model, options) => {
    const session = await onnxruntime.InferenceSession.create(model, options);
    open++;
    const release = async (): Promise<void> => {
      open--;
      await session.release();
    };
    const run: (typeof session)["run"] = session.run.bind(session);
    return Object.assign(Object.create(session), { release, run, ...overrides });
  };
  return { ort: { ...onnxruntime, InferenceSession: { create } }, open: () => open };
}

describe("weights in files", () => {
  let folder: string;
  let backend: OrtBackend;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "masklet-test-"));
    backend = await createOrtBackend({ threads: 1 });
  });
  afterEach(async () => {
    await backend.dispose();
    await rm(folder, { recursive: true });
  });

  /** A tensor in a file of its own after `lead` bytes; JavaScript may not read it. */
  async function entry(name: string, path: string, tensor: typeof a, lead: number): Promise<WeightEntry> {
    const data = Buffer.from(tensor.data.buffer);
    await writeFile(path, Buffer.concat([Buffer.alloc(lead, 0xff), data]));
    const source: ByteSource = {
      name: path,
      path,
      size: lead + data.byteLength,
      read: () => Promise.reject(new Error("was read through JavaScript")),
    };
    return { name, dtype: "float32", dims: tensor.dims, source, offset: lead, byteLength: data.byteLength };
  }

  function store(...entries: readonly WeightEntry[]): WeightStore {
    return {
      name: "files",
      entries: new Map(entries.map((item) => [item.name, item])),
      read: () => Promise.reject(new Error("was read through JavaScript")),
      close: async () => {},
    };
  }

  test("the runtime reads them by itself, at any offset, from several folders, through links", async () => {
    await mkdir(join(folder, "one", "deep"), { recursive: true });
    await mkdir(join(folder, "two ü"));
    const first = await entry("a", join(folder, "one", "deep", "a.bin"), a, 3);
    const second = await entry("b", join(folder, "two ü", "b.bin"), b, 64);
    expect(await runAffine(backend, store(first, second))).toEqual(expected);
    const link = join(folder, "link");
    await symlink(first.source.path ?? "", link);
    const linked = { ...first, source: { ...first.source, path: link } };
    expect(await runAffine(backend, store(linked, second))).toEqual(expected);
  });

  test("a file that has gone is an error that names the graph", async () => {
    const gone = await entry("a", join(folder, "a.bin"), a, 0);
    const kept = await entry("b", join(folder, "b.bin"), b, 0);
    await rm(join(folder, "a.bin"));
    await expect(backend.compile(affine(), store(gone, kept))).rejects.toThrow("was read through JavaScript");
  });

  test("a file that has shrunk is an error that names the graph", async () => {
    const cut = await entry("a", join(folder, "a.bin"), a, 0);
    await writeFile(join(folder, "a.bin"), Buffer.alloc(8));
    const whole = await entry("b", join(folder, "b.bin"), b, 0);
    await expect(backend.compile(affine(), store(cut, whole))).rejects.toMatchObject({
      code: "compile-failed",
      details: { graph: "affine", device: "cpu" },
    });
  });

  test("one tensor in memory and one in a file", async () => {
    const inFile = await entry("a", join(folder, "a.bin"), a, 0);
    const inMemory = memoryWeights({ b }).entries.get("b") as WeightEntry;
    const readable = { ...inFile, source: { ...inFile.source, read: async () => new Uint8Array(a.data.buffer) } };
    expect(await runAffine(backend, store(readable, inMemory))).toEqual(expected);
  });
});

describe("devices", () => {
  test("the CPU is always there", async () => {
    expect(await availableDevices()).toContain("cpu");
  });

  test("one that is missing is refused, and what there is named", async () => {
    const available = await availableDevices();
    const missing = (["coreml", "dml", "cuda", "webgpu"] as const).find((device) => !available.includes(device));
    const error = await createOrtBackend({ device: missing ?? ("npu" as "cpu") }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ code: "device-unavailable", details: { device: missing ?? "npu", available } });
    expect((error as Error).message).toContain(`this machine offers ${available.join(", ")}`);
  });
});

describe("sessions", () => {
  const weights = memoryWeights({ a, b });

  test("are released with their executable, or with the backend", async () => {
    const { ort, open } = counting();
    const backend = await createOrtBackend({ ort, threads: 1 });
    const [first] = [await backend.compile(affine(), weights), await backend.compile(affine(), weights)];
    expect(open()).toBe(2);
    await first.dispose();
    await first.dispose();
    expect(open()).toBe(1);
    await backend.dispose();
    expect(open()).toBe(0);
  });

  test("are released when the compilation is aborted while the runtime creates them", async () => {
    const { ort, open } = counting();
    const abort = new TestAbort();
    const create: OrtRuntime["InferenceSession"]["create"] = async (model, options) => {
      const session = await ort.InferenceSession.create(model, options);
      abort.abort();
      return session;
    };
    const backend = await createOrtBackend({ ort: { ...ort, InferenceSession: { create } }, threads: 1 });
    await expect(backend.compile(affine(), weights, { signal: abort.signal })).rejects.toBe(abort.reason);
    await new Promise((resolve) => setImmediate(resolve));
    expect(open()).toBe(0);
    expect(abort.listeners).toBe(0);
    await backend.dispose();
  });

  test("are released when the backend is disposed of meanwhile", async () => {
    const { ort, open } = counting();
    const backend = await createOrtBackend({ ort, threads: 1 });
    const compiled = backend.compile(affine(), weights);
    await backend.dispose();
    await expect(compiled).rejects.toMatchObject({ code: "disposed" });
    expect(open()).toBe(0);
  });

  test("a run that fails says which graph, and leaves nothing behind", async () => {
    const cause = new Error("out of memory");
    const { ort } = counting({ run: () => Promise.reject(cause) });
    const backend = await createOrtBackend({ ort, threads: 1 });
    const executable = await backend.compile(affine(), weights);
    await expect(executable.run({ x })).rejects.toMatchObject({
      code: "run-failed",
      message: "affine: ONNX Runtime failed: out of memory",
      cause,
    });
    expect(backend.liveTensors).toBe(0);
    await backend.dispose();
  });

  test("profile: the time of every node, and no file left", async () => {
    const before = await profiles();
    const backend = await createOrtBackend({ threads: 1, profile: true });
    const executable = await backend.compile(affine(), weights);
    for (let i = 0; i < 3; i++) (await executable.run({ x }))["y"]?.dispose();
    const { nodes } = await executable.endProfile();
    const product = nodes.find(({ op }) => op === "FusedMatMul");
    expect(product).toMatchObject({ provider: "CPU", calls: 3 });
    expect(product?.milliseconds).toBeGreaterThan(0);
    await expect(executable.endProfile()).rejects.toMatchObject({ code: "unsupported" });
    await backend.compile(affine(), weights);
    await backend.dispose();
    expect(await profiles()).toEqual(before);
  });

  test("what depends on no input is computed when the graph is compiled, however large", async () => {
    const random = new RandomTensors(1);
    const g = new GraphBuilder("constants");
    const [rows, columns] = [g.weight("rows", [512, 2]), g.weight("columns", [512, 2])];
    const [x, bias] = [g.input("x", [1, 512]), g.weight("bias", [512])];
    g.output("linear", g.add(x, g.linear(rows, columns, bias)));
    g.output("matmul", g.add(x, g.matmul(rows, columns, { transposeB: true })));
    const [matrix, vector] = [random.floats([512, 2]), random.floats([512])];
    const weights = memoryWeights({ rows: matrix, columns: matrix, bias: vector });
    const backend = await createOrtBackend({ threads: 1, profile: true });
    const executable = await backend.compile(g.build(), weights);
    await executable.run({ x: random.floats([1, 512]) });
    const { nodes } = await executable.endProfile();
    expect(nodes.map(({ op }) => op)).toEqual(["Add", "Add"]);
    await backend.dispose();
  });

  const profiles = async (): Promise<readonly string[]> =>
    (await readdir(tmpdir())).filter((name) => name.startsWith("masklet-profile-"));
});
