import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { decodeLabelPng } from "@masklet/core/node";
import { cli, emptyCache, type RunResult } from "./cli.ts";

/** The repository's clip: 8 frames of 480x288, a white square at about (57, 143), a violet leaf at (413, 109). */
export const clip: string = fileURLToPath(new URL("../../../examples/clip", import.meta.url));

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** Runs below a folder; `out` is the name of one. */
export interface Runs {
  /** In this process. */
  readonly track: (video: string, out: string, ...args: readonly string[]) => Promise<RunResult>;
  /** In a process of its own, which saves every other frame. */
  readonly start: (video: string, out: string, ...args: readonly string[]) => ChildProcess;
  /** A frame's label map. */
  readonly labels: (out: string, frame: number) => Promise<Uint8Array>;
  /** How many label maps there are. */
  readonly masks: (out: string) => number;
}

export function inFolder(folder: string): Runs {
  const line = (video: string, out: string): readonly string[] => [
    "track",
    video,
    "-o",
    join(folder, out),
    "-m",
    "nano",
    "--format",
    "mask", // no overlay unless a test asks for it
  ];
  return {
    track: (video, out, ...args) => cli([...line(video, out), ...args]),
    start: (video, out, ...args) => {
      const node = ["--conditions=@masklet/source", "--no-warnings", main];
      return spawn(process.execPath, [...node, ...line(video, out), "--save-every", "2", ...args], {
        env: { ...process.env, ...emptyCache },
        stdio: ["ignore", "ignore", "pipe"],
      });
    },
    labels: async (out, frame) =>
      (await decodeLabelPng(readFileSync(join(folder, out, "masks", `0000${frame}.png`)))).data,
    masks: (out) => {
      const path = join(folder, out, "masks");
      return existsSync(path) ? readdirSync(path).filter((name) => !name.startsWith(".")).length : 0;
    },
  };
}

/** Every file below a folder but the state of a run, and its content. */
export function contents(root: string): Readonly<Record<string, Buffer>> {
  const names = readdirSync(root, { recursive: true }).map(String).sort();
  const files = names.filter((name) => !name.startsWith(".track") && statSync(join(root, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(root, name))]));
}

/** Waits until `holds`, or the process has ended. */
export async function until(child: ChildProcess, holds: () => boolean): Promise<void> {
  while (!holds() && child.exitCode === null) await setTimeout(1);
}
