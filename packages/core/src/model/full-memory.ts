/**
 * Memories as SAM 2 has them: a frame's whole stride-16 map, all of which later frames attend to (SAM 2, section 4;
 * reference: modeling/memory_encoder.py and modeling/memory_attention.py).
 */

import { sinePositionEncoding } from "../nn/position-encoding.ts";
import type { Fields } from "./fields.ts";
import { gridSize } from "./grid.ts";
import { type MemoryLayout, memoryAttention } from "./memory-attention.ts";
import { memoryEncoder } from "./memory-encoder.ts";
import type { MemorySizes, VideoMemory, WithMemory } from "./video-memory.ts";
import type { ShapesAt } from "./weight-shapes.ts";

/** Sizes of a memory that keeps a whole map of each frame (SAM 2, section 4; reference: `memory_encoder`). */
export interface FullMemoryConfig extends MemorySizes {
  readonly kind: "full";
}

const parse = (_: Fields, sizes: MemorySizes): FullMemoryConfig => ({ kind: "full", ...sizes });

/** What all kinds have in common that keep a whole map. */
export const wholeMaps: Pick<VideoMemory<MemorySizes>, "inventory" | "tokens" | "encode" | "roundedScopes"> = {
  inventory: (at, c) => {
    memoryAttentionShapes(at, c);
    memoryEncoderShapes(at, c);
  },
  tokens: (c) => gridSize(c) ** 2,
  encode: memoryEncoder,
  roundedScopes: ["memory_attention.layers.", "memory_encoder.fuser."],
};

export const full: VideoMemory<FullMemoryConfig> = {
  ...wholeMaps,
  parse: { reference: parse, transformers: parse },
  check: () => {},
  singleMemoryApart: false,
  attend: (g, root, c, inputs) => memoryAttention(g, root, c, inputs, wholeMap(c)),
  renames: [
    [/^memory_encoder\.feature_projection\./, "memory_encoder.pix_feat_proj."],
    [/^memory_encoder\.projection\./, "memory_encoder.out_proj."],
    [/^memory_encoder\.memory_fuser\./, "memory_encoder.fuser."],
    [/\.depthwise_conv\./, ".dwconv."],
    [/\.pointwise_conv(\d)\./, ".pwconv$1."],
    [/^(memory_encoder\.fuser\.layers\.\d+)\.scale$/, "$1.gamma"],
    [/\.mask_downsampler\.final_conv\./, ".mask_downsampler.encoder.12."],
  ],
};

/** Every cell of the map is a token, at its place. */
export function wholeMap(c: WithMemory<MemorySizes>): MemoryLayout {
  const side = gridSize(c);
  return { positions: sinePositionEncoding(side, side, c.memory.width) };
}

/** The weights of the attention to memories, which are of one shape in every kind. */
export function memoryAttentionShapes(at: ShapesAt, { width, memory }: WithMemory<MemorySizes>): void {
  for (let i = 0; i < memory.attentionLayers; i++) {
    const layer = at(`memory_attention.layers.${i}.`);
    layer.attention("self_attn", width);
    layer.attention("cross_attn_image", width, width, memory.width);
    layer.linear("linear1", width, memory.attentionMlpWidth);
    layer.linear("linear2", memory.attentionMlpWidth, width);
    for (const norm of ["norm1", "norm2", "norm3"]) layer.norm(norm, width);
  }
  at("memory_attention.").norm("norm", width);
}

/** The memory encoder's weights, which every kind has. */
export function memoryEncoderShapes(at: ShapesAt, { width, memory }: WithMemory<MemorySizes>): void {
  const encoder = at("memory_encoder.");
  encoder.affine("pix_feat_proj", [width, width, 1, 1]);
  encoder.affine("out_proj", [memory.width, width, 1, 1]);
  for (let i = 0; i < 4; i++) {
    const channels = 4 ** (i + 1);
    encoder.affine(`mask_downsampler.encoder.${3 * i}`, [channels, channels / 4, 3, 3]);
    encoder.norm(`mask_downsampler.encoder.${3 * i + 1}`, channels);
  }
  encoder.affine("mask_downsampler.encoder.12", [width, 256, 1, 1]);
  for (let i = 0; i < 2; i++) {
    const layer = at(`memory_encoder.fuser.layers.${i}.`);
    layer.affine("dwconv", [width, 1, 7, 7]);
    layer.norm("norm", width);
    layer.linear("pwconv1", width, 4 * width);
    layer.linear("pwconv2", 4 * width, width);
    layer.free("gamma", [width]);
  }
}
