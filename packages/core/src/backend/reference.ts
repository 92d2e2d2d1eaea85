import { abortable } from "../abort.ts";
import type { WeightStore } from "../checkpoint/weight-store.ts";
import { BackendError, GraphError } from "../errors.ts";
import type { DimBindings } from "../graph/dim.ts";
import { bindFeeds, checkOutputs } from "../graph/feeds.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { liveness, neededFor } from "../graph/liveness.ts";
import { loadInitializers, type PreparedGraph, prepareGraph } from "../graph/prepare.ts";
import { validateGraph } from "../graph/validate.ts";
import { checkKeys, type Keys } from "../options.ts";
import type { DType, TensorData } from "../tensor/dtype.ts";
import type { DeviceTensor, HostTensor, Tensor } from "../tensor/tensor.ts";
import type { Backend, Capabilities, CompileOptions, Executable, RunOptions, Signature } from "./backend.ts";
import { checkHostTensor, DeviceTensors, disposeAll, RuntimeTensor } from "./device-tensors.ts";
import { evaluateNode } from "./reference-kernels.ts";

export interface ReferenceBackendOptions {
  /**
   * Awaited before every operation. Give one that lets the host's events in (a resolved timer) to make long runs
   * abortable from outside and keep a page alive; by default only other promises get a turn.
   */
  readonly pause?: () => Promise<void>;
}

/** The backend that defines what operations mean. */
export interface ReferenceBackend extends Backend {
  /** Device tensors that were made and not disposed of yet. */
  readonly liveTensors: number;
}

/** Plain TypeScript, everywhere, slow: the oracle for other backends. */
export function createReferenceBackend(options: ReferenceBackendOptions = {}): ReferenceBackend {
  checkKeys("createReferenceBackend", options, referenceKeys);
  return new Reference(options);
}

class Reference implements ReferenceBackend {
  readonly name = "reference";
  readonly contract = 1;
  readonly capabilities: Capabilities = {
    device: "cpu",
    deviceTensors: true,
    dtypes: ["fp32", "fp16", "q8", "q4"],
    fusedOps: ["linear", "quantizedLinear", "attention", "layerNormalization", "gelu", "conv2d", "resample2d"],
  };
  readonly #pause: () => Promise<void>;
  readonly #tensors = new DeviceTensors<ReferenceTensor>();
  readonly #executables = new Set<ReferenceExecutable>();
  #disposed = false;

  constructor({ pause = async () => {} }: ReferenceBackendOptions) {
    this.#pause = pause;
  }

  get liveTensors(): number {
    return this.#tensors.size;
  }

  async compile(graph: Graph, weights: WeightStore, options: CompileOptions = {}): Promise<Executable> {
    const { staticDims = {}, signal } = options;
    this.#requireAlive("compile");
    signal?.throwIfAborted();
    try {
      validateGraph(graph);
      const prepared = await prepareGraph(graph, weights, options);
      const tensors = await loadInitializers(prepared, weights, options);
      this.#requireAlive("compile");
      const executable = new ReferenceExecutable(prepared, tensors, staticDims, {
        pause: this.#pause,
        tensors: this.#tensors,
        forget: () => this.#executables.delete(executable),
      });
      this.#executables.add(executable);
      return executable;
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      throw new BackendError("compile-failed", `reference: ${error.message}`, { cause: error });
    }
  }

  upload(tensor: HostTensor): DeviceTensor {
    this.#requireAlive("upload");
    checkHostTensor(tensor, "upload");
    return this.#tensors.hold(copyOf(tensor));
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all(Array.from(this.#executables, (executable) => executable.dispose()));
    await this.#tensors.dispose();
  }

  #requireAlive(call: string): void {
    if (this.#disposed) throw new BackendError("disposed", `${call}: the reference backend is disposed`);
  }
}

class ReferenceTensor extends RuntimeTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly contents: HostTensor;

  constructor(contents: HostTensor) {
    super();
    this.dtype = contents.dtype;
    this.dims = contents.dims;
    this.contents = contents;
  }

  async read(): Promise<TensorData> {
    return this.contents.data.slice();
  }

  protected free(): void {} // it is collected, so nobody need release it either
}

/** What an executable needs of its backend. */
interface Host {
  readonly pause: () => Promise<void>;
  readonly tensors: DeviceTensors<ReferenceTensor>;
  readonly forget: () => void;
}

class ReferenceExecutable implements Executable {
  readonly signature: Signature;
  readonly #graph: PreparedGraph;
  readonly #staticDims: DimBindings;
  readonly #host: Host;
  #initializers: ReadonlyMap<Value, HostTensor>;
  #lastRun: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(graph: PreparedGraph, initializers: ReadonlyMap<Value, HostTensor>, staticDims: DimBindings, host: Host) {
    this.signature = graph.signature;
    this.#graph = graph;
    this.#initializers = initializers;
    this.#staticDims = staticDims;
    this.#host = host;
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    { signal, outputs = Object.keys(this.signature.outputs) }: RunOptions = {},
  ): Promise<Record<string, DeviceTensor>> {
    const { name } = this.#graph;
    if (this.#disposed) throw new BackendError("disposed", `${name}: run after dispose`);
    signal?.throwIfAborted();
    checkOutputs(name, this.signature, outputs);
    const bindings = bindFeeds(this.signature, feeds, this.#staticDims);
    const taken = this.#host.tensors.take(feeds, (tensor) => new ReferenceTensor(tensor));
    const tensors = new Map<Value, HostTensor>(
      Object.entries(this.#graph.inputs).map(([input, value]) => [value, (taken[input] as ReferenceTensor).contents]),
    );
    const run = this.#lastRun.then(() => this.#compute(tensors, bindings, outputs, signal));
    this.#lastRun = run.catch(() => {});
    return abortable(run, signal, disposeAll);
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#lastRun;
    this.#initializers = new Map();
    this.#host.forget();
  }

  async #compute(
    tensors: Map<Value, HostTensor>,
    bindings: DimBindings,
    outputs: readonly string[],
    signal: RunOptions["signal"],
  ): Promise<Record<string, DeviceTensor>> {
    const { name, outputs: results } = this.#graph;
    const find = (value: Value): HostTensor => (tensors.get(value) ?? this.#initializers.get(value)) as HostTensor;
    const wanted = outputs.map((output): [string, Value] => [output, results[output] as Value]);
    const kept = wanted.map(([, value]) => value);
    const values = neededFor(this.#graph.values, kept);
    const freed = liveness(values, kept);
    for (const [i, value] of values.entries()) {
      await this.#host.pause();
      signal?.throwIfAborted();
      const { node } = value.source;
      try {
        tensors.set(value, evaluateNode(node, (node.inputs as readonly Value[]).map(find), bindings));
      } catch (error) {
        const where = node.scope === "" ? node.kind : `${node.scope}: ${node.kind}`;
        const problem = error instanceof Error ? error.message : String(error);
        throw new BackendError("run-failed", `${name}: ${where} failed: ${problem}`, { cause: error });
      }
      for (const done of freed[i] ?? []) tensors.delete(done);
    }
    signal?.throwIfAborted();
    // copies: a result may share memory with a feed, a weight or another output
    return Object.fromEntries(
      wanted.map(([output, value]) => {
        return [output, this.#host.tensors.hold(copyOf(find(value)))];
      }),
    );
  }
}

function copyOf({ dtype, dims, data }: HostTensor): ReferenceTensor {
  return new ReferenceTensor({ dtype, dims: [...dims], data: data.slice() });
}

const referenceKeys: Keys<ReferenceBackendOptions> = { pause: true };
