import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeBmp, isBmp } from "./bmp.ts";

interface Parts {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly compression?: number;
  readonly headerSize?: number;
  /** After the 40 bytes that all but the oldest header have. */
  readonly more?: readonly number[];
  readonly palette?: readonly number[];
  readonly pixels: readonly number[];
}

function bmp({
  width,
  height,
  bits,
  compression = 0,
  headerSize = 40,
  more = [],
  palette = [],
  pixels,
}: Parts): Uint8Array {
  const head = Buffer.alloc(54);
  const after = Buffer.from([...more, ...palette]);
  head.write("BM", 0, "latin1");
  head.writeUInt32LE(54 + after.length + pixels.length, 2);
  head.writeUInt32LE(54 + after.length, 10);
  head.writeUInt32LE(headerSize, 14);
  head.writeInt32LE(width, 18);
  head.writeInt32LE(height, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(bits, 28);
  head.writeUInt32LE(compression, 30);
  head.writeUInt32LE(palette.length / 4, 46);
  return Buffer.concat([head, after, Buffer.from(pixels)]);
}

const red = [255, 0, 0];
const blue = [0, 0, 255];
const redBlue = [0, 0, 255, 0, 255, 0, 0, 0]; // a palette: blue, green, red, nothing
const u32 = (...values: readonly number[]): number[] => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => void bytes.writeUInt32LE(value >>> 0, 4 * i));
  return [...bytes];
};

test.each<[string, Parts, readonly number[]]>([
  [
    "24 bits, bottom row first",
    { width: 1, height: 2, bits: 24, pixels: [255, 0, 0, 0, 0, 0, 255, 0] },
    [...red, ...blue],
  ],
  [
    "24 bits, top row first",
    { width: 1, height: -2, bits: 24, pixels: [255, 0, 0, 0, 0, 0, 255, 0] },
    [...blue, ...red],
  ],
  [
    "1 bit",
    { width: 3, height: 1, bits: 1, palette: redBlue, pixels: [0b010_00000, 0, 0, 0] },
    [...red, ...blue, ...red],
  ],
  ["2 bits", { width: 2, height: 1, bits: 2, palette: redBlue, pixels: [0b01_00_0000, 0, 0, 0] }, [...blue, ...red]],
  [
    "4 bits",
    { width: 3, height: 1, bits: 4, palette: redBlue, pixels: [0x01, 0x10, 0, 0] },
    [...red, ...blue, ...blue],
  ],
  ["8 bits", { width: 2, height: 1, bits: 8, palette: redBlue, pixels: [1, 0, 0, 0] }, [...blue, ...red]],
  ["16 bits, 5 each", { width: 2, height: 1, bits: 16, pixels: [0x00, 0x7c, 0x1f, 0x00] }, [...red, ...blue]],
  [
    "16 bits, 5, 6 and 5",
    { width: 2, height: 1, bits: 16, compression: 3, more: u32(0xf800, 0x7e0, 0x1f), pixels: [0, 0xf8, 0x1f, 0] },
    [...red, ...blue],
  ],
  ["32 bits, the fourth byte means nothing", { width: 1, height: 1, bits: 32, pixels: [0, 0, 255, 7] }, red],
  [
    "32 bits with alpha",
    {
      ...{ width: 1, height: 1, bits: 32, compression: 3, headerSize: 56 },
      more: u32(0xff0000, 0xff00, 0xff, 0xff000000),
      pixels: [0, 0, 255, 128],
    },
    [...red, 128],
  ],
  [
    "32 bits whose alpha is nowhere",
    {
      ...{ width: 1, height: 1, bits: 32, compression: 3, headerSize: 56 },
      more: u32(0xff0000, 0xff00, 0xff, 0xff000000),
      pixels: [0, 0, 255, 0],
    },
    red,
  ],
  [
    "runs of bytes: a run, literals, the end of a row",
    { width: 3, height: 2, bits: 8, compression: 1, palette: redBlue, pixels: [0, 3, 1, 0, 1, 0, 0, 0, 3, 0, 0, 1] },
    [...red, ...red, ...red, ...blue, ...red, ...blue],
  ],
  [
    "runs of halves, and a jump over what stays 0",
    { width: 4, height: 1, bits: 4, compression: 2, palette: redBlue, pixels: [0, 2, 1, 0, 3, 0x10, 0, 1] },
    [...red, ...blue, ...red, ...blue],
  ],
])("%s", (_, parts, data) => {
  const file = bmp(parts);
  expect(isBmp(file)).toBe(true);
  const { width, height } = parts;
  const channels = data.length / (width * Math.abs(height));
  expect(decodeBmp(file, "a.bmp")).toEqual({ width, height: Math.abs(height), channels, data: Uint8Array.from(data) });
});

test("the oldest header, of OS/2", () => {
  const head = Buffer.from([0x42, 0x4d, 36, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 12, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
  const file = Buffer.concat([head, Buffer.from([0, 0, 255, 255, 0, 0]), Buffer.from([0x80, 0, 0, 0])]);
  expect(decodeBmp(file, "a.bmp").data).toEqual(Uint8Array.from(blue));
});

test.each<[string, Uint8Array, number | undefined, string]>([
  ["cut off", bmp({ width: 9, height: 9, bits: 24, pixels: [1, 2, 3] }), undefined, "image-corrupt"],
  ["cut off in its palette", bmp({ width: 9, height: 9, bits: 8, pixels: [1] }), undefined, "image-corrupt"],
  ["JPEG inside", bmp({ width: 1, height: 1, bits: 0, compression: 4, pixels: [0] }), undefined, "image-format"],
  ["no width", bmp({ width: 0, height: 1, bits: 24, pixels: [0] }), undefined, "image-size"],
  ["too large", bmp({ width: 9, height: 9, bits: 24, pixels: [0] }), 80, "image-too-large"],
])("%s", (_, file, maxPixels, code) => {
  expect(() => decodeBmp(file, "a.bmp", maxPixels)).toThrow(expect.objectContaining({ name: "ImageError", code }));
});

test.runIf(spawnSync("ffmpeg", ["-version"]).status === 0)("what ffmpeg writes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "masklet-bmp-"));
  try {
    const rgb = Uint8Array.from({ length: 7 * 5 * 3 }, (_, i) => (i * 37) % 256);
    await writeFile(join(folder, "a.rgb"), rgb);
    const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "7x5", "-i", join(folder, "a.rgb")];
    spawnSync("ffmpeg", ["-v", "error", ...input, "-pix_fmt", "bgr24", join(folder, "a.bmp")]);
    expect(decodeBmp(await readFile(join(folder, "a.bmp")), "a.bmp")).toEqual({
      width: 7,
      height: 5,
      channels: 3,
      data: rgb,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
