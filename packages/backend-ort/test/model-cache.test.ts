/** Optimised models that are kept in a folder. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { geometry, openCheckpoint, writeSafetensors } from "@masklet/core";
import { type HostTensor, int32, memoryAttentionGraph, type Precision } from "@masklet/core/backend";
import { fileSource, loadSam2, readConfig } from "@masklet/core/node";
import { RandomTensors } from "@masklet/core/testing";
import { nanoModel } from "@masklet/model-nano";
import * as onnxruntime from "onnxruntime-node";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOrtBackend, type OrtNodeOptions, type OrtRuntime } from "../src/node.ts";

const config = await readConfig(fileURLToPath(nanoModel.config));
const image = new RandomTensors(5).floats([1, 256, 256, 3]);

/** nano's weights in float32, as Meta's files have them. */
let bytes: Uint8Array;
beforeAll(async () => {
  const store = await openCheckpoint(await fileSource(fileURLToPath(nanoModel.checkpoint)));
  const tensors = new Map<string, HostTensor>();
  for (const name of store.entries.keys()) tensors.set(name, await store.read(name));
  await store.close();
  bytes = writeSafetensors(tensors);
});

let folder: string;
let modelCache: string;
let checkpoint: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-test-"));
  modelCache = join(folder, "models");
  checkpoint = join(folder, "nano.safetensors");
  await writeFile(checkpoint, bytes);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Encoded {
  /** How the session came about. */
  readonly how: "kept" | "saved" | "built";
  readonly features: Float32Array;
}

/** Compiles nano's image encoder on a backend of its own, as another process would. */
async function encode(
  options: OrtNodeOptions = { modelCache },
  { source = checkpoint, dtype = "fp32" }: { source?: string | Uint8Array; dtype?: Precision } = {},
): Promise<Encoded> {
  const ways: Encoded["how"][] = [];
  const create: OrtRuntime["InferenceSession"]["create"] = async (model, settings) => {
    const session = await onnxruntime.InferenceSession.create(model, settings);
    if (!session.inputNames.includes("image")) return session;
    if (settings?.graphOptimizationLevel === "disabled") ways.push("kept");
    else ways.push(settings?.optimizedModelFilePath === undefined ? "built" : "saved");
    return session;
  };
  const ort: OrtRuntime = { ...onnxruntime, InferenceSession: { create } };
  const backend = await createOrtBackend({ ort, threads: 1, ...options });
  const model = await loadSam2(source, { backend, dtype, config });
  const encoder = await model.executable("imageEncoder");
  const features = await encoder.run({ image });
  const { data } = (await features["imageEmbeddings"]?.read()) ?? {};
  await model.dispose();
  await backend.dispose();
  return { how: ways.join() as Encoded["how"], features: data as Float32Array };
}

describe.each(["fp32", "fp16", "q8", "q4"] as const)("%s", (dtype) => {
  test("is kept when it is compiled first, and gives the same numbers from then on", async () => {
    const plain = await encode({}, { dtype });
    const first = await encode({ modelCache }, { dtype });
    const second = await encode({ modelCache }, { dtype });
    expect([plain.how, first.how, second.how]).toEqual(["built", "saved", "kept"]);
    expect(first.features).toEqual(plain.features);
    expect(second.features).toEqual(plain.features);
  });
});

test("a checkpoint that has changed, other options and another precision are other models", async () => {
  await encode();
  expect((await encode({ modelCache, graphOptimization: "basic" })).how).toBe("saved");
  expect((await encode({ modelCache }, { dtype: "q8" })).how).toBe("saved");
  await utimes(checkpoint, 1, 1);
  expect((await encode()).how).toBe("saved");
  expect((await encode()).how).toBe("kept");
  // The encoder and the decoder each time, but one decoder for both precisions, as it is not rounded.
  expect(await readdir(modelCache)).toHaveLength(7);
});

test("what is damaged is compiled again", async () => {
  const { features } = await encode();
  for (const file of ["model.onnx", "weights", "outputs.json"]) {
    for (const key of await readdir(modelCache)) {
      const path = join(modelCache, key, file);
      await truncate(path, Math.floor((await readFile(path)).byteLength / 2));
    }
    const again = await encode();
    expect([again.how, again.features], file).toEqual(["saved", features]);
    expect((await encode()).how, file).toBe("kept");
  }
});

test("what cannot be read at the moment, or has no memory at the moment, is kept", async () => {
  await encode();
  const outputs = (await readdir(modelCache)).map((key) => join(modelCache, key, "outputs.json"));
  for (const path of outputs) {
    await rename(path, `${path}.aside`);
    await symlink(path, path); // fails with ELOOP, for root too
  }
  expect((await encode()).how).toBe("saved");
  for (const path of outputs) await rename(`${path}.aside`, path);
  expect((await encode()).how).toBe("kept");

  const create: OrtRuntime["InferenceSession"]["create"] = async () => {
    throw new Error("bad allocation");
  };
  const ort = { ...onnxruntime, InferenceSession: { create } };
  const backend = await createOrtBackend({ ort, threads: 1, modelCache });
  await expect(loadSam2(checkpoint, { backend, config })).rejects.toMatchObject({ code: "compile-failed" });
  await backend.dispose();
  expect((await encode()).how).toBe("kept");
});

test("what a process left behind that was killed is removed in time, what others write is not", async () => {
  const [left, written] = ["left", "written"].map((name) => join(modelCache, `${name}.part`)) as [string, string];
  for (const part of [left, written]) await mkdir(part, { recursive: true });
  await utimes(left, 1, 1);
  await encode();
  expect((await readdir(modelCache)).filter((name) => name.endsWith(".part"))).toEqual(["written.part"]);
});

test("two at once keep one", async () => {
  const both = await Promise.all([encode(), encode()]);
  expect(both.map(({ how }) => how)).toContain("saved");
  expect(await readdir(modelCache)).toHaveLength(2); // encoder and decoder
  expect((await encode()).how).toBe("kept");
});

test("a folder that cannot be written is done without", async () => {
  await writeFile(modelCache, "a file");
  expect((await encode()).how).toBe("built");
});

test("when there is no room for the model, it is built all the same", async () => {
  const create: OrtRuntime["InferenceSession"]["create"] = async (model, settings) => {
    if (settings?.optimizedModelFilePath !== undefined) throw new Error("no space left on device");
    return await onnxruntime.InferenceSession.create(model, settings);
  };
  const backend = await createOrtBackend({
    ort: { ...onnxruntime, InferenceSession: { create } },
    threads: 1,
    modelCache,
  });
  const model = await loadSam2(checkpoint, { backend, config });
  await model.executable("imageEncoder");
  await backend.dispose();
  expect(await readdir(modelCache)).toEqual([]);
});

test("a checkpoint in memory is not told by its file, and not kept", async () => {
  const { how } = await encode({ modelCache }, { source: bytes });
  expect(how).toBe("built");
});

test("the keys of a layer's memory are computed after the layer before, also of a kept model", async () => {
  const order = async (options: OrtNodeOptions): Promise<readonly string[]> => {
    const profile = join(folder, `profile-${Math.random()}`);
    const sessions: onnxruntime.InferenceSession[] = [];
    const create: OrtRuntime["InferenceSession"]["create"] = async (bytes, settings) => {
      const profiled = { ...settings, enableProfiling: true, profileFilePrefix: profile };
      const session = await onnxruntime.InferenceSession.create(bytes, profiled);
      sessions.push(session);
      return session;
    };
    const ort: OrtRuntime = { ...onnxruntime, InferenceSession: { create } };
    const backend = await createOrtBackend({ ort, threads: 1, ...options });
    const weights = await openCheckpoint(await fileSource(checkpoint));
    const attention = await backend.compile(memoryAttentionGraph(config), weights);
    const random = new RandomTensors(7);
    const { memory, width } = geometry(config);
    const { tokens: cells, channels: memoryWidth } = memory;
    const outputs = await attention.run({
      imageEmbeddings: random.floats([1, cells, width]),
      memories: random.floats([2, 1, cells, memoryWidth]),
      slots: int32([1], Int32Array.of(0)),
      pointers: random.floats([2, 2, memoryWidth]),
      pointerPositions: random.floats([2, 2, memoryWidth]),
    });
    for (const tensor of Object.values(outputs)) tensor.dispose();
    for (const session of sessions) session.endProfiling();
    await backend.dispose();
    await weights.close();
    const [file = ""] = (await readdir(folder)).filter((name) => join(folder, name).startsWith(profile));
    const events = JSON.parse(await readFile(join(folder, file), "utf8")) as { name: string; ts: number }[];
    return events
      .sort((first, second) => first.ts - second.ts)
      .map(({ name }) => name)
      .filter((name) => name.endsWith("_kernel_time"));
  };
  await order({ modelCache });
  for (const options of [{}, { modelCache }]) {
    const names = await order(options);
    const attended = names.findIndex((name) => name.includes("layers.0.cross_attn_image/attention"));
    const keys = names.findIndex((name) => name.includes("layers.1.cross_attn_image.k_proj"));
    expect(attended).toBeGreaterThan(0);
    expect(keys).toBeGreaterThan(attended);
  }
});
