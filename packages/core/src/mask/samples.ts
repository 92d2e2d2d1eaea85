/** Masks for tests: the awkward ones by name, and random ones that come out the same every time. */
import type { Mask } from "./mask.ts";

/** A mask drawn in text: `#` inside, anything else outside. */
export function draw(...rows: readonly string[]): Mask {
  const width = rows[0]?.length ?? 0;
  return { width, height: rows.length, data: Uint8Array.from([...rows.join("")].map((c) => (c === "#" ? 1 : 0))) };
}

/** xorshift32: numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function randomMask(width: number, height: number, share: number, seed: number): Mask {
  const next = randomNumbers(seed);
  return { width, height, data: Uint8Array.from({ length: width * height }, () => (next() < share ? 1 : 0)) };
}

export const samples: readonly (readonly [name: string, mask: Mask])[] = [
  ["one pixel inside", draw("#")],
  ["one pixel outside", draw(".")],
  ["a row", draw(".##.#")],
  ["a column", draw("#", "#", ".", "#")],
  ["empty", draw("....", "....")],
  ["full", draw("####", "####", "####")],
  ["diagonal touch", draw("#..", ".#.", "..#")],
  ["other diagonal", draw("..#", ".#.", "#..")],
  ["checkers", draw("#.#.", ".#.#", "#.#.")],
  ["ring", draw("####", "#..#", "#..#", "####")],
  ["island in a hole", draw("#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######")],
  ["hole touching the outside at a corner", draw("###.", "#.##", "####")],
  ["two holes touching at a corner", draw("#####", "#.###", "##.##", "#####")],
  ["island touching its ring at a corner", draw("#####", "#...#", "#.#.#", "#..##", "#####")],
  ["ring closed only through a corner", draw(".##.", "#..#", "#..#", ".###")],
  ...[0.1, 0.3, 0.5, 0.7, 0.9].flatMap((share, i) =>
    [
      [23, 17],
      [1, 40],
      [40, 1],
    ].map(
      ([width = 0, height = 0]) =>
        [`random ${width}x${height} at ${share}`, randomMask(width, height, share, 977 * i + width)] as const,
    ),
  ),
];
