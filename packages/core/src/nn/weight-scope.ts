import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";

/** A place among a checkpoint's names: `weights.at("layers").at(0).tensor("norm1.weight", [256])`. */
export class WeightScope {
  /** The dotted path from the checkpoint's root; "" at the root. */
  readonly path: string;
  readonly #graph: GraphBuilder;

  constructor(graph: GraphBuilder, path = "") {
    this.#graph = graph;
    this.path = path;
  }

  /** The scope below this one. */
  at(name: string | number): WeightScope {
    return new WeightScope(this.#graph, this.#join(name));
  }

  /** The tensor `name` below this scope; its shape is checked against the checkpoint when the graph is compiled. */
  tensor(name: string, dims: readonly number[]): Value {
    return this.#graph.weight(this.#join(name), dims);
  }

  #join(name: string | number): string {
    return this.path === "" ? String(name) : `${this.path}.${name}`;
  }
}
