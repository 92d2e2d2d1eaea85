import { expect, test } from "vitest";
import { checkpointError } from "../../test/checkpoint-files.ts";
import { bytesSource } from "./byte-source.ts";
import { officialName, withOfficialNames, withoutWrappers } from "./key-names.ts";
import type { WeightEntry } from "./weight-store.ts";

const source = bytesSource(new Uint8Array(1024), "model.safetensors");

function entry(name: string, dims: readonly number[] = [1], offset = 0): WeightEntry {
  return { name, dims, dtype: "float16", source, offset, byteLength: 2 * dims.reduce((a, b) => a * b, 1) };
}

test.each([
  ["mask_decoder.pred_obj_score_head.proj_out.bias", "sam_mask_decoder.pred_obj_score_head.layers.2.bias"],
  [
    "mask_decoder.output_hypernetworks_mlps.3.layers.0.weight",
    "sam_mask_decoder.output_hypernetworks_mlps.3.layers.1.weight",
  ],
  [
    "mask_decoder.transformer.layers.0.mlp.proj_out.weight",
    "sam_mask_decoder.transformer.layers.0.mlp.layers.1.weight",
  ],
  ["mask_decoder.transformer.layers.0.layer_norm4.bias", "sam_mask_decoder.transformer.layers.0.norm4.bias"],
  ["mask_decoder.transformer.layer_norm_final_attn.bias", "sam_mask_decoder.transformer.norm_final_attn.bias"],
  ["memory_encoder.mask_downsampler.layers.3.layer_norm.weight", "memory_encoder.mask_downsampler.encoder.10.weight"],
  ["memory_encoder.memory_fuser.layers.1.layer_norm.bias", "memory_encoder.fuser.layers.1.norm.bias"],
  ["memory_attention.layer_norm.bias", "memory_attention.norm.bias"],
  ["prompt_encoder.not_a_point_embed.weight", "sam_prompt_encoder.not_a_point_embed.weight"],
  ["object_pointer_proj.layers.0.bias", "obj_ptr_proj.layers.1.bias"],
])("%s is %s", (theirs, official) => {
  expect(officialName(theirs)).toBe(official);
});

test("official names stay as they are", () => {
  const entries = [entry("image_encoder.trunk.pos_embed"), entry("anything.mask_decoder.o_proj.weight")];
  expect(withOfficialNames(entries)).toEqual(entries);
});

test("the point embeddings become four rows of the same bytes", () => {
  const rows = withOfficialNames([
    entry("vision_encoder.backbone.pos_embed"),
    entry("prompt_encoder.point_embed.weight", [4, 8], 64),
  ]).slice(1);
  expect(rows.map(({ name, dims, offset, byteLength }) => [name, dims, offset, byteLength])).toEqual([
    ["sam_prompt_encoder.point_embeddings.0.weight", [1, 8], 64, 16],
    ["sam_prompt_encoder.point_embeddings.1.weight", [1, 8], 80, 16],
    ["sam_prompt_encoder.point_embeddings.2.weight", [1, 8], 96, 16],
    ["sam_prompt_encoder.point_embeddings.3.weight", [1, 8], 112, 16],
  ]);
  expect(rows.every((row) => row.source === source)).toBe(true);
});

test("the positional matrix may come twice, nothing else may", async () => {
  const trunk = entry("vision_encoder.backbone.pos_embed");
  const twice = ["shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding"];
  const [, matrix, ...rest] = withOfficialNames([trunk, ...twice.map((name) => entry(name))]);
  expect(matrix?.name).toBe("sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix");
  expect(rest).toEqual([]);
  const error = await checkpointError(() =>
    withOfficialNames([trunk, entry("no_memory_embedding"), entry("no_mem_embed")]),
  );
  expect([error.code, error.details["name"]]).toEqual(["duplicate-name", "no_mem_embed"]);
});

test.each([
  ["module.image_encoder.neck.convs.0.conv.weight", "image_encoder.neck.convs.0.conv.weight"],
  ["_orig_mod.no_mem_embed", "no_mem_embed"],
  ["model._orig_mod.module.sam_mask_decoder.iou_token.weight", "sam_mask_decoder.iou_token.weight"],
  ["image_encoder._orig_mod.trunk.pos_embed", "image_encoder.trunk.pos_embed"],
  ["model.vision_encoder.backbone.pos_embed", "vision_encoder.backbone.pos_embed"],
  ["model.criterion.weight", "model.criterion.weight"],
  ["memory_encoder.fuser.layers.0.gamma", "memory_encoder.fuser.layers.0.gamma"],
])("%s without wrappers is %s", (name, bare) => {
  expect(withoutWrappers([entry(name)])).toEqual([{ ...entry(name), name: bare }]);
});

test("two names that are one without wrappers", () => {
  expect(() => withoutWrappers([entry("no_mem_embed"), entry("module.no_mem_embed")])).toThrow(
    expect.objectContaining({ code: "duplicate-name" }),
  );
});
