import { type ByteSource, bytesSource } from "../checkpoint/byte-source.ts";
import { encodeUtf8 } from "../checkpoint/utf8.ts";
import { type WeightEntry, type WeightStore, weightStore } from "../checkpoint/weight-store.ts";
import type { Sam2Config } from "../model/config.ts";
import { inventory } from "../model/inventory.ts";
import { elementCount, float32, type HostTensor } from "../tensor/tensor.ts";

/**
 * Weights that any language can make from their names alone, for tests and benchmarks of models whose real weights are
 * not at hand. A value depends on its tensor's name and its flat index: with h = FNV-1a-32 of the name in UTF-8,
 * x = (i * 0x9E3779B1) ^ h goes through MurmurHash3's finaliser, and u = x / 2^31 - 1 is uniform in [-1, 1).
 */
export function hashedTensor(name: string, dims: readonly number[], scale: number): HostTensor<"float32"> {
  return float32(dims, hashedValues(name, elementCount(dims), 0, scale));
}

/** offset + scale * u, in float64 and rounded once. */
function hashedValues(name: string, count: number, offset: number, scale: number): Float32Array {
  const seed = fnv1a(name);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = Math.imul(i, 0x9e3779b1) ^ seed;
    x ^= x >>> 16;
    x = Math.imul(x, 0x85ebca6b);
    x ^= x >>> 13;
    x = Math.imul(x, 0xc2b2ae35);
    x ^= x >>> 16;
    values[i] = offset + scale * ((x >>> 0) / 0x80000000 - 1);
  }
  return values;
}

function fnv1a(text: string): number {
  return encodeUtf8(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5 | 0);
}

/** A parameter is offset + scale * u, by its official key; the first rule that matches holds. */
function distribution(name: string, dims: readonly number[]): readonly [offset: number, scale: number] {
  if (name.endsWith("running_mean")) return [0, 0.1];
  if (name.endsWith("running_var")) return [1, 0.5];
  // Else RepViT's residual blocks grow until prompts drown in them.
  if (name.endsWith("bn.weight") && (name.includes("mixer.") || name.includes(".ffn."))) return [0.73, 0.073];
  if (name.endsWith("pred_obj_score_head.layers.2.bias")) return [1, 0];
  if (name.endsWith("bias")) return [0, 0.1];
  if (name.endsWith("gamma")) return [0, 0.5];
  if (name.endsWith("weight") && dims.length === 1) return [1, 0.1];
  if (name.endsWith("pos_embed") || name.endsWith("pos_embed_window")) return [0, 0.2];
  if (name.endsWith("positional_encoding_gaussian_matrix")) return [0, 1];
  if (name.endsWith("weight") && dims.length >= 2) {
    const layer = name.split(".").at(-2) ?? "";
    const isLinear = !layer.includes("embed") && !name.includes("token");
    if (isLinear) return [0, Math.sqrt(3 / elementCount(dims.slice(1)))];
  }
  return [0, 0.5];
}

/**
 * A whole model's hashed weights as float32. Each tensor is made when its bytes are first asked for, and kept until the
 * store is closed.
 */
export function hashedWeights(config: Sam2Config): WeightStore {
  const entries = Array.from(inventory(config), ([name, dims]): WeightEntry => {
    const source = lazySource(`hashed ${config.name}: ${name}`, 4 * elementCount(dims), () => {
      const values = hashedValues(name, elementCount(dims), ...distribution(name, dims));
      return new Uint8Array(values.buffer);
    });
    return { name, dtype: "float32", dims, source, offset: 0, byteLength: source.size };
  });
  return weightStore(`hashed ${config.name}`, entries);
}

function lazySource(name: string, size: number, make: () => Uint8Array): ByteSource {
  let made: Uint8Array | undefined;
  const bytes = (): Uint8Array => {
    made ??= make();
    return made;
  };
  return {
    name,
    size,
    get bytes() {
      return bytes();
    },
    read: (offset, length, options) => bytesSource(bytes(), name).read(offset, length, options),
    close: async () => {
      made = undefined;
    },
  };
}
