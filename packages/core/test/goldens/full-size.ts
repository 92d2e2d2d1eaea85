/**
 * Full-size variants against Meta's code, on weights that are hashed from their names: each graph by itself, without
 * pre- and postprocessing.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend, Executable } from "../../src/backend/backend.ts";
import { type PresetName, presets } from "../../src/model/config.ts";
import {
  type GraphName,
  imageEncoderGraph,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
} from "../../src/model/graphs.ts";
import { type DeviceTensor, float32, type HostTensor, int32 } from "../../src/tensor/tensor.ts";
import { hashedTensor, hashedWeights } from "../../src/testing/hashed-weights.ts";
import { channelsLast, decoderCases, distance, fromQuads, type Golden, readGoldens, stable } from "./records.ts";
import { type CreateBackend, type Shared, skipSuite, type TestedBackend } from "./shared.ts";

/** Largest errors, in standard deviations of the tensor; absolute where it has one value. */
export interface FullSizeLimits {
  readonly max: number;
  readonly median: number;
}

export interface FullSizeOptions {
  readonly shared: Shared | undefined;
  /** All five by default. */
  readonly variants?: readonly FullSizeVariant[];
  /** All by default. */
  readonly graphs?: readonly GraphName[];
  /** What encodes the image where "imageEncoder" is not among `graphs`. */
  readonly encodeOn?: CreateBackend;
  /** Default: a largest error of 1e-3, a median one of 1e-4. */
  readonly limits?: FullSizeLimits;
  /** Milliseconds for one graph. */
  readonly timeout?: number;
}

/** A preset with recorded outputs. */
export type FullSizeVariant = Extract<PresetName, `${string}tiny` | `sam2.1-hiera-${string}`>;

const files: Readonly<Record<FullSizeVariant, string>> = {
  "sam2.1-hiera-tiny": "sam2.1_hiera_t",
  "sam2.1-hiera-small": "sam2.1_hiera_s",
  "sam2.1-hiera-base-plus": "sam2.1_hiera_b_plus",
  "sam2.1-hiera-large": "sam2.1_hiera_l",
  "sam2-hiera-tiny": "sam2_hiera_t",
};

const allGraphs: readonly GraphName[] = ["imageEncoder", "maskDecoder", "memoryEncoder", "memoryAttention"];

/** Declares the tests of a backend's numbers at full size. */
export function testFullSize(
  createBackend: CreateBackend,
  {
    shared,
    variants = Object.keys(files) as FullSizeVariant[],
    graphs = allGraphs,
    encodeOn,
    limits = { max: 1e-3, median: 1e-4 },
    timeout = 600_000,
  }: FullSizeOptions,
): void {
  const title = `full-size goldens: ${graphs.join(", ")}`;
  if (shared === undefined) {
    skipSuite(title);
    return;
  }

  describe(title, { timeout }, () => {
    let backend: TestedBackend;
    beforeAll(async () => {
      backend = await createBackend();
    });
    afterAll(async () => {
      await backend?.dispose();
    });

    describe.each(variants)("%s", (variant) => {
      const config = presets[variant];
      let goldens: ReadonlyMap<string, Golden>;
      let features: Readonly<Record<string, DeviceTensor>>;
      let decoder: Executable;
      const weights = hashedWeights(config);
      const encode = async (on: Backend): Promise<Record<string, DeviceTensor>> => {
        const encoder = await on.compile(imageEncoderGraph(config), weights);
        const made = await encoder.run({ image: channelsLast(hashedTensor("input.image", [1, 3, 1024, 1024], 2)) });
        await encoder.dispose();
        return made;
      };

      beforeAll(async () => {
        goldens = await readGoldens(shared, `full/${files[variant]}.safetensors`);
        if (encodeOn === undefined) features = await encode(backend);
        else {
          const other = await encodeOn();
          const made = Object.entries(await encode(other));
          features = Object.fromEntries(
            await Promise.all(made.map(async ([name, tensor]) => [name, backend.upload(await tensor.read())])),
          );
          await other.dispose();
        }
        if (graphs.includes("maskDecoder")) decoder = await backend.compile(maskDecoderGraph(config), weights);
      }, timeout);
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
      const read = (tensors: Readonly<Record<string, DeviceTensor>>, name: string): Promise<HostTensor> =>
        (tensors[name] as DeviceTensor).read();

      if (graphs.includes("imageEncoder")) {
        test("image encoder", async () => {
          check("encoder.fpn0", fromQuads(await read(features, "highRes0"), 2));
          check("encoder.fpn1", fromQuads(await read(features, "highRes1"), 1));
          check("encoder.fpn2", fromQuads(await read(features, "imageEmbeddings"), 0));
        });
      }

      if (graphs.includes("memoryEncoder")) {
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
      }

      if (graphs.includes("memoryAttention")) {
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
      }

      if (graphs.includes("maskDecoder")) {
        test.each(decoderCases)("decoder: $name", async ({ name, points, multimask, mask = false }) => {
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
      }
    });
  });
}
