/** A new kind of encoder or memory is its own file and a row of the tables: no other module is touched here. */
import { describe, expect, test, vi } from "vitest";
import { checkpointError } from "../../test/checkpoint-files.ts";
import { noiseImage, toyJson } from "../../test/toy-sam2.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import type { Graph } from "../graph/graph.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import { loadSam2, Sam2 } from "../sam2.ts";
import { float32, type HostTensor } from "../tensor/tensor.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { FrameSource } from "../video/frame-source.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import type { VideoSession } from "../video/video-session.ts";
import { parseConfig, type Sam2Config } from "./config.ts";
import { geometry } from "./geometry.ts";
import { imageEncoderGraph, memoryAttentionGraph } from "./graphs.ts";
import type * as kinds from "./kinds.ts";
import { type Precision, withPrecision } from "./precision.ts";

vi.mock("./kinds.ts", async (original) => {
  const { encoders, memories } = await original<typeof kinds>();
  const { toyVit } = await import("../../test/toy-vit.ts");
  const { toyMemory } = await import("../../test/toy-memory.ts");
  return {
    encoders: { ...encoders, "toy-vit": toyVit },
    memories: { ...memories, "toy-quarter": toyMemory },
  };
});

const vit = parseConfig({ ...toyJson, name: "vit", trunk: "toy-vit", embed_dim: 16, num_heads: 2 });
const quarter = parseConfig({ ...toyJson, name: "quarter", memory: "toy-quarter" });
const click = { points: [[5, 8]] } as const;
const frames = Array.from({ length: 4 }, (_, i) => noiseImage(20, 16, { seed: i + 1 }));

type Change = readonly [name: string, change: (value: number) => number];

/** A model of hashed weights, of which one may be changed. */
async function load(config: Sam2Config, dtype: Precision = "fp32", change?: Change): Promise<Sam2> {
  const weights = hashedWeights(config);
  const tensors = new Map<string, HostTensor>();
  for (const name of weights.entries.keys()) {
    const { dims, data } = await weights.read(name);
    tensors.set(name, float32(dims, name === change?.[0] ? data.map(change[1]) : data));
  }
  return loadSam2(writeSafetensors(tensors), { backend: createReferenceBackend(), config, dtype });
}

async function logits(model: Sam2, file?: Uint8Array): Promise<readonly Float32Array[]> {
  await using predictor = new ImagePredictor(model);
  if (file === undefined) await predictor.setImage(noiseImage(20, 16));
  else await predictor.loadImages([file]);
  const { lowResLogits } = await predictor.predict(click);
  return lowResLogits.map(({ data }) => data);
}

const rounded = (graph: Graph): readonly string[] =>
  graph.values.flatMap(({ source: { node } }) => (node.kind === "quantizedLinear" ? [node.scope] : []));

describe("an encoder of another kind", () => {
  test("predicts, with every block of it", async () => {
    await using model = await load(vit);
    const [first] = await logits(model);
    expect(first?.every(Number.isFinite)).toBe(true);
    for (const name of ["image_encoder.trunk.layers.2.mlp.layers.1.weight", "image_encoder.neck.stride4.bias"]) {
      await using other = await load(vit, "fp32", [name, (value) => value + 0.1]);
      expect((await logits(other))[0], name).not.toEqual(first);
    }
  });

  test("is refused the weights of another", async () => {
    const hiera = parseConfig(toyJson);
    const backend = createReferenceBackend();
    const error = await checkpointError(() => Sam2.fromWeights(hashedWeights(hiera), { backend, config: vit }));
    expect(error.code).toBe("not-this-model");
  });

  test("is rounded where its row says", async () => {
    const scopes = rounded(withPrecision(imageEncoderGraph(vit), { config: vit, dtype: "q8" }));
    expect(scopes).toHaveLength(3 * 6); // q, k, v, out and two of the MLP; the neck's stay
    expect(scopes.every((scope) => scope.startsWith("image_encoder.trunk.layers."))).toBe(true);
    await using exact = await load(vit);
    await using model = await load(vit, "q8");
    const [before, after] = [(await logits(exact))[0], (await logits(model))[0]];
    expect(after).not.toEqual(before);
    expect(after?.every((value, i) => Math.abs(value - (before?.[i] ?? 0)) < 0.5)).toBe(true);
  });

  test("saves images under its own weights", async () => {
    await using model = await load(vit);
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(noiseImage(20, 16));
    const file = await predictor.saveImage();
    expect(await logits(model, file)).toEqual(await logits(model));
    await using other = await load(vit, "fp32", ["image_encoder.trunk.patch_embed.bias", (value) => value + 1]);
    expect((await checkpointError(() => logits(other, file))).code).toBe("embedding-mismatch");
  });
});

describe("a memory of another kind", () => {
  const video: FrameSource = { size: { width: 20, height: 16 }, count: 4, frame: async (index) => frames[index] };

  async function tracked(session: VideoSession, start: number): Promise<readonly FrameResult[]> {
    const results: FrameResult[] = [];
    for await (const result of session.propagate({ start, count: 2 })) results.push(result);
    return results;
  }

  test("has as many tokens as its row says", () => {
    expect(geometry(quarter).memory).toEqual({ tokens: 4, channels: 16 });
    expect(memoryAttentionGraph(quarter).inputs["memories"]?.dims).toEqual(["objects", "memories", 4, 16]);
    const scopes = rounded(withPrecision(memoryAttentionGraph(quarter), { config: quarter, dtype: "q8" }));
    expect(scopes).toHaveLength(4);
  });

  test("tracks, and goes on from a saved session", async () => {
    await using model = await load(quarter);
    const predictor = new VideoPredictor(model);
    await using session = predictor.start(video);
    await session.addPrompt({ frame: 0, object: 1, ...click });
    expect(await tracked(session, 0)).toHaveLength(2);
    await using loaded = await predictor.load(session.save(), video);
    const rest = await tracked(loaded, 2);
    expect(rest.map(({ frame }) => frame)).toEqual([2, 3]);
    expect(rest).toEqual(await tracked(session, 2));
  });
});

test("a kind that no row has is refused by field", async () => {
  const error = await checkpointError(() => parseConfig({ ...toyJson, trunk: "resnet" }));
  expect(error.message).toBe('config: trunk should be "hiera" or "repvit" or "vit" or "toy-vit", but is "resnet"');
});
