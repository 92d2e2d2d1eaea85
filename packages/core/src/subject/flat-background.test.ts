import { expect, test } from "vitest";
import type { RawImage, Rgb } from "../image/image.ts";
import { randomNumbers } from "../mask/samples.ts";
import { cutFromFlatBackground } from "./flat-background.ts";

interface Drawing {
  readonly image: RawImage;
  readonly background: Rgb;
  /** Exact cover of each pixel by the shape, 0 to 1. */
  readonly cover: Float64Array;
  readonly colour: Rgb;
}

/** A random shape of one colour, with holes, on a flat background; antialiased by 4 x 4 samples in each pixel, or hard. */
function drawing(seed: number, { hard = false, width = 48, height = 40 } = {}): Drawing {
  const random = randomNumbers(seed);
  const colourOf = (): Rgb => [0, 0, 0].map(() => Math.floor(random() * 256)) as unknown as Rgb;
  const background = random() < 0.5 ? ([255, 255, 255] as const) : colourOf();
  let colour = colourOf();
  while (Math.max(...colour.map((c, i) => Math.abs(c - (background[i] as number)))) < 60) colour = colourOf();
  const disks = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
    x: 16 + random() * (width - 32),
    y: 16 + random() * (height - 32),
    outer: 8 + random() * 5,
    inner: random() < 0.5 ? 0 : 2 + random() * 2,
  }));
  const inside = (x: number, y: number): boolean =>
    disks.some((disk) => Math.hypot(x - disk.x, y - disk.y) < disk.outer) &&
    !disks.some((disk) => Math.hypot(x - disk.x, y - disk.y) < disk.inner);
  const samples = hard ? 1 : 4;
  const cover = new Float64Array(width * height);
  const data = new Uint8Array(3 * cover.length);
  for (let i = 0; i < cover.length; i++) {
    for (let k = 0; k < samples ** 2; k++) {
      const x = (i % width) + ((k % samples) + 0.5) / samples;
      const y = Math.floor(i / width) + (Math.floor(k / samples) + 0.5) / samples;
      if (inside(x, y)) cover[i] = (cover[i] as number) + 1 / samples ** 2;
    }
    for (const c of [0, 1, 2] as const) {
      data[3 * i + c] = Math.round(background[c] + (colour[c] - background[c]) * (cover[i] as number));
    }
  }
  return { image: { width, height, channels: 3, data }, background, cover, colour };
}

const seeds = Array.from({ length: 100 }, (_, i) => i + 1);

test("hard shapes come out exactly: their colour, opaque, and nothing else", () => {
  for (const seed of seeds) {
    const { image, cover, colour, background } = drawing(seed, { hard: true });
    const cut = cutFromFlatBackground(image);
    const expected = Uint8Array.from({ length: 4 * cover.length }, (_, i) =>
      cover[Math.floor(i / 4)] === 0 ? 0 : ([...colour, 255][i % 4] as number),
    );
    expect(cut?.image.data, `seed ${seed}`).toEqual(expected);
    expect(cut?.background).toEqual(background);
    expect(cut?.unsure).toEqual([]);
  }
});

test("antialiased edges: alpha is the cover, and colours are the object's", () => {
  for (const seed of seeds) {
    const { image, cover, colour, background } = drawing(seed);
    const { data } = cutFromFlatBackground(image)?.image ?? { data: new Uint8Array() };
    // Each channel of a pixel is known to half a level, and alpha is the pixel's projection.
    const line = colour.map((c, i) => Math.abs(c - (background[i] as number)));
    const length = line.reduce((sum, d) => sum + d * d, 0);
    const tolerance = 0.5 + (255 * 0.5 * line.reduce((sum, d) => sum + d, 0)) / length + 1e-9;
    for (let i = 0; i < cover.length; i++) {
      const alpha = data[4 * i + 3] as number;
      const error = Math.abs(alpha - 255 * (cover[i] as number));
      if (error > tolerance) expect.unreachable(`seed ${seed}, pixel ${i}: alpha ${alpha}, cover ${cover[i]}`);
      if (alpha > 0 && colour.some((c, k) => data[4 * i + k] !== c)) {
        expect.unreachable(`seed ${seed}, pixel ${i}: not the object's colour`);
      }
    }
  }
});

test("on its own background the cutout is the picture again but for rounding, whatever is drawn", () => {
  for (const seed of seeds) {
    const random = randomNumbers(seed);
    const { image, background } = drawing(seed);
    // Details of other colours, thin lines among them.
    const data = Uint8Array.from(image.data);
    for (let k = 0; k < 40; k++) {
      const [x, y] = [4 + Math.floor(random() * 38), 4 + Math.floor(random() * 30)];
      const colour = [random() * 256, random() * 256, random() * 256];
      for (let i = 0; i < 3; i++) data.set(colour, 3 * (y * image.width + x + i));
    }
    const cut = cutFromFlatBackground({ ...image, data })?.image.data ?? new Uint8Array();
    for (let i = 0; i < data.length; i++) {
      const at = 4 * Math.floor(i / 3);
      const share = (cut[at + 3] as number) / 255;
      const seen = share * (cut[at + (i % 3)] as number) + (1 - share) * (background[i % 3] as number);
      // The alpha, the mix and the colour were rounded.
      if (Math.abs(seen - (data[i] as number)) > 2.5)
        expect.unreachable(`seed ${seed}, value ${i}: ${seen}, ${data[i]}`);
    }
  }
});

/** A white ring on black, 24 x 24. */
function ring(): RawImage {
  const data = new Uint8Array(3 * 24 * 24);
  for (let i = 0; i < 24 * 24; i++) {
    const distance = Math.hypot((i % 24) - 11.5, Math.floor(i / 24) - 11.5);
    if (distance < 9 && distance > 4) data.fill(255, 3 * i, 3 * i + 3);
  }
  return { width: 24, height: 24, channels: 3, data };
}

test("holes are transparent, or filled where the object is partly of the background's colour", () => {
  const middle = 4 * (12 * 24 + 12);
  const open = cutFromFlatBackground(ring());
  expect([...(open?.image.data.subarray(middle, middle + 4) ?? [])]).toEqual([0, 0, 0, 0]);
  const filled = cutFromFlatBackground(ring(), { holes: false });
  expect([...(filled?.image.data.subarray(middle, middle + 4) ?? [])]).toEqual([0, 0, 0, 255]);
  expect(filled?.image.data[3]).toBe(0);
});

test("noise as JPEG makes it is background, and makes no holes", () => {
  const random = randomNumbers(7);
  const { width, height, data } = ring();
  const noisy = Uint8Array.from(data, (value) => Math.min(255, Math.max(0, value + Math.round(random() * 8 - 4))));
  // A dark speck on the object, as dark as the background.
  for (const x of [5, 6]) noisy.fill(2, 3 * (12 * 24 + x), 3 * (12 * 24 + x) + 3);
  const cut = cutFromFlatBackground({ width, height, channels: 3, data: noisy });
  const expected = Uint8Array.from({ length: width * height }, (_, i) => (data[3 * i] === 0 ? 0 : 1));
  expect(cut?.mask.data).toEqual(expected);
});

test("where JPEG rings around the object, the border being clean, there is no halo", () => {
  const random = randomNumbers(11);
  const { width, height, data } = ring();
  const ringing = Uint8Array.from(data);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const isBorder = x === 0 || y === 0 || x === width - 1 || y === height - 1;
    if (data[3 * i] === 0 && !isBorder) ringing.fill(Math.floor(random() * 13), 3 * i, 3 * i + 3);
  }
  const cut = cutFromFlatBackground({ width, height, channels: 3, data: ringing });
  const alpha = Uint8Array.from({ length: width * height }, (_, i) => cut?.image.data[4 * i + 3] as number);
  expect(alpha).toEqual(Uint8Array.from({ length: width * height }, (_, i) => data[3 * i] as number));
  expect(cut?.unsure).toEqual([]);
});

test("alpha that the picture has is kept", () => {
  const { width, height, data } = ring();
  const rgba = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) rgba.set([200, 100, 50, data[3 * i] === 0 ? 0 : 180], 4 * i);
  const cut = cutFromFlatBackground({ width, height, channels: 4, data: rgba });
  expect(cut?.background).toBeUndefined();
  const middleOfRing = 4 * (12 * 24 + 5);
  expect([...(cut?.image.data.subarray(middleOfRing, middleOfRing + 4) ?? [])]).toEqual([200, 100, 50, 180]);
  expect([...(cut?.image.data.subarray(0, 4) ?? [])]).toEqual([0, 0, 0, 0]);
});

test("a background that is not flat is none", () => {
  const random = randomNumbers(3);
  const data = Uint8Array.from({ length: 3 * 24 * 24 }, () => Math.floor(random() * 256));
  expect(cutFromFlatBackground({ width: 24, height: 24, channels: 3, data })).toBeUndefined();
  const gradient = Uint8Array.from({ length: 3 * 24 * 24 }, (_, i) => 4 * (Math.floor(i / 3) % 24));
  expect(cutFromFlatBackground({ width: 24, height: 24, channels: 3, data: gradient })).toBeUndefined();
});

test("says when it is unsure", () => {
  const { width, height, data } = ring();
  const plain = cutFromFlatBackground({ width, height, channels: 3, data: new Uint8Array(data.length).fill(9) });
  expect(plain?.unsure).toEqual(["no-subject"]);
  // The upper half of the ring: its lower row lies at the border.
  const half = cutFromFlatBackground({ width, height: 12, channels: 3, data: data.subarray(0, 3 * 24 * 12) });
  expect(half?.unsure).toEqual(["cut-off"]);
  const shadow = Uint8Array.from(data, (value, i) => (value === 0 && i > 3 * 24 * 20 && i < 3 * 24 * 23 ? 12 : value));
  for (let i = 0; i < 24; i++) for (const x of [0, 23]) shadow.fill(0, 3 * (i * 24 + x), 3 * (i * 24 + x) + 3);
  expect(cutFromFlatBackground({ width, height, channels: 3, data: shadow })?.unsure).toEqual([]);
  const glow = Uint8Array.from(data);
  for (let y = 1; y < 23; y++)
    for (let x = 1; x < 23; x++) {
      const i = 3 * (24 * y + x);
      if (glow[i] === 0) glow.fill(20, i, i + 3);
    }
  expect(cutFromFlatBackground({ width, height, channels: 3, data: glow })?.unsure).toEqual(["soft-edge"]);
});
