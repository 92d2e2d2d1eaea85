/** The command line in processes of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { emptyCache } from "./cli.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
export const command: readonly string[] = [process.execPath, "--conditions=@masklet/source", "--no-warnings", main];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

export function start(line: readonly string[], env: Readonly<Record<string, string>> = emptyCache): Running {
  const [program = "", ...args] = line;
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
    });
  }
  return { child, ended: once(child, "close").then(([code, signal]) => ({ code, signal, ...text })) };
}

export const masklet = (...args: readonly string[]): Running => start([...command, ...args]);

/** In a shell with a limit, or with its output going elsewhere. */
export const inShell = (script: string, ...args: readonly string[]): Running =>
  start(["/bin/sh", "-c", script, "sh", ...command, ...args]);
