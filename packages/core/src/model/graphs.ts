import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { geometry } from "./geometry.ts";
import { encoderOf, type ImageFeatures } from "./image-encoder.ts";
import { maskDecoder } from "./mask-decoder.ts";
import { memoryOf } from "./video-memory.ts";

/** The graphs of a SAM 2 model. */
export type GraphName = "imageEncoder" | "maskDecoder" | "memoryEncoder" | "memoryAttention";

/**
 * `image` [images, S, S, 3], normalised -> `imageEmbeddings` [images, cells, width], `highRes1` [images, cells * 4,
 * width / 4], `highRes0` [images, cells * 16, width / 8], where S is the config's image size and cells is (S / 16)^2.
 */
export function imageEncoderGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("imageEncoder");
  const image = g.input("image", ["images", c.imageSize, c.imageSize, 3]);
  emit(g, encoderOf(c).build(g, new WeightScope(g), c, image));
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
  const { features, maskSide } = geometry(c);
  const feature = (name: keyof ImageFeatures): Value =>
    g.input(name, ["prompts?", features[name].tokens, features[name].channels]);
  emit(
    g,
    maskDecoder(g, new WeightScope(g), c, {
      imageEmbeddings: feature("imageEmbeddings"),
      highRes1: feature("highRes1"),
      highRes0: feature("highRes0"),
      points: g.input("points", ["prompts", "points", 2]),
      labels: g.input("labels", ["prompts", "points"], "int32"),
      maskInput: g.input("maskInput", ["prompts?", maskSide, maskSide]),
      hasMask: g.input("hasMask", ["prompts?"], "bool"),
      noMemory: g.input("noMemory", ["prompts?"]),
    }),
  );
  return g.build();
}

/**
 * `imageEmbeddings` [objects?, cells, width], `maskLogits` [objects, maskSize, maskSize], `binarize` [objects?],
 * `objectScores` [objects, 1] -> `memory` [objects, tokens, memoryWidth]. Masks of another size than the model's images
 * are enlarged to it bilinearly; by default they are the decoder's, S / 4.
 */
export function memoryEncoderGraph(c: Sam2Config, maskSize: number = geometry(c).maskSide): Graph {
  const g = new GraphBuilder("memoryEncoder");
  const { imageEmbeddings } = geometry(c).features;
  const memory = memoryOf(c).encode(g, new WeightScope(g), c, {
    imageEmbeddings: g.input("imageEmbeddings", ["objects?", imageEmbeddings.tokens, imageEmbeddings.channels]),
    maskLogits: g.input("maskLogits", ["objects", maskSize, maskSize]),
    binarize: g.input("binarize", ["objects?"], "bool"),
    objectScores: g.input("objectScores", ["objects", 1]),
  });
  g.output("memory", memory);
  return g.build();
}

/**
 * `imageEmbeddings` [objects?, cells, width], `memories` [objects, memories, tokens, memoryWidth], `slots` [memories],
 * `pointers` [objects, pointerTokens, memoryWidth], `pointerPositions` [objects?, pointerTokens, memoryWidth] ->
 * `imageEmbeddings` [objects, cells, width], conditioned.
 */
export function memoryAttentionGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("memoryAttention");
  const { features, memory } = geometry(c);
  const { tokens, channels } = features.imageEmbeddings;
  const conditioned = memoryOf(c).attend(g, new WeightScope(g), c, {
    imageEmbeddings: g.input("imageEmbeddings", ["objects?", tokens, channels]),
    memories: g.input("memories", ["objects", "memories", memory.tokens, memory.channels]),
    slots: g.input("slots", ["memories"], "int32"),
    pointers: g.input("pointers", ["objects", "pointerTokens", memory.channels]),
    pointerPositions: g.input("pointerPositions", ["objects?", "pointerTokens", memory.channels]),
  });
  g.output("imageEmbeddings", conditioned);
  return g.build();
}

function emit(g: GraphBuilder, outputs: object): void {
  for (const [name, value] of Object.entries(outputs)) g.output(name, value as Value);
}
