/** Recorded tensors of the reference's graphs, and what compares ours with them. */
import { openCheckpoint } from "../../src/checkpoint/load.ts";
import { float32, type HostTensor } from "../../src/tensor/tensor.ts";
import type { Shared } from "./shared.ts";

export interface DecoderCase {
  readonly name: string;
  /** x, y, label */
  readonly points: readonly (readonly [number, number, number])[];
  readonly multimask: boolean;
  readonly mask?: boolean;
}

/** The reference pads every prompt with one point, and makes one up where there is none. */
const padding = [0, 0, -1] as const;
const click = [256.5, 300.25, 1] as const;
/** On a model of images of 1024 pixels. */
export const decoderCases: readonly DecoderCase[] = [
  { name: "point1", points: [click, padding], multimask: true },
  { name: "points3.single", points: [click, [700, 512, 0], [10, 1000, 1], padding], multimask: false },
  { name: "box.single", points: [[100, 120, 2], [800.5, 900, 3], padding], multimask: false },
  { name: "mask_prompt", points: [click, padding], multimask: true, mask: true },
  { name: "no_prompt", points: [padding, padding], multimask: true },
];

/** One recorded tensor: values at every `stride`-th flat index, its whole shape, and the standard deviation of all. */
export interface Golden {
  readonly values: Float32Array;
  readonly dims: readonly number[];
  readonly deviation: number;
}

/** The records of a file under goldens/. */
export async function readGoldens(shared: Shared, file: string): Promise<ReadonlyMap<string, Golden>> {
  const store = await openCheckpoint(await shared.open(`goldens/${file}`));
  const goldens = new Map<string, Golden>();
  for (const name of store.entries.keys()) {
    if (name.endsWith(".shape") || name.endsWith(".stats")) continue;
    const [values, dims, stats] = await Promise.all(
      [name, `${name}.shape`, `${name}.stats`].map((key) => store.read(key)),
    );
    goldens.set(name, {
      values: values?.data as Float32Array,
      dims: Array.from(dims?.data as Float32Array),
      deviation: stats?.data[1] as number,
    });
  }
  await store.close();
  return goldens;
}

/** How far a tensor is from its record: in standard deviations, or absolute for single values. */
export interface Distance {
  readonly max: number;
  readonly median: number;
}

/** Compares a tensor, in the record's own order, with the recorded values. */
export function distance(golden: Golden, { dims, data }: HostTensor): Distance {
  if (dims.join() !== golden.dims.join()) throw new Error(`is [${dims}], recorded as [${golden.dims}]`);
  const stride = Math.floor(data.length / golden.values.length);
  const scale = data.length === 1 ? 1 : golden.deviation;
  const errors = golden.values.map((value, i) => Math.abs(Number(data[i * stride]) - value) / scale).sort();
  if (errors.some(Number.isNaN)) throw new Error("has values that are no numbers");
  return { max: errors.at(-1) as number, median: errors[errors.length >> 1] as number };
}

/** The reference's rule, written again in its plainest form. */
export function stable(masks: HostTensor<"float32">, ious: HostTensor<"float32">): number {
  const single = masks.data.subarray(0, masks.data.length / 4);
  const above = (limit: number): number => single.reduce((count, logit) => count + (logit > limit ? 1 : 0), 0);
  const union = above(-0.05);
  if (union === 0 || above(0.05) / union >= 0.98) return 0;
  return [1, 2, 3].reduce((best, i) => ((ious.data[i] as number) > (ious.data[best] as number) ? i : best), 1);
}

/** [1, c, h, w] -> [1, h, w, c] */
export function channelsLast({ dims, data }: HostTensor<"float32">): HostTensor<"float32"> {
  const [, channels, height, width] = dims as readonly [number, number, number, number];
  const out = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height * width; i++) out[i * channels + c] = data[c * height * width + i] as number;
  }
  return float32([1, height, width, channels], out);
}

/** [1, g * g * 4^levels, c], g the stride-16 map's side, each level a 2x2 split of the one before -> [1, c, h, w]. */
export function fromQuads({ dims, data }: HostTensor, levels: number): HostTensor<"float32"> {
  const [, tokens, channels] = dims as readonly [number, number, number];
  const grid = Math.sqrt(tokens) >> levels;
  const side = grid << levels;
  const out = new Float32Array(data.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let row = (y >> levels) * grid + (x >> levels);
      for (let bit = levels - 1; bit >= 0; bit--) row = row * 4 + ((y >> bit) & 1) * 2 + ((x >> bit) & 1);
      for (let c = 0; c < channels; c++) out[(c * side + y) * side + x] = data[row * channels + c] as number;
    }
  }
  return float32([1, channels, side, side], out);
}
