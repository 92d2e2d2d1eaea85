import type { OpValue, Value } from "./graph.ts";

/** Those of `values` that `outputs` depend on, in the same order. */
export function neededFor(values: readonly OpValue[], outputs: Iterable<Value>): readonly OpValue[] {
  const needed = new Set(outputs);
  for (const value of values.toReversed()) {
    if (needed.has(value)) for (const input of value.source.node.inputs) needed.add(input);
  }
  return values.filter((value) => needed.has(value));
}

/**
 * What is used for the last time by each of `values`, in their order: after step i, entry i can be freed. Values of any
 * source are listed (inputs and constants too), `kept` ones never; a result that nobody uses goes with its own step.
 */
export function liveness(values: readonly OpValue[], kept: Iterable<Value>): readonly (readonly Value[])[] {
  const seen = new Set(kept);
  const free = values.map((): Value[] => []);
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i] as OpValue;
    for (const used of [value, ...value.source.node.inputs]) {
      if (!seen.has(used)) free[i]?.push(used);
      seen.add(used);
    }
  }
  return free;
}
