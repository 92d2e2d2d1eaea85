/** GIF and BMP files with a palette, written for tests, in Node and in browsers: picture libraries choose the indices. */

export interface IndexedContent {
  readonly width: number;
  readonly height: number;
  /** [height, width], indices of `palette` */
  readonly samples: ArrayLike<number>;
  /** 256 colours: red, green, blue */
  readonly palette: readonly number[];
}

const u16 = (value: number): readonly number[] => [value & 255, (value >> 8) & 255];
const u32 = (value: number): readonly number[] => [...u16(value), ...u16(value >> 16)];

/** A GIF whose codes are an index each: the table is cleared before they grow. */
export function gifFile({
  width,
  height,
  samples,
  palette,
  interlaced = false,
  transparent,
}: IndexedContent & { readonly interlaced?: boolean; readonly transparent?: number }): Uint8Array {
  const steps = [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const;
  const every = Array.from({ length: height }, (_, y) => y);
  const rows = interlaced ? steps.flatMap(([first, step]) => every.filter((y) => y % step === first)) : every;
  const indices = rows.flatMap((y) => Array.from({ length: width }, (_, x) => samples[y * width + x] as number));
  const codes = [...indices.flatMap((index, i) => (i % 200 === 0 ? [256, index] : [index])), 257];
  const packed = new Uint8Array(Math.ceil((codes.length * 9) / 8));
  for (const [i, code] of codes.entries()) {
    for (let bit = 0; bit < 9; bit++) {
      const at = 9 * i + bit;
      packed[at >> 3] = (packed[at >> 3] as number) | (((code >> bit) & 1) << (at & 7));
    }
  }
  const blocks = Array.from({ length: Math.ceil(packed.length / 255) }, (_, i) => [
    ...packed.subarray(255 * i, 255 * i + 255),
  ]);
  return Uint8Array.from([
    ...Array.from("GIF89a", (letter) => letter.charCodeAt(0)),
    ...[...u16(width), ...u16(height), 0xf7, 0, 0, ...palette],
    ...(transparent === undefined ? [] : [0x21, 0xf9, 4, 1, 0, 0, transparent, 0]),
    ...[0x2c, ...u32(0), ...u16(width), ...u16(height), interlaced ? 64 : 0, 8],
    ...blocks.flatMap((block) => [block.length, ...block]),
    ...[0, 0x3b],
  ]);
}

/** A BMP of 8 bits, from the bottom. */
export function bmpFile({ width, height, samples, palette }: IndexedContent): Uint8Array {
  const stride = Math.ceil(width / 4) * 4;
  const colours = Array.from({ length: 256 }, (_, i) => [2, 1, 0].map((c) => palette[3 * i + c] as number));
  const rows = Array.from({ length: height }, (_, y) =>
    Array.from({ length: stride }, (_, x) => (x < width ? (samples[(height - 1 - y) * width + x] as number) : 0)),
  );
  const start = 54 + 1024;
  return Uint8Array.from([
    ...[0x42, 0x4d, ...u32(start + stride * height), ...u32(0), ...u32(start)],
    ...[...u32(40), ...u32(width), ...u32(height), ...u16(1), ...u16(8), ...u32(0)],
    ...[...u32(0), ...u32(0), ...u32(0), ...u32(0), ...u32(0)],
    ...colours.flatMap((colour) => [...colour, 0]),
    ...rows.flat(),
  ]);
}
