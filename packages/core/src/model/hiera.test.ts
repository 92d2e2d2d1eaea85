import { expect, test } from "vitest";
import { hieraOf, toyConfig } from "../../test/toy-sam2.ts";
import { presets } from "./config.ts";
import { hieraBlocks } from "./hiera.ts";

test("tiny's blocks: a stage begins in the previous stage's windows", () => {
  const blocks = hieraBlocks(hieraOf(presets["sam2.1-hiera-tiny"]));
  expect(blocks.map(({ window }) => window)).toEqual([8, 8, 4, 4, 14, 0, 14, 0, 14, 0, 14, 7]);
  expect(blocks.map(({ pools }) => Number(pools))).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0]);
  expect(blocks.map(({ width }) => width / 96)).toEqual([1, 2, 2, 4, 4, 4, 4, 4, 4, 4, 8, 8]);
  expect(blocks.every(({ heads, width }) => heads === width / 96)).toBe(true);
});

test("the toy has every kind of block", () => {
  expect(
    hieraBlocks(hieraOf(toyConfig)).map(({ stage, window, pools }) => `${stage}: ${window}${pools ? " pools" : ""}`),
  ).toEqual([
    "0: 8",
    "1: 8 pools",
    "1: 6",
    "2: 6 pools", // 6 does not divide 8
    "2: 6", // larger than the map of 4
    "2: 0",
    "3: 6 pools",
  ]);
});

test.each(Object.entries(presets).filter(([, { encoder }]) => encoder.kind === "hiera"))(
  "%s has as many blocks as its stages say",
  (_, preset) => {
    const config = hieraOf(preset);
    const blocks = hieraBlocks(config);
    expect(config.stages.map((_, stage) => blocks.filter((block) => block.stage === stage).length)).toEqual(
      config.stages,
    );
    expect(blocks.filter(({ window }) => window === 0)).toHaveLength(config.globalAttentionBlocks.length);
  },
);
