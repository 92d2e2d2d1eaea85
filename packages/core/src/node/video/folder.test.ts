import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noiseImage } from "../../../test/toy-sam2.ts";
import type { RawImage } from "../../image/image.ts";
import { encodePng } from "../image.ts";
import { framesFromFolder } from "./folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-folder-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const image = (seed: number, width = 6): RawImage => noiseImage(width, 4, { seed: seed + 1 });
const put = async (name: string, seed: number, width?: number): Promise<void> =>
  writeFile(join(folder, name), await encodePng(image(seed, width)));

test("frames are ordered by number, in any order of reading", async () => {
  for (const [name, seed] of [
    ["10.png", 2],
    ["00002.png", 1],
    ["1.PNG", 0],
    ["011.jpg", 3],
  ] as const)
    await put(name, seed);
  await writeFile(join(folder, "prompts.json"), "{}");
  await put(".5.png", 9);
  await mkdir(join(folder, "7.png"));
  const frames = await framesFromFolder(pathToFileURL(folder));
  expect(frames.names).toEqual(["1.PNG", "00002.png", "10.png", "011.jpg"]);
  expect([frames.size, frames.count]).toEqual([{ width: 6, height: 4 }, 4]);
  for (const i of [2, 0, 3, 1]) expect((await frames.frame(i))?.data).toEqual(image(i).data);
  expect(await frames.frame(4)).toBeUndefined();
});

test("numbers may have words around them", async () => {
  for (const name of ["shot-10.png", "shot-9.png", "intro.png"]) await put(name, 0);
  expect((await framesFromFolder(folder)).names).toEqual(["intro.png", "shot-9.png", "shot-10.png"]);
});

test("decimals, negative numbers, and every ending of JPEG", async () => {
  for (const name of ["1.3.jpg", "1.25.jpg", "1.175304.jpg", "-2.png", "-1.png", "0.png", "4.jfif", "3.jpe"]) {
    await put(name, 0);
  }
  const { names, leftOut } = await framesFromFolder(folder);
  expect(names).toEqual(["-2.png", "-1.png", "0.png", "1.175304.jpg", "1.25.jpg", "1.3.jpg", "3.jpe", "4.jfif"]);
  expect(leftOut).toEqual([]);
});

test("images that are left out are named", async () => {
  await put("0.png", 0);
  await writeFile(join(folder, "2.heic"), "");
  await put("10", 1);
  await put("9.jpg_large", 1);
  await writeFile(join(folder, "notes.txt"), "nothing to see");
  expect((await framesFromFolder(folder)).leftOut).toEqual(["2.heic", "9.jpg_large", "10"]);
});

test("the same number twice", async () => {
  await put("1.png", 0);
  await put("02.jpg", 0);
  await put("2.png", 0);
  await expect(framesFromFolder(folder)).rejects.toMatchObject({
    name: "VideoError",
    code: "ambiguous-frames",
    details: { names: expect.arrayContaining(["02.jpg", "2.png"]) },
  });
});

test("a frame of another size is named, and the others can be read", async () => {
  await put("0.png", 0);
  await put("1.png", 1, 7);
  await put("2.png", 2);
  const frames = await framesFromFolder(folder);
  await expect(frames.frame(1)).rejects.toMatchObject({
    code: "frame-size",
    message: "frame 1 (1.png) is 7x4, 0.png is 6x4",
    details: { frame: 1 },
  });
  expect((await frames.frame(2))?.data).toEqual(image(2).data);
});

test("no image, no folder, no picture", async () => {
  await writeFile(join(folder, "notes.txt"), "");
  await expect(framesFromFolder(folder)).rejects.toMatchObject({ code: "no-frames" });
  await expect(framesFromFolder(join(folder, "nowhere"))).rejects.toMatchObject({ code: "not-found" });
  await expect(framesFromFolder(join(folder, "notes.txt"))).rejects.toMatchObject({ code: "not-found" });
  await writeFile(join(folder, "0.png"), "no picture");
  await expect(framesFromFolder(folder)).rejects.toMatchObject({ code: "image-format" });
});

test("maxPixels, and an abort", async () => {
  await put("0.png", 0);
  await expect(framesFromFolder(folder, { maxPixels: 23 })).rejects.toMatchObject({ code: "image-too-large" });
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  await expect(framesFromFolder(folder, { signal: abort.signal })).rejects.toThrow("enough");
  const frames = await framesFromFolder(folder);
  await expect(frames.frame(0, { signal: abort.signal })).rejects.toThrow("enough");
});
