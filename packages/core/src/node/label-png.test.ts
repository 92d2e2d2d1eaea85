import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { expect, test } from "vitest";
import { davisPalette } from "../mask/label-png.ts";
import { decodeLabelPng, encodeLabelPng } from "./label-png.ts";

const map = { width: 5, height: 3, data: Uint8Array.from([0, 1, 2, 3, 255, 7, 7, 7, 0, 0, 128, 64, 32, 16, 8]) };

test("labels come back as they were", async () => {
  expect(await decodeLabelPng(await encodeLabelPng(map))).toEqual(map);
});

test("more labels than a palette has are 16 bits of grey", async () => {
  const deep = { width: 2, height: 2, data: Uint16Array.from([0, 255, 256, 65535]) };
  const png = await encodeLabelPng(deep);
  const { data, info } = await sharp(png).toColourspace("grey16").raw({ depth: "ushort" }).toBuffer({
    resolveWithObject: true,
  });
  expect([info.width, info.height, info.channels]).toEqual([2, 2, 1]);
  expect([...new Uint16Array(data.buffer, data.byteOffset, 4)]).toEqual([...deep.data]);
  const few = { width: 2, height: 1, data: Uint16Array.from([3, 255]) };
  expect((await decodeLabelPng(await encodeLabelPng(few))).data).toEqual(Uint8Array.from(few.data));
});

test("a viewer sees DAVIS's colours", async () => {
  expect([...davisPalette().subarray(0, 15)]).toEqual([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]);
  const { data, info } = await sharp(await encodeLabelPng(map))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([5, 3, 3]);
  expect([...data.subarray(3, 9)]).toEqual([128, 0, 0, 0, 128, 0]);
});

test.each([1, 2, 4, 8] as const)("palettes of %i bits, filtered by another writer", async (bits) => {
  const colours = 2 ** Math.min(bits, 4);
  const pixels = Uint8Array.from({ length: 40 * 30 }, (_, i) => ((i % 40) + Math.floor(i / 40)) % colours);
  const rgb = Buffer.from([...pixels].flatMap((id) => [(id * 53) % 256, (id * 97) % 256, id * 3]));
  const png = await sharp(rgb, { raw: { width: 40, height: 30, channels: 3 } })
    .png({ palette: true, colours, dither: 0, effort: 1 })
    .toBuffer();
  const { data } = await decodeLabelPng(png);
  const pairs = new Set([...pixels].map((id, i) => id * 256 + (data[i] as number)));
  expect(pairs.size).toBe(colours); // one index for each colour, whatever its number
});

test("8-bit grey", async () => {
  const png = await sharp(map.data, { raw: { width: 5, height: 3, channels: 1 } })
    .toColourspace("b-w")
    .png({ adaptiveFiltering: true })
    .toBuffer();
  expect(await decodeLabelPng(png)).toEqual(map);
});

test("what is no label map is a typed error that names the file", async () => {
  const rgb = await sharp({ create: { width: 2, height: 2, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  await expect(decodeLabelPng(rgb, "a.png")).rejects.toThrow(expect.objectContaining({ code: "image-format" }));
  await expect(decodeLabelPng(Buffer.from("no"), "a.png")).rejects.toThrow(/^a\.png: is no PNG$/);
  const good = Buffer.from(await encodeLabelPng(map));
  for (let end = 0; end < good.length - 12; end++) {
    await expect(decodeLabelPng(good.subarray(0, end))).rejects.toThrow(
      expect.objectContaining({ name: "ImageError" }),
    );
  }
  for (let at = 8; at < good.length; at++) {
    const broken = Buffer.from(good);
    broken[at] = (broken[at] as number) ^ 0x10;
    try {
      await decodeLabelPng(broken);
    } catch (error) {
      expect(error).toMatchObject({ name: "ImageError" });
    }
  }
});

test("a bomb is not inflated", async () => {
  const bomb = Buffer.from(await encodeLabelPng(map));
  const data = deflateSync(Buffer.alloc(10_000_000));
  const start = bomb.indexOf("IDAT");
  const length = bomb.readUInt32BE(start - 4);
  const head = bomb.subarray(0, start - 4);
  const tail = bomb.subarray(start + 8 + length);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  const forged = Buffer.concat([head, size, Buffer.from("IDAT"), data, Buffer.alloc(4), tail]);
  await expect(decodeLabelPng(forged)).rejects.toThrow(expect.objectContaining({ code: "image-corrupt" }));
});
