import { describe, expect, test } from "vitest";
import type { Graph } from "../graph/graph.ts";
import { printGraph } from "../graph/print.ts";
import { validateGraph } from "../graph/validate.ts";
import { presets } from "./config.ts";
import {
  imageEncoderGraph,
  maskDecoderGraph,
  maskScorerGraph,
  maskUpscalerGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
} from "./graphs.ts";
import { withPrecision } from "./precision.ts";

const config = presets["sam2.1-hiera-tiny"];

/** How often each operation occurs. */
function counts({ values }: Graph): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { source } of values) found[source.node.kind] = (found[source.node.kind] ?? 0) + 1;
  return found;
}

const signature = ({ inputs, outputs }: Graph): unknown =>
  [inputs, outputs].map((values) => Object.entries(values).map(([name, { dtype, dims }]) => [name, dtype, dims]));

describe.each(["q8", "q4"] as const)("%s", (dtype) => {
  test.each([
    // 6 in each of 12 blocks (q, k, v, out and two of the MLP), 3 shortcuts; the neck's stay
    ["image encoder", imageEncoderGraph(config), 12 * 6 + 3],
    // in each of 4 layers: q and k in halves (2 + 2), v, out; q, maps and pointers in halves (2 + 2 + 2), out; the MLP's 2
    // for each of 4 blocks of cells
    ["memory attention", memoryAttentionGraph(config), 4 * (6 + 7 + 4 * 2)],
    // the MLP's 2 for each of 4 blocks, in 2 layers
    ["memory encoder", memoryEncoderGraph(config), 2 * 4 * 2],
    ["mask decoder", maskDecoderGraph(config), 0],
  ])("%s", (_, graph, expected) => {
    const rounded = withPrecision(graph, { config, dtype });
    validateGraph(rounded);
    expect(signature(rounded)).toEqual(signature(graph));
    const { linear = 0, quantizedLinear = 0, ...others } = counts(rounded);
    const { linear: before = 0, ...same } = counts(graph);
    expect(quantizedLinear).toBe(expected);
    expect(linear + quantizedLinear).toBe(before);
    expect(others).toEqual(same);
  });
});

test("a weight that is computed once is computed from the checkpoint's own", () => {
  const text = printGraph(withPrecision(imageEncoderGraph(config), { config, dtype: "q8" })).split("\n");
  const block = text.filter((line) => line.endsWith("# image_encoder.trunk.blocks.0") && line.includes("inear("));
  expect(block.map((line) => line.replace(/%\d+/g, "%"))).toMatchInlineSnapshot(`
    [
      "% = quantizedLinear(%, %, bits: 8) float32[1024*images,8,8,96] # image_encoder.trunk.blocks.0",
      "% = quantizedLinear(%, %, bits: 8) float32[1024*images,8,8,96] # image_encoder.trunk.blocks.0",
      "% = quantizedLinear(%, %, bits: 8) float32[1024*images,8,8,96] # image_encoder.trunk.blocks.0",
      "% = linear(%, %, %) float32[1,96] # image_encoder.trunk.blocks.0",
      "% = quantizedLinear(%, %, %, bits: 8) float32[1024*images,64,96] # image_encoder.trunk.blocks.0",
    ]
  `);
});

test.each([
  imageEncoderGraph(config),
  memoryAttentionGraph(config),
  memoryEncoderGraph(config),
  maskDecoderGraph(config),
  maskScorerGraph(config),
  maskUpscalerGraph(config),
])("fp16: $name computes in halves, and speaks float32", (graph) => {
  const halves = withPrecision(graph, { config, dtype: "fp16" });
  validateGraph(halves);
  expect(signature(halves)).toEqual(signature(graph));
  const { cast: casts = 0, ...others } = counts(halves);
  const { cast: before = 0, ...same } = counts(graph);
  expect(others).toEqual(same);
  expect(casts).toBeGreaterThan(before);
  for (const value of halves.values) {
    const { kind, scope } = value.source.node;
    if (kind !== "attention" && kind !== "layerNormalization") continue;
    expect(value.dtype, scope).toBe(scope.startsWith("sam_prompt_encoder") ? "float32" : "float16");
  }
});

test("fp32 is the graph as it is", () => {
  const graph = imageEncoderGraph(config);
  expect(withPrecision(graph, { config, dtype: "fp32" })).toBe(graph);
});
