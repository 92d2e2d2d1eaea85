import {
  BackendError,
  bindDim,
  byteSize,
  type Dim,
  type DimBindings,
  dimNames,
  elementCount,
  formatDims,
  type PreparedGraph,
} from "@masklet/core/backend";
import type { Scratch } from "./onnx/emitter.ts";

/** Whether a graph's tensors fit the device, whose kernels read only the first part of one that does not. */
export class Room {
  readonly #graph: PreparedGraph;
  readonly #tensors: readonly Scratch[];
  readonly #maxTensorBytes: number;

  constructor(graph: PreparedGraph, scratch: readonly Scratch[], maxTensorBytes: number) {
    const computed = graph.values.map(({ source, dtype, dims }) => ({ scope: source.node.scope, dtype, dims }));
    const given = [...Object.values(graph.inputs), ...graph.initializers.keys()];
    const fed = given.map(({ dtype, dims }) => ({ scope: "", dtype, dims }));
    this.#graph = graph;
    this.#tensors = [...fed, ...computed, ...scratch];
    this.#maxTensorBytes = maxTensorBytes;
  }

  /** Throws a `BackendError` ("unsupported") for a tensor that is too large once these sizes are known. */
  check(sizes: DimBindings): void {
    const isKnown = (dim: Dim): boolean => dimNames(dim).every((name) => Object.hasOwn(sizes, name));
    for (const { scope, dtype, dims } of this.#tensors) {
      if (!dims.every(isKnown)) continue;
      const actual = dims.map((dim) => bindDim(dim, sizes));
      const bytes = elementCount(actual) * byteSize[dtype];
      if (bytes <= this.#maxTensorBytes) continue;
      const where = scope === "" ? this.#graph.name : `${this.#graph.name}, ${scope}`;
      throw new BackendError(
        "unsupported",
        `${where}: ${dtype}${formatDims(actual)} takes ${bytes} bytes, the device has room for ${this.#maxTensorBytes} in one tensor`,
        { details: { bytes, maxTensorBytes: this.#maxTensorBytes } },
      );
    }
  }
}
