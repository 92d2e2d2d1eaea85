import { expect, test } from "vitest";
import { elementCount } from "../tensor/tensor.ts";
import { type PresetName, presets } from "./config.ts";
import { inventory } from "./inventory.ts";

function parameters(shapes: ReadonlyMap<string, readonly number[]>): number {
  return Array.from(shapes.values(), elementCount).reduce((a, b) => a + b, 0);
}

// Meta's table of models (README of facebookresearch/sam2): 38.9 M, 46 M, 80.8 M, 224.4 M
test.each<[PresetName, number]>([
  ["sam2.1-hiera-tiny", 38.96],
  ["sam2.1-hiera-small", 46.06],
  ["sam2.1-hiera-base-plus", 80.85],
  ["sam2.1-hiera-large", 224.45],
  ["sam2-hiera-tiny", 38.95],
])("%s has %f million parameters", (name, millions) => {
  expect(parameters(inventory(presets[name])) / 1e6).toBeCloseTo(millions, 2);
});

test("2.0 lacks what 2.1 added, and nothing else", () => {
  const older = inventory(presets["sam2-hiera-tiny"]);
  const added = [...inventory(presets["sam2.1-hiera-tiny"]).keys()].filter((name) => !older.has(name));
  expect(added).toEqual(["obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias", "no_obj_embed_spatial"]);
});

test("the image part is a part of the whole", () => {
  const whole = inventory(presets["sam2.1-hiera-large"]);
  const part = inventory(presets["sam2.1-hiera-large"], "image");
  expect([...part].every(([name, dims]) => whole.get(name)?.join() === dims.join())).toBe(true);
  const video = [...whole.keys()].filter((name) => !part.has(name)).map((name) => name.split(".")[0]);
  expect(new Set(video)).toEqual(
    new Set([
      ...["memory_attention", "memory_encoder", "maskmem_tpos_enc", "no_mem_pos_enc", "no_obj_ptr", "mask_downsample"],
      ...["obj_ptr_proj", "obj_ptr_tpos_proj", "no_obj_embed_spatial"],
    ]),
  );
});
