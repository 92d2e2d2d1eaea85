/** What designers put into Figma, decoded as Figma draws it. */
import { encodeChunks } from "@masklet/core";
import { expect, test } from "vitest";
import { decodePicture, encodeAlpha, encodePng } from "./pictures.ts";

async function drawn(type: string, { width = 40, height = 20 } = {}): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  context.fillStyle = "#ff0000";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#0000ff";
  context.fillRect(0, 0, 8, 8);
  return new Uint8Array(await (await canvas.convertToBlob({ type, quality: 1 })).arrayBuffer());
}

/** A JPEG that says "turn me by a quarter, clockwise": EXIF's orientation 6. */
async function turned(): Promise<Uint8Array> {
  const jpeg = await drawn("image/jpeg");
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
  const exif = [0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff];
  return Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2, ...exif, ...jpeg.subarray(2)]);
}

/** A JPEG in CMYK, 16 x 8: red on the left, green on the right. */
const cmyk =
  "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUV" +
  "FQwPFxgWFBgSFBUU/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAkACv/EABQQAQAAAAAAAAAAAAAA" +
  "AAAAAAD/2gAOBEMATQBZAEsAAD8AVMVQqipsq7VQk//Z";

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

const isBlue = (data: ArrayLike<number>, pixel: number, channels: number): boolean =>
  (data[pixel * channels] ?? 255) < 60 && (data[pixel * channels + 2] ?? 0) > 190;

test("a picture that a camera marked as turned is read as Figma shows it, turned or not", async () => {
  const bytes = await turned();
  const upright = await decodePicture(bytes, { width: 20, height: 40 });
  expect([upright.width, upright.height]).toEqual([20, 40]);
  // The corner that was at the top left is at the top right.
  expect(isBlue(upright.data, 3 * 20 + 16, upright.channels)).toBe(true);
  const stored = await decodePicture(bytes, { width: 40, height: 20 });
  expect(isBlue(stored.data, 3 * 40 + 3, stored.channels)).toBe(true);
});

test("of an animation the first frame is read", async () => {
  const frame = (colour: number): number[] => [
    ...[0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0],
    ...[2, 2, colour === 0 ? 0x44 : 0x4c, 1, 0],
  ];
  const gif = [
    ...[0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255],
    ...frame(0),
    ...frame(1),
    0x3b,
  ];
  const { data } = await decodePicture(Uint8Array.from(gif), { width: 1, height: 1 });
  expect([...data.slice(0, 3)]).toEqual([255, 0, 0]);
});

test("what is transparent stays so, and 16 bits become 8", async () => {
  const data = Uint8Array.from([10, 20, 30, 255, 200, 100, 50, 0]);
  const clear = await decodePicture(await encodePng({ width: 2, height: 1, channels: 4, data }), {
    width: 2,
    height: 1,
  });
  expect([clear.data[3], clear.data[7]]).toEqual([255, 0]);

  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, 1);
  header.setUint32(4, 1);
  header.setUint16(8, 0x1002); // 16 bits, RGB
  const packed = new Blob([Uint8Array.from([0, 0xff, 0xff, 0x80, 0, 0, 0])])
    .stream()
    .pipeThrough(new CompressionStream("deflate"));
  const deep = encodeChunks([
    ["IHDR", new Uint8Array(header.buffer)],
    ["IDAT", new Uint8Array(await new Response(packed).arrayBuffer())],
    ["IEND", new Uint8Array()],
  ]);
  const { data: eight } = await decodePicture(deep, { width: 1, height: 1 });
  expect([...eight.slice(0, 3)]).toEqual([255, 128, 0]);
});

test("a picture of Figma's largest size is read", { timeout: 60_000 }, async () => {
  const bytes = await drawn("image/png", { width: 4096, height: 4096 });
  const { width, height } = await decodePicture(bytes, { width: 4096, height: 4096 });
  expect([width, height]).toEqual([4096, 4096]);
});

test("what is no picture, or of another size than Figma says, is said", async () => {
  await expect(decodePicture(Uint8Array.from([1, 2, 3]), { width: 1, height: 1 })).rejects.toMatchObject({
    code: "image-missing",
    message: expect.stringContaining("Flatten"),
  });
  const bytes = await drawn("image/png");
  await expect(decodePicture(bytes, { width: 7, height: 7 })).rejects.toMatchObject({
    message: expect.stringContaining("7 x 7"),
  });
});

test("a JPEG in CMYK is read in its colours", async () => {
  const { width, channels, data } = await decodePicture(bytesOf(cmyk), { width: 16, height: 8 });
  const pixel = (x: number): number[] => [...data.slice((3 * width + x) * channels, (3 * width + x) * channels + 3)];
  const [left = [], right = []] = [pixel(2), pixel(13)];
  expect((left[0] ?? 0) - Math.max(left[1] ?? 255, left[2] ?? 255)).toBeGreaterThan(100);
  expect((right[1] ?? 0) - Math.max(right[0] ?? 255, right[2] ?? 255)).toBeGreaterThan(60);
});

test("a picture in Display P3 keeps its colours where the file is in P3, and has sRGB's elsewhere", async () => {
  const p3 = await encodePng({ width: 1, height: 1, channels: 3, data: Uint8Array.from([200, 100, 50]) }, "display-p3");
  const wide = await decodePicture(p3, { width: 1, height: 1, colours: "display-p3" });
  expect([...wide.data.slice(0, 3)].map((value, i) => Math.abs(value - ([200, 100, 50][i] ?? 0)) <= 1)).toEqual([
    true,
    true,
    true,
  ]);
  const narrow = await decodePicture(p3, { width: 1, height: 1 });
  // The same colour in sRGB: more red, less green and blue.
  const [red = 0, green = 0, blue = 0] = narrow.data;
  expect([red > 205, green < 99, blue < 45]).toEqual([true, true, true]);
});

test("what a camera marked as turned is turned in P3 too", async () => {
  const upright = await decodePicture(await turned(), { width: 20, height: 40, colours: "display-p3" });
  expect(isBlue(upright.data, 3 * 20 + 16, upright.channels)).toBe(true);
});

test("a picture of Figma's largest size becomes a PNG again that Figma takes", { timeout: 60_000 }, async () => {
  const data = new Uint8Array(4 * 4096 * 4096).fill(7);
  const png = await encodeAlpha({ width: 4096, height: 4096, channels: 4, data });
  const { width, height, data: read } = await decodePicture(png, { width: 4096, height: 4096 });
  expect([width, height, read[3]]).toEqual([4096, 4096, 7]);
});
