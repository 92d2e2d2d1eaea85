import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeLabelPng } from "@masklet/core/node";
import { expect, test } from "vitest";
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
