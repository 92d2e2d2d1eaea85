import { beforeAll, describe, expect, test } from "vitest";
import { hieraOf, toyConfig } from "../../test/toy-sam2.ts";
import type { Executable } from "../backend/backend.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { printGraph } from "../graph/print.ts";
import { validateGraph } from "../graph/validate.ts";
import { WeightScope } from "../nn/weight-scope.ts";
import { elementCount, float32, type HostTensor, int32, type Tensor } from "../tensor/tensor.ts";
import { RandomTensors } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { presets, type Sam2Config } from "./config.ts";
import { imageEncoderGraph, maskDecoderGraph, maskScorerGraph } from "./graphs.ts";
import { inventory } from "./inventory.ts";
import { pointEmbeddings } from "./prompt-encoder.ts";

const nano: Sam2Config = {
  ...toyConfig,
  name: "nano-like",
  imageSize: 256,
  width: 128,
  encoder: { ...hieraOf(toyConfig), embedDim: 32, windowSpec: [8, 4, 14, 7], windowPositionBackgroundSize: [7, 7] },
  decoder: { mlpWidth: 512 },
};
const configs = [...Object.values(presets), nano, toyConfig];

/** Keys that a graph refers to, with the shapes it expects. */
function keysOf({ values, outputs }: Graph): ReadonlyMap<string, readonly number[]> {
  const keys = new Map<string, readonly number[]>();
  const all = [...values.flatMap(({ source }): readonly Value[] => source.node.inputs), ...Object.values(outputs)];
  for (const { source } of all) if (source.from === "weight") keys.set(source.key, source.keyDims);
  return keys;
}

const dimsOf = (values: Readonly<Record<string, Value>>) =>
  Object.fromEntries(Object.entries(values).map(([name, { dims }]) => [name, dims.join(" ")]));

describe.each(configs)("$name", (config) => {
  const encoder = imageEncoderGraph(config);
  const decoder = maskDecoderGraph(config);
  const { imageSize, width } = config;
  const cells = (imageSize / 16) ** 2;
  const low = imageSize / 4;

  test("graphs are valid, with the shapes that they state", () => {
    validateGraph(encoder);
    validateGraph(decoder);
    expect(dimsOf(encoder.inputs)).toEqual({ image: `images ${imageSize} ${imageSize} 3` });
    const features = {
      imageEmbeddings: `${cells} ${width}`,
      // Of EfficientTAM's trunk the last map is all there is.
      ...(config.encoder.kind !== "vit" && {
        highRes1: `${cells * 4} ${width / 4}`,
        highRes0: `${cells * 16} ${width / 8}`,
      }),
    };
    const of = (batch: string) =>
      Object.fromEntries(Object.entries(features).map(([name, dims]) => [name, `${batch} ${dims}`]));
    expect(dimsOf(encoder.outputs)).toEqual(of("images"));
    expect(dimsOf(decoder.inputs)).toEqual({
      ...of("prompts?"),
      points: "prompts points 2",
      labels: "prompts points",
      maskInput: `prompts? ${low} ${low}`,
      hasMask: "prompts?",
      noMemory: "prompts?",
    });
    expect(dimsOf(decoder.outputs)).toEqual({
      lowResMasks: `prompts 4 ${low} ${low}`,
      iouPredictions: "prompts 4",
      objectScores: "prompts 1",
      objectPointers: `prompts 4 ${width}`,
    });
  });

  test("every weight is one of the checkpoint's, in its shape, and those for images are used", () => {
    const known = inventory(config);
    const used = new Map([...keysOf(encoder), ...keysOf(decoder)]);
    for (const [key, dims] of used) expect([key, dims]).toEqual([key, known.get(key)]);
    const forImages = inventory(config, "image");
    // what all keys of an attention have in common changes no softmax
    expect([...forImages.keys()].filter((key) => !used.has(key))).toEqual([
      "sam_mask_decoder.transformer.layers.0.cross_attn_token_to_image.k_proj.bias",
      "sam_mask_decoder.transformer.layers.0.cross_attn_image_to_token.k_proj.bias",
      "sam_mask_decoder.transformer.layers.1.cross_attn_token_to_image.k_proj.bias",
      "sam_mask_decoder.transformer.layers.1.cross_attn_image_to_token.k_proj.bias",
      "sam_mask_decoder.transformer.final_attn_token_to_image.k_proj.bias",
    ]);
    // the decoder also makes the pointers by which video remembers
    expect([...used.keys()].filter((key) => !forImages.has(key)).sort()).toEqual([
      "no_obj_ptr",
      ...[0, 1, 2].flatMap((i) => [`obj_ptr_proj.layers.${i}.bias`, `obj_ptr_proj.layers.${i}.weight`]),
    ]);
  });
});

test("without a top-down level the coarsest one is not used", () => {
  const used = keysOf(imageEncoderGraph({ ...toyConfig, encoder: { ...hieraOf(toyConfig), fpnTopDownLevels: [] } }));
  expect([...used.keys()].filter((key) => key.startsWith("image_encoder.neck.convs.0"))).toEqual([]);
});

test("the points' part of the prompt encoder", () => {
  const g = new GraphBuilder("points");
  const inputs = {
    points: g.input("points", ["prompts", "points", 2]),
    labels: g.input("labels", ["prompts", "points"], "int32"),
  };
  g.output("tokens", pointEmbeddings(g, new WeightScope(g).at("sam_prompt_encoder"), toyConfig, inputs));
  expect(printGraph(g.build())).toMatchInlineSnapshot(`
    "graph points
    %0 = input "points" float32[prompts,points,2]
    %1 = input "labels" int32[prompts,points]
    %2 = reshape(%1, newShape: [prompts,points,1]) int32[prompts,points,1] # sam_prompt_encoder
    %3 = constant {-1} int32[]
    %4 = equal(%2, %3) bool[prompts,points,1] # sam_prompt_encoder
    %5 = constant {0.5} float32[]
    %6 = add(%0, %5) float32[prompts,points,2] # sam_prompt_encoder
    %7 = constant {64} float32[]
    %8 = div(%6, %7) float32[prompts,points,2] # sam_prompt_encoder
    %9 = constant {2} float32[]
    %10 = mul(%8, %9) float32[prompts,points,2] # sam_prompt_encoder
    %11 = constant {1} float32[]
    %12 = sub(%10, %11) float32[prompts,points,2] # sam_prompt_encoder
    %13 = weight "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix" float32[2,16]
    %14 = matmul(%12, %13, transposeB: false) float32[prompts,points,16] # sam_prompt_encoder
    %15 = constant {6.28319} float32[]
    %16 = mul(%14, %15) float32[prompts,points,16] # sam_prompt_encoder
    %17 = sin(%16) float32[prompts,points,16] # sam_prompt_encoder
    %18 = cos(%16) float32[prompts,points,16] # sam_prompt_encoder
    %19 = concat(%17, %18, axis: 2) float32[prompts,points,32] # sam_prompt_encoder
    %20 = constant {0} float32[]
    %21 = where(%4, %20, %19) float32[prompts,points,32] # sam_prompt_encoder
    %22 = weight "sam_prompt_encoder.not_a_point_embed.weight" float32[1,32]
    %23 = weight "sam_prompt_encoder.point_embeddings.0.weight" float32[1,32]
    %24 = weight "sam_prompt_encoder.point_embeddings.1.weight" float32[1,32]
    %25 = weight "sam_prompt_encoder.point_embeddings.2.weight" float32[1,32]
    %26 = weight "sam_prompt_encoder.point_embeddings.3.weight" float32[1,32]
    %27 = concat(%22, %23, %24, %25, %26, axis: 0) float32[5,32] # sam_prompt_encoder
    %28 = constant {1} int32[]
    %29 = add(%1, %28) int32[prompts,points] # sam_prompt_encoder
    %30 = gather(%27, %29, axis: 0) float32[prompts,points,32] # sam_prompt_encoder
    %31 = add(%21, %30) float32[prompts,points,32] # sam_prompt_encoder
    output "tokens" = %31"
  `);
});

describe("batches on the reference backend", () => {
  const random = new RandomTensors(3);
  const { imageSize, width } = toyConfig;
  const cells = (imageSize / 16) ** 2;
  let encoder: Executable;
  let decoder: Executable;
  beforeAll(async () => {
    const backend = createReferenceBackend();
    const weights = hashedWeights(toyConfig);
    encoder = await backend.compile(imageEncoderGraph(toyConfig), weights);
    decoder = await backend.compile(maskDecoderGraph(toyConfig), weights);
  });

  async function run(
    executable: Executable,
    feeds: Readonly<Record<string, Tensor>>,
  ): Promise<Record<string, HostTensor>> {
    const outputs = await executable.run(feeds);
    const host = await Promise.all(
      Object.entries(outputs).map(async ([name, tensor]) => [name, await tensor.read()] as const),
    );
    return Object.fromEntries(host);
  }

  /** One entry of a batch, as a batch of one. */
  function entry({ dims, data, ...rest }: HostTensor, index: number): HostTensor {
    const size = elementCount(dims.slice(1));
    return { ...rest, dims: [1, ...dims.slice(1)], data: data.slice(index * size, (index + 1) * size) };
  }

  function expectEntries(together: Record<string, HostTensor>, alone: readonly Record<string, HostTensor>[]): void {
    for (const [name, tensor] of Object.entries(together)) {
      for (const [i, one] of alone.entries()) expect(entry(tensor, i), `${name} of ${i}`).toEqual(one[name]);
    }
  }

  test("two images", async () => {
    const image = random.floats([2, imageSize, imageSize, 3]);
    const alone = [await run(encoder, { image: entry(image, 0) }), await run(encoder, { image: entry(image, 1) })];
    expect(alone[0]).not.toEqual(alone[1]);
    expectEntries(await run(encoder, { image }), alone);
  });

  test.each([
    { perPrompt: true, masks: true },
    { perPrompt: true, masks: false },
    { perPrompt: false, masks: true },
    { perPrompt: false, masks: false },
  ])("three prompts, features for each: $perPrompt, masks for each: $masks", async ({ perPrompt, masks }) => {
    const images = perPrompt ? 3 : 1;
    const shared = {
      imageEmbeddings: random.floats([images, cells, width]),
      highRes1: random.floats([images, cells * 4, width / 4]),
      highRes0: random.floats([images, cells * 16, width / 8]),
      noMemory: float32(
        [images],
        Float32Array.from({ length: images }, (_, i) => (i + 1) % 2),
      ),
    };
    const count = masks ? 3 : 1;
    const mask = {
      maskInput: random.floats([count, imageSize / 4, imageSize / 4], { scale: 8 }),
      hasMask: {
        dtype: "bool",
        dims: [count],
        data: Uint8Array.from({ length: count }, (_, i) => (i + 1) % 2),
      } as const,
    };
    const points = {
      points: random.floats([3, 4, 2], { scale: 32, offset: 32 }),
      labels: int32([3, 4], Int32Array.of(1, 0, 1, -1, 2, 3, 1, -1, 0, 0, -1, -1)),
    };
    const pick = (feeds: Readonly<Record<string, HostTensor>>, i: number) =>
      Object.fromEntries(
        Object.entries(feeds).map(([name, tensor]) => [name, entry(tensor, tensor.dims[0] === 1 ? 0 : i)]),
      );
    const alone = [];
    for (let i = 0; i < 3; i++)
      alone.push(await run(decoder, { ...pick(shared, i), ...pick(mask, i), ...pick(points, i) }));
    expectEntries(await run(decoder, { ...shared, ...mask, ...points }), alone);
  });

  test("scores of prompts that share an image are the decoder's", async () => {
    const backend = createReferenceBackend();
    const scorer = await backend.compile(maskScorerGraph(toyConfig), hashedWeights(toyConfig));
    const feeds = {
      imageEmbeddings: random.floats([1, cells, width], { scale: 8 }),
      highRes1: random.floats([1, cells * 4, width / 4]),
      highRes0: random.floats([1, cells * 16, width / 8]),
      noMemory: float32([1], Float32Array.of(1)),
      maskInput: random.floats([1, imageSize / 4, imageSize / 4], { scale: 8 }),
      hasMask: { dtype: "bool", dims: [1], data: Uint8Array.of(1) } as const,
      points: random.floats([3, 2, 2], { scale: 32, offset: 32 }),
      labels: int32([3, 2], Int32Array.of(1, 0, 1, -1, 2, 3)),
    };
    const [expected, scored] = [await run(decoder, feeds), await run(scorer, feeds)];
    const scores = [...(scored["iouPredictions"]?.data ?? [])] as number[];
    for (const [i, score] of scores.entries()) {
      expect(score).toBeCloseTo(expected["iouPredictions"]?.data[i] as number, 6);
    }
    expect(scores).toHaveLength(12);
  });

  test("no points at all", async () => {
    const feeds = {
      imageEmbeddings: random.floats([1, cells, width]),
      highRes1: random.floats([1, cells * 4, width / 4]),
      highRes0: random.floats([1, cells * 16, width / 8]),
      noMemory: float32([1], Float32Array.of(1)),
      maskInput: random.floats([2, imageSize / 4, imageSize / 4]),
      hasMask: { dtype: "bool", dims: [2], data: Uint8Array.of(1, 1) } as const,
      points: float32([2, 0, 2], new Float32Array(0)),
      labels: int32([2, 0], new Int32Array(0)),
    };
    const { lowResMasks } = await run(decoder, feeds);
    expect(lowResMasks?.dims).toEqual([2, 4, 16, 16]);
    expect([...(lowResMasks?.data ?? [Number.NaN])].every(Number.isFinite)).toBe(true);
  });
});
