import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeLabelPng } from "@masklet/core/node";
import { describe, expect, test } from "vitest";
import { cli, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();

/** A folder of frames; each frame is a row of labels. */
async function frames(name: string, ...rows: readonly (readonly number[])[]): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const [i, row] of rows.entries()) {
    const map = { width: row.length, height: 1, data: Uint8Array.from(row) };
    writeFileSync(join(path, `${String(i).padStart(5, "0")}.png`), await encodeLabelPng(map));
  }
  return path;
}

const truth = await frames("truth", [1, 1, 2, 0], [1, 1, 2, 0], [1, 1, 2, 0], [1, 1, 2, 0]);
const half = await frames("half", [0, 0, 0, 0], [1, 0, 2, 0], [1, 0, 2, 0], [0, 0, 0, 0]);

test("label maps, as a table and as JSON", async () => {
  const { code, stdout } = await cli(["eval", half, truth]);
  expect(code).toBe(0);
  const [heading, first, second, mean] = stdout.toString().trimEnd().split("\n");
  expect(heading).toMatch(/^object +J +F +J&F$/);
  expect(first).toMatch(/^1 +50\.0 /);
  expect(second).toMatch(/^2 +100\.0 +100\.0 +100\.0$/);
  expect(mean).toMatch(/^mean +75\.0 /);
  const json = JSON.parse((await cli(["eval", half, truth, "--json"])).stdout.toString());
  expect([json.objects["1"].j, json.mean.j]).toEqual([0.5, 0.75]);
});

test("the first and the last frame count with --all-frames", async () => {
  const { stdout } = await cli(["eval", half, truth, "--all-frames", "--json"]);
  expect(JSON.parse(stdout.toString()).objects["2"].j).toBe(0.5);
});

test("a folder for each object", async () => {
  await frames("sav/000", [0, 9, 9, 0], [0, 9, 9, 0], [0, 9, 9, 0]);
  await frames("savp/000", [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]);
  const { stdout } = await cli(["eval", join(folder, "savp"), join(folder, "sav"), "--json"]);
  expect(JSON.parse(stdout.toString()).objects["000"].j).toBe(0.5);
});

test.each([
  [["only-one"], 2, /takes two folders/],
  [[half, join(folder, "nowhere")], 1, /nowhere: cannot be read as a folder \[image-not-found\]\n$/],
  [[join(folder, "sav", "000"), truth], 1, /00003\.png: cannot be read \[image-not-found\]\n$/],
])("eval %j is code %i", async (args, expected, message) => {
  const { code, stderr } = await cli(["eval", ...args]);
  expect(code).toBe(expected);
  expect(stderr).toMatch(message);
});

describe("labels of images", () => {
  const images = [{ id: 4, file_name: "a.png", width: 20, height: 10 }];
  const categories = [{ id: 3, name: "cat" }];
  const square = (x: number): object => ({
    segmentation: [[x, 2, x + 6, 2, x + 6, 8, x, 8]],
    bbox: [x, 2, 6, 6],
    area: 36,
  });
  const put = (name: string, content: object): string => {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), JSON.stringify(content));
    return join(folder, name);
  };
  const annotation = { id: 1, image_id: 4, category_id: 3, iscrowd: 0, ...square(2) };
  const instances = put("coco/instances.json", { images, categories, annotations: [annotation] });
  // Of the same name, elsewhere: images and categories are those of the truth.
  const results = put("mine/instances.json", [
    { image_id: 4, category_id: 3, score: 0.9, ...square(4) },
    { image_id: 4, category_id: 3, score: 0.3, ...square(12) },
  ]);

  test("COCO's results beside the truth, as a table and as JSON", async () => {
    const { code, stdout, stderr } = await cli(["eval", results, instances]);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.toString().split("\n");
    expect(lines[0]).toBe("1 image, 1 object, 2 predicted; in percent");
    // IoU 4 / 8: one of ten thresholds.
    expect(lines[3]).toMatch(/^masks +10\.0 +100\.0 +0\.0 /);
    expect(lines.at(-2)).toMatch(/^all +1 +2 +10\.0 +100\.0 +10\.0 +50\.0 /);
    const json = JSON.parse((await cli(["eval", results, instances, "--json"])).stdout.toString());
    expect(json).toMatchObject({ objects: 1, predicted: 2, pairs: { iou: 0.5 }, categories: [{ name: "cat" }] });
  });

  test("another format beside it, with what does not count said", async () => {
    expect((await cli(["convert", instances, join(folder, "voc"), "--to", "voc", "-q"])).code).toBe(0);
    const { code, stdout, stderr } = await cli(["eval", join(folder, "voc"), instances]);
    expect([code, stderr]).toEqual([
      0,
      "masklet eval: no prediction has a score: average precision ranks them in their order\n",
    ]);
    expect(stdout.toString()).toMatch(/\nmasks +100\.0 /);
  });

  test.each([
    [[results, half], /has labels, and .*half a folder of masks for each frame/],
    [[results, instances, "--all-frames"], /--all-frames is for tracked masks/],
    [[half, truth, "--min-score", "1"], /--min-score is for labels/],
    [[results, instances, "--min-score", "2"], /--min-score takes a number from 0 to 1/],
  ])("eval %j is wrong usage", async (args, message) => {
    expect(await cli(["eval", ...args])).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });
});
