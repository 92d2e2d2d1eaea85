/** `masklet annotate`, within this process; see annotate-process.test.ts for what only a process shows. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type CompressedRle,
  decodeRle,
  decompressRle,
  type Mask,
  maskIou,
  readImage,
  readMask,
} from "@masklet/core/node";
import { ffmpeg, hasFfmpeg } from "@masklet/core/test/videos";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { cli, filesIn, scene, temporaryFolder } from "./cli.ts";
import { clip } from "./track.ts";

const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);
const nano = ["-m", "nano"] as const;

function put(path: string, content: string | Uint8Array): string {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
  return at(path);
}

function json(...names: readonly string[]): ReturnType<typeof JSON.parse> {
  return JSON.parse(readFileSync(at(...names), "utf8"));
}

/** Boxes on every frame of the clip: 480x288, a disc around (57, 143), a face from (360, 64) to (462, 154). */
const frames = ["00000.jpg", "00001.jpg", "00002.jpg"] as const;
mkdirSync(at("images", "deep"), { recursive: true });
copyFileSync(join(clip, frames[0]), at("images", frames[0]));
copyFileSync(join(clip, frames[1]), at("images", frames[1]));
copyFileSync(join(clip, frames[2]), at("images", "deep", frames[2]));
const images = [frames[0], frames[1], `deep/${frames[2]}`].map((file_name, i) => ({
  id: 10 * (i + 1),
  file_name,
  width: 480,
  height: 288,
  date_captured: "2019",
}));
const annotation = (id: number, image_id: number, bbox: readonly number[], more: object = {}): object => ({
  id,
  image_id,
  category_id: 7,
  bbox,
  area: 1,
  iscrowd: 0,
  segmentation: [],
  ...more,
});
const discBox = [25, 111, 64, 64] as const;
const faceBox = [360, 64, 102, 90] as const;
const square = [[400, 10, 420, 10, 420, 30, 400, 30]];
const annotations = [
  annotation(101, 10, discBox, { attributes: { shade: "dark" }, hint: 4 }),
  annotation(102, 10, faceBox, { category_id: 9 }),
  annotation(103, 10, [400, 10, 20, 20], { segmentation: square, area: 400 }),
  annotation(104, 20, faceBox, { iscrowd: 1 }),
  annotation(105, 20, [500, 10, 20, 20]),
];
const categories = [
  { id: 7, name: "disc", supercategory: "toy" },
  { id: 9, name: "face" },
];
const labels = put("instances.json", JSON.stringify({ info: { year: 2020 }, images, categories, annotations }));
const rleOf = ({ segmentation }: { segmentation: CompressedRle }): Mask => decodeRle(decompressRle(segmentation));

test("boxes become masks and keep everything else; what has no box stays", async () => {
  const { code, stdout, stderr } = await cli([
    ...["annotate", at("images"), "--boxes-from", labels, "-o", at("boxes"), "--report", at("report.json"), ...nano],
  ]);
  expect([code, stdout.toString()]).toEqual([0, "nothing is lost\n"]);
  expect(stderr).toBe(`masklet annotate: 3 pictures, 5 objects, 2 without a mask: 1 file written to ${at("boxes")}\n`);
  const made = json("boxes", "instances.json");
  expect([made.info, made.images, made.categories]).toMatchObject([{ year: 2020 }, images, categories]);
  expect(made.annotations).toMatchObject(
    annotations.map((one) => ({
      ...one,
      area: expect.any(Number),
      bbox: expect.any(Array),
      segmentation: expect.anything(),
    })),
  );
  const [disc, face, polygon, crowd, outside] = made.annotations;
  const alone = await cli([
    "segment",
    at("images", frames[0]),
    "--box",
    "25,111,89,175",
    "--box",
    "360,64,462,154",
    "--format",
    "mask",
    "-o",
    at("alone"),
    ...nano,
  ]);
  expect(alone.code).toBe(0);
  for (const [one, id] of [
    [disc, 1],
    [face, 2],
  ] as const) {
    expect(maskIou(rleOf(one), await readMask(at("alone", `00000.${id}.mask.png`)))).toBe(1);
    expect(one).toMatchObject({ predicted_iou: expect.any(Number), stability_score: expect.any(Number) });
  }
  expect([polygon.segmentation, crowd.segmentation, outside.segmentation]).toEqual([square, [], []]);
  expect(json("report.json")).toMatchObject({
    model: { name: "sam2.1-hiera-nano", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    pictures: 3,
    annotated: 2,
    failed: [],
    left: 0,
    objects: 5,
    masks: 3,
  });
});

test("a finished run has nothing to do, whatever the model; one with other settings is refused", async () => {
  const before = readFileSync(at("boxes", "instances.json"));
  const line = ["annotate", at("images"), "--boxes-from", labels, "-o", at("boxes")];
  const again = await cli([...line, ...nano, "--json"]);
  expect(JSON.parse(again.stdout.toString())).toMatchObject({ annotated: 0, masks: 3 });
  expect(readFileSync(at("boxes", "instances.json")).equals(before)).toBe(true);
  expect(await cli([...line, "-m", "no-such-model"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--model was "nano" and is "no-such-model".*\[resume-mismatch\]\n$/),
  });
  expect((await cli([...line, ...nano, "--mask-threshold", "1", "--overwrite"])).code).toBe(0);
  expect(readFileSync(at("boxes", "instances.json")).equals(before)).toBe(false);
});

test("what changed is annotated again, and nothing else", async () => {
  const from = put("changed.json", readFileSync(labels));
  const line = ["annotate", at("images"), "--boxes-from", from, "-o", at("changed"), ...nano, "--json"];
  const annotated = async (): Promise<number> => JSON.parse((await cli(line)).stdout.toString()).annotated;
  expect(await annotated()).toBe(2);
  put("changed.json", readFileSync(labels, "utf8").replace("[25,111,64,64]", "[25,111,60,60]"));
  expect(await annotated()).toBe(1);
  utimesSync(at("images", frames[1]), 1, 1);
  expect(await annotated()).toBe(1);
  expect(await annotated()).toBe(0);
});

test("--remask gives objects with masks new ones", async () => {
  const line = ["annotate", at("images"), "--boxes-from", labels, "-o", at("remask"), ...nano, "--remask", "-q"];
  expect(await cli(line)).toMatchObject({ code: 0, stderr: "" });
  const made = json("remask", "instances.json").annotations;
  expect(made[2].segmentation).not.toEqual(square);
  expect([made[3].segmentation, made[3].iscrowd]).toEqual([[], 1]);
});

test("YOLO in, YOLO out: data.yaml as source and labels, in rows of the same order", async () => {
  put("yolo/data.yaml", "path: .\ntrain: images\nnames: [disc, face]\n");
  const row = (x: number, y: number, w: number, h: number): string =>
    [(x + w / 2) / 480, (y + h / 2) / 288, w / 480, h / 288].join(" ");
  put("yolo/labels/00000.txt", `1 ${row(360, 64, 102, 90)}\n0 ${row(25, 111, 64, 64)}\n`);
  put("yolo/labels/00001.txt", "");
  for (const name of frames) put(`yolo/images/${name}`, readFileSync(join(clip, name)));
  const yaml = at("yolo", "data.yaml");
  const line = ["annotate", yaml, "--boxes-from", yaml, "-o", at("yolo-out"), "--out-format", "yolo", ...nano];
  expect((await cli([...line, "--min-iou", "0.95"])).code).toBe(0);
  const rows = readFileSync(at("yolo-out", "labels", "00000.txt"), "utf8")
    .trimEnd()
    .split("\n");
  expect(rows.map((one) => one.split(" ")[0])).toEqual(["1", "0"]);
  for (const one of rows) expect(one.split(" ").length).toBeGreaterThan(10);
  // Empty is background, and what has no file stays without one.
  expect(filesIn(at("yolo-out", "labels"))).toEqual(["00000.txt", "00001.txt"]);
  expect(readFileSync(at("yolo-out", "labels", "00001.txt"), "utf8")).toBe("");
});

test("labels of the pixels as a camera stored them are kept so", async () => {
  const upright = await readImage(join(clip, frames[0]));
  const raw = { raw: { width: 480, height: 288, channels: 3 as const } };
  // Turned to the left as stored, with the orientation that turns it back.
  const stored = await sharp(upright.data, raw)
    .rotate(-90)
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 98 })
    .toBuffer();
  put("turned/a.jpg", stored);
  // (x, y) upright is (y, 480 - x) stored.
  const boxes = [annotation(1, 10, [111, 480 - 25 - 64, 64, 64])];
  const image = { id: 10, file_name: "a.jpg", width: 288, height: 480 };
  const from = put("turned.json", JSON.stringify({ images: [image], categories, annotations: boxes }));
  expect(
    (await cli(["annotate", at("turned"), "--boxes-from", from, "-o", at("turned-out"), ...nano, "--sheet", "png"]))
      .code,
  ).toBe(0);
  const made = json("turned-out", "instances.json").annotations[0];
  expect(made.segmentation.size).toEqual([480, 288]);
  const mask = rleOf(made);
  const truth = rleOf(json("changed", "instances.json").annotations[0]);
  const turned = new Uint8Array(mask.data.length);
  for (let y = 0; y < 288; y++)
    for (let x = 0; x < 480; x++) if (truth.data[y * 480 + x] !== 0) turned[(479 - x) * 288 + y] = 1;
  expect(maskIou(mask, { ...mask, data: turned })).toBeGreaterThan(0.8);
  expect(await readImage(at("turned-out", "contact-sheet.png"))).toMatchObject({ width: 296, height: 184 });
});

test("labels of another picture are refused for that picture alone", async () => {
  const wrong = images.map((image, i) => (i === 0 ? { ...image, width: 100 } : image));
  const boxes = [annotation(1, 10, [25, 111, 64, 64]), annotation(2, 20, faceBox)];
  const from = put("wrong.json", JSON.stringify({ images: wrong, categories, annotations: boxes }));
  const { code, stderr } = await cli(["annotate", at("images"), "--boxes-from", from, "-o", at("wrong"), ...nano]);
  expect([code, stderr]).toEqual([
    3,
    expect.stringMatching(/00000\.jpg: is 480x288, its labels are of 100x288 \[annotation-invalid\]\n/),
  ]);
  expect(json("wrong", "instances.json").annotations).toMatchObject([
    { segmentation: [] },
    { segmentation: { size: [288, 480] } },
  ]);
});

test("a picture that cannot be read: code 3, said, reported; mended, the next run does it alone", async () => {
  put("broken/a.jpg", readFileSync(join(clip, frames[0])));
  put("broken/b.jpg", "no picture");
  const line = [
    "annotate",
    at("broken"),
    "--everything",
    "--points-per-side",
    "3",
    "-o",
    at("broken-out"),
    ...nano,
    "--json",
  ];
  const first = await cli(line);
  expect([first.code, first.stderr]).toEqual([
    3,
    expect.stringMatching(/^masklet annotate: .*b\.jpg .*\[image-format\]\n.*1 of 2 pictures failed/s),
  ]);
  expect(JSON.parse(first.stdout.toString())).toMatchObject({ annotated: 2, failed: [{ file: "b.jpg" }], left: 0 });
  expect(json("broken-out", "instances.json").images).toMatchObject([{ file_name: "a.jpg" }]);
  put("broken/b.jpg", readFileSync(join(clip, frames[1])));
  const second = await cli(line);
  expect([second.code, JSON.parse(second.stdout.toString())]).toMatchObject([0, { annotated: 1, failed: [] }]);
  expect(json("broken-out", "instances.json").images).toHaveLength(2);
});

test("everything, of a list, as SA-1B with scores and without classes; a page to look at", async () => {
  put("scenes/deep/scene.png", readFileSync(scene));
  const list = put("list.txt", `\ufeffimages/${frames[0]}\r\nscenes/deep/scene.png\r\n`);
  const line = ["annotate", list, "--everything", "--points-per-side", "8", "--out-format", "sa1b", "-o", at("sa1b")];
  expect((await cli([...line, ...nano, "--sheet", "html,png"])).code).toBe(0);
  expect(filesIn(at("sa1b"))).toEqual([
    ...[".annotate", "00000.json", "contact-sheet.html", "contact-sheet.png", "scene.json"],
  ]);
  const { image, annotations: found } = json("sa1b", "scene.json");
  expect(image).toMatchObject({ file_name: "scenes/deep/scene.png", width: 640, height: 640 });
  expect(found.length).toBeGreaterThan(0);
  for (const one of found) {
    expect(one).toMatchObject({ predicted_iou: expect.any(Number), stability_score: expect.any(Number) });
  }
  const page = readFileSync(at("sa1b", "contact-sheet.html"), "utf8");
  expect([...page.matchAll(/<figure><img src="data:image\/webp;base64,/g)].length).toBeGreaterThan(0);
  expect(page).not.toMatch(/https?:|<script/);
});

test.each([
  [[at("nowhere")], "nowhere: there is no such file or folder"],
  [[at("others", "a.jpg"), at("others", "b.jpg")], "b.jpg: there is no such file or folder"],
  [[at("others")], "none of 1 image of the labels (zz.jpg first) is among SOURCE's pictures (a.jpg first)"],
])(
  "what is not there, and labels of other pictures, are told before anything is written: %j",
  async (sources, told) => {
    put("others/a.jpg", readFileSync(join(clip, frames[0])));
    const images = [{ id: 1, file_name: "zz.jpg", width: 480, height: 288 }];
    const annotations = [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 1, 9, 9], iscrowd: 0 }];
    const labels = put("others.json", JSON.stringify({ images, annotations, categories: [{ id: 1, name: "a" }] }));
    const { code, stderr } = await cli([
      "annotate",
      ...sources,
      "--boxes-from",
      labels,
      "-o",
      at("others-out"),
      ...nano,
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(told)]);
    expect(existsSync(at("others-out"))).toBe(false);
  },
);

test("names in a page are text", async () => {
  put("names/<b>&.jpg", readFileSync(join(clip, frames[0])));
  const line = [
    "annotate",
    at("names", "*.jpg"),
    "--everything",
    "--points-per-side",
    "4",
    "--category",
    "<i>x</i>",
    "-o",
    at("names-out"),
  ];
  expect((await cli([...line, ...nano, "--sheet", "html"])).code).toBe(0);
  const page = readFileSync(at("names-out", "contact-sheet.html"), "utf8");
  expect(page).toContain("&lt;b&gt;&amp;.jpg");
  expect(page).not.toMatch(/<i>x|<b>&\.jpg/);
  // Objects of one class have a colour each, which is not the class's.
  expect(page).not.toContain("<li>");
});

describe.skipIf(!hasFfmpeg)("a video (needs ffmpeg)", () => {
  const video = at("clip.mp4");
  const loose = ["--points-per-side", "4", "--pred-iou-thresh", "0.5", "--stability-score-thresh", "0.7"];
  const boxes = [0, 2, 4].map(
    (frame) =>
      `<box frame="${frame}" keyframe="1" outside="0" occluded="0" xtl="360" ytl="64" xbr="462" ybr="154" z_order="0"/>` +
      `<box frame="${frame + 1}" keyframe="1" outside="1" occluded="0" xtl="360" ytl="64" xbr="462" ybr="154" z_order="0"/>`,
  );
  const meta =
    "<meta><task><name>clip</name><size>5</size><mode>interpolation</mode><labels><label><name>face</name></label>" +
    "</labels><original_size><width>480</width><height>288</height></original_size></task></meta>";
  const track = `<track id="0" label="face" source="manual">${boxes.join("")}</track>`;
  const xml = put("video.xml", `<annotations><version>1.1</version>${meta}${track}</annotations>`);
  const mask = (name: string): Promise<Mask> => readMask(at(name));
  beforeAll(() => ffmpeg("-i", join(clip, "%05d.jpg"), "-frames:v", "5", video));

  test("every so many frames, each named by its number; a page to look at", async () => {
    const line = ["--everything", ...loose, "--every", "2", "--sheet", "png", "-o", at("video"), ...nano];
    expect((await cli(["annotate", video, ...line])).code).toBe(0);
    const made = json("video", "instances.json");
    expect(made.images).toMatchObject(
      [0, 2, 4].map((i) => ({ file_name: `clip/0000${i}.jpg`, width: 480, height: 288 })),
    );
    expect(existsSync(at("video", "contact-sheet.png"))).toBe(true);
    // The same as of the frame's own picture, as far as the encoding left it the same.
    const alone = ["--everything", ...loose, "-o", at("frame"), ...nano];
    expect((await cli(["annotate", join(clip, "00002.jpg"), ...alone])).code).toBe(0);
    const of = (name: string, image: number) =>
      json(name, "instances.json")
        .annotations.filter((one: { image_id: number }) => one.image_id === image)
        .map(rleOf);
    const [first] = of("frame", 1);
    expect(Math.max(...of("video", 2).map((one: Mask) => maskIou(one, first)))).toBeGreaterThan(0.9);
  });

  test("boxes of frames become masks of the same tracks, as DAVIS and CVAT write them", async () => {
    const line = ["annotate", video, "--boxes-from", xml, ...nano, "--every", "2"];
    expect((await cli([...line, "--out-format", "davis", "-o", at("davis")])).stderr).toContain(
      "3 pictures, 3 objects",
    );
    const face = await mask("davis/Annotations/480p/clip/00002.png");
    expect(face.data.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(1000);
    expect((await cli([...line, "--out-format", "cvat-video", "-o", at("cvat")])).code).toBe(0);
    const back = ["convert", at("cvat", "annotations.xml"), at("again"), "--to", "davis"];
    expect((await cli(back)).code).toBe(0);
    expect(maskIou(face, await mask("again/Annotations/480p/clip/00002.png"))).toBe(1);
  });

  test("what nobody follows through it is not written as if, and that is said first", async () => {
    for (const format of ["davis", "sav", "cvat-video"]) {
      const line = [
        "annotate",
        video,
        "--everything",
        "--out-format",
        format,
        "-o",
        at("followed"),
        "-m",
        "no-such-model",
      ];
      expect(await cli(line)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("masklet track follows them"),
      });
    }
  });
});

test("shards are disjoint and complete, and whichever is last writes the labels", async () => {
  const line = ["annotate", at("images"), "--everything", "--points-per-side", "3", ...nano, "--json"];
  const whole = JSON.parse((await cli([...line, "-o", at("whole")])).stdout.toString());
  expect(whole).toMatchObject({ annotated: 3, left: 0 });
  const parts: number[] = [];
  for (const shard of ["2/2", "1/2"]) {
    expect(existsSync(at("shards", "instances.json"))).toBe(false);
    const { stdout } = await cli([...line, "-o", at("shards"), "--shard", shard]);
    parts.push(JSON.parse(stdout.toString()).annotated);
  }
  expect(parts).toEqual([1, 2]);
  expect(readFileSync(at("shards", "instances.json"))).toEqual(readFileSync(at("whole", "instances.json")));
});

test("--limit leaves the others for the next run", async () => {
  const line = [
    "annotate",
    at("images"),
    "--everything",
    "--points-per-side",
    "3",
    ...nano,
    "--limit",
    "2",
    "-o",
    at("limit"),
  ];
  expect(await cli(line)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("2 pictures annotated; 1 of 3 are left"),
  });
  expect(existsSync(at("limit", "instances.json"))).toBe(false);
  expect((await cli(line)).code).toBe(0);
  expect(readFileSync(at("limit", "instances.json"))).toEqual(readFileSync(at("whole", "instances.json")));
});

test("what lies there is not replaced unasked, and is said before any work", async () => {
  put("taken/instances.json", "{}");
  const line = ["annotate", at("images"), "--boxes-from", labels, "-o", at("taken"), "-m", "no-such-model"];
  expect(await cli(line)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("instances.json is there already"),
  });
  expect(
    await cli(["annotate", at("images"), "--boxes-from", labels, "-o", folder, ...nano, "--overwrite"]),
  ).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("would replace what is read"),
  });
  rmSync(at("taken"), { recursive: true });
});

test.each([
  ["annotate", "needs a SOURCE"],
  ["annotate a -o b", "needs one of --boxes-from LABELS, --detector ONNX, --text WORDS and --everything"],
  ["annotate a -o b --everything --boxes-from c", "needs one of --boxes-from LABELS"],
  ["annotate a -o b --everything --conf 0.5", "--conf is for --detector, which is not given"],
  ["annotate a -o b --detector c --points-per-side 3", "--points-per-side is for --everything"],
  ["annotate a -o b --everything --max-hole-area 3", "give --min-mask-region-area"],
  ["annotate a --everything", "needs -o DIR"],
  ["annotate a -o b --boxes-from c --category d", "--category is for --everything"],
  ["annotate a -o b --everything --remask", "--remask is for --boxes-from"],
  ["annotate a -o b --everything --shard 3/2", "--shard takes I/N with I from 1 to N"],
  ["annotate a -o b --everything --out-format labelme-xml", "--out-format takes"],
  ["annotate a -o b --everything --sheet pdf", "--sheet takes html or png"],
  ["annotate - -o b --everything", "SOURCE is a folder"],
  ["annotate nothing-*.jpg -o b --everything", "there is no such file"],
])("%s", async (line, message) => {
  expect(await cli(line.split(" "))).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
});
