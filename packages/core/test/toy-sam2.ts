import type { RawImage } from "../src/image/image.ts";
import { parseConfig, type Sam2Config } from "../src/model/config.ts";
import type { HieraConfig } from "../src/model/hiera.ts";
import type { HostTensor } from "../src/tensor/tensor.ts";
import { RandomTensors } from "../src/testing/fixtures.ts";
import { hashedWeights } from "../src/testing/hashed-weights.ts";

/**
 * The smallest model of the family that has every kind of block: windows that do not divide their map, one larger than
 * its map, padded windows whose queries are pooled, and global attention.
 */
export const toyJson: Readonly<Record<string, unknown>> = {
  name: "toy",
  image_size: 64,
  embed_dim: 8,
  num_heads: 1,
  stages: [1, 2, 3, 1],
  global_att_blocks: [5],
  window_spec: [8, 6, 6, 3],
  window_pos_embed_bkg_spatial_size: [3, 3],
  q_pool: 3,
  d_model: 32,
  mem_dim: 16,
  fpn_top_down_levels: [2, 3],
  mask_decoder_mlp_dim: 32,
  memory_attention_layers: 1,
  memory_attention_dim_feedforward: 32,
  num_maskmem: 3,
  max_obj_ptrs_in_encoder: 4,
  sam2_1: true,
};

export const toyConfig: Sam2Config = parseConfig(toyJson);

/** EdgeTAM's kinds in miniature: `toyJson` with convolutions for a trunk, and memories of latents. */
export const toyEdgeTamJson: Readonly<Record<string, unknown>> = {
  ...toyJson,
  ...{ name: "edge", trunk: "repvit", embed_dims: [8, 16, 16, 32], stages: [2, 1, 3, 1], sam2_1: false },
  ...{ memory: "perceiver", num_latents: 3, num_latents_2d: 4, perceiver_depth: 2 },
};

export const toyEdgeTam: Sam2Config = parseConfig(toyEdgeTamJson);

/** The encoder of a model that is known to be of Hiera's kind. */
export function hieraOf({ name, encoder }: Sam2Config): HieraConfig {
  if (encoder.kind !== "hiera") throw new Error(`${name} has another encoder`);
  return encoder;
}

/** An image of noise, the same for the same seed. */
export function noiseImage(width: number, height: number, { seed = 1, channels = 3 }: NoiseOptions = {}): RawImage {
  const data = new RandomTensors(seed).ints([height * width * channels], 0, 256).data as Int32Array;
  return { width, height, channels, data: new Uint8Array(data) };
}

interface NoiseOptions {
  readonly seed?: number;
  readonly channels?: 3 | 4;
}

/** The toy model's hashed weights, by name. */
export async function toyTensors(): Promise<ReadonlyMap<string, HostTensor<"float32">>> {
  const weights = hashedWeights(toyConfig);
  const tensors = new Map<string, HostTensor<"float32">>();
  for (const key of weights.entries.keys()) tensors.set(key, await weights.read(key));
  return tensors;
}
