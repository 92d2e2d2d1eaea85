import { expect, test } from "vitest";
import { GraphBuilder } from "./builder.ts";
import { liveness, neededFor } from "./liveness.ts";

function chain() {
  const g = new GraphBuilder("chain");
  const x = g.input("x", [2]);
  const a = g.relu(x);
  const b = g.sin(a);
  const c = g.add(a, b);
  const d = g.cos(x);
  g.output("c", c);
  g.output("d", d);
  return { graph: g.build(), x, a, b, c, d };
}

test("values go after their last use, outputs never", () => {
  const { graph, x, a, b, c, d } = chain();
  expect(graph.values).toEqual([a, b, c, d]);
  expect(liveness(graph.values, [c, d])).toEqual([[], [], [a, b], [x]]);
});

test("a result that nobody uses goes at once", () => {
  const { graph, x, a, b, c, d } = chain();
  expect(liveness(graph.values, [c])).toEqual([[], [], [a, b], [d, x]]);
});

test("only what the outputs need", () => {
  const { graph, a, b, c, d } = chain();
  expect(neededFor(graph.values, [d])).toEqual([d]);
  expect(neededFor(graph.values, [c])).toEqual([a, b, c]);
  expect(neededFor(graph.values, [])).toEqual([]);
});
