import { execFile, spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** Whether videos can be made and read here. */
export const hasFfmpeg: boolean = ["ffmpeg", "ffprobe"].every((name) => spawnSync(name, ["-version"]).status === 0);

/** Runs ffmpeg, to make a video. */
export async function ffmpeg(...args: readonly string[]): Promise<void> {
  await promisify(execFile)("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args]);
}

/** Names of the processes that `pid` has started and not yet reaped; none where /proc does not tell. */
export async function childrenOf(pid: number): Promise<readonly string[]> {
  const numbers = await readdir("/proc").catch(() => []);
  const stats = await Promise.all(
    numbers.filter((name) => /^\d+$/.test(name)).map((name) => readFile(`/proc/${name}/stat`, "utf8").catch(() => "")),
  );
  return stats.flatMap((stat) => {
    const [, name = "", parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
    return parent === String(pid) ? [name] : [];
  });
}
