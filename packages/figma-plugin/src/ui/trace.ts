/** A mask's outline as curves: smooth where it bends, sharp where it turns. */
import { type Mask, maskRegions } from "@masklet/core";
import type { Curves } from "../protocol.ts";

/** A turn by more than this is a corner. */
const corner = Math.cos((50 * Math.PI) / 180);

/** Every region with its holes, simplified to within `tolerance` pixels; meant for even-odd filling. */
export function traceMask(mask: Mask, tolerance = 0.8): Curves {
  return maskRegions(mask, { tolerance })
    .flatMap(({ outline, holes }) => [outline, ...holes])
    .filter((ring) => ring.length >= 6)
    .map(smooth);
}

/** Cubic Beziers through the points of a ring (Catmull and Rom's tangents, none at corners). */
function smooth(ring: readonly number[]): readonly number[] {
  const count = ring.length / 2;
  const at = (i: number): readonly [number, number] => {
    const k = ((i % count) + count) % count;
    return [ring[2 * k] as number, ring[2 * k + 1] as number];
  };
  const tangent = (i: number): readonly [number, number] => {
    const [a, b, c] = [at(i - 1), at(i), at(i + 1)];
    const [ux, uy] = [b[0] - a[0], b[1] - a[1]];
    const [vx, vy] = [c[0] - b[0], c[1] - b[1]];
    const [u, v] = [Math.hypot(ux, uy), Math.hypot(vx, vy)];
    if ((ux * vx + uy * vy) / (u * v) < corner) return [0, 0];
    // No longer than the shorter side allows, so that curves do not overshoot.
    const most = Math.min(u, v) / 3;
    const [x, y] = [c[0] - a[0], c[1] - a[1]];
    const length = Math.hypot(x, y);
    return [(x / length) * most, (y / length) * most];
  };
  const start = at(0);
  const curve: number[] = [start[0], start[1]];
  for (let i = 0; i < count; i++) {
    const [from, to] = [at(i), at(i + 1)];
    const [out, into] = [tangent(i), tangent(i + 1)];
    curve.push(from[0] + out[0], from[1] + out[1], to[0] - into[0], to[1] - into[1], to[0], to[1]);
  }
  return curve;
}
