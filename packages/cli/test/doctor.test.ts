import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { version } from "../src/version.ts";
import { cli, emptyCache, temporaryFolder } from "./cli.ts";

test("what this machine can run", async () => {
  const { code, stdout, stderr } = await cli(["doctor", "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout.toString())).toMatchObject({
    masklet: version,
    node: process.versions.node,
    platform: expect.stringContaining(process.platform),
    onnxruntime: { version: expect.stringMatching(/^\d+\.\d+/), devices: expect.arrayContaining(["cpu"]) },
    tensorflowjs: { engines: expect.arrayContaining(["wasm", "cpu"]) },
    sharp: { formats: ["jpeg", "png", "webp", "avif", "tiff", "gif"], libvips: expect.stringMatching(/^8\./) },
    models: { cache: emptyCache["HF_HUB_CACHE"], found: [], default: "nano" },
  });
});

const folder = temporaryFolder();

test("ffmpeg and ffprobe are looked for on PATH, and what is missing without them is said", async () => {
  const env = { ...emptyCache, PATH: folder };
  const doctor = async (...args: string[]): Promise<string> =>
    (await cli(["doctor", ...args], { env })).stdout.toString();
  const programs = async (): Promise<unknown> => {
    const { ffmpeg, ffprobe } = JSON.parse(await doctor("--json")) as Record<string, unknown>;
    return { ffmpeg, ffprobe };
  };
  const missing = { error: "not on PATH" };
  expect(await programs()).toEqual({ ffmpeg: missing, ffprobe: missing });
  expect(await doctor()).toMatch(/ffprobe +missing: not on PATH\n.*folders of frames can \(.*ffmpeg/);
  if (process.platform === "win32") return; // a script is no .exe
  for (const name of ["ffmpeg", "ffprobe"]) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho ${name} version 7.1-test Copyright\n`);
    chmodSync(join(folder, name), 0o755);
  }
  expect(await programs()).toEqual({
    ffmpeg: { path: join(folder, "ffmpeg"), version: "7.1-test" },
    ffprobe: { path: join(folder, "ffprobe"), version: "7.1-test" },
  });
  expect(await doctor()).not.toContain("folders of frames");
  writeFileSync(join(folder, "ffmpeg"), "#!/bin/sh\necho cannot load libx264 >&2; exit 1\n");
  expect(await programs()).toMatchObject({ ffmpeg: { error: expect.stringContaining("cannot load libx264") } });
});

test("as text", async () => {
  const { stdout } = await cli(["doctor"]);
  for (const part of [
    "ONNX Runtime",
    "devices",
    "TensorFlow.js",
    "image formats",
    "model cache",
    "Ready: masklet segment works here.",
  ]) {
    expect(stdout.toString()).toContain(part);
  }
});
