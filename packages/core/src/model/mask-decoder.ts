/**
 * The mask decoder: an image's features and a prompt's tokens become four masks with their predicted IoU, a score of
 * whether the object is there at all, and the pointer by which video remembers it (SAM 2, section 4 and figure 9;
 * reference: sam/mask_decoder.py, and `_forward_sam_heads` of modeling/sam2_base.py for the pointers).
 */
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { layerNorm, mlp, width } from "../nn/layers.ts";
import { fromQuads } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { Sam2Config } from "./config.ts";
import { gridSize } from "./grid.ts";
import type { ImageFeatures } from "./image-encoder.ts";
import { densePositions, maskEmbeddings, pointEmbeddings } from "./prompt-encoder.ts";
import { twoWayTransformer } from "./two-way-transformer.ts";

/** Masks of one prompt. */
export const MASKS = 4;
const IOU_HEAD_WIDTH = 256;

export interface MaskDecoderInputs extends ImageFeatures {
  /** [prompts, points, 2], model pixels (x, y). */
  readonly points: Value;
  /** [prompts, points]: 1 inside, 0 outside, 2 and 3 a box's corners, -1 padding. */
  readonly labels: Value;
  /** [prompts?, 4 * grid, 4 * grid] logits. */
  readonly maskInput: Value;
  /** [prompts?]: whether `maskInput` counts. */
  readonly hasMask: Value;
  /** [prompts?]: 1 adds `no_mem_embed`, for features that no memory has conditioned. */
  readonly noMemory: Value;
}

export interface MaskDecoderOutputs {
  /** [prompts, 4, 4 * grid, 4 * grid] logits; 0 is the single-mask answer, 1 to 3 the alternatives. */
  readonly lowResMasks: Value;
  /** [prompts, 4] */
  readonly iouPredictions: Value;
  /** [prompts, 1] logits: above 0 the object is there. */
  readonly objectScores: Value;
  /** [prompts, 4, width]: of each mask's token; `no_obj_ptr` where the object is absent. */
  readonly objectPointers: Value;
}

export function maskDecoder(
  g: GraphBuilder,
  root: WeightScope,
  c: Sam2Config,
  inputs: MaskDecoderInputs,
): MaskDecoderOutputs {
  const { imageTokens, maskTokens, iouPredictions, objectScores } = maskScorer(g, root, c, inputs);
  const lowResMasks = maskUpscaler(g, root, c, { ...inputs, imageTokens, maskTokens });
  const pointers = mlp(g, root.at("obj_ptr_proj"), maskTokens, [c.width, c.width, c.width]);
  const isThere = g.reshape(g.greater(objectScores, g.scalar(0)), [inputs.points.dims[0] as Dim, 1, 1]);
  const objectPointers = g.where(isThere, pointers, root.tensor("no_obj_ptr", [1, c.width]));
  return { lowResMasks, iouPredictions, objectScores, objectPointers };
}

/** What masks are made of, and what is known of them before they are. */
export interface MaskScorerOutputs extends Pick<MaskDecoderOutputs, "iouPredictions" | "objectScores"> {
  /** [prompts, cells, width]: the image, having seen the prompt. */
  readonly imageTokens: Value;
  /** [prompts, 4, width] */
  readonly maskTokens: Value;
}

/** The decoder's first half: its transformer and the heads that judge the masks, which are not made yet. */
export function maskScorer(
  g: GraphBuilder,
  root: WeightScope,
  c: Sam2Config,
  inputs: MaskDecoderInputs,
): MaskScorerOutputs {
  const w = root.at("sam_mask_decoder");
  const prompt = root.at("sam_prompt_encoder");
  const prompts = inputs.points.dims[0] as Dim;
  const rows = (x: Value, start: number, count: number): Value => g.slice(x, [0, start, 0], [prompts, count, c.width]);

  const learned = g.concat(
    [
      w.at("obj_score_token").tensor("weight", [1, c.width]),
      w.at("iou_token").tensor("weight", [1, c.width]),
      w.at("mask_tokens").tensor("weight", [MASKS, c.width]),
    ],
    0,
  );
  const tokens = g.concat([g.expand(learned, [prompts, 2 + MASKS, c.width]), pointEmbeddings(g, prompt, c, inputs)], 1);
  const noMemory = g.mul(
    g.reshape(inputs.noMemory, [...inputs.noMemory.dims, 1, 1]),
    root.tensor("no_mem_embed", [1, 1, c.width]),
  );
  const image = g.add(g.add(inputs.imageEmbeddings, noMemory), maskEmbeddings(g, prompt, c, inputs));
  const positions = densePositions(g, prompt, c);
  const seen = twoWayTransformer(
    g,
    w.at("transformer"),
    { tokens, image, positions, answers: 2 + MASKS },
    c.decoder.mlpWidth,
  );

  const objectToken = rows(seen.tokens, 0, 1);
  const iouToken = rows(seen.tokens, 1, 1);
  const flat = (x: Value): Value => g.reshape(x, [prompts, x.dims[2] as Dim]);
  const iouWidths = [IOU_HEAD_WIDTH, IOU_HEAD_WIDTH, MASKS];
  return {
    imageTokens: seen.image,
    maskTokens: rows(seen.tokens, 2, MASKS),
    iouPredictions: g.sigmoid(flat(mlp(g, w.at("iou_prediction_head"), iouToken, iouWidths))),
    objectScores: flat(mlp(g, w.at("pred_obj_score_head"), objectToken, [c.width, c.width, 1])),
  };
}

/** What `maskUpscaler` makes masks of: the first half's tokens, and the image's finer features. */
export interface MaskUpscalerInputs
  extends Pick<MaskScorerOutputs, "imageTokens" | "maskTokens">,
    Pick<ImageFeatures, "highRes0" | "highRes1"> {}

/**
 * The decoder's second half, -> [prompts, 4, 4 * grid, 4 * grid] logits: upscales the image fourfold, still in quad order,
 * and multiplies it with what each mask's token has become.
 */
export function maskUpscaler(
  g: GraphBuilder,
  root: WeightScope,
  c: Sam2Config,
  { imageTokens: image, maskTokens, highRes0, highRes1 }: MaskUpscalerInputs,
): Value {
  const w = root.at("sam_mask_decoder");
  return g.scope(w.path, () => {
    const prompts = maskTokens.dims[0] as Dim;
    const side = gridSize(c);
    const layers = w.at("output_upscaling");
    // A transposed convolution of kernel and stride 2, plus the features there, if any; these are one image's, and take the bias.
    const doubled = (layer: number, x: Value, out: number, features?: Value): Value => {
      const conv = layers.at(layer);
      const input = width(x);
      const filter = g.transpose(conv.tensor("weight", [input, out, 2, 2]), [2, 3, 1, 0]);
      const y = g.linear(x, g.reshape(filter, [4 * out, input]));
      const bias = conv.tensor("bias", [out]);
      const added = features === undefined ? bias : g.add(features, bias);
      return g.add(g.reshape(y, [prompts, Number(x.dims[1]) * 4, out]), added);
    };
    const half = g.gelu(layerNorm(g, layers.at(1), doubled(0, image, c.width / 4, highRes1), 1e-6));
    const full = g.gelu(doubled(3, half, c.width / 8, highRes0)); // [prompts, cells * 16, width / 8]
    const hypernetworks = Array.from({ length: MASKS }, (_, i) => {
      const token = g.slice(maskTokens, [0, i, 0], [prompts, 1, c.width]);
      return mlp(g, w.at("output_hypernetworks_mlps").at(i), token, [c.width, c.width, c.width / 8]);
    });
    const quads = g.matmul(g.concat(hypernetworks, 1), full, { transposeB: true });
    const maps = fromQuads(g, g.reshape(quads, [mulDims(prompts, MASKS), side * side * 16]), side, side);
    return g.reshape(maps, [prompts, MASKS, 4 * side, 4 * side]);
  });
}
