import {
  type AbortSignalLike,
  abortable,
  BackendError,
  type DeviceTensor,
  type DType,
  type HostTensor,
  StateError,
  type TensorData,
  type ValueDType,
} from "@masklet/core";
import type { Tensor } from "onnxruntime-common";
import { messageOf } from "./errors.ts";

/** One tensor of the runtime, which several of ours may stand for: two outputs of one value, a feed of a waiting run. */
export class Shared {
  readonly tensor: Tensor;
  #holders = 0;
  #download: Promise<TensorData> | undefined;

  constructor(tensor: Tensor) {
    this.tensor = tensor;
  }

  retain(): this {
    this.#holders++;
    return this;
  }

  /** The data itself, not a copy. */
  data(): Promise<TensorData> {
    // It refuses to be downloaded twice at a time.
    this.#download ??= (this.tensor.getData() as Promise<TensorData>).finally(() => {
      this.#download = undefined;
    });
    return this.#download;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.tensor.dispose();
  }
}

/** What a tensor's owner wants to know, and what the tensor of it. */
interface TensorOwner {
  readonly onDispose: () => void;
  /** With every `read` that begins. */
  readonly onRead: (read: Promise<unknown>) => void;
  readonly lost?: AbortSignalLike;
}

/** A tensor that ONNX Runtime holds. */
export class OrtTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #owner: TensorOwner;
  #shared: Shared | undefined;

  constructor(shared: Shared, owner: TensorOwner) {
    this.dtype = shared.tensor.type as ValueDType; // graphs have no others
    this.dims = [...shared.tensor.dims];
    this.#shared = shared.retain();
    this.#owner = owner;
  }

  /** What it holds, while it does. */
  get shared(): Shared | undefined {
    return this.#shared;
  }

  read(): Promise<HostTensor> {
    const read = this.#read();
    this.#owner.onRead(read);
    return read;
  }

  async #read(): Promise<HostTensor> {
    const { lost } = this.#owner;
    const shared = this.#shared?.retain();
    if (shared === undefined) throw new StateError("disposed", `read: the tensor [${this.dims}] is disposed`);
    try {
      lost?.throwIfAborted();
      const data = await abortable(shared.data(), lost);
      return { dtype: this.dtype, dims: this.dims, data: data.slice() };
    } catch (cause) {
      lost?.throwIfAborted();
      throw new BackendError("run-failed", `read: ONNX Runtime failed: ${messageOf(cause)}`, { cause });
    } finally {
      shared.release();
    }
  }

  dispose(): void {
    if (this.#shared === undefined) return;
    this.#shared.release();
    this.#shared = undefined;
    this.#owner.onDispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
