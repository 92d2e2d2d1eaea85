/** Pictures and videos at addresses, from a server of this test's own; and what else comes in unusual ways. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, filesIn, records, scene, temporaryFolder } from "./cli.ts";
import { clip } from "./track.ts";

const folder = temporaryFolder();
const files = new Map<string, Uint8Array>([["/pictures/scene.png", readFileSync(scene)]]);
const server = createServer(({ url }, response) => {
  const bytes = files.get(url?.replace(/\?.*/, "") ?? "");
  if (bytes === undefined) response.writeHead(404).end();
  else response.setHeader("content-length", bytes.length).end(bytes);
});
let address = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const leftOver = (): readonly string[] => readdirSync(tmpdir()).filter((name) => /^masklet-video-(?!test)/.test(name));

test("segment", async () => {
  const out = join(folder, "out");
  const line = ["--box", "45,35,224,209", "-m", "nano", "--format", "mask,json", "-o", out];
  const result = await cli(["segment", `${address}/pictures/scene.png?key=secret`, ...line], { terminal: true });
  expect(result.code).toBe(0);
  expect(result.stderr).toMatch(/fetching http:.*scene\.png: 100% of/);
  expect(result.stderr).not.toContain("secret");
  expect(filesIn(out)).toEqual(["scene.json", "scene.mask.png"]);
  expect(readFileSync(join(out, "scene.json"), "utf8")).not.toContain("secret");
});

test("an address without a picture", async () => {
  const result = await cli(["segment", `${address}/none.png`, "--point", "1,2", "-m", "nano", "--json"]);
  expect(result.stderr).toMatch(/none\.png.*HTTP 404.*\[not-on-server\]\n$/);
  expect(result.code).toBe(1);
});

test("what is no picture is called by its address, and no other kind of address is taken", async () => {
  files.set("/page.png", new TextEncoder().encode("<html>"));
  const line = ["--point", "1,2", "-m", "nano", "--json"];
  const page = await cli(["segment", `${address}/page.png`, ...line]);
  expect(page.stderr).toMatch(/^masklet segment: http:\S+page\.png is of no known format/);
  for (const command of ["segment", "track"]) {
    const other = await cli([command, "s3://bucket/a.mp4", ...line, ...(command === "track" ? ["-o", folder] : [])]);
    expect(other.stderr).toMatch(/^masklet \w+: s3:\/\/bucket\/a\.mp4: only http and https addresses are fetched/);
  }
});

test("a folder: all its images, by their numbers", async () => {
  const result = await cli(["segment", clip, "--box", "10%,40%,15%,60%", "-m", "nano", "--json"]);
  expect(result.code).toBe(0);
  expect(records(result).map(({ image }) => image.file_name)).toEqual(filesIn(clip));
});

test("--max-pixels", async () => {
  const result = await cli(["segment", scene, "--point", "1,2", "-m", "nano", "--json", "--max-pixels", "1000"]);
  expect(result.stderr).toMatch(/640x640 is 409600 pixels, maxPixels is 1000 \[image-too-large\]\n$/);
});

describe.runIf(hasFfmpeg)("videos", () => {
  test("track fetches one, and goes on with it", async () => {
    const video = join(folder, "clip.mp4");
    spawnSync("ffmpeg", ["-v", "error", "-i", join(clip, "%05d.jpg"), "-frames:v", "3", video]);
    files.set("/v/a:b.mp4", readFileSync(video));
    const before = leftOver();
    const out = join(folder, "video");
    const line = ["--point", "57,143", "-m", "nano", "-o", out, "--format", "json"];
    const url = `${address}/v/a:b.mp4?key=secret`;
    expect(await cli(["track", url, ...line])).toMatchObject({ code: 0 });
    expect(filesIn(join(out, "masks"))).toHaveLength(3);
    expect(JSON.parse(readFileSync(join(out, "masklets.json"), "utf8"))).toMatchObject({ video_id: "a_b" });
    expect(await cli(["track", url, ...line, "--resume"])).toMatchObject({ code: 0 });
    expect(leftOver()).toEqual(before);
  });

  test("one that is none", async () => {
    files.set("/text.mp4", new TextEncoder().encode("no video"));
    const before = leftOver();
    const result = await cli([
      "track",
      `${address}/text.mp4`,
      "--point",
      "1,2",
      "-m",
      "nano",
      "-o",
      join(folder, "no"),
    ]);
    expect(result.stderr).toMatch(
      /^masklet track: http:\S+text\.mp4 cannot be read as a video: (?!.*masklet-video).*\[not/,
    );
    expect(leftOver()).toEqual(before);
  });

  test("--max-pixels", async () => {
    const line = ["--point", "1,2", "-m", "nano", "-o", join(folder, "large"), "--max-pixels", "1000"];
    for (const video of [clip, join(folder, "clip.mp4")]) {
      expect((await cli(["track", video, ...line])).stderr).toContain("[image-too-large]");
    }
  });
});

test("JSON with a byte order mark, as Windows writes it", async () => {
  const prompts = join(folder, "prompts.json");
  writeFileSync(prompts, Buffer.from('\ufeff[{"object": 1, "points": [[57, 143]]}]', "utf16le"));
  const result = await cli([
    "track",
    clip,
    "--prompts",
    prompts,
    "--count",
    "1",
    "-m",
    "nano",
    "-o",
    join(folder, "bom"),
  ]);
  expect(result.code).toBe(0);
});
