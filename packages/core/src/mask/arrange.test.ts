import { describe, expect, test } from "vitest";
import { maskLabels, maskTree } from "./arrange.ts";
import type { Mask } from "./mask.ts";
import { encodeRle } from "./rle.ts";
import { draw } from "./samples.ts";

const rles = (...masks: readonly Mask[]) => masks.map(encodeRle);
const whole = draw("#####.", "#####.", "#####.", "......");
const part = draw("###...", "###...", "......", "......");
const subpart = draw("#.....", "......", "......", "......");
const other = draw(".....#", ".....#", ".....#", ".....#");

describe("what is in what", () => {
  test("in whatever order they come", () => {
    expect(maskTree(rles(subpart, other, whole, part))).toEqual({
      parents: [3, undefined, undefined, 2],
      depths: [2, 0, 0, 1],
    });
    expect(maskTree([])).toEqual({ parents: [], depths: [] });
  });

  test("equal masks: the earlier holds the later", () => {
    expect(maskTree(rles(part, part)).parents).toEqual([undefined, 0]);
  });

  test("a share outside is forgiven as far as asked", () => {
    const leaning = draw("....##", "......", "......", "......");
    expect(maskTree(rles(whole, leaning)).parents).toEqual([undefined, undefined]);
    expect(maskTree(rles(whole, leaning), { containment: 0.51 }).parents).toEqual([undefined, undefined]);
    const mostly = draw("..####", "......", "......", "......");
    expect(maskTree(rles(whole, mostly), { containment: 0.75 }).parents).toEqual([undefined, 0]);
    expect(maskTree(rles(whole, mostly), { containment: 0.76 }).parents).toEqual([undefined, undefined]);
  });

  test("masks of other images, and shares that are none", () => {
    expect(() => maskTree(rles(draw("##"), draw("#", "#")))).toThrow(
      expect.objectContaining({ code: "mask-size-mismatch" }),
    );
    expect(() => maskTree([], { containment: 0.5 })).toThrow(expect.objectContaining({ code: "bad-option" }));
  });
});

describe("one picture of all", () => {
  const shown = (by: "score" | "area" | "depth", ...masks: readonly Mask[]): string => {
    const { width, height, data } = maskLabels(rles(...masks), by);
    return Array.from({ length: height }, (_, y) => [...data.subarray(y * width, (y + 1) * width)].join("")).join(" ");
  };

  test("by score the first is on top", () => {
    expect(shown("score", whole, part, subpart, other)).toBe("111114 111114 111114 000004");
    expect(shown("score", subpart, part, whole, other)).toBe("122334 222334 333334 000004");
  });

  test("by area the smaller is on top", () => {
    expect(shown("area", whole, part, subpart, other)).toBe("322114 222114 111114 000004");
  });

  test("by depth a part is on top of its whole, whatever is smaller", () => {
    const beam = draw("......", "######", "......", "......");
    expect(shown("area", part, beam)).toBe("111000 111222 000000 000000");
    expect(shown("depth", whole, part, beam)).toBe("222110 222333 111110 000000");
  });

  test("nothing, and masks of two sizes", () => {
    expect(maskLabels([])).toEqual({ width: 0, height: 0, data: new Uint16Array() });
    expect(() => maskLabels(rles(draw("##"), draw("#", "#")))).toThrow(
      expect.objectContaining({ code: "mask-size-mismatch" }),
    );
  });
});
