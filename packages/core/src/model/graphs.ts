import { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { geometry, type TokenMap } from "./geometry.ts";
import { encoderOf, mapLevels } from "./image-encoder.ts";
import { MASKS, type MaskDecoderInputs, maskDecoder, maskScorer, maskUpscaler } from "./mask-decoder.ts";
import { memoryOf } from "./video-memory.ts";

/** The graphs of a SAM 2 model. */
export type GraphName =
  | "imageEncoder"
  | "maskDecoder"
  | "maskScorer"
  | "maskUpscaler"
  | "memoryEncoder"
  | "memoryAttention"
  | "singleMemoryAttention";

/** The graphs' builders by name: one that is left out does not compile. */
export const graphBuilders: { readonly [K in GraphName]: (c: Sam2Config) => Graph } = {
  imageEncoder: imageEncoderGraph,
  maskDecoder: maskDecoderGraph,
  maskScorer: maskScorerGraph,
  maskUpscaler: maskUpscalerGraph,
  memoryEncoder: memoryEncoderGraph,
  memoryAttention: memoryAttentionGraph,
  singleMemoryAttention: singleMemoryAttentionGraph,
};

/** The graph by which a frame attends to so many memories: to one alone it is another, in some kinds of memory. */
export function attentionGraph(c: Sam2Config, memories: number): "memoryAttention" | "singleMemoryAttention" {
  return memories === 1 && memoryOf(c).singleMemoryApart ? "singleMemoryAttention" : "memoryAttention";
}

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
  emit(g, maskDecoder(g, new WeightScope(g), c, decoderInputs(g, c, "prompts?")));
  return g.build();
}

/**
 * The inputs of `maskDecoderGraph`, but one image's and one mask for all prompts -> `iouPredictions` [prompts, 4], `objectScores` [prompts, 1], and for
 * `maskUpscalerGraph` `imageTokens` [prompts, cells, width], `maskTokens` [prompts, 4, width]: of many prompts most masks
 * may not be worth making.
 */
export function maskScorerGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("maskScorer");
  emit(g, maskScorer(g, new WeightScope(g), c, decoderInputs(g, c, 1)));
  return g.build();
}

/**
 * `imageTokens` [prompts, cells, width], `maskTokens` [prompts, 4, width], one image's `highRes1` and `highRes0`, and
 * `chosen` [chosen], indices of prompts -> `lowResMasks` [chosen, 4, S / 4, S / 4].
 */
export function maskUpscalerGraph(c: Sam2Config): Graph {
  const g = new GraphBuilder("maskUpscaler");
  const { features, width } = geometry(c);
  const chosen = g.input("chosen", ["chosen"], "int32");
  const ofChosen = (name: string, rows: number): Value => g.gather(g.input(name, ["prompts", rows, width]), chosen);
  const imageTokens = ofChosen("imageTokens", features.imageEmbeddings.tokens);
  const maskTokens = ofChosen("maskTokens", MASKS);
  const levels = mapLevels(features, ({ tokens, channels }, name) =>
    name === "imageEmbeddings" ? imageTokens : g.input(name, [1, tokens, channels]),
  );
  g.output("lowResMasks", maskUpscaler(g, new WeightScope(g), c, { ...levels, imageTokens, maskTokens }));
  return g.build();
}

/** Of `images` images: one for all prompts, or as many as are fed. */
function decoderInputs(g: GraphBuilder, c: Sam2Config, images: Dim): MaskDecoderInputs {
  const { features, maskSide } = geometry(c);
  const image = ({ tokens, channels }: TokenMap, name: string): Value => g.input(name, [images, tokens, channels]);
  return {
    ...mapLevels(features, image),
    points: g.input("points", ["prompts", "points", 2]),
    labels: g.input("labels", ["prompts", "points"], "int32"),
    maskInput: g.input("maskInput", [images, maskSide, maskSide]),
    hasMask: g.input("hasMask", [images], "bool"),
    noMemory: g.input("noMemory", [images]),
  };
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
  return attentionTo(c, "memoryAttention", "memories");
}

/** `memoryAttentionGraph` for `memories` [objects, 1, tokens, memoryWidth]. */
export function singleMemoryAttentionGraph(c: Sam2Config): Graph {
  return attentionTo(c, "singleMemoryAttention", 1);
}

function attentionTo(c: Sam2Config, name: GraphName, memories: Dim): Graph {
  const g = new GraphBuilder(name);
  const { features, memory } = geometry(c);
  const { tokens, channels } = features.imageEmbeddings;
  const conditioned = memoryOf(c).attend(g, new WeightScope(g), c, {
    imageEmbeddings: g.input("imageEmbeddings", ["objects?", tokens, channels]),
    memories: g.input("memories", ["objects", memories, memory.tokens, memory.channels]),
    slots: g.input("slots", [memories], "int32"),
    pointers: g.input("pointers", ["objects", "pointerTokens", memory.channels]),
    pointerPositions: g.input("pointerPositions", ["objects?", "pointerTokens", memory.channels]),
  });
  g.output("imageEmbeddings", conditioned);
  return g.build();
}

function emit(g: GraphBuilder, outputs: object): void {
  for (const [name, value] of Object.entries(outputs)) g.output(name, value as Value);
}
