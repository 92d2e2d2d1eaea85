/** EdgeTAM's kinds in miniature: convolutions with folded norms, memories of latents. */
import { describe, expect, test } from "vitest";
import { noiseImage, toyEdgeTam, toyEdgeTamJson } from "../../test/toy-sam2.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { bytesSource } from "../checkpoint/byte-source.ts";
import { openCheckpoint } from "../checkpoint/load.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { graphCost } from "../graph/cost.ts";
import type { Value } from "../graph/graph.ts";
import { WeightScope } from "../nn/weight-scope.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import { loadSam2, type Sam2 } from "../sam2.ts";
import { float32, type HostTensor } from "../tensor/tensor.ts";
import { evaluateGraph } from "../testing/evaluate-graph.ts";
import { RandomTensors } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { FrameSource } from "../video/frame-source.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import { parseConfig, presets } from "./config.ts";
import { geometry } from "./geometry.ts";
import { imageEncoderGraph } from "./graphs.ts";
import { repvit, repvitTrunk } from "./repvit.ts";

const config = toyEdgeTam;
if (config.encoder.kind !== "repvit") throw new Error("the toy has another encoder");
const toy = { ...config, encoder: config.encoder };

async function toyTensors(): Promise<Map<string, HostTensor<"float32">>> {
  const weights = hashedWeights(config);
  const names = [...weights.entries.keys()];
  return new Map(await Promise.all(names.map(async (name) => [name, await weights.read(name)] as const)));
}

async function load(tensors: ReadonlyMap<string, HostTensor>): Promise<Sam2> {
  return loadSam2(writeSafetensors(tensors), { backend: createReferenceBackend(), config });
}

async function track(model: Sam2, objects: readonly number[]): Promise<readonly FrameResult[]> {
  const frames = Array.from({ length: 4 }, (_, i) => noiseImage(20, 16, { seed: i + 1 }));
  const video: FrameSource = { size: { width: 20, height: 16 }, count: 4, frame: async (index) => frames[index] };
  await using session = new VideoPredictor(model).start(video);
  for (const object of objects) await session.addPrompt({ frame: 0, object, points: [[3 + 6 * object, 8]] });
  const results: FrameResult[] = [];
  for await (const result of session.propagate()) results.push(result);
  return results;
}

describe("folding", () => {
  /** The trunk as it was trained: a norm after each convolution, branches added. */
  function unfolded(g: GraphBuilder, w: WeightScope, image: Value): Value {
    const norm = (l: WeightScope, x: Value, out: number): Value => {
      const part = (name: string): Value => l.at("bn").tensor(name, [out]);
      const deviation = g.sqrt(g.add(part("running_var"), g.scalar(1e-5)));
      return g.add(g.mul(g.div(g.sub(x, part("running_mean")), deviation), part("weight")), part("bias"));
    };
    const conv = (l: WeightScope, x: Value, out: number, side: 1 | 3, stride: 1 | 2, deep = false): Value => {
      const input = Number(x.dims.at(-1));
      const groups = deep ? input : 1;
      const edge = side === 3 ? 1 : 0;
      const filter = l.at("c").tensor("weight", [out, input / groups, side, side]);
      const padding = [edge, edge, edge, edge] as const;
      return norm(l, g.conv2d(x, filter, undefined, { strides: [stride, stride], padding, groups }), out);
    };
    const mixer = (l: WeightScope, x: Value): Value => {
      const width = Number(x.dims.at(-1));
      return g.add(x, conv(l.at("conv2"), g.gelu(conv(l.at("conv1"), x, 2 * width, 1, 1)), width, 1, 1));
    };
    const block = (l: WeightScope, x: Value, squeezed: boolean): Value => {
      const [, height, columns, width] = x.dims as readonly [number, number, number, number];
      const branch = (name: string, side: 1 | 3): Value => conv(l.at("token_mixer").at(name), x, width, side, 1, true);
      let y = g.add(g.add(branch("conv", 3), branch("conv1", 1)), x);
      if (squeezed) {
        const se = l.at("se");
        const all = height * columns;
        const flat = g.reshape(y, [1, all, width]);
        const ones = g.constant(float32([1, 1, all], new Float32Array(all).fill(1 / all)));
        const dense = (name: string, value: Value, out: number): Value => {
          const input = Number(value.dims.at(-1));
          const matrix = g.reshape(se.at(name).tensor("weight", [out, input, 1, 1]), [out, input]);
          return g.linear(value, matrix, se.at(name).tensor("bias", [out]));
        };
        const inner = g.relu(dense("fc1", g.matmul(ones, flat), 8));
        y = g.reshape(g.mul(flat, g.sigmoid(dense("fc2", inner, width))), x.dims);
      }
      return mixer(l.at("channel_mixer"), y);
    };
    let x = g.gelu(conv(w.at("stem").at("conv1"), image, 4, 3, 2));
    x = conv(w.at("stem").at("conv2"), x, 8, 3, 2);
    for (const [stage, out] of toy.encoder.embedDims.entries()) {
      const l = w.at(`stages_${stage}`);
      if (stage > 0) {
        const down = l.at("downsample");
        x = block(down.at("pre_block"), x, false);
        x = conv(down.at("spatial_downsample"), x, Number(x.dims.at(-1)), 3, 2, true);
        x = mixer(down.at("ffn"), conv(down.at("channel_downsample"), x, out, 1, 1));
      }
      for (let i = 0; i < (toy.encoder.stages[stage] ?? 0); i++) x = block(l.at("blocks").at(i), x, i % 2 === 0);
    }
    return x;
  }

  test("changes nothing but the last bits", async () => {
    const g = new GraphBuilder("both");
    const image = g.input("image", [1, 64, 64, 3]);
    const w = new WeightScope(g).at("image_encoder").at("trunk").at("body");
    g.output("folded", repvitTrunk(g, w, toy, image).at(-1)?.value as Value);
    g.output("apart", unfolded(g, w, image));
    // 16 rows of the first stage by threes, and fewer columns by more.
    g.output("inBands", repvitTrunk(g, w, toy, image, 3 * 16 * 16).at(-1)?.value as Value);
    const feeds = { image: new RandomTensors(3).floats([1, 64, 64, 3]) };
    const { folded, inBands, apart } = await evaluateGraph(g.build(), hashedWeights(config), feeds);
    const difference = Array.from(folded?.data as Float32Array, (value, i) => Math.abs(value - Number(apart?.data[i])));
    expect(Math.max(...difference)).toBeLessThan(1e-4);
    expect(inBands?.data).toEqual(folded?.data);
    expect(folded?.dims).toEqual([1, 2, 2, 32]);
  });

  test("is done while weights are read: no norm is left to run", () => {
    const kinds = new Set(imageEncoderGraph(presets.edgetam).values.map(({ source }) => source.node.kind));
    expect(kinds.has("layerNormalization")).toBe(false);
    expect(repvit.highRes).toBe(true);
  });
});

test("the encoder's largest maps are never whole: it runs in a page", () => {
  const { peakActivationBytes } = graphCost(imageEncoderGraph(presets.edgetam), { images: 1 });
  expect(peakActivationBytes).toBeLessThan(60e6);
});

test("predicts images alone, in batches, and saved", async () => {
  await using model = await load(await toyTensors());
  await using predictor = new ImagePredictor(model, { imagesPerRun: 2 });
  await predictor.setImages([noiseImage(20, 16, { seed: 2 }), noiseImage(20, 16)]);
  const second = (await predictor.predict({ points: [[5, 8]] }, { image: 1 })).bestLogits.data;
  const file = await predictor.saveImage(1);
  await predictor.loadImages([file]);
  expect((await predictor.predict({ points: [[5, 8]] })).bestLogits.data).toEqual(second);
  await predictor.setImage(noiseImage(20, 16));
  const alone = (await predictor.predict({ points: [[5, 8]] })).bestLogits.data;
  expect(Math.max(...alone.map((value, i) => Math.abs(value - (second[i] ?? 0))))).toBeLessThan(1e-3);
});

describe("memories of latents", () => {
  test("are as many tokens as there are latents", () => {
    expect(geometry(config).memory).toEqual({ tokens: 7, channels: 16 });
    expect(geometry(presets.edgetam).memory).toEqual({ tokens: 512, channels: 64 });
  });

  test("are tracked, object by object as each alone", async () => {
    await using model = await load(await toyTensors());
    const together = await track(model, [1, 2]);
    for (const [i, object] of [1, 2].entries()) {
      const alone = await track(model, [object]);
      expect(together.map(({ objects }) => objects[i])).toEqual(alone.map(({ objects }) => objects[0]));
    }
  });

  test("use every weight of the perceiver that can matter", async () => {
    const tensors = await toyTensors();
    await using model = await load(tensors);
    const before = (await track(model, [1])).at(-1)?.objects[0]?.lowResLogits.data;
    const names = [...tensors.keys()].filter((name) => name.startsWith("spatial_perceiver."));
    expect(names).toHaveLength(2 + 2 * 20 + 2);
    for (const name of names.filter((one) => /latents|norm_x.weight|to_kv|to_out|ff\.3|^[^.]*\.norm/.test(one))) {
      const { dims, data } = tensors.get(name) as HostTensor<"float32">;
      const changed = float32(
        dims,
        data.map((value, i) => value + (i % 3) - 1),
      );
      await using other = await load(new Map([...tensors, [name, changed]]));
      expect((await track(other, [1])).at(-1)?.objects[0]?.lowResLogits.data, name).not.toEqual(before);
    }
  });
});

describe("transformers' names", () => {
  const renames: readonly (readonly [RegExp, string])[] = [
    [/^image_encoder\.trunk\.body\./, "vision_encoder.backbone.timm_model."],
    [/^(memory_attention\.layers\.\d)\.linear1\./, "$1.mlp.up_proj."],
    [/^(memory_attention\.layers\.\d)\.linear2\./, "$1.mlp.down_proj."],
    [/^spatial_perceiver\.latents$/, "spatial_perceiver.latents_1d"],
    [/^spatial_perceiver\.norm\./, "spatial_perceiver.layer_norm."],
    [/\.attn\.norm_x\./, ".layer_norm_input."],
    [/\.attn\.norm_latents\./, ".layer_norm_latents."],
    [/\.self_attn\.norm\./, ".layer_norm_self."],
    [/\.attn\.to_q\./, ".cross_attention.q_proj."],
    [/\.attn\.to_out\./, ".cross_attention.o_proj."],
    [/\.self_attn\.to_q\./, ".self_attention.q_proj."],
    [/\.self_attn\.to_out\./, ".self_attention.o_proj."],
    [/\.(self_)?ff\.0\./, ".$1mlp.layer_norm."],
    [/\.(self_)?ff\.1\./, ".$1mlp.up_proj."],
    [/\.(self_)?ff\.3\./, ".$1mlp.down_proj."],
  ];

  test("become the official ones, keys and values joined, counters left out", async () => {
    const official = [...(await toyTensors())].filter(([name]) =>
      /^(image_encoder\.trunk|spatial_perceiver|memory_attention\.layers\.0\.linear)/.test(name),
    );
    const tensors = new Map<string, HostTensor>();
    for (const [name, tensor] of official) {
      const renamed = renames.reduce((key, [pattern, replacement]) => key.replace(pattern, replacement), name);
      const attention = /^(.*)\.(self_)?attn\.to_kv\.weight$/.exec(name);
      if (attention === null) {
        tensors.set(renamed, tensor);
        continue;
      }
      const [, layer, self] = attention;
      const [rows = 0, width = 0] = tensor.dims;
      const half = (rows / 2) * width;
      const scope = `${layer}.${self === undefined ? "cross" : "self"}_attention`;
      // As a file may have them, not in the order of their use.
      tensors.set(`${scope}.v_proj.weight`, float32([rows / 2, width], tensor.data.slice(half)));
      tensors.set(`${scope}.k_proj.weight`, float32([rows / 2, width], tensor.data.slice(0, half)));
    }
    tensors.set(
      "vision_encoder.backbone.timm_model.stem.conv1.bn.num_batches_tracked",
      float32([], Float32Array.of(9)),
    );
    const store = await openCheckpoint(bytesSource(writeSafetensors(tensors), "edgetam.safetensors"));
    expect([...store.entries.keys()].sort()).toEqual(official.map(([name]) => name).sort());
    for (const [name, { dims, data }] of official) {
      const read = await store.read(name);
      expect([name, read.dims]).toEqual([name, dims]);
      expect(read.data).toEqual(data);
    }
  });

  test("one half alone is a tensor of another shape", async () => {
    const half = float32([16, 16], new Float32Array(256));
    const name = "spatial_perceiver.layers.0.cross_attention.v_proj.weight";
    const tensors = new Map([
      ["vision_encoder.x", half],
      [name, half],
    ]);
    const store = await openCheckpoint(bytesSource(writeSafetensors(tensors), "half.safetensors"));
    expect(store.entries.get("spatial_perceiver.layers.0.attn.to_kv.weight")?.dims).toEqual([16, 16]);
  });
});

describe("transformers' config", () => {
  const flags = {
    enable_temporal_pos_encoding_for_object_pointers: false,
    enable_occlusion_spatial_embedding: false,
  };

  test.each(["edgetam", "edgetam_video"])("%s", (model_type) => {
    expect(parseConfig({ model_type, ...flags })).toBe(presets.edgetam);
    const vision_config = {
      backbone_config: { model_type: "timm_wrapper", architecture: "repvit_m1.dist_in1k" },
      backbone_channel_list: [384, 192, 96, 48],
    };
    expect(parseConfig({ model_type, ...flags, vision_config, memory_attention_num_layers: 2 })).toBe(presets.edgetam);
  });

  test("what the published one has not is not taken for it", () => {
    expect(parseConfig({ model_type: "edgetam_video" }).version).toBe("2.1");
    const other = { vision_config: { backbone_config: { architecture: "repvit_m2" } } };
    expect(() => parseConfig({ model_type: "edgetam", ...flags, ...other })).toThrow(
      /architecture should be "repvit_m1"/,
    );
    const heads = { perceiver_resampler_num_attention_heads: 2 };
    expect(() => parseConfig({ model_type: "edgetam", ...flags, ...heads })).toThrow(/num_attention_heads should be 1/);
  });
});

test("sizes that do not fit are refused by field", () => {
  expect(() => parseConfig({ ...toyEdgeTamJson, num_latents_2d: 9 })).toThrow(
    /side of the map of latents should be a divisor of 4/,
  );
  expect(() => parseConfig({ ...toyEdgeTamJson, num_latents_2d: 8 })).toThrow(
    /num_latents_2d should be a square number/,
  );
  expect(() => parseConfig({ ...toyEdgeTamJson, embed_dims: [7, 8, 8, 8] })).toThrow(
    /first stage's channels should be even/,
  );
});
