import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { HostTensor } from "@masklet/core";
import { fileSource, openCheckpoint } from "@masklet/core/node";

/** The reference's numbers and media, which lie beside the repository where there are any. */
const folder = new URL("../../../../shared/", import.meta.url);

/** Path of a file among them. */
export const sharedPath = (name: string): string => fileURLToPath(new URL(name, folder));

export const hasShared: boolean = existsSync(folder);

export const readShared = (name: string): unknown => JSON.parse(readFileSync(sharedPath(name), "utf8"));

/** One recorded tensor: values at every `stride`-th flat index, its whole shape, and the standard deviation of all. */
export interface Golden {
  readonly values: Float32Array;
  readonly dims: readonly number[];
  readonly deviation: number;
}

/** The records of a file under goldens/full. */
export async function readGoldens(file: string): Promise<ReadonlyMap<string, Golden>> {
  const store = await openCheckpoint(await fileSource(sharedPath(`goldens/full/${file}`)));
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
