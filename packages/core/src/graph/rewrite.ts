import type { AnyOpNode, Graph, OpNode, OpValue, Value, ValueSource } from "./graph.ts";
import { inferType } from "./infer.ts";
import type { Attributes, Inputs, OpKind } from "./ops.ts";

/** What a rewriting makes its new graph with. */
export interface Rewriter {
  /** What a value of the old graph has become. */
  find(value: Value): Value;
  /** A new operation, marked as being at `scope`. */
  emit<K extends OpKind>(scope: string, kind: K, inputs: Inputs<K>, attributes: Attributes<K>): Value;
}

/** The graph with each operation replaced by what `replace` makes of it, and its outputs by what `output` makes of them. */
export function rewriteGraph(
  graph: Graph,
  replace: (value: OpValue, rewriter: Rewriter) => Value,
  output: (value: Value, rewriter: Rewriter) => Value = (value) => value,
): Graph {
  const known = new Map<Value, Value>();
  const values: OpValue[] = [];
  let nextId = 0;
  const make = (type: Pick<Value, "dtype" | "dims">, source: ValueSource): Value => {
    return { dtype: type.dtype, dims: type.dims, id: nextId++, source };
  };
  const rewriter: Rewriter = {
    find: (value) => {
      const found = known.get(value) ?? make(value, value.source);
      known.set(value, found);
      return found;
    },
    emit: <K extends OpKind>(scope: string, kind: K, inputs: Inputs<K>, attributes: Attributes<K>) => {
      const node: OpNode<K> = { kind, inputs, attributes, scope };
      const value = make(inferType(node as AnyOpNode), { from: "op", node: node as AnyOpNode });
      values.push(value as OpValue);
      return value;
    },
  };
  const renamed = (entries: Graph["inputs"], change: (value: Value) => Value): Record<string, Value> =>
    Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value)]));
  const inputs = renamed(graph.inputs, rewriter.find);
  for (const value of graph.values) known.set(value, replace(value, rewriter));
  const outputs = renamed(graph.outputs, (value) => output(rewriter.find(value), rewriter));
  return { name: graph.name, inputs, outputs, values };
}
