/**
 * The mask decoder's transformer: tokens attend to themselves and to the image, and the image attends back
 * (SAM, section A; reference: sam/transformer.py, `TwoWayTransformer`).
 *
 * The image's side is [prompts, cells, width], far larger than the tokens', so as little as possible is done to it:
 * - As long as nothing of a prompt has reached it its batch is `prompts?`, one map for all prompts or one for each.
 * - It is not projected, neither where tokens attend to it nor where it attends to them: see `tokensToImage`. But where
 *   its batch is 1 for certain, not `prompts?`, the first layer projects it: once for all prompts that is less.
 * - What all keys have in common changes no softmax, so keys need no bias; and since a softmax's rows sum to one, the
 *   values' bias goes through the output projection once, as part of its bias.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, linear, mlp, type ProjectedAttention, projectedAttention, width } from "../nn/layers.ts";
import type { WeightScope } from "../nn/weight-scope.ts";

const HEADS = 8;
const LAYERS = 2;

export interface TwoWayInputs {
  /** [prompts, tokens, width] */
  readonly tokens: Value;
  /** [prompts?, cells, width] */
  readonly image: Value;
  /** [cells, width] */
  readonly positions: Value;
  /** Of how many tokens, the first, the last state is wanted. */
  readonly answers: number;
}

/** The tokens and the image after both have seen each other: [prompts, answers, width], [prompts, cells, width]. */
export function twoWayTransformer(
  g: GraphBuilder,
  w: WeightScope,
  { tokens, image, positions, answers }: TwoWayInputs,
  mlpWidth: number,
): { readonly tokens: Value; readonly image: Value } {
  const outer = width(tokens);
  const self = { heads: HEADS, innerWidth: outer };
  const cross = { heads: HEADS, innerWidth: outer / 2 };
  let queries = tokens;
  let keys = image;
  for (let i = 0; i < LAYERS; i++) {
    const l = w.at("layers").at(i);
    if (i === 0) {
      // The first layer's tokens are their own positions, and it has no shortcut.
      queries = projectedAttention(g, l.at("self_attn"), { q: queries, k: queries, v: queries }, self);
    } else {
      const q = g.add(queries, tokens);
      queries = g.add(queries, projectedAttention(g, l.at("self_attn"), { q, k: q, v: queries }, self));
    }
    queries = layerNorm(g, l.at("norm1"), queries);

    const map = { keys: g.add(keys, positions), values: keys };
    const seen = tokensToImage(g, l.at("cross_attn_token_to_image"), g.add(queries, tokens), map, cross);
    queries = layerNorm(g, l.at("norm2"), g.add(queries, seen));

    queries = layerNorm(g, l.at("norm3"), g.add(queries, mlp(g, l.at("mlp"), queries, [mlpWidth, outer])));

    const toTokens = { k: g.add(queries, tokens), v: queries };
    const back = imageToTokens(g, l.at("cross_attn_image_to_token"), map.keys, toTokens, cross);
    keys = layerNorm(g, l.at("norm4"), g.add(keys, back));
  }
  const last = w.at("final_attn_token_to_image");
  const map = { keys: g.add(keys, positions), values: keys };
  const asking = (x: Value): Value => g.slice(x, [0, 0, 0], [x.dims[0] as Dim, answers, outer]);
  const asked = asking(queries);
  const seen = tokensToImage(g, last, g.add(asked, asking(tokens)), map, cross);
  return { tokens: layerNorm(g, w.at("norm_final_attn"), g.add(asked, seen)), image: keys };
}

/**
 * With the queries q_h of a head, its rows K_h and V_h of the projections and the image x, q_h (x K_h^T)^T is
 * (q_h K_h) x^T, and a (x V_h^T) is (a x) V_h^T: the tokens are projected to the image's width and back, and all heads
 * become rows of one. For fewer than `innerWidth` rows, 16 tokens, that is less work than to project the image; a click
 * has 8 tokens, a box 9. A shared image is projected, and the heads' rows are zero in each other's channels.
 */
function tokensToImage(
  g: GraphBuilder,
  w: WeightScope,
  tokens: Value,
  { keys, values }: { readonly keys: Value; readonly values: Value },
  { heads, innerWidth }: ProjectedAttention,
): Value {
  return g.scope(w.path, () => {
    const outer = width(tokens);
    const [prompts, count] = tokens.dims as readonly [Dim, Dim, number];
    const headWidth = innerWidth / heads;
    const query = linear(g, w.at("q_proj"), tokens, innerWidth);
    const attention = { heads: 1, scale: headWidth ** -0.5 };
    const out = w.at("out_proj");
    if (isShared(keys)) {
      const rows = rowsOfHeads(g, query, heads);
      const key = g.linear(keys, w.at("k_proj").tensor("weight", [innerWidth, outer]));
      const seen = g.attention(rows, key, linear(g, w.at("v_proj"), values, innerWidth), attention);
      const perHead = g.transpose(g.reshape(seen, [prompts, heads, count, innerWidth]), [0, 2, 1, 3]);
      const matrix = g.reshape(out.tensor("weight", [outer, innerWidth]), [outer, 1, innerWidth]);
      const ofOwnChannels = g.mul(matrix, g.reshape(channelsOfHeads(g, heads, innerWidth), [1, heads, innerWidth]));
      return g.linear(
        g.reshape(perHead, [prompts, count, heads * innerWidth]),
        g.reshape(ofOwnChannels, [outer, heads * innerWidth]),
        out.tensor("bias", [outer]),
      );
    }
    const asked = g.matmul(ofHeads(g, query, heads), weightOfHeads(g, w.at("k_proj"), [heads, headWidth, outer]));
    const rows = g.reshape(asked, [prompts, mulDims(count, heads), outer]);
    const seen = g.attention(rows, keys, values, attention);
    const valueWeight = weightOfHeads(g, w.at("v_proj"), [heads, headWidth, outer]);
    const perHead = g.matmul(g.reshape(seen, asked.dims), valueWeight, { transposeB: true });
    const attended = g.reshape(g.transpose(perHead, [0, 2, 1, 3]), [prompts, count, innerWidth]);
    return g.linear(attended, out.tensor("weight", [outer, innerWidth]), biasOfValues(g, w, outer, innerWidth));
  });
}

/**
 * The same, seen from the image: the tokens' keys are projected to its width, so that its product with them is the scores
 * of all heads, [cells, heads * tokens], and the tokens' values are carried through the output projection, whose bias is
 * shared out among the heads.
 */
function imageToTokens(
  g: GraphBuilder,
  w: WeightScope,
  placed: Value,
  { k, v }: { readonly k: Value; readonly v: Value },
  { heads, innerWidth }: ProjectedAttention,
): Value {
  return g.scope(w.path, () => {
    const outer = width(k);
    const [prompts, count] = k.dims as readonly [Dim, Dim, number];
    const headWidth = innerWidth / heads;
    const columns = mulDims(count, heads);
    const keys = g.mul(g.linear(k, w.at("k_proj").tensor("weight", [innerWidth, outer])), g.scalar(headWidth ** -0.5));
    const scoresOfImage = (): Value => {
      const key = ofHeads(g, keys, heads);
      const offered = g.matmul(key, weightOfHeads(g, w.at("q_proj"), [heads, headWidth, outer]));
      const queryBias = g.reshape(w.at("q_proj").tensor("bias", [innerWidth]), [heads, headWidth, 1]);
      const products = g.matmul(placed, g.reshape(offered, [prompts, columns, outer]), { transposeB: true });
      return g.add(products, g.reshape(g.matmul(key, queryBias), [prompts, 1, columns]));
    };
    const scoresOfSharedImage = (): Value => {
      const query = linear(g, w.at("q_proj"), placed, innerWidth);
      return g.matmul(query, rowsOfHeads(g, keys, heads), { transposeB: true });
    };

    const scores = isShared(placed) ? scoresOfSharedImage() : scoresOfImage();
    const cells = scores.dims[1] as Dim;
    const weights = g.softmax(g.reshape(scores, [prompts, cells, heads, count]));

    const outMatrix = w.at("out_proj").tensor("weight", [outer, innerWidth]);
    const outOfHeads = g.transpose(g.reshape(outMatrix, [outer, heads, headWidth]), [1, 0, 2]);
    const told = g.linear(v, w.at("v_proj").tensor("weight", [innerWidth, outer]));
    const carried = g.matmul(ofHeads(g, told, heads), outOfHeads, { transposeB: true });
    const share = g.mul(biasOfValues(g, w, outer, innerWidth), g.scalar(1 / heads));
    return g.matmul(g.reshape(weights, scores.dims), g.reshape(g.add(carried, share), [prompts, columns, outer]));
  });
}

/** Whether all prompts see one map for certain. */
function isShared(image: Value): boolean {
  return image.dims[0] === 1;
}

/** [prompts, tokens, heads * d] -> [prompts, heads * tokens, heads * d]: each head's rows, zero in the others' channels. */
function rowsOfHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [prompts, count, inner] = x.dims as readonly [Dim, Dim, number];
  const apart = g.mul(g.reshape(x, [prompts, 1, count, inner]), channelsOfHeads(g, heads, inner));
  return g.reshape(apart, [prompts, mulDims(count, heads), inner]);
}

/** [heads, 1, innerWidth]: one where the channel is the head's, else zero. */
function channelsOfHeads(g: GraphBuilder, heads: number, innerWidth: number): Value {
  const headWidth = innerWidth / heads;
  const data = Float32Array.from({ length: heads * innerWidth }, (_, i) =>
    Math.floor(i / innerWidth) === Math.floor((i % innerWidth) / headWidth) ? 1 : 0,
  );
  return g.constant({ dtype: "float32", dims: [heads, 1, innerWidth], data });
}

/** [prompts, tokens, heads * d] -> [prompts, heads, tokens, d]. */
function ofHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [prompts, count, inner] = x.dims as readonly [Dim, Dim, number];
  return g.transpose(g.reshape(x, [prompts, count, heads, inner / heads]), [0, 2, 1, 3]);
}

/** A projection's matrix, [heads, d, outer]. */
function weightOfHeads(g: GraphBuilder, w: WeightScope, dims: readonly [number, number, number]): Value {
  return g.reshape(w.tensor("weight", [dims[0] * dims[1], dims[2]]), dims);
}

/** The bias of values and that of the output projection, as one of the output. */
function biasOfValues(g: GraphBuilder, w: WeightScope, outer: number, innerWidth: number): Value {
  const out = w.at("out_proj");
  const valueBias = g.reshape(w.at("v_proj").tensor("bias", [innerWidth]), [1, innerWidth]);
  const matrix = out.tensor("weight", [outer, innerWidth]);
  return g.reshape(g.linear(valueBias, matrix, out.tensor("bias", [outer])), [outer]);
}
