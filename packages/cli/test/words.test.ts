/** What is said about results, and what is made of them when nothing is said. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { decodeRle, maskArea, readMask } from "@masklet/core/node";
import { describe, expect, test, vi } from "vitest";
import { cli, filesIn, scene, temporaryFolder } from "./cli.ts";
import { clip } from "./track.ts";

const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);
const nano = ["-m", "nano"] as const;
const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;

test("what was found is said without a terminal; --quiet and --json leave it out", async () => {
  const line = ["segment", scene, "--box", "45,35,224,209", ...nano];
  const said = await cli([...line, "--format", "mask", "-o", at("said")]);
  expect(said.stderr).toMatch(/scene\.png: object 1: \d+ pixels, predicted IoU 0\.9\d\n$/);
  for (const more of [["--quiet", "--format", "mask", "-o", at("said")], ["--json"]]) {
    expect((await cli([...line, ...more])).stderr).toBe("");
  }
});

test("masks that the model thinks little of are called poor", async () => {
  const line = ["segment", scene, "--point", "1,1", "--mask-threshold", "3", ...nano, "--multimask"];
  const { stderr } = await cli([...line, "--format", "json", "-o", at("poor")]);
  const masks = [...stderr.matchAll(/predicted IoU (\d\.\d\d)( \(poor\))?/g)];
  expect(masks).toHaveLength(3);
  expect(masks.some(([, , poor]) => poor !== undefined)).toBe(true);
  for (const [, iou, poor] of masks) expect(poor !== undefined).toBe(Number(iou) < 0.5);
});

test("--skip-existing says what it did", async () => {
  copyFileSync(scene, at("other.png"));
  const line = ["--box", "45,35,224,209", ...nano, "--format", "mask", "-o", at("skip"), "--skip-existing"];
  await cli(["segment", scene, ...line]);
  const { code, stderr } = await cli(["segment", scene, at("other.png"), ...line]);
  expect([code, stderr.split("\n")[0]]).toEqual([0, "masklet segment: 1 of 2 images had all results already"]);
  expect((await cli(["segment", scene, ...line])).stderr).toBe(
    "masklet segment: 1 of 1 image had all results already\n",
  );
});

describe("track", () => {
  const both = ["--point", "57,143#1", "--box", "360,64,462,154#7", "--count", "2", ...nano];

  test.runIf(hasFfmpeg)("makes an overlay when nothing is said, with the objects' ids", async () => {
    expect((await cli(["track", clip, ...both, "-o", at("track")])).code).toBe(0);
    expect(filesIn(at("track"))).toEqual([".track", "masks", "overlay.mp4"]);
    expect(filesIn(at("track", ".track"))).toEqual(["frames", "progress.json", "run.json"]);
  });

  test("and none where ffmpeg is not there, with a word", async () => {
    vi.stubEnv("PATH", "");
    vi.stubEnv("FFMPEG_PATH", "");
    try {
      const { code, stderr } = await cli(["track", clip, ...both, "-o", at("without")]);
      expect(code).toBe(0);
      expect(stderr).toMatch(/^masklet track: no overlay is made: .*\[ffmpeg-missing\]\n/);
      expect(filesIn(at("without"))).toEqual([".track", "masks"]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("--json prints a record for each frame, and nothing else is made", async () => {
    const { code, stdout } = await cli(["track", clip, ...both, "-o", at("json"), "--json"]);
    expect(code).toBe(0);
    const lines = stdout
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ image }) => image)).toEqual(
      [0, 1].map((frame) => ({ video: "clip", frame, width: 480, height: 288 })),
    );
    for (const { annotations, model } of lines) {
      expect(model).toEqual({ name: "sam2.1-hiera-nano", sha256: expect.stringMatching(/^[\da-f]{64}$/) });
      expect(annotations.map(({ id }: { id: number }) => id)).toEqual([1, 7]);
      for (const { segmentation, area } of annotations) expect(maskArea(decodeRle(segmentation))).toBe(area);
    }
    expect(filesIn(at("json"))).toEqual([".track", "masks"]);
  });

  test("formats are called as those of segment, and as they were", async () => {
    const made = async (out: string, command: readonly string[]): Promise<readonly string[]> => {
      expect(
        (
          await cli(
            [...command, ...nano, "-o", at(out), "--overwrite"].filter(
              (arg) => command[0] === "track" || arg !== "--overwrite",
            ),
          )
        ).code,
      ).toBe(0);
      return filesIn(at(out));
    };
    const track = (format: string): readonly string[] => [
      "track",
      clip,
      "--point",
      "57,143",
      "--count",
      "1",
      "--format",
      format,
    ];
    const segment = (format: string): readonly string[] => [
      "segment",
      scene,
      "--box",
      "45,35,224,209",
      "--format",
      format,
    ];
    for (const format of ["cutout-png", "alpha-png"]) {
      expect(await made(format, track(format))).toEqual([".track", "alpha", "masks"]);
    }
    expect(await made("tracked", track("mask"))).toEqual([".track", "masks"]);
    expect(await made("found", segment("objects,alpha"))).toEqual(["scene.cutout.png", "scene.mask.png"]);
  });

  test("eval takes what track wrote: the run's folder, its objects, its masks", async () => {
    const line = ["track", clip, ...both, "--count", "3", "--format", "objects", "-o", at("eval")];
    expect((await cli(line)).code).toBe(0);
    const [run, objects, masks] = [at("eval"), at("eval", "objects"), at("eval", "masks")];
    for (const [ours, theirs] of [
      [run, masks],
      [objects, masks],
      [masks, objects],
      [run, run],
      [masks, masks],
    ] as const) {
      const { code, stdout, stderr } = await cli(["eval", ours, theirs, "--json", "--all-frames"]);
      expect([code, stderr], `${ours} ${theirs}`).toEqual([0, ""]);
      const { objects: scores } = JSON.parse(stdout.toString());
      expect(Object.keys(scores)).toEqual(["1", "7"]);
      expect(scores["1"].j).toBe(1); // these two do not overlap
    }
    expect(maskArea(await readMask(join(objects, "7", "00000.png")))).toBeGreaterThan(1000);
  });
});

test("a device that is not there, without the words of its drivers", async () => {
  const device = process.platform === "darwin" ? "dml" : "coreml";
  const command = [
    "--conditions=@masklet/source",
    "--no-warnings",
    new URL("../src/main.ts", import.meta.url).pathname,
  ];
  const line = ["segment", scene, "--point", "1,2", "--json", "--device", device, ...nano];
  const { status, stderr } = spawnSync(process.execPath, [...command, ...line], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toMatch(new RegExp(`^masklet segment: .*${device}.*\\[device-unavailable\\]\\n$`));
});

test("several objects of an overlay have their ids on them, one has none", async () => {
  const line = ["segment", scene, ...nano, "--format", "overlay", "-o"];
  const boxes = ["--box", "45,35,224,209#7", "--box", "300,40,420,200#8"];
  await cli([...line, at("ids"), ...boxes]);
  await cli([...line, at("one"), "--box", "45,35,224,209#7"]);
  const bytes = [at("ids", "scene.overlay.png"), at("one", "scene.overlay.png")].map((path) => readFileSync(path));
  expect((bytes[0] as Buffer).equals(bytes[1] as Buffer)).toBe(false);
});
