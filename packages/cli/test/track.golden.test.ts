/**
 * `masklet track` under nano: clips against Meta's own tracking, and what takes long: runs that are killed, videos that
 * are written.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import {
  decodeLabelPng,
  decodeRle,
  encodeLabelPng,
  findFfmpeg,
  framesFromFolder,
  labelMap,
  loadSam2,
  maskIou,
  openVideo,
  readMask,
  VideoPredictor,
} from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { describe, expect, test } from "vitest";
import { cli, filesIn, temporaryFolder } from "./cli.ts";
import { clip, contents, inFolder, until } from "./track.ts";

const folder = temporaryFolder();
const { track, start, labels, masks } = inFolder(folder);
const ffmpeg = await findFfmpeg("ffmpeg");
const square = ["--point", "57,143#1"] as const;

const shared = new URL("../../../../shared/", import.meta.url);
const hasShared = existsSync(shared);
const sharedPath = (path: string): string => fileURLToPath(new URL(path, shared));

interface Golden {
  readonly log: readonly {
    readonly step: string;
    readonly frame: number;
    readonly masks: readonly (readonly number[])[];
  }[];
  readonly davis?: Readonly<
    Record<string, { readonly label: number; readonly J: number; readonly F: number; readonly JF: number }>
  >;
}

describe.skipIf(!hasShared)("Meta's tracking of the clip (needs ../shared)", () => {
  const goldens = (
    hasShared ? JSON.parse(readFileSync(sharedPath("goldens/nano/video.json"), "utf8")) : {}
  ) as Readonly<Record<string, Golden>>;
  const video = sharedPath("media/clip");

  test.each([
    ["one_click", [...square]],
    ["box_and_click_two_objects", ["--box", "0,73,128,214#3", "--point", "422,113#7"]],
    ["mask_prompt", ["--mask", sharedPath("media/clip.mask.png")]],
  ])("J, F and J&F of %s are the reference's within 0.5 point", async (name, prompts) => {
    expect((await track(video, name, ...prompts, "--fill-hole-area", "0", "--format", "objects")).code).toBe(0);
    expect(filesIn(join(folder, name, "masks"))).toHaveLength(20);
    // The true labels of one object each, by its name here.
    const truth = join(folder, `${name}-truth`);
    const files = filesIn(sharedPath("media/clip.labels"));
    const davis = goldens[name]?.davis ?? {};
    expect(Object.keys(davis).length).toBeGreaterThan(0);
    for (const [object, { label }] of Object.entries(davis)) {
      mkdirSync(join(truth, object), { recursive: true });
      for (const file of files) {
        const { data, ...size } = await decodeLabelPng(readFileSync(sharedPath(`media/clip.labels/${file}`)));
        const own = { ...size, data: data.map((id) => (id === label ? 1 : 0)) };
        writeFileSync(join(truth, object, file), await encodeLabelPng(own));
      }
    }
    const { code, stdout } = await cli(["eval", join(folder, name, "objects"), truth, "--json"]);
    expect(code).toBe(0);
    const { objects } = JSON.parse(stdout.toString()) as {
      objects: Record<string, Record<"j" | "f" | "jAndF", number>>;
    };
    for (const [object, { J, F, JF }] of Object.entries(davis)) {
      const { j, f, jAndF } = objects[object] as Record<"j" | "f" | "jAndF", number>;
      const ours = [j, f, jAndF].map((score) => 100 * score);
      const shown = (scores: readonly number[]) => scores.map((score) => score.toFixed(2)).join(" ");
      process.stdout.write(`${name}, object ${object}: J F J&F ${shown(ours)}, the reference's ${shown([J, F, JF])}\n`);
      for (const [i, score] of [J, F, JF].entries()) expect(Math.abs((ours[i] as number) - score)).toBeLessThan(0.5);
    }
  });

  test("both ways from the middle are the reference's two passes", async () => {
    const args = ["--point", "183,166@8", "--both", "--fill-hole-area", "0", "--format", "objects"];
    expect((await track(video, "middle", ...args)).code).toBe(0);
    const golden = new Map(
      goldens["start_in_the_middle_both_ways"]?.log
        .filter(({ step }) => step === "propagate")
        .map(({ frame, masks: [runs] }) => [frame, runs as readonly number[]]),
    );
    expect(golden.size).toBe(20);
    for (const [frame, counts] of golden) {
      const ours = await readMask(join(folder, "middle", "objects", "1", `${String(frame).padStart(5, "0")}.png`));
      const theirs = decodeRle({ size: [ours.height, ours.width], counts });
      expect(maskIou(ours, theirs), `frame ${frame}`).toBeGreaterThanOrEqual(0.995);
    }
  });
});

test("memory that is bounded changes nothing, both ways through a long clip", async () => {
  const long = join(folder, "long");
  mkdirSync(long);
  for (let i = 0; i < 48; i++) {
    const there = i % 14;
    symlinkSync(join(clip, `0000${there < 8 ? there : 14 - there}.jpg`), join(long, `${i}.jpg`));
  }
  const args = ["--point", "57,143@28#1", "--point", "422,113@28#7", "--memory-stride", "2", "--both"];
  expect((await track(long, "bounded", ...args)).code).toBe(0);

  const backend = await createOrtBackend();
  await using model = await loadSam2(fileURLToPath(nanoModel.checkpoint), { backend });
  const video = await framesFromFolder(long);
  await using session = new VideoPredictor(model, { memoryStride: 2, history: "all" }).start(video);
  await session.addPrompt({ frame: 28, object: 1, points: [[57, 143]] });
  await session.addPrompt({ frame: 28, object: 7, points: [[422, 113]] });
  const expected: Buffer[] = [];
  for (const reverse of [false, true]) {
    for await (const frame of session.propagate({ reverse })) {
      expected[frame.frame] = Buffer.from(await encodeLabelPng(labelMap(frame, video.size)));
    }
  }
  const found = contents(join(folder, "bounded"));
  expect(Object.keys(found)).toHaveLength(48);
  for (const [i, bytes] of expected.entries()) {
    expect(found[join("masks", `${String(i).padStart(5, "0")}.png`)]?.equals(bytes), `frame ${i}`).toBe(true);
  }
});

test.skipIf(ffmpeg === undefined || process.platform === "win32")(
  "kill -9 at any point: nothing half-written, and the same files in the end (needs ffmpeg, and signals)",
  { timeout: 300_000 },
  async () => {
    const video = join(folder, "clip.mp4");
    expect(spawnSync(ffmpeg as string, ["-y", "-i", join(clip, "%05d.jpg"), video]).status).toBe(0);
    const args = ["--point", "130,150@3#1", "--point", "350,120@3#7", "--both"];
    const results = ["--format", "objects,json,overlay,alpha,alpha-png", "--effect", "spotlight"];
    expect((await track(video, "unkilled", ...args, ...results)).code).toBe(0);
    const expected = contents(join(folder, "unkilled"));
    expect(Object.keys(expected)).toHaveLength(4 * 8 + 4);

    const points: Readonly<Record<string, () => boolean>> = {
      "the run begins": () => existsSync(join(folder, "killed", ".track", "run.json")),
      "the first mask": () => masks("killed") >= 1,
      "amid the first pass": () => masks("killed") >= 4,
      "amid the second pass": () => masks("killed") >= 7,
      "results are made": () => readdirSync(join(folder, "killed")).some((name) => name.startsWith(".overlay.mp4")),
      "objects' masks": () => existsSync(join(folder, "killed", "objects", "7", "00004.png")),
    };
    for (const [point, reached] of Object.entries(points)) {
      const child = start(video, "killed", ...args, ...results, "--resume");
      await until(child, reached);
      child.kill("SIGKILL");
      expect(await once(child, "close"), point).toEqual([null, "SIGKILL"]);
      for (const [name, bytes] of Object.entries(contents(join(folder, "killed")))) {
        if (/(^|\/)\.[^/]+\.tmp$/.test(name)) continue; // hidden, and gone in the end
        expect(bytes.equals(expected[name] as Buffer), `${name}, killed when ${point}`).toBe(true);
      }
    }
    expect((await track(video, "killed", ...args, ...results, "--resume")).code).toBe(0);
    expect(contents(join(folder, "killed"))).toEqual(expected);
  },
);

test.skipIf(ffmpeg === undefined)(
  "videos: size, frames and times of the original, objects shown (needs ffmpeg)",
  async () => {
    const video = join(folder, "varying.mkv");
    // Every frame is shown for longer than the one before.
    const timed = ["-vf", "setpts=N*(N+9)/10/25/TB", "-fps_mode", "passthrough", "-c:v", "ffv1"];
    expect(spawnSync(ffmpeg as string, ["-y", "-i", join(clip, "%05d.jpg"), ...timed, video]).status).toBe(0);
    const args = ["--start", "2", "--format", "overlay,alpha", "--effect", "cutout,grey", "--fps", "10"];
    const refused = await track(video, "videos", ...square, ...args);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--fps is for a folder of images")]);
    expect((await track(video, "videos", ...square, ...args.slice(0, -2))).code).toBe(0);
    await using original = await openVideo(video);
    const times = original.info.times.slice(2).map((time) => time - (original.info.times[2] as number));
    for (const name of ["overlay.mp4", "alpha.webm", "cutout.mp4", "grey.mp4"]) {
      await using made = await openVideo(join(folder, "videos", name));
      expect(made.size, name).toEqual(original.size);
      expect(made.info.times.length).toBe(6);
      for (const [i, time] of made.info.times.entries()) expect(time).toBeCloseTo(times[i] as number, 2);
    }
    await using cutouts = await openVideo(join(folder, "videos", "cutout.mp4"));
    const shown = await cutouts.frame(0);
    const inside = await labels("videos", 2);
    const mean = (id: number): number => {
      const values = Array.from(inside.keys()).filter((at) => inside[at] === id);
      return values.reduce((sum, at) => sum + (shown?.data[3 * at] as number), 0) / values.length;
    };
    expect(mean(0)).toBeGreaterThan(250); // white
    expect(mean(1)).toBeLessThan(180);
  },
);
