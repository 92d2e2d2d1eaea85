/** Curves in an image's pixels as a vector layer's paths. */
import { type Affine, type Box, boxAround, transformPoint } from "./geometry.ts";
import type { Curves } from "./protocol.ts";

/** Plain digits: Figma's grammar has no exponents. */
const digits = (value: number): string => String(Number(value.toFixed(3)) || 0);

/** Curves in the grammar of `vectorPaths`, under a map. */
export function pathData(curves: Curves, map: Affine): string {
  return curves
    .map((curve) => {
      const points: string[] = [];
      for (let i = 0; i < curve.length; i += 2) {
        points.push(
          transformPoint(map, curve[i] as number, curve[i + 1] as number)
            .map(digits)
            .join(" "),
        );
      }
      const [start = "", ...rest] = points;
      let data = `M ${start}`;
      for (let i = 0; i < rest.length; i += 3) data += ` C ${rest.slice(i, i + 3).join(" ")}`;
      return `${data} Z`;
    })
    .join(" ");
}

/** The box around all points of paths, those that only pull a curve included. */
export function pathBox(data: string): Box {
  const numbers = (data.match(/-?\d+(\.\d+)?(e-?\d+)?/g) ?? []).map(Number);
  const points: [number, number][] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) points.push([numbers[i] as number, numbers[i + 1] as number]);
  return boxAround(points);
}
