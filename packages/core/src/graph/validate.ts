import { GraphError } from "../errors.ts";
import { elementCount } from "../tensor/tensor.ts";
import { canonicalDim, type Dim, dimNames, formatDims, solvableName } from "./dim.ts";
import type { Graph, Value } from "./graph.ts";
import { inferType } from "./infer.ts";

/**
 * Checks what `GraphBuilder` guarantees, for a graph that came another way: every operand is there before its use, every
 * type is the one its operation gives, ids and inputs are unique, dimensions are canonical and their names can be read off
 * the inputs. Throws a `GraphError` ("invalid-graph", or the mistake in an operation) for the first thing that is not so.
 */
export function validateGraph(graph: Graph): void {
  const fail = (problem: string, details: Readonly<Record<string, unknown>> = {}): never => {
    throw new GraphError("invalid-graph", `graph ${graph.name}: ${problem}`, { details });
  };
  const known = new Map<number, Value>();
  const add = (value: Value, what: string): void => {
    const other = known.get(value.id);
    if (other === value) return;
    if (other !== undefined) fail(`${what} has the id ${value.id} of another value`, { id: value.id });
    for (const dim of value.dims) checkDim(dim, what);
    known.set(value.id, value);
  };
  const checkDim = (dim: Dim, what: string): void => {
    const canonical = canonicalDim(dim);
    if (canonical !== dim) fail(`${what}: dimension "${dim}" is not in canonical form, "${canonical}"`, { dim });
  };
  /** Inputs and operations come before their uses; constants and weights are where they are used. */
  const check = (value: Value, what: string): void => {
    const { source } = value;
    if (source.from === "constant") {
      const { dtype, dims, data } = source.tensor;
      const type = `${value.dtype}${formatDims(value.dims)}`;
      if (type !== `${dtype}${formatDims(dims)}` || data.length !== elementCount(dims)) {
        fail(`${what} is ${type}, but its tensor is ${dtype}${formatDims(dims)} of ${data.length} elements`);
      }
      add(value, what);
    } else if (source.from === "weight") {
      const size = value.dims.reduce<number>((product, dim) => product * Number(dim), 1);
      if (value.dtype !== "float32" || !(source.offset >= 0 && source.offset + size <= elementCount(source.keyDims))) {
        const view = `${value.dtype}${formatDims(value.dims)} from element ${source.offset}`;
        fail(`${what}: weight ${source.key} ${formatDims(source.keyDims)} does not hold ${view}`, { key: source.key });
      }
      add(value, what);
    } else if (known.get(value.id) !== value) {
      const origin = source.from === "input" ? `input "${source.name}"` : `a result of ${source.node.kind}`;
      fail(`${what} is ${origin} that was not there before`, { id: value.id });
    }
  };

  const names = new Set<string>();
  for (const [name, value] of Object.entries(graph.inputs)) {
    if (value.source.from !== "input" || value.source.name !== name) fail(`input "${name}" is another value`);
    add(value, `input "${name}"`);
    for (const dim of value.dims) {
      const name = solvableName(dim);
      if (name !== undefined) names.add(name.replace("?", ""));
    }
  }
  for (const value of graph.values) {
    const { node } = value.source;
    const what = `${node.scope === "" ? "" : `${node.scope}: `}${node.kind} (value ${value.id})`;
    (node.inputs as readonly Value[]).forEach((input, i) => {
      check(input, `${what}: operand ${i}`);
    });
    const { dtype, dims } = inferType(node);
    if (dtype !== value.dtype || formatDims(dims) !== formatDims(value.dims)) {
      const [got, expected] = [`${value.dtype}${formatDims(value.dims)}`, `${dtype}${formatDims(dims)}`];
      fail(`${what} is ${got}, its operation gives ${expected}`, { expected, got });
    }
    if (known.has(value.id)) fail(`${what} has the id of another value`, { id: value.id });
    add(value, what);
    for (const name of value.dims.flatMap(dimNames)) {
      if (!names.has(name)) fail(`${what}: dimension ${name} cannot be read off any input`, { dim: name });
    }
  }
  for (const [name, value] of Object.entries(graph.outputs)) check(value, `output "${name}"`);
}
