import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { evaluateGraph } from "../testing/evaluate-graph.ts";
import { memoryWeights, RandomTensors } from "../testing/fixtures.ts";
import { fromQuads, inWindows, toPairs, toQuads } from "./layout.ts";

const random = new RandomTensors(5);

/** What `build` makes of `x`, whose first axis is named. */
async function apply(x: HostTensor, build: (g: GraphBuilder, x: Value) => Value): Promise<HostTensor> {
  const g = new GraphBuilder("layout");
  g.output("y", build(g, g.input("x", ["n", ...x.dims.slice(1)])));
  const { y } = await evaluateGraph(g.build(), memoryWeights({}), { x });
  return y as HostTensor;
}

/** The value at [b, y, x, c] of a channels-last map. */
function at({ dims, data }: HostTensor, b: number, y: number, x: number, c: number): number {
  const [, height = 0, width = 0, channels = 0] = dims;
  return Number(data[((b * height + y) * width + x) * channels + c]);
}

describe("windows", () => {
  test.each([
    { height: 8, width: 8, window: 4 },
    { height: 8, width: 8, window: 8 },
    { height: 8, width: 8, window: 6 },
    { height: 4, width: 4, window: 6 },
    { height: 5, width: 7, window: 3 },
    { height: 6, width: 4, window: 1 },
  ])("$height x $width in windows of $window and back", async ({ height, width, window }) => {
    const map = random.floats([2, height, width, 3]);
    const rows = { height, width, window: 0 };
    const windows = await apply(map, (g, value) => inWindows(g, { value, ...rows }, window).value);
    const [down, across] = [Math.ceil(height / window), Math.ceil(width / window)];
    expect(windows.dims).toEqual([2 * down * across, window, window, 3]);
    for (let b = 0; b < 2; b++) {
      for (let y = 0; y < down * window; y++) {
        for (let x = 0; x < across * window; x++) {
          const index = (b * down + Math.floor(y / window)) * across + Math.floor(x / window);
          const expected = y < height && x < width ? at(map, b, y, x, 1) : 0;
          expect(at(windows, index, y % window, x % window, 1)).toBe(expected);
        }
      }
    }
    const back = await apply(map, (g, value) => inWindows(g, inWindows(g, { value, ...rows }, window), 0).value);
    expect(back).toEqual(map);
    const other = await apply(map, (g, value) => {
      const direct = inWindows(g, { value, ...rows }, window);
      return inWindows(g, inWindows(g, direct, 2), 0).value;
    });
    expect(other).toEqual(map);
  });

  test("the same windows are left as they are", () => {
    const g = new GraphBuilder("layout");
    const tokens = { value: g.input("x", ["n", 4, 4, 1]), height: 4, width: 4, window: 4 };
    expect(inWindows(g, tokens, 4)).toBe(tokens);
  });
});

describe("quads", () => {
  test.each([
    [1, 1],
    [2, 3],
    [3, 2],
  ])("a grid of %i x %i: each cell's 4x4 pixels, quarter by quarter", async (h, w) => {
    const map = random.floats([2, 4 * h, 4 * w, 3]);
    const quads = await apply(map, toQuads);
    expect(quads.dims).toEqual([2, h * w * 16, 3]);
    for (let b = 0; b < 2; b++) {
      for (let y = 0; y < 4 * h; y++) {
        for (let x = 0; x < 4 * w; x++) {
          const cell = (y >> 2) * w + (x >> 2);
          const quarter = ((y >> 1) & 1) * 2 + ((x >> 1) & 1);
          const pixel = (y & 1) * 2 + (x & 1);
          const row = cell * 16 + quarter * 4 + pixel;
          expect(Number(quads.data[(b * h * w * 16 + row) * 3 + 2])).toBe(at(map, b, y, x, 2));
        }
      }
    }
  });

  test.each([
    [1, 1],
    [2, 5],
  ])("from quads is the way back (%i x %i)", async (h, w) => {
    const map = random.floats([3, 4 * h, 4 * w, 1]);
    const back = await apply(map, (g, x) => fromQuads(g, g.reshape(toQuads(g, x), ["n", h * w * 16]), h, w));
    expect(back).toEqual({ ...map, dims: [3, 4 * h, 4 * w] });
  });

  test("pairs are the quads of a map at half the resolution", async () => {
    const [h, w] = [2, 3];
    const map = random.floats([2, 2 * h, 2 * w, 2]);
    const pairs = await apply(map, toPairs);
    expect(pairs.dims).toEqual([2, h * w * 4, 2]);
    for (let y = 0; y < 2 * h; y++) {
      for (let x = 0; x < 2 * w; x++) {
        const row = ((y >> 1) * w + (x >> 1)) * 4 + (y & 1) * 2 + (x & 1);
        expect(Number(pairs.data[(h * w * 4 + row) * 2])).toBe(at(map, 1, y, x, 0));
      }
    }
  });

  test("four quads in a row are one pair", async () => {
    const [h, w] = [2, 2];
    const map = random.floats([1, 4 * h, 4 * w, 1]);
    const quads = await apply(map, toQuads);
    const pooled = await apply(map, (g, x) => toPairs(g, g.maxPool2d(x, { windowDimensions: [2, 2] })));
    const largest = Array.from({ length: h * w * 4 }, (_, i) =>
      Math.max(...(quads.data as Float32Array).subarray(4 * i, 4 * i + 4)),
    );
    expect(Array.from(pooled.data as Float32Array)).toEqual(largest);
  });
});
