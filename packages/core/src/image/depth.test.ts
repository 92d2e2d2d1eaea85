import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { pngFile, type TiffContent, tiffFile } from "../../test/picture-files.ts";
import { type ImageWarning, type RawImage, readImage } from "../node.ts";

/** A bright square on dark ground, 40 x 20, as the samples that `value` makes of 0.15 and 0.9. */
const [width, height] = [40, 20];
const size = { width, height };
const scene = (value: (light: number) => number): number[] =>
  Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return value(x >= 10 && x < 25 && y >= 5 && y < 15 ? 0.9 : 0.15);
  });
const at = ({ data, channels }: RawImage, x: number, y: number): number[] =>
  Array.from(data.subarray((y * width + x) * channels, (y * width + x + 1) * channels));

async function read(
  file: Uint8Array,
): Promise<{ image: RawImage; square: number[]; ground: number[]; warnings: ImageWarning[] }> {
  const warnings: ImageWarning[] = [];
  const image = await readImage(file, { onWarning: (warning) => warnings.push(warning) });
  return { image, square: at(image, 15, 10), ground: at(image, 2, 18), warnings };
}

const tiff = (content: Omit<TiffContent, "width" | "height">): Uint8Array => tiffFile({ ...size, ...content });
const hounsfield = scene((light) => Math.round(light * 2000 - 1000));

describe("the type's range, where the picture uses it", () => {
  test.each([
    ["8 bits", { format: "uint", bits: 8, samples: scene((light) => light * 255) }],
    ["16 bits", { format: "uint", bits: 16, samples: scene((light) => light * 65535) }],
    ["16 bits, big-endian", { format: "uint", bits: 16, samples: scene((light) => light * 65535), bigEndian: true }],
    ["32 bits", { format: "uint", bits: 32, samples: scene((light) => Math.floor(light * (2 ** 32 - 1))) }],
    ["32-bit floats from 0 to 1", { format: "float", bits: 32, samples: scene((light) => light) }],
    [
      "64-bit floats from 0 to 1, in tiles",
      { format: "float", bits: 64, samples: scene((light) => light), tiled: true },
    ],
    ["floats where 0 is white", { format: "float", bits: 32, samples: scene((light) => 1 - light), photometric: 0 }],
  ] as [string, Omit<TiffContent, "width" | "height">][])("%s", async (_, content) => {
    const { square, ground, warnings } = await read(tiff(content));
    for (const [value, expected] of [...square.map((v) => [v, 229.5]), ...ground.map((v) => [v, 38.25])]) {
      expect(Math.abs((value as number) - (expected as number))).toBeLessThanOrEqual(1);
    }
    expect(warnings).toEqual([]);
  });

  test("PNG of 16 bits", async () => {
    const { square, warnings } = await read(
      pngFile({ ...size, colourType: 0, depth: 16, samples: scene((light) => light * 65535) }),
    );
    expect([square, warnings]).toEqual([[230, 230, 230], []]);
  });
});

describe("the range that is there, and a warning", () => {
  test.each([
    ["16 bits signed", { format: "int", bits: 16, samples: hounsfield }, -700, 800],
    ["16 bits signed, big-endian", { format: "int", bits: 16, samples: hounsfield, bigEndian: true }, -700, 800],
    ["8 bits signed", { format: "int", bits: 8, samples: scene((light) => Math.round(light * 200 - 100)) }, -70, 80],
    ["32 bits signed, deflated", { format: "int", bits: 32, samples: hounsfield, deflate: true }, -700, 800],
    ["64 bits", { format: "uint", bits: 64, samples: scene((light) => Math.round(light * 1000)) }, 150, 900],
    ["12 bits in 16", { format: "uint", bits: 16, samples: scene((light) => Math.round(light * 4000)) }, 600, 3600],
    ["floats", { format: "float", bits: 64, samples: scene((light) => light * 5000) }, 750, 4500],
    [
      "GDAL's no-data",
      {
        format: "float",
        bits: 32,
        samples: withHole(
          scene((light) => light * 20),
          7777,
        ),
        noData: "7777",
      },
      3,
      18,
    ],
    [
      "a widely used no-data",
      {
        format: "float",
        bits: 32,
        samples: withHole(
          scene((light) => light * 20),
          -9999,
        ),
      },
      3,
      18,
    ],
    [
      "NaN and infinities",
      {
        format: "float",
        bits: 32,
        samples: withHole(
          scene((light) => light * 20),
          Number.NaN,
        ),
      },
      3,
      18,
    ],
    [
      "distances, 65535 where there is none",
      {
        format: "uint",
        bits: 16,
        samples: withHole(
          scene((light) => Math.round(light * 3000)),
          65535,
        ),
      },
      450,
      2700,
    ],
  ] as [string, Omit<TiffContent, "width" | "height">, number, number][])("%s", async (_, content, from, to) => {
    const { image, square, ground, warnings } = await read(tiff(content));
    expect([square, ground]).toEqual([
      [255, 255, 255],
      [0, 0, 0],
    ]);
    expect(at(image, 0, 0)).toEqual([0, 0, 0]);
    expect(warnings).toEqual([
      {
        code: "range-scaled",
        message: `bytes has ${content.bits}-bit ${{ uint: "unsigned", int: "signed", float: "floating" }[content.format]} samples: ${from} is read as black, ${to} as white`,
        details: expect.objectContaining({ bits: content.bits }),
      },
    ]);
    expect(warnings[0]?.details["to"]).toBeCloseTo(to, 4);
  });

  test.each([0, 2, 4, 6] as const)("PNG with 12 of 16 bits, colour type %i", async (colourType) => {
    const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[colourType];
    const samples = scene((light) => Math.round(light * 4000)).flatMap((value) =>
      Array.from({ length: channels }, (_, c) => (channels % 2 === 0 && c === channels - 1 ? 65535 : value)),
    );
    const { square, ground, warnings } = await read(pngFile({ ...size, colourType, depth: 16, samples }));
    expect(square).toEqual([255, 255, 255, ...(channels % 2 === 0 ? [255] : [])]);
    expect(ground.slice(0, 3)).toEqual([0, 0, 0]);
    expect(warnings).toHaveLength(1);
  });

  test("colours share the range", async () => {
    const samples = scene((light) => light * 4000).flatMap((value) => [value, value / 2, 300]);
    const { square, ground } = await read(tiff({ format: "uint", bits: 16, channels: 3, samples }));
    expect(square).toEqual([255, 116, 0]);
    expect(ground).toEqual([23, 0, 0]);
  });
});

function withHole(samples: readonly number[], value: number): number[] {
  return samples.map((sample, i) => (i < width * 3 ? value : sample));
}

test("orientation is applied", async () => {
  const { image } = await read(tiff({ format: "int", bits: 16, samples: hounsfield, orientation: 6 }));
  expect([image.width, image.height]).toEqual([height, width]);
  // Turned clockwise, what was on the left is on top.
  expect(image.data[(2 * height + 10) * 3]).toBe(0);
  expect(image.data[(15 * height + 10) * 3]).toBe(255);
});

test("one value everywhere is black, or what its type says", async () => {
  expect((await read(tiff({ format: "float", bits: 32, samples: scene(() => 700) }))).square).toEqual([0, 0, 0]);
  expect((await read(tiff({ format: "float", bits: 32, samples: scene(() => 0.2) }))).square).toEqual([51, 51, 51]);
});

test("what is not read is refused", async () => {
  const many = tiff({
    format: "float",
    bits: 32,
    channels: 5,
    photometric: 1,
    samples: scene((v) => v).flatMap((v) => [v, v, v, v, v]),
  });
  await expect(readImage(many)).rejects.toMatchObject({ code: "image-format", details: { channels: 5 } });
  const complex = Buffer.from(tiff({ format: "float", bits: 64, samples: scene((light) => light) }));
  complex.writeUInt16LE(6, complex.indexOf(Buffer.from([0x53, 0x01])) + 8); // tag 339
  await expect(readImage(complex)).rejects.toThrow(/is a TIFF of 64-bit complex samples/);
  const cut = tiff({ format: "float", bits: 32, samples: scene((light) => light) });
  await expect(readImage(cut.subarray(0, 60))).rejects.toMatchObject({ code: "image-corrupt" });
  await expect(readImage(cut, { maxPixels: 100 })).rejects.toMatchObject({ code: "image-too-large" });
});

test.each([
  { compression: "lzw", predictor: "horizontal" },
  { compression: "lzw", predictor: "none" },
  { compression: "deflate", predictor: "horizontal" },
  { compression: "packbits", predictor: "none" },
] as const)("as libtiff packs it: %j", async (options) => {
  const samples = Uint16Array.from(
    scene((light) => light * 4000),
    (value, i) => value + ((i * 7919) % 31), // what does not repeat fills LZW's table
  );
  const file = await sharp(samples, { raw: { ...size, channels: 1 } })
    .toColourspace("grey16")
    .tiff(options)
    .toBuffer();
  const { image, square, ground, warnings } = await read(file);
  expect(warnings).toHaveLength(1);
  expect(square[0]).toBeGreaterThan(245);
  expect(ground[0]).toBeLessThan(5);
  const { from, to } = (warnings[0] as ImageWarning).details as { from: number; to: number };
  const expected = Array.from(samples, (value) => Math.round(((value - from) * 255) / (to - from)));
  expect(Array.from(expected, (_, i) => image.data[3 * i])).toEqual(expected);
});
