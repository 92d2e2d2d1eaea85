import type { Size } from "./image.ts";

/** Samples of a pixel, one after the other, row by row. */
export interface Interleaved extends Size {
  readonly channels: number;
  readonly data: { readonly length: number; readonly [index: number]: number; slice(): { [index: number]: number } };
}

/** Where a pixel of what is shown lies in what is stored, by EXIF's number (Exif 2.32, tag 274). */
const stored: Readonly<
  Record<number, (x: number, y: number, right: number, bottom: number) => readonly [number, number]>
> = {
  2: (x, y, right) => [right - x, y],
  3: (x, y, right, bottom) => [right - x, bottom - y],
  4: (x, y, _, bottom) => [x, bottom - y],
  5: (x, y) => [y, x],
  6: (x, y, _, bottom) => [y, bottom - x],
  7: (x, y, right, bottom) => [right - y, bottom - x],
  8: (x, y, right) => [right - y, x],
};

/** The picture as a viewer shows it, by EXIF's number of how it is stored; 1 and what is none change nothing. */
export function oriented<T extends Interleaved>(picture: T, orientation: number): T {
  const from = stored[orientation];
  if (from === undefined) return picture;
  const { width, height, channels, data } = picture;
  const size = orientation >= 5 ? { width: height, height: width } : { width, height };
  const out = data.slice();
  for (let y = 0, to = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const [column, row] = from(x, y, width - 1, height - 1);
      const at = (row * width + column) * channels;
      for (let c = 0; c < channels; c++) out[to++] = data[at + c] as number;
    }
  }
  return { ...picture, ...size, data: out };
}
