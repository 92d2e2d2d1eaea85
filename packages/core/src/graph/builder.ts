import { evaluateNode } from "../backend/reference-kernels.ts";
import { GraphError } from "../errors.ts";
import { elementCount, type HostTensor } from "../tensor/tensor.ts";
import { canonicalDim, type Dim, formatDims, mulDims } from "./dim.ts";
import type { AnyOpNode, Graph, OpNode, OpValue, Value, ValueType } from "./graph.ts";
import { inferType } from "./infer.ts";
import type { Attributes, Inputs, OpKind, ValueDType } from "./ops.ts";

/** Constants larger than this are left as operations: they would cost more to keep than to compute. */
const FOLD_LIMIT = 1 << 24;

const isSmall = (type: ValueType): boolean =>
  type.dims.every((dim) => typeof dim === "number") && elementCount(type.dims as readonly number[]) <= FOLD_LIMIT;

/**
 * Builds a graph, one method per operation. Shapes are inferred at once, so that a mistake is reported where it was
 * written; operations on constants alone are computed at once.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: Record<string, Value> = {};
  readonly #outputs: Record<string, Value> = {};
  #scope = "";
  #nextId = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Runs `body` with errors and nodes marked as being at `path`. */
  scope<T>(path: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = path;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  input(name: string, dims: readonly Dim[], dtype: ValueDType = "float32"): Value {
    if (Object.hasOwn(this.#inputs, name))
      throw new GraphError("duplicate-name", `graph ${this.#name}: input "${name}" twice`);
    const value = this.#value({ dtype, dims: dims.map(canonicalDim) }, { from: "input", name });
    this.#inputs[name] = value;
    return value;
  }

  output(name: string, value: Value): void {
    if (Object.hasOwn(this.#outputs, name))
      throw new GraphError("duplicate-name", `graph ${this.#name}: output "${name}" twice`);
    this.#outputs[name] = value;
  }

  /** A tensor known now. */
  constant(tensor: HostTensor<ValueDType>): Value {
    return this.#value({ dtype: tensor.dtype, dims: tensor.dims }, { from: "constant", tensor });
  }

  /** A float32 scalar. */
  scalar(value: number): Value {
    return this.constant({ dtype: "float32", dims: [], data: Float32Array.of(value) });
  }

  /** A checkpoint's tensor, by its official key; see `WeightScope`, which checks its shape. */
  weight(key: string, dims: readonly number[]): Value {
    return this.#value({ dtype: "float32", dims }, { from: "weight", key, keyDims: dims, offset: 0 });
  }

  add(a: Value, b: Value): Value {
    return this.#op("add", [a, b], {});
  }
  sub(a: Value, b: Value): Value {
    return this.#op("sub", [a, b], {});
  }
  mul(a: Value, b: Value): Value {
    return this.#op("mul", [a, b], {});
  }
  div(a: Value, b: Value): Value {
    return this.#op("div", [a, b], {});
  }
  relu(x: Value): Value {
    return this.#op("relu", [x], {});
  }
  gelu(x: Value): Value {
    return this.#op("gelu", [x], {});
  }
  sigmoid(x: Value): Value {
    return this.#op("sigmoid", [x], {});
  }
  sqrt(x: Value): Value {
    return this.#op("sqrt", [x], {});
  }
  sin(x: Value): Value {
    return this.#op("sin", [x], {});
  }
  cos(x: Value): Value {
    return this.#op("cos", [x], {});
  }
  clamp(x: Value, attributes: Attributes<"clamp">): Value {
    return this.#op("clamp", [x], attributes);
  }
  equal(a: Value, b: Value): Value {
    return this.#op("equal", [a, b], {});
  }
  greater(a: Value, b: Value): Value {
    return this.#op("greater", [a, b], {});
  }
  where(condition: Value, a: Value, b: Value): Value {
    return this.#op("where", [condition, a, b], {});
  }
  cast(x: Value, dtype: ValueDType): Value {
    return x.dtype === dtype ? x : this.#op("cast", [x], { dtype });
  }
  matmul(a: Value, b: Value, { transposeB = false }: Partial<Attributes<"matmul">> = {}): Value {
    return this.#op("matmul", [a, b], { transposeB });
  }
  linear(x: Value, weight: Value, bias?: Value): Value {
    return this.#op("linear", bias === undefined ? [x, weight] : [x, weight, bias], {});
  }
  quantizedLinear(x: Value, weight: Value, bias: Value | undefined, attributes: Attributes<"quantizedLinear">): Value {
    return this.#op("quantizedLinear", bias === undefined ? [x, weight] : [x, weight, bias], attributes);
  }
  attention(q: Value, k: Value, v: Value, attributes: Attributes<"attention">): Value {
    return this.#op("attention", [q, k, v], attributes);
  }
  softmax(x: Value): Value {
    return this.#op("softmax", [x], {});
  }
  layerNormalization(x: Value, scale: Value, bias: Value, attributes: Attributes<"layerNormalization">): Value {
    return this.#op("layerNormalization", [x, scale, bias], attributes);
  }
  conv2d(x: Value, filter: Value, bias: Value | undefined, options: Partial<Attributes<"conv2d">> = {}): Value {
    const attributes: Attributes<"conv2d"> = { strides: [1, 1], padding: [0, 0, 0, 0], groups: 1, ...options };
    return this.#op("conv2d", bias === undefined ? [x, filter] : [x, filter, bias], attributes);
  }
  maxPool2d(x: Value, attributes: Attributes<"maxPool2d">): Value {
    return this.#op("maxPool2d", [x], attributes);
  }
  resample2d(x: Value, attributes: Omit<Attributes<"resample2d">, "antialias"> & { antialias?: boolean }): Value {
    const [height, width] = attributes.sizes;
    if (x.dims[1] === height && x.dims[2] === width) return x;
    return this.#op("resample2d", [x], { antialias: false, ...attributes });
  }
  reshape(x: Value, newShape: readonly Dim[]): Value {
    if (formatDims(x.dims) === formatDims(newShape)) return x;
    if (x.source.from === "weight" && newShape.every((dim) => typeof dim === "number")) {
      inferType({ kind: "reshape", inputs: [x], attributes: { newShape }, scope: this.#scope });
      return this.#value({ dtype: x.dtype, dims: newShape }, x.source);
    }
    return this.#op("reshape", [x], { newShape });
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    return this.#op("transpose", [x], { permutation });
  }
  concat(inputs: readonly Value[], axis: number): Value {
    return this.#op("concat", inputs, { axis });
  }
  slice(x: Value, starts: readonly number[], sizes: readonly Dim[]): Value {
    const whole = x.dims.every((dim, i) => starts[i] === 0 && sizes[i] === dim);
    if (whole && sizes.length === x.dims.length) return x;
    const rest = x.dims.slice(1);
    const rows = rest.every((dim, i) => starts[i + 1] === 0 && sizes[i + 1] === dim);
    if (x.source.from === "weight" && rows) {
      inferType({ kind: "slice", inputs: [x], attributes: { starts, sizes }, scope: this.#scope });
      const offset = x.source.offset + (starts[0] ?? 0) * Number(rest.reduce(mulDims, 1));
      return this.#value({ dtype: x.dtype, dims: sizes }, { ...x.source, offset });
    }
    return this.#op("slice", [x], { starts, sizes });
  }
  pad(x: Value, beginningPadding: readonly number[], endingPadding: readonly number[]): Value {
    return this.#op("pad", [x], { beginningPadding, endingPadding });
  }
  expand(x: Value, newShape: readonly Dim[]): Value {
    return formatDims(x.dims) === formatDims(newShape) ? x : this.#op("expand", [x], { newShape });
  }
  gather(x: Value, indices: Value, axis = 0): Value {
    return this.#op("gather", [x, indices], { axis });
  }

  /** The graph of everything that the outputs need. */
  build(): Graph {
    const values: OpValue[] = [];
    const seen = new Set<Value>();
    const visit = (value: Value): void => {
      if (seen.has(value)) return;
      seen.add(value);
      if (value.source.from !== "op") return;
      for (const input of value.source.node.inputs) visit(input);
      values.push(value as OpValue);
    };
    for (const output of Object.values(this.#outputs)) visit(output);
    return { name: this.#name, inputs: { ...this.#inputs }, outputs: { ...this.#outputs }, values };
  }

  #op<K extends OpKind>(kind: K, inputs: Inputs<K>, attributes: Attributes<K>): Value {
    const node: OpNode<K> = { kind, inputs, attributes, scope: this.#scope };
    const type = inferType(node as AnyOpNode);
    const operands: readonly Value[] = inputs;
    if (isSmall(type) && operands.length > 0) {
      const tensors = operands.flatMap(({ source }) => (source.from === "constant" ? [source.tensor] : []));
      if (tensors.length === operands.length) {
        const tensor = evaluateNode(node as AnyOpNode, tensors);
        return this.#value(type, { from: "constant", tensor });
      }
    }
    return this.#value(type, { from: "op", node: node as AnyOpNode });
  }

  #value(type: ValueType, source: Value["source"]): Value {
    return { ...type, id: this.#nextId++, source };
  }
}
