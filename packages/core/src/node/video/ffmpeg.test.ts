import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { childrenOf } from "../../../test/videos.ts";
import { FfmpegProcess, findFfmpeg } from "./ffmpeg.ts";

const file = process.platform === "win32" ? "ffmpeg.exe" : "ffmpeg";
let folder: string;
let program: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-ffmpeg-"));
  program = join(folder, file);
  await writeFile(program, "");
  await chmod(program, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const failed = (problem: string): Error => new Error(`failed: ${problem}`);
/** Node stands in for ffmpeg, so that these run without it. */
const node = (script: string, signal?: AbortSignal): FfmpegProcess =>
  FfmpegProcess.spawn(process.execPath, ["-e", script], { failed, signal });

describe("findFfmpeg", () => {
  test("the variable comes before PATH", async () => {
    const other = join(folder, "nothing");
    expect(await findFfmpeg("ffmpeg", { PATH: folder })).toBe(program);
    expect(await findFfmpeg("ffmpeg", { FFMPEG_PATH: program, PATH: "" })).toBe(program);
    expect(await findFfmpeg("ffmpeg", { FFMPEG_PATH: other, PATH: folder })).toBeUndefined();
    expect(await findFfmpeg("ffprobe", { PATH: folder })).toBeUndefined();
  });

  test("none is an error that says what to install", async () => {
    vi.stubEnv("PATH", "");
    await expect(FfmpegProcess.start("ffprobe", [], { failed })).rejects.toMatchObject({
      name: "VideoError",
      code: "ffmpeg-missing",
      message: expect.stringMatching(/ffprobe cannot be run: it is not on PATH\..*install/),
    });
  });

  test("neither does one that does not start", async () => {
    vi.stubEnv("FFMPEG_PATH", process.platform === "win32" ? program : folder);
    await expect(FfmpegProcess.start("ffmpeg", [], { failed })).rejects.toMatchObject({ code: "ffmpeg-missing" });
  });
});

describe("FfmpegProcess", () => {
  test("reads as much as asked, then what is left", async () => {
    const child = node("process.stdout.write(Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251)))");
    const first = await child.read(70_000);
    expect([first.length, first[0], first[69_999]]).toEqual([70_000, 0, 69_999 % 251]);
    const second = await child.read(70_000);
    expect([second.length, second[0]]).toEqual([30_000, 70_000 % 251]);
    expect(await child.read(1)).toHaveLength(0);
    await child.finish();
  });

  test("writes as fast as the program takes it", async () => {
    const child = node("process.stdin.once('readable', () => setTimeout(() => process.stdin.resume(), 200))");
    const start = performance.now();
    for (let i = 0; i < 16; i++) await child.write(new Uint8Array(1 << 20));
    expect(performance.now() - start).toBeGreaterThan(150);
    await child.finish();
  });

  test("a failure says what the program said last, whoever waits", async () => {
    const script = "console.error('first'); console.error('moov atom not found'); process.exit(3)";
    await expect(node(script).finish()).rejects.toThrow("failed: first; moov atom not found");
    await expect(node(script).text()).rejects.toThrow("failed: first; moov atom not found");
    const child = node(script);
    const write = async (): Promise<void> => {
      for (;;) await child.write(new Uint8Array(1 << 20));
    };
    await expect(write()).rejects.toThrow("failed: first; moov atom not found");
    await expect(node("process.exit(3)").finish()).rejects.toThrow("failed: it ended with 3");
  });

  test("a line that is taken is not kept", async () => {
    const lines: string[] = [];
    const child = FfmpegProcess.spawn(
      process.execPath,
      ["-e", "console.error('n: 0'); console.error('bad'); process.exit(1)"],
      { failed, onLine: (line) => line.startsWith("n:") && lines.push(line) > 0 },
    );
    await expect(child.finish()).rejects.toThrow("failed: bad");
    expect(lines).toEqual(["n: 0"]);
  });

  test("an abort kills it, also while it says nothing", async () => {
    for (const call of [
      (child: FfmpegProcess) => child.read(1),
      (child: FfmpegProcess) => child.finish(),
      (child: FfmpegProcess) => child.write(new Uint8Array(1 << 24)),
    ]) {
      const abort = new AbortController();
      const child = node("setInterval(() => {}, 1000)", abort.signal);
      const pending = call(child);
      await sleep(50);
      abort.abort(new Error("enough"));
      await expect(pending).rejects.toThrow("enough");
      await child.kill();
    }
    expect(await childrenOf(process.pid)).toEqual([]);
  });

  test("killing is final, and may be repeated", async () => {
    const child = node("setInterval(() => process.stdout.write('x'.repeat(1e6)), 1)");
    expect(await child.read(10)).toHaveLength(10);
    await Promise.all([child.kill(), child.kill()]);
    expect(await child.read(10)).toHaveLength(0);
    expect(await childrenOf(process.pid)).toEqual([]);
  });
});
