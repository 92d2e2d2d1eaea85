import type { Tensor } from "@tensorflow/tfjs-core";
import type { TfOps } from "./runtime.ts";
import { sliceAxes, transposeAxes } from "./shape.ts";
import type { Traits } from "./traits.ts";
import type { OwnKernels } from "./wasm-kernels.ts";

interface Options {
  readonly tf: TfOps;
  readonly traits: Traits;
  readonly own: OwnKernels | undefined;
  readonly heads: number;
  readonly scale: number;
}

/**
 * softmax(q k^T * scale) v for each head: q [b, m, heads*d], k [b', n, heads*d], v [b', n, heads*e] -> [b, m, heads*e],
 * b' being b or 1. The scores of a few heads or a few queries at a time: all of them fit neither one buffer (4,096
 * queries and 28,736 keys are 471 MB) nor a cache.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, { tf, traits, own, heads, scale }: Options): Tensor {
  const [batch = 0, rows = 0, width = 0] = q.shape;
  const [keyBatch = 0, keys = 0, outWidth = 0] = v.shape;
  const [d, e] = [width / heads, outWidth / heads];
  // Queries that share their keys are rows of one batch.
  const m = (batch / keyBatch) * rows;
  const count = keyBatch * heads;
  const split = (x: Tensor, length: number, size: number): Tensor => {
    const apart = tf.reshape(x, [keyBatch, length, heads, size]);
    return tf.reshape(transposeAxes(tf, apart, [0, 2, 1, 3]), [count, length, size]);
  };
  const query = split(tf.mul(q, scale), m, d);
  const value = split(v, keys, e);
  const most = Math.max(1, Math.min(traits.softmaxRows, Math.floor(traits.scoreBytes / (4 * keys))));
  const blocks = Math.ceil(m / most);
  const blockRows = Math.ceil(m / blocks);
  const join = (all: Tensor): Tensor => {
    const joined = transposeAxes(tf, tf.reshape(all, [keyBatch, heads, m, e]), [0, 2, 1, 3]);
    return tf.reshape(joined, [batch, rows, outWidth]);
  };
  if (own !== undefined) {
    const columns = transposeAxes(tf, tf.reshape(k, [keyBatch, keys, heads, d]), [0, 2, 3, 1]);
    return join(own.attend(query, tf.reshape(columns, [count, d, keys]), value, blockRows));
  }

  const key = split(k, keys, d);
  const together = blocks > 1 ? 1 : Math.min(count, Math.floor(most / m));
  const results: Tensor[] = [];
  for (let first = 0; first < count; first += together) {
    const size = Math.min(together, count - first);
    const part = (x: Tensor, row: number, length: number): Tensor =>
      sliceAxes(tf, x, [first, row, 0], [size, length, x.shape[2] ?? 0]);
    results.push(
      tf.tidy(() => {
        const [ownKey, ownValue] = [part(key, 0, keys), part(value, 0, keys)];
        const attended: Tensor[] = [];
        for (let row = 0; row < m; row += blockRows) {
          attended.push(
            tf.tidy(() => {
              const scores = tf.matMul(part(query, row, Math.min(blockRows, m - row)), ownKey, false, true);
              return tf.matMul(tf.softmax(scores), ownValue);
            }),
          );
        }
        return attended.length === 1 ? (attended[0] as Tensor) : tf.concat(attended, 1);
      }),
    );
  }
  return join(results.length === 1 ? (results[0] as Tensor) : tf.concat(results, 0));
}
