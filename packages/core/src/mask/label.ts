/** Short texts on pictures: the ids of objects. */
import type { RawImage, Rgb } from "../image/image.ts";
import type { Mask } from "./mask.ts";

/** Rows of three dots, the left one 4. */
const glyphs: Readonly<Record<string, readonly number[]>> = {
  "0": [7, 5, 5, 5, 7],
  "1": [2, 6, 2, 2, 7],
  "2": [7, 1, 7, 4, 7],
  "3": [7, 1, 3, 1, 7],
  "4": [5, 5, 7, 1, 1],
  "5": [7, 4, 7, 1, 7],
  "6": [7, 4, 7, 5, 7],
  "7": [7, 1, 2, 2, 2],
  "8": [7, 5, 7, 5, 7],
  "9": [7, 5, 7, 1, 7],
  A: [2, 5, 7, 5, 5],
  B: [6, 5, 6, 5, 6],
  C: [3, 4, 4, 4, 3],
  D: [6, 5, 5, 5, 6],
  E: [7, 4, 6, 4, 7],
  F: [7, 4, 6, 4, 4],
  G: [3, 4, 5, 5, 3],
  H: [5, 5, 7, 5, 5],
  I: [7, 2, 2, 2, 7],
  J: [1, 1, 1, 5, 2],
  K: [5, 5, 6, 5, 5],
  L: [4, 4, 4, 4, 7],
  M: [5, 7, 7, 5, 5],
  N: [6, 5, 5, 5, 5],
  O: [2, 5, 5, 5, 2],
  P: [6, 5, 6, 4, 4],
  Q: [2, 5, 5, 6, 3],
  R: [6, 5, 6, 5, 5],
  S: [3, 4, 2, 1, 6],
  T: [7, 2, 2, 2, 2],
  U: [5, 5, 5, 5, 7],
  V: [5, 5, 5, 5, 2],
  W: [5, 5, 7, 7, 5],
  X: [5, 5, 2, 5, 5],
  Y: [5, 5, 2, 2, 2],
  Z: [7, 1, 2, 4, 7],
  "-": [0, 0, 7, 0, 0],
  _: [0, 0, 0, 0, 7],
  ".": [0, 0, 0, 0, 2],
  "?": [7, 1, 2, 0, 2],
  " ": [0, 0, 0, 0, 0],
};

/** An image to be written to. */
interface Canvas extends RawImage {
  readonly data: Uint8Array;
}

/**
 * Draws `text` into the image, as dots of white or black on a plate of `colour`, its middle on the mask, wholly inside the
 * picture where it fits. Letters are capitals; what is neither a letter of English, a digit, a space, nor one of `-_.` is `?`.
 */
export function drawLabel(image: Canvas, text: string, mask: Mask, colour: Rgb): void {
  const middle = middleOf(mask);
  if (middle === undefined || text === "") return;
  const { width, height, channels, data } = image;
  const dot = Math.max(1, Math.round(Math.min(width, height) / 160));
  const letters = Array.from(text.toUpperCase(), (letter) => glyphs[letter] ?? (glyphs["?"] as readonly number[]));
  const [plateWidth, plateHeight] = [(4 * letters.length + 1) * dot, 7 * dot];
  const place = (at: number, plate: number, extent: number): number =>
    Math.max(0, Math.min(Math.round(at - plate / 2), extent - plate));
  const [left, top] = [place(middle.x, plateWidth, width), place(middle.y, plateHeight, height)];
  // BT.601's luma tells which of the two is read on the plate.
  const ink = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 ? 0 : 255;
  for (let y = 0; y < plateHeight && top + y < height; y++) {
    for (let x = 0; x < plateWidth && left + x < width; x++) {
      const [column, row] = [Math.floor(x / dot) - 1, Math.floor(y / dot) - 1];
      const bits = letters[column >> 2]?.[row] ?? 0;
      const inked = column >= 0 && (column & 3) < 3 && (bits & (4 >> (column & 3))) !== 0;
      const at = ((top + y) * width + left + x) * channels;
      for (let c = 0; c < 3; c++) data[at + c] = inked ? ink : (colour[c] as number);
      if (channels === 4) data[at + 3] = 255;
    }
  }
}

/** The pixel of the mask that is nearest to its centre of mass. */
function middleOf({ width, data }: Mask): { readonly x: number; readonly y: number } | undefined {
  let [sumX, sumY, count] = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    sumX += i % width;
    sumY += Math.floor(i / width);
    count++;
  }
  if (count === 0) return undefined;
  const [centreX, centreY] = [sumX / count, sumY / count];
  let [nearest, best] = [0, Number.POSITIVE_INFINITY];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    const distance = ((i % width) - centreX) ** 2 + (Math.floor(i / width) - centreY) ** 2;
    if (distance < best) [nearest, best] = [i, distance];
  }
  return { x: nearest % width, y: Math.floor(nearest / width) };
}
