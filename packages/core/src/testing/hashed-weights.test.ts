import { expect, test } from "vitest";
import { presets } from "../model/config.ts";
import { inventory } from "../model/inventory.ts";
import { hashedTensor, hashedWeights } from "./hashed-weights.ts";

// The check values that were published with the goldens.
test("values at given indices", () => {
  const { data } = hashedTensor("input.image", [1, 3, 1024, 1024], 2);
  expect([0, 1, 2, 1000, 3145727].map((i) => data[i])).toEqual([
    1.4021445512771606, -0.7221872806549072, -1.4560655355453491, 0.07290766388177872, 1.1466856002807617,
  ]);
});

const store = hashedWeights(presets["sam2.1-hiera-tiny"]);

/** Offset and scale of each rule, and a key that it holds for. */
test.each([
  ["sam_mask_decoder.pred_obj_score_head.layers.2.bias", 1, 0],
  ["sam_mask_decoder.pred_obj_score_head.layers.1.bias", 0, 0.1],
  ["memory_encoder.fuser.layers.0.gamma", 0, 0.5],
  ["image_encoder.trunk.blocks.0.norm1.weight", 1, 0.1],
  ["image_encoder.trunk.pos_embed_window", 0, 0.2],
  ["image_encoder.trunk.pos_embed", 0, 0.2],
  ["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", 0, 1],
  ["image_encoder.trunk.blocks.0.attn.qkv.weight", 0, Math.sqrt(3 / 96)],
  ["image_encoder.trunk.patch_embed.proj.weight", 0, Math.sqrt(3 / (3 * 7 * 7))],
  ["memory_encoder.fuser.layers.0.dwconv.weight", 0, Math.sqrt(3 / 49)],
  ["sam_prompt_encoder.point_embeddings.0.weight", 0, Math.sqrt(3 / 256)],
  ["sam_prompt_encoder.not_a_point_embed.weight", 0, 0.5],
  ["sam_mask_decoder.iou_token.weight", 0, 0.5],
  ["sam_mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight", 0, 0.5],
  ["maskmem_tpos_enc", 0, 0.5],
])("%s is %f + %f u", async (name, offset, scale) => {
  const { dims, data } = await store.read(name);
  const u = hashedTensor(name, dims, 1).data;
  const [least, most] = [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
  expect(data.at(-1)).toBeCloseTo(offset + scale * (u.at(-1) ?? 0), 6);
  expect(least).toBeGreaterThanOrEqual(Math.fround(offset - scale));
  expect(most).toBeLessThanOrEqual(Math.fround(offset + scale));
});

test("covers the model, and makes each tensor once until it is closed", async () => {
  expect([...store.entries.keys()]).toEqual([...inventory(presets["sam2.1-hiera-tiny"]).keys()]);
  const entry = store.entries.get("no_mem_embed");
  const bytes = entry?.source.bytes;
  expect(bytes?.byteLength).toBe(4 * 256);
  expect(entry?.source.bytes).toBe(bytes);
  expect((await store.read("no_mem_embed")).data.buffer).toBe(bytes?.buffer);
  await store.close();
  expect(entry?.source.bytes).not.toBe(bytes);
  expect(entry?.source.bytes).toEqual(bytes);
});
