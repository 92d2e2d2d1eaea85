import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { evaluateGraph } from "../testing/evaluate-graph.ts";
import { floats, memoryWeights } from "../testing/fixtures.ts";
import { fourierFeatures, sinePositionEncoding } from "./position-encoding.ts";

describe("sine encoding", () => {
  test("y in the first half of the channels, x in the second, sine and cosine in turns", () => {
    const { dims, data } = sinePositionEncoding(2, 4, 8);
    expect(dims).toEqual([8, 8]);
    const cell = data.subarray(8 * 6, 8 * 7); // y 1, x 2
    const [y, x] = [2 * Math.PI * (2 / 2), 2 * Math.PI * (3 / 4)];
    const expected = [y, x].flatMap((angle) => [
      Math.sin(angle),
      Math.cos(angle),
      Math.sin(angle / 100),
      Math.cos(angle / 100),
    ]);
    for (const [i, value] of expected.entries()) expect(cell[i]).toBeCloseTo(value, 5);
  });
});

describe("Fourier features", () => {
  test("sines, then cosines, of the centred point times the matrix", async () => {
    const g = new GraphBuilder("features");
    g.output("y", fourierFeatures(g, g.input("points", ["n", 2]), g.input("matrix", [2, 3])));
    const feeds = { points: floats([2, 2], 0.5, 0.5, 1, 0.25), matrix: floats([2, 3], 1, 0, 0.5, 0, 1, 0.25) };
    const { y } = await evaluateGraph(g.build(), memoryWeights({}), feeds);
    expect(y?.dims).toEqual([2, 6]);
    const angles = [1, -0.5, 0.375].map((turns) => 2 * Math.PI * turns);
    const expected = [0, 0, 0, 1, 1, 1, ...angles.map(Math.sin), ...angles.map(Math.cos)];
    for (const [i, value] of expected.entries()) expect(y?.data[i]).toBeCloseTo(value, 5);
  });
});
