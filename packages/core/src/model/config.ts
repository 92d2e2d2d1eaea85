import { isObject } from "../fields.ts";
import { checkRules, configFields, type Fields } from "./fields.ts";
import type { FullMemoryConfig } from "./full-memory.ts";
import type { HieraConfig } from "./hiera.ts";
import { encoderOf } from "./image-encoder.ts";
import { encoders, memories } from "./kinds.ts";
import type { PerceiverMemoryConfig } from "./perceiver-memory.ts";
import type { PooledMemoryConfig } from "./pooled-memory.ts";
import type { RepVitConfig } from "./repvit.ts";
import { type MemorySizes, memoryOf } from "./video-memory.ts";
import type { VitConfig } from "./vit.ts";

/** The kinds of image encoder by their names: each a file, and a row of `encoders`. */
export interface EncoderConfigs {
  readonly hiera: HieraConfig;
  readonly repvit: RepVitConfig;
  readonly vit: VitConfig;
}

/** The kinds of memory by their names: each a file, and a row of `memories`. */
export interface MemoryConfigs {
  readonly full: FullMemoryConfig;
  readonly perceiver: PerceiverMemoryConfig;
  readonly pooled: PooledMemoryConfig;
}

/** The kinds of image encoders that there are. */
export type EncoderKind = keyof EncoderConfigs;
/** The kinds of memory that there are. */
export type MemoryKind = keyof MemoryConfigs;
/** An image encoder's sizes, told apart by `kind`, which the compiler needs to see here to find the row that fits. */
export type EncoderConfig<K extends EncoderKind = EncoderKind> = {
  [P in K]: EncoderConfigs[P] & { readonly kind: P };
}[K];
/** The sizes of memories and of the attention to them, told apart by `kind`. */
export type MemoryConfig<K extends MemoryKind = MemoryKind> = { [P in K]: MemoryConfigs[P] & { readonly kind: P } }[K];

/** Every size of a SAM 2 model that its graphs and its weights depend on. What follows from them is `geometry`'s. */
export interface Sam2Config {
  /** A preset's name, or what a custom model is called in messages. */
  readonly name: string;
  /** 2.1 adds a temporal encoding of object pointers and a spatial embedding for absent objects. */
  readonly version: "2.0" | "2.1";
  /** Side of the square the model sees, in pixels. */
  readonly imageSize: number;
  /** Channels of image embeddings, the decoder and memory attention (`d_model`). */
  readonly width: number;
  readonly encoder: EncoderConfig;
  readonly decoder: DecoderConfig;
  readonly memory: MemoryConfig;
}

/** Sizes of the mask decoder, beside those of every model. */
export interface DecoderConfig {
  /** Hidden width of the two-way transformer's MLPs. */
  readonly mlpWidth: number;
}

type Trunk = Pick<
  HieraConfig,
  "embedDim" | "numHeads" | "stages" | "globalAttentionBlocks" | "windowSpec" | "windowPositionBackgroundSize"
>;

/** Sizes of the four models that Meta published of each version. */
export type PresetSize = "tiny" | "small" | "base-plus" | "large";

const trunks: Readonly<Record<PresetSize, Trunk>> = {
  tiny: {
    embedDim: 96,
    numHeads: 1,
    stages: [1, 2, 7, 2],
    globalAttentionBlocks: [5, 7, 9],
    windowSpec: [8, 4, 14, 7],
    windowPositionBackgroundSize: [7, 7],
  },
  small: {
    embedDim: 96,
    numHeads: 1,
    stages: [1, 2, 11, 2],
    globalAttentionBlocks: [7, 10, 13],
    windowSpec: [8, 4, 14, 7],
    windowPositionBackgroundSize: [7, 7],
  },
  "base-plus": {
    embedDim: 112,
    numHeads: 2,
    stages: [2, 3, 16, 3],
    globalAttentionBlocks: [12, 16, 20],
    windowSpec: [8, 4, 14, 7],
    windowPositionBackgroundSize: [14, 14],
  },
  large: {
    embedDim: 144,
    numHeads: 2,
    stages: [2, 6, 36, 4],
    globalAttentionBlocks: [23, 33, 43],
    windowSpec: [8, 4, 16, 8],
    windowPositionBackgroundSize: [7, 7],
  },
};

/** Names of Meta's eight SAM 2 models, as their Hugging Face repositories are called. */
export type HieraPresetName = `sam2.1-hiera-${PresetSize}` | `sam2-hiera-${PresetSize}`;

/** EfficientTAM's sizes: a trunk of ViT-S or ViT-Ti. */
type VitSize = "s" | "ti";
/** EfficientTAM's variants of each size: memories pooled in two ways ("-1", "-2"), or images of 512 pixels. */
type VitVariant = "" | "-1" | "-2" | "-512";

/** Names of EfficientTAM's eight models, after their files. */
export type EfficientTamPresetName = `efficienttam-${VitSize}${VitVariant}`;

/** Names of published models. */
export type PresetName = HieraPresetName | "edgetam" | EfficientTamPresetName;

const fullMemory = {
  kind: "full",
  width: 64,
  frames: 7,
  maxObjectPointers: 16,
  attentionLayers: 4,
  attentionMlpWidth: 2048,
} as const;

/** What all published models have in common. */
const published = { width: 256, decoder: Object.freeze({ mlpWidth: 2048 }) } as const;

function hieraPreset(size: PresetSize, version: "2.0" | "2.1"): Sam2Config {
  return Object.freeze({
    name: `${version === "2.1" ? "sam2.1" : "sam2"}-hiera-${size}`,
    version,
    imageSize: 1024,
    ...published,
    encoder: Object.freeze({ kind: "hiera", ...trunks[size], queryPoolStages: 3, fpnTopDownLevels: [2, 3] }),
    memory: Object.freeze(fullMemory),
  });
}

/** Of the kind of SAM 2.0, as EfficientTAM is. */
const edgeTam: Sam2Config = Object.freeze<Sam2Config>({
  name: "edgetam",
  version: "2.0",
  imageSize: 1024,
  ...published,
  encoder: Object.freeze<RepVitConfig>({
    kind: "repvit",
    embedDims: [48, 96, 192, 384],
    stages: [2, 2, 14, 2],
    fpnTopDownLevels: [2, 3],
  }),
  memory: Object.freeze({
    ...fullMemory,
    kind: "perceiver",
    attentionLayers: 2,
    latents: 256,
    latentMapSide: 16,
    perceiverLayers: 2,
  }),
});

/** Of the kind of SAM 2.0: pointers have no place in time, and absent objects no embedding. */
function efficientTamPreset(size: VitSize, variant: VitVariant): Sam2Config {
  const pooled = { kind: "pooled", weightedBy: variant === "-1" ? "logits" : "keys" } as const;
  return Object.freeze({
    name: `efficienttam-${size}${variant}`,
    version: "2.0",
    imageSize: variant === "-512" ? 512 : 1024,
    ...published,
    encoder: Object.freeze({
      kind: "vit",
      embedDim: size === "s" ? 384 : 192,
      numHeads: size === "s" ? 6 : 3,
      depth: 12,
      globalAttentionBlocks: [2, 5, 8, 11],
      windowSize: 14,
      positionSize: 14,
    }),
    memory: Object.freeze(variant === "-1" || variant === "-2" ? { ...fullMemory, ...pooled } : fullMemory),
  });
}

/**
 * Published models: Meta's eight (reference: `sam2/configs`), 2.1 first, small to large, then EdgeTAM (Zhou et al. 2025;
 * reference: `sam2/configs/edgetam.yaml`) and EfficientTAM's eight (Xiong et al. 2024; reference:
 * `efficient_track_anything/configs`).
 */
export const presets: Readonly<Record<PresetName, Sam2Config>> = {
  "sam2.1-hiera-tiny": hieraPreset("tiny", "2.1"),
  "sam2.1-hiera-small": hieraPreset("small", "2.1"),
  "sam2.1-hiera-base-plus": hieraPreset("base-plus", "2.1"),
  "sam2.1-hiera-large": hieraPreset("large", "2.1"),
  "sam2-hiera-tiny": hieraPreset("tiny", "2.0"),
  "sam2-hiera-small": hieraPreset("small", "2.0"),
  "sam2-hiera-base-plus": hieraPreset("base-plus", "2.0"),
  "sam2-hiera-large": hieraPreset("large", "2.0"),
  edgetam: edgeTam,
  "efficienttam-s": efficientTamPreset("s", ""),
  "efficienttam-s-1": efficientTamPreset("s", "-1"),
  "efficienttam-s-2": efficientTamPreset("s", "-2"),
  "efficienttam-s-512": efficientTamPreset("s", "-512"),
  "efficienttam-ti": efficientTamPreset("ti", ""),
  "efficienttam-ti-1": efficientTamPreset("ti", "-1"),
  "efficienttam-ti-2": efficientTamPreset("ti", "-2"),
  "efficienttam-ti-512": efficientTamPreset("ti", "-512"),
};

/** Whether `name` is one of the published models. */
export function isPresetName(name: string): name is PresetName {
  return Object.hasOwn(presets, name);
}

/**
 * Reads a model's config from parsed JSON, in either of two styles: the reference's own words in snake case
 * (`embed_dim`, `stages`, `global_att_blocks`, ...), or the `config.json` that transformers writes for SAM 2
 * (`model_type` is `sam2` or `sam2_video`), where what is absent has transformers' default.
 *
 * `name` is what the model is called if the config equals no preset; by default the JSON's own `name`, or "custom".
 * Throws a `CheckpointError` with code "config-invalid" that names the field, what it should be and what it is.
 */
export function parseConfig(json: unknown, name?: string): Sam2Config {
  const root = configFields(json);
  const own = root.value("name");
  const called = name ?? (typeof own === "string" ? own : "custom");
  const config = root.value("model_type") === undefined ? fromReference(root, called) : fromTransformers(root, called);
  checkSizes(config);
  return Object.values(presets).find((known) => sameSizes(known, config)) ?? config;
}

function fromReference(root: Fields, name: string): Sam2Config {
  const sizes: MemorySizes = {
    width: root.size("mem_dim"),
    frames: root.size("num_maskmem"),
    maxObjectPointers: root.size("max_obj_ptrs_in_encoder"),
    attentionLayers: root.size("memory_attention_layers"),
    attentionMlpWidth: root.size("memory_attention_dim_feedforward"),
  };
  return {
    name,
    version: root.flag("sam2_1") ? "2.1" : "2.0",
    imageSize: root.size("image_size"),
    width: root.size("d_model"),
    encoder: encoders[root.choice("trunk", encoders, "hiera")].parse.reference(root),
    decoder: { mlpWidth: root.size("mask_decoder_mlp_dim") },
    memory: memories[root.choice("memory", memories, "full")].parse.reference(root, sizes),
  };
}

/** transformers' model types, and the kinds that they are of. */
const modelTypes = {
  sam2: { encoder: "hiera", memory: "full" },
  sam2_video: { encoder: "hiera", memory: "full" },
  edgetam: { encoder: "repvit", memory: "perceiver" },
  edgetam_video: { encoder: "repvit", memory: "perceiver" },
} as const;

function fromTransformers(root: Fields, name: string): Sam2Config {
  const kinds = modelTypes[root.choice("model_type", modelTypes)];
  const decoder = root.child("mask_decoder_config");
  // What neither a tensor's shape nor a field of ours shows.
  decoder.expect("num_attention_heads", decoder.size("num_attention_heads", 8) === 8, "8");
  root.expect("memory_attention_num_attention_heads", root.size("memory_attention_num_attention_heads", 1) === 1, "1");
  const pointers = root.flag("enable_temporal_pos_encoding_for_object_pointers", true);
  root.expect(
    "enable_occlusion_spatial_embedding",
    root.flag("enable_occlusion_spatial_embedding", true) === pointers,
    "the same as enable_temporal_pos_encoding_for_object_pointers",
  );
  const sizes: MemorySizes = {
    width: root.size("memory_encoder_output_channels", 64),
    frames: root.size("num_maskmem", 7),
    maxObjectPointers: root.size("max_object_pointers_in_encoder", 16),
    attentionLayers: root.size("memory_attention_num_layers", 4),
    attentionMlpWidth: root.size("memory_attention_feed_forward_hidden_size", 2048),
  };
  return {
    name,
    version: pointers ? "2.1" : "2.0",
    width: root.child("vision_config").size("fpn_hidden_size", 256),
    ...encoders[kinds.encoder].parse.transformers(root),
    decoder: { mlpWidth: decoder.size("mlp_dim", 2048) },
    memory: memories[kinds.memory].parse.transformers(root, sizes),
  };
}

/** What must hold between the fields, whatever they were called. */
function checkSizes(config: Sam2Config): void {
  const { width, memory } = config;
  encoderOf(config).check(config);
  memoryOf(config).check(config);
  checkRules([
    ["width", width % 16 === 0, "a multiple of 16", width],
    ["memory width", width % memory.width === 0, `a divisor of the width ${width}`, memory.width],
  ]);
}

function sameSizes(a: Sam2Config, b: Sam2Config): boolean {
  const sizes = ({ name: _, ...rest }: Sam2Config): string => JSON.stringify(rest, sorted);
  return sizes(a) === sizes(b);
}

/** For `JSON.stringify`: an object's fields in one order. */
function sorted(_: string, value: unknown): unknown {
  return isObject(value) ? Object.fromEntries(Object.entries(value).sort()) : value;
}
