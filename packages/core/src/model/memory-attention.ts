/**
 * Memory attention: conditions a frame's features on what an object looked like before. Each layer is self-attention,
 * cross-attention to memory and an MLP; pre-norm, residual (SAM 2, section 4; reference: modeling/memory_attention.py).
 *
 * Keys see memory plus its encoding, values memory alone. Values are linear in the memory, and a softmax's rows sum to
 * one: softmax(q k) (m Wv + b) Wo = (softmax(q k) m) (Wv Wo) + ..., so attention runs over the memory itself, a quarter
 * as wide, and both projections follow as one. Rotation turns adjacent pairs of channels; a matrix's rows are reordered
 * so that the pairs' first halves come first, which no product of query and key can tell.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import { addDims, type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, linear, width } from "../nn/layers.ts";
import { sinePositionEncoding } from "../nn/position-encoding.ts";
import { axialRotaryTables } from "../nn/rope.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { gridSize } from "./grid.ts";

export interface MemoryAttentionInputs {
  /** [objects?, cells, width]: the frame's stride-16 features. */
  readonly imageEmbeddings: Value;
  /** [objects, memories, cells, memoryWidth]: conditioning frames, then the others from oldest to newest. */
  readonly memories: Value;
  /** [memories]: rows of `maskmem_tpos_enc`, the last for conditioning frames and k - 1 for the k-th frame before. */
  readonly slots: Value;
  /** [objects, pointerTokens, memoryWidth]: object pointers, each split into width / memoryWidth tokens. */
  readonly pointers: Value;
  /** [objects?, pointerTokens, memoryWidth]: their temporal encoding; zeros in 2.0. */
  readonly pointerPositions: Value;
}

interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
}

/** -> [objects, cells, width] */
export function memoryAttention(
  g: GraphBuilder,
  root: WeightScope,
  c: Sam2Config,
  inputs: MemoryAttentionInputs,
): Value {
  const w = root.at("memory_attention");
  const side = gridSize(c);
  const tables = axialRotaryTables(side, c.width);
  const rope = { cos: g.constant(tables.cos), sin: g.constant(tables.sin) };
  const memory = memoryTokens(g, root, c, inputs);
  const positions = g.mul(g.constant(sinePositionEncoding(side, side, c.width)), g.scalar(0.1));
  let x = g.add(inputs.imageEmbeddings, positions);
  for (let i = 0; i < c.memory.attentionLayers; i++) {
    const l = w.at("layers").at(i);
    x = g.add(x, selfAttention(g, l.at("self_attn"), layerNorm(g, l.at("norm1"), x), rope));
    x = g.add(x, crossAttention(g, l.at("cross_attn_image"), c, layerNorm(g, l.at("norm2"), x), memory, rope));
    const hidden = g.relu(linear(g, l.at("linear1"), layerNorm(g, l.at("norm3"), x), c.memory.attentionMlpWidth));
    x = g.add(x, linear(g, l.at("linear2"), hidden, c.width));
  }
  return layerNorm(g, w.at("norm"), x);
}

interface MemoryTokens {
  /** [objects * memories, cells, memoryWidth], with its encoding; the values of cross-attention have none. */
  readonly mapKeys: Value;
  /** [objects, pointerTokens, memoryWidth], likewise. */
  readonly pointerKeys: Value;
  /** [objects, memories * cells + pointerTokens, memoryWidth] */
  readonly values: Value;
}

function memoryTokens(
  g: GraphBuilder,
  root: WeightScope,
  c: Sam2Config,
  { memories, slots, pointers, pointerPositions }: MemoryAttentionInputs,
): MemoryTokens {
  return g.scope("memory_attention", () => {
    const [objects, count, cells] = memories.dims as readonly [Dim, Dim, number, Dim];
    const side = gridSize(c);
    const spatial = g.constant(sinePositionEncoding(side, side, c.memory.width)); // [cells, memoryWidth]
    const encodings = root.tensor("maskmem_tpos_enc", [c.memory.frames, 1, 1, c.memory.width]);
    const temporal = g.gather(g.reshape(encodings, [c.memory.frames, 1, c.memory.width]), slots); // [memories, 1, memoryWidth]
    const placed = g.add(memories, g.add(temporal, spatial));
    const maps = g.reshape(memories, [objects, mulDims(count, cells), c.memory.width]);
    return {
      mapKeys: g.reshape(placed, [mulDims(objects, count), cells, c.memory.width]),
      pointerKeys: g.add(pointers, pointerPositions),
      values: g.concat([maps, pointers], 1),
    };
  });
}

function selfAttention(g: GraphBuilder, w: WeightScope, x: Value, rope: Rotary): Value {
  return g.scope(w.path, () => {
    const q = rotated(g, w.at("q_proj"), x, rope);
    const k = rotated(g, w.at("k_proj"), x, rope);
    const v = linear(g, w.at("v_proj"), x, width(x));
    const attended = g.attention(q, k, v, { heads: 1, scale: width(x) ** -0.5 });
    return linear(g, w.at("out_proj"), attended, width(x));
  });
}

function crossAttention(
  g: GraphBuilder,
  w: WeightScope,
  c: Sam2Config,
  x: Value,
  memory: MemoryTokens,
  rope: Rotary,
): Value {
  return g.scope(w.path, () => {
    const [objects, tokens] = memory.values.dims as readonly [Dim, Dim, Dim];
    const q = rotated(g, w.at("q_proj"), x, rope);
    const maps = rotated(g, w.at("k_proj"), memory.mapKeys, rope);
    const mapTokens = addDims(tokens, mulDims(-1, memory.pointerKeys.dims[1] as Dim));
    const pointers = g.concat(halves(g, w.at("k_proj"), memory.pointerKeys, c.width), 2);
    const keys = g.concat([g.reshape(maps, [objects, mapTokens, c.width]), pointers], 1);
    const query = g.expand(q, [objects, q.dims[1] as Dim, c.width]);
    const attended = g.attention(query, keys, memory.values, { heads: 1, scale: c.width ** -0.5 });
    return g.linear(attended, ...valueProjection(g, w, c));
  });
}

/** A projection's even channels and its odd ones: what rotation pairs, as two halves. */
function halves(g: GraphBuilder, w: WeightScope, x: Value, out: number): readonly [even: Value, odd: Value] {
  return g.scope(w.path, () => {
    const input = width(x);
    const weight = g.reshape(w.tensor("weight", [out, input]), [out / 2, 2, input]);
    const bias = g.reshape(w.tensor("bias", [out]), [out / 2, 2]);
    const half = (i: number): Value =>
      g.linear(
        x,
        g.reshape(g.slice(weight, [0, i, 0], [out / 2, 1, input]), [out / 2, input]),
        g.reshape(g.slice(bias, [0, i], [out / 2, 1]), [out / 2]),
      );
    return [half(0), half(1)];
  });
}

/** A projection with rotary encoding, its pairs as two halves: [.., cells, in] -> [.., cells, out]. */
function rotated(g: GraphBuilder, w: WeightScope, x: Value, { cos, sin }: Rotary): Value {
  const [even, odd] = halves(g, w, x, 2 * width(cos));
  return g.scope(w.path, () =>
    g.concat([g.sub(g.mul(even, cos), g.mul(odd, sin)), g.add(g.mul(even, sin), g.mul(odd, cos))], x.dims.length - 1),
  );
}

/** `v_proj` and `out_proj` in one: out (v m + b) + d = (out v) m + (out b + d). */
function valueProjection(g: GraphBuilder, w: WeightScope, c: Sam2Config): [weight: Value, bias: Value] {
  const [v, out] = [w.at("v_proj"), w.at("out_proj")];
  const outWeight = out.tensor("weight", [c.width, c.width]);
  const bias = g.reshape(v.tensor("bias", [c.width]), [1, c.width]);
  return [
    g.matmul(outWeight, v.tensor("weight", [c.width, c.memory.width])),
    g.reshape(g.linear(bias, outWeight, out.tensor("bias", [c.width])), [c.width]),
  ];
}
