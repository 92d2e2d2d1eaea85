import type { Graph, OpValue, Value } from "./graph.ts";
import { neededFor } from "./liveness.ts";

/** A graph's operations, split by when they can be computed. Both keep the graph's order. */
export interface Partition {
  /** What depends on inputs or on the size of a named dimension: computed in every run. */
  readonly runtime: readonly OpValue[];
  /** What depends on weights and constants alone: computed once. */
  readonly derived: readonly OpValue[];
  /** Constants, weights and derived values that the runtime operations or the outputs use, in order of first use. */
  readonly initializers: readonly Value[];
}

/**
 * Splits the operations that the graph's outputs depend on; others are dropped. What `leave` says of, and whatever
 * depends on it, is not computed once.
 */
export function partition({ values, outputs }: Graph, leave: (value: OpValue) => boolean = () => false): Partition {
  const derived = new Set<Value>();
  const isStatic = (value: Value): boolean =>
    value.source.from === "constant" || value.source.from === "weight" || derived.has(value);
  const runtime: OpValue[] = [];
  for (const value of neededFor(values, Object.values(outputs))) {
    const inputs: readonly Value[] = value.source.node.inputs;
    const isDerived = inputs.every(isStatic) && value.dims.every((dim) => typeof dim === "number");
    if (isDerived && !leave(value)) derived.add(value);
    else runtime.push(value);
  }
  const used = [...runtime.flatMap((value): readonly Value[] => value.source.node.inputs), ...Object.values(outputs)];
  return {
    runtime,
    derived: values.filter((value) => derived.has(value)),
    initializers: [...new Set(used.filter(isStatic))],
  };
}
