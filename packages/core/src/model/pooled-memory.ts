/**
 * Memories of whole maps, of which attention sees the mean of every 2x2 cells: EfficientTAM's efficient cross-attention
 * (Xiong et al. 2024, section 3.2; reference: sam/transformer.py, `EfficientRoPEAttention1` and `2`). Keys are averaged
 * after they are turned. A frame with a single memory attends to all of it, as SAM 2 does.
 *
 * A mean stands for four tokens, so its exponential counts four times: log 4 is to be added to its logit. One of the two
 * published recipes does so; the other adds log 4 to every channel of the key instead, and is trained with it.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { width as widthOf } from "../nn/layers.ts";
import { float32 } from "../tensor/tensor.ts";
import { checkRules, type Fields, notInTransformers } from "./fields.ts";
import { wholeMap, wholeMaps } from "./full-memory.ts";
import { gridSize } from "./grid.ts";
import { memoryAttention, type TurnedTokens } from "./memory-attention.ts";
import type { MemorySizes, VideoMemory } from "./video-memory.ts";

/** Sizes of a memory whose map is averaged for attention (EfficientTAM). */
export interface PooledMemoryConfig extends MemorySizes {
  readonly kind: "pooled";
  /** What log 4 is added to: the logits of averaged tokens ("_1" of the published names), or their keys ("_2"). */
  readonly weightedBy: "logits" | "keys";
}

type Weigh = (g: GraphBuilder, tokens: TurnedTokens) => TurnedTokens;

/** What log 4 is added to. */
const weights: Readonly<Record<PooledMemoryConfig["weightedBy"], Weigh>> = {
  logits: addedToLogits,
  keys: addedToKeys,
};

export const pooled: VideoMemory<PooledMemoryConfig> = {
  ...wholeMaps,
  parse: {
    reference: (root: Fields, sizes: MemorySizes): PooledMemoryConfig => ({
      kind: "pooled",
      ...sizes,
      weightedBy: root.choice("memory_pooling_weight", weights),
    }),
    transformers: notInTransformers,
  },
  check: (c) => checkRules([["image size", gridSize(c) % 2 === 0, "a multiple of 32", c.imageSize]]),
  singleMemoryApart: true,
  attend: (g, root, c, inputs) => {
    const map = wholeMap(c);
    const single = inputs.memories.dims[1] === 1;
    const reduced = { pool: meanOfFours, weigh: weights[c.memory.weightedBy] };
    return memoryAttention(g, root, c, inputs, single ? map : { ...map, ...reduced });
  },
  renames: [],
};

const LOG_4 = Math.log(4);

/** The mean of every 2x2 cells of a square map: [b, cells, channels] -> [b, cells / 4, channels]. */
function meanOfFours(g: GraphBuilder, x: Value): Value {
  const [batch, cells, channels] = x.dims as readonly [Dim, number, number];
  const half = Math.sqrt(cells) / 2;
  /** Of `count` pairs of `size` values each. */
  const sums = (value: Value, count: number, size: number): Value => {
    const pairs = g.reshape(value, [batch, count, 2, size]);
    const one = (i: number): Value => g.slice(pairs, [0, 0, i, 0], [batch, count, 1, size]);
    return g.add(one(0), one(1));
  };
  const rows = sums(x, half, 2 * half * channels);
  return g.reshape(g.mul(sums(rows, half * half, channels), g.scalar(1 / 4)), [batch, half * half, channels]);
}

function addedToKeys(g: GraphBuilder, { maps, ...rest }: TurnedTokens): TurnedTokens {
  return { ...rest, maps: g.add(maps, g.scalar(LOG_4)) };
}

/** Channels that only add log 4 to products of queries and maps: so many, as kernels like multiples of four. */
const EXTRA = 4;

function addedToLogits(g: GraphBuilder, { queries, maps, pointers }: TurnedTokens): TurnedTokens {
  // The product is scaled by 1 / sqrt(width); both factors alike, for the sake of what rounds them.
  const factor = Math.sqrt((LOG_4 * Math.sqrt(widthOf(queries))) / EXTRA);
  const widened = (x: Value, value: number): Value => {
    const [batch, tokens] = x.dims as readonly [Dim, Dim];
    const channels = float32([1, 1, EXTRA], new Float32Array(EXTRA).fill(value));
    return g.concat([x, g.expand(g.constant(channels), [batch, tokens, EXTRA])], 2);
  };
  return { queries: widened(queries, factor), maps: widened(maps, factor), pointers: widened(pointers, 0) };
}
