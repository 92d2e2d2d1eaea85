/**
 * What a model computes in. Weights are converted as they are read, by graphs that say so: nothing else is downloaded.
 * Which layers are rounded was decided by the IoU of masks; see the documentation's page on precision.
 */
import type { AnyOpNode, Graph, Value } from "../graph/graph.ts";
import type { Attributes, Inputs, WeightBits } from "../graph/ops.ts";
import { partition } from "../graph/partition.ts";
import { rewriteGraph } from "../graph/rewrite.ts";

/** `q8` and `q4` round the weights of most linear layers to 8 and 4 bits, and compute the rest in float32. */
export type Precision = "fp32" | "q8" | "q4";

/** All of them. */
export const precisions: readonly Precision[] = ["fp32", "q8", "q4"];

/** A model's graph, in another precision. */
export function withPrecision(graph: Graph, dtype: Precision): Graph {
  return dtype === "fp32" ? graph : withRoundedWeights(graph, dtype === "q8" ? 8 : 4);
}

/**
 * The blocks' linear layers: nearly all of the weights, and of the arithmetic that is not attention. What reads pixels,
 * points or masks and what writes features, memories or masks stays in float32, and so does the mask decoder.
 */
const rounded = ["image_encoder.trunk.blocks.", "memory_attention.layers.", "memory_encoder.fuser."];

function isRounded({ kind, scope }: AnyOpNode): boolean {
  return kind === "linear" && rounded.some((start) => scope.startsWith(start));
}

function withRoundedWeights(graph: Graph, bits: WeightBits): Graph {
  const runtime = new Set<Value>(partition(graph).runtime);
  return rewriteGraph(graph, (value, { find, emit }) => {
    const { scope, kind, inputs, attributes } = value.source.node;
    const operands = inputs.map(find) as readonly Value[];
    // A weight that is computed from inputs cannot be rounded when the graph is compiled; there is none in these layers.
    if (!runtime.has(value) || !isRounded(value.source.node)) {
      return emit(scope, kind, operands as Inputs<typeof kind>, attributes as Attributes<typeof kind>);
    }
    return emit(scope, "quantizedLinear", operands as Inputs<"quantizedLinear">, { bits });
  });
}
