import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pngFile } from "@masklet/core/test/picture-files";
import { expect, test } from "vitest";
import { cli, temporaryFolder } from "./cli.ts";
import { clip, inFolder } from "./track.ts";

const folder = temporaryFolder();
const { track } = inFolder(folder);

/** A square in the lower 12 of 16 bits. */
const deep = pngFile({
  ...{ width: 64, height: 64, colourType: 0, depth: 16 },
  samples: Array.from({ length: 64 * 64 }, (_, i) => (i % 64 > 20 && i % 64 < 40 && i > 1300 && i < 2600 ? 3600 : 600)),
});

test("that a picture was brought to 8 bits by its own range is said once", async () => {
  for (const name of ["a.png", "b.png"]) writeFileSync(join(folder, name), deep);
  const pictures = ["a.png", "b.png"].map((name) => join(folder, name));
  const line = ["segment", ...pictures, "--point", "30,30", "-o", join(folder, "out"), "--model", "nano"];
  const { code, stderr } = await cli(line);
  // Of whichever was read first.
  const said = stderr.split("\n").filter((text) => text.includes("samples"));
  expect(said).toEqual([
    expect.stringMatching(/[ab]\.png has 16-bit unsigned samples: 600 is read as black, 3600 as white$/),
  ]);
  expect(code).toBe(0);
  expect((await cli([...line, "--quiet"])).stderr).toBe("");
});

test("images that are no frames of a folder are named", async () => {
  const frames = join(folder, "frames");
  mkdirSync(frames);
  for (const name of ["00000.jpg", "00001.jpg"]) copyFileSync(join(clip, name), join(frames, name));
  writeFileSync(join(frames, "00002.heic"), "");
  const { code, stderr } = await track(frames, "tracked", "--point", "57,143");
  expect(stderr.split("\n")[0]).toBe(
    `masklet track: ${frames}: 1 file that looks like an image is not read as a frame: 00002.heic`,
  );
  expect(code).toBe(0);
});
