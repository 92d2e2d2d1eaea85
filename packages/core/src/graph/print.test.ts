import { expect, test } from "vitest";
import { floats } from "../testing/fixtures.ts";
import { toyDecoderGraph } from "../testing/toy-model.ts";
import { GraphBuilder } from "./builder.ts";
import { printGraph } from "./print.ts";

test("inputs, weights, constants, attributes, scopes and outputs", () => {
  const g = new GraphBuilder("head");
  const x = g.input("x", ["prompts", 4]);
  const weight = g.weight("fc.weight", [6, 4]);
  const y = g.scope("fc", () => g.linear(x, g.slice(weight, [2, 0], [2, 4]), g.weight("fc.bias", [2])));
  g.output("y", g.clamp(g.mul(y, g.constant(floats([2], 0.1, -3))), { minValue: 0, maxValue: 1 }));
  g.output("table", g.constant(floats([6], 1, 2, 3, 4, 5, 6)));
  g.output("x", x);
  expect(printGraph(g.build())).toMatchInlineSnapshot(`
    "graph head
    %0 = input "x" float32[prompts,4]
    %1 = weight "fc.weight" from 8 float32[2,4]
    %2 = weight "fc.bias" float32[2]
    %3 = linear(%0, %1, %2) float32[prompts,2] # fc
    %4 = constant {0.1, -3} float32[2]
    %5 = mul(%3, %4) float32[prompts,2]
    %6 = clamp(%5, minValue: 0, maxValue: 1) float32[prompts,2]
    %7 = constant {1, 2, 3, 4, ...} float32[6]
    output "y" = %6
    output "table" = %7
    output "x" = %0"
  `);
});

test("a miniature decoder", () => {
  expect(printGraph(toyDecoderGraph())).toMatchInlineSnapshot(`
    "graph toyDecoder
    %0 = input "features" float32[prompts?,49,12]
    %1 = input "labels" int32[prompts,points]
    %2 = input "maskInput" float32[prompts?,49]
    %3 = input "hasMask" bool[prompts?]
    %4 = weight "mask_token.weight" float32[1,12]
    %5 = expand(%4, newShape: [prompts,1,12]) float32[prompts,1,12]
    %6 = weight "point_embeddings.weight" float32[3,12]
    %7 = gather(%6, %1, axis: 0) float32[prompts,points,12]
    %8 = concat(%5, %7, axis: 1) float32[prompts,points + 1,12]
    %9 = reshape(%3, newShape: [prompts?,1,1]) bool[prompts?,1,1]
    %10 = reshape(%2, newShape: [prompts?,49,1]) float32[prompts?,49,1]
    %11 = weight "no_mask_embed.weight" float32[1,12]
    %12 = where(%9, %10, %11) float32[prompts?,49,12]
    %13 = add(%0, %12) float32[prompts?,49,12]
    %14 = attention(%8, %13, %13, heads: 1, scale: 0.28867513459481287) float32[prompts,points + 1,12]
    %15 = add(%8, %14) float32[prompts,points + 1,12]
    %16 = slice(%15, starts: [0,0,0], sizes: [prompts,1,12]) float32[prompts,1,12]
    %17 = matmul(%16, %13, transposeB: true) float32[prompts,1,49]
    %18 = reshape(%17, newShape: [prompts,7,7]) float32[prompts,7,7]
    %19 = constant {1, 1, 1, 1, ...} float32[12,1]
    %20 = matmul(%16, %19, transposeB: false) float32[prompts,1,1]
    %21 = reshape(%20, newShape: [prompts,1]) float32[prompts,1]
    %22 = sigmoid(%21) float32[prompts,1]
    output "masks" = %18
    output "score" = %22"
  `);
});
