/** Writes down the weights of a layer below one scope of a checkpoint's names. */
export interface ShapeScope {
  free(name: string, dims: readonly number[]): void;
  /** A weight and the bias of its outputs, which are its first dimension unless said otherwise. */
  affine(name: string, weight: readonly number[], outputs?: number): void;
  linear(name: string, inputs: number, outputs: number): void;
  norm(name: string, width: number): void;
  mlp(name: string, ...widths: readonly number[]): void;
  attention(name: string, width: number, inner?: number, keys?: number): void;
}

/** The scope of a prefix such as `memory_encoder.`; "" is the root. */
export type ShapesAt = (prefix: string) => ShapeScope;

/** The names and shapes that `write` writes down. */
export function weightShapes(write: (at: ShapesAt) => void): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  write((prefix) => {
    const scope: ShapeScope = {
      free: (name, dims) => void shapes.set(prefix + name, dims),
      affine: (name, weight, outputs = weight[0] ?? 0) => {
        shapes.set(`${prefix}${name}.weight`, weight);
        shapes.set(`${prefix}${name}.bias`, [outputs]);
      },
      linear: (name, inputs, outputs) => scope.affine(name, [outputs, inputs]),
      norm: (name, width) => scope.affine(name, [width]),
      mlp: (name, ...widths) => {
        for (let i = 0; i + 1 < widths.length; i++) {
          scope.linear(`${name}.layers.${i}`, widths[i] ?? 0, widths[i + 1] ?? 0);
        }
      },
      attention: (name, width, inner = width, keys = width) => {
        scope.linear(`${name}.q_proj`, width, inner);
        scope.linear(`${name}.k_proj`, keys, inner);
        scope.linear(`${name}.v_proj`, keys, inner);
        scope.linear(`${name}.out_proj`, inner, width);
      },
    };
    return scope;
  });
  return shapes;
}
