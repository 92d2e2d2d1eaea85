/** `masklet track` under nano on the repository's clip: what it writes, and what it does when it is stopped. */
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import {
  decodeLabelPng,
  encodeLabelPng,
  encodeMaskPng,
  framesFromFolder,
  labelMap,
  loadSam2,
  maskArea,
  parseSav,
  readImage,
  readMask,
  savFrames,
  VideoPredictor,
} from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { describe, expect, test } from "vitest";
import { cli, filesIn, temporaryFolder } from "./cli.ts";
import { clip, contents, inFolder, until } from "./track.ts";

const folder = temporaryFolder();
const { track, start, labels, masks } = inFolder(folder);
const square = ["--point", "57,143#1"] as const;
const both = [...square, "--box", "360,64,462,154#7"] as const;

test("label maps, objects' masks and JSON of all frames agree with the library", async () => {
  const { code, stdout, stderr } = await track(clip, "all", ...both, "--format", "objects,json");
  expect(code).toBe(0);
  expect(stderr.split("\n")).toEqual([
    expect.stringMatching(/^.*clip: object 1: seen on 8 of 8 frames, \d+ pixels on average$/),
    expect.stringMatching(/^.*clip: object 7: seen on 8 of 8 frames, \d+ pixels on average$/),
    "",
  ]);
  const root = join(folder, "all");
  expect(stdout.toString()).toBe(
    `${["masks", "objects", "masklets.json"].map((name) => `${join(root, name)}\n`).join("")}`,
  );

  const backend = await createOrtBackend();
  await using model = await loadSam2(fileURLToPath(nanoModel.checkpoint), { backend });
  const video = await framesFromFolder(clip);
  await using session = new VideoPredictor(model, { returnLogits: true }).start(video);
  await session.addPrompt({ frame: 0, object: 1, points: [[57, 143]] });
  await session.addPrompt({ frame: 0, object: 7, box: [360, 64, 462, 154] });
  const annotation = JSON.parse(readFileSync(join(root, "masklets.json"), "utf8"));
  expect(annotation.model).toEqual({ name: "sam2.1-hiera-nano", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const json = [...savFrames(parseSav(annotation))];
  for await (const frame of session.propagate()) {
    const name = `0000${frame.frame}.png`;
    const map = labelMap(frame, video.size);
    expect(readFileSync(join(root, "masks", name))).toEqual(Buffer.from(await encodeLabelPng(map)));
    for (const [i, { id, mask }] of frame.objects.entries()) {
      expect(maskArea(mask)).toBeGreaterThan(1000);
      expect((await readMask(join(root, "objects", String(id), name))).data).toEqual(mask.data);
      expect(json[frame.frame]?.objects[i]).toEqual({ id, mask });
    }
  }
  expect([filesIn(join(root, "masks")).length, json.length]).toEqual([8, 8]);
  expect(filesIn(join(root, ".track"))).toEqual(["frames", "progress.json", "run.json"]);
});

test("prompts of a file, of options and of mask pictures are one set", async () => {
  const { data, width, height } = await decodeLabelPng(readFileSync(join(folder, "all", "masks", "00000.png")));
  const mask = { width, height, data: data.map((label) => (label === 1 ? 1 : 0)) };
  writeFileSync(join(folder, "square.png"), await encodeMaskPng(mask));
  const file = join(folder, "prompts.json");
  const box = ["75%", 64, 462, 154];
  writeFileSync(
    file,
    JSON.stringify([
      { object: 9, mask: "square.png" },
      { object: 7, box },
    ]),
  );
  const args = ["--prompts", file, "--point", "422,113,+@3#7", "--count", "2"];
  expect((await track(clip, "file", ...args)).code).toBe(0);
  expect(filesIn(join(folder, "file", "masks"))).toEqual(["00000.png", "00001.png"]);
  const found = await labels("file", 0);
  expect([...new Set(found)].sort()).toEqual([0, 7, 9]);
  const wrong = mask.data.filter((inside, i) => (inside === 1) !== (found[i] === 9)).length;
  expect(wrong).toBeLessThan(maskArea(mask) / 50);
});

test("a finished run is gone on with only to make other results; another one is refused", async () => {
  const args = [...square, "--count", "2"];
  expect((await track(clip, "again", ...args, "--resume")).code).toBe(0);
  const again = await track(clip, "again", ...args);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("has a run already: go on with --resume")]);

  const mask = join(folder, "again", "masks", "00001.png");
  const before = statSync(mask).mtimeMs;
  expect((await track(clip, "again", ...args, "--resume", "--format", "json")).code).toBe(0);
  expect(statSync(mask).mtimeMs).toBe(before);
  expect(existsSync(join(folder, "again", "masklets.json"))).toBe(true);

  for (const [part, other, what] of [
    ["prompts", ["--point", "58,143#1", "--count", "2"], "prompts.0.prompt.points.0.0 was 57 and is 58"],
    ["settings", [...square, "--count", "3"], "--count was 2 and is 3"],
    ["settings", [...args, "--threads", "1"], "--threads was not given and is 1"],
    ["settings", [...args, "--dtype", "q8"], '--dtype was "fp32" and is "q8"'],
    ["video", [...args], "the number of images was 8 and is 7; the images' names changed"],
  ] as const) {
    const elsewhere = join(folder, "elsewhere");
    cpSync(clip, elsewhere, { recursive: true });
    rmSync(join(elsewhere, "00007.jpg"));
    const { code, stderr } = await track(part === "video" ? elsewhere : clip, "again", ...other, "--resume");
    expect(stderr).toMatch(new RegExp(`not the ${part} that its run was begun with.*\\[resume-mismatch\\]\\n$`));
    expect(stderr).toContain(`: ${what}; give what was given then`);
    expect(code).toBe(1);
  }

  writeFileSync(join(folder, "again", "masks", "notes.txt"), "mine");
  expect((await track(clip, "again", ...square, "--start", "7", "--overwrite")).code).toBe(0);
  expect(Object.keys(contents(join(folder, "again")))).toEqual(["masks/00007.png", "masks/notes.txt"]);
});

test("folders with masks of another origin are left alone", async () => {
  mkdirSync(join(folder, "others", "masks"), { recursive: true });
  writeFileSync(join(folder, "others", "masks", "00000.png"), "not ours");
  const { code, stderr } = await track(clip, "others", ...square, "--resume");
  expect([code, stderr]).toEqual([2, expect.stringContaining("has masks already")]);
  expect(readFileSync(join(folder, "others", "masks", "00000.png"), "utf8")).toBe("not ours");
});

test("backwards, and both ways from the middle", async () => {
  const middle = ["--point", "153,154@4#1"];
  expect((await track(clip, "back", ...middle, "--reverse", "--count", "3")).code).toBe(0);
  expect(filesIn(join(folder, "back", "masks"))).toEqual(["00002.png", "00003.png", "00004.png"]);
  expect((await track(clip, "both", ...middle, "--both")).code).toBe(0);
  expect(filesIn(join(folder, "both", "masks"))).toHaveLength(8);
  for (const frame of [0, 4, 7]) {
    const both = await labels("both", frame);
    expect(both.filter((id) => id === 1).length).toBeGreaterThan(5000);
  }
});

test("a frame that cannot be read: code 3, its name, what comes before it; mended, the run goes on", async () => {
  const broken = join(folder, "broken");
  cpSync(clip, broken, { recursive: true });
  const bytes = readFileSync(join(clip, "00005.jpg"));
  writeFileSync(join(broken, "00005.jpg"), bytes.subarray(0, 3000));
  const args = [...square, "--format", "objects,json"];
  const { code, stderr } = await track(broken, "stopped", ...args);
  expect(stderr).toMatch(
    /: seen on 5 of 5 frames, .*\nmasklet track: frame 5 cannot be read: .*00005\.jpg.* \[frame-unreadable\]; what comes before it is kept\n$/,
  );
  expect(code).toBe(3);
  expect(filesIn(join(folder, "stopped", "masks"))).toHaveLength(5);
  expect(filesIn(join(folder, "stopped", "objects", "1"))).toHaveLength(5);
  writeFileSync(join(broken, "00005.jpg"), bytes);
  expect((await track(broken, "stopped", ...args, "--resume")).code).toBe(0);
  expect((await track(broken, "unstopped", ...args)).code).toBe(0);
  expect(contents(join(folder, "stopped"))).toEqual(contents(join(folder, "unstopped")));

  writeFileSync(join(broken, "00000.jpg"), bytes.subarray(0, 3000));
  expect((await track(broken, "nothing", ...square)).code).toBe(1);
});

test("progress on a terminal", async () => {
  const { code, stderr } = await cli(
    ["track", clip, ...square, "-o", join(folder, "terminal"), "-m", "nano", "--count", "3", "--format", "json"],
    { terminal: true },
  );
  expect(code).toBe(0);
  expect(stderr).toMatch(/1 object, 8 frames; remembering takes \d+\.\d MB at most\n/);
  expect(stderr).toMatch(/tracking: 2\/3, \d+\.\d frames\/s, 0:0\d left/);
  expect(stderr).toContain("writing results: 3/3");
});

test("a prompt that is none is told, and a better one needs no --overwrite", async () => {
  const none = await track(clip, "better", ...square, "--point", "57,143@8#1");
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("there is no frame 8")]);
  const outside = await track(clip, "better", "--point", "570,143");
  expect([outside.code, outside.stderr]).toEqual([1, expect.stringContaining("[out-of-image]")]);
  expect((await track(clip, "better", ...square, "--count", "1")).code).toBe(0);
});

test("state that is damaged is told", async () => {
  expect((await track(clip, "damaged", ...square, "--count", "1")).code).toBe(0);
  writeFileSync(join(folder, "damaged", ".track", "run.json"), "{");
  const { code, stderr } = await track(clip, "damaged", ...square, "--count", "1", "--resume");
  expect([code, stderr]).toEqual([1, expect.stringMatching(/run\.json is not JSON.*\[state-malformed\]\n$/)]);
});

describe.skipIf(process.platform === "win32")("stopped (no signals on Windows)", () => {
  test("Ctrl-C: 130, and gone on with to the same files", async () => {
    const child = start(clip, "interrupted", ...both);
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    await until(child, () => masks("interrupted") >= 3);
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
    expect(stderr).toBe("masklet track: stopped; --resume goes on\n");
    const there = masks("interrupted");
    expect(there).toBeLessThan(8);
    const { next } = JSON.parse(readFileSync(join(folder, "interrupted", ".track", "progress.json"), "utf8"));
    expect(next).toBe(there); // not one frame is lost
    expect((await track(clip, "interrupted", ...both, "--resume")).code).toBe(0);
    expect((await track(clip, "whole", ...both)).code).toBe(0);
    expect(contents(join(folder, "interrupted"))).toEqual(contents(join(folder, "whole")));
  });
});

test("without ffmpeg folders work, and videos say before anything is tracked what to install", async () => {
  const env = { ...process.env };
  try {
    process.env["PATH"] = "";
    process.env["FFMPEG_PATH"] = "";
    const { code, stderr } = await track(clip, "poor", ...square, "--format", "overlay");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/\[ffmpeg-missing\]\n$/)]);
    expect(masks("poor")).toBe(0);
    expect((await track(clip, "poor", ...square, "--format", "alpha-png")).code).toBe(0);
    expect(await readImage(join(folder, "poor", "alpha", "00007.png"))).toMatchObject({ width: 480, channels: 4 });
  } finally {
    process.env = env;
  }
});
