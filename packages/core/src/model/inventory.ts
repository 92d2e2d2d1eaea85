import type { WeightStore } from "../checkpoint/weight-store.ts";
import { CheckpointError } from "../errors.ts";
import type { Sam2Config } from "./config.ts";
import { encoderOf } from "./image-encoder.ts";
import { memoryOf } from "./video-memory.ts";
import { type ShapeScope, type ShapesAt, weightShapes } from "./weight-shapes.ts";

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
  return weightShapes((at) => {
    encoderOf(config).inventory(at, config);
    promptEncoder(at("sam_prompt_encoder."), config.width);
    maskDecoder(at, config);
    at("").free("no_mem_embed", [1, 1, config.width]);
    if (part === "all") video(at, config);
  });
}

function promptEncoder(prompt: ShapeScope, width: number): void {
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

function maskDecoder(at: ShapesAt, { width, decoder: { mlpWidth } }: Sam2Config): void {
  for (let i = 0; i < 2; i++) {
    const layer = at(`sam_mask_decoder.transformer.layers.${i}.`);
    layer.attention("self_attn", width);
    layer.attention("cross_attn_token_to_image", width, width / 2);
    layer.attention("cross_attn_image_to_token", width, width / 2);
    layer.mlp("mlp", width, mlpWidth, width);
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
  for (let i = 0; i < maskTokens; i++) decoder.mlp(`output_hypernetworks_mlps.${i}`, width, width, width, width / 8);
  decoder.mlp("iou_prediction_head", width, iouHeadWidth, iouHeadWidth, maskTokens);
  decoder.mlp("pred_obj_score_head", width, width, width, 1);
}

function video(at: ShapesAt, config: Sam2Config): void {
  const { width, memory } = config;
  memoryOf(config).inventory(at, config);
  const root = at("");
  root.free("maskmem_tpos_enc", [memory.frames, 1, 1, memory.width]);
  root.free("no_mem_pos_enc", [1, 1, width]);
  root.free("no_obj_ptr", [1, width]);
  root.affine("mask_downsample", [1, 1, 4, 4]);
  root.mlp("obj_ptr_proj", width, width, width, width);
  if (config.version === "2.1") {
    root.linear("obj_ptr_tpos_proj", width, memory.width);
    root.free("no_obj_embed_spatial", [1, memory.width]);
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
