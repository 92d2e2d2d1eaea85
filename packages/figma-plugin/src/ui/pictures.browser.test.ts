/** What designers put into Figma, decoded as Figma draws it. */
import { encodeChunks } from "@masklet/core";
import { expect, test } from "vitest";
import { decodePicture, encodePng } from "./pictures.ts";

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
