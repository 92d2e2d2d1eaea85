import {
  type AbortSignalLike,
  abortable,
  type ByteSource,
  type Initializer,
  type PreparedGraph,
  type Value,
  type ValueDType,
} from "@masklet/core";
import type { OnnxExternalData, OnnxTensor } from "./schema.ts";

/** Up to this many bytes a tensor is cheaper inside the model than beside it. */
const INLINE_LIMIT = 4096;

/** Bytes that the model refers to by a name of their own. */
export interface ExternalBuffer {
  readonly path: string;
  readonly data: Uint8Array;
}

export interface PlacedWeights {
  readonly tensors: readonly OnnxTensor[];
  /** Each initializer's name in the model. */
  readonly names: ReadonlyMap<Value, string>;
  /** What the runtime is given with the model: buffers, or the folder in which it finds the files by itself. */
  readonly external:
    | { readonly kind: "buffers"; readonly buffers: readonly ExternalBuffer[] }
    | { readonly kind: "folder"; readonly folder: string };
}

/** Files of a checkpoint as a runtime finds them. */
export interface SharedFolder {
  readonly folder: string;
  /** Each file's path below the folder, with "/" between its parts. */
  readonly locations: ReadonlyMap<string, string>;
}

export interface PlaceOptions {
  /** The deepest folder that holds all of these files, links resolved; `undefined` where there is none. */
  readonly shareFolder?: (paths: readonly string[]) => Promise<SharedFolder | undefined>;
  readonly signal?: AbortSignalLike;
}

/**
 * Says where the runtime finds each initializer's bytes. A checkpoint's own bytes are referred to, not copied: in their
 * files where all of them are files, else as views of what is in memory; only what is neither is read.
 */
export async function placeWeights(
  { inputs, initializers }: PreparedGraph,
  { shareFolder, signal }: PlaceOptions,
): Promise<PlacedWeights> {
  const unique = new Set(initializers.values());
  const weights = [...unique].filter((initializer) => initializer.from === "weight");
  const shared = await findFolder(weights, shareFolder);
  const buffers = new Map<ByteSource | Initializer, ExternalBuffer>();
  const refer = (key: ByteSource | Initializer, data: Uint8Array, offset: number, length: number): OnnxExternalData => {
    const buffer = buffers.get(key) ?? { path: `buffer${buffers.size}`, data };
    buffers.set(key, buffer);
    return { location: buffer.path, offset, length };
  };
  const names = new Map<Initializer, string>();
  const tensors: OnnxTensor[] = [];
  for (const initializer of unique) {
    const name = Object.hasOwn(inputs, initializer.name) ? `${initializer.name}#0` : initializer.name;
    names.set(initializer, name);
    if (initializer.from === "tensor") {
      const { dtype, dims, data } = initializer.tensor;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const inline = shared !== undefined || bytes.byteLength <= INLINE_LIMIT; // files and buffers do not mix
      const held = inline ? bytes : refer(initializer, bytes, 0, bytes.byteLength);
      tensors.push({ name, dtype: dtype as ValueDType, dims, data: held });
      continue;
    }
    const { entry, byteOffset, dims } = initializer;
    const { source } = entry;
    const length = dims.reduce((product, dim) => product * dim, 4);
    const location = source.path === undefined ? undefined : shared?.locations.get(source.path);
    let data: OnnxExternalData | Uint8Array;
    if (location !== undefined) {
      data = { location, offset: byteOffset, length };
    } else if (source.bytes !== undefined) {
      data = refer(source, source.bytes, byteOffset, length);
    } else {
      const bytes = await abortable(source.read(byteOffset, length, signal && { signal }), signal);
      data = refer(initializer, bytes, 0, length);
    }
    tensors.push({ name, dtype: "float32", dims, data });
  }
  return {
    tensors,
    names: new Map(Array.from(initializers, ([value, initializer]) => [value, names.get(initializer) as string])),
    external:
      shared === undefined
        ? { kind: "buffers", buffers: [...buffers.values()] }
        : { kind: "folder", folder: shared.folder },
  };
}

async function findFolder(
  weights: readonly Extract<Initializer, { readonly from: "weight" }>[],
  shareFolder: PlaceOptions["shareFolder"],
): Promise<SharedFolder | undefined> {
  if (shareFolder === undefined || weights.length === 0) return undefined;
  const paths = new Set<string>();
  for (const { entry } of weights) {
    if (entry.source.path === undefined) return undefined;
    paths.add(entry.source.path);
  }
  return await shareFolder([...paths]);
}
