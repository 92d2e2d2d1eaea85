import {
  BackendError,
  bindDim,
  type Dim,
  type DimBindings,
  dimNames,
  float32,
  formatDims,
  type HostTensor,
  toFloat16,
  type Value,
  type ValueDType,
} from "@masklet/core/backend";
import type { OnnxAttribute, OnnxDType, OnnxNode, OnnxTensor } from "./schema.ts";

/** A tensor of the model under construction, with what is known of its shape: -1 is a size without a name. */
export interface Sized {
  readonly name: string;
  readonly dims: readonly Dim[];
}

/** A tensor that only a run has. */
export interface Scratch {
  /** Where in the model. */
  readonly scope: string;
  readonly dtype: ValueDType;
  readonly dims: readonly Dim[];
}

export interface EmitterOptions {
  readonly graphName: string;
  /** The graph's inputs: where sizes of named dimensions are read. */
  readonly inputs: Readonly<Record<string, Value>>;
  /** The names of the values that are there before the first node. */
  readonly names: ReadonlyMap<Value, string>;
  /** Sizes of named dimensions that are fixed. */
  readonly staticDims: DimBindings;
}

/** Collects ONNX nodes and the small constants they need. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  /** Tensors of nodes that may be larger than the result they are for. */
  readonly scratch: Scratch[] = [];
  readonly #options: EmitterOptions;
  readonly #names: Map<Value, string>;
  readonly #inputs: readonly Sized[];
  readonly #constants = new Map<string, OnnxTensor>();
  #scope = "";
  #result = "";
  #count = 0;

  constructor(options: EmitterOptions) {
    this.#options = options;
    this.#names = new Map(options.names);
    this.#inputs = Object.entries(options.inputs).map(([name, { dims }]) => ({ name, dims: this.dims(dims) }));
  }

  get constants(): readonly OnnxTensor[] {
    return [...this.#constants.values()];
  }

  /** Nodes to come are for this result, written at this place of the model. */
  begin(scope: string, result: string): void {
    this.#scope = scope;
    this.#result = result;
    this.#count = 0;
  }

  define(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  name(value: Value): string {
    const name = this.#names.get(value);
    if (name !== undefined) return name;
    throw this.failure("compile-failed", `value ${value.id} is used before it is computed`);
  }

  /** A shape with the fixed sizes put in. */
  dims(dims: readonly Dim[]): readonly Dim[] {
    const { staticDims } = this.#options;
    return dims.map((dim) => {
      if (typeof dim === "number" || dim.includes("?")) return dim; // an optional dimension stays 1 or more
      return dimNames(dim).every((name) => Object.hasOwn(staticDims, name)) ? bindDim(dim, staticDims) : dim;
    });
  }

  sized(value: Value): Sized {
    return { name: this.name(value), dims: this.dims(value.dims) };
  }

  /** Adds a node with one output; returns the output's name. */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain = "",
  ): string {
    const output = this.#nextName();
    this.nodes.push({ op, domain, name: `${this.#scope}/${output}`, inputs, outputs: [output], attributes });
    return output;
  }

  /** Adds a node that rounds `x` to unsigned bytes by its least and largest value. */
  emitRounding(x: string): { readonly values: string; readonly scale: string; readonly zeroPoint: string } {
    const [values, scale, zeroPoint] = [this.#nextName(), this.#nextName(), this.#nextName()];
    const outputs = [values, scale, zeroPoint];
    const name = `${this.#scope}/${values}`;
    this.nodes.push({ op: "DynamicQuantizeLinear", domain: "", name, inputs: [x], outputs, attributes: {} });
    return { values, scale, zeroPoint };
  }

  /** Notes the size of what was emitted. */
  noteScratch(dims: readonly Dim[]): void {
    this.scratch.push({ scope: this.#scope, dtype: "float32", dims });
  }

  ints(...values: readonly number[]): string {
    return this.#constant(`int64[${values}]`, "int64", [values.length], () => BigInt64Array.from(values.map(BigInt)));
  }

  /** In float16, or else in float32. */
  scalar(value: number, dtype: ValueDType = "float32"): string {
    const scalar = float32([], Float32Array.of(value));
    return this.constant(scalar, dtype, `${dtype} ${value}`);
  }

  floats(...values: readonly number[]): string {
    return this.#constant(`float32[${values}]`, "float32", [values.length], () => Float32Array.from(values));
  }

  /** [1, heads, 1, width]: 1 where a channel belongs to the head, 0 elsewhere. */
  headMask(heads: number, width: number): string {
    const perHead = width / heads;
    return this.#constant(`heads[${heads},${width}]`, "float32", [1, heads, 1, width], () =>
      Float32Array.from({ length: heads * width }, (_, i) =>
        Math.floor(i / width) === Math.floor((i % width) / perHead) ? 1 : 0,
      ),
    );
  }

  /**
   * `x` in another shape, where -1 stands for what is left over. Without it one named size follows from the others;
   * further ones are read off `sources`.
   */
  reshape(x: Sized, newShape: readonly Dim[], sources: readonly Sized[] = [x]): Sized {
    const dims = this.dims(newShape);
    if (formatDims(x.dims) === formatDims(dims)) return x;
    if (dims.includes(0)) {
      return { name: this.emit("Reshape", [x.name, this.shape(dims, sources)], { allowzero: 1 }), dims };
    }
    const kept = dims.map((dim, axis) => (typeof dim === "string" && dim === x.dims[axis] ? 0 : dim));
    const open = kept.includes(-1) ? kept.indexOf(-1) : kept.findLastIndex((dim) => typeof dim === "string");
    const entries = kept.map((dim, axis) => (axis === open ? -1 : dim));
    return { name: this.emit("Reshape", [x.name, this.shape(entries, sources)]), dims };
  }

  /** A shape as an int64 tensor, constant if it can be; names are looked up in `sources`, then in the graph's inputs. */
  shape(dims: readonly Dim[], sources: readonly Sized[]): string {
    const parts: string[] = [];
    let numbers: number[] = [];
    const flush = (): void => {
      if (numbers.length > 0) parts.push(this.ints(...numbers));
      numbers = [];
    };
    for (const dim of dims) {
      if (typeof dim === "number") {
        numbers.push(dim);
      } else {
        flush();
        parts.push(this.#size(dim, sources));
      }
    }
    flush();
    const [first, ...rest] = parts;
    if (first === undefined) return this.ints();
    return rest.length === 0 ? first : this.emit("Concat", parts, { axis: 0 });
  }

  /** A dimension as an int64 tensor [1]. */
  #size(dim: string, sources: readonly Sized[]): string {
    for (const { name, dims } of sources) {
      const axis = dims.indexOf(dim);
      if (axis >= 0) return this.#axisSize(name, axis);
    }
    const terms = dim.split(" + ").map((term) => {
      const factors = term.split("*").map((factor) => {
        return /^-?\d+$/.test(factor) ? this.ints(Number(factor)) : this.#namedSize(factor);
      });
      return factors.reduce((a, b) => this.emit("Mul", [a, b]));
    });
    return terms.reduce((a, b) => this.emit("Add", [a, b]));
  }

  /** Read off an input that has the name as a dimension, or as `n*name + m`. */
  #namedSize(name: string): string {
    for (const plain of [true, false]) {
      for (const input of this.#inputs) {
        for (const [axis, dim] of input.dims.entries()) {
          if (typeof dim === "number" || dim.includes("?")) continue;
          if (dim === name) return this.#axisSize(input.name, axis);
          if (plain || dim.split("*").length > 2 || dimNames(dim).join() !== name) continue;
          const offset = bindDim(dim, { [name]: 0 });
          const factor = bindDim(dim, { [name]: 1 }) - offset;
          return this.emit("Div", [
            this.emit("Sub", [this.#axisSize(input.name, axis), this.ints(offset)]),
            this.ints(factor),
          ]);
        }
      }
    }
    throw this.failure("unsupported", `the size of dimension "${name}" is not that of any input`);
  }

  #axisSize(tensor: string, axis: number): string {
    return this.emit("Shape", [tensor], { start: axis, end: axis + 1 });
  }

  /** A tensor, which is not copied unless it is converted to float16. */
  constant(
    { dims, data }: HostTensor<"float32">,
    dtype: ValueDType = "float32",
    name = `constant ${this.#result}.${this.#count++}`,
  ): string {
    if (dtype !== "float16") return this.#constant(name, "float32", dims, () => data);
    return this.#constant(name, dtype, dims, () => toFloat16(data));
  }

  #nextName(): string {
    const name = this.#count === 0 ? this.#result : `${this.#result}.${this.#count}`;
    this.#count++;
    return name;
  }

  #constant(
    name: string,
    dtype: OnnxDType,
    dims: readonly number[],
    make: () => BigInt64Array | Float32Array | Uint16Array,
  ): string {
    if (!this.#constants.has(name)) {
      this.#constants.set(name, { name, dtype, dims, data: bytesOf(make()) });
    }
    return name;
  }

  /** An error that says where. */
  failure(code: "compile-failed" | "unsupported", problem: string): BackendError {
    const { graphName } = this.#options;
    return new BackendError(code, `${graphName}, ${this.#scope}: ${problem}`, {
      details: { graph: graphName, scope: this.#scope },
    });
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
