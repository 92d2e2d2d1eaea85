import { describe, expect, test } from "vitest";
import { checkpointError } from "../../test/checkpoint-files.ts";
import { hieraOf } from "../../test/toy-sam2.ts";
import {
  type EncoderConfig,
  type EncoderKind,
  isPresetName,
  type MemoryConfig,
  type MemoryKind,
  parseConfig,
  presets,
  type Sam2Config,
} from "./config.ts";

type Words = Readonly<Record<string, unknown>>;

const encoderWords: { readonly [K in EncoderKind]: (encoder: EncoderConfig<K>) => Words } = {
  hiera: (encoder) => ({
    embed_dim: encoder.embedDim,
    num_heads: encoder.numHeads,
    stages: encoder.stages,
    global_att_blocks: encoder.globalAttentionBlocks,
    window_spec: encoder.windowSpec,
    window_pos_embed_bkg_spatial_size: encoder.windowPositionBackgroundSize,
    q_pool: encoder.queryPoolStages,
    fpn_top_down_levels: encoder.fpnTopDownLevels,
  }),
  repvit: (encoder) => ({
    trunk: "repvit",
    embed_dims: encoder.embedDims,
    stages: encoder.stages,
    fpn_top_down_levels: encoder.fpnTopDownLevels,
  }),
  vit: (encoder) => ({
    trunk: "vit",
    embed_dim: encoder.embedDim,
    num_heads: encoder.numHeads,
    depth: encoder.depth,
    global_att_blocks: encoder.globalAttentionBlocks,
    window_size: encoder.windowSize,
    pos_embed_size: encoder.positionSize,
  }),
};

const memoryWords: { readonly [K in MemoryKind]: (memory: MemoryConfig<K>) => Words } = {
  full: () => ({}),
  perceiver: (memory) => ({
    memory: "perceiver",
    num_latents: memory.latents,
    num_latents_2d: memory.latentMapSide ** 2,
    perceiver_depth: memory.perceiverLayers,
  }),
  pooled: (memory) => ({ memory: "pooled", memory_pooling_weight: memory.weightedBy }),
};

function encoderOf<K extends EncoderKind>(encoder: EncoderConfig<K>): Words {
  return encoderWords[encoder.kind](encoder);
}

function memoryOf<K extends MemoryKind>(memory: MemoryConfig<K>): Words {
  return memoryWords[memory.kind](memory);
}

/** As a reference-style file says it. */
function snakeCase(config: Sam2Config): Record<string, unknown> {
  return {
    ...encoderOf(config.encoder),
    ...memoryOf(config.memory),
    image_size: config.imageSize,
    d_model: config.width,
    mem_dim: config.memory.width,
    mask_decoder_mlp_dim: config.decoder.mlpWidth,
    memory_attention_layers: config.memory.attentionLayers,
    memory_attention_dim_feedforward: config.memory.attentionMlpWidth,
    num_maskmem: config.memory.frames,
    max_obj_ptrs_in_encoder: config.memory.maxObjectPointers,
    sam2_1: config.version === "2.1",
  };
}

const tiny = presets["sam2.1-hiera-tiny"];

describe("presets", () => {
  test.each(Object.entries(presets))("%s has its own name and is recognised", (name, preset) => {
    expect(preset.name).toBe(name);
    expect(parseConfig(snakeCase(preset))).toBe(preset);
  });

  test("names", () => {
    expect(isPresetName("sam2-hiera-large")).toBe(true);
    expect(isPresetName("toString")).toBe(false);
  });
});

describe("transformers' config", () => {
  test("what is left out has transformers' defaults, which are tiny's", () => {
    expect(parseConfig({ model_type: "sam2_video" })).toBe(tiny);
    expect(parseConfig({ model_type: "sam2", vision_config: { backbone_config: null } })).toBe(tiny);
  });

  test("large of 2.0", () => {
    const backbone_config = {
      hidden_size: 144,
      embed_dim_per_stage: [144, 288, 576, 1152],
      num_attention_heads_per_stage: [2, 4, 8, 16],
      blocks_per_stage: [2, 6, 36, 4],
      global_attention_blocks: [23, 33, 43],
      window_size_per_stage: [8, 4, 16, 8],
    };
    const flags = {
      enable_temporal_pos_encoding_for_object_pointers: false,
      enable_occlusion_spatial_embedding: false,
    };
    const json = { model_type: "sam2_video", vision_config: { backbone_config }, ...flags };
    expect(parseConfig(json)).toBe(presets["sam2-hiera-large"]);
  });

  test.each<[string, object, string]>([
    ["another model", { model_type: "sam" }, "model_type"],
    [
      "uneven widths",
      { vision_config: { backbone_config: { embed_dim_per_stage: [96, 96, 96, 96] } } },
      "vision_config.backbone_config.embed_dim_per_stage",
    ],
    ["other heads", { mask_decoder_config: { num_attention_heads: 4 } }, "mask_decoder_config.num_attention_heads"],
    ["half of 2.1", { enable_occlusion_spatial_embedding: false }, "enable_occlusion_spatial_embedding"],
    [
      "an oblong image",
      { vision_config: { backbone_config: { image_size: [1024, 512] } } },
      "vision_config.backbone_config.image_size",
    ],
    ["a section that is no object", { vision_config: [] }, "vision_config"],
  ])("%s is refused by field", async (_, json, field) => {
    const error = await checkpointError(() => parseConfig({ model_type: "sam2_video", ...json }));
    expect([error.code, error.details["field"]]).toEqual(["config-invalid", field]);
  });
});

test("a custom model keeps its name", () => {
  const json = { ...snakeCase(tiny), image_size: 512 };
  expect(parseConfig(json).name).toBe("custom");
  expect(parseConfig({ ...json, name: "mine" }).name).toBe("mine");
  expect(parseConfig(json, "yours")).toEqual({ ...tiny, imageSize: 512, name: "yours" });
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ["missing", { embed_dim: undefined }, /^config: embed_dim should be an integer from 1 to 65536, but is missing$/],
  ["text", { num_heads: "2" }, /num_heads should be .* but is "2"/],
  ["a fraction", { q_pool: 1.5 }, /q_pool/],
  ["zero", { d_model: 0 }, /d_model/],
  ["too large", { d_model: 2 ** 40 }, /d_model/],
  ["a short list", { stages: [1, 2, 7] }, /stages should be a list of 4 integers/],
  ["a list of text", { window_spec: [8, 4, 14, "7"] }, /window_spec/],
  ["a negative block", { global_att_blocks: [-1] }, /global_att_blocks/],
  ["a block past the last", { global_att_blocks: [12] }, /global attention blocks should be below 12/],
  ["no flag", { sam2_1: 1 }, /sam2_1 should be true or false/],
  ["an odd image size", { image_size: 1000 }, /image size should be a multiple of 32/],
  ["a stage without pooling", { q_pool: 2 }, /query pooling stages should be 3, but is 2/],
  [
    "an odd window that is pooled",
    { window_spec: [8, 4, 13, 7] },
    /windows should be even where the next stage pools them/,
  ],
  ["a level that the decoder has no use for", { fpn_top_down_levels: [1, 2, 3] }, /top-down levels should be 2 and 3/],
  ["a window that does not tile", { window_spec: [7, 4, 14, 7] }, /first window/],
  ["a memory width that does not divide", { mem_dim: 48 }, /memory width/],
  ["endless stages", { stages: [1, 1, 9999, 1] }, /at most 1024 blocks/],
])("%s is refused by field", async (_, change, message) => {
  const error = await checkpointError(() => parseConfig({ ...snakeCase(tiny), ...change }));
  expect([error.code, error.message]).toEqual(["config-invalid", expect.stringMatching(message)]);
});

test("an odd window is fine where the next stage begins with global attention", () => {
  const json = { ...snakeCase(tiny), window_spec: [8, 4, 13, 7], global_att_blocks: [5, 7, 9, 10] };
  expect(hieraOf(parseConfig(json)).windowSpec).toEqual([8, 4, 13, 7]);
});

test.each([null, 3, "x", [1]])("%j is no config", async (json) => {
  expect((await checkpointError(() => parseConfig(json))).code).toBe("config-invalid");
});
