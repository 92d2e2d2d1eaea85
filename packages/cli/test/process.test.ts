/** What only a process of its own shows: exit codes, signals, a full disk, a reader that leaves. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { readImage } from "@masklet/core/node";
import { expect, test } from "vitest";
import { emptyCache, filesIn, scene, temporaryFolder } from "./cli.ts";
import { command, inShell, masklet, start } from "./process.ts";
import { clip, contents, until } from "./track.ts";

const segment = ["segment", scene, "--box", "45,35,224,209", "--model", "nano"] as const;
const windows = process.platform === "win32";
const folder = temporaryFolder();

test.each([
  [0, ["--version"]],
  [2, ["segment"]],
  [1, ["segment", "missing.png", "--point", "1,2", "--json", "--model", "nano"]],
  [3, [...segment, "missing.png", "--json"]],
])("exit code %i", async (code, args) => {
  expect(await masklet(...args).ended).toMatchObject({ code, signal: null });
});

test("what drivers say while doctor tries them stays out of standard error", async () => {
  expect(await masklet("doctor").ended).toMatchObject({ code: 0, signal: null, stderr: "" });
});

test.skipIf(windows)("Ctrl-C between results: 130, and nothing half-written (no signals on Windows)", async () => {
  const out = join(folder, "interrupted");
  const copies = Array.from({ length: 20 }, (_, i) => join(folder, `copy${i}.png`));
  for (const copy of copies) copyFileSync(scene, copy);
  const { child, ended } = masklet(...segment, ...copies, "--format", "cutout,overlay", "-o", out);
  await once(child.stdout as NonNullable<ChildProcess["stdout"]>, "data");
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 130, signal: null, stderr: expect.not.stringMatching(/masklet|Error/) });
  const files = filesIn(out);
  expect(files.length).toBeGreaterThan(0);
  expect(files.length).toBeLessThan(2 * copies.length);
  for (const file of files) {
    expect(file).toMatch(/\.(cutout|overlay)\.png$/); // no temporary file
    expect(await readImage(join(out, file))).toMatchObject({ width: 640, height: 640 });
  }
});

test.skipIf(windows)(
  "kill -9 at any point: nothing half-written, and the same files in the end (no signals on Windows)",
  { timeout: 120_000 },
  async () => {
    const images = Array.from({ length: 24 }, (_, i) => join(folder, `${i}.jpg`));
    for (const [i, image] of images.entries()) copyFileSync(join(clip, `0000${i % 8}.jpg`), image);
    const into = (out: string): readonly string[] => [
      ...["segment", ...images, "--point", "57,143#1", "--box", "360,64,462,154", "--model", "nano"],
      ...["--format", "cutout,mask,overlay,json", "-o", join(folder, out)],
    ];
    expect(await masklet(...into("unkilled")).ended).toMatchObject({ code: 0 });
    const expected = contents(join(folder, "unkilled"));
    expect(Object.keys(expected)).toHaveLength(6 * images.length);
    for (const [name, bytes] of Object.entries(expected)) if (name.endsWith(".png")) await readImage(bytes);

    const out = join(folder, "killed");
    const there = (): readonly string[] => (existsSync(out) ? filesIn(out) : []);
    const points: Readonly<Record<string, () => boolean>> = {
      "the folder is made": () => existsSync(out),
      "the first file is begun": () => there().length > 0,
      "an image's first file is written": () => there().some((name) => name.startsWith("5.")),
      "an image's last file is written": () => there().includes("11.json"),
      "most are done": () => there().includes("16.json"),
    };
    for (const [point, reached] of Object.entries(points)) {
      const { child, ended } = masklet(...into("killed"), "--skip-existing");
      await until(child, reached);
      child.kill("SIGKILL");
      expect(await ended, point).toMatchObject({ code: null, signal: "SIGKILL" });
      for (const [name, bytes] of Object.entries(contents(out))) {
        if (name.endsWith(".tmp")) continue; // hidden, and gone in the end
        expect(bytes.equals(expected[name] as Buffer), `${name}, killed when ${point}`).toBe(true);
      }
    }
    // One that is surely there, and one of something else.
    const [own, other] = [".3.overlay.png.0123456789ab.tmp", ".3.other.png.0123456789ab.tmp"];
    for (const name of [own, other]) writeFileSync(join(out, name), "");
    const done = there().filter((name) => name.endsWith(".json")).length;
    const rest = await masklet(...into("killed"), "--skip-existing").ended;
    expect(rest).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^masklet segment: \d+ of 24 images had all results already\n/),
    });
    expect(rest.stdout.split("\n").filter((line) => line.endsWith(".json"))).toHaveLength(images.length - done);
    expect(contents(out)).toEqual({ ...expected, [other]: Buffer.of() });
    expect(await masklet(...into("killed"), "--skip-existing", "--model", "no-such-model").ended).toMatchObject({
      code: 0,
      stdout: "",
    });
  },
);

test.skipIf(windows).each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s while standard input is awaited: %i (no signals on Windows)", async (signal, code) => {
  const env = { ...emptyCache, HF_HUB_OFFLINE: "", XDG_CONFIG_HOME: join(folder, signal) };
  const { child, ended } = start([...command, "segment", "-", "--point", "1,2", "--json"], env);
  await once(child.stderr as NonNullable<ChildProcess["stderr"]>, "data"); // the line about nano: it runs
  child.kill(signal);
  expect(await ended).toMatchObject({ code, signal: null });
});

test.skipIf(windows)("a disk that is full in the middle of a file (no ulimit on Windows)", async () => {
  const out = join(folder, "full");
  // Files may grow to 8 blocks, of 512 or 1024 bytes: the mask and the record fit, the overlay does not.
  const { ended } = inShell('ulimit -f 8; exec "$@"', ...segment, "--format", "mask,overlay,json", "-o", out);
  const { code, stderr } = await ended;
  expect(stderr).toMatch(/^masklet segment: .*scene\.overlay\.png cannot be written: EFBIG.*\[write-failed\]\n$/);
  expect([code, filesIn(out)]).toEqual([1, ["scene.mask.png"]]);
});

test.skipIf(process.platform !== "linux")("standard output on a full disk (needs /dev/full)", async () => {
  const { ended } = inShell('exec "$@" > /dev/full', ...segment, "-o", "-", "--format", "cutout");
  expect(await ended).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/standard output: ENOSPC.*\[write-failed\]/),
  });
});

test.skipIf(windows || process.getuid?.() === 0)(
  "a folder without permission (root may write everywhere)",
  async () => {
    const { ended } = inShell(`mkdir -m 500 "${folder}/closed"; exec "$@"`, ...segment, "-o", join(folder, "closed"));
    expect(await ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/permission is denied \(EACCES\).*\[write-failed\]/),
    });
  },
);

test.skipIf(windows)("a reader that leaves early is no error worth a word (no sh on Windows)", async () => {
  const { ended } = inShell('"$@" | true; echo over', ...segment, scene, "--json");
  expect(await ended).toMatchObject({ stdout: "over\n", stderr: "" });
});

test("standard input to standard output, byte for byte", async () => {
  const { child, ended } = masklet("segment", "-", "--box", "45,35,224,209", "-o", "-", "--format", "svg", "-q");
  child.stdin?.end(readFileSync(scene));
  const { code, stdout, stderr } = await ended;
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^<svg .*<\/svg>\n$/s);
});
