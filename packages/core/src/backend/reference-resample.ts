import type { Attributes } from "../graph/ops.ts";

/** For output i: inputs `index[i * taps + t]` weighted by `weight[i * taps + t]`. */
interface Filter {
  readonly taps: number;
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

type Sampler = (input: number, output: number) => Filter;

/** A filter of `taps` taps a side from a rule that names them for the output whose centre lies at `centre` (in input pixels). */
function filter(
  input: number,
  output: number,
  taps: number,
  rule: (centre: number, t: number) => [number, number],
): Filter {
  const index = new Int32Array(output * taps);
  const weight = new Float64Array(output * taps);
  for (let i = 0; i < output; i++) {
    const centre = ((i + 0.5) * input) / output - 0.5;
    for (let t = 0; t < taps; t++) {
      const [at, share] = rule(centre, t);
      index[i * taps + t] = Math.min(Math.max(at, 0), input - 1);
      weight[i * taps + t] = share;
    }
  }
  return { taps, index, weight };
}

const nearest: Sampler = (input, output) => filter(input, output, 1, (centre) => [Math.round(centre), 1]);

/** Beyond the outermost centres the edge pixel repeats. */
const linear: Sampler = (input, output) =>
  filter(input, output, 2, (centre, t) => {
    const from = Math.floor(centre);
    return [from + t, t === 0 ? 1 - (centre - from) : centre - from];
  });

/** Keys' convolution kernel with a = -0.75. */
function keys(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return (1.25 * x - 2.25) * x * x + 1;
  return x < 2 ? -0.75 * (((x - 5) * x + 8) * x - 4) : 0;
}

const cubic: Sampler = (input, output) =>
  filter(input, output, 4, (centre, t) => {
    const at = Math.floor(centre) + t - 1;
    return [at, keys(centre - at)];
  });

/** A triangle as wide as an output pixel, cut off at the image's edges and scaled to a sum of 1. */
const triangle: Sampler = (input, output) => {
  const reach = Math.max(input / output, 1);
  const taps = 2 * Math.ceil(reach) + 1;
  const result = filter(input, output, taps, (centre, t) => {
    const at = Math.ceil(centre - reach) + t;
    return [at, at < 0 || at >= input ? 0 : Math.max(0, 1 - Math.abs(at - centre) / reach)];
  });
  for (let i = 0; i < output; i++) {
    const weights = result.weight.subarray(i * taps, (i + 1) * taps);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let t = 0; t < taps; t++) weights[t] = (weights[t] as number) / total;
  }
  return result;
};

const samplers: { readonly [M in Attributes<"resample2d">["mode"]]: Sampler } = {
  "nearest-neighbor": nearest,
  linear,
  cubic,
};

/** Resizes `data` of shape `from` ([n, h, w, c]) to shape `to`: along the width, then along the height. */
export function resample(
  data: Float32Array,
  from: readonly number[],
  to: readonly number[],
  { mode, antialias }: Attributes<"resample2d">,
): Float32Array {
  const [images = 0, height = 0, width = 0, channels = 0] = from;
  const [, outHeight = 0, outWidth = 0] = to;
  const sampler = antialias ? triangle : samplers[mode];
  const wide = new Float64Array(images * height * outWidth * channels);
  along(data, images * height, channels, sampler(width, outWidth), width, wide);
  const out = new Float32Array(images * outHeight * outWidth * channels);
  along(wide, images, outWidth * channels, sampler(height, outHeight), height, out);
  return out;
}

/** Filters the middle axis of [outer, length, inner] into `out`, whose middle axis is the filter's. */
function along(
  data: Float32Array | Float64Array,
  outer: number,
  inner: number,
  { taps, index, weight }: Filter,
  length: number,
  out: Float32Array | Float64Array,
): void {
  const outLength = index.length / taps;
  const sum = new Float64Array(inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < outLength; i++) {
      sum.fill(0);
      for (let t = i * taps; t < (i + 1) * taps; t++) {
        const at = (o * length + (index[t] as number)) * inner;
        const share = weight[t] as number;
        if (share === 0) continue; // 0 * Infinity
        for (let k = 0; k < inner; k++) sum[k] = (sum[k] as number) + share * (data[at + k] as number);
      }
      out.set(sum, (o * outLength + i) * inner);
    }
  }
}
