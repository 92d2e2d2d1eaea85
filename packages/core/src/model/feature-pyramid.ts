/**
 * The image encoder's neck: a feature pyramid (SAM 2, section 4; reference: modeling/backbones/image_encoder.py).
 * Only the levels that are used are computed: stride 16, with the stride-32 level added into it, and strides 4 and 8 as
 * the mask decoder takes them, its `conv_s0` and `conv_s1` folded into the neck's own convolutions.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";
import { pointwise, width } from "../nn/layers.ts";
import { inWindows, type Tokens, toPairs, toQuads, withValue } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import { gridSize } from "./grid.ts";
import type { ImageFeatures, WithEncoder } from "./image-encoder.ts";
import type { ShapesAt } from "./weight-shapes.ts";

/** The neck, of trunks with four stages. */
export interface FeaturePyramidConfig {
  /** Levels that receive the upsampled coarser level; 0 is stride 4, 3 is stride 32. */
  readonly fpnTopDownLevels: readonly number[];
}

/** Its weights, and `conv_s0` and `conv_s1`, for a trunk with so many channels at strides 4, 8, 16 and 32. */
export function featurePyramidShapes(at: ShapesAt, stages: readonly number[], width: number): void {
  const convs = at("image_encoder.neck.convs.");
  for (const [i, channels] of stages.entries()) convs.affine(`${3 - i}.conv`, [width, channels, 1, 1]); // 0 is the coarsest
  const decoder = at("sam_mask_decoder.");
  decoder.affine("conv_s0", [width / 8, width, 1, 1]);
  decoder.affine("conv_s1", [width / 4, width, 1, 1]);
}

/** stages: a trunk's maps at strides 4, 8, 16 and 32. */
export function featurePyramid(
  g: GraphBuilder,
  root: WeightScope,
  c: WithEncoder<FeaturePyramidConfig>,
  stages: readonly Tokens[],
): ImageFeatures {
  const [stride4, stride8, stride16, stride32] = stages as [Tokens, Tokens, Tokens, Tokens];
  const convs = root.at("image_encoder").at("neck").at("convs");
  const level = (i: number, x: Tokens): Tokens => {
    const lateral = withValue(x, pointwise(g, convs.at(3 - i).at("conv"), x.value, c.width));
    return inWindows(g, lateral, 0);
  };
  const decoder = root.at("sam_mask_decoder");
  const side = gridSize(c);
  const lateral = level(2, stride16).value;
  const merged = c.encoder.fpnTopDownLevels.includes(2)
    ? g.add(lateral, g.resample2d(level(3, stride32).value, { sizes: [side, side], mode: "nearest-neighbor" }))
    : lateral;
  return {
    imageEmbeddings: g.reshape(merged, [merged.dims[0] ?? 1, side * side, c.width]),
    highRes1: toPairs(g, highRes(g, convs.at(2).at("conv"), decoder.at("conv_s1"), stride8, c.width, c.width / 4)),
    highRes0: toQuads(g, highRes(g, convs.at(3).at("conv"), decoder.at("conv_s0"), stride4, c.width, c.width / 8)),
  };
}

/** Two 1x1 convolutions in a row are one: W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2). */
function highRes(g: GraphBuilder, neck: WeightScope, conv: WeightScope, x: Tokens, inner: number, out: number): Value {
  return g.scope(conv.path, () => {
    const input = width(x.value);
    const first = g.reshape(neck.tensor("weight", [inner, input, 1, 1]), [inner, input]);
    const second = g.reshape(conv.tensor("weight", [out, inner, 1, 1]), [out, inner]);
    const bias = g.linear(g.reshape(neck.tensor("bias", [inner]), [1, inner]), second, conv.tensor("bias", [out]));
    const y = g.linear(x.value, g.matmul(second, first), g.reshape(bias, [out]));
    return inWindows(g, withValue(x, y), 0).value;
  });
}
