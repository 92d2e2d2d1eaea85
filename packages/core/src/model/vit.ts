/**
 * The image encoder's trunk as a plain ViT (Li et al. 2022, "Exploring Plain Vision Transformer Backbones"): patches of
 * 16x16 pixels, windowed attention in most blocks and global attention in a few, one width throughout. EfficientTAM
 * (Xiong et al. 2024, section 3; reference: modeling/backbones/vitdet.py) takes the last block's map alone, so there is
 * one feature level, and the decoder does without those of strides 4 and 8.
 */
import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, mlp, width as widthOf } from "../nn/layers.ts";
import { inWindows, type Tokens, withValue } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import { checkRules, type Fields, notInTransformers } from "./fields.ts";
import { gridSize } from "./grid.ts";
import type { ImageEncoder, ImageFeatures, WithEncoder } from "./image-encoder.ts";
import { type ShapesAt, weightShapes } from "./weight-shapes.ts";
import { windowAttention } from "./window-attention.ts";

const EPSILON = 1e-6;
const PATCH = 16;

/** Sizes of a plain ViT trunk (reference: `image_encoder.trunk`). */
export interface VitConfig {
  readonly kind: "vit";
  readonly embedDim: number;
  readonly numHeads: number;
  /** Blocks in all. */
  readonly depth: number;
  /** Indices of the blocks that attend to the whole map instead of a window. */
  readonly globalAttentionBlocks: readonly number[];
  /** Side of the windows, in tokens. Maps that it does not divide are padded with zeros, which take part. */
  readonly windowSize: number;
  /** Side of the stored position embedding, in tokens. */
  readonly positionSize: number;
}

type Vit = WithEncoder<VitConfig>;

export const vit: ImageEncoder<VitConfig> = {
  parse: { reference: fromReference, transformers: notInTransformers },
  highRes: false,
  check,
  recognise,
  inventory,
  build: (g, root, c, image) => {
    const w = root.at("image_encoder");
    return neck(g, w.at("neck").at("convs").at(0), c, trunk(g, w.at("trunk"), c, image));
  },
  roundedScopes: ["image_encoder.trunk.blocks."],
  fingerprint: ["image_encoder.trunk.patch_embed.proj.bias", "image_encoder.neck.convs.0.norm_1.bias"],
  renames: [],
};

function fromReference(root: Fields): VitConfig {
  return {
    kind: "vit",
    embedDim: root.size("embed_dim"),
    numHeads: root.size("num_heads"),
    depth: root.size("depth"),
    globalAttentionBlocks: root.indices("global_att_blocks"),
    windowSize: root.size("window_size"),
    positionSize: root.size("pos_embed_size"),
  };
}

function check({ imageSize, encoder }: Vit): void {
  const { depth, embedDim, numHeads, globalAttentionBlocks } = encoder;
  checkRules([
    ["depth", depth <= 1024, "at most 1024 blocks", depth],
    ["image size", imageSize % PATCH === 0, `a multiple of ${PATCH}`, imageSize],
    ["embedding width", embedDim % numHeads === 0, `a multiple of the ${numHeads} heads`, embedDim],
    [
      "global attention blocks",
      globalAttentionBlocks.every((block) => block < depth),
      `below ${depth}`,
      globalAttentionBlocks,
    ],
  ]);
}

/** Width, depth and position embedding. Window and image size change no shape. */
function recognise({ entries }: WeightStore, c: Vit): boolean {
  const { depth } = c.encoder;
  if (entries.has(`image_encoder.trunk.blocks.${depth}.norm1.weight`)) return false;
  const shapes = weightShapes((at) => inventory(at, c));
  const telling = [
    "image_encoder.trunk.patch_embed.proj.weight",
    "image_encoder.trunk.pos_embed",
    `image_encoder.trunk.blocks.${depth - 1}.norm1.weight`,
    "image_encoder.neck.convs.0.conv_1x1.weight",
  ];
  return telling.every((name) => entries.get(name)?.dims.join() === shapes.get(name)?.join());
}

function inventory(at: ShapesAt, { width, encoder }: Vit): void {
  const { embedDim, depth, positionSize } = encoder;
  const trunk = at("image_encoder.trunk.");
  trunk.affine("patch_embed.proj", [embedDim, 3, PATCH, PATCH]);
  trunk.free("pos_embed", [1, 1 + positionSize ** 2, embedDim]);
  for (let i = 0; i < depth; i++) {
    const block = at(`image_encoder.trunk.blocks.${i}.`);
    block.norm("norm1", embedDim);
    block.linear("attn.qkv", embedDim, 3 * embedDim);
    block.linear("attn.proj", embedDim, embedDim);
    block.norm("norm2", embedDim);
    block.mlp("mlp", embedDim, 4 * embedDim, embedDim);
  }
  const conv = at("image_encoder.neck.convs.0.");
  conv.free("conv_1x1.weight", [width, embedDim, 1, 1]);
  conv.norm("norm_0", width);
  conv.free("conv_3x3.weight", [width, width, 3, 3]);
  conv.norm("norm_1", width);
}

/** image [images, S, S, 3] -> [images, S / 16, S / 16, embedDim] */
function trunk(g: GraphBuilder, w: WeightScope, c: Vit, image: Value): Tokens {
  const { embedDim, depth, globalAttentionBlocks, windowSize } = c.encoder;
  const side = gridSize(c);
  const embedded = g.scope(`${w.path}.patch_embed`, () => {
    const proj = w.at("patch_embed").at("proj");
    const filter = proj.tensor("weight", [embedDim, 3, PATCH, PATCH]);
    return g.conv2d(image, filter, proj.tensor("bias", [embedDim]), { strides: [PATCH, PATCH] });
  });
  const value = g.add(embedded, positionEmbedding(g, w, c.encoder, side));
  let x: Tokens = { value, height: side, width: side, window: 0 };
  for (let i = 0; i < depth; i++) {
    const window = globalAttentionBlocks.includes(i) ? 0 : windowSize;
    x = block(g, w.at("blocks").at(i), c.encoder, x, window);
  }
  return inWindows(g, x, 0);
}

/** The stored map without the class token's row, which is its first, resized: [1, side, side, embedDim]. */
function positionEmbedding(
  g: GraphBuilder,
  w: WeightScope,
  { embedDim, positionSize }: VitConfig,
  side: number,
): Value {
  return g.scope(w.path, () => {
    const cells = positionSize ** 2;
    const rows = g.reshape(w.tensor("pos_embed", [1, 1 + cells, embedDim]), [1 + cells, embedDim]);
    const map = g.reshape(g.slice(rows, [1, 0], [cells, embedDim]), [1, positionSize, positionSize, embedDim]);
    return g.resample2d(map, { sizes: [side, side], mode: "cubic" });
  });
}

function block(
  g: GraphBuilder,
  w: WeightScope,
  { embedDim, numHeads }: VitConfig,
  input: Tokens,
  window: number,
): Tokens {
  return g.scope(w.path, () => {
    // Only attention minds the order of tokens, but padding is to be zeros after the norm.
    const whole = window === 0 || input.height % window === 0;
    const x = inWindows(g, input, whole ? window : 0);
    const normed = withValue(x, layerNorm(g, w.at("norm1"), x.value, EPSILON));
    const settings = { width: embedDim, heads: numHeads };
    const attended = windowAttention(g, w.at("attn"), inWindows(g, normed, window), settings);
    const y = g.add(x.value, inWindows(g, attended, x.window).value);
    const hidden = mlp(g, w.at("mlp"), layerNorm(g, w.at("norm2"), y, EPSILON), [4 * embedDim, embedDim], "gelu");
    return withValue(x, g.add(y, hidden));
  });
}

/** A 1x1 and a 3x3 convolution without biases, each with a norm over channels (reference: modeling/backbones/utils.py). */
function neck(g: GraphBuilder, w: WeightScope, c: Vit, { value }: Tokens): ImageFeatures {
  return g.scope(w.path, () => {
    const [images, height, columns] = value.dims as readonly [Dim, number, number, number];
    const { width } = c;
    const input = widthOf(value);
    const first = g.reshape(w.tensor("conv_1x1.weight", [width, input, 1, 1]), [width, input]);
    const projected = layerNorm(g, w.at("norm_0"), g.linear(value, first), EPSILON);
    const filter = w.tensor("conv_3x3.weight", [width, width, 3, 3]);
    const mixed = g.conv2d(projected, filter, undefined, { padding: [1, 1, 1, 1] });
    const normed = layerNorm(g, w.at("norm_1"), mixed, EPSILON);
    return { imageEmbeddings: g.reshape(normed, [images, height * columns, width]) };
  });
}
