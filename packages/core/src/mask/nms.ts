import type { Box } from "./mask.ts";

/**
 * Which boxes stay when each removes those after it, in the order of their scores, that overlap it by an IoU above
 * `threshold`. -> their indices, best first; equal scores in the order given (reference: `batched_nms` of torchvision, on
 * boxes whose right and bottom edges are the last pixels inside, as sam2/utils/amg.py makes them).
 */
export function suppressBoxes(boxes: readonly Box[], scores: readonly number[], threshold: number): readonly number[] {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  const kept: number[] = [];
  for (const i of order) {
    const box = boxes[i] as Box;
    if (kept.every((j) => !(inclusiveIou(boxes[j] as Box, box) > threshold))) kept.push(i);
  }
  return kept;
}

/** NaN for two boxes of no area: one pixel wide or high. */
function inclusiveIou(a: Box, b: Box): number {
  const area = ({ width, height }: Box): number => Math.max(0, width - 1) * Math.max(0, height - 1);
  const side = (p: number, pLength: number, q: number, qLength: number): number =>
    Math.max(0, Math.min(p + pLength, q + qLength) - 1 - Math.max(p, q));
  const both = side(a.x, a.width, b.x, b.width) * side(a.y, a.height, b.y, b.height);
  return both / (area(a) + area(b) - both);
}
