import { CheckpointError } from "../errors.ts";

/** Every size of a SAM 2 model that its graphs and its weights depend on. */
export interface Sam2Config {
  /** A preset's name, or what a custom model is called in messages. */
  readonly name: string;
  /** 2.1 adds a temporal encoding of object pointers and a spatial embedding for absent objects. */
  readonly version: "2.0" | "2.1";
  /** Side of the square the model sees, in pixels. */
  readonly imageSize: number;
  /** Channels of the first Hiera stage; doubled at each of the next three. */
  readonly embedDim: number;
  /** Attention heads of the first stage; doubled at each of the next three. */
  readonly numHeads: number;
  /** Blocks per stage. */
  readonly stages: readonly [number, number, number, number];
  /** Indices of the blocks that attend to the whole map instead of a window. */
  readonly globalAttentionBlocks: readonly number[];
  /** Window side per stage, in tokens. */
  readonly windowSpec: readonly [number, number, number, number];
  /** Height and width of the stored background position embedding. */
  readonly windowPositionBackgroundSize: readonly [number, number];
  /** How many of the three stage changes pool their queries (`q_pool`). */
  readonly queryPoolStages: number;
  /** Channels of the neck, the decoder and memory attention (`d_model`). */
  readonly width: number;
  /** Channels of a memory (`mem_dim`). */
  readonly memoryWidth: number;
  /** Neck levels that receive the upsampled coarser level; 0 is stride 4, 3 is stride 32. */
  readonly fpnTopDownLevels: readonly number[];
  /** Hidden width of the two-way transformer's MLPs. */
  readonly maskDecoderMlpWidth: number;
  readonly memoryAttentionLayers: number;
  /** Hidden width of memory attention's MLPs. */
  readonly memoryAttentionMlpWidth: number;
  /** Memories a frame attends to, the conditioning one included (`num_maskmem`). */
  readonly memories: number;
  /** Object pointers a frame attends to at most. */
  readonly maxObjectPointers: number;
}

type Trunk = Pick<
  Sam2Config,
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

/** Names of Meta's eight models, as their Hugging Face repositories are called. */
export type PresetName = `sam2.1-hiera-${PresetSize}` | `sam2-hiera-${PresetSize}`;

function preset(size: PresetSize, version: "2.0" | "2.1"): Sam2Config {
  return Object.freeze({
    name: `${version === "2.1" ? "sam2.1" : "sam2"}-hiera-${size}`,
    version,
    imageSize: 1024,
    ...trunks[size],
    queryPoolStages: 3,
    width: 256,
    memoryWidth: 64,
    fpnTopDownLevels: [2, 3],
    maskDecoderMlpWidth: 2048,
    memoryAttentionLayers: 4,
    memoryAttentionMlpWidth: 2048,
    memories: 7,
    maxObjectPointers: 16,
  });
}

/** Meta's eight models (reference: `sam2/configs`), 2.1 first, small to large. */
export const presets: Readonly<Record<PresetName, Sam2Config>> = {
  "sam2.1-hiera-tiny": preset("tiny", "2.1"),
  "sam2.1-hiera-small": preset("small", "2.1"),
  "sam2.1-hiera-base-plus": preset("base-plus", "2.1"),
  "sam2.1-hiera-large": preset("large", "2.1"),
  "sam2-hiera-tiny": preset("tiny", "2.0"),
  "sam2-hiera-small": preset("small", "2.0"),
  "sam2-hiera-base-plus": preset("base-plus", "2.0"),
  "sam2-hiera-large": preset("large", "2.0"),
};

/** Whether `name` is one of Meta's eight. */
export function isPresetName(name: string): name is PresetName {
  return Object.hasOwn(presets, name);
}

/** The preset that `sam2.1-hiera-tiny` or `facebook/sam2.1-hiera-tiny` names. */
export function presetNamed(nameOrPath: string): PresetName | undefined {
  const name = nameOrPath.replace(/^facebook\//, "");
  return isPresetName(name) ? name : undefined;
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
  const root = fieldsOf(json, "");
  const own = root.value("name");
  const called = name ?? (typeof own === "string" ? own : "custom");
  const config = root.value("model_type") === undefined ? fromReference(root, called) : fromTransformers(root, called);
  checkFamily(config);
  return Object.values(presets).find((known) => sameSizes(known, config)) ?? config;
}

function fromReference(root: Fields, name: string): Sam2Config {
  return {
    name,
    version: root.flag("sam2_1") ? "2.1" : "2.0",
    imageSize: root.size("image_size"),
    embedDim: root.size("embed_dim"),
    numHeads: root.size("num_heads"),
    stages: four(root.sizes("stages", 4)),
    globalAttentionBlocks: root.indices("global_att_blocks"),
    windowSpec: four(root.sizes("window_spec", 4)),
    windowPositionBackgroundSize: two(root.sizes("window_pos_embed_bkg_spatial_size", 2)),
    queryPoolStages: root.index("q_pool"),
    width: root.size("d_model"),
    memoryWidth: root.size("mem_dim"),
    fpnTopDownLevels: root.indices("fpn_top_down_levels"),
    maskDecoderMlpWidth: root.size("mask_decoder_mlp_dim"),
    memoryAttentionLayers: root.size("memory_attention_layers"),
    memoryAttentionMlpWidth: root.size("memory_attention_dim_feedforward"),
    memories: root.size("num_maskmem"),
    maxObjectPointers: root.size("max_obj_ptrs_in_encoder"),
  };
}

function fromTransformers(root: Fields, name: string): Sam2Config {
  const type = root.value("model_type");
  if (type !== "sam2" && type !== "sam2_video") throw invalid("model_type", '"sam2" or "sam2_video"', type);
  const vision = root.child("vision_config");
  const backbone = vision.child("backbone_config");
  const decoder = root.child("mask_decoder_config");
  const embedDims = backbone.sizes("embed_dim_per_stage", 4, [96, 192, 384, 768]);
  const heads = backbone.sizes("num_attention_heads_per_stage", 4, [1, 2, 4, 8]);
  backbone.expect("embed_dim_per_stage", doubling(embedDims), "doubled at each stage");
  backbone.expect("num_attention_heads_per_stage", doubling(heads), "doubled at each stage");
  // What neither a tensor's shape nor a field of ours shows.
  backbone.expect("mlp_ratio", backbone.size("mlp_ratio", 4) === 4, "4");
  decoder.expect("num_attention_heads", decoder.size("num_attention_heads", 8) === 8, "8");
  root.expect("memory_attention_num_attention_heads", root.size("memory_attention_num_attention_heads", 1) === 1, "1");
  const pointers = root.flag("enable_temporal_pos_encoding_for_object_pointers", true);
  root.expect(
    "enable_occlusion_spatial_embedding",
    root.flag("enable_occlusion_spatial_embedding", true) === pointers,
    "the same as enable_temporal_pos_encoding_for_object_pointers",
  );
  return {
    name,
    version: pointers ? "2.1" : "2.0",
    imageSize: backbone.side("image_size", 1024),
    embedDim: embedDims[0] ?? 0,
    numHeads: heads[0] ?? 0,
    stages: four(backbone.sizes("blocks_per_stage", 4, [1, 2, 7, 2])),
    globalAttentionBlocks: backbone.indices("global_attention_blocks", [5, 7, 9]),
    windowSpec: four(backbone.sizes("window_size_per_stage", 4, [8, 4, 14, 7])),
    windowPositionBackgroundSize: two(backbone.sizes("window_positional_embedding_background_size", 2, [7, 7])),
    queryPoolStages: backbone.index("num_query_pool_stages", 3),
    width: vision.size("fpn_hidden_size", 256),
    memoryWidth: root.size("memory_encoder_output_channels", 64),
    fpnTopDownLevels: vision.indices("fpn_top_down_levels", [2, 3]),
    maskDecoderMlpWidth: decoder.size("mlp_dim", 2048),
    memoryAttentionLayers: root.size("memory_attention_num_layers", 4),
    memoryAttentionMlpWidth: root.size("memory_attention_feed_forward_hidden_size", 2048),
    memories: root.size("num_maskmem", 7),
    maxObjectPointers: root.size("max_object_pointers_in_encoder", 16),
  };
}

/** What must hold between the fields, whatever they were called. */
function checkFamily(config: Sam2Config): void {
  const depth = config.stages.reduce((sum, blocks) => sum + blocks, 0);
  const { imageSize, windowSpec, embedDim, numHeads, width, memoryWidth } = config;
  const rules: readonly (readonly [field: string, holds: boolean, expected: string, actual: unknown])[] = [
    ["stages", depth <= 1024, "at most 1024 blocks in all", config.stages],
    ["image size", imageSize % 32 === 0, "a multiple of 32", imageSize],
    ["first window", (imageSize / 4) % windowSpec[0] === 0, `a divisor of ${imageSize / 4}`, windowSpec[0]],
    ["embedding width", embedDim % numHeads === 0, `a multiple of the ${numHeads} heads`, embedDim],
    ["width", width % 16 === 0, "a multiple of 16", width],
    ["memory width", width % memoryWidth === 0, `a divisor of the width ${width}`, memoryWidth],
    // The levels that the neck and the decoder use have strides 4, 8 and 16; a pooled window is halved with its map.
    ["query pooling stages", config.queryPoolStages === 3, "3", config.queryPoolStages],
    ["windows", pooledWindowsAreEven(config), "even where the next stage pools them", windowSpec],
    [
      "global attention blocks",
      config.globalAttentionBlocks.every((block) => block < depth),
      `below ${depth}`,
      config.globalAttentionBlocks,
    ],
    [
      "top-down levels",
      config.fpnTopDownLevels.every((level) => level === 2 || level === 3),
      "2 and 3",
      config.fpnTopDownLevels,
    ],
  ];
  for (const [field, holds, expected, actual] of rules) if (!holds) throw invalid(field, expected, actual);
}

/** A block that begins a stage pools in the previous stage's windows, unless it attends globally. */
function pooledWindowsAreEven({ stages, windowSpec, globalAttentionBlocks }: Sam2Config): boolean {
  return windowSpec.slice(0, 3).every((window, stage) => {
    const next = stages.slice(0, stage + 1).reduce((sum, blocks) => sum + blocks, 0);
    return window % 2 === 0 || globalAttentionBlocks.includes(next);
  });
}

function sameSizes(a: Sam2Config, b: Sam2Config): boolean {
  const sizes = ({ name: _, ...rest }: Sam2Config): string => JSON.stringify(Object.entries(rest).sort());
  return sizes(a) === sizes(b);
}

/** Reads typed fields of a JSON object; errors carry the dotted path. */
interface Fields {
  value(key: string): unknown;
  child(key: string): Fields;
  /** A positive integer. */
  size(key: string, fallback?: number): number;
  /** An integer from 0. */
  index(key: string, fallback?: number): number;
  /** A positive integer, or a list of two equal ones. */
  side(key: string, fallback: number): number;
  sizes(key: string, length: number, fallback?: readonly number[]): readonly number[];
  indices(key: string, fallback?: readonly number[]): readonly number[];
  flag(key: string, fallback?: boolean): boolean;
  /** Throws unless `holds`. */
  expect(key: string, holds: boolean, expected: string): void;
}

/** Keeps a config from asking for tensors that no machine holds. */
const largest = 65536;

function fieldsOf(json: unknown, path: string): Fields {
  if (!isObject(json)) throw invalid(path, "a JSON object", json);
  const at = (key: string): string => (path === "" ? key : `${path}.${key}`);
  // null means absent, as in transformers
  const value = (key: string): unknown => (Object.hasOwn(json, key) ? (json[key] ?? undefined) : undefined);
  const integer = (key: string, least: number, fallback?: number): number => {
    const found = value(key) ?? fallback;
    if (!isInteger(found, least)) throw invalid(at(key), `an integer from ${least} to ${largest}`, value(key));
    return found;
  };
  const list = (key: string, least: number, length?: number, fallback?: readonly number[]): readonly number[] => {
    const found = value(key) ?? fallback;
    const fits = Array.isArray(found) && (length === undefined ? found.length <= 1024 : found.length === length);
    if (!fits || !found.every((item): item is number => isInteger(item, least))) {
      const count = length === undefined ? "a list of" : `a list of ${length}`;
      throw invalid(at(key), `${count} integers from ${least} to ${largest}`, value(key));
    }
    return found;
  };
  return {
    value,
    child: (key) => fieldsOf(value(key) ?? {}, at(key)),
    size: (key, fallback) => integer(key, 1, fallback),
    index: (key, fallback) => integer(key, 0, fallback),
    side: (key, fallback) => {
      const found = value(key);
      if (!Array.isArray(found)) return integer(key, 1, fallback);
      const [height, width] = list(key, 1, 2);
      if (height === undefined || height !== width) throw invalid(at(key), "a square", found);
      return height;
    },
    sizes: (key, length, fallback) => list(key, 1, length, fallback),
    indices: (key, fallback) => list(key, 0, undefined, fallback),
    flag: (key, fallback) => {
      const found = value(key) ?? fallback;
      if (typeof found !== "boolean") throw invalid(at(key), "true or false", value(key));
      return found;
    },
    expect: (key, holds, expected) => {
      if (!holds) throw invalid(at(key), expected, value(key));
    },
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown, least: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= largest;
}

function doubling(sizes: readonly number[]): boolean {
  return sizes.every((size, i) => i === 0 || size === 2 * (sizes[i - 1] ?? 0));
}

function four(list: readonly number[]): readonly [number, number, number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = list;
  return [a, b, c, d];
}

function two(list: readonly number[]): readonly [number, number] {
  const [a = 0, b = 0] = list;
  return [a, b];
}

function invalid(field: string, expected: string, actual: unknown): CheckpointError {
  const shown = actual === undefined ? "missing" : (JSON.stringify(actual) ?? String(actual)).slice(0, 120);
  const subject = field === "" ? "config" : `config: ${field}`;
  return new CheckpointError("config-invalid", `${subject} should be ${expected}, but is ${shown}`, {
    details: { field, expected, actual },
  });
}
