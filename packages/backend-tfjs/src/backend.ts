import {
  abortable,
  BackendError,
  type Capabilities,
  type CompileOptions,
  type DeviceTensor,
  DeviceTensors,
  type Executable,
  type Graph,
  GraphError,
  type HostTensor,
  prepareGraph,
  validateGraph,
  type WeightStore,
} from "@masklet/core/backend";
import type { Engine } from "./engine.ts";
import { messageOf, noRoundedWeights, tfDtype } from "./errors.ts";
import { CompiledGraph } from "./executable.ts";
import type { TfjsBackend } from "./public.ts";
import { type TfjsTensor, uploadTensor } from "./tensor.ts";
import { placeWeights } from "./weights.ts";

/** A backend on a started engine. `pause` lets the host's other events have a turn. */
export function createBackend(engine: Engine, pause: () => Promise<void>): TfjsBackend {
  return new EngineBackend(engine, pause);
}

class EngineBackend implements TfjsBackend {
  readonly name = "tfjs";
  readonly contract = 1;
  readonly capabilities: Capabilities;
  readonly #engine: Engine;
  readonly #pause: () => Promise<void>;
  readonly #tensors = new DeviceTensors<TfjsTensor>();
  readonly #executables = new Set<CompiledGraph>();
  #disposed = false;

  constructor(engine: Engine, pause: () => Promise<void>) {
    const { maxTensorBytes } = engine.traits;
    this.#engine = engine;
    this.#pause = pause;
    this.capabilities = {
      device: engine.engine,
      deviceTensors: true,
      dtypes: ["fp32"],
      fusedOps: ["linear", "conv2d", ...(engine.own ? (["attention", "gelu", "layerNormalization"] as const) : [])],
      ...(maxTensorBytes !== undefined && { maxTensorBytes }),
    };
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
      if (graph.values.some(({ source }) => source.node.kind === "quantizedLinear")) throw noRoundedWeights();
      for (const { dtype } of graph.values) tfDtype(dtype);
      const prepared = await prepareGraph(graph, weights, options);
      const placing = placeWeights(this.#engine, prepared, weights, options);
      const placed = await abortable(placing, signal, (late) => late.dispose());
      if (this.#disposed) placed.dispose();
      this.#requireAlive("compile");
      options.onProgress?.({ loaded: prepared.totalBytes, total: prepared.totalBytes });
      const executable = new CompiledGraph(
        { graph: prepared, staticDims, weights: placed },
        {
          engine: this.#engine,
          pause: this.#pause,
          tensors: this.#tensors,
          forget: (disposed) => this.#executables.delete(disposed),
        },
      );
      this.#executables.add(executable);
      return executable;
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      throw new BackendError("compile-failed", `tfjs: ${messageOf(error)}`, { cause: error });
    }
  }

  upload(tensor: HostTensor): DeviceTensor {
    this.#requireAlive("upload");
    return this.#tensors.hold(uploadTensor(this.#engine, tensor, "upload"));
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all(Array.from(this.#executables, (executable) => executable.dispose()));
    await this.#tensors.dispose();
  }

  #requireAlive(call: string): void {
    if (this.#disposed) throw new BackendError("disposed", `${call}: the TensorFlow.js backend is disposed`);
  }
}
