import type { AbortSignalLike } from "../abort.ts";
import type { Signature } from "../backend/backend.ts";
import { evaluateNode } from "../backend/reference-kernels.ts";
import type { WeightEntry, WeightStore } from "../checkpoint/weight-store.ts";
import { CheckpointError } from "../errors.ts";
import { byteSize } from "../tensor/dtype.ts";
import { elementCount, float32, type HostTensor } from "../tensor/tensor.ts";
import { formatDims } from "./dim.ts";
import { signatureOf } from "./feeds.ts";
import type { Graph, OpValue, Value } from "./graph.ts";
import { liveness, neededFor } from "./liveness.ts";
import { partition } from "./partition.ts";

/** A value that is known before the graph runs. Values that are the same part of the same tensor share one. */
export type Initializer =
  /** In memory: a constant, a derived weight, or a weight that had to be converted to float32. */
  | { readonly name: string; readonly from: "tensor"; readonly tensor: HostTensor }
  /** float32 in the checkpoint's own bytes: `byteOffset` counts from the start of `entry.source` and need not be aligned. */
  | {
      readonly name: string;
      readonly from: "weight";
      readonly entry: WeightEntry;
      readonly byteOffset: number;
      readonly dims: readonly number[];
    };

/** A graph whose weights are settled: what a backend lowers. */
export interface PreparedGraph {
  readonly name: string;
  readonly signature: Signature;
  readonly inputs: Readonly<Record<string, Value>>;
  /** An output may also be an input or an initializer. */
  readonly outputs: Readonly<Record<string, Value>>;
  /** What is left to compute in a run, inputs before uses. */
  readonly values: readonly OpValue[];
  /** Every other value that `values` and `outputs` refer to, in order of first use; each name is unique. */
  readonly initializers: ReadonlyMap<Value, Initializer>;
  /** Bytes of the checkpoint read so far, and of all tensors that the graph refers to. */
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

export interface PrepareOptions {
  readonly signal?: AbortSignalLike;
  /** Bytes of weights read so far, and in all. Bytes that `from: "weight"` initializers refer to are not read here. */
  readonly onProgress?: (progress: { readonly loaded: number; readonly total: number }) => void;
  /**
   * Which results of weights and constants are left to the runtime, because it computes them once by itself, and faster;
   * never those that become rounded weights. Default: none.
   */
  readonly leave?: (value: OpValue) => boolean;
}

type WeightValue = Value & { readonly source: { readonly from: "weight" } };

const isWeight = (value: Value): value is WeightValue => value.source.from === "weight";

/**
 * Checks a graph's weights against a checkpoint, computes on the reference kernels whatever depends on weights and
 * constants alone, and drops what no output needs. Throws a `CheckpointError` that names the tensor, both shapes and
 * the file: "missing-tensor", "misshapen-tensor".
 */
export async function prepareGraph(
  graph: Graph,
  weights: WeightStore,
  { signal, onProgress, leave = () => false }: PrepareOptions = {},
): Promise<PreparedGraph> {
  const rounded = new Set<Value>(neededFor(graph.values, roundedWeights(graph)));
  const { runtime, derived, initializers: needed } = partition(graph, (value) => !rounded.has(value) && leave(value));
  const operands = derived.flatMap((value): readonly Value[] => value.source.node.inputs);
  const entries = new Map<string, WeightEntry>();
  for (const value of [...needed, ...operands].filter(isWeight)) {
    entries.set(value.source.key, findEntry(graph, weights, value));
  }
  let loadedBytes = 0;
  const totalBytes = [...entries.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const bases = new Map<string, HostTensor<"float32">>();
  const readWeight = async ({ source, dims }: WeightValue): Promise<HostTensor<"float32">> => {
    let base = bases.get(source.key);
    if (base === undefined) {
      base = await weights.read(source.key, signal && { signal });
      bases.set(source.key, base);
      // what an operation is computed from is let go of after the last, and may be read again
      loadedBytes = Math.min(loadedBytes + (entries.get(source.key)?.byteLength ?? 0), totalBytes);
      onProgress?.({ loaded: loadedBytes, total: totalBytes });
    }
    const sizes = dims as readonly number[];
    return float32(sizes, base.data.subarray(source.offset, source.offset + elementCount(sizes)));
  };

  const computed = new Map<Value, HostTensor>();
  const freed = liveness(derived, needed);
  const lastUse = new Map<string, number>();
  for (const [i, value] of derived.entries()) {
    for (const input of value.source.node.inputs) if (isWeight(input)) lastUse.set(input.source.key, i);
  }
  for (const [i, value] of derived.entries()) {
    signal?.throwIfAborted();
    const tensors: HostTensor[] = [];
    for (const input of value.source.node.inputs as readonly Value[]) {
      if (isWeight(input)) tensors.push(await readWeight(input));
      else tensors.push(input.source.from === "constant" ? input.source.tensor : (computed.get(input) as HostTensor));
    }
    computed.set(value, evaluateNode(value.source.node, tensors));
    for (const done of freed[i] ?? []) computed.delete(done);
    for (const [key, last] of lastUse) if (last === i) bases.delete(key);
  }

  const initializers = new Map<Value, Initializer>();
  const weightViews = new Map<string, Initializer>();
  const uniqueName = namer();
  for (const value of needed) {
    const { source } = value;
    if (!isWeight(value)) {
      const tensor = source.from === "constant" ? source.tensor : (computed.get(value) as HostTensor);
      initializers.set(value, { name: uniqueName(nameOf(value)), from: "tensor", tensor });
      continue;
    }
    const { key, offset } = value.source;
    const view = `${key} ${offset} ${formatDims(value.dims)}`;
    let initializer = weightViews.get(view);
    if (initializer === undefined) {
      const entry = entries.get(key) as WeightEntry;
      const name = uniqueName(nameOf(value));
      const dims = value.dims as readonly number[];
      initializer =
        entry.dtype === "float32"
          ? { name, from: "weight", entry, byteOffset: entry.offset + offset * byteSize.float32, dims }
          : { name, from: "tensor", tensor: await readWeight(value) };
      weightViews.set(view, initializer);
    }
    initializers.set(value, initializer);
  }
  signal?.throwIfAborted();
  const { name, inputs, outputs } = graph;
  const signature = signatureOf(graph);
  return { name, signature, inputs, outputs, values: runtime, initializers, loadedBytes, totalBytes };
}

function roundedWeights({ values }: Graph): readonly Value[] {
  return values.flatMap(({ source: { node } }) => (node.kind === "quantizedLinear" ? [node.inputs[1]] : []));
}

function findEntry(graph: Graph, weights: WeightStore, value: WeightValue): WeightEntry {
  const { key, keyDims } = value.source;
  const entry = weights.entries.get(key);
  const expected = formatDims(keyDims);
  const details = { tensor: key, expected: keyDims, file: weights.name, graph: graph.name };
  if (entry === undefined) {
    throw new CheckpointError("missing-tensor", `${weights.name}: tensor ${key} is missing, expected ${expected}`, {
      details,
    });
  }
  const got = formatDims(entry.dims);
  if (got !== expected) {
    throw new CheckpointError("misshapen-tensor", `${weights.name}: tensor ${key} is ${got}, expected ${expected}`, {
      details: { ...details, got: entry.dims },
    });
  }
  return entry;
}

/** What a reader of the lowered model recognises: the key, or where it was computed and by what. */
function nameOf({ source, dims }: Value): string {
  if (source.from === "weight") {
    const whole = source.offset === 0 && elementCount(dims as readonly number[]) === elementCount(source.keyDims);
    return whole ? source.key : `${source.key}[${source.offset}:]`;
  }
  if (source.from !== "op") return "constant";
  const { scope, kind } = source.node;
  return scope === "" ? `derived ${kind}` : `${scope}: derived ${kind}`;
}

/** Appends `#2`, `#3`, ... to names that were given before. */
function namer(): (name: string) => string {
  const given = new Map<string, number>();
  return (name) => {
    const count = (given.get(name) ?? 0) + 1;
    given.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  };
}

/**
 * The initializers as float32, int32 or bool tensors in memory. Views of one tensor share its bytes, which are read once
 * and belong to the checkpoint: not to be written to.
 */
export async function loadInitializers(
  { initializers, loadedBytes, totalBytes }: PreparedGraph,
  weights: WeightStore,
  { signal, onProgress }: PrepareOptions = {},
): Promise<ReadonlyMap<Value, HostTensor>> {
  let loaded = loadedBytes;
  const bases = new Map<string, HostTensor<"float32">>();
  const tensors = new Map<Value, HostTensor>();
  for (const [value, initializer] of initializers) {
    if (initializer.from === "tensor") {
      tensors.set(value, initializer.tensor);
      continue;
    }
    const { entry, byteOffset, dims } = initializer;
    let base = bases.get(entry.name);
    if (base === undefined) {
      base = await weights.read(entry.name, signal && { signal });
      bases.set(entry.name, base);
      loaded = Math.min(loaded + entry.byteLength, totalBytes); // a derived weight's operand is read twice
      onProgress?.({ loaded, total: totalBytes });
    }
    const start = (byteOffset - entry.offset) / byteSize.float32;
    tensors.set(value, float32(dims, base.data.subarray(start, start + elementCount(dims))));
  }
  return tensors;
}
