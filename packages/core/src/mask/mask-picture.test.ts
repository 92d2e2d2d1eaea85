import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { bmpFile, gifFile } from "../../test/indexed-files.ts";
import { pngFile, tiffFile } from "../../test/picture-files.ts";
import type { ImageWarning } from "../image/image.ts";
import { encodeLabelPng, readMask, readMaskPicture } from "../node.ts";
import { davisPalette } from "./label-png.ts";

const [width, height] = [48, 30];
const size = { width, height };
/** A disc, as tools save it. */
const disc = Uint8Array.from({ length: width * height }, (_, i) =>
  Number(((i % width) - 20) ** 2 + (Math.floor(i / width) - 14) ** 2 <= 81),
);
const area = disc.reduce((a, b) => a + b);
const values = (off: number, on: number): number[] => Array.from(disc, (inside) => (inside === 1 ? on : off));
const pixels = (off: readonly number[], on: readonly number[]): number[] =>
  Array.from(disc).flatMap((inside) => (inside === 1 ? on : off));
const voc = [...davisPalette()];
const grey = (depth: number, off: number, on: number) =>
  pngFile({ ...size, colourType: 0, depth, samples: values(off, on) });
const palette = (depth: number, on: number, colours = voc.slice(0, 3 * 2 ** depth), off = 0) =>
  pngFile({ ...size, colourType: 3, depth, samples: values(off, on), palette: colours });
const greys = Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
const rgbOf = (off: readonly number[], on: readonly number[]) =>
  sharp(Buffer.from(pixels(off, on)), { raw: { ...size, channels: 3 } });
const rgb = rgbOf([0, 0, 0], [200, 0, 0]);

describe("one disc, however it was saved", () => {
  test.each([
    ["0 and 255", () => grey(8, 0, 255), 255],
    ["0 and 1", () => grey(8, 0, 1), 1],
    ["any two values", () => grey(8, 20, 110), 110],
    ["1 bit", () => grey(1, 0, 1), 1],
    ["2 bits", () => grey(2, 0, 1), 1],
    ["16 bits, 0 and 65535", () => grey(16, 0, 65535), 65535],
    ["16 bits, 0 and 1", () => grey(16, 0, 1), 1],
    ["VOC's palette, index 1", () => palette(8, 1), 1],
    ["VOC's palette, index 2", () => palette(8, 2), 2],
    ["VOC's palette, index 255", () => palette(8, 255), 255],
    ["a palette of 1 bit", () => palette(1, 1), 1],
    ["a palette of 2 bits", () => palette(2, 3), 3],
    ["a palette of 4 bits", () => palette(4, 9), 9],
    ["a palette whose index 0 is the brighter one", () => palette(1, 1, [255, 255, 255, 0, 0, 0]), 1],
    [
      "a palette as pngquant orders it, white first",
      () => rgbOf([0, 0, 0], [255, 255, 255]).png({ palette: true }).toBuffer(),
      0,
    ],
    ["a palette of colours as pngquant orders it", () => palette(1, 0, [200, 0, 0, 0, 0, 0], 1), 0],
    ["GIF, VOC's palette, index 3", () => gifFile({ ...size, samples: values(0, 3), palette: voc }), 3],
    ["GIF, interlaced", () => gifFile({ ...size, samples: values(0, 3), palette: voc, interlaced: true }), 3],
    ["GIF, a transparent index", () => gifFile({ ...size, samples: values(5, 2), palette: voc, transparent: 5 }), 2],
    ["GIF, as sharp writes it", () => rgbOf([0, 0, 0], [255, 255, 255]).gif().toBuffer(), undefined],
    ["BMP, VOC's palette, index 3", () => bmpFile({ ...size, samples: values(0, 3), palette: voc }), 3],
    ["BMP, 0 and 1 of greys", () => bmpFile({ ...size, samples: values(0, 1), palette: greys }), 1],
    ["grey with alpha, the object in alpha alone", () => sample(4, 8, [0, 0], [0, 255]), 1],
    ["grey with alpha, all opaque", () => sample(4, 8, [0, 255], [1, 255]), 1],
    ["RGBA, the object in alpha alone", () => sample(6, 8, [0, 0, 0, 0], [0, 0, 0, 255]), 1],
    ["RGBA of 16 bits, all opaque", () => sample(6, 16, [0, 0, 0, 65535], [300, 300, 300, 65535]), 300],
    ["RGBA, an alpha of 0 and 1", () => sample(6, 8, [255, 255, 255, 0], [255, 255, 255, 1]), 255],
    ["RGBA, a thin overlay", () => sample(6, 8, [0, 0, 0, 0], [30, 144, 255, 90]), 16748574],
    ["a transparent index", () => transparentIndex(), 2],
    ["one colour on black", () => rgb.clone().png().toBuffer(), 200],
    ["a cutout", () => cutout(), 1],
    ["JPEG, dark", () => rgb.clone().jpeg({ quality: 90, chromaSubsampling: "4:4:4" }).toBuffer(), 1],
    ["our own label map", () => encodeLabelPng({ ...size, data: Uint8Array.from(disc, (v) => v * 4) }), 4],
    ["TIFF, 0 and 1", () => tiffFile({ ...size, format: "uint", bits: 8, samples: disc }), 1],
    ["TIFF, floats", () => tiffFile({ ...size, format: "float", bits: 32, samples: disc }), 1],
    [
      "TIFF, 32 bits signed, big-endian",
      () => tiffFile({ ...size, format: "int", bits: 32, samples: values(-1, 5), bigEndian: true }),
      5,
    ],
    ["TIFF, logits", () => tiffFile({ ...size, format: "float", bits: 64, samples: values(-9.5, 3.25) }), 3.25],
    [
      "TIFF, a palette",
      () => tiffFile({ ...size, format: "uint", bits: 8, samples: values(0, 2), photometric: 3, palette: voc }),
      2,
    ],
  ])("%s", async (_, file, label) => {
    const picture = await readMaskPicture(await file());
    expect(picture.labels).toEqual([label ?? expect.any(Number)]);
    expect(
      Buffer.compare(picture.mask().data, disc) === 0 || `${picture.mask().data.reduce((a, b) => a + b)} pixels`,
    ).toBe(true);
  });

  function sample(colourType: 4 | 6, depth: number, off: readonly number[], on: readonly number[]): Uint8Array {
    return pngFile({ ...size, colourType, depth, samples: pixels(off, on) });
  }
  function transparentIndex(): Uint8Array {
    return pngFile({
      ...size,
      colourType: 3,
      depth: 8,
      samples: values(5, 2),
      palette: voc,
      tRNS: [255, 255, 255, 255, 255, 0],
    });
  }
  function cutout(): Uint8Array {
    const samples = Array.from(disc).flatMap((inside, i) => [(i * 37) % 256, (i * 91) % 256, i % 256, inside * 255]);
    return pngFile({ ...size, colourType: 6, depth: 8, samples });
  }
});

test("soft edges are halved, also where white is not full", async () => {
  const large = sharp(Buffer.from(values(0, 255)), { raw: { ...size, channels: 1 } }).toColourspace("b-w");
  const soft = await large.clone().blur(1.2).raw().toBuffer();
  for (const share of [1, 0.4]) {
    const samples = Array.from(soft, (value) => Math.round(value * share));
    const { labels, mask } = await readMaskPicture(pngFile({ ...size, colourType: 0, depth: 8, samples }));
    expect(labels).toEqual([1]);
    const found = mask().data;
    const differ = found.filter((value, i) => value !== disc[i]).length;
    expect(differ).toBeLessThan(area / 20);
  }
  // A probability under a half is no object.
  const unsure = tiffFile({ ...size, format: "float", bits: 32, samples: Array.from(soft, (value) => value / 600) });
  expect((await readMaskPicture(unsure)).labels).toEqual([]);
});

describe("a label map", () => {
  const map = Uint8Array.from(disc, (inside, i) => (inside === 1 ? 1 : i % width > 35 ? (i < 600 ? 2 : 3) : 0));
  const areas = [1, 2, 3].map((label) => map.filter((value) => value === label).length);
  const table: [
    string,
    (label: number) => number,
    Omit<Parameters<typeof pngFile>[0], "samples" | "width" | "height">,
  ][] = [
    ["grey", (label) => label, { colourType: 0, depth: 8 }],
    ["grey, spread out", (label) => label * 80, { colourType: 0, depth: 8 }],
    ["16 bits", (label) => (label === 0 ? 0 : 26000 + label), { colourType: 0, depth: 16 }],
    ["a palette of 8 bits", (label) => label, { colourType: 3, depth: 8, palette: voc }],
    ["a palette of 2 bits", (label) => label, { colourType: 3, depth: 2, palette: voc.slice(0, 12) }],
  ];
  test.each([
    ["GIF", gifFile],
    ["BMP", bmpFile],
  ] as const)("%s: the labels are the palette's indices", async (_, file) => {
    const picture = await readMaskPicture(file({ ...size, samples: map, palette: voc }));
    expect(picture.labels).toEqual([1, 2, 3]);
    expect(picture.labels.map((label) => picture.mask(label).data.reduce((a, b) => a + b))).toEqual(areas);
  });
  test.each(table)("%s", async (_, toLabel, content) => {
    const file = pngFile({ ...size, ...content, samples: Array.from(map, toLabel) });
    const picture = await readMaskPicture(file);
    expect(picture.labels).toEqual([1, 2, 3].map(toLabel));
    expect(picture.labels.map((label) => picture.mask(label).data.reduce((a, b) => a + b))).toEqual(areas);
    expect((await readMask(file, { label: toLabel(3) })).data.reduce((a, b) => a + b)).toBe(areas[2]);
    await expect(readMask(file)).rejects.toMatchObject({ name: "MaskError", code: "several-labels" });
    await expect(readMask(file, { label: 99 })).rejects.toThrow(/^bytes has no label 99, only /);
  });

  test("VOC's void is no object", async () => {
    const samples = Array.from(map, (label) => (label === 3 ? 255 : label));
    const picture = await readMaskPicture(pngFile({ ...size, colourType: 3, depth: 8, samples, palette: voc }));
    expect(picture.labels).toEqual([1, 2]);
  });

  test("colours are labels as COCO's panoptic pictures have them", async () => {
    const samples = Array.from(map).flatMap((label) => [label, label === 0 ? 0 : 1, 0]);
    const picture = await readMaskPicture(pngFile({ ...size, colourType: 2, depth: 8, samples }));
    expect(picture.labels).toEqual([257, 258, 259]);
  });
});

test("a palette in no order of labels is said, with what is taken for the background", async () => {
  const warnings: ImageWarning[] = [];
  const onWarning = (warning: ImageWarning) => void warnings.push(warning);
  await readMaskPicture(palette(1, 0, [200, 0, 0, 0, 0, 0], 1), { onWarning });
  // The same palette with the object in black: its edge is index 0.
  expect((await readMaskPicture(palette(1, 1, [200, 0, 0, 0, 0, 0]), { onWarning })).labels).toEqual([1]);
  await readMaskPicture(palette(8, 2), { onWarning });
  expect(warnings).toMatchObject([
    { code: "palette-order", details: { source: "bytes", black: 1, background: 1 } },
    { code: "palette-order", details: { source: "bytes", black: 1, background: 0 } },
  ]);
  expect(warnings[0]?.message).toBe(
    "bytes: index 0 of its palette is not black, and index 1 is; index 1, which has more of the picture's edge, is taken for the background",
  );
});

test("an empty picture has no label and an empty mask, a full one is all object", async () => {
  const empty = await readMaskPicture(grey(8, 0, 0));
  expect([empty.labels, empty.mask().data.some((value) => value !== 0)]).toEqual([[], false]);
  const full = await readMask(grey(8, 1, 1));
  expect(full.data.every((value) => value === 1)).toBe(true);
});

test("interlaced pictures are read as others are", async () => {
  const file = await sharp(Buffer.from(values(0, 200)), { raw: { ...size, channels: 1 } })
    .toColourspace("b-w")
    .png({ progressive: true })
    .toBuffer();
  expect(file[28]).toBe(1);
  expect((await readMask(file)).data).toEqual(disc);
});

test("what is broken is corrupt, and a bomb is not inflated", async () => {
  const file = grey(8, 0, 1);
  await expect(readMask(file.subarray(0, -20))).rejects.toMatchObject({ code: "image-corrupt" });
  const gif = gifFile({ ...size, samples: disc, palette: voc });
  for (let length = 12; length < gif.length - 2; length += 7) {
    await expect(readMask(gif.subarray(0, length))).rejects.toMatchObject({ name: "ImageError" });
  }
  const tiff = tiffFile({ ...size, format: "uint", bits: 8, samples: disc });
  await expect(readMask(tiff.subarray(0, -20))).rejects.toMatchObject({ code: "image-corrupt" });
  const bomb = Buffer.from(tiffFile({ ...size, format: "uint", bits: 8, samples: disc, deflate: true }));
  const forged = Buffer.concat([bomb, deflateSync(Buffer.alloc(200_000_000))]);
  const at = forged.indexOf(Buffer.from([0x11, 0x01])); // tag 273
  forged.writeUInt32LE(bomb.length, at + 8);
  const lengths = forged.indexOf(Buffer.from([0x17, 0x01]), at);
  forged.writeUInt32LE(forged.length - bomb.length, lengths + 8);
  await expect(readMask(forged)).rejects.toMatchObject({ code: "image-corrupt" });
  await expect(readMask(grey(8, 0, 1), { maxPixels: 100 })).rejects.toMatchObject({ code: "image-too-large" });
});
