import type { WeightStore } from "../checkpoint/weight-store.ts";
import { CheckpointError } from "../errors.ts";
import type { Sam2Config } from "./config.ts";

/**
 * Which part of the model a checkpoint must hold: everything, or what images need (image encoder, prompt encoder, mask
 * decoder and `no_mem_embed`).
 */
export type InventoryPart = "all" | "image";

/** Three-layer heads and the mask embedding have sizes that no config of the family changes. */
const iouHeadWidth = 256;
const maskTokens = 4;
const maskEmbeddingWidth = 16;

/**
 * Every key of a SAM 2 checkpoint with its shape, under the official names, image and video parts together
 * (reference: the constructors in `sam2/modeling`). With `part` "image", only what images need.
 */
export function inventory(config: Sam2Config, part: InventoryPart = "all"): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const at = (scope: string): Scope => {
    const layer: Scope = {
      free: (name, dims) => void shapes.set(scope + name, dims),
      affine: (name, weight, outputs = weight[0] ?? 0) => {
        shapes.set(`${scope}${name}.weight`, weight);
        shapes.set(`${scope}${name}.bias`, [outputs]);
      },
      linear: (name, inputs, outputs) => layer.affine(name, [outputs, inputs]),
      norm: (name, width) => layer.affine(name, [width]),
      mlp: (name, ...widths) => {
        for (let i = 0; i + 1 < widths.length; i++) {
          layer.linear(`${name}.layers.${i}`, widths[i] ?? 0, widths[i + 1] ?? 0);
        }
      },
      attention: (name, width, inner = width, keys = width) => {
        layer.linear(`${name}.q_proj`, width, inner);
        layer.linear(`${name}.k_proj`, keys, inner);
        layer.linear(`${name}.v_proj`, keys, inner);
        layer.linear(`${name}.out_proj`, inner, width);
      },
    };
    return layer;
  };

  imageEncoder(at, config);
  promptEncoder(at("sam_prompt_encoder."), config.width);
  maskDecoder(at, config);
  at("").free("no_mem_embed", [1, 1, config.width]);
  if (part === "all") video(at, config);
  return shapes;
}

interface Scope {
  free(name: string, dims: readonly number[]): void;
  /** A weight and the bias of its outputs, which are its first dimension unless said otherwise. */
  affine(name: string, weight: readonly number[], outputs?: number): void;
  linear(name: string, inputs: number, outputs: number): void;
  norm(name: string, width: number): void;
  mlp(name: string, ...widths: readonly number[]): void;
  attention(name: string, width: number, inner?: number, keys?: number): void;
}

type At = (scope: string) => Scope;

function imageEncoder(at: At, config: Sam2Config): void {
  const { embedDim, stages, width, windowSpec } = config;
  const trunk = at("image_encoder.trunk.");
  trunk.affine("patch_embed.proj", [embedDim, 3, 7, 7]);
  trunk.free("pos_embed", [1, embedDim, ...config.windowPositionBackgroundSize]);
  trunk.free("pos_embed_window", [1, embedDim, windowSpec[0], windowSpec[0]]);
  let block = 0;
  let dim = embedDim;
  stages.forEach((blocks, stage) => {
    const out = embedDim * 2 ** stage;
    for (let i = 0; i < blocks; i++) {
      const b = at(`image_encoder.trunk.blocks.${block}.`);
      b.norm("norm1", dim);
      b.linear("attn.qkv", dim, 3 * out);
      b.linear("attn.proj", out, out);
      b.norm("norm2", out);
      b.mlp("mlp", out, 4 * out, out);
      if (dim !== out) b.linear("proj", dim, out);
      dim = out;
      block++;
    }
    at("image_encoder.neck.convs.").affine(`${3 - stage}.conv`, [width, out, 1, 1]); // convs.0 is the coarsest
  });
}

function promptEncoder(prompt: Scope, width: number): void {
  prompt.free("pe_layer.positional_encoding_gaussian_matrix", [2, width / 2]);
  for (let i = 0; i < 4; i++) prompt.free(`point_embeddings.${i}.weight`, [1, width]);
  prompt.free("not_a_point_embed.weight", [1, width]);
  prompt.free("no_mask_embed.weight", [1, width]);
  prompt.affine("mask_downscaling.0", [maskEmbeddingWidth / 4, 1, 2, 2]);
  prompt.norm("mask_downscaling.1", maskEmbeddingWidth / 4);
  prompt.affine("mask_downscaling.3", [maskEmbeddingWidth, maskEmbeddingWidth / 4, 2, 2]);
  prompt.norm("mask_downscaling.4", maskEmbeddingWidth);
  prompt.affine("mask_downscaling.6", [width, maskEmbeddingWidth, 1, 1]);
}

function maskDecoder(at: At, { width, maskDecoderMlpWidth }: Sam2Config): void {
  for (let i = 0; i < 2; i++) {
    const layer = at(`sam_mask_decoder.transformer.layers.${i}.`);
    layer.attention("self_attn", width);
    layer.attention("cross_attn_token_to_image", width, width / 2);
    layer.attention("cross_attn_image_to_token", width, width / 2);
    layer.mlp("mlp", width, maskDecoderMlpWidth, width);
    for (const norm of ["norm1", "norm2", "norm3", "norm4"]) layer.norm(norm, width);
  }
  const decoder = at("sam_mask_decoder.");
  decoder.attention("transformer.final_attn_token_to_image", width, width / 2);
  decoder.norm("transformer.norm_final_attn", width);
  decoder.free("iou_token.weight", [1, width]);
  decoder.free("mask_tokens.weight", [maskTokens, width]);
  decoder.free("obj_score_token.weight", [1, width]);
  // transposed convolutions store [in, out, height, width]
  decoder.affine("output_upscaling.0", [width, width / 4, 2, 2], width / 4);
  decoder.norm("output_upscaling.1", width / 4);
  decoder.affine("output_upscaling.3", [width / 4, width / 8, 2, 2], width / 8);
  decoder.affine("conv_s0", [width / 8, width, 1, 1]);
  decoder.affine("conv_s1", [width / 4, width, 1, 1]);
  for (let i = 0; i < maskTokens; i++) decoder.mlp(`output_hypernetworks_mlps.${i}`, width, width, width, width / 8);
  decoder.mlp("iou_prediction_head", width, iouHeadWidth, iouHeadWidth, maskTokens);
  decoder.mlp("pred_obj_score_head", width, width, width, 1);
}

function video(at: At, config: Sam2Config): void {
  const { width, memoryWidth } = config;
  for (let i = 0; i < config.memoryAttentionLayers; i++) {
    const layer = at(`memory_attention.layers.${i}.`);
    layer.attention("self_attn", width);
    layer.attention("cross_attn_image", width, width, memoryWidth);
    layer.linear("linear1", width, config.memoryAttentionMlpWidth);
    layer.linear("linear2", config.memoryAttentionMlpWidth, width);
    for (const norm of ["norm1", "norm2", "norm3"]) layer.norm(norm, width);
  }
  at("memory_attention.").norm("norm", width);

  const encoder = at("memory_encoder.");
  encoder.affine("pix_feat_proj", [width, width, 1, 1]);
  encoder.affine("out_proj", [memoryWidth, width, 1, 1]);
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

  const root = at("");
  root.free("maskmem_tpos_enc", [config.memories, 1, 1, memoryWidth]);
  root.free("no_mem_pos_enc", [1, 1, width]);
  root.free("no_obj_ptr", [1, width]);
  root.affine("mask_downsample", [1, 1, 4, 4]);
  root.mlp("obj_ptr_proj", width, width, width, width);
  if (config.version === "2.1") {
    root.linear("obj_ptr_tpos_proj", width, memoryWidth);
    root.free("no_obj_embed_spatial", [1, memoryWidth]);
  }
}

/**
 * Throws a `CheckpointError` with code "not-this-model" unless `store` holds exactly the tensors of `config`, each of
 * its shape and stored as floats. The message names the first few of each kind of difference; `details` has them all:
 * `missing`, `leftOver` (names), `misshapen` and `wrongDtype` (name, expected, actual).
 *
 * With `part` "image" the video tensors may be absent.
 */
export function checkInventory(store: WeightStore, config: Sam2Config, part: InventoryPart = "all"): void {
  const known = inventory(config);
  const needed = part === "all" ? known : inventory(config, part);
  const missing = [...needed.keys()].filter((name) => !store.entries.has(name));
  const leftOver = [...store.entries.keys()].filter((name) => !known.has(name));
  const misshapen: Difference[] = [];
  const wrongDtype: Difference[] = [];
  for (const [name, dims] of known) {
    const entry = store.entries.get(name);
    if (entry === undefined) continue;
    if (dims.join() !== entry.dims.join()) {
      misshapen.push({ name, expected: `[${dims.join(", ")}]`, actual: `[${entry.dims.join(", ")}]` });
    }
    if (!/^b?float\d+$/.test(entry.dtype)) wrongDtype.push({ name, expected: "floats", actual: entry.dtype });
  }
  const differences = [
    describe("missing", missing),
    describe("left over", leftOver),
    describe("of another shape", misshapen.map(describeDifference)),
    describe("of another type", wrongDtype.map(describeDifference)),
  ].filter((text) => text !== "");
  if (differences.length === 0) return;
  throw new CheckpointError("not-this-model", `${store.name} is not ${config.name}: ${differences.join("; ")}`, {
    details: { file: store.name, model: config.name, missing, leftOver, misshapen, wrongDtype },
  });
}

interface Difference {
  readonly name: string;
  readonly expected: string;
  readonly actual: string;
}

function describeDifference({ name, expected, actual }: Difference): string {
  return `${name} (expected ${expected}, found ${actual})`;
}

function describe(what: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  const shown = items.slice(0, 3).map((item) => (item.length > 160 ? `${item.slice(0, 160)}...` : item));
  const rest = items.length > shown.length ? `, and ${items.length - shown.length} more` : "";
  return `${items.length} ${items.length === 1 ? "tensor" : "tensors"} ${what}: ${shown.join(", ")}${rest}`;
}
