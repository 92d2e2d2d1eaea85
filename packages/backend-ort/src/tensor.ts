import {
  type DeviceTensor,
  type DType,
  type HostTensor,
  StateError,
  type TensorData,
  type ValueDType,
} from "@masklet/core";
import type { Tensor } from "onnxruntime-common";

/** One tensor of the runtime, which several of ours may stand for: two outputs of one value, a feed of a waiting run. */
export class Shared {
  readonly tensor: Tensor;
  #holders = 0;

  constructor(tensor: Tensor) {
    this.tensor = tensor;
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

/** A tensor that ONNX Runtime holds. */
export class OrtTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #onDispose: (tensor: OrtTensor) => void;
  #shared: Shared | undefined;

  constructor(shared: Shared, onDispose: (tensor: OrtTensor) => void) {
    this.dtype = shared.tensor.type as ValueDType; // graphs have no others
    this.dims = [...shared.tensor.dims];
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
      const data = (await shared.tensor.getData()) as TensorData;
      const isCopy = shared.tensor.location !== "cpu";
      return { dtype: this.dtype, dims: this.dims, data: isCopy ? data : data.slice() };
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
