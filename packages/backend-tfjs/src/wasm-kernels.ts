/**
 * Kernels for the wasm engine, in place of those that it lacks or that are slow there. They work in its own memory: the
 * tensors are where they were, and nothing is copied out of it.
 *
 * Its `slice` copies the whole tensor that it takes a part of, its products of batches run without SIMD, and GELU and
 * layer normalisation are five to seven passes of single operations.
 */
import { float32, GraphBuilder } from "@masklet/core/backend";
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import type { Tensorflow } from "./runtime.ts";

/** What a kernel is given of the engine, as of version 4.22. */
interface WasmEngine {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    cwrap(name: string, result: null, parameters: readonly string[]): (...parameters: unknown[]) => void;
    readonly tfjs: { registerTensor(id: number, size: number, offset: number): void; disposeData(id: number): void };
  };
  readonly dataIdMap: { get(dataId: object): { readonly id: number; readonly memoryOffset: number } };
  dataIdNextNumber: number;
  makeOutput(shape: readonly number[], dtype: string): TensorInfo;
  disposeData(dataId: object): boolean;
}

/** Operations of the wasm engine that are better than compositions. */
export interface OwnKernels {
  /** As `tf.slice`. */
  slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor;
  gelu(x: Tensor): Tensor;
  /** Over the last axis of x [rows, width]. */
  layerNormalization(x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): Tensor;
  /** a [batch, m, k] x b [batch, k, n] -> [batch, m, n] */
  products(a: Tensor, b: Tensor): Tensor;
  /** softmax(q k) v, `rows` queries at a time: q [batch, m, d], k [batch, d, n], v [batch, n, e] -> [batch, m, e]. */
  attend(q: Tensor, k: Tensor, v: Tensor, rows: number): Tensor;
}

interface KernelArguments {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: WasmEngine;
}
type KernelFunction = (call: KernelArguments) => TensorInfo;

const PREFIX = "Masklet";

/** The kernels, registered with the wasm engine of a runtime; `undefined` if that is of another make. */
export function ownKernels(tf: Tensorflow): OwnKernels | undefined {
  const engine = tf.engine().backend as Partial<WasmEngine>;
  const fits = engine.wasm?.tfjs?.registerTensor && engine.dataIdMap && engine.makeOutput && engine.dataIdNextNumber;
  if (!fits) return undefined;
  const run = (name: string, inputs: Record<string, Tensor>, attributes: Record<string, unknown> = {}): Tensor =>
    tf.engine().runKernel(PREFIX + name, inputs, attributes as never);
  for (const [name, kernelFunc] of Object.entries(kernelFunctions)) {
    const kernelName = PREFIX + name;
    if (tf.getKernel(kernelName, "wasm") !== undefined) continue;
    tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernelFunc as never });
  }
  return {
    slice: (x, begin, size) => run("Slice", { x }, { begin, size }),
    gelu: (x) => run("Gelu", { x }),
    layerNormalization: (x, scale, bias, epsilon) => run("LayerNormalization", { x, scale, bias }, { epsilon }),
    products: (a, b) => run("Products", { a, b }),
    attend: (q, k, v, rows) => run("Attend", { q, k, v }, { rows }),
  };
}

const offsetOf = (engine: WasmEngine, { dataId }: TensorInfo): number => engine.dataIdMap.get(dataId).memoryOffset;

/** A tensor's elements. Holds until the next allocation, which may move the heap. */
function floats(engine: WasmEngine, tensor: TensorInfo): Float32Array {
  const size = tensor.shape.reduce((product, dim) => product * dim, 1);
  return new Float32Array(engine.wasm.HEAPU8.buffer, offsetOf(engine, tensor), size);
}

const kernelFunctions: Readonly<
  Record<"Slice" | "Gelu" | "LayerNormalization" | "Products" | "Attend", KernelFunction>
> = {
  Slice({ inputs: { x }, attrs, backend }) {
    const { shape, dtype } = x as TensorInfo;
    const { begin, size } = attrs as { readonly begin: readonly number[]; readonly size: readonly number[] };
    const out = backend.makeOutput(size, dtype);
    const heap = backend.wasm.HEAPU8;
    const bytes = dtype === "bool" ? 1 : 4;
    const [from, to] = [offsetOf(backend, x as TensorInfo), offsetOf(backend, out)];
    const last = shape.length - 1;
    const run = (size[last] ?? 1) * bytes;
    // Rows of the last axis, one after another in the result.
    const rows = size.slice(0, -1).reduce((product, dim) => product * dim, 1);
    const index = [...begin];
    for (let row = 0, target = to; row < rows; row++, target += run) {
      const source = from + index.reduce((at, i, axis) => at * (shape[axis] ?? 1) + i, 0) * bytes;
      heap.copyWithin(target, source, source + run);
      for (let axis = last - 1; axis >= 0; axis--) {
        const next = (index[axis] ?? 0) + 1;
        const start = begin[axis] ?? 0;
        const wraps = next === start + (size[axis] ?? 1);
        index[axis] = wraps ? start : next;
        if (!wraps) break;
      }
    }
    return out;
  },

  Gelu({ inputs: { x }, backend }) {
    const out = backend.makeOutput((x as TensorInfo).shape, "float32");
    const [from, to] = [floats(backend, x as TensorInfo), floats(backend, out)];
    const table = normalDistribution();
    for (let i = 0; i < to.length; i++) {
      const value = from[i] as number;
      const at = (value + REACH) * STEPS;
      if (at <= 0) to[i] = 0;
      else if (at >= 2 * REACH * STEPS) to[i] = value;
      else {
        const k = Math.trunc(at);
        const low = table[k] as number;
        to[i] = value * (low + (at - k) * ((table[k + 1] as number) - low));
      }
    }
    return out;
  },

  LayerNormalization({ inputs: { x, scale, bias }, attrs, backend }) {
    const [rows = 0, width = 0] = (x as TensorInfo).shape;
    const epsilon = attrs["epsilon"] as number;
    const out = backend.makeOutput([rows, width], "float32");
    const [from, to] = [floats(backend, x as TensorInfo), floats(backend, out)];
    const [gain, shift] = [floats(backend, scale as TensorInfo), floats(backend, bias as TensorInfo)];
    for (let at = 0; at < to.length; at += width) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += from[at + i] as number;
      const mean = sum / width;
      let squares = 0;
      for (let i = 0; i < width; i++) {
        const difference = (from[at + i] as number) - mean;
        squares += difference * difference;
      }
      const inverse = 1 / Math.sqrt(squares / width + epsilon);
      for (let i = 0; i < width; i++) {
        to[at + i] = ((from[at + i] as number) - mean) * inverse * (gain[i] as number) + (shift[i] as number);
      }
    }
    return out;
  },

  Products({ inputs: { a, b }, backend }) {
    const [batch = 0, m = 0, k = 0] = (a as TensorInfo).shape;
    const n = (b as TensorInfo).shape[2] ?? 0;
    const out = backend.makeOutput([batch, m, n], "float32");
    const multiply = multiplier(backend);
    for (let i = 0; i < batch; i++) {
      using views = new Views(backend);
      const left = views.of(a as TensorInfo, i * m * k, [1, m, k]);
      multiply(left, views.of(b as TensorInfo, i * k * n, [1, k, n]), views.of(out, i * m * n, [1, m, n]));
    }
    return out;
  },

  Attend({ inputs, attrs, backend }) {
    const { q, k, v } = inputs as { readonly q: TensorInfo; readonly k: TensorInfo; readonly v: TensorInfo };
    const [batch = 0, m = 0, d = 0] = q.shape;
    const [, n = 0, e = 0] = v.shape;
    const rows = Math.min(m, attrs["rows"] as number);
    const out = backend.makeOutput([batch, m, e], "float32");
    const scores = backend.makeOutput([rows, n], "float32");
    const multiply = multiplier(backend);
    const softmax = backend.wasm.cwrap("Softmax", null, ["number", "number", "number", "number"]);
    for (let i = 0; i < batch; i++) {
      // Packed for the product once, and let go with the views.
      using views = new Views(backend);
      const [key, value] = [views.of(k, i * d * n, [1, d, n]), views.of(v, i * n * e, [1, n, e])];
      for (let row = 0; row < m; row += rows) {
        const length = Math.min(rows, m - row);
        const part = views.of(scores, 0, [1, length, n]);
        multiply(views.of(q, (i * m + row) * d, [1, length, d]), key, part);
        softmax(part.id, part.id, n, length);
        multiply(part, value, views.of(out, (i * m + row) * e, [1, length, e]));
      }
    }
    backend.disposeData(scores.dataId);
    return out;
  },
};

/** A part of a tensor that the engine takes for a tensor of its own. */
interface View {
  readonly id: number;
  /** The shape as the engine's functions take it. */
  readonly shape: Uint8Array;
  readonly rank: number;
}

/** Views that are forgotten together. */
class Views {
  readonly #engine: WasmEngine;
  readonly #ids: number[] = [];

  constructor(engine: WasmEngine) {
    this.#engine = engine;
  }

  /** The elements of a float32 tensor from `start`, in another shape. */
  of(tensor: TensorInfo, start: number, shape: readonly number[]): View {
    const id = this.#engine.dataIdNextNumber++;
    const size = shape.reduce((product, dim) => product * dim, 1);
    this.#engine.wasm.tfjs.registerTensor(id, size, offsetOf(this.#engine, tensor) + start * 4);
    this.#ids.push(id);
    return { id, shape: new Uint8Array(Int32Array.from(shape).buffer), rank: shape.length };
  }

  [Symbol.dispose](): void {
    // Forgets the tensor and what was packed of it; its memory stays its owner's.
    for (const id of this.#ids) this.#engine.wasm.tfjs.disposeData(id);
  }
}

/** out = a b for plain matrices, by XNNPACK. */
function multiplier(engine: WasmEngine): (a: View, b: View, out: View) => void {
  const types = ["number", "array", "number", "number", "array", "number", "number", "number", "number"];
  const multiply = engine.wasm.cwrap("BatchMatMul", null, types);
  return (a, b, out) => multiply(a.id, a.shape, a.rank, b.id, b.shape, b.rank, 0, 0, out.id);
}

/** How far from 0 the distribution is tabulated, and how finely: linear in between it is exact to 7e-8. */
const REACH = 6;
const STEPS = 1024;
let table: Float64Array | undefined;

/** The normal distribution at (i - REACH * STEPS) / STEPS, which is gelu(x) / x. */
function normalDistribution(): Float64Array {
  if (table !== undefined) return table;
  const xs = Float32Array.from({ length: 2 * REACH * STEPS + 1 }, (_, i) => i / STEPS - REACH);
  const g = new GraphBuilder("gelu");
  const { source } = g.gelu(g.constant(float32([xs.length], xs)));
  if (source.from !== "constant") throw new Error("constants are computed when the graph is built");
  const { data } = source.tensor;
  table = new Float64Array(xs).map((x, i) => (x === 0 ? 0.5 : Number(data[i]) / x));
  return table;
}
