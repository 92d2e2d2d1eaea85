import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ImageWarning, RawImage } from "../image/image.ts";
import { draw } from "../mask/samples.ts";
import { encodeMaskPng, encodePng, encodeWebp, readImage, readMask, writeFileAtomic } from "./image.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-image-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Red, green, blue and white quarters, 32 x 16. */
const quarters: RawImage = {
  width: 32,
  height: 16,
  channels: 3,
  data: Uint8Array.from({ length: 32 * 16 * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    const right = pixel % 32 >= 16;
    const below = pixel >= 32 * 8;
    const colour = below ? (right ? [255, 255, 255] : [0, 0, 255]) : right ? [0, 255, 0] : [255, 0, 0];
    return colour[i % 3] as number;
  }),
};
const source = (): Sharp => sharp(quarters.data, { raw: { width: 32, height: 16, channels: 3 } });
const at = ({ width, channels, data }: RawImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels),
];
/** The colours in the middle of the four quarters. */
const corners = (image: RawImage): number[][] =>
  [0.25, 0.75].flatMap((y) =>
    [0.25, 0.75].map((x) => at(image, Math.floor(image.width * x), Math.floor(image.height * y))),
  );
const colours = corners(quarters);
const near = (ours: number[][], theirs: number[][], tolerance: number): void => {
  for (const [i, pixel] of ours.entries()) {
    for (const [c, value] of pixel.entries()) {
      expect(Math.abs(value - (theirs[i]?.[c] as number)), `${ours} for ${theirs}`).toBeLessThanOrEqual(tolerance);
    }
  }
};

test("a BMP, which sharp does not read", async () => {
  const head = [0x42, 0x4d, 62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0];
  const file = Uint8Array.from([...head, ...new Array(24).fill(0), 255, 255, 255, 0, 0, 0, 0, 0]);
  expect(await readImage(file)).toEqual({
    width: 2,
    height: 1,
    channels: 3,
    data: Uint8Array.of(255, 255, 255, 0, 0, 0),
  });
  expect([...(await readMask(file)).data]).toEqual([1, 0]);
});

test("a JPEG without its end marker is read, with a warning; one without its end is not", async () => {
  const whole = await source().jpeg().toBuffer();
  const warnings: ImageWarning[] = [];
  const onWarning = (warning: ImageWarning): number => warnings.push(warning);
  expect(await readImage(whole.subarray(0, -2), { onWarning })).toEqual(await readImage(whole, { onWarning }));
  expect(warnings).toMatchObject([{ code: "unfinished", details: { source: "bytes" } }]);
  await expect(readImage(whole.subarray(0, -12), { onWarning })).rejects.toMatchObject({ code: "image-corrupt" });
  expect(warnings).toHaveLength(1);
});

describe("readImage decodes", () => {
  test.each([
    ["PNG", () => source().png(), 0],
    ["palette PNG", () => source().png({ palette: true }), 0],
    ["16-bit PNG", () => source().toColourspace("rgb16").png(), 0],
    ["lossless WebP", () => source().webp({ lossless: true }), 0],
    ["TIFF", () => source().tiff({ compression: "lzw" }), 0],
    ["GIF", () => source().gif(), 0],
    ["JPEG", () => source().jpeg({ quality: 100, chromaSubsampling: "4:4:4" }), 3],
    ["AVIF", () => source().avif({ quality: 100, chromaSubsampling: "4:4:4" }), 4],
    ["WebP", () => source().webp({ quality: 100 }), 12],
  ] as const)("%s", async (kind, file, tolerance) => {
    const image = await readImage(await file().toBuffer());
    // GIF decodes with an alpha channel.
    expect([image.width, image.height, image.channels]).toEqual([32, 16, kind === "GIF" ? 4 : 3]);
    near(
      corners(image).map((pixel) => pixel.slice(0, 3)),
      colours,
      tolerance,
    );
    if (image.channels === 4) expect(corners(image).every((pixel) => pixel[3] === 255)).toBe(true);
  });

  test("CMYK, close to its sRGB", async () => {
    const file = await source().toColourspace("cmyk").jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer();
    expect((await sharp(file).metadata()).space).toBe("cmyk");
    const image = await readImage(file);
    expect(image.channels).toBe(3);
    const [red, green, blue, white] = corners(image) as [number[], number[], number[], number[]];
    near([white], [[255, 255, 255]], 4);
    // Print cannot show sRGB's primaries; each must still be the strongest channel by far.
    for (const [pixel, channel] of [
      [red, 0],
      [green, 1],
      [blue, 2],
    ] as const) {
      expect(Math.max(...pixel)).toBe(pixel[channel]);
      expect((pixel[channel] as number) - Math.min(...pixel)).toBeGreaterThan(80);
    }
  });

  test("an ICC profile to sRGB", async () => {
    const file = await source().modulate({ saturation: 0.6 }).withIccProfile("p3").png().toBuffer();
    const asStored = await sharp(file, { ignoreIcc: true }).raw().toBuffer();
    const back = await readImage(file);
    const plain = await readImage(await source().modulate({ saturation: 0.6 }).png().toBuffer());
    near(corners(back), corners(plain), 2);
    // Taking the file's numbers as they are would be off by far more.
    expect(Math.abs((asStored[0] as number) - (plain.data[0] as number))).toBeGreaterThan(8);
  });

  test("grey, with and without alpha, 8 and 16 bits", async () => {
    const grey = Uint8Array.of(0, 100, 200, 255);
    const raw = sharp(grey, { raw: { width: 2, height: 2, channels: 1 } });
    for (const file of [
      raw.clone().toColourspace("b-w").png(),
      raw.clone().toColourspace("grey16").png(),
      raw.clone().toColourspace("b-w").jpeg({ quality: 100 }),
    ]) {
      const image = await readImage(await file.toBuffer());
      expect(image.channels).toBe(3);
      near([[...image.data]], [[0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255]], 3);
    }
    const greyAlpha = await readImage(pngOf({ width: 2, height: 1, depth: 8, colour: 4, bytes: [7, 255, 9, 128] }));
    expect(greyAlpha).toEqual({ width: 2, height: 1, channels: 4, data: Uint8Array.of(7, 7, 7, 255, 9, 9, 9, 128) });
    const one = await readImage(pngOf({ width: 8, height: 1, depth: 1, colour: 0, bytes: [0b10100000] }));
    expect([...one.data].filter((_, i) => i % 3 === 0)).toEqual([255, 0, 255, 0, 0, 0, 0, 0]);
  });

  test("straight alpha, colours beneath it kept", async () => {
    const bytes = [200, 10, 20, 0, 200, 10, 20, 128];
    const image = await readImage(pngOf({ width: 2, height: 1, depth: 8, colour: 6, bytes }));
    expect(image).toEqual({ width: 2, height: 1, channels: 4, data: Uint8Array.from(bytes) });
    const deep = await readImage(
      pngOf({ width: 1, height: 1, depth: 16, colour: 6, bytes: [200, 200, 10, 10, 20, 20, 128, 128] }),
    );
    expect([...deep.data]).toEqual([200, 10, 20, 128]);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("EXIF orientation %i", async (orientation) => {
    const [a, b, c, d] = colours as [number[], number[], number[], number[]];
    const expected = [
      [a, b, c, d],
      [b, a, d, c],
      [d, c, b, a],
      [c, d, a, b],
      [a, c, b, d],
      [c, a, d, b],
      [d, b, c, a],
      [b, d, a, c],
    ][orientation - 1] as number[][];
    const image = await readImage(
      await source().withMetadata({ orientation }).jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer(),
    );
    expect([image.width, image.height]).toEqual(orientation > 4 ? [16, 32] : [32, 16]);
    near(corners(image), expected, 3);
  });

  test.each(["gif", "webp"] as const)("the first frame of an animated %s", async (format) => {
    const frames = ["#ff0000", "#0000ff", "#00ff00"].map((background) =>
      sharp({ create: { width: 20, height: 10, channels: 3, background } })
        .png()
        .toBuffer(),
    );
    const file = await sharp(await Promise.all(frames), { join: { animated: true } })
      .toFormat(format, { lossless: true })
      .toBuffer();
    expect((await sharp(file).metadata()).pages).toBe(3);
    const image = await readImage(file, { maxPixels: 200 });
    expect([image.width, image.height]).toEqual([20, 10]);
    expect(at(image, 10, 5).slice(0, 3)).toEqual([255, 0, 0]);
  });

  test("paths, file: URLs and bytes alike", async () => {
    const path = join(folder, "a picture #1.png");
    const bytes = await encodePng(quarters);
    await writeFile(path, bytes);
    for (const from of [path, pathToFileURL(path), bytes]) expect(await readImage(from)).toEqual(quarters);
  });
});

describe("readImage refuses", () => {
  const code = (expected: string, also: object = {}): unknown =>
    expect.objectContaining({ code: expected, name: "ImageError", ...also });

  test("missing and unreadable files, and other URLs", async () => {
    await expect(readImage(join(folder, "none.png"))).rejects.toEqual(code("image-not-found"));
    await expect(readImage(folder)).rejects.toEqual(code("image-unreadable", { cause: expect.any(Error) }));
    await expect(readImage(new URL("ftp://example.com/a.png"))).rejects.toEqual(code("image-url"));
  });

  test("what is no image, and formats outside the list", async () => {
    for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 2, 3), Buffer.from("hello, I am no image at all")]) {
      await expect(readImage(bytes)).rejects.toEqual(code("image-format"));
    }
    await expect(
      readImage(Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>`)),
    ).rejects.toEqual(code("image-format"));
  });

  test("broken files, with the decoder's error", async () => {
    const next = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
    for (const format of ["jpeg", "png", "webp", "avif", "tiff", "gif"] as const) {
      const file = await sharp(next, { raw: { width: 64, height: 64, channels: 3 } })
        .toFormat(format)
        .toBuffer();
      const cut = file.subarray(0, Math.floor(file.length * 0.6));
      await expect(readImage(cut), format).rejects.toMatchObject({ name: "ImageError", cause: expect.any(Error) });
    }
  });

  test("a bomb before it is decoded", async () => {
    // 30000 x 30000 of zeros in a few hundred bytes of header and idle data: decoding it would fail, not be slow.
    const bomb = pngOf({ width: 30000, height: 30000, depth: 8, colour: 2, bytes: [0] });
    await expect(readImage(bomb)).rejects.toEqual(
      code("image-too-large", { details: { width: 30000, height: 30000, maxPixels: 2 ** 27 } }),
    );
    await expect(readImage(await encodePng(quarters), { maxPixels: 511 })).rejects.toEqual(code("image-too-large"));
    expect(await readImage(await encodePng(quarters), { maxPixels: 512 })).toEqual(quarters);
  });

  test("when aborted, with the signal's reason", async () => {
    const bytes = await encodePng(quarters);
    await expect(readImage(bytes, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    const controller = new AbortController();
    const reading = readImage(bytes, { signal: controller.signal });
    controller.abort("later");
    await expect(reading).rejects.toBe("later");
  });
});

describe("encoding", () => {
  const soft: RawImage = { width: 3, height: 2, channels: 4, data: Uint8Array.from({ length: 24 }, (_, i) => i * 10) };

  test("PNG and lossless WebP give every pixel back, alpha straight", async () => {
    for (const image of [quarters, soft]) {
      expect(await readImage(await encodePng(image))).toEqual(image);
      expect(await readImage(await encodeWebp(image, { lossless: true }))).toEqual(image);
    }
  });
  test("lossy WebP keeps alpha", async () => {
    const back = await readImage(await encodeWebp(soft, { quality: 50 }));
    expect([...back.data].filter((_, i) => i % 4 === 3)).toEqual([...soft.data].filter((_, i) => i % 4 === 3));
  });
  test("masks are 8-bit grey, 0 or 255, and come back", async () => {
    const mask = draw("##..", ".#.#", "...#");
    const file = await encodeMaskPng(mask);
    const { data, info } = await sharp(file).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([4, 3, 1]);
    expect([...data]).toEqual([...mask.data].map((v) => v * 255));
    // The PNG header: bit depth 8, colour type 0 (grey).
    expect([...file.subarray(24, 26)]).toEqual([8, 0]);
    expect(await readMask(file)).toEqual(mask);
  });
  test("readMask takes light and opaque pixels", async () => {
    const bytes = [255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 255, 200, 200, 200, 255];
    expect((await readMask(pngOf({ width: 4, height: 1, depth: 8, colour: 6, bytes }))).data).toEqual(
      Uint8Array.of(1, 0, 0, 1),
    );
  });
  test("what is no image is refused", async () => {
    await expect(encodePng({ ...quarters, width: 31 })).rejects.toMatchObject({ code: "image-data-length" });
    await expect(encodeMaskPng({ width: 2, height: 2, data: new Uint8Array(3) })).rejects.toMatchObject({
      code: "mask-data-length",
    });
    const tall: RawImage = { width: 1, height: 17000, channels: 3, data: new Uint8Array(51000) };
    await expect(encodeWebp(tall)).rejects.toMatchObject({ code: "image-encode", name: "ImageError" });
  });
});

describe("writeFileAtomic", () => {
  test("writes, replaces, and leaves nothing beside", async () => {
    const inside = await mkdtemp(join(folder, "write-"));
    const path = join(inside, "out.json");
    await writeFileAtomic(path, "one");
    await writeFileAtomic(path, new TextEncoder().encode("two"));
    expect(await readFile(path, "utf8")).toBe("two");
    expect(await readdir(inside)).toEqual(["out.json"]);
  });

  test("bytes in pieces may come from the file that they replace; where they break off, it stays", async () => {
    const inside = await mkdtemp(join(folder, "pieces-"));
    const path = join(inside, "out.json");
    await writeFileAtomic(path, "one");
    const pieces = async function* (breaks: boolean): AsyncGenerator<Uint8Array, void> {
      yield await readFile(path);
      if (breaks) throw new Error("broken");
      yield await readFile(path);
    };
    await writeFileAtomic(path, pieces(false));
    await expect(writeFileAtomic(path, pieces(true))).rejects.toThrow();
    expect(await readFile(path, "utf8")).toBe("oneone");
    expect(await readdir(inside)).toEqual(["out.json"]);
  });

  test("a failure leaves the old file and no other", async () => {
    const inside = await mkdtemp(join(folder, "fail-"));
    await writeFile(join(inside, "old"), "old");
    await expect(writeFileAtomic(join(inside, "old", "file"), "x")).rejects.toMatchObject({
      name: "MaskletError",
      code: "write-failed",
      details: { code: "ENOTDIR" },
    });
    // Renaming over a folder fails after the bytes were written.
    await expect(writeFileAtomic(inside, "x")).rejects.toMatchObject({ code: "write-failed" });
    const controller = new AbortController();
    const writing = writeFileAtomic(join(inside, "old"), "new", { signal: controller.signal });
    controller.abort("stop");
    await expect(writing).rejects.toBe("stop");
    expect(await readdir(inside)).toEqual(["old"]);
    expect(await readFile(join(inside, "old"), "utf8")).toBe("old");
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test.skipIf(process.platform !== "linux")("a disk that fills up leaves nothing (Linux: ulimit -f)", async () => {
    const inside = await mkdtemp(join(folder, "full-"));
    // A process that may write 32 KiB a file; a mebibyte fails half way, with EFBIG where a full disk says ENOSPC.
    const script = `
      const { writeFileAtomic } = await import(${JSON.stringify(new URL("./image.ts", import.meta.url).href)});
      await writeFileAtomic("out", new Uint8Array(1 << 20)).catch((error) => console.log(error.code, error.cause.code));
    `;
    const { stdout } = await promisify(execFile)(
      "sh",
      ["-c", 'ulimit -f 64; exec "$0" --input-type=module --eval "$1"', process.execPath, script],
      { cwd: inside },
    );
    expect(stdout.trim()).toBe("write-failed EFBIG");
    expect(await readdir(inside)).toEqual([]);
  });

  test.skipIf(process.platform === "win32" || process.getuid?.() === 0)(
    "an unwritable folder is a typed error (not as root, not on Windows)",
    async () => {
      const inside = await mkdtemp(join(folder, "locked-"));
      await chmod(inside, 0o500);
      await expect(writeFileAtomic(join(inside, "out"), "x")).rejects.toMatchObject({ code: "write-failed" });
      await chmod(inside, 0o700);
    },
  );
});

interface Png {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  /** One row, or all rows of equal length. */
  readonly bytes: readonly number[];
}

/** A PNG written by hand: kinds that sharp does not write, and headers that promise more than there is. */
function pngOf({ width, height, depth, colour, bytes }: Png): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, 0], 8);
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const out = Buffer.alloc(12 + data.length);
    out.writeUInt32BE(data.length, 0);
    out.write(type, 4, "latin1");
    out.set(data, 8);
    out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
    return out;
  };
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Uint8Array.of(0, ...bytes))),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0xedb88320 : 0);
  }
  return (crc ^ -1) >>> 0;
}

describe("from an address", () => {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/hangs") return;
    if (pathname === "/cut") {
      response.writeHead(200, { "Content-Length": "1000" }).write("x");
      setTimeout(() => response.destroy(), 5);
      return;
    }
    if (pathname !== "/quarters.png") return void response.writeHead(pathname === "/secret" ? 403 : 404).end();
    void source()
      .png()
      .toBuffer()
      .then((png) => response.end(png));
  });
  let origin: string;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test("as text, as a URL, as data, as a Blob, and as a file: URL in text", async () => {
    const png = await source().png().toBuffer();
    const path = join(folder, "address.png");
    await writeFile(path, png);
    for (const image of [
      `${origin}/quarters.png?token=1`,
      new URL(`${origin}/quarters.png`),
      `data:image/png;base64,${png.toString("base64")}`,
      new Blob([new Uint8Array(png)]),
      pathToFileURL(path).href,
    ]) {
      expect(corners(await readImage(image))).toEqual(colours);
    }
  });

  test("what a server refuses, without the query in the message", async () => {
    const refused = (path: string) => readImage(`${origin}${path}?token=secret`).catch((error: unknown) => error);
    const [none, forbidden, cut] = [await refused("/none"), await refused("/secret"), await refused("/cut")];
    expect(none).toMatchObject({ code: "image-not-found", details: { url: `${origin}/none`, status: 404 } });
    expect(forbidden).toMatchObject({ code: "image-unreadable", details: { status: 403 } });
    expect(cut).toMatchObject({ code: "image-unreadable" });
    for (const error of [none, forbidden, cut]) expect(String(error)).not.toContain("token");
    await expect(readImage("http://127.0.0.1:9/x.png")).rejects.toMatchObject({ code: "image-unreadable" });
  });

  test("aborting does not wait for the server", async () => {
    const signal = AbortSignal.timeout(20);
    await expect(readImage(`${origin}/hangs`, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });
});
