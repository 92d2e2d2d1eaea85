/**
 * The prompt encoder: points and boxes become tokens, a mask becomes a map added to the image's
 * (SAM, section 3; reference: sam/prompt_encoder.py).
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, pointwise } from "../nn/layers.ts";
import { toQuads } from "../nn/layout.ts";
import { fourierFeatures } from "../nn/position-encoding.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { gridSize } from "./grid.ts";

const EPSILON = 1e-6;
/** Inner channels of the mask embedding. */
const MASK_CHANNELS = 16;

function gaussianMatrix(w: WeightScope, c: Sam2Config): Value {
  return w.at("pe_layer").tensor("positional_encoding_gaussian_matrix", [2, c.width / 2]);
}

/** points [prompts, points, 2] in model pixels (x, y), labels [prompts, points] -> [prompts, points, width]. */
export function pointEmbeddings(
  g: GraphBuilder,
  w: WeightScope,
  c: Sam2Config,
  { points, labels }: { readonly points: Value; readonly labels: Value },
): Value {
  return g.scope(w.path, () => {
    const centres = g.div(g.add(points, g.scalar(0.5)), g.scalar(c.imageSize));
    const positions = fourierFeatures(g, centres, gaussianMatrix(w, c));
    const int = (value: number): Value => g.constant({ dtype: "int32", dims: [], data: Int32Array.of(value) });
    const isPadding = g.equal(g.reshape(labels, [...labels.dims, 1]), int(-1));
    const table = g.concat(
      [
        w.at("not_a_point_embed").tensor("weight", [1, c.width]),
        ...[0, 1, 2, 3].map((label) => w.at("point_embeddings").at(label).tensor("weight", [1, c.width])),
      ],
      0,
    );
    return g.add(g.where(isPadding, g.scalar(0), positions), g.gather(table, g.add(labels, int(1))));
  });
}

/**
 * maskInput [prompts?, 4 * grid, 4 * grid] logits, hasMask [prompts?] -> [prompts?, grid * grid, width]. The strided
 * convolutions do not overlap: in quad order each is a linear layer over four neighbours.
 */
export function maskEmbeddings(
  g: GraphBuilder,
  w: WeightScope,
  c: Sam2Config,
  { maskInput, hasMask }: { readonly maskInput: Value; readonly hasMask: Value },
): Value {
  return g.scope(w.path, () => {
    const cells = gridSize(c) ** 2;
    const batch = maskInput.dims[0] as Dim;
    const layers = w.at("mask_downscaling");
    const strided = (layer: number, x: Value, rows: number, input: number, out: number): Value => {
      const conv = layers.at(layer);
      const filter = g.transpose(conv.tensor("weight", [out, input, 2, 2]), [0, 2, 3, 1]);
      const patches = g.reshape(x, [batch, rows, 4 * input]);
      const y = g.linear(patches, g.reshape(filter, [out, 4 * input]), conv.tensor("bias", [out]));
      return g.gelu(layerNorm(g, layers.at(layer + 1), y, EPSILON));
    };
    const pixels = toQuads(g, g.reshape(maskInput, [...maskInput.dims, 1]));
    const half = strided(0, pixels, cells * 4, 1, MASK_CHANNELS / 4);
    const quarter = strided(3, half, cells, MASK_CHANNELS / 4, MASK_CHANNELS);
    const embedded = pointwise(g, layers.at(6), quarter, c.width);
    const none = w.at("no_mask_embed").tensor("weight", [1, c.width]);
    return g.where(g.reshape(hasMask, [...hasMask.dims, 1, 1]), embedded, none);
  });
}

/** The encoding of the map's own positions, [grid * grid, width]. */
export function densePositions(g: GraphBuilder, w: WeightScope, c: Sam2Config): Value {
  const side = gridSize(c);
  const centres = Float32Array.from({ length: side * side * 2 }, (_, i) => {
    const cell = i >> 1;
    return ((i % 2 === 0 ? cell % side : Math.floor(cell / side)) + 0.5) / side;
  });
  return g.scope(w.path, () =>
    fourierFeatures(g, g.constant({ dtype: "float32", dims: [side * side, 2], data: centres }), gaussianMatrix(w, c)),
  );
}
