import type { ByteSource } from "@masklet/core";
import {
  abortable,
  BackendError,
  bytesSource,
  type Capabilities,
  type CompileOptions,
  checkKeys,
  type DeviceTensor,
  DeviceTensors,
  elementCount,
  freeAll,
  type Graph,
  GraphError,
  type HostTensor,
  type OpValue,
  type PreparedGraph,
  prepareGraph,
  signalKeys,
  validateGraph,
  type WeightStore,
} from "@masklet/core/backend";
import type { InferenceSession } from "onnxruntime-common";
import { messageOf } from "./errors.ts";
import { CompiledGraph } from "./executable.ts";
import { lowerGraph, opsets } from "./onnx/lower.ts";
import { orderForRuntime } from "./onnx/order.ts";
import { placeWeights } from "./onnx/weights.ts";
import { writeModel } from "./onnx/writer.ts";
import { type OnnxModel, openOnnxModel } from "./onnx-model.ts";
import { saturates } from "./probe.ts";
import { Room } from "./room.ts";
import type { OrtBackend, OrtExecutable, OrtHost } from "./runtime.ts";
import { FOLDER, withSettings } from "./session-options.ts";
import { hostTensor, type OrtTensor } from "./tensor.ts";

/** The version of the file format that goes with `opsets`. */
const IR_VERSION = 10;

/** A backend on the host that an entry point describes. */
export function createBackend(host: OrtHost): OrtBackend {
  return new HostedBackend(host);
}

/** A graph's session. */
interface Opened {
  readonly session: InferenceSession;
  /** The session's tensor for each of the graph's outputs. */
  readonly outputNames: Readonly<Record<string, string>>;
  /** Where the device has a limit. */
  readonly room?: Room;
}

class HostedBackend implements OrtBackend {
  readonly name = "ort";
  readonly contract = 1;
  readonly capabilities: Capabilities;
  readonly #host: OrtHost;
  readonly #tensors = new DeviceTensors<OrtTensor>();
  readonly #executables = new Set<CompiledGraph>();
  readonly #models = new Set<OnnxModel>();
  #saturates: Promise<boolean> | undefined;
  #disposed = false;
  #released: Promise<void> | undefined;

  constructor(host: OrtHost) {
    this.capabilities = host.capabilities;
    this.#host = host;
  }

  get liveTensors(): number {
    return this.#tensors.size;
  }

  async compile(graph: Graph, weights: WeightStore, options: CompileOptions = {}): Promise<OrtExecutable> {
    const { staticDims = {}, signal, onProgress } = options;
    this.#requireAlive("compile");
    signal?.throwIfAborted();
    try {
      validateGraph(graph);
      const folds = this.#host.sessionOptions.graphOptimizationLevel !== "disabled";
      const prepared = await prepareGraph(graph, weights, { ...options, ...(folds && { leave: isLarge }) });
      const profiling = await this.#host.profiling?.();
      const { session, outputNames, room } = await this.#open(prepared, options, profiling?.sessionOptions).catch(
        async (error: unknown) => {
          await profiling?.discard();
          throw error;
        },
      );
      if (this.#disposed) {
        await session.release();
        await profiling?.discard();
      }
      this.#requireAlive("compile");
      onProgress?.({ loaded: prepared.totalBytes, total: prepared.totalBytes });
      const { name, signature } = prepared;
      const executable = new CompiledGraph(
        { name, signature, staticDims, outputNames, session, ...(profiling && { profiling }), ...(room && { room }) },
        {
          host: this.#host,
          tensors: this.#tensors,
          forget: (disposed) => this.#executables.delete(disposed),
        },
      );
      this.#executables.add(executable);
      return executable;
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      throw new BackendError("compile-failed", `ort: ${error.message}`, { cause: error });
    }
  }

  async openModel(source: ByteSource | Uint8Array, options: Pick<CompileOptions, "signal"> = {}): Promise<OnnxModel> {
    checkKeys("openModel", options, signalKeys);
    const { signal } = options;
    const bytes = source instanceof Uint8Array ? bytesSource(source) : source;
    const model = await openOnnxModel(this.#host, bytes, {
      alive: () => this.#requireAlive("openModel"),
      forget: (disposed) => this.#models.delete(disposed),
      ...(signal && { signal }),
    });
    if (this.#disposed) await model.dispose();
    this.#requireAlive("openModel");
    this.#models.add(model);
    return model;
  }

  upload(tensor: HostTensor): DeviceTensor {
    this.#requireAlive("upload");
    return this.#tensors.hold(hostTensor(this.#host, { ...tensor, data: tensor.data.slice() }, "upload", true));
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#released ??= freeAll("the ONNX Runtime backend", [
      ...Array.from(this.#executables, (executable) => () => executable.dispose()),
      ...Array.from(this.#models, (model) => () => model.dispose()),
      () => this.#tensors.dispose(),
      () => this.#host.release?.(),
    ]);
    await this.#released;
  }

  /** A session of a model that is kept ready, or else of one that is built now, and kept. */
  async #open(
    prepared: PreparedGraph,
    options: CompileOptions,
    profiling: InferenceSession.SessionOptions | undefined,
  ): Promise<Opened> {
    const { modelCache, sessionOptions } = this.#host;
    const key = await modelCache?.keyOf(prepared, options.staticDims ?? {});
    if (modelCache === undefined || key === undefined) return this.#build(prepared, options, profiling);
    const kept = await modelCache.find(key);
    let refused = false;
    if (kept !== undefined) {
      const { model, folder, outputNames } = kept;
      const extra = withSettings(sessionOptions.extra, { [FOLDER]: folder });
      const ready = { ...profiling, graphOptimizationLevel: "disabled", extra } as const;
      try {
        return { outputNames, session: await this.#createSession(prepared.name, model, ready, options.signal) };
      } catch (error) {
        if (!isRefused(error)) throw error;
        refused = true; // damaged, or there was no memory for it: which one shows when it is built
      }
    }
    const saved = await modelCache.begin(key);
    if (saved === undefined) return this.#build(prepared, options, profiling);
    const extra = withSettings(sessionOptions.extra, {
      optimized_model_external_initializers_file_name: saved.weights,
    });
    try {
      const saving = { ...profiling, optimizedModelFilePath: saved.path, extra };
      const built = await this.#build(prepared, options, saving);
      if (refused) await modelCache.remove(key);
      await saved.commit(built.outputNames);
      return built;
    } catch (error) {
      await saved.discard();
      if (!isRefused(error)) throw error;
      return await this.#build(prepared, options, profiling); // the disk may be full
    }
  }

  async #build(
    prepared: PreparedGraph,
    { staticDims = {}, signal }: CompileOptions,
    settings: InferenceSession.SessionOptions | undefined,
  ): Promise<Opened> {
    const { target, attention, shareFolder, sessionOptions } = this.#host;
    const bytes = await this.#bytes(prepared);
    const placed = await placeWeights(prepared, {
      formatOf: (bits) => (bits === 8 && bytes) || "blocks",
      ...(shareFolder && { shareFolder }),
      ...(signal && { signal }),
    });
    const { nodes, constants, outputNames, scratch, ...lowered } = lowerGraph(prepared, {
      target,
      ...(attention && { attention }),
      staticDims,
      initializerNames: placed.names,
      rounded: placed.rounded,
      multipliesBytes: bytes === "int8",
    });
    // What is saved is in the order of running, which is turned once more when it is loaded.
    const ordered = settings?.optimizedModelFilePath === undefined ? orderForRuntime(nodes) : nodes;
    const graph = { name: prepared.name, nodes: ordered, ...lowered, initializers: [...placed.tensors, ...constants] };
    const model = writeModel({ irVersion: IR_VERSION, opsets, producer: "masklet", graph });
    const { maxTensorBytes } = this.capabilities;
    const room = maxTensorBytes === undefined ? undefined : new Room(prepared, scratch, maxTensorBytes);
    room?.check(staticDims);
    const { external } = placed;
    const extra = settings?.extra ?? sessionOptions.extra;
    const where: InferenceSession.SessionOptions =
      external.kind === "folder"
        ? { extra: withSettings(extra, { [FOLDER]: external.folder }) }
        : { externalData: external.buffers };
    const session = await this.#createSession(prepared.name, model, { ...settings, ...where }, signal);
    return { session, outputNames, ...(room && { room }) };
  }

  /** What the CPU best multiplies unsigned bytes with, if the graph has such products; asks the runtime once. */
  async #bytes({ values }: PreparedGraph): Promise<"int8" | "uint8" | undefined> {
    const { target, ort, sessionOptions, lock } = this.#host;
    const any = values.some(({ source: { node } }) => {
      return node.kind === "quantizedLinear"
        ? node.attributes.bits === 8
        : node.kind === "attention" && node.attributes.scoreBits === 8;
    });
    if (!any || target !== "cpu") return undefined;
    this.#saturates ??= lock.run(() => saturates(ort, sessionOptions));
    return (await this.#saturates) ? "uint8" : "int8";
  }

  async #createSession(
    name: string,
    model: Uint8Array,
    settings: InferenceSession.SessionOptions,
    signal: CompileOptions["signal"],
  ): Promise<InferenceSession> {
    const { ort, lock, sessionOptions, lost } = this.#host;
    const created = lock.run(async () => {
      signal?.throwIfAborted();
      lost?.throwIfAborted();
      try {
        const creating = ort.InferenceSession.create(model, { ...sessionOptions, ...settings });
        return await abortable(creating, lost, (late) => late.release());
      } catch (cause) {
        lost?.throwIfAborted();
        throw new BackendError("compile-failed", `${name}: ONNX Runtime refused the model: ${messageOf(cause)}`, {
          cause,
          details: { graph: name, device: this.capabilities.device },
        });
      }
    });
    return abortable(created, signal, (late) => late.release());
  }

  #requireAlive(call: string): void {
    if (this.#disposed) throw new BackendError("disposed", `${call}: the ONNX Runtime backend is disposed`);
    this.#host.lost?.throwIfAborted();
  }
}

/**
 * Constants of a megabyte and more are left to ONNX Runtime, which computes them when a session is created: in a
 * fraction of the reference kernels' time, and they need not be written into the model. Smaller ones take no time, and
 * the reference kernels round once.
 */
function isLarge({ dims }: OpValue): boolean {
  return elementCount(dims as readonly number[]) >= 2 ** 18;
}

function isRefused(error: unknown): boolean {
  return error instanceof BackendError && error.code === "compile-failed";
}
