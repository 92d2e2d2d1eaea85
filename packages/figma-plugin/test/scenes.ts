/** Pictures for tests, as PNGs. */
import { pngFrom } from "./fake/images.ts";

/** A blue ring on white, a product shot. */
export function productPng(width: number, height: number): Uint8Array {
  const data = new Uint8Array(3 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const r = Math.hypot(x - width / 2, y - height / 2) / height;
      if (r < 0.4 && r > 0.1) data.set([20, 60, 200], 3 * (y * width + x));
    }
  }
  return pngFrom(width, height, 2, 3, data);
}

/** A red square in the middle of a green gradient, with a sensor's noise: no drawing, and no flat background. */
export function photoPng(width: number, height: number): Uint8Array {
  const data = new Uint8Array(3 * width * height);
  let seed = 1;
  const noise = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 24) % 17;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isInside = Math.abs(x / width - 0.5) < 0.25 && Math.abs(y / height - 0.5) < 0.25;
      const colour = isInside ? [220, 20, 30] : [20 + (30 * x) / width, 90 + (120 * y) / height, 60];
      data.set(
        colour.map((value) => Math.min(255, Math.round(value) + noise())),
        3 * (y * width + x),
      );
    }
  }
  return pngFrom(width, height, 2, 3, data);
}

/** An orange disk before a sky and a meadow, each of one colour. */
export function drawingPng(width: number, height: number): Uint8Array {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isInside = Math.hypot(x - width / 2, y - height / 2) < 0.3 * height;
      data.set(isInside ? [240, 130, 20] : y < 0.55 * height ? [150, 200, 240] : [60, 140, 70], 3 * (y * width + x));
    }
  }
  return pngFrom(width, height, 2, 3, data);
}
