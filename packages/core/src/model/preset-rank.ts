import { type PresetName, presets } from "./config.ts";
import { inventory } from "./inventory.ts";

/** Parameters of a published model, with the buffers that its file holds beside them. */
export function presetParameters(name: PresetName): number {
  const shapes = inventory(presets[name]).values();
  return [...shapes].reduce((sum, dims) => sum + dims.reduce((size, dim) => size * dim, 1), 0);
}

/**
 * Published models from the best to the least: SAM 2.1 before the others, which are of the kind of SAM 2.0, then by size (the
 * papers' tables, and SAM 2.1's release notes). EfficientTAM and EdgeTAM are the smallest, and come last.
 */
export function presetsByQuality(): readonly PresetName[] {
  const names = Object.keys(presets) as PresetName[];
  const version = (name: PresetName): number => Number(presets[name].version);
  const parameters = new Map(names.map((name) => [name, presetParameters(name)]));
  return names.sort((a, b) => version(b) - version(a) || (parameters.get(b) as number) - (parameters.get(a) as number));
}
