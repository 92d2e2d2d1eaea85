/** `--everything`: masks without prompts, as files, and what is refused. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  decodeLabelPng,
  decodeRle,
  encodeRle,
  type Mask,
  maskArea,
  maskIou,
  maskLabels,
  readImage,
  readMask,
} from "@masklet/core/node";
import { filesOf, readLabels } from "@masklet/labels";
import { describe, expect, test } from "vitest";
import type { Annotation, ImageRecord } from "../src/segment/record.ts";
import { cli, filesIn, type RunResult, records, scene, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);
const loose = ["--points-per-side", "4", "--pred-iou-thresh", "0.4", "--stability-score-thresh", "0.5"] as const;

function everything(...args: readonly string[]): Promise<RunResult> {
  return cli(["segment", scene, "--everything", ...args, "--model", "nano"]);
}

const readRecord = (path: string): ImageRecord => JSON.parse(readFileSync(path, "utf8")) as ImageRecord;

describe("all formats", () => {
  const out = at("all");
  const done = everything(...loose, "--format", "cutout,mask,overlay,json,svg,label,coco", "-o", out);
  const annotations = done.then((): readonly Annotation[] => readRecord(join(out, "scene.json")).annotations);

  test("the files, the record last", async () => {
    const { code, stdout, stderr } = await done;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/scene\.png: \d+ masks\n$/)]);
    const numbers = [...(await annotations).keys()].map((i) => i + 1);
    expect(numbers.length).toBeGreaterThan(5);
    const each = ["cutout", "mask"].flatMap((format) => numbers.map((i) => `scene.${i}.${format}.png`));
    const names = [...each, "scene.overlay.png", "scene.svg", "scene.label.png", "scene.coco.json", "scene.json"];
    expect(stdout.toString()).toBe(names.map((name) => `${join(out, name)}\n`).join(""));
    expect(filesIn(out)).toEqual([...names].sort());
  });

  test("masks, label image and record say the same, the smaller mask on top", async () => {
    const all = await annotations;
    for (const [i, { id, segmentation, area }] of all.entries()) {
      expect(id).toBe(i + 1);
      const mask = decodeRle(segmentation);
      expect(maskArea(mask)).toBe(area);
      if (i < 3) expect(await readMask(join(out, `scene.${id}.mask.png`))).toEqual(mask);
    }
    const { data } = await decodeLabelPng(readFileSync(join(out, "scene.label.png")));
    const rles = all.map(({ segmentation }) => encodeRle(decodeRle(segmentation)));
    expect(data).toEqual(Uint8Array.from(maskLabels(rles, "area").data));
  });

  test("the overlay shows each mask in a colour of its own", async () => {
    const [image, shown] = await Promise.all([readImage(scene), readImage(join(out, "scene.overlay.png"))]);
    const { data } = await decodeLabelPng(readFileSync(join(out, "scene.label.png")));
    const differs = (pixel: number): boolean =>
      [0, 1, 2].some((c) => image.data[3 * pixel + c] !== shown.data[3 * pixel + c]);
    let [inside, painted] = [0, 0];
    for (const [pixel, label] of data.entries()) {
      if (label === 0) continue;
      inside++;
      if (differs(pixel)) painted++;
    }
    expect(painted / inside).toBeGreaterThan(0.95);
  });

  test("labels read the record as SA-1B's, and the other file as COCO's", async () => {
    const all = await annotations;
    const read = async (name: string) =>
      (await readLabels(filesOf({ [name]: readFileSync(join(out, name)) }))).dataset.images[0];
    const sa1b = await read("scene.json");
    expect([sa1b?.file, sa1b?.id, sa1b?.objects.length]).toEqual(["scene.png", 1, all.length]);
    expect(sa1b?.objects[0]?.score).toBe(all[0]?.predicted_iou);
    const coco = await read("scene.coco.json");
    const { info } = JSON.parse(readFileSync(join(out, "scene.coco.json"), "utf8"));
    expect(info.model).toEqual({ name: "sam2.1-hiera-nano", sha256: expect.stringMatching(/^[\da-f]{64}$/) });
    expect(coco?.objects.map(({ category }) => category)).toEqual(all.map(() => "object"));
  });
});

test("segmentations as Meta's output modes, and polygons where nothing is lost", async () => {
  const [plain, lists, polygons] = await Promise.all(
    ["coco_rle", "uncompressed_rle", "polygon"].map(async (mode) => {
      const [record] = records(await everything(...loose, "--json", "--output-mode", mode));
      return record?.annotations.map(({ segmentation }) => segmentation as unknown) ?? [];
    }),
  );
  expect(plain?.length).toBeGreaterThan(5);
  for (const [i, rle] of (lists as Parameters<typeof decodeRle>[0][]).entries()) {
    expect(decodeRle(rle)).toEqual(decodeRle(plain?.[i] as typeof rle));
  }
  const drawn = polygons?.filter(Array.isArray) ?? [];
  expect(drawn.length).toBeGreaterThan(0);
  expect(drawn.length).toBeLessThan(plain?.length ?? 0); // some have holes
});

test("a run that was stopped goes on, and looks for the masks that the record counts", async () => {
  const out = at("again");
  const args = [...loose, "--region", "0,0,50%,50%", "--format", "mask,json", "-o", out, "--skip-existing"];
  const first = await everything(...args);
  const { annotations } = readRecord(join(out, "scene.json"));
  const last = join(out, `scene.${annotations.length}.mask.png`);
  const bytes = readFileSync(last);
  expect([first.code, annotations.length > 1]).toEqual([0, true]);
  expect((await everything(...args)).stdout.toString()).toBe("");
  rmSync(last);
  writeFileSync(join(out, ".scene.9.mask.png.0123456789ab.tmp"), "of a killed run");
  writeFileSync(join(out, "scene.999.mask.png"), "of another run");
  const { stdout, stderr } = await everything(...args);
  expect(stdout.toString()).toContain(last);
  expect(stderr).toContain("scene.999.mask.png is of an earlier run");
  expect(readFileSync(last)).toEqual(bytes);
  expect(filesIn(out).filter((name) => name.startsWith("."))).toEqual([]);
});

test("what is known is left out", async () => {
  const [record] = records(await everything(...loose, "--json"));
  const out = at("known");
  await everything(...loose, "--format", "mask,json", "-o", out);
  const [less] = records(await everything(...loose, "--json", "--known", join(out, "scene.1.mask.png")));
  const masks = record?.annotations.map(({ segmentation }) => decodeRle(segmentation)) ?? [];
  const left = masks.filter((mask) => maskIou(mask, masks[0] as Mask) <= 0.7);
  expect(left.length).toBeLessThan(masks.length);
  expect(less?.annotations.map(({ area }) => area)).toEqual(left.map(maskArea));
});

test("nothing found is said, and written", async () => {
  const out = at("nothing");
  const args = [
    "--points-per-side",
    "2",
    "--pred-iou-thresh",
    "1",
    "--format",
    "overlay,label,svg,coco,json",
    "-o",
    out,
  ];
  const { code, stderr } = await everything(...args);
  expect([code, stderr]).toEqual([0, expect.stringContaining("no mask: none was firm enough")]);
  expect(readRecord(join(out, "scene.json")).annotations).toEqual([]);
  expect((await decodeLabelPng(readFileSync(join(out, "scene.label.png")))).data.every((id) => id === 0)).toBe(true);
});

test("one image that cannot be read does not stop the others", async () => {
  const { code, stdout, stderr } = await cli([
    ...["segment", at("none.png"), scene, "--everything", ...loose, "--adaptive", "--json", "--model", "nano"],
  ]);
  expect([code, stderr]).toEqual([3, expect.stringContaining("none.png")]);
  expect(stdout.toString()).toContain('"image_id":2');
});

test("Ctrl-C leaves nothing half-written", async () => {
  const out = at("stopped");
  const controller = new AbortController();
  const args = ["segment", scene, "--everything", ...loose, "--format", "mask,json", "-o", out, "--model", "nano"];
  const { code } = await cli(args, { signal: controller.signal, onStdout: () => controller.abort() });
  expect(code).toBe(130);
  expect(filesIn(out)).toEqual(["scene.1.mask.png"]);
});

test.each([
  [["--everything", "--point", "1,1"], "--point and --everything both say what to find"],
  [["--everything", "--multimask"], "--multimask is not for --everything"],
  [["--everything", "--max-hole-area", "4"], "give --min-mask-region-area"],
  [["--point", "1,1", "--points-per-side", "8"], "--points-per-side is for --everything"],
  [["--point", "1,1", "--format", "label"], "--format label is for --everything or --detector"],
  [["--everything", "--points-per-side", "0"], "--points-per-side takes a whole number from 1 to 1024"],
  [["--everything", "--pred-iou-thresh", "2"], "--pred-iou-thresh takes a number from 0 to 1"],
  [["--everything", "--region", "5,5,1,1"], "--region takes X0,Y0,X1,Y1"],
  [["--everything", "--point-grids", "no.json"], "--point-grids no.json: cannot be read"],
  [["--everything", "--label-order", "colour"], "--label-order takes area, score or depth"],
  [["--everything", "--format", "mask", "--skip-existing", "-o", "x"], "without the json"],
  [["--everything", "--format", "mask", "-o", "-"], "nobody knows how many masks"],
  [["--everything", "-o", ".", "--known", "scene.label.png", "-f", "label"], "would replace scene.label.png"],
] as const)("%j is refused", async (args, problem) => {
  const { code, stderr } = await cli(["segment", scene, ...args, "--model", "nano"]);
  expect(stderr).toContain(problem);
  expect(code).toBe(2);
});
