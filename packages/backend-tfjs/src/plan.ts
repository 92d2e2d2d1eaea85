import {
  type AnyOpNode,
  type DimBindings,
  elementCount,
  liveness,
  neededFor,
  type OpValue,
  type PreparedGraph,
  resolveNode,
  type Value,
  type ValueDType,
} from "@masklet/core/backend";

/** One operation of a run, every size known. */
export interface Step {
  /** What it computes. */
  readonly value: OpValue;
  readonly node: AnyOpNode;
  readonly attributes: AnyOpNode["attributes"];
  readonly dtype: ValueDType;
  readonly dims: readonly number[];
  /** Whether the result goes through `relu` on the way. */
  readonly relu: boolean;
  /** Values that no later step uses. */
  readonly done: readonly Value[];
}

export interface PlanOptions {
  readonly outputs: readonly Value[];
  readonly bindings: DimBindings;
  /** Shapes of the inputs and initializers. */
  readonly dimsOf: (value: Value) => readonly number[];
}

/** The steps of a run: what the outputs depend on, at actual sizes, an activation joined to what it follows. */
export function planRun(graph: PreparedGraph, { outputs, bindings, dimsOf }: PlanOptions): readonly Step[] {
  const values = neededFor(graph.values, outputs);
  const sizes = new Map<Value, readonly number[]>();
  const find = (value: Value): readonly number[] => sizes.get(value) ?? dimsOf(value);
  const fused = fusedActivations(values, outputs);
  const free = liveness(values, outputs);
  const steps: Step[] = [];
  for (const [i, value] of values.entries()) {
    const { node } = value.source;
    const inputs = (node.inputs as readonly Value[]).map((input) => ({ dims: find(input) }));
    const { attributes, dtype, dims } = resolveNode(node, inputs, bindings);
    sizes.set(value, dims);
    const done = free[i] ?? [];
    const producer = fused.has(value) ? steps.pop() : undefined;
    if (producer === undefined) steps.push({ value, node, attributes, dtype, dims, relu: false, done });
    // The step computes the activation's result in place of its own, which so never exists.
    else {
      const both = [...producer.done, ...done.filter((one) => one !== producer.value)];
      steps.push({ ...producer, value, relu: true, done: both });
    }
  }
  return steps;
}

/** The `relu`s that directly follow the `linear` or `conv2d` whose only reader they are. */
function fusedActivations(values: readonly OpValue[], outputs: readonly Value[]): ReadonlySet<OpValue> {
  const uses = new Map<Value, number>();
  const count = (value: Value): unknown => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const output of outputs) count(output);
  for (const { source } of values) for (const input of source.node.inputs as readonly Value[]) count(input);
  return new Set(
    values.filter(({ source: { node } }, i) => {
      const [x] = node.inputs as readonly Value[];
      if (node.kind !== "relu" || x === undefined || x !== values[i - 1] || uses.get(x) !== 1) return false;
      const kind = x.source.from === "op" ? x.source.node.kind : undefined;
      return kind === "linear" || kind === "conv2d";
    }),
  );
}

/** What a step gives where an operand or the result has no elements, which engines do not agree on. */
export type Empty = "compute" | "empty" | "zeros" | "bias" | "concat";

export function emptinessOf({ node, dims }: Step, inputs: readonly (readonly number[])[]): Empty {
  if (elementCount(dims) === 0) return "empty";
  if (inputs.every((input) => elementCount(input) > 0)) return "compute";
  if (node.kind === "concat") return "concat";
  return node.kind === "linear" && node.inputs.length === 3 ? "bias" : "zeros";
}
