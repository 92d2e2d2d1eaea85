/** `masklet models verify --figures`, with figures made for nano: Meta's own under the nano weights, where they are here. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { findFfmpeg, loadSam2, openVideo, VideoPredictor } from "@masklet/core/node";
import { ModelServer } from "@masklet/core/test/model-server";
import { nanoModel } from "@masklet/model-nano";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Figures } from "../src/figures.ts";
import { cli, scene, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();
const server = new ModelServer();
beforeAll(() => server.start());
afterAll(() => server.stop());

const pictures = "datasets/someone/pictures";
const tolerance = { iou: 0.001, logit: 0.01 };
const empty = { about: "Made for nano.", tolerance, media: {}, image: [], video: [] };

function write(figures: Figures): string {
  const path = join(folder, "figures.json");
  writeFileSync(path, JSON.stringify(figures));
  return path;
}

const verify = (figures: Figures, ...more: readonly string[]) =>
  cli(["models", "verify", "nano", "--figures", "--cases", write(figures), ...more], {
    env: { HF_HUB_CACHE: join(folder, "cache"), HF_ENDPOINT: server.endpoint },
  });

const goldens = new URL("../../../../shared/goldens/nano/image.json", import.meta.url);

describe.skipIf(!existsSync(goldens))("Meta's numbers under the nano weights (needs ../shared/goldens)", () => {
  const figures = (): Figures => {
    const { scene: golden } = JSON.parse(readFileSync(goldens, "utf8"));
    return {
      ...empty,
      media: { scene: { repository: pictures, file: "drawn/scene.png" } },
      image: golden.cases.slice(0, 4).map(({ prompt, iou, low_res_sample }: GoldenCase) => {
        const { points, labels, box, multimask } = prompt;
        const best = iou.indexOf(Math.max(...iou));
        return {
          image: "scene",
          ...(points === undefined ? {} : { points, labels }),
          ...(box === undefined ? {} : { box }),
          multimask,
          iou_sorted: iou.toSorted((a, b) => b - a),
          low_res: [[low_res_sample[best]?.[0]]],
        };
      }),
    };
  };
  interface GoldenCase {
    readonly prompt: Readonly<Record<"points" | "labels" | "box" | "multimask", unknown>>;
    readonly iou: readonly number[];
    readonly low_res_sample: readonly (readonly number[])[];
  }

  test("hold, on pictures that are fetched", async () => {
    server.files.set(`${pictures}/drawn/scene.png`, { bytes: readFileSync(scene), lfs: true });
    const { code, stdout, stderr } = await verify(figures());
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.toString()).toMatch(/image 0 \(scene\), predicted IoU 1 +0\.\d{4} +0\.\d{4} +holds\n/);
    expect(stdout.toString()).toContain("Made for nano.\n\nnano: 10 of 10 figures hold");
    expect(server.downloads).toHaveLength(1);
  });

  test("that are not those of the model make it fail", async () => {
    const given = figures();
    const [first, ...others] = given.image as [Figures["image"][number]];
    const changed = { ...first, iou_sorted: first.iou_sorted.map((iou, i) => (i === 1 ? iou + 0.01 : iou)) };
    const { code, stdout } = await verify(
      { ...given, image: [changed, ...others] },
      "--media",
      join(scene, ".."),
      "--json",
    );
    const compared = JSON.parse(stdout.toString()).figures as readonly { what: string; holds: boolean }[];
    expect(code).toBe(1);
    expect(compared.filter(({ holds }) => !holds).map(({ what }) => what)).toEqual([
      "image 0 (scene), predicted IoU 2",
    ]);
  });
});

const ffmpeg = await findFfmpeg("ffmpeg");

test.skipIf(ffmpeg === undefined)("a clip, fetched and tracked (needs ffmpeg)", async () => {
  const clip = join(folder, "clip.mkv");
  const moving = ["-loop", "1", "-i", scene, "-vf", "crop=320:320:8*n:0", "-frames:v", "3", "-c:v", "png"];
  expect(spawnSync(ffmpeg as string, ["-y", ...moving, clip]).status).toBe(0);
  const box = [45, 35, 224, 209] as const;
  const video_res: number[][][][] = [];
  {
    const backend = await createOrtBackend();
    await using model = await loadSam2(fileURLToPath(nanoModel.checkpoint), { backend });
    await using frames = await openVideo(clip);
    await using session = new VideoPredictor(model, { fillHoleArea: 0, returnLogits: true }).start(frames);
    await session.addPrompt({ frame: 0, object: 3, box });
    for await (const { objects } of session.propagate()) {
      video_res.push(
        objects.map(({ logits }) => [[...(logits?.slice(0, 2) ?? [])], [...(logits?.slice(320, 322) ?? [])]]),
      );
    }
  }
  expect(video_res.flat(4)).toHaveLength(12);
  server.files.set(`${pictures}/clip.mkv`, { bytes: readFileSync(clip), lfs: true });
  const media = { moving: { repository: pictures, file: "clip.mkv" } };
  const video = [{ video: "moving", objects: [{ id: 3, box }], frames: 3, video_res }];
  const { code, stdout } = await verify({ ...empty, media, video });
  expect(stdout.toString()).toContain("video 0 (moving), frame 2, object 3, logit [1, 1]");
  expect(stdout.toString()).toContain("12 of 12 figures hold");
  expect(code).toBe(0);
});

test("those that ship with masklet are complete", async () => {
  const shipped = JSON.parse(
    readFileSync(new URL("../figures/sam2.1-hiera-tiny.json", import.meta.url), "utf8"),
  ) as Figures;
  expect([shipped.image.length, shipped.video.length]).toEqual([16, 6]);
  for (const { image } of shipped.image) expect(shipped.media).toHaveProperty(image);
  for (const { video, objects, frames, video_res } of shipped.video) {
    expect(shipped.media).toHaveProperty(video);
    expect(video_res.map((frame) => frame.length)).toEqual(Array(frames).fill(objects.length));
  }
});

test.each([
  [
    "models verify nano --figures",
    "nano: no figures are known for this model; name a file with --cases [no-figures]",
    1,
  ],
  ["models verify nano --media x", "--media x needs --figures", 2],
  ["models path nano --figures", "--figures is for verify", 2],
])("masklet %s", async (line, message, exit) => {
  const { code, stderr } = await cli(line.split(" "));
  expect(stderr).toContain(message);
  expect(code).toBe(exit);
});
