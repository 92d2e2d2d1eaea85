import sharp from "sharp";
import { expect, test } from "vitest";
import { decodeGif, isGif } from "./gif.ts";

const [width, height] = [211, 150];

/** Areas and noise: strings of many lengths, and codes of 12 bits. */
function picture(seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor(i / 3) % width < 60 ? 40 * (seed % 5) : state >> 23;
  });
}

test.each([
  ["256 colours", 1, { colours: 256 }],
  ["16 colours", 2, { colours: 16 }],
  ["2 colours", 3, { colours: 2 }],
  ["interlaced", 4, { progressive: true }],
])("%s: the palette's colours are those that sharp decodes", async (_, seed, options) => {
  const file = await sharp(picture(seed), { raw: { width, height, channels: 3 } })
    .gif(options)
    .toBuffer();
  expect(isGif(file)).toBe(true);
  const decoded = decodeGif(file, "a.gif");
  expect([decoded.width, decoded.height, decoded.opaque]).toEqual([width, height, undefined]);
  const colours = Buffer.from(Array.from(decoded.data).flatMap((i) => [...decoded.palette.subarray(3 * i, 3 * i + 3)]));
  expect(Buffer.compare(colours, await sharp(file).removeAlpha().raw().toBuffer())).toBe(0);
});

test("of an animation the first frame; what is cut off or too large is refused", async () => {
  const frames = [5, 6].map((seed) =>
    sharp(picture(seed), { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
  );
  const file = await sharp(await Promise.all(frames), { join: { animated: true } })
    .gif()
    .toBuffer();
  expect(decodeGif(file, "a.gif").data.length).toBe(width * height);
  const code = (bytes: Uint8Array, maxPixels?: number): unknown => {
    try {
      return decodeGif(bytes, "a.gif", maxPixels);
    } catch (error) {
      return (error as { code: unknown }).code;
    }
  };
  for (let length = 6; length < 5000; length += 31) expect(code(file.subarray(0, length))).toBe("image-corrupt");
  expect(code(file, 1000)).toBe("image-too-large");
});
