/** The models that are measured: nano, and the full-size ones with hashed weights. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type HostTensor, isPresetName, presets, writeSafetensors } from "@masklet/core";
import { float32 } from "@masklet/core/backend";
import { hashedWeights } from "@masklet/core/testing";
import { nanoModel } from "@masklet/model-nano";

/** Paths of a checkpoint, and of the config of those that are not recognised by their tensors. */
export interface ModelPaths {
  readonly checkpoint: string;
  readonly config?: string;
}

/** `name` is nano, tiny, small, base-plus or large, or that of a published model (`edgetam`, `efficienttam-ti-512`). */
export function modelFiles(name: string): ModelPaths {
  if (name !== "nano") return { checkpoint: hashedCheckpoint(isPresetName(name) ? name : `sam2.1-hiera-${name}`) };
  return { checkpoint: fileURLToPath(nanoModel.checkpoint), config: fileURLToPath(nanoModel.config) };
}

/** A full-size model with hashed weights as a file, made once, so that loading reads what a user's would. */
function hashedCheckpoint(preset: string): string {
  if (!isPresetName(preset)) throw new Error(`bench: ${preset} is none of ${Object.keys(presets).join(", ")}`);
  const folder = fileURLToPath(new URL("../../.cache/bench/hashed/", import.meta.url));
  // Some models are told apart by their files' names alone.
  const path = `${folder}${preset}.safetensors`;
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const tensors = new Map<string, HostTensor>();
  for (const {
    name: key,
    dims,
    source: { bytes },
  } of hashedWeights(presets[preset]).entries.values()) {
    if (bytes === undefined) throw new Error(`bench: ${key} has no bytes`);
    tensors.set(key, float32(dims, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)));
  }
  writeFileSync(`${path}.part`, writeSafetensors(tensors));
  renameSync(`${path}.part`, path);
  return path;
}
