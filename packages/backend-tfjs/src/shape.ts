import type { Tensor } from "@tensorflow/tfjs-core";
import type { TfOps } from "./runtime.ts";

/**
 * Kernels for high ranks are slow, wrong or missing on one engine or another; none of these operations needs one. Each
 * helper merges the axes that it can treat as one, calls the kernel at the least rank, and restores the shape.
 */

/** Zeros before and after, along every axis. */
export function padAxes(tf: TfOps, x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  const dims = x.shape.map((size, axis) => size + (before[axis] ?? 0) + (after[axis] ?? 0));
  const groups = groupByCut(x.shape, (axis) => before[axis] !== 0 || after[axis] !== 0);
  const paddings = groups.map(({ axis, inner }): [number, number] => [
    (before[axis] ?? 0) * inner,
    (after[axis] ?? 0) * inner,
  ]);
  const sizes = groups.map(({ size }) => size);
  return tf.reshape(tf.pad(tf.reshape(x, sizes), paddings), dims);
}

/** `sizes[i]` elements from `starts[i]` along every axis. */
export function sliceAxes(tf: TfOps, x: Tensor, starts: readonly number[], sizes: readonly number[]): Tensor {
  if (x.shape.every((size, axis) => size === sizes[axis])) return tf.reshape(x, [...sizes]);
  const groups = groupByCut(x.shape, (axis) => sizes[axis] !== x.shape[axis]);
  const begin = groups.map(({ axis, inner }) => (starts[axis] ?? 0) * inner);
  const size = groups.map(({ axis, inner }) => (sizes[axis] ?? 1) * inner);
  const flat = tf.reshape(
    x,
    groups.map((group) => group.size),
  );
  return tf.reshape(tf.slice(flat, begin, size), [...sizes]);
}

interface Group {
  /** The axis of the group that is cut, or its first. */
  readonly axis: number;
  /** Elements of the whole group, and of its axes after `axis`. */
  readonly size: number;
  readonly inner: number;
}

/** Each axis that is cut with the whole ones after it; the whole ones before all of them by themselves. */
function groupByCut(dims: readonly number[], isCut: (axis: number) => boolean): readonly Group[] {
  const groups: Group[] = [];
  dims.forEach((size, axis) => {
    const last = groups.at(-1);
    if (last === undefined || isCut(axis)) groups.push({ axis, size, inner: 1 });
    else groups[groups.length - 1] = { ...last, size: last.size * size, inner: last.inner * size };
  });
  return groups;
}

/** Output axis i is input axis permutation[i]. */
export function transposeAxes(tf: TfOps, x: Tensor, permutation: readonly number[]): Tensor {
  const dims = permutation.map((axis) => x.shape[axis] ?? 1);
  // Runs of axes that stay together, in the order of the output; axes of one element belong anywhere.
  const runs: { first: number; size: number }[] = [];
  let previous = -2;
  for (const axis of permutation) {
    const size = x.shape[axis] ?? 1;
    if (size === 1) continue;
    const run = runs.at(-1);
    const adjacent = run !== undefined && axis > previous && allOnes(x.shape.slice(previous + 1, axis));
    if (adjacent) run.size *= size;
    else runs.push({ first: axis, size });
    previous = axis;
  }
  const inputOrder = runs.toSorted((a, b) => a.first - b.first);
  const order = runs.map((run) => inputOrder.indexOf(run));
  if (order.every((axis, i) => axis === i)) return tf.reshape(x, dims);
  const sizes = inputOrder.map(({ size }) => size);
  return tf.reshape(tf.transpose(tf.reshape(x, sizes), order), dims);
}

const allOnes = (dims: readonly number[]): boolean => dims.every((size) => size === 1);

/** Broadcasts to a shape. */
export function expandTo(tf: TfOps, x: Tensor, dims: readonly number[]): Tensor {
  const from = [...new Array<number>(dims.length - x.shape.length).fill(1), ...x.shape];
  const groups: { size: number; repeats: number }[] = [];
  dims.forEach((size, axis) => {
    const repeats = from[axis] === size ? 1 : size;
    const kept = from[axis] ?? 1;
    const group = groups.at(-1);
    if (group !== undefined && repeats === 1 && kept === 1) return;
    if (group !== undefined && (repeats === 1 ? group.repeats === 1 : group.size === 1)) {
      group.size *= kept;
      group.repeats *= repeats;
    } else groups.push({ size: kept, repeats });
  });
  if (groups.every(({ repeats }) => repeats === 1)) return tf.reshape(x, [...dims]);
  const sizes = groups.map(({ size }) => size);
  const repeats = groups.map((group) => group.repeats);
  return tf.reshape(tf.tile(tf.reshape(x, sizes), repeats), [...dims]);
}
