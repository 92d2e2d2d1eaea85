import type { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import type { WeightScope } from "./weight-scope.ts";

/** The static size of a value's last axis. */
export function width(x: Value): number {
  return Number(x.dims.at(-1));
}

/** torch `nn.Linear`: [..., in] -> [..., out]. */
export function linear(g: GraphBuilder, w: WeightScope, x: Value, out: number): Value {
  return g.scope(w.path, () => g.linear(x, w.tensor("weight", [out, width(x)]), w.tensor("bias", [out])));
}

/** A 1x1 `nn.Conv2d` on channels-last data: a linear layer whose matrix has two trailing ones. */
export function pointwise(g: GraphBuilder, w: WeightScope, x: Value, out: number): Value {
  return g.scope(w.path, () => {
    const weight = g.reshape(w.tensor("weight", [out, width(x), 1, 1]), [out, width(x)]);
    return g.linear(x, weight, w.tensor("bias", [out]));
  });
}

/** torch `nn.LayerNorm`, and on channels-last data also the reference's `LayerNorm2d` (with epsilon 1e-6). */
export function layerNorm(g: GraphBuilder, w: WeightScope, x: Value, epsilon = 1e-5): Value {
  const dims = [width(x)];
  return g.scope(w.path, () => g.layerNormalization(x, w.tensor("weight", dims), w.tensor("bias", dims), { epsilon }));
}

/** Cells in a block. */
const BLOCK = 1024;

/**
 * Two linear layers with an activation between them on `x` [batch, cells, channels], by blocks of cells: a hidden layer
 * several times as wide as the cells then takes a few megabytes, which fit a processor's cache, not tens.
 */
export function mlpInBlocks(
  g: GraphBuilder,
  [first, second]: readonly [WeightScope, WeightScope],
  x: Value,
  hidden: number,
  activation: "relu" | "gelu",
): Value {
  const [batch, cells, channels] = x.dims as readonly [Dim, Dim, number];
  const compute = (block: Value): Value => linear(g, second, g[activation](linear(g, first, block, hidden)), channels);
  if (typeof cells !== "number" || cells <= BLOCK) return compute(x);
  const starts = Array.from({ length: Math.ceil(cells / BLOCK) }, (_, i) => i * BLOCK);
  return g.concat(
    starts.map((start) => compute(g.slice(x, [0, start, 0], [batch, Math.min(BLOCK, cells - start), channels]))),
    1,
  );
}

/** The reference's `MLP`: linear layers `layers.0`, `layers.1`, ... with an activation between them. */
export function mlp(
  g: GraphBuilder,
  w: WeightScope,
  x: Value,
  widths: readonly number[],
  activation: "relu" | "gelu" = "relu",
): Value {
  return widths.reduce((value, out, i) => {
    const y = linear(g, w.at("layers").at(i), value, out);
    return i < widths.length - 1 ? g[activation](y) : y;
  }, x);
}

/** How an attention with projections is set; its inner width may be smaller than the outer one. */
export interface ProjectedAttention {
  readonly heads: number;
  readonly innerWidth: number;
}

/** Attention with separate projections (reference: sam/transformer.py, `Attention`). */
export function projectedAttention(
  g: GraphBuilder,
  w: WeightScope,
  { q, k, v }: { readonly q: Value; readonly k: Value; readonly v: Value },
  { heads, innerWidth }: ProjectedAttention,
): Value {
  return g.scope(w.path, () => {
    const query = linear(g, w.at("q_proj"), q, innerWidth);
    const key = linear(g, w.at("k_proj"), k, innerWidth);
    const value = linear(g, w.at("v_proj"), v, innerWidth);
    const attended = g.attention(query, key, value, { heads, scale: (innerWidth / heads) ** -0.5 });
    return linear(g, w.at("out_proj"), attended, width(q));
  });
}
