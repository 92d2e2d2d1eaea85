/** `masklet convert` and `masklet labels`. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { encodeMaskPng } from "@masklet/core/node";
import { expect, test } from "vitest";
import { cli, filesIn, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);

function put(path: string, content: string | Uint8Array): string {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
  return at(path);
}

const square = [[2, 2, 8, 2, 8, 8, 2, 8]];

function coco(annotations: readonly object[], images = [{ id: 1, file_name: "a.png", width: 20, height: 10 }]): string {
  return JSON.stringify({ images, categories: [{ id: 3, name: "cat" }], annotations });
}

const instances = put(
  "coco/instances.json",
  coco([
    { id: 1, image_id: 1, category_id: 3, bbox: [2, 2, 6, 6], area: 36, iscrowd: 0, segmentation: square, score: 0.5 },
    { id: 2, image_id: 1, category_id: 3, bbox: [10, 2, 4, 4], area: 16, iscrowd: 0, segmentation: [] },
  ]),
);
const picture = await encodeMaskPng({ width: 20, height: 10, data: new Uint8Array(200) });
put("pictures/deep/a.png", picture);

test("the report comes first, then the files", async () => {
  const { code, stdout, stderr } = await cli(["convert", instances, at("yolo"), "--to", "yolo"]);
  expect([code, stderr]).toEqual([0, `masklet convert: 2 files written to ${at("yolo")}\n`]);
  expect(stdout.toString()).toMatch(
    /^1 image, 2 objects: coco to yolo\n3 kinds of loss:\n {2}ids +3 {2}.*\n {2}score +1 /,
  );
  expect(filesIn(at("yolo"))).toEqual(["data.yaml", "labels"]);
  expect(readFileSync(at("yolo", "labels", "a.txt"), "utf8").split("\n")).toHaveLength(3);
});

test("there and back: YOLO's pictures lie elsewhere, and have the ending they have", async () => {
  const line = [
    "convert",
    at("yolo", "data.yaml"),
    at("back", "labels.json"),
    "--to",
    "coco",
    "--images",
    at("pictures"),
  ];
  expect(await cli([...line, "--json"])).toMatchObject({ code: 0 });
  const { images, annotations } = JSON.parse(readFileSync(at("back", "labels.json"), "utf8"));
  expect(images).toMatchObject([{ file_name: "images/a.png", width: 20, height: 10 }]);
  expect(annotations).toMatchObject([{ area: 36, bbox: [2, 2, 6, 6] }, { area: 16 }]);
});

test("--dry-run and --strict write nothing, --allow says what may be lost", async () => {
  const line = ["convert", instances, at("none"), "--to", "yolo"];
  const report = JSON.parse((await cli([...line, "--dry-run", "--json"])).stdout.toString());
  expect(report).toMatchObject({ from: "coco", to: "yolo", images: 1, objects: 2, written: false });
  expect(report.losses.map(({ kind }: { kind: string }) => kind)).toEqual(["ids", "score", "outline-retraced"]);
  const strict = await cli([...line, "--strict", "--allow", "ids", "--report", at("report.json")]);
  expect([strict.code, strict.stderr]).toEqual([
    1,
    "masklet convert: nothing is written: --strict, and this would be lost: score (1), outline-retraced (1)\n",
  ]);
  expect(JSON.parse(readFileSync(at("report.json"), "utf8"))).toMatchObject({ written: false, losses: report.losses });
  expect(existsSync(at("none"))).toBe(false);
  expect((await cli([...line, "--strict", "--allow", "ids,score", "--allow", "outline-retraced"])).code).toBe(0);
});

test("nothing is replaced unasked, and never what is read", async () => {
  const line = ["convert", instances, at("twice"), "--to", "labelme"];
  expect((await cli(line)).code).toBe(0);
  expect(await cli(line)).toMatchObject({ code: 2, stderr: expect.stringContaining("a.json is there already") });
  expect((await cli([...line, "--overwrite"])).code).toBe(0);
  const over = await cli(["convert", instances, instances, "--to", "coco", "--overwrite"]);
  expect([over.code, over.stderr]).toEqual([2, expect.stringContaining("would replace what is read")]);
});

test("names that lead out of the folder are not followed", async () => {
  const images = [{ id: 1, file_name: "../../../evil.png", width: 20, height: 10 }];
  const from = put("evil.json", coco([], images));
  const { code, stderr } = await cli(["convert", from, at("safe", "in"), "--to", "labelme"]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/evil\.json: leads out of the folder.*\[cannot-write\]/)]);
  expect(existsSync(at("safe"))).toBe(false);
});

test("objects that make no sense end it, or are left out with a line", async () => {
  const bad = { id: 3, image_id: 1, category_id: 3, bbox: [0, 0, 1, 1], segmentation: [[1, 2]] };
  const from = put("bad.json", coco([bad]));
  expect(await cli(["convert", from, at("bad"), "--to", "yolo"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/bad\.json, annotations\[0\]: .*\[annotation-invalid\]\n$/),
  });
  expect(await cli(["convert", from, at("bad"), "--to", "yolo", "--skip-invalid"])).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^masklet convert: bad\.json, annotations\[0\]: error: /),
  });
});

test.each([
  ["convert a", 2, "takes FROM and TO, got 1 of them"],
  ["convert a b", 2, "needs --to FORMAT"],
  ["convert a b --to yollo", 2, 'got "yollo"; did you mean yolo?'],
  ["convert a b --to yolo --allow ids", 2, "--allow ids is for --strict"],
  ["convert a b --to davis --task detect", 2, "--task is for yolo, not for davis"],
  ["convert a b --to yolo --from cocoo", 2, "--from takes cityscapes, coco"],
  [
    "convert nowhere b --to yolo",
    1,
    "nowhere: cannot be read: there is no such file or folder (ENOENT) [file-missing]",
  ],
  ["labels", 2, "needs an action: check or stats"],
  ["labels chek a", 2, "did you mean check?"],
  ["labels check", 2, "check needs labels"],
  ["labels stats a --strict", 2, "--strict is for check"],
  ["labels stats nowhere", 1, "[file-missing]"],
])("%s is code %i", async (line, code, message) => {
  expect(await cli(line.split(" "))).toMatchObject({ code, stderr: expect.stringContaining(message) });
});

test("check: findings by file and place, errors and warnings apart in the exit code", async () => {
  const clean = await cli(["labels", "check", instances]);
  expect([clean.code, clean.stdout.toString()]).toEqual([0, "nothing wrong\n"]);
  const odd = put("odd.json", coco([{ id: 1, image_id: 1, category_id: 3, bbox: [15, 2, 30, 6] }]));
  const said = await cli(["labels", "check", odd]);
  expect([said.code, said.stdout.toString()]).toEqual([
    0,
    "a.png, object 0 (id 1): warning: leaves the picture of 20x10 by 25 pixels\n0 errors, 1 warning\n",
  ]);
  expect((await cli(["labels", "check", odd, "--strict"])).code).toBe(1);
  const wrong = put("wrong.json", coco([{ id: 1, image_id: 9, category_id: 3, bbox: [1, 1, 2, 2] }]));
  const { code, stdout } = await cli(["labels", "check", wrong, put("broken.json", '{"images": ['), "--json"]);
  const findings = stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect([code, findings]).toEqual([
    1,
    [
      { severity: "error", file: "wrong.json", at: "annotations[0]", message: expect.stringContaining("image_id") },
      { severity: "warning", file: at("wrong.json"), at: "category cat", message: "no object has it" },
      {
        severity: "error",
        file: "broken.json",
        at: expect.any(String),
        message: expect.stringContaining("[json-malformed]"),
      },
    ],
  ]);
});

test("check looks at the pictures, where there are any", async () => {
  const images = [
    { id: 1, file_name: "a.png", width: 10, height: 20 },
    { id: 2, file_name: "gone.png", width: 20, height: 10 },
  ];
  const one = (image_id: number): object => ({ id: image_id, image_id, category_id: 3, bbox: [1, 1, 2, 2] });
  const from = put("sizes.json", coco([one(1), one(2)], images));
  const { code, stdout } = await cli(["labels", "check", from, "--images", at("pictures")]);
  expect([code, stdout.toString().split("\n")]).toEqual([
    1,
    [
      "a.png, picture: error: is 20x10, its labels are of 10x20",
      "gone.png, picture: warning: is not there",
      "1 error, 1 warning",
      "",
    ],
  ]);
});

test("stats, as text and as JSON", async () => {
  const { stdout } = await cli(["labels", "stats", instances]);
  expect(stdout.toString()).toMatch(
    /instances\.json: coco\nimages +1\nsizes +20x10 \(1\)\nobjects +2: 1 polygons, 1 box\n/,
  );
  expect(stdout.toString()).toMatch(/\ncat +2 +1 +2 +0 +0 +36 +0\n$/);
  const json = JSON.parse((await cli(["labels", "stats", instances, "--json"])).stdout.toString());
  expect(json).toMatchObject({ format: "coco", images: 1, objects: 2, categories: [{ name: "cat", objects: 2 }] });
});

test.skipIf(process.platform === "win32")(
  "a folder that links to itself is walked once (links on Windows)",
  async () => {
    put("loop/labels/a.json", readFileSync(instances));
    symlinkSync(at("loop"), at("loop", "labels", "again"));
    expect(await cli(["labels", "stats", at("loop")])).toMatchObject({ code: 0 });
  },
);
