/** EfficientTAM's kinds in miniature: one feature level, padded windows, memories pooled or not. */
import { describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyJson } from "../../test/toy-sam2.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import { loadSam2, Sam2 } from "../sam2.ts";
import { float32, type HostTensor, int32 } from "../tensor/tensor.ts";
import { evaluateGraph } from "../testing/evaluate-graph.ts";
import { RandomTensors } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { FrameSource } from "../video/frame-source.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import { parseConfig, type Sam2Config } from "./config.ts";
import { geometry } from "./geometry.ts";
import { attentionGraph, graphBuilders, imageEncoderGraph } from "./graphs.ts";
import { inventory } from "./inventory.ts";

const json = {
  ...toyJson,
  ...{ trunk: "vit", embed_dim: 16, num_heads: 2, depth: 3, global_att_blocks: [2], window_size: 3 },
  ...{ pos_embed_size: 3, sam2_1: false },
};
const plain = parseConfig({ ...json, name: "plain" });
const one = parseConfig({ ...json, name: "one", memory: "pooled", memory_pooling_weight: "logits" });
const two = parseConfig({ ...json, name: "two", memory: "pooled", memory_pooling_weight: "keys" });
const click = { points: [[5, 8]] } as const;

/** A model of hashed weights, of which one may be changed. */
async function load(config: Sam2Config, changed?: string): Promise<Sam2> {
  const weights = hashedWeights(config);
  const tensors = new Map<string, HostTensor>();
  for (const name of weights.entries.keys()) {
    const { dims, data } = await weights.read(name);
    tensors.set(name, float32(dims, name === changed ? data.map((value, i) => value + (i % 3)) : data));
  }
  return loadSam2(writeSafetensors(tensors), { backend: createReferenceBackend(), config });
}

async function logits(model: Sam2): Promise<Float32Array> {
  await using predictor = new ImagePredictor(model);
  await predictor.setImage(noiseImage(20, 16));
  return (await predictor.predict(click)).bestLogits.data;
}

describe("one feature level", () => {
  test("nothing is there of the finer ones", () => {
    expect(Object.keys(geometry(plain).features)).toEqual(["imageEmbeddings"]);
    expect(Object.keys(imageEncoderGraph(plain).outputs)).toEqual(["imageEmbeddings"]);
    expect([...inventory(plain).keys()].filter((name) => name.includes("conv_s"))).toEqual([]);
  });

  test("predicts, with all of the encoder", async () => {
    await using model = await load(plain);
    const first = await logits(model);
    expect(first.every(Number.isFinite)).toBe(true);
    const trunk = "image_encoder.trunk";
    const names = [`${trunk}.pos_embed`, `${trunk}.blocks.0.attn.qkv.bias`, `${trunk}.blocks.2.mlp.layers.1.weight`];
    for (const name of [...names, "image_encoder.neck.convs.0.conv_3x3.weight"]) {
      await using other = await load(plain, name);
      expect(await logits(other), name).not.toEqual(first);
    }
  });

  test("the class token's position counts for nothing", async () => {
    const weights = hashedWeights(plain);
    const tensors = new Map<string, HostTensor>();
    for (const name of weights.entries.keys()) tensors.set(name, await weights.read(name));
    const { dims, data } = tensors.get("image_encoder.trunk.pos_embed") as HostTensor<"float32">;
    const changed = data.slice();
    changed.fill(9, 0, dims[2]);
    tensors.set("image_encoder.trunk.pos_embed", float32(dims, changed));
    await using other = await loadSam2(writeSafetensors(tensors), { backend: createReferenceBackend(), config: plain });
    await using model = await load(plain);
    expect(await logits(other)).toEqual(await logits(model));
  });

  test("several images, saved and loaded", async () => {
    await using model = await load(plain);
    await using predictor = new ImagePredictor(model, { imagesPerRun: 2 });
    await predictor.setImages([noiseImage(20, 16, { seed: 2 }), noiseImage(20, 16)]);
    const file = await predictor.saveImage(1);
    await predictor.loadImages([file]);
    const loaded = (await predictor.predict(click)).bestLogits.data;
    const alone = await logits(model);
    expect(Math.max(...loaded.map((value, i) => Math.abs(value - (alone[i] ?? 0))))).toBeLessThan(1e-4);
  });
});

describe("pooled memories", () => {
  const random = new RandomTensors(5);
  const cells = geometry(plain).memory.tokens;
  const image = random.floats([1, cells, plain.width]);
  const memories = random.floats([1, 3, cells, plain.memory.width]);
  const pointers = random.floats([1, 4, plain.memory.width]);

  async function attend(
    config: Sam2Config,
    count: number,
    name = attentionGraph(config, count),
  ): Promise<Float32Array> {
    const size = cells * plain.memory.width;
    const outputs = await evaluateGraph(graphBuilders[name](config), hashedWeights(config), {
      imageEmbeddings: image,
      memories: float32([1, count, cells, plain.memory.width], memories.data.slice(0, count * size)),
      slots: int32(
        [count],
        Int32Array.from({ length: count }, (_, i) => i),
      ),
      pointers,
      pointerPositions: pointers,
    });
    return outputs["imageEmbeddings"]?.data as Float32Array;
  }

  test("a single memory is attended to whole", async () => {
    const whole = await attend(plain, 1);
    for (const config of [one, two]) {
      expect(attentionGraph(config, 1)).toBe("singleMemoryAttention");
      expect(await attend(config, 1)).toEqual(whole);
      expect(await attend(config, 1, "memoryAttention")).not.toEqual(whole);
    }
    expect(attentionGraph(plain, 1)).toBe("memoryAttention");
  });

  test("several are pooled, in two ways", async () => {
    const made = await Promise.all([plain, one, two].map((config) => attend(config, 3)));
    const [whole, first, second] = made as [Float32Array, Float32Array, Float32Array];
    expect(first).not.toEqual(whole);
    expect(second).not.toEqual(whole);
    expect(second).not.toEqual(first);
  });

  test("are tracked, object by object as each alone", async () => {
    const frames = Array.from({ length: 4 }, (_, i) => noiseImage(20, 16, { seed: i + 1 }));
    const video: FrameSource = { size: { width: 20, height: 16 }, count: 4, frame: async (index) => frames[index] };
    const backend = new ObservedBackend();
    await using model = await Sam2.fromWeights(hashedWeights(one), { backend, config: one });
    const track = async (objects: readonly number[]): Promise<readonly FrameResult[]> => {
      await using session = new VideoPredictor(model).start(video);
      for (const object of objects) await session.addPrompt({ frame: 0, object, points: [[3 + 6 * object, 8]] });
      const results: FrameResult[] = [];
      for await (const result of session.propagate()) results.push(result);
      return results;
    };
    const together = await track([1, 2]);
    const runs = backend.steps.filter((step) => /^run .*Attention$/.test(step));
    expect(runs).toEqual(["run singleMemoryAttention", "run memoryAttention", "run memoryAttention"]);
    for (const [i, object] of [1, 2].entries()) {
      const alone = await track([object]);
      expect(together.map(({ objects }) => objects[i])).toEqual(alone.map(({ objects }) => objects[0]));
    }
  });
});

test("sizes that do not fit are refused by field", () => {
  expect(() => parseConfig({ ...json, global_att_blocks: [3] })).toThrow(/global attention blocks should be below 3/);
  expect(() => parseConfig({ ...json, memory: "pooled" })).toThrow(
    /memory_pooling_weight should be "logits" or "keys"/,
  );
  const odd = { ...json, image_size: 48, memory: "pooled", memory_pooling_weight: "keys" };
  expect(() => parseConfig(odd)).toThrow(/image size should be a multiple of 32, but is 48/);
});
