/**
 * The image encoder's trunk: Hiera (Ryali et al. 2023) with windowed attention in most blocks, global attention in a
 * few, and query pooling where a stage begins. Reference: modeling/backbones/hieradet.py.
 *
 * Tokens are kept in the order of the windows they were last used in: stages 1 and 2 and the beginning of stage 3 share
 * one partition (their windows halve as the map does), so nothing is moved between their blocks.
 */
import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, linear, mlp } from "../nn/layers.ts";
import { inWindows, type Tokens, withValue } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import { type FeaturePyramidConfig, featurePyramid, featurePyramidShapes } from "./feature-pyramid.ts";
import { checkRules, type Fields, four, two } from "./fields.ts";
import type { ImageEncoder, WithEncoder } from "./image-encoder.ts";
import { type ShapesAt, weightShapes } from "./weight-shapes.ts";
import { windowAttention } from "./window-attention.ts";

const EPSILON = 1e-6;

/** Sizes of a Hiera trunk of four stages and its neck (Hiera, Ryali et al. 2023; reference: `image_encoder.trunk`). */
export interface HieraConfig extends FeaturePyramidConfig {
  readonly kind: "hiera";
  /** Channels of the first stage; doubled at each of the next three. */
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
}

type Hiera = WithEncoder<HieraConfig>;

export const hiera: ImageEncoder<HieraConfig> = {
  parse: { reference: fromReference, transformers: fromTransformers },
  highRes: true,
  check,
  recognise,
  inventory,
  build: (g, root, c, image) => featurePyramid(g, root, c, trunk(g, root.at("image_encoder").at("trunk"), c, image)),
  roundedScopes: ["image_encoder.trunk.blocks."],
  fingerprint: [
    ...["image_encoder.trunk.patch_embed.proj.bias", "image_encoder.neck.convs.0.conv.bias"],
    ...["sam_mask_decoder.conv_s0.bias", "sam_mask_decoder.conv_s1.bias"],
  ],
  renames: [
    [/^vision_encoder\.backbone\./, "image_encoder.trunk."],
    [/\.patch_embed\.projection\./, ".patch_embed.proj."],
  ],
};

function fromReference(root: Fields): HieraConfig {
  return {
    kind: "hiera",
    embedDim: root.size("embed_dim"),
    numHeads: root.size("num_heads"),
    stages: four(root.sizes("stages", 4)),
    globalAttentionBlocks: root.indices("global_att_blocks"),
    windowSpec: four(root.sizes("window_spec", 4)),
    windowPositionBackgroundSize: two(root.sizes("window_pos_embed_bkg_spatial_size", 2)),
    queryPoolStages: root.index("q_pool"),
    fpnTopDownLevels: root.indices("fpn_top_down_levels"),
  };
}

function fromTransformers(root: Fields): { readonly imageSize: number; readonly encoder: HieraConfig } {
  const vision = root.child("vision_config");
  const backbone = vision.child("backbone_config");
  const embedDims = backbone.sizes("embed_dim_per_stage", 4, [96, 192, 384, 768]);
  const heads = backbone.sizes("num_attention_heads_per_stage", 4, [1, 2, 4, 8]);
  backbone.expect("embed_dim_per_stage", doubling(embedDims), "doubled at each stage");
  backbone.expect("num_attention_heads_per_stage", doubling(heads), "doubled at each stage");
  backbone.expect("mlp_ratio", backbone.size("mlp_ratio", 4) === 4, "4"); // no field of ours shows it
  return {
    imageSize: backbone.side("image_size", 1024),
    encoder: {
      kind: "hiera",
      embedDim: embedDims[0] ?? 0,
      numHeads: heads[0] ?? 0,
      stages: four(backbone.sizes("blocks_per_stage", 4, [1, 2, 7, 2])),
      globalAttentionBlocks: backbone.indices("global_attention_blocks", [5, 7, 9]),
      windowSpec: four(backbone.sizes("window_size_per_stage", 4, [8, 4, 14, 7])),
      windowPositionBackgroundSize: two(backbone.sizes("window_positional_embedding_background_size", 2, [7, 7])),
      queryPoolStages: backbone.index("num_query_pool_stages", 3),
      fpnTopDownLevels: vision.indices("fpn_top_down_levels", [2, 3]),
    },
  };
}

function doubling(sizes: readonly number[]): boolean {
  return sizes.every((size, i) => i === 0 || size === 2 * (sizes[i - 1] ?? 0));
}

function check({ imageSize, encoder }: Hiera): void {
  const { windowSpec, embedDim, numHeads, queryPoolStages, globalAttentionBlocks, fpnTopDownLevels } = encoder;
  const depth = depthOf(encoder);
  checkRules([
    ["stages", depth <= 1024, "at most 1024 blocks in all", encoder.stages],
    ["image size", imageSize % 32 === 0, "a multiple of 32", imageSize],
    ["first window", (imageSize / 4) % windowSpec[0] === 0, `a divisor of ${imageSize / 4}`, windowSpec[0]],
    ["embedding width", embedDim % numHeads === 0, `a multiple of the ${numHeads} heads`, embedDim],
    // The levels that the neck and the decoder use have strides 4, 8 and 16; a pooled window is halved with its map.
    ["query pooling stages", queryPoolStages === 3, "3", queryPoolStages],
    ["windows", pooledWindowsAreEven(encoder), "even where the next stage pools them", windowSpec],
    [
      "global attention blocks",
      globalAttentionBlocks.every((block) => block < depth),
      `below ${depth}`,
      globalAttentionBlocks,
    ],
    ["top-down levels", fpnTopDownLevels.every((level) => level === 2 || level === 3), "2 and 3", fpnTopDownLevels],
  ]);
}

/** A block that begins a stage pools in the previous stage's windows, unless it attends globally. */
function pooledWindowsAreEven({ stages, windowSpec, globalAttentionBlocks }: HieraConfig): boolean {
  return windowSpec.slice(0, 3).every((window, stage) => {
    const next = stages.slice(0, stage + 1).reduce((sum, blocks) => sum + blocks, 0);
    return window % 2 === 0 || globalAttentionBlocks.includes(next);
  });
}

function depthOf({ stages }: HieraConfig): number {
  return stages.reduce((sum, blocks) => sum + blocks, 0);
}

/** Embedding, depth, position embedding and neck: enough to tell the presets apart. */
function recognise({ entries }: WeightStore, c: Hiera): boolean {
  const depth = depthOf(c.encoder);
  if (entries.has(`image_encoder.trunk.blocks.${depth}.norm1.weight`)) return false;
  const shapes = weightShapes((at) => inventory(at, c));
  const telling = [
    "image_encoder.trunk.patch_embed.proj.weight",
    "image_encoder.trunk.pos_embed",
    "image_encoder.trunk.pos_embed_window",
    `image_encoder.trunk.blocks.${depth - 1}.norm1.weight`,
    "image_encoder.neck.convs.0.conv.weight",
  ];
  return telling.every((name) => entries.get(name)?.dims.join() === shapes.get(name)?.join());
}

function inventory(at: ShapesAt, { width, encoder }: Hiera): void {
  const { embedDim, windowSpec, windowPositionBackgroundSize } = encoder;
  const trunk = at("image_encoder.trunk.");
  trunk.affine("patch_embed.proj", [embedDim, 3, 7, 7]);
  trunk.free("pos_embed", [1, embedDim, ...windowPositionBackgroundSize]);
  trunk.free("pos_embed_window", [1, embedDim, windowSpec[0], windowSpec[0]]);
  let dim = embedDim;
  for (const [i, { width: out }] of hieraBlocks(encoder).entries()) {
    const block = at(`image_encoder.trunk.blocks.${i}.`);
    block.norm("norm1", dim);
    block.linear("attn.qkv", dim, 3 * out);
    block.linear("attn.proj", out, out);
    block.norm("norm2", out);
    block.mlp("mlp", out, 4 * out, out);
    if (dim !== out) block.linear("proj", dim, out);
    dim = out;
  }
  const stages = encoder.stages.map((_, stage) => embedDim * 2 ** stage);
  featurePyramidShapes(at, stages, width);
}

/** How one block of the trunk is set. */
export interface HieraBlock {
  readonly stage: number;
  readonly width: number;
  readonly heads: number;
  /** Side of the attention windows; 0 attends globally. A block that begins a stage has the previous stage's. */
  readonly window: number;
  /** Whether queries, and the shortcut, are max-pooled 2x2. */
  readonly pools: boolean;
}

/** The trunk's blocks in order. */
export function hieraBlocks(c: HieraConfig): readonly HieraBlock[] {
  return c.stages.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, j) => {
      const index = c.stages.slice(0, stage).reduce((sum, n) => sum + n, 0) + j;
      const begins = j === 0 && stage > 0;
      return {
        stage,
        width: c.embedDim * 2 ** stage,
        heads: c.numHeads * 2 ** stage,
        window: c.globalAttentionBlocks.includes(index) ? 0 : (c.windowSpec[begins ? stage - 1 : stage] ?? 0),
        pools: begins && stage <= c.queryPoolStages,
      };
    }),
  );
}

/** image [images, S, S, 3] -> the output of each stage, [images, S / 4, S / 4, embedDim] and on, halved and doubled. */
function trunk(g: GraphBuilder, w: WeightScope, { imageSize, encoder: c }: Hiera, image: Value): readonly Tokens[] {
  const blocks = hieraBlocks(c);
  const size = imageSize / 4;
  const first = blocks[0]?.window ?? 0;
  const patches = g.scope(`${w.path}.patch_embed`, () => {
    const proj = w.at("patch_embed").at("proj");
    return g.conv2d(image, proj.tensor("weight", [c.embedDim, 3, 7, 7]), proj.tensor("bias", [c.embedDim]), {
      strides: [4, 4],
      padding: [3, 3, 3, 3],
    });
  });
  const map = { height: size, width: size, window: 0 };
  const embedded = inWindows(g, { value: patches, ...map }, first);
  const positions = inWindows(g, { value: positionEmbedding(g, w, c, size), ...map }, first);
  let x = withValue(embedded, addPositions(g, embedded.value, positions.value, image.dims[0] ?? 1));
  const stages: Tokens[] = [];
  for (const [i, block] of blocks.entries()) {
    x = hieraBlock(g, w.at("blocks").at(i), block, x);
    if (blocks[i + 1]?.stage !== block.stage) stages.push(x);
  }
  return stages;
}

/** Adds one image's positions [windows, ...] to those of a batch [batch * windows, ...]. */
function addPositions(g: GraphBuilder, x: Value, positions: Value, batch: Dim): Value {
  const rows = positions.dims.reduce(mulDims, 1);
  return g.reshape(g.add(g.reshape(x, [batch, rows]), g.reshape(positions, [1, rows])), x.dims);
}

/** A coarse map of positions, enlarged bicubically, plus one window's repeated: [1, size, size, embedDim]. */
function positionEmbedding(g: GraphBuilder, w: WeightScope, c: HieraConfig, size: number): Value {
  return g.scope(w.path, () => {
    const [height, width] = c.windowPositionBackgroundSize;
    const side = c.windowSpec[0];
    const global = g.transpose(w.tensor("pos_embed", [1, c.embedDim, height, width]), [0, 2, 3, 1]);
    const local = g.transpose(w.tensor("pos_embed_window", [1, c.embedDim, side, side]), [0, 2, 3, 1]);
    const repeats = size / side;
    const tiled = g.expand(g.reshape(local, [1, 1, side, 1, side, c.embedDim]), [
      1,
      repeats,
      side,
      repeats,
      side,
      c.embedDim,
    ]);
    const enlarged = g.resample2d(global, { sizes: [size, size], mode: "cubic" });
    return g.add(enlarged, g.reshape(tiled, [1, size, size, c.embedDim]));
  });
}

function hieraBlock(g: GraphBuilder, w: WeightScope, block: HieraBlock, input: Tokens): Tokens {
  return g.scope(w.path, () => {
    const whole = block.window === 0 || input.height % block.window === 0;
    const x = whole ? inWindows(g, input, block.window) : inWindows(g, input, 0);
    const normed = withValue(x, layerNorm(g, w.at("norm1"), x.value, EPSILON));
    const widens = normed.value.dims.at(-1) !== block.width;
    const projected = widens ? withValue(x, linear(g, w.at("proj"), normed.value, block.width)) : x;
    const shortcut = block.pools ? pool(g, projected) : projected;

    const queries = block.pools ? (x: Tokens): Tokens => pool(g, x) : undefined;
    const attended = windowAttention(g, w.at("attn"), inWindows(g, normed, block.window), { ...block, queries });
    const back = inWindows(g, attended, shortcut.window);
    const y = g.add(shortcut.value, back.value);
    const hidden = mlp(g, w.at("mlp"), layerNorm(g, w.at("norm2"), y, EPSILON), [4 * block.width, block.width], "gelu");
    return withValue(shortcut, g.add(y, hidden));
  });
}

/** 2x2 max pooling; windows of even size shrink with the map. */
function pool(g: GraphBuilder, { value, height, width, window }: Tokens): Tokens {
  const pooled = g.maxPool2d(value, { windowDimensions: [2, 2] });
  return { value: pooled, height: height / 2, width: width / 2, window: window / 2 };
}
