import {
  type AbortSignalLike,
  abortable,
  elementCount,
  float32,
  type HostTensor,
  type Initializer,
  type PreparedGraph,
  type Value,
  type ValueDType,
  type WeightBits,
} from "@masklet/core/backend";
import { type InMemory, type RoundedFormat, type RoundedNames, roundWeight } from "./round.ts";
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
  /** Those of weights that are rounded, by their bits. */
  readonly rounded: ReadonlyMap<Value, ReadonlyMap<WeightBits, RoundedNames>>;
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
  /** What weights of so many bits become. Default: blocks, whatever the bits. */
  readonly formatOf?: (bits: WeightBits) => RoundedFormat;
  /** The deepest folder that holds all of these files, links resolved; `undefined` where there is none. */
  readonly shareFolder?: (paths: readonly string[]) => Promise<SharedFolder | undefined>;
  readonly signal?: AbortSignalLike;
}

/**
 * Says where the runtime finds each initializer's bytes. A checkpoint's own bytes are referred to, not copied: in their
 * files where all of them are files and nothing is rounded, else as views of what is in memory; only what is neither, and
 * what is rounded, is read, one tensor at a time.
 */
export async function placeWeights(
  graph: Pick<PreparedGraph, "inputs" | "outputs" | "values" | "initializers">,
  { shareFolder, signal, formatOf = () => "blocks" }: PlaceOptions,
): Promise<PlacedWeights> {
  const { inputs, initializers } = graph;
  const uses = usesOf(graph);
  const weights = [...uses.keys()].filter((initializer) => initializer.from === "weight");
  const hasRounded = [...uses.values()].some((bits) => bits.size > 1 || !bits.has(undefined));
  const shared = hasRounded ? undefined : await findFolder(weights, shareFolder); // files and buffers do not mix
  const buffers = new Map<object, ExternalBuffer>();
  const refer = (key: object, data: Uint8Array, offset: number, length: number): OnnxExternalData => {
    const buffer = buffers.get(key) ?? { path: `buffer${buffers.size}`, data };
    buffers.set(key, buffer);
    return { location: buffer.path, offset, length };
  };
  const hold = ({ data, ...tensor }: InMemory): OnnxTensor => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const inline = shared !== undefined || bytes.byteLength <= INLINE_LIMIT;
    return { ...tensor, data: inline ? bytes : refer(data, bytes, 0, bytes.byteLength) };
  };
  const read = ({ entry: { source }, byteOffset, dims }: WeightInitializer): Promise<Uint8Array> =>
    abortable(source.read(byteOffset, byteLength(dims), signal && { signal }), signal);
  const names = new Map<Initializer, string>();
  const rounded = new Map<Initializer, Map<WeightBits, RoundedNames>>();
  const tensors: OnnxTensor[] = [];
  for (const [initializer, bitsUsed] of uses) {
    const name = Object.hasOwn(inputs, initializer.name) ? `${initializer.name}#0` : initializer.name;
    names.set(initializer, name);
    for (const bits of bitsUsed) {
      if (bits === undefined) continue;
      const matrix = initializer.from === "tensor" ? initializer.tensor : floats(await read(initializer), initializer);
      const placed = roundWeight(`${name}, ${bits} bits`, matrix as HostTensor<"float32">, bits, formatOf(bits));
      tensors.push(...placed.tensors.map(hold));
      rounded.set(initializer, (rounded.get(initializer) ?? new Map()).set(bits, placed.names));
    }
    if (!bitsUsed.has(undefined)) continue;
    if (initializer.from === "tensor") {
      const { dtype, dims, data } = initializer.tensor;
      tensors.push(hold({ name, dtype: dtype as ValueDType, dims, data }));
      continue;
    }
    const { entry, byteOffset, dims } = initializer;
    const { source } = entry;
    const length = byteLength(dims);
    const location = source.path === undefined ? undefined : shared?.locations.get(source.path);
    let data: OnnxExternalData;
    if (location !== undefined) data = { location, offset: byteOffset, length };
    else if (source.bytes !== undefined) data = refer(source, source.bytes, byteOffset, length);
    else data = refer(initializer, await read(initializer), 0, length);
    tensors.push({ name, dtype: "float32", dims, data });
  }
  const byValue = <T>(found: ReadonlyMap<Initializer, T>): ReadonlyMap<Value, T> =>
    new Map(
      Array.from(initializers).flatMap(([value, initializer]) => {
        const entry = found.get(initializer);
        return entry === undefined ? [] : [[value, entry]];
      }),
    );
  return {
    tensors,
    names: byValue(names),
    rounded: byValue(rounded),
    external:
      shared === undefined
        ? { kind: "buffers", buffers: [...buffers.values()] }
        : { kind: "folder", folder: shared.folder },
  };
}

type WeightInitializer = Extract<Initializer, { readonly from: "weight" }>;

const byteLength = (dims: readonly number[]): number => 4 * elementCount(dims);

/** A copy, since bytes of a file need not be aligned. */
function floats(bytes: Uint8Array, { dims }: WeightInitializer): HostTensor<"float32"> {
  return float32(dims, new Float32Array(bytes.slice().buffer));
}

/** What each initializer is used as: rounded to so many bits, or `undefined`, as it is. */
function usesOf({
  values,
  outputs,
  initializers,
}: Pick<PreparedGraph, "outputs" | "values" | "initializers">): ReadonlyMap<
  Initializer,
  ReadonlySet<WeightBits | undefined>
> {
  const uses = new Map(
    Array.from(initializers.values(), (initializer) => [initializer, new Set<WeightBits | undefined>()]),
  );
  const use = (value: Value, bits: WeightBits | undefined): void => {
    const initializer = initializers.get(value);
    if (initializer !== undefined) uses.get(initializer)?.add(bits);
  };
  for (const { source } of values) {
    const { node } = source;
    const bits = node.kind === "quantizedLinear" ? node.attributes.bits : undefined;
    (node.inputs as readonly Value[]).forEach((input, i) => {
      use(input, i === 1 ? bits : undefined);
    });
  }
  for (const output of Object.values(outputs)) use(output, undefined);
  return uses;
}

async function findFolder(
  weights: readonly WeightInitializer[],
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
