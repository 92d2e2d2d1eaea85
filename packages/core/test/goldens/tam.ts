/**
 * EfficientTAM and EdgeTAM against their authors' code, on weights that are hashed from their names: each graph by itself,
 * without pre- and postprocessing.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Executable } from "../../src/backend/backend.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { resizeAntialiased } from "../../src/image/resize.ts";
import { type PresetName, presets, type Sam2Config } from "../../src/model/config.ts";
import { geometry } from "../../src/model/geometry.ts";
import { attentionGraph, graphBuilders, memoryEncoderGraph } from "../../src/model/graphs.ts";
import { type DeviceTensor, elementCount, float32, type HostTensor, int32 } from "../../src/tensor/tensor.ts";
import { hashedTensor, hashedWeights } from "../../src/testing/hashed-weights.ts";
import { downsampledMask } from "../../src/video/track-step.ts";
import { channelsLast, decoderCases, distance, fromQuads, type Golden, readGoldens, stable } from "./records.ts";
import { type CreateBackend, type Shared, skipSuite, type TestedBackend } from "./shared.ts";

/** A preset with recorded outputs. */
export type TamVariant = Extract<PresetName, "edgetam" | "efficienttam-s" | "efficienttam-s-512">;

const files: Readonly<Record<TamVariant, string>> = {
  edgetam: "edgetam",
  "efficienttam-s": "efficienttam_s",
  "efficienttam-s-512": "efficienttam_s_512x512",
};

/** Presets of the same weights, with the records of their own memory attention. */
const otherMemories: { readonly [V in TamVariant]?: Readonly<Record<string, PresetName>> } = {
  "efficienttam-s": { memory_attention_1: "efficienttam-s-1", memory_attention_2: "efficienttam-s-2" },
};

export interface TamOptions {
  readonly shared: Shared | undefined;
  readonly variants?: readonly TamVariant[];
  /** All records; else what sees each slip of the goldens' list of them: of the model of 512 pixels all but a few. */
  readonly slow?: boolean;
  /** Milliseconds for one graph. */
  readonly timeout?: number;
}

/**
 * Largest errors, in standard deviations of the tensor; the absolute one of a few single values. What slips do (swapped
 * encodings, another interpolation, keys turned otherwise) moves the graphs' outputs by 5e-3 and more; the decoder
 * multiplies what the encoder's differ by.
 */
const limits = { graphs: 2e-4, decoder: 5e-3, scores: 1e-3 } as const;

/** Declares the tests of a backend's numbers. */
export function testTam(
  createBackend: CreateBackend,
  { shared, variants = Object.keys(files) as TamVariant[], slow = false, timeout = 600_000 }: TamOptions,
): void {
  if (shared === undefined) {
    skipSuite("goldens of EdgeTAM and EfficientTAM");
    return;
  }

  describe.each(variants)("goldens of %s", { timeout }, (variant) => {
    const config = presets[variant];
    const { imageSize, width } = config;
    const { maskSide, memory } = geometry(config);
    const weights = hashedWeights(config);
    let backend: TestedBackend;
    let goldens: ReadonlyMap<string, Golden>;
    let features: Readonly<Record<string, DeviceTensor>>;
    let decoder: Executable;
    // Its smaller sibling is decoded with the same graph, and remembers with it.
    const isPooledAlone = variant === "efficienttam-s" && !slow;

    /** A graph's only run. */
    const runOnce = async (graph: Graph, feeds: Parameters<Executable["run"]>[0]) => {
      const executable = await backend.compile(graph, weights);
      try {
        return await executable.run(feeds);
      } finally {
        await executable.dispose();
      }
    };

    beforeAll(async () => {
      backend = await createBackend();
      goldens = await readGoldens(shared, `tam/${files[variant]}.safetensors`);
      const image = channelsLast(hashedTensor("input.image", [1, 3, imageSize, imageSize], 2));
      features = await runOnce(graphBuilders.imageEncoder(config), { image });
      decoder = await backend.compile(graphBuilders.maskDecoder(config), weights);
    }, timeout);
    afterAll(async () => {
      await decoder?.dispose();
      await weights.close();
      await backend?.dispose();
    });

    const check = (name: string, tensor: HostTensor, limit: number): void => {
      expect(distance(goldens.get(name) as Golden, tensor).max, `${name}: largest error`).toBeLessThanOrEqual(limit);
    };
    const read = async (
      tensors: Readonly<Record<string, DeviceTensor>>,
      name: string,
    ): Promise<HostTensor<"float32">> => (await tensors[name]?.read()) as HostTensor<"float32">;

    test("image encoder", async () => {
      for (const [i, name] of ["imageEmbeddings", "highRes1", "highRes0"].entries()) {
        const record = `encoder.fpn${2 - i}`;
        expect(Object.hasOwn(features, name), record).toBe(goldens.has(record));
        if (goldens.has(record)) check(record, fromQuads(await read(features, name), i), limits.graphs);
      }
    });

    test.skipIf(isPooledAlone)("memory encoder", async () => {
      const mask = hashedTensor("input.mask_high_res", [1, 1, imageSize, imageSize], 8);
      const executable = await backend.compile(memoryEncoderGraph(config, imageSize), weights);
      const encode = async (objectScore: number, binarize: boolean): Promise<HostTensor> => {
        const outputs = await executable.run({
          imageEmbeddings: features["imageEmbeddings"] as DeviceTensor,
          maskLogits: float32([1, imageSize, imageSize], mask.data),
          binarize: { dtype: "bool", dims: [1], data: Uint8Array.of(binarize ? 1 : 0) },
          objectScores: float32([1, 1], Float32Array.of(objectScore)),
        });
        return read(outputs, "memory");
      };
      // Memories of whole maps are recorded as such, others as they are.
      const isMap = !goldens.has("perceiver.latents");
      const [stored, absent] = isMap
        ? ["memory_encoder.features", "memory_encoder.occluded_binarized"]
        : ["perceiver.latents", "perceiver.occluded_binarized"];
      const recorded = (made: HostTensor): HostTensor => (isMap ? fromQuads(made, 0) : made);
      check(stored, recorded(await encode(3, false)), limits.graphs);
      check(absent, recorded(await encode(-3, true)), limits.graphs);
      await executable.dispose();
    });

    const attentions = { ...(!isPooledAlone && { memory_attention: variant }), ...otherMemories[variant] };
    describe.each(Object.entries(attentions))("%s", (record, preset) => {
      const attend = presets[preset as PresetName];
      const cases: Readonly<Record<string, AttentionCase>> = {
        out: { memories: [0, 1], slots: [6, 0] },
        sharp: { memories: [0, 1], slots: [6, 0], scale: 6 },
        one_memory: { memories: [0], slots: [6] },
        no_pointers: { memories: [0, 1, 2], slots: [6, 1, 0], pointers: 0 },
      };

      // Of the pooled variants all but the last were recorded.
      const last = preset === variant ? 4 : 3;
      const recorded = Object.entries(cases).slice(0, slow || imageSize === 512 ? last : 1);
      test.each(recorded)("%s", async (name, given) => {
        const golden = `${record}.${name}`;
        const outputs = await runOnce(graphBuilders[attentionGraph(attend, given.memories.length)](attend), {
          imageEmbeddings: features["imageEmbeddings"] as DeviceTensor,
          ...attentionFeeds(attend, given),
        });
        const { data } = fromQuads(await read(outputs, "imageEmbeddings"), 0);
        check(golden, float32([1, width, (imageSize / 16) ** 2], data as Float32Array), limits.graphs);
      });
    });

    const decode = async (
      prompt: { readonly points: readonly (readonly number[])[]; readonly mask?: Float32Array | undefined },
      noMemory: 0 | 1,
    ) => {
      const { points, mask } = prompt;
      const scale = imageSize / 1024;
      const at = points.flatMap(([x = 0, y = 0]) => [x * scale, y * scale]);
      const outputs = await decoder.run({
        ...features,
        points: float32([1, points.length, 2], Float32Array.from(at)),
        labels: int32(
          [1, points.length],
          Int32Array.from(points, ([, , label]) => label ?? 0),
        ),
        maskInput: float32([1, maskSide, maskSide], mask ?? new Float32Array(maskSide ** 2)),
        hasMask: { dtype: "bool", dims: [1], data: Uint8Array.of(mask === undefined ? 0 : 1) },
        noMemory: float32([1], Float32Array.of(noMemory)),
      });
      const [masks, ious, scores, pointers] = await Promise.all([
        read(outputs, "lowResMasks"),
        read(outputs, "iouPredictions"),
        read(outputs, "objectScores"),
        read(outputs, "objectPointers"),
      ]);
      return { masks, ious, scores, pointers };
    };

    const decoded = slow || imageSize === 512 ? decoderCases : decoderCases.slice(0, isPooledAlone ? 0 : 1);
    test.each(decoded)("decoder: $name", async ({ name, points, multimask, mask = false }) => {
      const size = maskSide ** 2;
      const input = mask ? hashedTensor("input.mask", [1, 1, maskSide, maskSide], 8).data : undefined;
      const { masks, ious, scores, pointers } = await decode({ points, mask: input }, 1);
      const chosen = multimask ? [1, 2, 3] : [stable(masks, ious)];
      const iou = chosen.map((i) => ious.data[i] as number);
      const best = chosen[iou.indexOf(Math.max(...iou))] as number;
      const maps = chosen.flatMap((i) => [...masks.data.subarray(i * size, (i + 1) * size)]);
      const one = masks.data.subarray(best * size, (best + 1) * size);
      const token = multimask ? best : 0;
      const pointer = pointers.data.subarray(token * width, (token + 1) * width);
      const absolute = goldens.get(`${name}.iou`)?.values.length === 1 ? 1 : deviationOf(goldens, `${name}.iou`);
      check(`${name}.iou`, float32([1, chosen.length], Float32Array.from(iou)), limits.scores / absolute);
      check(`${name}.object_score`, scores, limits.scores);
      const several = [1, chosen.length, maskSide, maskSide];
      check(`${name}.low_res_multimasks`, float32(several, Float32Array.from(maps)), limits.decoder);
      check(`${name}.low_res_best`, float32([1, 1, maskSide, maskSide], one), limits.decoder);
      check(`${name}.obj_ptr`, float32([1, width], pointer), limits.decoder);
    });

    test.skipIf(isPooledAlone)("a mask as the answer", async () => {
      const pixels = new Float32Array(imageSize ** 2);
      for (let y = imageSize / 4; y < imageSize / 2; y++) {
        const [left, right] = [Math.floor(imageSize / 3), Math.floor(imageSize / 4) * 3];
        pixels.fill(1, y * imageSize + left, y * imageSize + right);
      }
      const [filter, bias] = await Promise.all(["weight", "bias"].map((end) => weights.read(`mask_downsample.${end}`)));
      const mask = downsampledMask(pixels, imageSize, {
        filter: (filter as HostTensor<"float32">).data,
        bias: (bias as HostTensor<"float32">).data[0] as number,
      });
      const { pointers } = await decode(
        {
          points: [
            [0, 0, -1],
            [0, 0, -1],
          ],
          mask,
        },
        0,
      );
      check("mask_as_output.obj_ptr", float32([1, width], pointers.data.subarray(0, width)), limits.decoder);
      const square = { width: imageSize, height: imageSize };
      const logits = pixels.map((value) => 20 * value - 10);
      const low = resizeAntialiased(logits, square, { width: maskSide, height: maskSide });
      check("mask_as_output.low_res", float32([1, 1, maskSide, maskSide], low), limits.decoder);
    });

    test("a memory's size is what was recorded", () => {
      const record = goldens.get("perceiver.latents") ?? goldens.get("memory_encoder.features");
      expect(memory.tokens * memory.channels).toBe(elementCount(record?.dims ?? []));
    });
  });
}

interface AttentionCase {
  readonly memories: readonly number[];
  readonly slots: readonly number[];
  readonly scale?: number;
  readonly pointers?: number;
}

function attentionFeeds(
  config: Sam2Config,
  { memories, slots, scale = 1, pointers = 8 }: AttentionCase,
): Readonly<Record<string, HostTensor>> {
  const { tokens, channels } = geometry(config).memory;
  const all = new Float32Array(memories.length * tokens * channels);
  for (const [i, memory] of memories.entries()) {
    all.set(hashedTensor(`input.memory${memory}`, [tokens, 1, channels], scale).data, i * tokens * channels);
  }
  const part = (name: string): HostTensor =>
    float32([1, pointers, channels], hashedTensor(name, [8, 1, channels], 1).data.slice(0, pointers * channels));
  return {
    memories: float32([1, memories.length, tokens, channels], all),
    slots: int32([slots.length], Int32Array.from(slots)),
    pointers: part("input.ptrs"),
    pointerPositions: part("input.ptrs_pos"),
  };
}

function deviationOf(goldens: ReadonlyMap<string, Golden>, name: string): number {
  return goldens.get(name)?.deviation ?? Number.NaN;
}
