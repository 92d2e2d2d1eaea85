import sharp from "sharp";
import { describe, expect, test } from "vitest";
import type { Mask } from "./mask.ts";
import { maskRegions } from "./polygon.ts";
import { draw, randomMask, samples } from "./samples.ts";
import { svgDocument, svgPath } from "./svg.ts";

/** Even-odd by its definition, from the path text: edges crossed by a ray from each pixel centre to the left. */
function fillPath(path: string, { width, height }: Mask): Uint8Array {
  const edges: (readonly [x0: number, y0: number, x1: number, y1: number])[] = [];
  for (const ring of path.split("z").slice(0, -1)) {
    let [x, y, startX, startY] = [0, 0, 0, 0];
    for (const [, command, a = "", b = "0"] of ring.matchAll(/([Mhvl])(-?\d+)(?: (-?\d+))?/g)) {
      const [dx, dy] = command === "v" ? [0, Number(a)] : [Number(a), Number(b)];
      if (command === "M") [x, y, startX, startY] = [dx, dy, dx, dy];
      else {
        edges.push([x, y, x + dx, y + dy]);
        [x, y] = [x + dx, y + dy];
      }
    }
    edges.push([x, y, startX, startY]);
  }
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const cx = (i % width) + 0.5;
    const cy = Math.floor(i / width) + 0.5;
    const crossed = edges.filter(
      ([x0, y0, x1, y1]) => y0 < cy !== y1 < cy && x0 + ((cy - y0) / (y1 - y0)) * (x1 - x0) < cx,
    );
    return crossed.length % 2;
  });
}

test.each(samples)("%s is given back by an even-odd rasteriser", (_, mask) => {
  expect(fillPath(svgPath(maskRegions(mask)), mask)).toEqual(mask.data);
});

describe("rendered by librsvg", () => {
  test.each([...samples, ["large", randomMask(160, 120, 0.5, 3)] as const])("%s is given back", async (_, mask) => {
    const svg = svgDocument([{ mask, colour: [255, 255, 255] }]);
    const { data, info } = await sharp(Buffer.from(svg)).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([mask.width, mask.height, 4]);
    expect(Uint8Array.from(mask.data, (_, i) => data[i * 4 + 3] as number)).toEqual(mask.data.map((v) => v * 255));
  });
});

test("paths are short", () => {
  expect(svgPath(maskRegions(draw("....", ".##.", ".##.")))).toBe("M1 1h2v2h-2z");
  expect(svgPath([])).toBe("");
  expect(svgPath([{ outline: [0, 0, 4, 2, 1, 5], holes: [] }])).toBe("M0 0l4 2l-3 3z");
});

test("documents: one path each, ids escaped, colours from the palette", () => {
  const mask = draw("#.");
  const svg = svgDocument([
    { mask, id: `a"<&>b` },
    { mask, colour: [1, 2, 3] },
  ]);
  expect(svg).toBe(
    `<svg xmlns="http://www.w3.org/2000/svg" width="2" height="1" viewBox="0 0 2 1">
  <path id="a&quot;&lt;&amp;&gt;b" fill="#ff3864" fill-rule="evenodd" d="M0 0h1v1h-1z"/>
  <path fill="#010203" fill-rule="evenodd" d="M0 0h1v1h-1z"/>
</svg>
`,
  );
  expect(() => svgDocument([])).toThrow(expect.objectContaining({ code: "no-objects" }));
  expect(() => svgDocument([{ mask }, { mask: draw("#") }])).toThrow(
    expect.objectContaining({ code: "mask-size-mismatch" }),
  );
});
