import { GraphError } from "../errors.ts";

/**
 * A dimension: a number, or an expression over names in canonical form (`"prompts"`, `"points + 7"`,
 * `"16*images"`). A name with a question mark, `"prompts?"`, is a dimension that is either 1 or `prompts`, as the
 * caller feeds it: it broadcasts against `prompts` and says so in the type.
 */
export type Dim = number | string;

/** Values for the names of a graph's dimensions. */
export type DimBindings = Readonly<Record<string, number>>;

/** A polynomial: coefficient by product of names (sorted, `*`-joined; "" for the constant term). */
type Polynomial = ReadonlyMap<string, number>;

const NAME = /^[A-Za-z]\w*\??$/;

function parse(dim: Dim): Polynomial {
  if (typeof dim === "number") return new Map([["", dim]]);
  const terms = new Map<string, number>();
  for (const term of dim.split(" + ")) {
    let coefficient = 1;
    const names: string[] = [];
    for (const factor of term.split("*")) {
      if (NAME.test(factor)) names.push(factor);
      else if (/^-?\d+$/.test(factor)) coefficient *= Number(factor);
      else throw new GraphError("bad-dim", `dimension "${dim}": "${factor}" is neither a name nor a whole number`);
    }
    accumulate(terms, names.sort().join("*"), coefficient);
  }
  return terms;
}

function accumulate(terms: Map<string, number>, product: string, coefficient: number): void {
  terms.set(product, (terms.get(product) ?? 0) + coefficient);
}

function format(terms: Polynomial): Dim {
  const kept = [...terms].filter(([, coefficient]) => coefficient !== 0);
  if (kept.every(([product]) => product === "")) return kept[0]?.[1] ?? 0;
  kept.sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
  return kept.map(([product, n]) => (product === "" ? `${n}` : n === 1 ? product : `${n}*${product}`)).join(" + ");
}

/** The dimension in canonical form; throws a `GraphError` for what is none: a fraction, a negative number, other text. */
export function canonicalDim(dim: Dim): Dim {
  if (typeof dim === "number" && !(Number.isSafeInteger(dim) && dim >= 0)) {
    throw new GraphError("bad-dim", `dimension ${dim} is not a whole number from 0`);
  }
  return format(parse(dim));
}

/** a + b */
export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a + b;
  const sum = new Map(parse(a));
  for (const [product, coefficient] of parse(b)) accumulate(sum, product, coefficient);
  return format(sum);
}

/** a * b */
export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  const result = new Map<string, number>();
  for (const [p, m] of parse(a)) {
    for (const [q, n] of parse(b)) {
      const names = [...p.split("*"), ...q.split("*")].filter((name) => name !== "");
      accumulate(result, names.sort().join("*"), m * n);
    }
  }
  return format(result);
}

/** a / b where that is exact and b is a single term; otherwise `undefined`. */
export function divDims(a: Dim, b: Dim): Dim | undefined {
  const [divisor, ...more] = [...parse(b)];
  if (divisor === undefined || more.length > 0 || divisor[1] === 0) return undefined;
  const names = divisor[0].split("*").filter((name) => name !== "");
  const quotient = new Map<string, number>();
  for (const [product, coefficient] of parse(a)) {
    if (coefficient === 0) continue;
    const rest = product.split("*").filter((name) => name !== "");
    for (const name of names) {
      const at = rest.indexOf(name);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (coefficient % divisor[1] !== 0) return undefined;
    accumulate(quotient, rest.join("*"), coefficient / divisor[1]);
  }
  return format(quotient);
}

/** The product of a shape's dimensions. */
export function sizeOf(dims: readonly Dim[]): Dim {
  return dims.reduce(mulDims, 1);
}

/** The names that a dimension depends on; an optional one counts as its base name. */
export function dimNames(dim: Dim): readonly string[] {
  if (typeof dim === "number") return [];
  const names = [...parse(dim).keys()].flatMap((product) => product.split("*")).filter((name) => name !== "");
  return [...new Set(names.map((name) => name.replace("?", "")))];
}

/** Whether a dimension may be 1 in one run and a named size in another. */
export function isOptional(dim: Dim): dim is string {
  return typeof dim === "string" && NAME.test(dim) && dim.endsWith("?");
}

/** The dimension two broadcast to, or `undefined` where they do not. */
export function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (isOptional(a) && a === `${b}?`) return b;
  if (isOptional(b) && b === `${a}?`) return a;
  return undefined;
}

/** The shape two shapes broadcast to (aligned at the last axis), or `undefined` where they do not. */
export function broadcastDims(a: readonly Dim[], b: readonly Dim[]): readonly Dim[] | undefined {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const dim = broadcastDim(a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1);
    if (dim === undefined) return undefined;
    result.push(dim);
  }
  return result;
}

/** A dimension's value; an optional one takes its base name's. */
export function bindDim(dim: Dim, bindings: DimBindings): number {
  if (typeof dim === "number") return dim;
  let sum = 0;
  for (const [product, coefficient] of parse(dim)) {
    let value = coefficient;
    for (const name of product.split("*")) {
      if (name === "") continue;
      const bound = bindings[name] ?? bindings[name.replace("?", "")];
      if (bound === undefined) throw new GraphError("unbound-dim", `dimension "${dim}": no value for "${name}"`);
      value *= bound;
    }
    sum += value;
  }
  return sum;
}

/** The least value a dimension can take, names being 0 or more: 6 for `points + 6`. */
export function leastDim(dim: Dim): number {
  const terms = parse(dim);
  return [...terms.values()].every((coefficient) => coefficient >= 0) ? (terms.get("") ?? 0) : 0;
}

/** The name that an actual size of this dimension settles: `points` of `points + 7`, none of `prompts*points`. */
export function solvableName(dim: Dim): string | undefined {
  const products = typeof dim === "number" ? [] : [...parse(dim).keys()].filter((product) => product !== "");
  const [product, ...more] = products;
  return product === undefined || more.length > 0 || product.includes("*") ? undefined : product;
}

/** Reads the value of a name off an actual size: `points + 7` of 9 gives `points` = 2. */
export function solveDim(dim: string, size: number): readonly [name: string, value: number] | undefined {
  const name = solvableName(dim);
  if (name === undefined) return undefined;
  const terms = parse(dim);
  const value = (size - (terms.get("") ?? 0)) / (terms.get(name) ?? 0);
  return Number.isInteger(value) && value >= 0 ? [name, value] : undefined;
}

/** `[prompts,7,256]` */
export function formatDims(dims: readonly Dim[]): string {
  return `[${dims.join(",")}]`;
}
