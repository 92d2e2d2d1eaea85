/**
 * The image encoder: Hiera and a feature pyramid (SAM 2, section 4; reference: modeling/backbones/image_encoder.py).
 * Only the levels that are used are computed: stride 16, with the stride-32 level added into it, and strides 4 and 8 as
 * the mask decoder takes them, its `conv_s0` and `conv_s1` folded into the neck's own convolutions.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";
import { pointwise, width } from "../nn/layers.ts";
import { inWindows, type Tokens, toPairs, toQuads, withValue } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { hiera } from "./hiera.ts";

/** Side of the stride-16 map. */
export function gridSize(c: Sam2Config): number {
  return c.imageSize / 16;
}

/** What the encoder makes of images. */
export interface ImageFeatures {
  /** Stride 16, [images, grid * grid, width], without `no_mem_embed`. */
  readonly imageEmbeddings: Value;
  /** Stride 8 after `conv_s1`, [images, grid * grid * 4, width / 4] in quad order (see `toPairs`). */
  readonly highRes1: Value;
  /** Stride 4 after `conv_s0`, [images, grid * grid * 16, width / 8] in quad order (see `toQuads`). */
  readonly highRes0: Value;
}

/** image [images, imageSize, imageSize, 3], normalised. */
export function imageEncoder(g: GraphBuilder, root: WeightScope, c: Sam2Config, image: Value): ImageFeatures {
  const w = root.at("image_encoder");
  const [stride4, stride8, stride16, stride32] = hiera(g, w.at("trunk"), c, image) as [Tokens, Tokens, Tokens, Tokens];
  const convs = w.at("neck").at("convs");
  const level = (i: number, x: Tokens): Tokens => {
    const lateral = withValue(x, pointwise(g, convs.at(3 - i).at("conv"), x.value, c.width));
    return inWindows(g, lateral, 0);
  };
  const decoder = root.at("sam_mask_decoder");
  const side = gridSize(c);
  const lateral = level(2, stride16).value;
  const merged = c.fpnTopDownLevels.includes(2)
    ? g.add(lateral, g.resample2d(level(3, stride32).value, { sizes: [side, side], mode: "nearest-neighbor" }))
    : lateral;
  return {
    imageEmbeddings: g.reshape(merged, [image.dims[0] ?? 1, side * side, c.width]),
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
