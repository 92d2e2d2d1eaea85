import type { ByteSource } from "@masklet/core";
import type {
  AbortSignalLike,
  Backend,
  Capabilities,
  DimBindings,
  Executable,
  PreparedGraph,
  Queue,
} from "@masklet/core/backend";
import type { env, InferenceSession, Tensor } from "onnxruntime-common";
import type { AttentionOptions, Target } from "./onnx/lower.ts";
import type { SharedFolder } from "./onnx/weights.ts";
import type { OnnxModel } from "./onnx-model.ts";
import type { Profile, Profiling } from "./profile.ts";

/** What the backend uses of ONNX Runtime: `onnxruntime-node` and `onnxruntime-web`, imported whole, both fit. */
export interface OrtRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: typeof Tensor;
  readonly env: typeof env;
}

/** Where ONNX Runtime computes. */
export type OrtDevice = "cpu" | "webgpu" | "cuda" | "coreml" | "dml" | "wasm";

/** Settings of ONNX Runtime that both entries take. */
export interface OrtTuning {
  /** Threads that share the work of one operation. */
  readonly threads?: number;
  /** Keep freed memory for later allocations. Default true: without it each run pays for fresh pages. */
  readonly arena?: boolean;
  /** Allocate a run's memory as one block, once its shapes are known. Default false: it is no faster, and takes more. */
  readonly memoryPattern?: boolean;
  /** How far ONNX Runtime rewrites the graph. Default "all". */
  readonly graphOptimization?: "disabled" | "basic" | "extended" | "all";
}

/** The ONNX Runtime backend. */
export interface OrtBackend extends Backend {
  compile(...args: Parameters<Backend["compile"]>): Promise<OrtExecutable>;
  /** Device tensors that were made and not disposed of yet. */
  readonly liveTensors: number;
  /**
   * Opens an ONNX file that somebody else made, to be run as it is: bytes, or what `fileSource` of `@masklet/core/node` and
   * `cachedSource` of `@masklet/core/web` open, which is closed in any case. Weights in other files are found beside a
   * source that has a path. The model is disposed of with the backend.
   *
   * Rejects as the source does, with a `BackendError` "compile-failed" for what ONNX Runtime refuses, and with the
   * signal's reason.
   */
  openModel(source: ByteSource | Uint8Array, options?: { readonly signal?: AbortSignalLike }): Promise<OnnxModel>;
}

/** A compiled graph on ONNX Runtime. */
export interface OrtExecutable extends Executable {
  /**
   * Ends profiling and returns the time of every node so far; only for a backend made with `profile: true`, once. Rejects
   * with a `BackendError` ("unsupported") otherwise.
   */
  endProfile(): Promise<Profile>;
}

/** Models as the runtime optimised them, kept between processes. Nothing of it rejects. */
export interface ModelCache {
  /** What a model is kept under; `undefined` if it cannot be told by its files. */
  keyOf(graph: PreparedGraph, staticDims: DimBindings): Promise<string | undefined>;
  find(key: string): Promise<KeptModel | undefined>;
  remove(key: string): Promise<void>;
  /** Room for a model that is not kept yet, if there is any. */
  begin(key: string): Promise<SavedModel | undefined>;
}

/** A model that is ready to run. */
export interface KeptModel {
  readonly model: Uint8Array;
  /** Where its weights lie. */
  readonly folder: string;
  /** The session's tensor for each of the graph's outputs. */
  readonly outputNames: Readonly<Record<string, string>>;
}

/** Where the runtime puts a model when it makes a session, and what is to follow. */
export interface SavedModel {
  readonly path: string;
  /** The file of its weights, beside it. */
  readonly weights: string;
  commit(outputNames: KeptModel["outputNames"]): Promise<void>;
  discard(): Promise<void>;
}

/** What an entry point knows of its host, for the parts that do not. */
export interface OrtHost {
  readonly ort: OrtRuntime;
  readonly capabilities: Capabilities;
  readonly target: Target;
  readonly attention?: AttentionOptions;
  readonly sessionOptions: InferenceSession.SessionOptions;
  /** One create or run at a time among all that share it. */
  readonly lock: Queue;
  /** Aborted, with a `BackendError` as its reason, when the device goes away. */
  readonly lost?: AbortSignalLike;
  /** Gives the device back, when nothing is left on it. */
  readonly release?: () => Promise<void>;
  /** Where the runtime can read files by itself. */
  readonly shareFolder?: (paths: readonly string[]) => Promise<SharedFolder | undefined>;
  /** Where optimised models are kept. */
  readonly modelCache?: ModelCache;
  /** Where profiles are asked for. */
  readonly profiling?: () => Promise<Profiling>;
}
