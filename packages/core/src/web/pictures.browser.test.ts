import { expect, test } from "vitest";
import { bmpFile, gifFile } from "../../test/indexed-files.ts";
import { encodeChunks } from "../image/png.ts";
import { encodeLabelPng, framesFromFiles, type ImageWarning, imageFrom, maskFrom, maskPictureFrom } from "../web.ts";
import { zlib } from "./label-png.ts";

const [width, height] = [24, 16];
const size = { width, height };
const inside = Array.from({ length: width * height }, (_, i) => i % width > 5 && i % width < 15 && i > 96 && i < 240);
const expected = Uint8Array.from(inside, Number);
const blob = (bytes: Uint8Array, name = "a.png"): File =>
  new File([bytes as Uint8Array<ArrayBuffer>], name, { type: "image/png" });

/** A grey PNG of 16 bits. */
async function deep(dark: number, bright: number): Promise<File> {
  const rows = new DataView(new ArrayBuffer(height * (2 * width + 1)));
  for (const [i, lit] of inside.entries()) {
    const [x, y] = [i % width, Math.floor(i / width)];
    rows.setUint16(y * (2 * width + 1) + 1 + 2 * x, lit ? bright : dark);
  }
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([16, 0, 0, 0, 0], 8);
  const data = await zlib.deflate(new Uint8Array(rows.buffer));
  return blob(
    encodeChunks(
      [
        ["IHDR", header],
        ["IDAT", data],
        ["IEND", new Uint8Array(0)],
      ],
      zlib,
    ),
  );
}

test("a palette is read by its indices, and 16 bits as they are", async () => {
  expect(await maskFrom(blob(await encodeLabelPng({ ...size, data: expected })))).toEqual({ ...size, data: expected });
  expect((await maskFrom(await deep(0, 1))).data).toEqual(expected);
  const two = expected.map((value, i) => (value === 1 ? 1 : i < 48 ? 2 : 0));
  const map = await maskPictureFrom(blob(await encodeLabelPng({ ...size, data: two })));
  expect(map.labels).toEqual([1, 2]);
  expect(map.mask(1).data).toEqual(expected);
  expect(() => map.mask()).toThrow(expect.objectContaining({ code: "several-labels" }));
  await expect(maskFrom(blob(await encodeLabelPng({ ...size, data: two })), { label: 3 })).rejects.toMatchObject({
    code: "no-such-label",
  });
  const palette = Array.from({ length: 768 }, (_, i) => (i < 3 ? 0 : (i * 37) % 256));
  for (const file of [gifFile, bmpFile]) {
    const bytes = file({ ...size, samples: two, palette });
    expect((await maskPictureFrom(blob(bytes, "a"))).labels).toEqual([1, 2]);
  }
});

test("an object that is in alpha alone, and another format", async () => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const picture = new ImageData(width, height);
  for (const [i, lit] of inside.entries()) picture.data[4 * i + 3] = lit ? 255 : 0;
  context.putImageData(picture, 0, 0);
  for (const type of ["image/png", "image/webp"]) {
    expect((await maskFrom(await canvas.convertToBlob({ type, quality: 1 }))).data).toEqual(expected);
  }
});

test("12 bits in 16 come to 8 by the range that is there, and a warning", async () => {
  const warnings: ImageWarning[] = [];
  const image = await imageFrom(await deep(600, 3600), { onWarning: (warning) => warnings.push(warning) });
  expect([image.data[0], image.data[3 * (120 + 10)]]).toEqual([0, 255]);
  expect(warnings.map(({ message }) => message)).toEqual([
    "a.png has 16-bit unsigned samples: 600 is read as black, 3600 as white",
  ]);
  expect((await imageFrom(await deep(9830, 58981))).data[4 * 130]).toBe(230);
});

test("frames are ordered by decimals and negative numbers, and what is misspelt or not awaited is said", async () => {
  const png = await encodeLabelPng({ ...size, data: expected });
  const files = ["1.3.png", "1.25.png", "-1.png", "-2.png", "0.png"].map((name) => blob(png, name));
  expect((await framesFromFiles(files)).names).toEqual(["-2.png", "-1.png", "0.png", "1.25.png", "1.3.png"]);
  await expect(imageFrom(files[0] as File, { maxPixel: 3 } as object)).rejects.toThrow(/did you mean maxPixels/);
  await expect(imageFrom(Promise.resolve(files[0]) as never)).rejects.toMatchObject({ code: "not-awaited" });
});
