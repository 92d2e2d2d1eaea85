import { describe, expect, test } from "vitest";
import type { RawImage } from "../image/image.ts";
import { encodeBlob, imageFrom } from "./image.ts";

/** Left half red, right half blue. */
const picture: RawImage = {
  width: 8,
  height: 4,
  channels: 3,
  data: Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => (i % 3 === (Math.floor(i / 3) % 8 < 4 ? 0 : 2) ? 255 : 0)),
};
const pixel = ({ width, channels, data }: RawImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * channels, (y * width + x) * channels + 3),
];
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">
  <rect width="10" height="10" fill="red"/><rect x="10" width="10" height="10" fill="blue"/></svg>`;

describe("imageFrom", () => {
  test.each(["image/svg+xml", ""])("an SVG of type %j", async (type) => {
    const image = await imageFrom(new Blob([svg], { type }));
    expect([image.width, image.height]).toEqual([20, 10]);
    expect([pixel(image, 2, 5), pixel(image, 17, 5)]).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
  });

  test("an SVG that is broken", async () => {
    await expect(imageFrom(new Blob(["<svg"], { type: "image/svg+xml" }))).rejects.toMatchObject({
      name: "ImageError",
      code: "image-corrupt",
    });
  });

  test("an image element whose file is for screens of 2x: all its pixels", async () => {
    const url = URL.createObjectURL(await encodeBlob(picture));
    const element = new Image();
    element.srcset = `${url} 2x`;
    await element.decode();
    expect(element.naturalWidth).toBe(4);
    const image = await imageFrom(element);
    expect([image.width, image.height]).toEqual([8, 4]);
    expect([pixel(image, 3, 1), pixel(image, 4, 1)]).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
  });
});
