/**
 * The memory encoder: a frame's unconditioned features and an object's mask on it become the memory that later frames
 * attend to (SAM 2, section 4; reference: modeling/memory_encoder.py, and `_encode_new_memory` of modeling/sam2_base.py).
 */
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, mlpInBlocks, pointwise, width } from "../nn/layers.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import { gridSize } from "./grid.ts";
import type { MemorySizes, WithMemory } from "./video-memory.ts";

const EPSILON = 1e-6;
const FUSER_LAYERS = 2;
/** The mask as the encoder sees it: 20 * sigmoid - 10. */
const MASK_SCALE = 20;
const MASK_BIAS = -10;

export interface MemoryEncoderInputs {
  /** [objects?, grid * grid, width]: stride 16, as the image encoder made it. */
  readonly imageEmbeddings: Value;
  /** [objects, m, m] logits, m the model's image size or what is enlarged to it. */
  readonly maskLogits: Value;
  /** [objects?]: whether the mask counts as yes or no instead of by its probability: on prompted frames. */
  readonly binarize: Value;
  /** [objects, 1] logits of whether the object is there. */
  readonly objectScores: Value;
}

/** -> [objects, grid * grid, memoryWidth] */
export function memoryEncoder(
  g: GraphBuilder,
  root: WeightScope,
  c: WithMemory<MemorySizes>,
  { imageEmbeddings, maskLogits, binarize, objectScores }: MemoryEncoderInputs,
): Value {
  const w = root.at("memory_encoder");
  const objects = maskLogits.dims[0] as Dim;
  const side = gridSize(c);
  const cells = side * side;
  const mask = maskDownSampler(g, w.at("mask_downsampler").at("encoder"), c, { maskLogits, binarize });
  const projected = pointwise(g, w.at("pix_feat_proj"), imageEmbeddings, c.width);
  let x = g.reshape(g.add(projected, mask), [objects, side, side, c.width]);
  for (let i = 0; i < FUSER_LAYERS; i++) x = fuserBlock(g, w.at("fuser").at("layers").at(i), x);
  const memory = pointwise(g, w.at("out_proj"), g.reshape(x, [objects, cells, c.width]), c.memory.width);
  if (c.version === "2.0") return memory;
  const isThere = g.reshape(g.greater(objectScores, g.scalar(0)), [objects, 1, 1]);
  const absent = g.where(isThere, g.scalar(0), root.tensor("no_obj_embed_spatial", [1, c.memory.width]));
  return g.add(memory, absent);
}

/** Four strided convolutions, each with four times the channels of the one before: [objects, cells, width]. */
function maskDownSampler(
  g: GraphBuilder,
  w: WeightScope,
  c: WithMemory<MemorySizes>,
  { maskLogits, binarize }: Pick<MemoryEncoderInputs, "maskLogits" | "binarize">,
): Value {
  return g.scope(w.path, () => {
    const objects = maskLogits.dims[0] as Dim;
    const map = g.reshape(maskLogits, [...maskLogits.dims, 1]);
    const size = c.imageSize;
    const enlarged = g.resample2d(map, { sizes: [size, size], mode: "linear" });
    // Rows of pixels: what is done to each is far slower along a last axis of one.
    const logits = g.reshape(enlarged, [objects, size, size]);
    const yesNo = g.cast(g.greater(logits, g.scalar(0)), "float32");
    const probability = g.where(g.reshape(binarize, [...binarize.dims, 1, 1]), yesNo, g.sigmoid(logits));
    const scaled = g.add(g.mul(probability, g.scalar(MASK_SCALE)), g.scalar(MASK_BIAS));
    let x = g.reshape(scaled, [objects, size, size, 1]);
    for (let i = 0; i < 4; i++) {
      const conv = w.at(3 * i);
      const [input, out] = [4 ** i, 4 ** (i + 1)];
      const y = g.conv2d(x, conv.tensor("weight", [out, input, 3, 3]), conv.tensor("bias", [out]), {
        strides: [2, 2],
        padding: [1, 1, 1, 1],
      });
      x = g.gelu(layerNorm(g, w.at(3 * i + 1), y, EPSILON));
    }
    return pointwise(g, w.at(12), g.reshape(x, [objects, (size / 16) ** 2, width(x)]), c.width);
  });
}

/** A ConvNeXt block (reference: `CXBlock`): [objects, h, w, width] */
function fuserBlock(g: GraphBuilder, w: WeightScope, x: Value): Value {
  return g.scope(w.path, () => {
    const channels = width(x);
    const [objects, height, columns] = x.dims as readonly [Dim, Dim, Dim, Dim];
    const conv = w.at("dwconv");
    const spread = g.conv2d(x, conv.tensor("weight", [channels, 1, 7, 7]), conv.tensor("bias", [channels]), {
      padding: [3, 3, 3, 3],
      groups: channels,
    });
    const rows = g.reshape(spread, [objects, mulDims(height, columns), channels]);
    const normed = layerNorm(g, w.at("norm"), rows, EPSILON);
    const mixed = mlpInBlocks(g, [w.at("pwconv1"), w.at("pwconv2")], normed, 4 * channels, "gelu");
    const y = g.mul(mixed, w.tensor("gamma", [channels]));
    return g.add(x, g.reshape(y, x.dims));
  });
}
