import type { Signature, SignatureEntry } from "../backend/backend.ts";
import { BackendError } from "../errors.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { bindDim, type Dim, type DimBindings, dimNames, formatDims, isOptional, solveDim } from "./dim.ts";
import type { Graph, Value } from "./graph.ts";

/** The names, dtypes and shapes of a graph's inputs and outputs. */
export function signatureOf({ inputs, outputs }: Pick<Graph, "inputs" | "outputs">): Signature {
  const entries = (values: Readonly<Record<string, Value>>): Record<string, SignatureEntry> =>
    Object.fromEntries(Object.entries(values).map(([name, { dtype, dims }]) => [name, { dtype, dims }]));
  return { inputs: entries(inputs), outputs: entries(outputs) };
}

/** Throws a `BackendError` ("bad-feeds") unless the graph `name` has all the outputs that a run wants. */
export function checkOutputs(name: string, { outputs }: Pick<Signature, "outputs">, wanted: readonly string[]): void {
  const unknown = wanted.find((output) => !Object.hasOwn(outputs, output));
  if (unknown === undefined) return;
  const known = Object.keys(outputs).join(", ");
  throw new BackendError("bad-feeds", `${name}: there is no output "${unknown}", only ${known}`);
}

/** What is looked at of a tensor; device tensors have no `data`. */
export type FeedShape = Pick<Tensor, "dtype" | "dims"> & { readonly data?: { readonly length: number } };

function misfit(problem: string, details: Readonly<Record<string, unknown>>): BackendError {
  return new BackendError("bad-feeds", `feeds: ${problem}`, { details });
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

/**
 * Checks tensors against a signature's inputs and returns the sizes of its named dimensions; `fixed` names sizes that
 * are settled already. An optional dimension (`prompts?`) is 1 or its name's size, each input on its own. Throws a
 * `BackendError` with code "bad-feeds" that says which input, what was expected and what came.
 */
export function bindFeeds(
  { inputs }: Pick<Signature, "inputs">,
  feeds: Readonly<Record<string, FeedShape>>,
  fixed: DimBindings = {},
): DimBindings {
  const names = Object.keys(inputs);
  const unknown = Object.keys(feeds).filter((name) => !Object.hasOwn(inputs, name));
  if (unknown.length > 0) {
    throw misfit(`there is no input ${quoted(unknown)}, only ${quoted(names)}`, { unknown, inputs: names });
  }
  const missing = names.filter((name) => !Object.hasOwn(feeds, name));
  if (missing.length > 0) throw misfit(`input ${quoted(missing)} is missing`, { missing });

  /** Each name's size, and who said so. */
  const bound = new Map(Object.entries(fixed).map(([name, size]) => [name, { size, by: "compilation" }]));
  const bindings: Record<string, number> = { ...fixed };
  const bind = (name: string, size: number, by: string): void => {
    if (bound.has(name)) return;
    bound.set(name, { size, by });
    bindings[name] = size;
  };

  const shapes = Object.entries(inputs).map(([name, { dtype, dims }]) => {
    const feed = feeds[name] as FeedShape;
    const facts = { input: name, expected: { dtype, dims }, got: { dtype: feed.dtype, dims: feed.dims } };
    const expected = `input "${name}" takes ${dtype}${formatDims(dims)}, got ${feed.dtype}${formatDims(feed.dims)}`;
    if (feed.dtype !== dtype || feed.dims.length !== dims.length) throw misfit(expected, facts);
    if (feed.data !== undefined && feed.data.length !== elementCount(feed.dims)) {
      throw misfit(`input "${name}" has ${feed.data.length} elements for ${formatDims(feed.dims)}`, facts);
    }
    return { name, feed, dims, expected, facts };
  });
  // Plain names settle a size, then optional ones above 1, then optional ones of 1: what nobody else named is 1.
  const passes: readonly ((dim: string, size: number) => boolean)[] = [
    (dim) => !dim.includes("?"),
    (dim, size) => isOptional(dim) && size !== 1,
    (dim) => dim.includes("?"),
  ];
  for (const applies of passes) {
    for (const { name, feed, dims } of shapes) {
      dims.forEach((dim, axis) => {
        const size = feed.dims[axis] ?? 0;
        if (typeof dim === "number" || !applies(dim, size)) return;
        const solved = solveDim(dim, size);
        if (solved !== undefined) bind(solved[0].replace("?", ""), solved[1], name);
      });
    }
  }
  for (const { feed, dims, expected, facts } of shapes) {
    dims.forEach((dim, axis) => {
      const size = feed.dims[axis] ?? 0;
      if (fits(dim, size, bindings)) return;
      const reasons = dimNames(dim).map((name) => {
        const known = bound.get(name);
        return known === undefined ? `${name} is not known` : `${name} is ${known.size} by ${origin(known.by)}`;
      });
      const why = reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
      throw misfit(`${expected}: axis ${axis} must be ${dim}${why}, got ${size}`, facts);
    });
  }
  return bindings;
}

const origin = (by: string): string => (by === "compilation" ? by : `input "${by}"`);

function fits(dim: Dim, size: number, bindings: DimBindings): boolean {
  if (isOptional(dim) && size === 1) return true;
  return dimNames(dim).every((name) => Object.hasOwn(bindings, name)) && bindDim(dim, bindings) === size;
}
