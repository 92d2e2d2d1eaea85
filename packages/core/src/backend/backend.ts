import type { AbortSignalLike } from "../abort.ts";
import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { Dim, DimBindings } from "../graph/dim.ts";
import type { Graph } from "../graph/graph.ts";
import type { OpKind, ValueDType } from "../graph/ops.ts";
import type { Precision } from "../model/precision.ts";
import type { DeviceTensor, HostTensor, Tensor } from "../tensor/tensor.ts";
import type { backendContract } from "./contract.ts";

/** What a backend says about itself; the conformance suite skips by these alone. */
export interface Capabilities {
  /** Where the numbers are computed: "cpu", "webgpu", "cuda", ... */
  readonly device: string;
  /** Whether a run's outputs stay on the device and feed another graph without passing through JavaScript. */
  readonly deviceTensors: boolean;
  /** Operations with a kernel of their own; the others are composed of several. */
  readonly fusedOps: readonly OpKind[];
  /** What models may be loaded in. */
  readonly dtypes: readonly Precision[];
  /** Largest single tensor in bytes, where there is a limit. */
  readonly maxTensorBytes?: number;
}

/** One input or output of a compiled graph. */
export interface SignatureEntry {
  readonly dtype: ValueDType;
  readonly dims: readonly Dim[];
}

/** The named inputs and outputs of a compiled graph. */
export interface Signature {
  readonly inputs: Readonly<Record<string, SignatureEntry>>;
  readonly outputs: Readonly<Record<string, SignatureEntry>>;
}

export interface CompileOptions {
  readonly signal?: AbortSignalLike;
  /** Bytes of weights read so far, and in all. */
  readonly onProgress?: (progress: { readonly loaded: number; readonly total: number }) => void;
  /** Sizes to fix for dimensions that will not change, where the runtime gains from knowing them. */
  readonly staticDims?: DimBindings;
}

export interface RunOptions {
  /**
   * Aborting rejects at once with the signal's reason. A run that cannot be stopped finishes unseen, its outputs are
   * freed, and the next run waits for it.
   */
  readonly signal?: AbortSignalLike;
  /** The outputs wanted; all by default. */
  readonly outputs?: readonly string[];
}

/** A graph made ready to run. Calls may overlap; the executable queues them as its runtime needs. */
export interface Executable {
  readonly signature: Signature;
  /** Whether a run that failed has left it unable to run again: `Sam2` compiles the graph anew then. */
  readonly broken?: boolean;
  /**
   * Runs the graph. Feeds stay the caller's; outputs are new and the caller's to dispose. Throws a `BackendError`:
   * "bad-feeds" for feeds that do not fit the signature, "run-failed" around the runtime's own error, "disposed".
   */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, DeviceTensor>>;
  /** Frees the weights, after the runs under way. May be called more than once. */
  dispose(): Promise<void>;
}

/** A runtime that compiles and runs graphs: the driver contract. `testBackend` of core/testing checks it. */
export interface Backend {
  readonly name: string;
  /**
   * The version of this contract that the backend was written for: a literal, not `backendContract`, so that a core that
   * counts on another version can tell.
   */
  readonly contract: typeof backendContract;
  readonly capabilities: Capabilities;
  /** Throws a `BackendError` ("compile-failed", "unsupported"), a `CheckpointError` for a weight it cannot read. */
  compile(graph: Graph, weights: WeightStore, options?: CompileOptions): Promise<Executable>;
  /** Moves a host tensor to the device. */
  upload(tensor: HostTensor): DeviceTensor;
  /** Frees all that it made. May be called more than once. */
  dispose(): Promise<void>;
}
