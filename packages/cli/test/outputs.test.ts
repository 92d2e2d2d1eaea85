import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { findInputs } from "../src/segment/inputs.ts";
import { outputNames } from "../src/segment/outputs.ts";
import { cli, filesIn, temporaryFolder } from "./cli.ts";

test.each([
  ["cutout", [{ id: "1" }], ["scene.cutout.png"]],
  ["mask", [{ id: "cat" }], ["scene.mask.png"]],
  ["cutout", [{ id: "1" }, { id: "cat" }], ["scene.1.cutout.png", "scene.cat.cutout.png"]],
  ["mask", [{ id: "1" }, { id: "cat" }], ["scene.1.mask.png", "scene.cat.mask.png"]],
  [
    "mask",
    [1, 2, 3].map((multimask) => ({ id: "7", multimask })),
    ["scene.7.1.mask.png", "scene.7.2.mask.png", "scene.7.3.mask.png"],
  ],
  ["overlay", [{ id: "1" }, { id: "2" }], ["scene.overlay.png"]],
  ["json", [{ id: "1" }, { id: "2" }], ["scene.json"]],
  ["svg", [{ id: "1" }, { id: "2" }], ["scene.svg"]],
] as const)("%s of %j", (format, masks, expected) => {
  expect(outputNames("scene", format, masks, { webp: false, unprompted: false })).toEqual(expected);
});

test("cutouts as WebP", () => {
  expect(outputNames("a.b", "cutout", [{ id: "1" }], { webp: true, unprompted: false })).toEqual(["a.b.cutout.webp"]);
});

describe("results that would collide are refused before any work", () => {
  const folder = temporaryFolder();
  const at = (...names: readonly string[]): string => join(folder, ...names);
  for (const name of ["a", "b"]) mkdirSync(at(name));
  // Not one of them is an image: whoever got as far as reading them would say so.
  for (const name of ["a.png", "a.jpg", "a/x.png", "b/x.png", "m.mask.png", "m.png"]) {
    writeFileSync(at(name), "");
  }

  test.each([
    ["two extensions", [at("a.png"), at("a.jpg"), "--point", "1,2"], "a.cutout.png"],
    ["two folders", [at("a", "x.png"), at("b", "x.png"), "--point", "1,2"], "x.cutout.png"],
    ["the mask that is read", [at("m.png"), "--mask", at("m.mask.png")], "m.mask.png"],
  ])("%s", async (_, args, name) => {
    const out = name === "m.mask.png" ? folder : at("out");
    const { code, stderr } = await cli(["segment", ...args, "-o", out]);
    expect(stderr).toContain(join(out, name));
    expect(code).toBe(2);
    expect(filesIn(folder)).not.toContain("out");
  });

  test.skipIf(process.platform === "win32")("also through a link to the folder (no links on Windows)", async () => {
    symlinkSync(folder, at("link"));
    const { code, stderr } = await cli(["segment", at("m.png"), "--mask", at("m.mask.png"), "-o", at("link")]);
    expect(stderr).toContain("would replace");
    expect(code).toBe(2);
  });
});

describe("images", () => {
  const folder = temporaryFolder();
  for (const name of ["b.png", "a.png", "c.jpg", "d[1].png"]) writeFileSync(join(folder, name), "");

  test("a pattern that the shell did not expand, sorted; each file once", async () => {
    const found = await findInputs([join(folder, "*.png"), join(folder, "a.png"), join(folder, "d[1].png"), "-"]);
    expect(found.map(({ stem }) => stem)).toEqual(["a", "b", "d[1]", "stdin"]);
  });

  test("a pattern that matches nothing stays, and is missed when it is read", async () => {
    const pattern = join(folder, "*.webp");
    expect(await findInputs([pattern])).toMatchObject([{ source: pattern, stem: "*" }]);
    const { code, stderr } = await cli(["segment", pattern, "--point", "1,2", "--json", "-m", "nano"]);
    expect(stderr).toBe(
      `masklet segment: ${pattern}: there is no such file, and as a pattern it matches none [image-not-found]\n`,
    );
    expect(code).toBe(1);
  });

  test("a folder that holds what patterns are made of", async () => {
    const odd = join(folder, "trip (1)", "{a,b}", "[x] *");
    mkdirSync(odd, { recursive: true });
    for (const name of ["IMG_2.JPG", "IMG (10).jpg", "notes.txt", ".hidden.png"]) writeFileSync(join(odd, name), "");
    const stems = async (arg: string, platform = "linux"): Promise<readonly string[]> =>
      (await findInputs([arg], platform)).map(({ stem }) => stem);
    expect(await stems(`${odd}/*.jpg`)).toEqual(["IMG (10)", "IMG_2"]);
    expect(await stems(`${odd}/IMG (1*).jpg`)).toEqual(["IMG (10)"]);
    expect(await stems(`${odd}/IMG_{1,2}.jpg`)).toEqual(["IMG_2"]);
    expect(await stems(odd)).toEqual(["IMG (10)", "IMG_2"]);
    expect(await stems(`${odd}/*.jpg`.replaceAll("/", "\\"), "win32")).toEqual(["IMG (10)", "IMG_2"]);
    expect(await stems(`${folder}/**/*.jpg`)).toEqual(["c", "IMG (10)", "IMG_2"]);
  });

  test("a folder without an image says so", async () => {
    mkdirSync(join(folder, "empty"));
    const { stderr } = await cli(["segment", join(folder, "empty"), "--point", "1,2", "--json", "-m", "nano"]);
    expect(stderr).toContain("empty: the folder has no image [image-not-found]");
  });

  test("an address is shown without its query, and named after its file", async () => {
    expect(await findInputs(["https://a.example/b/c%20d%2Fe.png?key=secret#x", "http://a.example/"])).toEqual([
      {
        source: "https://a.example/b/c%20d%2Fe.png",
        stem: "c d_e",
        url: "https://a.example/b/c%20d%2Fe.png?key=secret#x",
      },
      { source: "http://a.example/", stem: "a.example", url: "http://a.example/" },
    ]);
  });
});
