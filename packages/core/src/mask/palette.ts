import type { Rgb } from "../image/image.ts";

/** Bright, far apart in hue and in lightness, readable on photos; neighbours differ most. */
const palette: readonly Rgb[] = [
  [255, 56, 100], // crimson
  [30, 144, 255], // azure
  [255, 196, 0], // amber
  [0, 200, 120], // emerald
  [168, 85, 247], // violet
  [255, 122, 26], // orange
  [0, 206, 220], // cyan
  [244, 114, 208], // pink
  [150, 215, 30], // lime
  [99, 91, 255], // indigo
  [200, 120, 70], // copper
  [120, 225, 190], // mint
];

/** The colour of object `index`: twelve chosen ones, then hues a golden angle apart, without end. */
export function paletteColour(index: number): Rgb {
  return palette[index] ?? hue((index * 137.508 + 75) % 360);
}

/** A saturated colour of medium lightness, `degrees` around the wheel. */
function hue(degrees: number): Rgb {
  const channel = (offset: number): number => {
    const k = (offset + degrees / 30) % 12;
    return Math.round(255 * (0.55 - 0.4 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
