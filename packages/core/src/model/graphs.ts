import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { gridSize, imageEncoder } from "./image-encoder.ts";
import { maskDecoder } from "./mask-decoder.ts";
import { memoryAttention } from "./memory-attention.ts";
import { memoryEncoder } from "./memory-encoder.ts";

/** The graphs of a SAM 2 model. */
export type GraphName = "imageEncoder" | "maskDecoder" | "memoryEncoder" | "memoryAttention";

/**
 * `image` [images, S, S, 3], normalised -> `imageEmbeddings` [images, cells, width], `highRes1` [images, cells * 4,
 * width / 4], `highRes0` [images, cells * 16, width / 8], where S is the config's image size and cells is (S / 16)^2.
 */
export function imageEncoderGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("imageEncoder");
  const image = g.input("image", ["images", c.imageSize, c.imageSize, 3]);
  emit(g, imageEncoder(g, new WeightScope(g), c, image));
  return g.build();
}

/**
 * An image's features and `points` [prompts, points, 2], `labels` [prompts, points], `maskInput` [prompts?, S / 4, S / 4],
 * `hasMask` [prompts?], `noMemory` [prompts?] -> `lowResMasks` [prompts, 4, S / 4, S / 4], `iouPredictions` [prompts, 4],
 * `objectScores` [prompts, 1], `objectPointers` [prompts, 4, width]. The features are one image's for all prompts, or
 * one for each.
 */
export function maskDecoderGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("maskDecoder");
  const side = gridSize(c);
  const cells = side * side;
  emit(
    g,
    maskDecoder(g, new WeightScope(g), c, {
      imageEmbeddings: g.input("imageEmbeddings", ["prompts?", cells, c.width]),
      highRes1: g.input("highRes1", ["prompts?", cells * 4, c.width / 4]),
      highRes0: g.input("highRes0", ["prompts?", cells * 16, c.width / 8]),
      points: g.input("points", ["prompts", "points", 2]),
      labels: g.input("labels", ["prompts", "points"], "int32"),
      maskInput: g.input("maskInput", ["prompts?", 4 * side, 4 * side]),
      hasMask: g.input("hasMask", ["prompts?"], "bool"),
      noMemory: g.input("noMemory", ["prompts?"]),
    }),
  );
  return g.build();
}

/**
 * `imageEmbeddings` [objects?, cells, width], `maskLogits` [objects, maskSize, maskSize], `binarize` [objects?],
 * `objectScores` [objects, 1] -> `memory` [objects, cells, memoryWidth]. Masks of another size than the model's images
 * are enlarged to it bilinearly; by default they are the decoder's, S / 4.
 */
export function memoryEncoderGraph(c: Sam2Config, maskSize: number = c.imageSize / 4): Graph {
  const g = new GraphBuilder("memoryEncoder");
  const memory = memoryEncoder(g, new WeightScope(g), c, {
    imageEmbeddings: g.input("imageEmbeddings", ["objects?", gridSize(c) ** 2, c.width]),
    maskLogits: g.input("maskLogits", ["objects", maskSize, maskSize]),
    binarize: g.input("binarize", ["objects?"], "bool"),
    objectScores: g.input("objectScores", ["objects", 1]),
  });
  g.output("memory", memory);
  return g.build();
}

/**
 * `imageEmbeddings` [objects?, cells, width], `memories` [objects, memories, cells, memoryWidth], `slots` [memories],
 * `pointers` [objects, pointerTokens, memoryWidth], `pointerPositions` [objects?, pointerTokens, memoryWidth] ->
 * `imageEmbeddings` [objects, cells, width], conditioned.
 */
export function memoryAttentionGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("memoryAttention");
  const cells = gridSize(c) ** 2;
  const conditioned = memoryAttention(g, new WeightScope(g), c, {
    imageEmbeddings: g.input("imageEmbeddings", ["objects?", cells, c.width]),
    memories: g.input("memories", ["objects", "memories", cells, c.memoryWidth]),
    slots: g.input("slots", ["memories"], "int32"),
    pointers: g.input("pointers", ["objects", "pointerTokens", c.memoryWidth]),
    pointerPositions: g.input("pointerPositions", ["objects?", "pointerTokens", c.memoryWidth]),
  });
  g.output("imageEmbeddings", conditioned);
  return g.build();
}

function emit(g: GraphBuilder, outputs: object): void {
  for (const [name, value] of Object.entries(outputs)) g.output(name, value as Value);
}
