import {
  BackendError,
  byteSize,
  type CompileOptions,
  elementCount,
  float32,
  type HostTensor,
  type Initializer,
  type OpNode,
  type PreparedGraph,
  type Value,
  type ValueDType,
  type WeightStore,
} from "@masklet/core/backend";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import { messageOf } from "./errors.ts";
import { arrange, type Layout, layoutOf } from "./layout.ts";

/** A graph's initializers on the device, each in the layouts that its uses want. */
export class DeviceWeights {
  readonly #initializers: PreparedGraph["initializers"];
  readonly #tensors = new Map<Initializer, Map<Layout | undefined, Tensor>>();
  readonly #constants = new Map<string, Tensor>();
  readonly #engine: Engine;

  constructor(engine: Engine, { initializers }: PreparedGraph) {
    this.#engine = engine;
    this.#initializers = initializers;
  }

  /** The shape of an initializer, in the graph's layout. */
  dims(value: Value): readonly number[] | undefined {
    return this.#initializers.has(value) ? (value.dims as readonly number[]) : undefined;
  }

  /** The tensor of an initializer that a node or an output uses; `undefined` for other values. */
  find(value: Value, layout: Layout | undefined): Tensor | undefined {
    const initializer = this.#initializers.get(value);
    return initializer && this.#tensors.get(initializer)?.get(layout);
  }

  /** A tensor that depends on attributes alone. */
  constant(key: string, make: () => HostTensor<"float32">): Tensor {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const { dims, data } = make();
    const tensor = this.#keep(this.#engine.make(data, dims, "float32"));
    this.#constants.set(key, tensor);
    return tensor;
  }

  /** Puts one initializer on the device. Synchronous work of the engine, which must be current. */
  place(
    initializer: Initializer,
    { dims, dtype, data }: HostTensor,
    uses: ReadonlyMap<Layout | undefined, number>,
  ): void {
    const { ops: tf } = this.#engine;
    const what = `weight ${initializer.name}`;
    this.#engine.requireRoom(what, dims, dtype as ValueDType, uses.size + 1);
    const placed = new Map<Layout | undefined, Tensor>();
    this.#tensors.set(initializer, placed);
    const plain = this.#engine.make(data as Float32Array | Int32Array | Uint8Array, dims, dtype as ValueDType);
    for (const [layout, groups] of uses) {
      if (layout === undefined) continue;
      placed.set(layout, this.#keep(tf.tidy(() => arrange(tf, plain, layout, groups))));
    }
    if (uses.has(undefined)) placed.set(undefined, this.#keep(plain));
    else plain.dispose();
  }

  dispose(): void {
    for (const placed of this.#tensors.values()) for (const tensor of placed.values()) tensor.dispose();
    for (const tensor of this.#constants.values()) tensor.dispose();
    this.#tensors.clear();
    this.#constants.clear();
  }

  #keep(tensor: Tensor): Tensor {
    return this.#engine.tf.engine().keep(tensor);
  }
}

/** The layouts that each initializer is used in, with the `groups` of the convolution that wants it. */
function usesOf(
  graph: PreparedGraph,
  engine: Engine,
): ReadonlyMap<Initializer, ReadonlyMap<Layout | undefined, number>> {
  const uses = new Map<Initializer, Map<Layout | undefined, number>>();
  const use = (value: Value, layout: Layout | undefined, groups = 1): void => {
    const initializer = graph.initializers.get(value);
    if (initializer === undefined) return;
    const known = uses.get(initializer) ?? new Map<Layout | undefined, number>();
    uses.set(initializer, known.set(layout, groups));
  };
  for (const { source } of graph.values) {
    const node = source.node as OpNode;
    (node.inputs as readonly Value[]).forEach((input, i) => {
      use(input, layoutOf(node, i, engine), groupsOf(node));
    });
  }
  for (const output of Object.values(graph.outputs)) use(output, undefined);
  return uses;
}

/** The groups of a convolution, 1 for all else. */
export function groupsOf(node: OpNode): number {
  return node.kind === "conv2d" ? (node as OpNode<"conv2d">).attributes.groups : 1;
}

/**
 * Reads a prepared graph's weights and puts them on the device, one tensor of the checkpoint at a time: a second copy
 * exists of that one alone. What was placed is freed when it fails.
 */
export async function placeWeights(
  engine: Engine,
  graph: PreparedGraph,
  store: WeightStore,
  { signal, onProgress }: CompileOptions,
): Promise<DeviceWeights> {
  const weights = new DeviceWeights(engine, graph);
  const uses = usesOf(graph, engine);
  const placing = (tensors: readonly (readonly [Initializer, HostTensor])[]): Promise<void> =>
    engine.lock.run(async () => {
      await engine.activate();
      try {
        await engine.submit(() => {
          for (const [initializer, tensor] of tensors) {
            weights.place(initializer, tensor, uses.get(initializer) ?? new Map());
          }
        });
      } catch (cause) {
        if (cause instanceof BackendError) throw cause;
        throw new BackendError("compile-failed", `${graph.name}: TensorFlow.js refused a weight: ${messageOf(cause)}`, {
          cause,
        });
      }
    });
  const inMemory: [Initializer, HostTensor][] = [];
  const inFile = new Map<string, Set<Initializer & { readonly from: "weight" }>>();
  for (const initializer of graph.initializers.values()) {
    if (initializer.from === "tensor") inMemory.push([initializer, initializer.tensor]);
    else {
      const { name } = initializer.entry;
      inFile.set(name, (inFile.get(name) ?? new Set()).add(initializer));
    }
  }
  try {
    await placing(inMemory);
    let loaded = graph.loadedBytes;
    for (const [name, initializers] of inFile) {
      signal?.throwIfAborted();
      const { data } = await store.read(name, signal && { signal });
      const views = [...initializers].map((initializer) => {
        const { entry, byteOffset, dims } = initializer;
        const start = (byteOffset - entry.offset) / byteSize.float32;
        return [initializer, float32(dims, data.subarray(start, start + elementCount(dims)))] as const;
      });
      await placing(views);
      loaded += [...initializers][0]?.entry.byteLength ?? 0;
      onProgress?.({ loaded: Math.min(loaded, graph.totalBytes), total: graph.totalBytes });
    }
    signal?.throwIfAborted();
    return weights;
  } catch (error) {
    weights.dispose();
    throw error;
  }
}
