/** Pictures and masks made smaller, to be looked at. */
import type { Mask, RawImage, Size } from "@masklet/core/node";

/** What shows through transparent pixels, a grey. */
export const ground = 24;

/** The size whose longer side is `side` at most. */
export function fittedSize({ width, height }: Size, side: number): Size {
  const scale = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** The mean of the pixels that a smaller one covers; alpha on dark ground. */
export function smallImage({ width, height, channels, data }: RawImage, size: Size): RawImage {
  const out = new Uint8Array(size.width * size.height * 3);
  for (let y = 0, at = 0; y < size.height; y++) {
    const [top, bottom] = covered(y, size.height, height);
    for (let x = 0; x < size.width; x++) {
      const [left, right] = covered(x, size.width, width);
      const sums = [0, 0, 0];
      for (let v = top; v < bottom; v++) {
        for (let u = left; u < right; u++) {
          const from = (v * width + u) * channels;
          const alpha = channels === 4 ? (data[from + 3] as number) / 255 : 1;
          for (let c = 0; c < 3; c++)
            sums[c] = (sums[c] as number) + (data[from + c] as number) * alpha + ground * (1 - alpha);
        }
      }
      for (const sum of sums) out[at++] = Math.round(sum / ((bottom - top) * (right - left)));
    }
  }
  return { ...size, channels: 3, data: out };
}

function covered(i: number, small: number, large: number): readonly [number, number] {
  const from = Math.floor((i * large) / small);
  return [from, Math.max(from + 1, Math.floor(((i + 1) * large) / small))];
}

/** A pixel is on the mask where any of those that it covers is, so that small objects are seen. */
export function smallMask({ width, height, data }: Mask, size: Size): Mask {
  const out = new Uint8Array(size.width * size.height);
  for (let y = 0; y < height; y++) {
    const row = Math.min(size.height - 1, Math.floor((y * size.height) / height)) * size.width;
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] !== 0) out[row + Math.min(size.width - 1, Math.floor((x * size.width) / width))] = 1;
    }
  }
  return { ...size, data: out };
}
