/**
 * The image encoder's trunk as RepViT (Wang et al. 2024, "RepViT: Revisiting Mobile CNN From ViT Perspective"; reference:
 * timm's repvit.py, as EdgeTAM's timm.py wraps it): convolutions alone, in four stages of strides 4 to 32.
 *
 * Trained with a batch norm after each convolution and with branches beside the depthwise ones, it computes with neither:
 * a norm scales and shifts a convolution's outputs, and of three linear branches the sum is one 3x3 filter.
 */
import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";
import { pointwise, width as widthOf } from "../nn/layers.ts";
import type { Tokens } from "../nn/layout.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import { float32 } from "../tensor/tensor.ts";
import { type FeaturePyramidConfig, featurePyramid, featurePyramidShapes } from "./feature-pyramid.ts";
import { checkRules, type Fields, four } from "./fields.ts";
import type { ImageEncoder, WithEncoder } from "./image-encoder.ts";
import { type ShapeScope, type ShapesAt, weightShapes } from "./weight-shapes.ts";

/** PyTorch's of batch norms. */
const EPSILON = 1e-5;

/** Sizes of a RepViT trunk of four stages and its neck (reference: `image_encoder.trunk.body`). */
export interface RepVitConfig extends FeaturePyramidConfig {
  readonly kind: "repvit";
  /** Channels of each stage. */
  readonly embedDims: readonly [number, number, number, number];
  /** Blocks per stage, beside the one that goes before each downsampling. */
  readonly stages: readonly [number, number, number, number];
}

type RepVit = WithEncoder<RepVitConfig>;

export const repvit: ImageEncoder<RepVitConfig> = {
  parse: { reference: fromReference, transformers: fromTransformers },
  highRes: true,
  check,
  recognise,
  inventory,
  build: (g, root, c, image) => {
    const body = root.at("image_encoder").at("trunk").at("body");
    return featurePyramid(g, root, c, repvitTrunk(g, body, c, image));
  },
  // Its convolutions are no linear layers, and of those that weigh channels nothing is to be gained.
  roundedScopes: [],
  fingerprint: [
    ...["image_encoder.trunk.body.stem.conv1.bn.running_mean", "image_encoder.neck.convs.0.conv.bias"],
    ...["sam_mask_decoder.conv_s0.bias", "sam_mask_decoder.conv_s1.bias"],
  ],
  // The rules of every kind apply to every file, so Hiera's may have been here before.
  renames: [[/^(?:vision_encoder\.backbone|image_encoder\.trunk)\.timm_model\./, "image_encoder.trunk.body."]],
};

function fromReference(root: Fields): RepVitConfig {
  return {
    kind: "repvit",
    embedDims: four(root.sizes("embed_dims", 4)),
    stages: four(root.sizes("stages", 4)),
    fpnTopDownLevels: root.indices("fpn_top_down_levels"),
  };
}

/** timm's name stands for the stages; only the widths are said. */
function fromTransformers(root: Fields): { readonly imageSize: number; readonly encoder: RepVitConfig } {
  const vision = root.child("vision_config");
  const backbone = vision.child("backbone_config");
  const architecture = backbone.value("architecture") ?? "repvit_m1";
  const isM1 = typeof architecture === "string" && /^repvit_m1(\.|$)/.test(architecture);
  backbone.expect("architecture", isM1, '"repvit_m1"');
  return {
    imageSize: root.side("image_size", 1024),
    encoder: {
      kind: "repvit",
      embedDims: four([...vision.sizes("backbone_channel_list", 4, [384, 192, 96, 48])].reverse()),
      stages: [2, 2, 14, 2],
      fpnTopDownLevels: vision.indices("fpn_top_down_levels", [2, 3]),
    },
  };
}

function check({ imageSize, encoder }: RepVit): void {
  const { stages, embedDims, fpnTopDownLevels } = encoder;
  const depth = stages.reduce((sum, blocks) => sum + blocks, 0);
  checkRules([
    ["stages", depth <= 1024, "at most 1024 blocks in all", stages],
    ["image size", imageSize % 32 === 0, "a multiple of 32", imageSize],
    ["first stage's channels", embedDims[0] % 2 === 0, "even", embedDims[0]],
    ["top-down levels", fpnTopDownLevels.every((level) => level === 2 || level === 3), "2 and 3", fpnTopDownLevels],
  ]);
}

/** Stem, depth and widths. */
function recognise({ entries }: WeightStore, c: RepVit): boolean {
  const shapes = weightShapes((at) => inventory(at, c));
  const block = (stage: number, i: number): string =>
    `image_encoder.trunk.body.stages_${stage}.blocks.${i}.channel_mixer.conv1.c.weight`;
  const { stages } = c.encoder;
  if (stages.some((depth, stage) => entries.has(block(stage, depth)))) return false;
  const telling = [
    "image_encoder.trunk.body.stem.conv1.c.weight",
    ...stages.map((depth, stage) => block(stage, depth - 1)),
    "image_encoder.neck.convs.0.conv.weight",
  ];
  return telling.every((name) => entries.get(name)?.dims.join() === shapes.get(name)?.join());
}

function inventory(at: ShapesAt, { width, encoder }: RepVit): void {
  const { embedDims, stages } = encoder;
  const body = at("image_encoder.trunk.body.");
  convNormShapes(body, "stem.conv1", [embedDims[0] / 2, 3, 3, 3]);
  convNormShapes(body, "stem.conv2", [embedDims[0], embedDims[0] / 2, 3, 3]);
  for (const [stage, out] of embedDims.entries()) {
    const before = embedDims[stage - 1];
    if (before !== undefined) {
      const downsample = at(`image_encoder.trunk.body.stages_${stage}.downsample.`);
      blockShapes(downsample, "pre_block", before, false);
      convNormShapes(downsample, "spatial_downsample", [before, 1, 3, 3]);
      convNormShapes(downsample, "channel_downsample", [out, before, 1, 1]);
      mixerShapes(downsample, "ffn", out);
    }
    const blocks = at(`image_encoder.trunk.body.stages_${stage}.blocks.`);
    for (let i = 0; i < (stages[stage] ?? 0); i++) blockShapes(blocks, String(i), out, squeezes(i));
  }
  featurePyramidShapes(at, embedDims, width);
}

function convNormShapes(at: ShapeScope, name: string, filter: readonly number[]): void {
  const out = filter[0] ?? 0;
  at.free(`${name}.c.weight`, filter);
  at.norm(`${name}.bn`, out);
  at.free(`${name}.bn.running_mean`, [out]);
  at.free(`${name}.bn.running_var`, [out]);
}

function blockShapes(at: ShapeScope, name: string, width: number, squeezed: boolean): void {
  convNormShapes(at, `${name}.token_mixer.conv`, [width, 1, 3, 3]);
  convNormShapes(at, `${name}.token_mixer.conv1`, [width, 1, 1, 1]);
  if (squeezed) {
    const inner = squeezedWidth(width);
    at.affine(`${name}.se.fc1`, [inner, width, 1, 1]);
    at.affine(`${name}.se.fc2`, [width, inner, 1, 1]);
  }
  mixerShapes(at, `${name}.channel_mixer`, width);
}

function mixerShapes(at: ShapeScope, name: string, width: number): void {
  convNormShapes(at, `${name}.conv1`, [2 * width, width, 1, 1]);
  convNormShapes(at, `${name}.conv2`, [width, 2 * width, 1, 1]);
}

/** Every other block weighs its channels. */
function squeezes(block: number): boolean {
  return block % 2 === 0;
}

/** A quarter, to the nearest multiple of 8 and upwards in between (timm: `make_divisible`). */
function squeezedWidth(width: number): number {
  return Math.max(8, Math.floor((width / 4 + 4) / 8) * 8);
}

/**
 * Elements of a hidden map that are there at a time: those of stride 2, and those twice as wide as their stage, are the
 * largest of the encoder by far, and wasm never gives back what it once took.
 */
const BAND = 3 * 2 ** 20;

/**
 * image [images, S, S, 3] -> the output of each stage, [images, S / 4, S / 4, embedDims[0]] and on. Hidden maps of more than
 * `band` elements are computed in bands of rows.
 */
export function repvitTrunk(
  g: GraphBuilder,
  w: WeightScope,
  { encoder }: RepVit,
  image: Value,
  band: number = BAND,
): readonly Tokens[] {
  const { embedDims, stages } = encoder;
  let x = stem(g, w.at("stem"), image, embedDims[0], band);
  return embedDims.map((out, stage): Tokens => {
    const l = w.at(`stages_${stage}`);
    if (stage > 0) x = downsampled(g, l.at("downsample"), x, out, band);
    for (let i = 0; i < (stages[stage] ?? 0); i++) x = block(g, l.at("blocks").at(i), x, squeezes(i), band);
    const [, height, width] = x.dims as readonly [Dim, number, number, number];
    return { value: x, height, width, window: 0 };
  });
}

/** [images, S, S, 3] -> [images, S / 4, S / 4, out] */
function stem(g: GraphBuilder, w: WeightScope, image: Value, out: number, band: number): Value {
  const [, side, , colours] = image.dims as readonly [Dim, number, number, number];
  const first = folded(g, w.at("conv1"), [out / 2, colours, 3, 3]);
  const second = folded(g, w.at("conv2"), [out, out / 2, 3, 3]);
  // Row i of half as many is made of rows 2i - 1 to 2i + 1; above the first there is padding.
  const above = (row: number): number => Math.max(0, 2 * row - 1);
  return inBands(g, side / 4, Math.floor(band / ((side * out) / 2)), (from, to) => {
    const halving = { strides: [2, 2], padding: [from === 0 ? 1 : 0, 0, 1, 1] } as const;
    const half = g.gelu(convolved(g, w.at("conv1"), rowsOf(g, image, above(above(from)), 4 * to), first, halving));
    return convolved(g, w.at("conv2"), half, second, halving);
  });
}

/** `compute` of rows [from, to), at most `most` at a time and all in the end, one below the other. */
function inBands(g: GraphBuilder, rows: number, most: number, compute: (from: number, to: number) => Value): Value {
  const step = Math.max(1, most);
  const starts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step);
  const bands = starts.map((from) => compute(from, Math.min(from + step, rows)));
  return bands.length === 1 ? (bands[0] as Value) : g.concat(bands, 1);
}

/** Rows [from, to) of a map. */
function rowsOf(g: GraphBuilder, x: Value, from: number, to: number): Value {
  const [images, height, columns, channels] = x.dims as readonly [Dim, number, number, number];
  return to - from === height ? x : g.slice(x, [0, from, 0, 0], [images, to - from, columns, channels]);
}

function block(g: GraphBuilder, w: WeightScope, x: Value, squeezed: boolean, band: number): Value {
  const mixed = tokenMixer(g, w.at("token_mixer"), x);
  return channelMixer(g, w.at("channel_mixer"), squeezed ? squeezeExcite(g, w.at("se"), mixed) : mixed, band);
}

function downsampled(g: GraphBuilder, w: WeightScope, x: Value, out: number, band: number): Value {
  const channels = widthOf(x);
  const before = block(g, w.at("pre_block"), x, false, band);
  const [spatial, across] = [w.at("spatial_downsample"), w.at("channel_downsample")];
  const halved = convolved(g, spatial, before, folded(g, spatial, [channels, 1, 3, 3]), {
    strides: [2, 2],
    padding: [1, 1, 1, 1],
    groups: channels,
  });
  const widened = convolved(g, across, halved, folded(g, across, [out, channels, 1, 1]));
  return channelMixer(g, w.at("ffn"), widened, band);
}

/** A 3x3 and a 1x1 depthwise convolution, each with its norm, and the identity: one 3x3 convolution. */
function tokenMixer(g: GraphBuilder, w: WeightScope, x: Value): Value {
  return g.scope(w.path, () => {
    const channels = widthOf(x);
    const wide = folded(g, w.at("conv"), [channels, 1, 3, 3]);
    const narrow = folded(g, w.at("conv1"), [channels, 1, 1, 1]);
    const centre = g.pad(g.add(narrow.filter, g.scalar(1)), [0, 0, 1, 1], [0, 0, 1, 1]);
    return g.conv2d(x, g.add(wide.filter, centre), g.add(wide.bias, narrow.bias), {
      padding: [1, 1, 1, 1],
      groups: channels,
    });
  });
}

/** Weighs channels by what the whole map has of each (Hu et al. 2018). */
function squeezeExcite(g: GraphBuilder, w: WeightScope, x: Value): Value {
  return g.scope(w.path, () => {
    const [images, height, columns, channels] = x.dims as readonly [Dim, number, number, number];
    const squeezed = meanOfMap(g, x);
    const inner = g.relu(pointwise(g, w.at("fc1"), squeezed, squeezedWidth(channels)));
    const weights = g.sigmoid(pointwise(g, w.at("fc2"), inner, channels)); // [images, 1, channels]
    const rows = g.reshape(x, [images, height * columns, channels]);
    return g.reshape(g.mul(rows, weights), x.dims);
  });
}

/** [images, h, w, channels] -> [images, 1, channels]: of rows, then of columns, so that halves hold the sums. */
function meanOfMap(g: GraphBuilder, x: Value): Value {
  const [images, height, columns, channels] = x.dims as readonly [Dim, number, number, number];
  const share = (count: number): Value => g.constant(float32([1, 1, count], new Float32Array(count).fill(1 / count)));
  const rows = g.matmul(share(columns), g.reshape(x, [mulDims(images, height), columns, channels]));
  return g.matmul(share(height), g.reshape(rows, [images, height, channels]));
}

/**
 * x + W2 gelu(W1 x): [images, h, w, channels]. 1x1 convolutions, though linear layers would do, so that a runtime keeps maps
 * in the layout of the depthwise ones before and after them.
 */
function channelMixer(g: GraphBuilder, w: WeightScope, x: Value, band: number): Value {
  const [, height, columns, channels] = x.dims as readonly [Dim, number, number, number];
  const [first, second] = [w.at("conv1"), w.at("conv2")];
  const wide = folded(g, first, [2 * channels, channels, 1, 1]);
  const narrow = folded(g, second, [channels, 2 * channels, 1, 1]);
  return inBands(g, height, Math.floor(band / (columns * 2 * channels)), (from, to) => {
    const rows = rowsOf(g, x, from, to);
    return g.add(rows, convolved(g, second, g.gelu(convolved(g, first, rows, wide)), narrow));
  });
}

/** A convolution whose norm is folded into it. */
function convolved(
  g: GraphBuilder,
  w: WeightScope,
  x: Value,
  { filter, bias }: Folded,
  attributes: Parameters<GraphBuilder["conv2d"]>[3] = {},
): Value {
  return g.scope(w.path, () => g.conv2d(x, filter, bias, attributes));
}

interface Folded {
  readonly filter: Value;
  readonly bias: Value;
}

/** A convolution without bias and its batch norm as one with bias (timm: `ConvNorm`, `fuse`). */
function folded(g: GraphBuilder, w: WeightScope, dims: readonly [number, number, number, number]): Folded {
  return g.scope(w.path, () => {
    const out = dims[0];
    const norm = (name: string): Value => w.at("bn").tensor(name, [out]);
    const scale = g.div(norm("weight"), g.sqrt(g.add(norm("running_var"), g.scalar(EPSILON))));
    return {
      filter: g.mul(w.at("c").tensor("weight", dims), g.reshape(scale, [out, 1, 1, 1])),
      bias: g.sub(norm("bias"), g.mul(norm("running_mean"), scale)),
    };
  });
}
