/** What backends have in common: the life of their tensors. */
import { BackendError, StateError } from "../errors.ts";
import { formatDims } from "../graph/dim.ts";
import type { ValueDType } from "../graph/ops.ts";
import type { DType, TensorData } from "../tensor/dtype.ts";
import { type DeviceTensor, elementCount, type HostTensor, type Tensor } from "../tensor/tensor.ts";

/**
 * A runtime's own tensor. Several device tensors may stand for it (two outputs of one value), and runs that wait for
 * their turn hold it too: it is freed when the last of them lets go.
 */
export abstract class RuntimeTensor {
  abstract readonly dtype: DType;
  abstract readonly dims: readonly number[];
  #holders = 0;

  /** A copy of its elements. */
  abstract read(): Promise<TensorData>;

  protected abstract free(): void;

  retain(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.free();
  }
}

/** The device tensors that a backend made and that are not disposed of yet. */
export class DeviceTensors<T extends RuntimeTensor> {
  readonly #held = new Set<Held<T>>();
  readonly #reads = new Set<Promise<unknown>>();

  /** How many there are. */
  get size(): number {
    return this.#held.size;
  }

  /** A device tensor that stands for `tensor`. */
  hold(tensor: T): DeviceTensor {
    const held = new Held(tensor, {
      forget: () => this.#held.delete(held),
      reads: this.#reads,
    });
    this.#held.add(held);
    return held;
  }

  /**
   * The runtime's tensors for a run's feeds, by name; host data is handed to `upload`. They are retained, because whoever
   * fed them may dispose of theirs while the run waits: release each when it is over. Throws a `BackendError`
   * ("bad-feeds") for a tensor that is disposed of or another backend's.
   */
  take(
    feeds: Readonly<Record<string, Tensor>>,
    upload: (tensor: HostTensor, what: string) => T,
  ): Readonly<Record<string, T>> {
    const taken: Record<string, T> = {};
    try {
      for (const [input, feed] of Object.entries(feeds)) {
        const tensor =
          "data" in feed
            ? upload(feed, `feeds: input "${input}"`)
            : feed instanceof Held && this.#held.has(feed)
              ? (feed as Held<T>).tensor
              : undefined;
        if (tensor === undefined) {
          const problem = `feeds: input "${input}" is disposed of, or a tensor of another backend`;
          throw new BackendError("bad-feeds", problem, { details: { input } });
        }
        taken[input] = tensor.retain();
      }
    } catch (error) {
      for (const tensor of Object.values(taken)) tensor.release();
      throw error;
    }
    return taken;
  }

  /** Disposes of all. Resolves when those that are being read have been. */
  async dispose(): Promise<void> {
    for (const held of this.#held) held.dispose();
    await Promise.allSettled(this.#reads);
  }
}

class Held<T extends RuntimeTensor> implements DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #owner: { readonly forget: () => void; readonly reads: Set<Promise<unknown>> };
  #tensor: T | undefined;

  constructor(tensor: T, owner: { readonly forget: () => void; readonly reads: Set<Promise<unknown>> }) {
    this.dtype = tensor.dtype;
    this.dims = [...tensor.dims];
    this.#owner = owner;
    this.#tensor = tensor.retain();
  }

  get tensor(): T | undefined {
    return this.#tensor;
  }

  read(): Promise<HostTensor> {
    const read = this.#read();
    const { reads } = this.#owner;
    const ended = (): boolean => reads.delete(read);
    reads.add(read);
    read.then(ended, ended);
    return read;
  }

  async #read(): Promise<HostTensor> {
    const tensor = this.#tensor?.retain();
    if (tensor === undefined) throw new StateError("disposed", `read: the tensor [${this.dims}] is disposed`);
    try {
      return { dtype: this.dtype, dims: this.dims, data: await tensor.read() };
    } finally {
      tensor.release();
    }
  }

  dispose(): void {
    if (this.#tensor === undefined) return;
    this.#tensor.release();
    this.#tensor = undefined;
    this.#owner.forget();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Throws a `BackendError` for host data that is no graph's: "unsupported" for its dtype, "bad-feeds" for another number
 * of elements than its shape has. `what` opens the message.
 */
export function checkHostTensor(
  tensor: HostTensor,
  what: string,
): asserts tensor is HostTensor<Exclude<ValueDType, "float16">> {
  const { dtype, dims, data } = tensor;
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    throw new BackendError("unsupported", `${what}: tensors are float32, int32 or bool, got ${dtype}`);
  }
  if (data.length !== elementCount(dims)) {
    throw new BackendError("bad-feeds", `${what} has ${data.length} elements, expected ${formatDims(dims)}`);
  }
}

/** Frees a run's outputs. */
export function disposeAll(outputs: Readonly<Record<string, DeviceTensor>>): void {
  for (const tensor of Object.values(outputs)) tensor.dispose();
}
