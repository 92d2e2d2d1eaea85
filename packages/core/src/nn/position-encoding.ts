import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";
import { float32, type HostTensor } from "../tensor/tensor.ts";

const round = Math.fround;

/**
 * The sine encoding of a map (reference: modeling/position_encoding.py, `PositionEmbeddingSine`, normalised,
 * temperature 10000): [height * width, channels], the first half of the channels for y, the second for x; in each, sine
 * and cosine alternate.
 */
export function sinePositionEncoding(height: number, width: number, channels: number): HostTensor<"float32"> {
  const half = channels / 2;
  const data = new Float32Array(height * width * channels);
  // In float32 at every step, as the model was trained with: near a rounding edge of a memory the last bit shows.
  const encode = (position: number, offset: number): void => {
    for (let i = 0; i < half; i += 2) {
      const angle = round(position / round(10000 ** round(i / half)));
      data[offset + i] = Math.sin(angle);
      data[offset + i + 1] = Math.cos(angle);
    }
  };
  const scale = (i: number, n: number): number => round(round((i + 1) / round(n + round(1e-6))) * round(2 * Math.PI));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * channels;
      encode(scale(y, height), at);
      encode(scale(x, width), at + half);
    }
  }
  return float32([height * width, channels], data);
}

/**
 * Random Fourier features of points in [0, 1] (Tancik et al. 2020; reference: `PositionEmbeddingRandom`):
 * points [..., 2], matrix [2, c] -> [..., 2c], sines then cosines.
 */
export function fourierFeatures(g: GraphBuilder, points: Value, matrix: Value): Value {
  const centred = g.sub(g.mul(points, g.scalar(2)), g.scalar(1));
  const angles = g.mul(g.matmul(centred, matrix), g.scalar(2 * Math.PI));
  return g.concat([g.sin(angles), g.cos(angles)], points.dims.length - 1);
}
