/**
 * Memories of a few latents instead of a whole map: EdgeTAM's 2D spatial perceiver (Zhou et al. 2025, section 3.2;
 * reference: modeling/perceiver.py). What the memory encoder makes of a frame is read by two sets of learned latents with
 * the same layers: the first attend to the whole map and know where in it they look, the second each to a window of their
 * own, which keeps them in place. Later frames attend to both; keys of the second are turned as cells of a coarse map.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, width as widthOf } from "../nn/layers.ts";
import { inWindows } from "../nn/layout.ts";
import { sinePositionEncoding } from "../nn/position-encoding.ts";
import { axialRotaryTables, type RotaryTables } from "../nn/rope.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import { elementCount, float32, type HostTensor } from "../tensor/tensor.ts";
import { checkRules, type Fields } from "./fields.ts";
import { memoryAttentionShapes, memoryEncoderShapes } from "./full-memory.ts";
import { gridSize } from "./grid.ts";
import { memoryAttention } from "./memory-attention.ts";
import { memoryEncoder } from "./memory-encoder.ts";
import type { MemorySizes, VideoMemory, WithMemory } from "./video-memory.ts";
import type { ShapesAt } from "./weight-shapes.ts";

/** Sizes of a memory of latents (EdgeTAM; reference: `spatial_perceiver`). */
export interface PerceiverMemoryConfig extends MemorySizes {
  readonly kind: "perceiver";
  /** Latents that see the whole map. */
  readonly latents: number;
  /** Side of the map of those that see a window each. */
  readonly latentMapSide: number;
  /** Layers, which both sets of latents go through. */
  readonly perceiverLayers: number;
}

type PerceiverMemory = WithMemory<PerceiverMemoryConfig>;

/** Hidden width of the MLPs, in widths of a memory. */
const MLP_RATIO = 4;

export const perceiver: VideoMemory<PerceiverMemoryConfig> = {
  parse: { reference: fromReference, transformers: fromTransformers },
  check: (c) => {
    const { latentMapSide: side } = c.memory;
    const grid = gridSize(c);
    checkRules([["side of the map of latents", grid % side === 0, `a divisor of ${grid}`, side]]);
  },
  inventory: (at, c) => {
    memoryAttentionShapes(at, c);
    memoryEncoderShapes(at, c);
    perceiverShapes(at, c);
  },
  tokens,
  encode: (g, root, c, inputs) =>
    spatialPerceiver(g, root.at("spatial_perceiver"), c, memoryEncoder(g, root, c, inputs)),
  singleMemoryApart: false,
  attend: (g, root, c, inputs) =>
    memoryAttention(g, root, c, inputs, { positions: latentPositions(c), rotary: latentRotary(c) }),
  roundedScopes: ["memory_attention.layers.", "memory_encoder.fuser."],
  renames: [
    [/^(memory_attention\.layers\.\d+)\.mlp\.up_proj\./, "$1.linear1."],
    [/^(memory_attention\.layers\.\d+)\.mlp\.down_proj\./, "$1.linear2."],
    [/^spatial_perceiver\.latents_1d$/, "spatial_perceiver.latents"],
    [/^(spatial_perceiver\.layers\.\d+)\.layer_norm_input\./, "$1.attn.norm_x."],
    [/^(spatial_perceiver\.layers\.\d+)\.layer_norm_latents\./, "$1.attn.norm_latents."],
    [/^(spatial_perceiver\.layers\.\d+)\.layer_norm_self\./, "$1.self_attn.norm."],
    [/^(spatial_perceiver\.layers\.\d+)\.cross_attention\./, "$1.attn."],
    [/^(spatial_perceiver\.layers\.\d+)\.self_attention\./, "$1.self_attn."],
    [/^(spatial_perceiver\.layers\.\d+\.(?:self_)?attn)\.q_proj\./, "$1.to_q."],
    [/^(spatial_perceiver\.layers\.\d+\.(?:self_)?attn)\.o_proj\./, "$1.to_out."],
    [/^(spatial_perceiver\.layers\.\d+\.(?:self_)?attn)\.k_proj\.(\w+)$/, "$1.to_kv.$2[0]"],
    [/^(spatial_perceiver\.layers\.\d+\.(?:self_)?attn)\.v_proj\.(\w+)$/, "$1.to_kv.$2[1]"],
    [/^(spatial_perceiver\.layers\.\d+)\.(self_)?mlp\.layer_norm\./, "$1.$2ff.0."],
    [/^(spatial_perceiver\.layers\.\d+)\.(self_)?mlp\.up_proj\./, "$1.$2ff.1."],
    [/^(spatial_perceiver\.layers\.\d+)\.(self_)?mlp\.down_proj\./, "$1.$2ff.3."],
  ],
};

function fromReference(root: Fields, sizes: MemorySizes): PerceiverMemoryConfig {
  return {
    kind: "perceiver",
    ...sizes,
    latents: root.size("num_latents"),
    latentMapSide: sideOf(root, "num_latents_2d"),
    perceiverLayers: root.size("perceiver_depth"),
  };
}

function fromTransformers(root: Fields, sizes: MemorySizes): PerceiverMemoryConfig {
  const part = "perceiver_resampler_";
  const side = sideOf(root, `${part}num_latents_2d`, 256);
  // What no field of ours shows.
  const fixed = { hidden_size: sizes.width, mlp_intermediate_size: MLP_RATIO * sizes.width, num_attention_heads: 1 };
  for (const [name, size] of Object.entries({ ...fixed, attention_head_dim: sizes.width })) {
    root.expect(part + name, root.size(part + name, size) === size, String(size));
  }
  const turned = root.sizes("memory_attention_rope_k_sizes", 2, [16, 16]);
  root.expect(
    "memory_attention_rope_k_sizes",
    turned.every((size) => size === side),
    `${side} and ${side}`,
  );
  return {
    kind: "perceiver",
    ...sizes,
    attentionLayers: root.size("memory_attention_num_layers", 2),
    attentionMlpWidth: root.size("memory_attention_mlp_hidden_size", 2048),
    latents: root.size(`${part}num_latents`, 256),
    latentMapSide: side,
    perceiverLayers: root.size(`${part}num_layers`, 2),
  };
}

function sideOf(root: Fields, key: string, fallback?: number): number {
  const side = Math.sqrt(root.size(key, fallback));
  root.expect(key, Number.isInteger(side), "a square number");
  return side;
}

function tokens({ memory: { latents, latentMapSide } }: PerceiverMemory): number {
  return latents + latentMapSide ** 2;
}

function perceiverShapes(at: ShapesAt, { memory }: PerceiverMemory): void {
  const { width, latents, latentMapSide, perceiverLayers } = memory;
  const root = at("spatial_perceiver.");
  root.free("latents", [latents, width]);
  root.free("latents_2d", [latentMapSide ** 2, width]);
  for (let i = 0; i < perceiverLayers; i++) {
    const layer = at(`spatial_perceiver.layers.${i}.`);
    for (const norm of ["attn.norm_x", "attn.norm_latents", "self_attn.norm"]) layer.norm(norm, width);
    for (const attention of ["attn", "self_attn"]) {
      layer.free(`${attention}.to_q.weight`, [width, width]);
      layer.free(`${attention}.to_kv.weight`, [2 * width, width]);
      layer.free(`${attention}.to_out.weight`, [width, width]);
    }
    for (const mlp of ["ff", "self_ff"]) {
      layer.norm(`${mlp}.0`, width);
      layer.free(`${mlp}.1.weight`, [MLP_RATIO * width, width]);
      layer.free(`${mlp}.3.weight`, [width, MLP_RATIO * width]);
    }
  }
  root.norm("norm", width);
}

/** map [objects, cells, width] -> [objects, tokens, width] */
export function spatialPerceiver(g: GraphBuilder, w: WeightScope, c: PerceiverMemory, map: Value): Value {
  return g.scope(w.path, () => {
    const { width, latents, latentMapSide: side, perceiverLayers } = c.memory;
    const objects = map.dims[0] as Dim;
    const grid = gridSize(c);
    const places = g.reshape(g.constant(sinePositionEncoding(grid, grid, width)), [1, grid * grid, width]);
    const windows = inWindows(
      g,
      { value: g.reshape(map, [objects, grid, grid, width]), height: grid, width: grid, window: 0 },
      grid / side,
    );
    const count = mulDims(objects, side * side);
    const local = g.reshape(windows.value, [count, (grid / side) ** 2, width]);
    const learned = (name: string, number: number): Value =>
      g.expand(g.reshape(w.tensor(name, [number, width]), [1, number, width]), [objects, number, width]);
    let x = learned("latents", latents);
    let y = g.reshape(learned("latents_2d", side * side), [count, 1, width]);
    for (let i = 0; i < perceiverLayers; i++) {
      const l = w.at("layers").at(i);
      x = layer(g, l, x, map, places);
      y = layer(g, l, y, local);
    }
    const all = g.concat([x, g.reshape(y, [objects, side * side, width])], 1);
    return layerNorm(g, w.at("norm"), all);
  });
}

/** Latents look at `seen`, with its places added to keys and values where it has some, then at each other. */
function layer(g: GraphBuilder, w: WeightScope, latents: Value, seen: Value, places?: Value): Value {
  const cross = w.at("attn");
  const normed = layerNorm(g, cross.at("norm_latents"), latents);
  const [k, v] = [0, 1].map((part) => {
    const projected = keysOrValues(g, cross, layerNorm(g, cross.at("norm_x"), seen), part);
    return places === undefined ? projected : g.add(projected, places);
  }) as [Value, Value];
  let x = g.add(latents, attended(g, cross, normed, k, v));
  x = g.add(x, mlp(g, w.at("ff"), x));
  const self = w.at("self_attn");
  const own = layerNorm(g, self.at("norm"), x);
  x = g.add(x, attended(g, self, own, keysOrValues(g, self, own, 0), keysOrValues(g, self, own, 1)));
  return g.add(x, mlp(g, w.at("self_ff"), x));
}

/** Rows 0 to width of `to_kv` make keys, the others values. */
function keysOrValues(g: GraphBuilder, w: WeightScope, x: Value, part: number): Value {
  return g.scope(w.path, () => {
    const width = widthOf(x);
    return g.linear(x, g.slice(w.tensor("to_kv.weight", [2 * width, width]), [part * width, 0], [width, width]));
  });
}

/** One head; of a single key the value is all there is. */
function attended(g: GraphBuilder, w: WeightScope, x: Value, k: Value, v: Value): Value {
  return g.scope(w.path, () => {
    const width = widthOf(x);
    const matrix = (name: string): Value => w.tensor(`${name}.weight`, [width, width]);
    const seen =
      k.dims[1] === 1 ? v : g.attention(g.linear(x, matrix("to_q")), k, v, { heads: 1, scale: width ** -0.5 });
    return g.linear(seen, matrix("to_out"));
  });
}

function mlp(g: GraphBuilder, w: WeightScope, x: Value): Value {
  return g.scope(w.path, () => {
    const width = widthOf(x);
    const hidden = g.linear(layerNorm(g, w.at(0), x), w.tensor("1.weight", [MLP_RATIO * width, width]));
    return g.linear(g.gelu(hidden), w.tensor("3.weight", [width, MLP_RATIO * width]));
  });
}

/** [tokens, width]: latents of the whole map have no place, the others that of their window in the map of windows. */
function latentPositions({ memory }: PerceiverMemory): HostTensor<"float32"> {
  const { width, latents, latentMapSide: side } = memory;
  return stacked(float32([latents, width], new Float32Array(latents * width)), sinePositionEncoding(side, side, width));
}

/** By nothing, or as cells of the map of windows: [tokens, width / 2] each. */
function latentRotary({ width, memory }: PerceiverMemory): RotaryTables {
  const { latents, latentMapSide } = memory;
  const { cos, sin } = axialRotaryTables(latentMapSide, width);
  const still = (value: number): HostTensor<"float32"> =>
    float32([latents, width / 2], new Float32Array((latents * width) / 2).fill(value));
  return { cos: stacked(still(1), cos), sin: stacked(still(0), sin) };
}

/** Rows above rows. */
function stacked(above: HostTensor<"float32">, below: HostTensor<"float32">): HostTensor<"float32"> {
  const data = new Float32Array(elementCount(above.dims) + elementCount(below.dims));
  data.set(above.data);
  data.set(below.data, above.data.length);
  return float32([(above.dims[0] ?? 0) + (below.dims[0] ?? 0), ...above.dims.slice(1)], data);
}
