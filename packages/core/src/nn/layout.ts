import type { GraphBuilder } from "../graph/builder.ts";
import { type Dim, divDims, mulDims } from "../graph/dim.ts";
import type { Value } from "../graph/graph.ts";

/**
 * A channels-last map whose rows may lie window by window. Everything that works on single tokens (linear layers,
 * norms) does not care about the order, so tokens are put in order only where it changes.
 */
export interface Tokens {
  /** [batch, height, width, channels], or with a window [batch * windows, window, window, channels]. */
  readonly value: Value;
  readonly height: number;
  readonly width: number;
  /** Side of the windows; 0 for plain rows. Maps that it does not divide are padded with zeros at the bottom and right. */
  readonly window: number;
}

const padded = (size: number, window: number): number => Math.ceil(size / window) * window;

/** `tokens` with another value of the same order, whatever its channels. */
export function withValue(tokens: Tokens, value: Value): Tokens {
  return { ...tokens, value };
}

/** The same map in windows of `window`, or in rows where that is 0. */
export function inWindows(g: GraphBuilder, tokens: Tokens, window: number): Tokens {
  if (tokens.window === window) return tokens;
  const rows = tokens.window === 0 ? tokens : inRows(g, tokens);
  return window === 0 ? rows : intoWindows(g, rows, window);
}

function intoWindows(g: GraphBuilder, { value, height, width }: Tokens, window: number): Tokens {
  const [batch, , , channels] = value.dims as readonly [Dim, Dim, Dim, Dim];
  const [h, w] = [padded(height, window), padded(width, window)];
  const whole = h === height && w === width ? value : g.pad(value, [0, 0, 0, 0], [0, h - height, w - width, 0]);
  const split = g.reshape(whole, [batch, h / window, window, w / window, window, channels]);
  const windows = g.transpose(split, [0, 1, 3, 2, 4, 5]);
  const count = mulDims(batch, (h / window) * (w / window));
  return { value: g.reshape(windows, [count, window, window, channels]), height, width, window };
}

function inRows(g: GraphBuilder, { value, height, width, window }: Tokens): Tokens {
  const [count, , , channels] = value.dims as readonly [Dim, Dim, Dim, Dim];
  const [h, w] = [padded(height, window), padded(width, window)];
  const batch = divDims(count, (h / window) * (w / window)) ?? 1;
  const split = g.reshape(value, [batch, h / window, w / window, window, window, channels]);
  const rows = g.reshape(g.transpose(split, [0, 1, 3, 2, 4, 5]), [batch, h, w, channels]);
  const cropped = g.slice(rows, [0, 0, 0, 0], [batch, height, width, channels]);
  return { value: cropped, height, width, window: 0 };
}

/**
 * A map at four times the resolution of a grid, as 16 entries for each of its cells, in quad order (2x2 quarters, and
 * in each its 2x2 pixels): [batch, 4h, 4w, channels] -> [batch, h*w*16, channels]. A transposed convolution of kernel and
 * stride 2, and a convolution likewise, is a linear layer in this order, without moving anything.
 */
export function toQuads(g: GraphBuilder, x: Value): Value {
  const [batch, height, width, channels] = x.dims as readonly [Dim, number, number, Dim];
  const [h, w] = [height / 4, width / 4];
  const cells = g.transpose(g.reshape(x, [batch, h, 4, w, 4, channels]), [0, 1, 3, 2, 4, 5]);
  const quads = g.reshape(cells, [mulDims(batch, h * w), 2, 2, 2, 2, channels]); // y, y', x, x'
  return g.reshape(g.transpose(quads, [0, 1, 3, 2, 4, 5]), [batch, h * w * 16, channels]);
}

/** A map at twice the resolution of a grid, as 4 entries for each cell: [batch, 2h, 2w, c] -> [batch, h*w*4, c]. */
export function toPairs(g: GraphBuilder, x: Value): Value {
  const [batch, height, width, channels] = x.dims as readonly [Dim, number, number, Dim];
  const [h, w] = [height / 2, width / 2];
  const cells = g.transpose(g.reshape(x, [batch, h, 2, w, 2, channels]), [0, 1, 3, 2, 4, 5]);
  return g.reshape(cells, [batch, h * w * 4, channels]);
}

/** The inverse of `toQuads` without channels: [batch, h*w*16] -> [batch, 4h, 4w]. */
export function fromQuads(g: GraphBuilder, x: Value, h: number, w: number): Value {
  const batch = x.dims[0] ?? 1;
  const quads = g.reshape(x, [mulDims(batch, h * w), 2, 2, 2, 2]); // y, x, y', x'
  const cells = g.reshape(g.transpose(quads, [0, 1, 3, 2, 4]), [batch, h, w, 4, 4]);
  return g.reshape(g.transpose(cells, [0, 1, 3, 2, 4]), [batch, 4 * h, 4 * w]);
}
