import { type AbortSignalLike, abortable } from "./abort.ts";
import type { Backend, Executable } from "./backend/backend.ts";
import { requireContract } from "./backend/contract.ts";
import { type ByteSource, bytesSource } from "./checkpoint/byte-source.ts";
import { identify, openCheckpoint, recognise } from "./checkpoint/load.ts";
import { verifyChecksums, type WeightStore } from "./checkpoint/weight-store.ts";
import { BackendError, StateError } from "./errors.ts";
import { freeAll } from "./free.ts";
import type { Graph, Value } from "./graph/graph.ts";
import type { Sam2Config } from "./model/config.ts";
import { type GraphName, graphBuilders } from "./model/graphs.ts";
import { checkInventory } from "./model/inventory.ts";
import { type Precision, withPrecision } from "./model/precision.ts";
import { checkAwaited, checkKeys, type Keys } from "./options.ts";
import type { ImageReader } from "./predict/image-reader.ts";
import { type LoadProgress, type LoadStage, share, within } from "./progress.ts";
import { type DeviceTensor, elementCount, type HostTensor } from "./tensor/tensor.ts";

/** `Source` is what `readImage` opens; nothing where there is none. */
export interface LoadOptions<Source = never> {
  /** What computes: `createOrtBackend()` of `@masklet/backend-ort`, for instance. It stays the caller's to dispose. */
  readonly backend: Backend;
  /** What it computes in, of the backend's `capabilities.dtypes`. Default "fp32". */
  readonly dtype?: Precision;
  /**
   * The model's sizes, where the checkpoint's tensors do not show which model it is (see `parseConfig`). A function is
   * asked only then.
   */
  readonly config?: Sam2Config | (() => Promise<Sam2Config>);
  /** Opens the images that predictors of this model are given, beside pixels. `loadSam2` of each host's entry has its own. */
  readonly readImage?: ImageReader<Source>;
  readonly signal?: AbortSignalLike;
  /** Of all that loading takes: `item` is a file while it is downloaded, and a graph while that is compiled. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

type CompileGraphOptions = Pick<LoadOptions, "signal" | "onProgress">;

/**
 * A SAM 2 model, ready to run on one backend. Predictors share it; it must outlive them. They open images from `Source`,
 * beside pixels: paths, addresses, elements, by the entry that it was loaded with.
 */
export class Sam2<Source = never> {
  readonly config: Sam2Config;
  /** How errors call the checkpoint: its path, or "bytes". */
  readonly source: string;
  /** What it computes in. */
  readonly dtype: Precision;
  /** Opens images that are no pixels yet. */
  readonly readImage: ImageReader<Source> | undefined;
  readonly #backend: Backend;
  readonly #weights: WeightStore;
  readonly #compiled = new Map<GraphName, Promise<Executable>>();
  #disposing: Promise<void> | undefined;
  #sha256: Promise<string | undefined> | undefined;

  private constructor(
    weights: WeightStore,
    config: Sam2Config,
    { backend, dtype = "fp32", readImage }: LoadOptions<Source>,
  ) {
    this.#weights = weights;
    this.config = config;
    this.dtype = dtype;
    this.readImage = readImage;
    this.source = weights.name;
    this.#backend = backend;
  }

  /** Loads from named tensors that are already at hand; the model closes `weights`, also when this fails. */
  static async fromWeights<Source = never>(weights: WeightStore, options: LoadOptions<Source>): Promise<Sam2<Source>> {
    checkLoadOptions(options);
    return abortable(Sam2.#load(weights, options), options.signal, (late) => late.dispose());
  }

  static async #load<Source>(weights: WeightStore, options: LoadOptions<Source>): Promise<Sam2<Source>> {
    const { backend, config: given, dtype = "fp32", signal, onProgress } = options;
    let model: Sam2<Source> | undefined;
    try {
      requireContract(backend);
      requireDtype(backend, dtype);
      const config = typeof given === "function" ? (recognise(weights) ?? (await given())) : identify(weights, given);
      checkInventory(weights, config);
      await verifyChecksums(weights, signal && { signal });
      model = new Sam2<Source>(weights, config, options);
      const names = ["imageEncoder", "maskDecoder"] as const;
      const sizes = names.map((name) => weightCount(graphBuilders[name](config)));
      const all = sizes.reduce((sum, size) => sum + size, 0);
      let done = 0;
      for (const [i, name] of names.entries()) {
        signal?.throwIfAborted();
        const from = share(done, all);
        done += sizes[i] as number;
        const report = onProgress && within<LoadStage>(onProgress, from, share(done, all));
        await model.#compile(name, { ...(signal && { signal }), ...(report && { onProgress: report }) });
      }
      return model;
    } catch (error) {
      await (model === undefined ? weights.close() : model.dispose());
      throw error;
    }
  }

  /** The backend's name, "ort" for instance. */
  get backendName(): string {
    return this.#backend.name;
  }

  /**
   * The SHA-256 of the checkpoint, lower-case hexadecimal, computed once: which weights these are, wherever they lie.
   * `undefined` where nobody can tell: weights that came from no file, one that is gone, a Blob of more than 256 MiB, a page
   * that is not secure.
   */
  sha256(): Promise<string | undefined> {
    this.#sha256 ??= (async () => this.#weights.sha256?.())().catch(() => undefined);
    return this.#sha256;
  }

  /**
   * One of the model's graphs, compiled when it is first asked for, and again where a run has broken it. Aborting rejects
   * at once; the compilation goes on for whoever asks next.
   */
  async executable(name: GraphName, options: CompileGraphOptions = {}): Promise<Executable> {
    checkKeys("executable", options, compileKeys);
    const { signal, onProgress } = options;
    this.#requireAlive();
    const known = this.#compiled.get(name);
    const compiled =
      known === undefined ? this.#compile(name, onProgress && { onProgress }) : this.#working(name, known);
    return abortable(compiled, signal);
  }

  /** What is compiled, or what replaces it once it is broken. */
  async #working(name: GraphName, known: Promise<Executable>): Promise<Executable> {
    const executable = await known;
    if (executable.broken !== true) return executable;
    if (this.#compiled.get(name) === known) {
      executable.dispose().catch(() => {}); // it has failed already
      this.#compile(name);
    }
    return this.#compiled.get(name) ?? this.executable(name);
  }

  #compile(name: GraphName, { signal, onProgress }: CompileGraphOptions = {}): Promise<Executable> {
    const graph = withPrecision(graphBuilders[name](this.config), this);
    const compiled = this.#backend.compile(graph, this.#weights, {
      ...(signal && { signal }),
      ...(onProgress && {
        onProgress: ({ loaded, total }) =>
          onProgress({ stage: "compile", item: name, loaded, total, fraction: share(loaded, total) }),
      }),
    });
    this.#compiled.set(name, compiled);
    compiled.catch(() => this.#compiled.delete(name));
    return compiled;
  }

  /** A tensor on the model's device; the caller disposes of it. */
  upload(tensor: HostTensor): DeviceTensor {
    this.#requireAlive();
    return this.#backend.upload(tensor);
  }

  /**
   * One of the checkpoint's tensors, by its official key: the few that the host computes with. Rejects as
   * `WeightStore.read`.
   */
  async weight(name: string): Promise<HostTensor<"float32">> {
    this.#requireAlive();
    return this.#weights.read(name);
  }

  /**
   * Frees the compiled graphs, after the runs under way, and closes the checkpoint. May be called more than once. Rejects
   * with a `MaskletError` "dispose-failed" once everything has been tried.
   */
  dispose(): Promise<void> {
    this.#disposing ??= this.#free();
    return this.#disposing;
  }

  #requireAlive(): void {
    if (this.#disposing === undefined) return;
    throw new StateError("disposed", `Sam2 (${this.source}) is disposed`);
  }

  async #free(): Promise<void> {
    const compiled = await Promise.allSettled(this.#compiled.values());
    await freeAll(`Sam2 (${this.source})`, [
      ...compiled.map((graph) => () => (graph.status === "fulfilled" ? graph.value.dispose() : undefined)),
      () => this.#weights.close(),
    ]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/**
 * Loads a checkpoint: Meta's `.pt`, `.safetensors`, or transformers' `model.safetensors`, recognised by its bytes.
 *
 * Rejects with a `CheckpointError` for a file that is damaged or is another model, and a `BackendError` where the
 * runtime fails, does not compute in `dtype` ("dtype-unsupported") or was written for another version of core
 * ("contract-mismatch"); nothing stays open or allocated then. Aborting rejects at once with the signal's reason; what
 * was opened is closed when the step under way has ended.
 */
export async function loadSam2<Source = never>(
  source: ByteSource | Uint8Array,
  options: LoadOptions<Source>,
): Promise<Sam2<Source>> {
  checkAwaited("loadSam2", "the source", source);
  checkLoadOptions(options);
  const bytes = source instanceof Uint8Array ? bytesSource(source) : source;
  const open = async (): Promise<WeightStore> => {
    try {
      options.signal?.throwIfAborted();
      return await openCheckpoint(bytes, options.signal && { signal: options.signal });
    } catch (error) {
      await bytes.close?.();
      throw error;
    }
  };
  // What is still being opened when the signal aborts is closed by `fromWeights`, which sees the signal too.
  return abortable(
    open().then((weights) => Sam2.fromWeights(weights, options)),
    options.signal,
    (late) => late.dispose(),
  );
}

/** Elements of the checkpoint's tensors that a graph refers to. */
function weightCount({ values }: Graph): number {
  const tensors = new Map<string, number>();
  for (const value of values) {
    for (const { source } of value.source.node.inputs as readonly Value[]) {
      if (source.from === "weight") tensors.set(source.key, elementCount(source.keyDims));
    }
  }
  return [...tensors.values()].reduce((sum, count) => sum + count, 0);
}

/** Throws as `checkKeys`, and a `MaskletError` "not-awaited" for a backend that is a Promise. */
export function checkLoadOptions(options: LoadOptions): void {
  checkKeys("loadSam2", options, loadKeys);
  checkAwaited("loadSam2", "the backend", options.backend);
}

const compileKeys: Keys<CompileGraphOptions> = { signal: true, onProgress: true };
const loadKeys: Keys<LoadOptions> = {
  backend: true,
  dtype: true,
  config: true,
  readImage: true,
  signal: true,
  onProgress: true,
};

function requireDtype({ name, capabilities: { device, dtypes } }: Backend, dtype: Precision): void {
  if (dtypes.includes(dtype)) return;
  const problem = `the ${name} backend on ${device} computes in ${dtypes.join(", ")}, not in ${dtype}`;
  throw new BackendError("dtype-unsupported", `load: ${problem}`, { details: { dtype, device, available: dtypes } });
}
