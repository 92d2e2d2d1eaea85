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
import { layerNorm, linear, mlpInBlocks, width } from "../nn/layers.ts";
import { sinePositionEncoding } from "../nn/position-encoding.ts";
import { axialRotaryTables, type RotaryTables } from "../nn/rope.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { gridSize } from "./grid.ts";
import type { MemorySizes, WithMemory } from "./video-memory.ts";

export interface MemoryAttentionInputs {
  /** [objects?, cells, width]: the frame's stride-16 features. */
  readonly imageEmbeddings: Value;
  /** [objects, memories, tokens, memoryWidth]: conditioning frames, then the others from oldest to newest. */
  readonly memories: Value;
  /** [memories]: rows of `maskmem_tpos_enc`, the last for conditioning frames and k - 1 for the k-th frame before. */
  readonly slots: Value;
  /** [objects, pointerTokens, memoryWidth]: object pointers, each split into width / memoryWidth tokens. */
  readonly pointers: Value;
  /** [objects?, pointerTokens, memoryWidth]: their temporal encoding; zeros in 2.0. */
  readonly pointerPositions: Value;
}

/** How the tokens of one memory lie: what kinds of memory differ in. */
export interface MemoryLayout {
  /** [tokens, memoryWidth]: added to keys, beside the memory's place in time. */
  readonly positions: HostTensor<"float32">;
  /** By which their keys are turned, [tokens, width / 2] each. By default as the frame's own cells are. */
  readonly rotary?: RotaryTables;
  /** Makes fewer tokens of turned keys and of values alike: [b, tokens, channels] -> [b, fewer, channels]. */
  readonly pool?: (g: GraphBuilder, tokens: Value) => Value;
  /** What else is done to queries and keys, before their products. */
  readonly weigh?: (g: GraphBuilder, tokens: TurnedTokens) => TurnedTokens;
}

/** The operands of cross-attention's logits. */
export interface TurnedTokens {
  /** [objects, cells, width] */
  readonly queries: Value;
  /** [objects * memories, tokens, width], pooled where the layout does so. */
  readonly maps: Value;
  /** [objects, pointerTokens, width] */
  readonly pointers: Value;
}

interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
}

/** -> [objects, cells, width] */
export function memoryAttention(
  g: GraphBuilder,
  root: WeightScope,
  c: WithMemory<MemorySizes>,
  inputs: MemoryAttentionInputs,
  layout: MemoryLayout,
): Value {
  const w = root.at("memory_attention");
  const side = gridSize(c);
  const rope = rotary(g, axialRotaryTables(side, c.width));
  const memory = memoryTokens(g, root, c, inputs, layout);
  const mapRope = layout.rotary === undefined ? rope : rotary(g, layout.rotary);
  const positions = g.mul(g.constant(sinePositionEncoding(side, side, c.width)), g.scalar(0.1));
  let x = g.add(inputs.imageEmbeddings, positions);
  for (let i = 0; i < c.memory.attentionLayers; i++) {
    const l = w.at("layers").at(i);
    x = g.add(x, selfAttention(g, l.at("self_attn"), layerNorm(g, l.at("norm1"), x), rope));
    x = g.add(
      x,
      crossAttention(g, l.at("cross_attn_image"), c, layerNorm(g, l.at("norm2"), x), memory, { rope, mapRope }),
    );
    const layers = [l.at("linear1"), l.at("linear2")] as const;
    x = g.add(x, mlpInBlocks(g, layers, layerNorm(g, l.at("norm3"), x), c.memory.attentionMlpWidth, "relu"));
  }
  return layerNorm(g, w.at("norm"), x);
}

function rotary(g: GraphBuilder, { cos, sin }: RotaryTables): Rotary {
  return { cos: g.constant(cos), sin: g.constant(sin) };
}

interface MemoryTokens {
  /** [objects * memories, tokens, memoryWidth], with its encoding; the values of cross-attention have none. */
  readonly mapKeys: Value;
  /** [objects, pointerTokens, memoryWidth], likewise. */
  readonly pointerKeys: Value;
  /** [objects, memories * tokens + pointerTokens, memoryWidth], of pooled tokens where the layout does so. */
  readonly values: Value;
  readonly layout: MemoryLayout;
}

function memoryTokens(
  g: GraphBuilder,
  root: WeightScope,
  c: WithMemory<MemorySizes>,
  { memories, slots, pointers, pointerPositions }: MemoryAttentionInputs,
  layout: MemoryLayout,
): MemoryTokens {
  return g.scope("memory_attention", () => {
    const [objects, count, tokens] = memories.dims as readonly [Dim, Dim, number, Dim];
    const spatial = g.constant(layout.positions);
    const encodings = root.tensor("maskmem_tpos_enc", [c.memory.frames, 1, 1, c.memory.width]);
    const temporal = g.gather(g.reshape(encodings, [c.memory.frames, 1, c.memory.width]), slots); // [memories, 1, memoryWidth]
    const placed = g.add(memories, g.add(temporal, spatial));
    const apart: readonly Dim[] = [mulDims(objects, count), tokens, c.memory.width];
    const pooled = layout.pool?.(g, g.reshape(memories, apart)) ?? memories;
    const kept = mulDims(count, Number(pooled.dims.at(-2)));
    return {
      mapKeys: g.reshape(placed, apart),
      pointerKeys: g.add(pointers, pointerPositions),
      values: g.concat([g.reshape(pooled, [objects, kept, c.memory.width]), pointers], 1),
      layout,
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
  c: WithMemory<MemorySizes>,
  x: Value,
  { mapKeys, pointerKeys, values, layout }: MemoryTokens,
  { rope, mapRope }: { readonly rope: Rotary; readonly mapRope: Rotary },
): Value {
  return g.scope(w.path, () => {
    const [objects, tokens] = values.dims as readonly [Dim, Dim, Dim];
    const keys = w.at("k_proj");
    const turned = rotated(g, keys, mapKeys, mapRope);
    const plain: TurnedTokens = {
      queries: g.expand(rotated(g, w.at("q_proj"), x, rope), [objects, x.dims[1] as Dim, c.width]),
      maps: layout.pool?.(g, turned) ?? turned,
      pointers: g.concat(halves(g, keys, pointerKeys, c.width), 2),
    };
    const { queries, maps, pointers } = layout.weigh?.(g, plain) ?? plain;
    const mapTokens = addDims(tokens, mulDims(-1, pointers.dims[1] as Dim));
    const channels = width(maps);
    const all = g.concat([g.reshape(maps, [objects, mapTokens, channels]), pointers], 1);
    const attended = g.attention(queries, all, values, { heads: 1, scale: c.width ** -0.5 });
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

/** A projection with rotary encoding, its pairs as two halves: [.., tokens, in] -> [.., tokens, out]. */
function rotated(g: GraphBuilder, w: WeightScope, x: Value, { cos, sin }: Rotary): Value {
  const [even, odd] = halves(g, w, x, 2 * width(cos));
  return g.scope(w.path, () =>
    g.concat([g.sub(g.mul(even, cos), g.mul(odd, sin)), g.add(g.mul(even, sin), g.mul(odd, cos))], x.dims.length - 1),
  );
}

/** `v_proj` and `out_proj` in one: out (v m + b) + d = (out v) m + (out b + d). */
function valueProjection(g: GraphBuilder, w: WeightScope, c: WithMemory<MemorySizes>): [weight: Value, bias: Value] {
  const [v, out] = [w.at("v_proj"), w.at("out_proj")];
  const outWeight = out.tensor("weight", [c.width, c.width]);
  const bias = g.reshape(v.tensor("bias", [c.width]), [1, c.width]);
  return [
    g.matmul(outWeight, v.tensor("weight", [c.width, c.memory.width])),
    g.reshape(g.linear(bias, outWeight, out.tensor("bias", [c.width])), [c.width]),
  ];
}
