/**
 * A plain ViT of three blocks, a kind of image encoder that no model of the family has: all that a new kind's file has to
 * say. Each patch of 16x16 pixels is a cell of the decoder's map, and its own finer features besides.
 */
import type { GraphBuilder } from "../src/graph/builder.ts";
import type { Dim } from "../src/graph/dim.ts";
import type { Value } from "../src/graph/graph.ts";
import { gridSize } from "../src/model/grid.ts";
import type { ImageEncoder, WithEncoder } from "../src/model/image-encoder.ts";
import type { ShapesAt } from "../src/model/weight-shapes.ts";
import { layerNorm, linear, mlp, projectedAttention } from "../src/nn/layers.ts";
import type { WeightScope } from "../src/nn/weight-scope.ts";

const PATCH = 16;
const BLOCKS = 3;

interface ToyVitConfig {
  readonly kind: "toy-vit";
  readonly embedDim: number;
  readonly numHeads: number;
}

type ToyVit = WithEncoder<ToyVitConfig>;

export const toyVit: ImageEncoder<ToyVitConfig> = {
  parse: {
    reference: (root) => ({ kind: "toy-vit", embedDim: root.size("embed_dim"), numHeads: root.size("num_heads") }),
    transformers: () => {
      throw new Error("transformers has no such model");
    },
  },
  highRes: true,
  check: () => {},
  recognise: () => false,
  inventory,
  build,
  roundedScopes: ["image_encoder.trunk.layers."],
  fingerprint: ["image_encoder.trunk.patch_embed.bias"],
  renames: [],
};

function inventory(at: ShapesAt, { imageSize, width, encoder: { embedDim } }: ToyVit): void {
  const trunk = at("image_encoder.trunk.");
  trunk.affine("patch_embed", [embedDim, 3, PATCH, PATCH]);
  trunk.free("pos_embed", [1, gridSize({ imageSize }) ** 2, embedDim]);
  for (let i = 0; i < BLOCKS; i++) {
    const block = at(`image_encoder.trunk.layers.${i}.`);
    block.norm("norm1", embedDim);
    block.attention("attn", embedDim);
    block.norm("norm2", embedDim);
    block.mlp("mlp", embedDim, 4 * embedDim, embedDim);
  }
  const neck = at("image_encoder.neck.");
  neck.linear("stride16", embedDim, width);
  neck.linear("stride8", embedDim, 4 * (width / 4));
  neck.linear("stride4", embedDim, 16 * (width / 8));
}

function build(g: GraphBuilder, root: WeightScope, { imageSize, width, encoder }: ToyVit, image: Value) {
  const { embedDim, numHeads } = encoder;
  const w = root.at("image_encoder");
  const trunk = w.at("trunk");
  const images = image.dims[0] as Dim;
  const cells = gridSize({ imageSize }) ** 2;
  const proj = trunk.at("patch_embed");
  const patches = g.conv2d(image, proj.tensor("weight", [embedDim, 3, PATCH, PATCH]), proj.tensor("bias", [embedDim]), {
    strides: [PATCH, PATCH],
  });
  let x = g.add(g.reshape(patches, [images, cells, embedDim]), trunk.tensor("pos_embed", [1, cells, embedDim]));
  for (let i = 0; i < BLOCKS; i++) {
    const l = trunk.at("layers").at(i);
    const y = layerNorm(g, l.at("norm1"), x);
    const attention = { heads: numHeads, innerWidth: embedDim };
    x = g.add(x, projectedAttention(g, l.at("attn"), { q: y, k: y, v: y }, attention));
    x = g.add(x, mlp(g, l.at("mlp"), layerNorm(g, l.at("norm2"), x), [4 * embedDim, embedDim], "gelu"));
  }
  const level = (name: string, out: number, per: number): Value =>
    g.reshape(linear(g, w.at("neck").at(name), x, per * out), [images, per * cells, out]);
  return {
    imageEmbeddings: level("stride16", width, 1),
    highRes1: level("stride8", width / 4, 4),
    highRes0: level("stride4", width / 8, 16),
  };
}
