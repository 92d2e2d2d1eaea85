/**
 * The image encoder's trunk: Hiera (Ryali et al. 2023) with windowed attention in most blocks, global attention in a
 * few, and query pooling where a stage begins. Reference: modeling/backbones/hieradet.py.
 *
 * Tokens are kept in the order of the windows they were last used in: stages 1 and 2 and the beginning of stage 3 share
 * one partition (their windows halve as the map does), so nothing is moved between their blocks.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, linear, mlp } from "../nn/layers.ts";
import { inWindows, type Tokens, withValue } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";

const EPSILON = 1e-6;

/** How one block of the trunk is set. */
export interface HieraBlock {
  readonly stage: number;
  readonly width: number;
  readonly heads: number;
  /** Side of the attention windows; 0 attends globally. A block that begins a stage has the previous stage's. */
  readonly window: number;
  /** Whether queries, and the shortcut, are max-pooled 2x2. */
  readonly pools: boolean;
}

/** The trunk's blocks in order. */
export function hieraBlocks(c: Sam2Config): readonly HieraBlock[] {
  return c.stages.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, j) => {
      const index = c.stages.slice(0, stage).reduce((sum, n) => sum + n, 0) + j;
      const begins = j === 0 && stage > 0;
      return {
        stage,
        width: c.embedDim * 2 ** stage,
        heads: c.numHeads * 2 ** stage,
        window: c.globalAttentionBlocks.includes(index) ? 0 : (c.windowSpec[begins ? stage - 1 : stage] ?? 0),
        pools: begins && stage <= c.queryPoolStages,
      };
    }),
  );
}

/** image [images, S, S, 3] -> the output of each stage, [images, S / 4, S / 4, embedDim] and on, halved and doubled. */
export function hiera(g: GraphBuilder, w: WeightScope, c: Sam2Config, image: Value): readonly Tokens[] {
  const blocks = hieraBlocks(c);
  const size = c.imageSize / 4;
  const first = blocks[0]?.window ?? 0;
  const patches = g.scope(`${w.path}.patch_embed`, () => {
    const proj = w.at("patch_embed").at("proj");
    return g.conv2d(image, proj.tensor("weight", [c.embedDim, 3, 7, 7]), proj.tensor("bias", [c.embedDim]), {
      strides: [4, 4],
      padding: [3, 3, 3, 3],
    });
  });
  const map = { height: size, width: size, window: 0 };
  const embedded = inWindows(g, { value: patches, ...map }, first);
  const positions = inWindows(g, { value: positionEmbedding(g, w, c, size), ...map }, first);
  let x = withValue(embedded, addPositions(g, embedded.value, positions.value, image.dims[0] ?? 1));
  const stages: Tokens[] = [];
  for (const [i, block] of blocks.entries()) {
    x = hieraBlock(g, w.at("blocks").at(i), block, x);
    if (blocks[i + 1]?.stage !== block.stage) stages.push(x);
  }
  return stages;
}

/** Adds one image's positions [windows, ...] to those of a batch [batch * windows, ...]. */
function addPositions(g: GraphBuilder, x: Value, positions: Value, batch: Dim): Value {
  const rows = positions.dims.reduce(mulDims, 1);
  return g.reshape(g.add(g.reshape(x, [batch, rows]), g.reshape(positions, [1, rows])), x.dims);
}

/** A coarse map of positions, enlarged bicubically, plus one window's repeated: [1, size, size, embedDim]. */
function positionEmbedding(g: GraphBuilder, w: WeightScope, c: Sam2Config, size: number): Value {
  return g.scope(w.path, () => {
    const [height, width] = c.windowPositionBackgroundSize;
    const side = c.windowSpec[0];
    const global = g.transpose(w.tensor("pos_embed", [1, c.embedDim, height, width]), [0, 2, 3, 1]);
    const local = g.transpose(w.tensor("pos_embed_window", [1, c.embedDim, side, side]), [0, 2, 3, 1]);
    const repeats = size / side;
    const tiled = g.expand(g.reshape(local, [1, 1, side, 1, side, c.embedDim]), [
      1,
      repeats,
      side,
      repeats,
      side,
      c.embedDim,
    ]);
    const enlarged = g.resample2d(global, { sizes: [size, size], mode: "cubic" });
    return g.add(enlarged, g.reshape(tiled, [1, size, size, c.embedDim]));
  });
}

function hieraBlock(g: GraphBuilder, w: WeightScope, block: HieraBlock, input: Tokens): Tokens {
  return g.scope(w.path, () => {
    const whole = block.window === 0 || input.height % block.window === 0;
    const x = whole ? inWindows(g, input, block.window) : inWindows(g, input, 0);
    const normed = withValue(x, layerNorm(g, w.at("norm1"), x.value, EPSILON));
    const widens = normed.value.dims.at(-1) !== block.width;
    const projected = widens ? withValue(x, linear(g, w.at("proj"), normed.value, block.width)) : x;
    const shortcut = block.pools ? pool(g, projected) : projected;

    const attended = attention(g, w.at("attn"), block, inWindows(g, normed, block.window));
    const back = inWindows(g, attended, shortcut.window);
    const y = g.add(shortcut.value, back.value);
    const hidden = mlp(g, w.at("mlp"), layerNorm(g, w.at("norm2"), y, EPSILON), [4 * block.width, block.width], "gelu");
    return withValue(shortcut, g.add(y, hidden));
  });
}

/**
 * Attention within each window: the zeros that pad a window take part, as the bias of the projection. What all keys have
 * in common changes no softmax, so keys need no bias; a softmax's rows sum to one, so the values' bias joins that of the
 * output projection; and the largest of four queries may be found before the bias is added.
 */
function attention(g: GraphBuilder, w: WeightScope, { width, heads, pools }: HieraBlock, x: Tokens): Tokens {
  const [batch, height, columns, input] = x.value.dims as readonly [Dim, number, number, number];
  const qkv = w.at("qkv");
  const weight = (third: number): Value =>
    g.slice(qkv.tensor("weight", [3 * width, input]), [third * width, 0], [width, input]);
  const bias = (third: number): Value => g.slice(qkv.tensor("bias", [3 * width]), [third * width], [width]);

  const unpooled = withValue(x, g.linear(x.value, weight(0)));
  const queries = pools ? pool(g, unpooled) : unpooled;
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

/** 2x2 max pooling; windows of even size shrink with the map. */
function pool(g: GraphBuilder, { value, height, width, window }: Tokens): Tokens {
  const pooled = g.maxPool2d(value, { windowDimensions: [2, 2] });
  return { value: pooled, height: height / 2, width: width / 2, window: window / 2 };
}
