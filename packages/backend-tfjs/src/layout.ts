import type { OpKind, OpNode } from "@masklet/core/backend";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import type { TfOps } from "./runtime.ts";
import { transposeAxes } from "./shape.ts";

/**
 * How a kernel wants an operand, where that is not as the graph has it. Weights are converted once, when a graph is
 * compiled. "columns": the last two axes exchanged. "hwio" and "depthwise": a filter [out, in, kh, kw] as
 * [kh, kw, in, out], and [in * multiplier, 1, kh, kw] as [kh, kw, in, multiplier].
 */
export type Layout = "columns" | "hwio" | "depthwise";

/** The layout for operand `index` of a node; `undefined` for the graph's own. Our own kernels take no transposed operands. */
export function layoutOf(node: OpNode, index: number, { own }: Pick<Engine, "own">): Layout | undefined {
  if (index !== 1) return undefined;
  switch (node.kind satisfies OpKind) {
    case "linear":
      return "columns";
    case "matmul":
      return (node as OpNode<"matmul">).attributes.transposeB && own !== undefined ? "columns" : undefined;
    case "conv2d":
      return isDepthwise(node as OpNode<"conv2d">) ? "depthwise" : "hwio";
    default:
      return undefined;
  }
}

function isDepthwise({ inputs: [, filter], attributes: { groups } }: OpNode<"conv2d">): boolean {
  return groups > 1 && filter.dims[1] === 1;
}

/** A tensor in another layout; a new one. */
export function arrange(tf: TfOps, x: Tensor, layout: Layout, groups: number): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  switch (layout) {
    case "columns":
      return transposeAxes(tf, x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
    case "hwio":
      return transposeAxes(tf, x, [2, 3, 1, 0]);
    case "depthwise": {
      const [out = 0, , kh = 0, kw = 0] = x.shape;
      return transposeAxes(tf, tf.reshape(x, [groups, out / groups, kh, kw]), [2, 3, 0, 1]);
    }
  }
}
