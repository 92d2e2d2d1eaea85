/**
 * The tiny model at full size against Meta's code, on weights that are hashed from their names: each graph by itself,
 * without pre- and postprocessing, on the wasm engine.
 */
import {
  type Backend,
  type DeviceTensor,
  type Executable,
  float32,
  type HostTensor,
  imageEncoderGraph,
  int32,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
  presets,
} from "@masklet/core";
import { hashedTensor, hashedWeights } from "@masklet/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTfjsBackend } from "../src/node.ts";
import { distance, type Golden, hasShared, readGoldens } from "./shared.ts";

interface Case {
  readonly name: string;
  /** x, y, label */
  readonly points: readonly (readonly [number, number, number])[];
  readonly multimask: boolean;
  readonly mask?: boolean;
}

/** The reference pads every prompt with one point, and makes one up where there is none. */
const padding = [0, 0, -1] as const;
const click = [256.5, 300.25, 1] as const;
const cases: readonly Case[] = [
  { name: "point1", points: [click, padding], multimask: true },
  { name: "points3.single", points: [click, [700, 512, 0], [10, 1000, 1], padding], multimask: false },
  { name: "box.single", points: [[100, 120, 2], [800.5, 900, 3], padding], multimask: false },
  { name: "mask_prompt", points: [click, padding], multimask: true, mask: true },
  { name: "no_prompt", points: [padding, padding], multimask: true },
];

const limits = { max: 1e-3, median: 1e-4 };

describe.skipIf(!hasShared)("full-size goldens (needs ../shared/goldens)", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createTfjsBackend({ engine: "wasm" });
  });
  afterAll(async () => {
    await backend.dispose();
  });

  describe("sam2.1-hiera-tiny", () => {
    const config = presets["sam2.1-hiera-tiny"];
    let goldens: ReadonlyMap<string, Golden>;
    let features: Record<string, DeviceTensor>;
    let decoder: Executable;
    const weights = hashedWeights(config);

    beforeAll(async () => {
      goldens = await readGoldens("sam2.1_hiera_t.safetensors");
      const encoder = await backend.compile(imageEncoderGraph(config), weights);
      features = await encoder.run({ image: channelsLast(hashedTensor("input.image", [1, 3, 1024, 1024], 2)) });
      await encoder.dispose();
      decoder = await backend.compile(maskDecoderGraph(config), weights);
    });
    afterAll(async () => {
      for (const tensor of Object.values(features ?? {})) tensor.dispose();
      await decoder?.dispose();
      await weights.close();
    });

    const check = (name: string, tensor: HostTensor): void => {
      const error = distance(goldens.get(name) as Golden, tensor);
      expect(error.max, `${name}: largest error`).toBeLessThanOrEqual(limits.max);
      // A median says something of a sample; of three predicted IoUs it is just one of them.
      if (tensor.data.length > 3) expect(error.median, `${name}: median error`).toBeLessThanOrEqual(limits.median);
    };
    const read = (tensors: Record<string, DeviceTensor>, name: string): Promise<HostTensor> =>
      (tensors[name] as DeviceTensor).read();

    test("encoder", async () => {
      check("encoder.fpn0", fromQuads(await read(features, "highRes0"), 2));
      check("encoder.fpn1", fromQuads(await read(features, "highRes1"), 1));
      check("encoder.fpn2", fromQuads(await read(features, "imageEmbeddings"), 0));
    });

    test("memory encoder", async () => {
      const encoder = await backend.compile(memoryEncoderGraph(config, config.imageSize), weights);
      const encode = async (objectScore: number, binarize: boolean): Promise<HostTensor> => {
        const outputs = await encoder.run({
          imageEmbeddings: features["imageEmbeddings"] as DeviceTensor,
          maskLogits: float32([1, 1024, 1024], hashedTensor("input.mask_high_res", [1, 1, 1024, 1024], 8).data),
          binarize: { dtype: "bool", dims: [1], data: Uint8Array.of(binarize ? 1 : 0) },
          objectScores: float32([1, 1], Float32Array.of(objectScore)),
        });
        const memory = await read(outputs, "memory");
        outputs["memory"]?.dispose();
        return fromQuads(memory, 0);
      };
      check("memory_encoder.features", await encode(3, false));
      check("memory_encoder.occluded_binarized", await encode(-3, true));
      await encoder.dispose();
    });

    test("memory attention", async () => {
      const attention = await backend.compile(memoryAttentionGraph(config), weights);
      const maps = [0, 1].map((i) => hashedTensor(`input.memory${i}`, [4096, 1, 64], 1).data);
      const memories = new Float32Array(2 * 4096 * 64);
      for (const [i, map] of maps.entries()) memories.set(map, i * 4096 * 64);
      const outputs = await attention.run({
        imageEmbeddings: features["imageEmbeddings"] as DeviceTensor,
        memories: float32([1, 2, 4096, 64], memories),
        slots: int32([2], Int32Array.of(6, 0)),
        pointers: float32([1, 8, 64], hashedTensor("input.ptrs", [8, 1, 64], 1).data),
        pointerPositions: float32([1, 8, 64], hashedTensor("input.ptrs_pos", [8, 1, 64], 1).data),
      });
      const { data } = fromQuads(await read(outputs, "imageEmbeddings"), 0);
      outputs["imageEmbeddings"]?.dispose();
      check("memory_attention.out", float32([1, 256, 4096], data));
      await attention.dispose();
    });

    test.each(cases)("decoder: $name", async ({ name, points, multimask, mask = false }) => {
      const outputs = await decoder.run({
        ...features,
        points: float32([1, points.length, 2], Float32Array.from(points.flatMap((point) => point.slice(0, 2)))),
        labels: int32(
          [1, points.length],
          Int32Array.from(points, ([, , label]) => label),
        ),
        maskInput: mask
          ? float32([1, 256, 256], hashedTensor("input.mask", [1, 1, 256, 256], 8).data)
          : float32([1, 256, 256], new Float32Array(256 * 256)),
        hasMask: { dtype: "bool", dims: [1], data: Uint8Array.of(mask ? 1 : 0) },
        noMemory: float32([1], Float32Array.of(1)),
      });
      const [masks, ious, scores, pointers] = (await Promise.all(
        ["lowResMasks", "iouPredictions", "objectScores", "objectPointers"].map((key) => read(outputs, key)),
      )) as [HostTensor<"float32">, HostTensor<"float32">, HostTensor, HostTensor<"float32">];
      for (const tensor of Object.values(outputs)) tensor.dispose();

      const chosen = multimask ? [1, 2, 3] : [stable(masks, ious)];
      const iou = chosen.map((i) => ious.data[i] as number);
      const best = chosen[iou.indexOf(Math.max(...iou))] as number;
      const mapAt = (i: number): Float32Array => masks.data.subarray(i * 65536, (i + 1) * 65536);
      check(`${name}.iou`, float32([1, chosen.length], Float32Array.from(iou)));
      check(`${name}.object_score`, scores);
      const low = new Float32Array(chosen.length * 65536);
      for (const [at, i] of chosen.entries()) low.set(mapAt(i), at * 65536);
      check(`${name}.low_res_multimasks`, float32([1, chosen.length, 256, 256], low));
      check(`${name}.low_res_best`, float32([1, 1, 256, 256], mapAt(best)));
      const token = multimask ? best : 0;
      check(
        `${name}.obj_ptr`,
        float32([1, config.width], pointers.data.subarray(token * config.width, (token + 1) * config.width)),
      );
    });
  });
});

/** The reference's rule, written again in its plainest form. */
function stable(masks: HostTensor<"float32">, ious: HostTensor<"float32">): number {
  const single = masks.data.subarray(0, 65536);
  const above = (limit: number): number => single.reduce((count, logit) => count + (logit > limit ? 1 : 0), 0);
  const union = above(-0.05);
  if (union === 0 || above(0.05) / union >= 0.98) return 0;
  return [1, 2, 3].reduce((best, i) => ((ious.data[i] as number) > (ious.data[best] as number) ? i : best), 1);
}

/** [1, c, h, w] -> [1, h, w, c] */
function channelsLast({ dims, data }: HostTensor<"float32">): HostTensor<"float32"> {
  const [, channels, height, width] = dims as readonly [number, number, number, number];
  const out = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height * width; i++) out[i * channels + c] = data[c * height * width + i] as number;
  }
  return float32([1, height, width, channels], out);
}

/** [1, 64 * 64 * 4^levels, c], each level a 2x2 split of the one before -> [1, c, h, w]. */
function fromQuads({ dims, data }: HostTensor, levels: number): HostTensor<"float32"> {
  const channels = dims[2] as number;
  const side = 64 << levels;
  const out = new Float32Array(data.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let row = (y >> levels) * 64 + (x >> levels);
      for (let bit = levels - 1; bit >= 0; bit--) row = row * 4 + ((y >> bit) & 1) * 2 + ((x >> bit) & 1);
      for (let c = 0; c < channels; c++) out[(c * side + y) * side + x] = data[row * channels + c] as number;
    }
  }
  return float32([1, channels, side, side], out);
}
