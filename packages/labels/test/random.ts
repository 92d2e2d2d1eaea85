import type { Mask } from "@masklet/core";

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A mask of a few discs, frames and lone pixels: parts, holes, what touches the border, what touches at corners. */
export function randomMask(next: () => number, width: number, height: number): Mask {
  const data = new Uint8Array(width * height);
  const whole = (most: number): number => Math.floor(next() * most);
  for (let shapes = 1 + whole(4); shapes > 0; shapes--) {
    const [x, y, radius] = [whole(width), whole(height), whole(Math.min(width, height) / 2)];
    const value = next() < 0.7 ? 1 : 0;
    const kind = whole(4);
    for (let i = 0; i < data.length; i++) {
      const [dx, dy] = [(i % width) - x, Math.floor(i / width) - y];
      const far = kind === 0 ? Math.hypot(dx, dy) : Math.max(Math.abs(dx), Math.abs(dy));
      const inside =
        kind === 2 ? far <= radius && far > radius / 2 : kind === 3 ? dx === dy && far < radius : far <= radius;
      if (inside) data[i] = value;
    }
  }
  for (let dots = whole(4); dots > 0; dots--) data[whole(data.length)] = 1;
  return { width, height, data };
}
