import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeRle, encodeLabelPng, encodePng, maskArea } from "@masklet/core/node";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { cli, records, scene, temporaryFolder } from "./cli.ts";
import { clip, inFolder } from "./track.ts";

const folder = temporaryFolder();
const { track, labels } = inFolder(folder);
const at = (name: string): string => join(folder, name);

/** Two discs on the clip's frames: 1 around the white square, 2 around the leaf. */
const [width, height] = [480, 288];
const map = new Uint8Array(width * height);
for (let i = 0; i < map.length; i++) {
  const [x, y] = [i % width, Math.floor(i / width)];
  if ((x - 57) ** 2 + (y - 143) ** 2 <= 900) map[i] = 1;
  if ((x - 413) ** 2 + (y - 109) ** 2 <= 900) map[i] = 2;
}
const disc = map.map((label) => Number(label === 1));
const area = disc.reduce((sum, value) => sum + value);

beforeAll(async () => {
  const size = { width, height };
  writeFileSync(at("disc.png"), await encodeLabelPng({ ...size, data: disc }));
  writeFileSync(at("map.png"), await encodeLabelPng({ ...size, data: map }));
  writeFileSync(at("many.png"), await encodeLabelPng({ ...size, data: map.map((label) => label * 100) }));
  writeFileSync(at("empty.png"), await encodeLabelPng({ ...size, data: new Uint8Array(map.length) }));
  const data = new Uint8Array(map.length * 3);
  for (const [i, label] of map.entries()) data[3 * i + 1] = label;
  writeFileSync(at("colours.png"), await encodePng({ ...size, channels: 3, data }));
});

const found = (pixels: Uint8Array): readonly number[] => [...new Set(pixels)].sort((a, b) => a - b);

describe("track", () => {
  test("a palette's mask is the object, whatever its colours", async () => {
    const { code, stderr } = await track(clip, "disc", "--mask", at("disc.png"), "--count", "2");
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^\S+: object 1: seen on 2 of 2 frames, \d+ pixels.*\n$/),
    ]);
    expect((await labels("disc", 0)).filter((label) => label === 1).length).toBeGreaterThan(area / 2);
    // Its own masks are prompts again.
    const own = join(folder, "disc", "masks", "00000.png");
    expect((await track(clip, "again", "--mask", own, "--count", "1")).code).toBe(0);
    expect(found(await labels("again", 0))).toEqual([0, 1]);
  });

  test("each label of a map is an object of its own, or one of them as an ID", async () => {
    expect((await track(clip, "each", "--mask", at("map.png"), "--count", "1")).code).toBe(0);
    expect(found(await labels("each", 0))).toEqual([0, 1, 2]);
    expect((await track(clip, "one", "--mask", `${at("map.png")}@0#2=7`, "--count", "1")).code).toBe(0);
    const one = await labels("one", 0);
    expect(found(one)).toEqual([0, 7]);
    const inside = [...one.keys()].filter((i) => one[i] === 7);
    expect(inside.filter((i) => i % width > 300).length).toBeGreaterThan(inside.length / 2);
    const prompts = at("prompts.json");
    writeFileSync(prompts, JSON.stringify([{ object: 9, mask: "map.png", maskLabel: 2 }]));
    expect((await track(clip, "file", "--prompts", prompts, "--count", "1")).code).toBe(0);
    expect(found(await labels("file", 0))).toEqual([0, 9]);
  });

  test.each([
    ["map.png#1", "the picture has the labels 1, 2. Say which of them is object 1, --mask ", 2],
    ["map.png#5=1", "the picture has no label 5, only the labels 1, 2", 2],
    ["empty.png", "the picture shows no object: all of it is background [empty-mask]", 1],
    ["colours.png", "the picture has the labels 256, 512, and 256 cannot be an ID", 2],
    ["map.png#2=300", "--mask takes a whole number from 1 to 255 as its #ID", 2],
  ])("%s is refused in words before anything is tracked", async (mask, message, exit) => {
    const { code, stderr, stdout } = await track(clip, "refused", "--mask", at(mask));
    expect(stderr).toContain(message);
    expect([code, stdout.toString()]).toEqual([exit, ""]);
  });

  test("a label is a mask's alone", async () => {
    const { code, stderr } = await track(clip, "refused", "--point", "5,5#1=2");
    expect(stderr).toContain('--point takes #ID; #LABEL=ID is for --mask, got "5,5#1=2"');
    expect(code).toBe(2);
  });
});

test("segment takes maps in the same way, with names as IDs", async () => {
  const frame = join(clip, "00000.jpg");
  const segment = (...args: string[]) => cli(["segment", frame, ...args, "--json", "--model", "nano"]);
  const each = await segment("--mask", at("map.png"));
  expect(each.stderr).toBe("");
  expect(records(each)[0]?.annotations.map(({ id }) => id)).toEqual([1, 2]);
  const named = records(await segment("--mask", `${at("many.png")}#100=square`))[0]?.annotations ?? [];
  expect(named.map(({ id, prompt }) => [id, prompt])).toEqual([["square", { mask: at("many.png"), mask_label: 100 }]]);
  expect(maskArea(decodeRle((named[0] as (typeof named)[number]).segmentation))).toBeGreaterThan(area / 2);
  const empty = await cli(["segment", scene, "--mask", at("empty.png"), "--json", "--model", "nano"]);
  expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining("[empty-mask]")]);
});

test("what is to be said of a mask's picture is said, once", async () => {
  const grey = Buffer.from(disc.map((value) => value * 255));
  const file = await sharp(grey, { raw: { width, height, channels: 1 } })
    .jpeg({ quality: 100 })
    .toBuffer();
  writeFileSync(at("cut.jpg"), file.subarray(0, -2));
  const { code, stderr } = await track(clip, "cut", "--mask", at("cut.jpg"), "--count", "1");
  expect([code, stderr.match(/masklet track: .*cut\.jpg: the JPEG lacks its end marker/g)?.length]).toEqual([0, 1]);
});

test("a label that is not there is wrong usage, before any image is read", async () => {
  const line = ["segment", join(clip, "00000.jpg"), "none.png", "--mask", `${at("map.png")}#5=1`];
  const { code, stderr } = await cli([...line, "-m", "nano", "--json"]);
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/^masklet segment: --mask \S+#5=1: the picture has no label 5, only the labels 1, 2\nTry "/),
  ]);
});
