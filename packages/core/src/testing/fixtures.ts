import type { AbortSignalLike } from "../abort.ts";
import { bytesSource } from "../checkpoint/byte-source.ts";
import { type WeightStore, weightStore } from "../checkpoint/weight-store.ts";
import { byteSize } from "../tensor/dtype.ts";
import { elementCount, type HostTensor } from "../tensor/tensor.ts";

/** A float32 tensor from its elements. */
export function floats(dims: readonly number[], ...data: readonly number[]): HostTensor<"float32"> {
  return { dtype: "float32", dims, data: Float32Array.from(data) };
}

/** An int32 tensor from its elements. */
export function ints(dims: readonly number[], ...data: readonly number[]): HostTensor<"int32"> {
  return { dtype: "int32", dims, data: Int32Array.from(data) };
}

/** A bool tensor from its elements. */
export function bools(dims: readonly number[], ...data: readonly boolean[]): HostTensor<"bool"> {
  return { dtype: "bool", dims, data: Uint8Array.from(data.map(Number)) };
}

/**
 * A repeatable source of test data: uniform in [-1, 1), by a 32-bit linear congruential generator. Filled by loops, because
 * `from` with a function takes five times as long, and a 4K picture has 25 million numbers.
 */
export class RandomTensors {
  #state: number;

  constructor(seed = 1) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 0x80000000 - 1;
  }

  /** offset + scale * [-1, 1) */
  floats(
    dims: readonly number[],
    { scale = 1, offset = 0 }: { readonly scale?: number; readonly offset?: number } = {},
  ): HostTensor<"float32"> {
    const data = new Float32Array(elementCount(dims));
    for (let i = 0; i < data.length; i++) data[i] = offset + scale * this.next();
    return { dtype: "float32", dims, data };
  }

  /** Whole numbers from `from` to below `to`. */
  ints(dims: readonly number[], from: number, to: number): HostTensor<"int32"> {
    const data = new Int32Array(elementCount(dims));
    for (let i = 0; i < data.length; i++) data[i] = from + Math.floor(((this.next() + 1) / 2) * (to - from));
    return { dtype: "int32", dims, data };
  }

  bools(dims: readonly number[]): HostTensor<"bool"> {
    const data = new Uint8Array(elementCount(dims));
    for (let i = 0; i < data.length; i++) data[i] = this.next() < 0 ? 0 : 1;
    return { dtype: "bool", dims, data };
  }
}

/**
 * A checkpoint in memory: the tensors' bytes one after another in one source, `lead` bytes after its start (an odd
 * number leaves them unaligned).
 */
export function memoryWeights(tensors: Readonly<Record<string, HostTensor>>, lead = 0): WeightStore {
  const total = Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, lead);
  const bytes = new Uint8Array(total);
  const source = bytesSource(bytes, "memory weights");
  let offset = lead;
  const entries = Object.entries(tensors).map(([name, { dtype, dims, data }]) => {
    const byteLength = elementCount(dims) * byteSize[dtype];
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, byteLength), offset);
    const entry = { name, dtype, dims, source, offset, byteLength };
    offset += byteLength;
    return entry;
  });
  return weightStore("memory weights", entries);
}

/** An abort signal and the means to set it off, where the platform's own may be missing. */
export class TestAbort {
  readonly reason: Error = new Error("aborted by the test");
  readonly signal: AbortSignalLike;
  readonly #listeners = new Set<() => void>();
  #aborted = false;

  constructor() {
    const isAborted = (): boolean => this.#aborted;
    const { reason } = this;
    this.signal = {
      get aborted() {
        return isAborted();
      },
      get reason() {
        return isAborted() ? reason : undefined;
      },
      throwIfAborted: () => {
        if (this.#aborted) throw reason;
      },
      addEventListener: (_, listener) => {
        this.#listeners.add(listener);
      },
      removeEventListener: (_, listener) => {
        this.#listeners.delete(listener);
      },
    };
  }

  /** Listeners that nobody has removed: a leak once everything has settled. */
  get listeners(): number {
    return this.#listeners.size;
  }

  abort(): void {
    this.#aborted = true;
    for (const listener of [...this.#listeners]) {
      this.#listeners.delete(listener);
      listener();
    }
  }
}
