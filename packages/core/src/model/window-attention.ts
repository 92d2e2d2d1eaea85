import type { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { type Tokens, withValue } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";

/** How an attention with one projection `qkv` is set. */
export interface WindowAttention {
  readonly width: number;
  readonly heads: number;
  /** What becomes of the queries before their bias is added: the largest of some, for instance. */
  readonly queries?: ((x: Tokens) => Tokens) | undefined;
}

/**
 * Attention within each window: the zeros that pad a window take part, as the bias of the projection. What all keys have
 * in common changes no softmax, so keys need no bias; a softmax's rows sum to one, so the values' bias joins that of the
 * output projection; and the largest of four queries may be found before the bias is added.
 */
export function windowAttention(
  g: GraphBuilder,
  w: WeightScope,
  x: Tokens,
  { width, heads, queries: pooled }: WindowAttention,
): Tokens {
  const [batch, height, columns, input] = x.value.dims as readonly [Dim, number, number, number];
  const qkv = w.at("qkv");
  const weight = (third: number): Value =>
    g.slice(qkv.tensor("weight", [3 * width, input]), [third * width, 0], [width, input]);
  const bias = (third: number): Value => g.slice(qkv.tensor("bias", [3 * width]), [third * width], [width]);

  const unpooled = withValue(x, g.linear(x.value, weight(0)));
  const queries = pooled?.(unpooled) ?? unpooled;
  const [, queryHeight, queryColumns] = queries.value.dims as readonly [Dim, number, number, number];
  const attended = g.attention(
    g.reshape(g.add(queries.value, bias(0)), [batch, queryHeight * queryColumns, width]),
    g.reshape(g.linear(x.value, weight(1)), [batch, height * columns, width]),
    g.reshape(g.linear(x.value, weight(2)), [batch, height * columns, width]),
    { heads, scale: (width / heads) ** -0.5 },
  );
  const proj = w.at("proj");
  const matrix = proj.tensor("weight", [width, width]);
  const outBias = g.linear(g.reshape(bias(2), [1, width]), matrix, proj.tensor("bias", [width]));
  const out = g.linear(attended, matrix, g.reshape(outBias, [width]));
  return withValue(queries, g.reshape(out, queries.value.dims));
}
