/** What the site's playground writes: links, programs that do what was clicked, archives. The page itself: site.test.ts. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { programFor } from "../apps/docs/src/playground/code.ts";
import { exportFormats, videoFormats } from "../apps/docs/src/playground/formats.ts";
import { fromHash, toHash } from "../apps/docs/src/playground/share.ts";
import type { ShownObject, Work } from "../apps/docs/src/playground/work.ts";
import { zip } from "../apps/docs/src/playground/zip.ts";
import { crc32 } from "../packages/core/src/checkpoint/crc32.ts";
import { locate, openZip, type ZipRecord } from "../packages/core/src/checkpoint/zip.ts";
import { bytesSource, decodeLabelPng, readImage } from "../packages/core/src/node.ts";
import { writeFormats } from "../packages/labels/src/index.ts";
import { environment, root } from "./host.mjs";

const shown: ShownObject = {
  id: 1,
  points: [],
  labels: [],
  box: null,
  lasso: null,
  candidate: null,
  feather: 0,
  decontaminate: 0,
  frame: 0,
};
const picture: Work = {
  width: 640,
  height: 640,
  file: "scene.png",
  model: "nano",
  byHand: [4],
  objects: [
    { ...shown, points: [[130, 121]], labels: [1], candidate: 1 },
    { ...shown, id: 2, points: [[460, 320]], labels: [0], box: [447.25, 312, 496, 372], feather: 2 },
  ],
};
const video: Work = {
  width: 480,
  height: 288,
  count: 8,
  file: "clip",
  model: "nano",
  byHand: [],
  objects: [
    { ...shown, id: 1, points: [[57, 143]], labels: [1] },
    { ...shown, id: 1, points: [[90, 150]], labels: [1], frame: 2 },
  ],
};

describe("links", () => {
  const lasso = { ...shown, id: 3, lasso: [1, 2, 30, 4, 20, 40.5], decontaminate: 3 };
  test.each([
    ["a picture", { ...picture, byHand: [], objects: [...picture.objects, lasso] }],
    [
      "everything",
      {
        ...picture,
        byHand: [],
        objects: [],
        everything: { pointsPerSide: 8, predIouThreshold: 0.5, stabilityScoreThreshold: 0.7 },
      },
    ],
    ["a video", video],
    ["a name with what means something in addresses", { ...video, file: "a&b=c #1!2.mp4" }],
  ])("carry %s", (_, work) => {
    expect(fromHash(toHash(work))).toEqual(work);
  });

  test("say what they are in words, and no picture", () => {
    expect(toHash({ ...picture, byHand: [] })).toBe(
      "#v=1&size=640x640&file=scene.png&model=nano&o=p130,121!c1&o=n460,320!b447.25,312,496,372!f2",
    );
    expect(fromHash("#models-on-this-machine")).toBeUndefined();
  });

  test.each([
    ["#v=2&size=640x640", "version 2"],
    ["#v=1&size=0x640", "0x640"],
    ["#v=1&size=640x640&o=p1", '"p1"'],
    ["#v=1&size=640x640&o=p1,NaN", '"p1,NaN"'],
    ["#v=1&size=640x640&o=b5,5,1,1", '"b5,5,1,1"'],
    ["#v=1&size=640x640&o=z1", '"z1"'],
    ["#v=1&size=640x640&o=c1", "no point"],
    ["#v=1&size=640x640&frames=x", '"x"'],
    ["#v=1&size=640x640&everything=900,0.5,0.5", "900"],
  ])("are refused where they are broken: %s", (hash, what) => {
    expect(() => fromHash(hash)).toThrow(what);
  });
});

test("every format of labels can be exported, of a picture or of a video", () => {
  const offered = new Set([...Object.keys(exportFormats), ...Object.keys(videoFormats)]);
  expect(writeFormats.filter((format) => !offered.has(format))).toEqual([]);
});

describe("programs", () => {
  const base = mkdtempSync(join(tmpdir(), "masklet-playground-"));
  // Under examples, so that packages are found as a user's program finds them.
  const programs = join(root, "examples", ".cache", "playground");
  afterAll(() => {
    rmSync(base, { recursive: true, force: true });
    rmSync(programs, { recursive: true, force: true });
  });
  cpSync(join(root, "examples", "scene.png"), join(base, "scene.png"));
  cpSync(join(root, "examples", "clip"), join(base, "clip"), { recursive: true });

  const run = async (file: string, args: readonly string[] = []): Promise<void> => {
    const all = ["--conditions=@masklet/source", "--no-warnings", file, ...args];
    await promisify(execFile)(process.execPath, all, { cwd: base, env: environment() as NodeJS.ProcessEnv });
  };
  const inNode = async (work: Work): Promise<void> => {
    mkdirSync(programs, { recursive: true });
    const file = join(programs, `${work.count === undefined ? "picture" : "video"}.mjs`);
    writeFileSync(file, programFor("node", work));
    await run(file);
  };
  /** The commands, without a shell. */
  const inTerminal = async (work: Work): Promise<void> => {
    for (const line of programFor("cli", work).split("\n")) {
      const [command, ...args] = line.split(" ");
      if (command === "masklet") await run(join(root, "packages", "cli", "src", "main.ts"), args);
    }
  };
  const pixels = async (path: string): Promise<Buffer> => Buffer.from((await readImage(join(base, path))).data);

  test("Node's and the command line's cut out the same", async () => {
    await Promise.all([inNode(picture), inTerminal(picture)]);
    const commands = programFor("cli", picture);
    expect(commands).toContain("# Not here: object 4, painted or edited by hand; its mask is in the exports.");
    expect(commands).toContain("chosen: scene.1.2.cutout.png");
    for (const [node, cli] of [
      ["scene.1.cutout.png", "out/scene.1.2.cutout.png"],
      ["scene.2.cutout.png", "out/scene.cutout.png"],
    ] as const) {
      const ours = await pixels(node);
      expect(ours.some((value) => value !== 0)).toBe(true);
      expect(ours.equals(await pixels(cli)), `${node} and ${cli}`).toBe(true);
    }
  }, 60_000);

  test("with a lasso, cleaned edges and everything", async () => {
    const work: Work = {
      ...picture,
      byHand: [],
      objects: [{ ...shown, id: 5, lasso: [40, 30, 230, 30, 230, 215, 40, 215], feather: 1, decontaminate: 2 }],
      everything: { pointsPerSide: 4, predIouThreshold: 0.5, stabilityScoreThreshold: 0.7 },
    };
    await Promise.all([inNode(work), inTerminal(work)]);
    expect((await pixels("scene.5.cutout.png")).some((value) => value !== 0)).toBe(true);
    const found = readdirSync(base).filter((name) => name.startsWith("scene.everything."));
    const { annotations } = JSON.parse(readFileSync(join(base, "out", "scene.json"), "utf8"));
    expect(found.length).toBe(annotations.length);
    expect(found.length).toBeGreaterThan(2);
  }, 60_000);

  test("and they track the same", async () => {
    await Promise.all([inNode(video), inTerminal(video)]);
    for (const frame of [0, 2, 7]) {
      const [ours, theirs] = await Promise.all(
        [`clip.${frame}.png`, `out/masks/0000${frame}.png`].map(async (path) =>
          decodeLabelPng(new Uint8Array(readFileSync(join(base, path)))),
        ),
      );
      expect(ours?.data.includes(1)).toBe(true);
      expect(Buffer.from(ours?.data ?? []).equals(Buffer.from(theirs?.data ?? [])), `frame ${frame}`).toBe(true);
    }
  }, 60_000);

  test("are safe with any file name", () => {
    const file = "a'; rm -rf $(x) `y`.png";
    const everything = { pointsPerSide: 4, predIouThreshold: 0.5, stabilityScoreThreshold: 0.7 };
    expect(programFor("cli", { ...picture, file })).toContain(
      `masklet segment 'a'\\''; rm -rf $(x) \`y\`.png' --point`,
    );
    const node = programFor("node", { ...picture, file, everything });
    expect(node).toContain(`readImage(${JSON.stringify(file)})`);
    expect(node).toContain(`save(${JSON.stringify("a'; rm -rf $(x) `y`.everything.")} + (i + 1) + ".png",`);
  });
});

test("archives are zips", async () => {
  const files = ["a.txt", "ordner/ä.bin", "empty"].map((path, i) => ({
    path,
    bytes: Uint8Array.from({ length: [3, 70_000, 0][i] ?? 0 }, (_, at) => at * 7),
  }));
  const source = bytesSource(new Uint8Array(await zip(files).arrayBuffer()), "test.zip");
  const archive = await openZip(source);
  expect([...archive.records.keys()]).toEqual(files.map(({ path }) => path));
  for (const { path, bytes } of files) {
    const record = archive.records.get(path) as ZipRecord;
    expect(record).toMatchObject({ size: bytes.length, method: 0, crc32: crc32(bytes) });
    expect(await source.read(await locate(archive, record), record.size)).toEqual(bytes);
  }
});
