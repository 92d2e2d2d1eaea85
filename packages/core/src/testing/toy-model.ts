import type { WeightStore } from "../checkpoint/weight-store.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { memoryWeights, RandomTensors } from "./fixtures.ts";

const WIDTH = 12;
const HEADS = 2;

const shapes: Readonly<Record<string, readonly number[]>> = {
  "patch_embed.proj.weight": [WIDTH, 3, 3, 3],
  "patch_embed.proj.bias": [WIDTH],
  pos_embed: [1, WIDTH, 2, 2],
  "blocks.0.norm1.weight": [WIDTH],
  "blocks.0.norm1.bias": [WIDTH],
  "blocks.0.attn.qkv.weight": [3 * WIDTH, WIDTH],
  "blocks.0.attn.qkv.bias": [3 * WIDTH],
  "blocks.0.mlp.layers.0.weight": [2 * WIDTH, WIDTH],
  "blocks.0.mlp.layers.0.bias": [2 * WIDTH],
  "blocks.0.mlp.layers.1.weight": [WIDTH, 2 * WIDTH],
  "blocks.0.mlp.layers.1.bias": [WIDTH],
  "neck.weight": [WIDTH, WIDTH, 1, 1],
  "mask_token.weight": [1, WIDTH],
  "point_embeddings.weight": [3, WIDTH],
  "no_mask_embed.weight": [1, WIDTH],
};

/** Random weights for the toy graphs. */
export function toyWeights(): WeightStore {
  const random = new RandomTensors(11);
  return memoryWeights(
    Object.fromEntries(
      Object.entries(shapes).map(([key, dims]): [string, HostTensor] => [key, random.floats(dims, { scale: 0.5 })]),
    ),
  );
}

/**
 * SAM 2's image path in miniature, for tests: `image` [images, 14, 14, 3] -> `features` [images, 49, 12] by a strided
 * convolution, a resized position embedding, and a block of attention in padded windows.
 */
export function toyEncoderGraph(): Graph {
  const g = new GraphBuilder("toyEncoder");
  const weight = (key: string) => g.weight(key, shapes[key] ?? []);
  const image = g.input("image", ["images", 14, 14, 3]);
  const patches = g.conv2d(image, weight("patch_embed.proj.weight"), weight("patch_embed.proj.bias"), {
    strides: [2, 2],
    padding: [1, 1, 1, 1],
  }); // [images, 7, 7, width]
  const grid = g.transpose(weight("pos_embed"), [0, 2, 3, 1]);
  let x = g.add(patches, g.resample2d(grid, { sizes: [7, 7], mode: "cubic" }));
  x = g.scope("blocks.0", () => {
    const norm = g.layerNormalization(x, weight("blocks.0.norm1.weight"), weight("blocks.0.norm1.bias"), {
      epsilon: 1e-6,
    });
    const padded = g.reshape(g.pad(norm, [0, 0, 0, 0], [0, 1, 1, 0]), ["images", 2, 4, 2, 4, WIDTH]);
    const windows = g.reshape(g.transpose(padded, [0, 1, 3, 2, 4, 5]), ["4*images", 16, WIDTH]);
    const [q, k, v] = [0, 1, 2].map((i) =>
      g.linear(
        windows,
        g.slice(weight("blocks.0.attn.qkv.weight"), [i * WIDTH, 0], [WIDTH, WIDTH]),
        g.slice(weight("blocks.0.attn.qkv.bias"), [i * WIDTH], [WIDTH]),
      ),
    ) as [typeof x, typeof x, typeof x];
    const attended = g.attention(q, k, v, { heads: HEADS, scale: (WIDTH / HEADS) ** -0.5 });
    const split = g.reshape(attended, ["images", 2, 2, 4, 4, WIDTH]);
    const rows = g.reshape(g.transpose(split, [0, 1, 3, 2, 4, 5]), ["images", 8, 8, WIDTH]);
    const y = g.add(x, g.slice(rows, [0, 0, 0, 0], ["images", 7, 7, WIDTH]));
    const hidden = g.gelu(g.linear(y, weight("blocks.0.mlp.layers.0.weight"), weight("blocks.0.mlp.layers.0.bias")));
    return g.add(y, g.linear(hidden, weight("blocks.0.mlp.layers.1.weight"), weight("blocks.0.mlp.layers.1.bias")));
  });
  const neck = g.reshape(weight("neck.weight"), [WIDTH, WIDTH]);
  g.output("features", g.reshape(g.linear(x, neck), ["images", 49, WIDTH]));
  return g.build();
}

/**
 * `features` [prompts?, 49, 12], `labels` [prompts, points] (0 to 2), `maskInput` [prompts?, 49], `hasMask` [prompts?]
 * -> `masks` [prompts, 7, 7], `score` [prompts, 1].
 */
export function toyDecoderGraph(): Graph {
  const g = new GraphBuilder("toyDecoder");
  const weight = (key: string) => g.weight(key, shapes[key] ?? []);
  const features = g.input("features", ["prompts?", 49, WIDTH]);
  const labels = g.input("labels", ["prompts", "points"], "int32");
  const maskInput = g.input("maskInput", ["prompts?", 49]);
  const hasMask = g.input("hasMask", ["prompts?"], "bool");
  const learned = g.expand(weight("mask_token.weight"), ["prompts", 1, WIDTH]);
  const tokens = g.concat([learned, g.gather(weight("point_embeddings.weight"), labels)], 1);
  const dense = g.where(
    g.reshape(hasMask, ["prompts?", 1, 1]),
    g.reshape(maskInput, ["prompts?", 49, 1]),
    weight("no_mask_embed.weight"),
  );
  const image = g.add(features, dense);
  const attended = g.attention(tokens, image, image, { heads: 1, scale: WIDTH ** -0.5 });
  const token = g.slice(g.add(tokens, attended), [0, 0, 0], ["prompts", 1, WIDTH]);
  g.output("masks", g.reshape(g.matmul(token, image, { transposeB: true }), ["prompts", 7, 7]));
  const total = g.matmul(
    token,
    g.constant({ dtype: "float32", dims: [WIDTH, 1], data: new Float32Array(WIDTH).fill(1) }),
  );
  g.output("score", g.sigmoid(g.reshape(total, ["prompts", 1])));
  return g.build();
}
