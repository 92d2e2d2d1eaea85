/**
 * What a model computes in. Weights are converted as they are read, by graphs that say so: nothing else is downloaded.
 * Which layers are rounded was decided by the IoU of masks; see the documentation's page on precision.
 */
import type { Graph, Value } from "../graph/graph.ts";
import type { Attributes, Inputs, WeightBits } from "../graph/ops.ts";
import { partition } from "../graph/partition.ts";
import { type Rewriter, rewriteGraph } from "../graph/rewrite.ts";
import type { Sam2Config } from "./config.ts";
import { encoderOf } from "./image-encoder.ts";
import { memoryOf } from "./video-memory.ts";

/**
 * `fp16` computes in float16 all but the prompt encoder; `q8` and `q4` round the weights of most linear layers to 8 and 4
 * bits, and compute the rest in float32; with `q8` a backend may also round what goes into these layers, and the queries
 * and keys of the image encoder and of memory attention.
 */
export type Precision = "fp32" | "fp16" | "q8" | "q4";

/** All of them. */
export const precisions: readonly Precision[] = ["fp32", "fp16", "q8", "q4"];

export interface PrecisionOptions {
  /** Of the model that the graph is of: which layers are rounded is a matter of its kinds. */
  readonly config: Sam2Config;
  readonly dtype: Precision;
}

/** A model's graph, in another precision: its inputs and outputs stay as they are. */
export function withPrecision(graph: Graph, { config, dtype }: PrecisionOptions): Graph {
  switch (dtype) {
    case "fp32":
      return graph;
    case "fp16":
      return inHalves(graph);
    case "q8":
      return withFewerBits(graph, config, 8);
    case "q4":
      return withFewerBits(graph, config, 4);
  }
}

/** Sines of large arguments: a half would not know a pixel's position. */
const NOT_IN_HALVES = "sam_prompt_encoder";

function inHalves(graph: Graph): Graph {
  const runtime = new Set<Value>(partition(graph).runtime);
  const cast = new Map<Value, Value>();
  const as = (value: Value, dtype: "float16" | "float32", { emit }: Rewriter): Value => {
    if (value.dtype === dtype || (value.dtype !== "float32" && value.dtype !== "float16")) return value;
    const found = cast.get(value) ?? emit("", "cast", [value], { dtype });
    cast.set(value, found);
    return found;
  };
  return rewriteGraph(
    graph,
    (value, rewriter) => {
      const { scope, kind, inputs, attributes } = value.source.node;
      // What is computed once is computed in float32, and converted where it is used.
      const dtype = runtime.has(value) && !scope.startsWith(NOT_IN_HALVES) ? "float16" : "float32";
      const operands = (inputs as readonly Value[]).map((input) => as(rewriter.find(input), dtype, rewriter));
      const made = kind === "cast" && attributes.dtype === "float32" ? { dtype } : attributes;
      return rewriter.emit(scope, kind, operands as Inputs<typeof kind>, made as Attributes<typeof kind>);
    },
    (value, rewriter) => as(value, "float32", rewriter),
  );
}

/**
 * The blocks' linear layers, which are nearly all of the weights, and with 8 bits the products of queries and keys. What
 * reads pixels, points or masks and what writes features, memories or masks stays in float32, and so does the mask decoder.
 */
function withFewerBits(graph: Graph, config: Sam2Config, bits: WeightBits): Graph {
  const rounded = [...encoderOf(config).roundedScopes, ...memoryOf(config).roundedScopes];
  const isRounded = (scope: string): boolean => rounded.some((start) => scope.startsWith(start));
  const runtime = new Set<Value>(partition(graph).runtime);
  return rewriteGraph(graph, (value, { find, emit }) => {
    const { scope, kind, inputs, attributes } = value.source.node;
    const operands = inputs.map(find) as readonly Value[];
    if (bits === 8 && kind === "attention" && isRounded(scope)) {
      return emit(scope, "attention", operands as Inputs<"attention">, { ...attributes, scoreBits: 8 });
    }
    // A weight that is computed from inputs cannot be rounded when the graph is compiled; there is none in these layers.
    if (!runtime.has(value) || kind !== "linear" || !isRounded(scope)) {
      return emit(scope, kind, operands as Inputs<typeof kind>, attributes as Attributes<typeof kind>);
    }
    return emit(scope, "quantizedLinear", operands as Inputs<"quantizedLinear">, { bits });
  });
}
