import {
  BackendError,
  type DeviceTensor,
  type DType,
  elementCount,
  formatDims,
  type HostTensor,
  StateError,
  type ValueDType,
} from "@masklet/core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import { tfDtype } from "./errors.ts";

/** One tensor of the runtime, which several of ours may stand for: two outputs of one value, a feed of a waiting run. */
export class Shared {
  readonly tensor: Tensor;
  readonly engine: Engine;
  #holders = 0;

  constructor(engine: Engine, tensor: Tensor) {
    this.engine = engine;
    this.tensor = tensor;
    // A `tf.tidy` of the caller's must not take it.
    engine.tf.engine().keep(tensor);
  }

  retain(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.tensor.dispose();
  }
}

/** A host tensor on the device, from a copy of its data. */
export function uploadTensor(engine: Engine, { dtype, dims, data }: HostTensor, what: string): Shared {
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    throw new BackendError("unsupported", `${what}: tensors are float32, int32 or bool, got ${dtype}`);
  }
  if (data.length !== elementCount(dims)) {
    throw new BackendError("bad-feeds", `${what} has ${data.length} elements, expected ${formatDims(dims)}`);
  }
  engine.requireDevice();
  engine.requireRoom(what, dims, dtype);
  // Some engines keep the array that they are given.
  return new Shared(engine, engine.make(data.slice() as Float32Array | Int32Array | Uint8Array, dims, dtype));
}

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** A tensor that TensorFlow.js holds. */
export class TfjsTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #onDispose: (tensor: TfjsTensor) => void;
  #shared: Shared | undefined;

  constructor(shared: Shared, onDispose: (tensor: TfjsTensor) => void) {
    this.dtype = shared.tensor.dtype as ValueDType; // graphs have no others
    this.dims = [...shared.tensor.shape];
    this.#shared = shared.retain();
    this.#onDispose = onDispose;
  }

  /** What it holds, while it does. */
  get shared(): Shared | undefined {
    return this.#shared;
  }

  async read(): Promise<HostTensor> {
    const shared = this.#shared?.retain();
    if (shared === undefined) throw new StateError("disposed", `read: the tensor [${this.dims}] is disposed`);
    try {
      // Some engines hand out the array that they hold.
      const data = arrays[tfDtype(this.dtype as ValueDType)].from(await shared.engine.read(shared.tensor));
      return { dtype: this.dtype, dims: this.dims, data };
    } finally {
      shared.release();
    }
  }

  dispose(): void {
    if (this.#shared === undefined) return;
    this.#shared.release();
    this.#shared = undefined;
    this.#onDispose(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
