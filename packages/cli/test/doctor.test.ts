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

test("ffmpeg is looked for on PATH", async () => {
  const env = { ...emptyCache, PATH: folder };
  const ffmpeg = async (): Promise<unknown> => {
    const { stdout } = await cli(["doctor", "--json"], { env });
    return (JSON.parse(stdout.toString()) as { readonly ffmpeg: unknown }).ffmpeg;
  };
  expect(await ffmpeg()).toBeNull();
  const program = join(folder, process.platform === "win32" ? "ffmpeg.exe" : "ffmpeg");
  writeFileSync(program, "");
  chmodSync(program, 0o755);
  expect(await ffmpeg()).toBe(program);
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
