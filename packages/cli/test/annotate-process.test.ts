/** `masklet annotate` in processes of its own: killed, several at once, on a full disk. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { filesIn, temporaryFolder } from "./cli.ts";
import { inShell, masklet } from "./process.ts";
import { clip, contents, until } from "./track.ts";

const windows = process.platform === "win32";
const slow = process.env["MASKLET_SLOW"] === "1";
const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);

/** Pictures with a box each, and the command that makes masks of them. */
function dataset(pictures: number): (out: string, ...more: readonly string[]) => readonly string[] {
  const images: object[] = [];
  const annotations: object[] = [];
  mkdirSync(at(String(pictures)), { recursive: true });
  for (let i = 0; i < pictures; i++) {
    const file_name = `${i}.jpg`;
    cpSync(join(clip, `0000${i % 8}.jpg`), at(String(pictures), file_name));
    images.push({ id: i, file_name, width: 480, height: 288 });
    const bbox = [20 + (i % 5), 105, 75, 75];
    annotations.push({ id: i + 1, image_id: i, category_id: 1, bbox, iscrowd: 0, area: 1, segmentation: [] });
  }
  const labels = at(`${pictures}.json`);
  writeFileSync(labels, JSON.stringify({ images, annotations, categories: [{ id: 1, name: "disc" }] }));
  return (out, ...more) => [
    ...[
      "annotate",
      at(String(pictures)),
      "--boxes-from",
      labels,
      "-o",
      at(out),
      "--out-format",
      "labelme",
      "-m",
      "nano",
    ],
    ...more,
  ];
}

const records = (out: string): readonly string[] =>
  existsSync(at(out, ".annotate", "pictures"))
    ? filesIn(at(out, ".annotate", "pictures")).filter((name) => name.endsWith(".json"))
    : [];

/** Results and records, without what says when a picture's file was made. */
function everything(out: string): object {
  const state = contents(at(out, ".annotate", "pictures"));
  return { results: contents(at(out)), state, others: readdirSync(at(out, ".annotate")).sort() };
}

test.skipIf(windows)(
  "kill -9 at any moment: nothing half-written, and the same bytes in the end, none lost or doubled (no signals on Windows)",
  { timeout: slow ? 600_000 : 60_000 },
  async () => {
    const [pictures, kills] = slow ? [60, 10] : [8, 2];
    const line = dataset(pictures);
    expect(await masklet(...line("unkilled", "--sheet", "png")).ended).toMatchObject({ code: 0 });
    const expected = everything("unkilled");
    for (let kill = 0; kill < kills; kill++) {
      const { child, ended } = masklet(...line("killed", "--sheet", "png"));
      const wanted = records("killed").length + Math.ceil(pictures / (kills + 1));
      // Some while it begins, some while it annotates, some while it writes the labels.
      await until(child, () =>
        kill === kills - 1 ? filesIn(at("killed")).length > 1 : records("killed").length >= wanted,
      );
      child.kill("SIGKILL");
      expect(await ended).toMatchObject({ signal: "SIGKILL" });
      for (const name of records("killed")) {
        expect(contents(at("killed", ".annotate", "pictures"))[name], name).toEqual(
          contents(at("unkilled", ".annotate", "pictures"))[name],
        );
      }
    }
    const there = records("killed").length;
    expect(there).toBeGreaterThan(0);
    const rest = await masklet(...line("killed", "--sheet", "png", "--json")).ended;
    expect([rest.code, JSON.parse(rest.stdout)]).toMatchObject([0, { annotated: pictures - there, masks: pictures }]);
    expect(everything("killed")).toEqual(expected);
  },
);

test("two shards at once on one folder: the same as one run", { timeout: 60_000 }, async () => {
  const line = dataset(8);
  rmSync(at("whole"), { recursive: true, force: true });
  expect(await masklet(...line("whole")).ended).toMatchObject({ code: 0 });
  const ended = await Promise.all(
    ["1/2", "2/2"].map((shard) => masklet(...line("shards", "--shard", shard, "--json")).ended),
  );
  const reports = ended.map(({ stdout }) => JSON.parse(stdout));
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  expect(reports.map(({ annotated }) => annotated)).toEqual([4, 4]);
  expect(Math.min(...reports.map(({ left }) => left))).toBe(0);
  expect(everything("shards")).toEqual(everything("whole"));
});

test.skipIf(windows)(
  "a full disk stops it with a typed error, and nothing half-written (no ulimit on Windows)",
  async () => {
    const line = dataset(8);
    // Files may grow to 2 blocks, of 512 or 1024 bytes: some of what is kept of a picture fits, labels do not.
    const first = await inShell('ulimit -f 1; exec "$@"', ...line("full", "--mask-threshold", "-4")).ended;
    expect(first.stderr).toMatch(/masklet annotate: .*EFBIG.*\[write-failed\]\n$/);
    expect([first.code, filesIn(at("full"))]).toEqual([1, [".annotate"]]);
    const left = readdirSync(at("full", ".annotate"), { recursive: true }).map(String);
    expect(left.filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(await masklet(...line("full", "--mask-threshold", "-4")).ended).toMatchObject({ code: 0 });
  },
);
