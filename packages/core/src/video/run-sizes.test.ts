import { expect, test } from "vitest";
import { presets } from "../model/config.ts";
import { RunSizes } from "./run-sizes.ts";

const tiny = presets["sam2.1-hiera-tiny"];
const remembered = (maps: number, pointers: number) => ({
  maps: Array.from({ length: maps }, (_, slot) => ({ memory: new Uint16Array(), slot })),
  pointers: Array.from({ length: pointers }, (_, distance) => ({ pointer: new Float32Array(), distance })),
});

test("as few runs as hold 200 MB, of nearly one size", () => {
  const sizes = new RunSizes(tiny, undefined);
  expect(sizes.attending(8, remembered(7, 16))).toBe(2);
  expect(sizes.attending(7, remembered(1, 1))).toBe(4);
  expect(sizes.attending(3, remembered(7, 16))).toBe(2);
  expect(sizes.attending(1, remembered(40, 16))).toBe(1); // more than 200 MB by itself
  expect(sizes.attending(2, remembered(40, 16))).toBe(1);
  expect(sizes.encoding(8)).toBe(4);
});

test("what is asked for is kept to", () => {
  const sizes = new RunSizes(tiny, 8);
  expect([sizes.attending(20, remembered(7, 16)), sizes.encoding(20)]).toEqual([8, 8]);
});
