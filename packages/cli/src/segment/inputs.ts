/** Which images to segment. */
import { stat } from "node:fs/promises";
import { isAbsolute, parse, resolve } from "node:path";
import process from "node:process";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { glob, isDynamicPattern } from "tinyglobby";
import type { Host } from "../host.ts";
import { UsageError } from "../usage.ts";

/** One image to read. */
export interface Input {
  /** A path as it was given or found, or "-" for standard input. */
  readonly source: string;
  /** What results are named after: the file's name without its extension. */
  readonly stem: string;
}

/**
 * The images that the arguments name, each once: files, `-`, and patterns that the shell did not expand. A pattern
 * that matches nothing stays, so that reading it says that there is no such file. Throws a `UsageError` for `-` twice.
 */
export async function findInputs(args: readonly string[]): Promise<readonly Input[]> {
  if (args.filter((arg) => arg === "-").length > 1) throw new UsageError("standard input (-) can be read only once");
  const found = new Map<string, Input>();
  for (const arg of args) {
    if (arg === "-") found.set(arg, { source: arg, stem: "stdin" });
    else for (const path of await expand(arg)) found.set(resolve(path), { source: path, stem: parse(path).name });
  }
  return [...found.values()];
}

async function expand(arg: string): Promise<readonly string[]> {
  // A file called `a[1].png` is that file.
  if (!isDynamicPattern(arg) || (await stat(arg).catch(() => undefined)) !== undefined) return [arg];
  const pattern = process.platform === "win32" ? arg.replaceAll("\\", "/") : arg;
  const paths = await glob(pattern, { absolute: isAbsolute(arg), expandDirectories: false });
  return paths.length === 0 ? [arg] : paths.sort();
}

/** All of standard input. Rejects with the signal's reason when Ctrl-C comes first. */
export async function readStandardInput({ stdin, signal }: Pick<Host, "stdin" | "signal">): Promise<Uint8Array> {
  return buffer(addAbortSignal(signal, stdin));
}
