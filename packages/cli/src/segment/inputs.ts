/** Which images to segment. */
import { stat } from "node:fs/promises";
import { join, parse, resolve } from "node:path";
import process from "node:process";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { isImageName } from "@masklet/core/node";
import { glob, isDynamicPattern } from "tinyglobby";
import { listed } from "../folder.ts";
import type { Host } from "../host.ts";
import { UsageError } from "../usage.ts";

/** One image to read. */
export interface Input {
  /** A path as it was given or found, an address without its query, or "-" for standard input. */
  readonly source: string;
  /** What results are named after: the file's name without its extension. */
  readonly stem: string;
  /** Where it is fetched from. */
  readonly url?: string;
  /** Why there is nothing to read. */
  readonly problem?: string;
}

/**
 * The images that the arguments name, each once: files, addresses, `-`, the images of folders, and patterns that the shell
 * did not expand. What names nothing stays, so that reading it says so. Throws a `UsageError` for `-` twice.
 */
export async function findInputs(
  args: readonly string[],
  platform: string = process.platform,
): Promise<readonly Input[]> {
  if (args.filter((arg) => arg === "-").length > 1) throw new UsageError("standard input (-) can be read only once");
  const found = new Map<string, Input>();
  for (const arg of args) {
    if (arg === "-") found.set(arg, { source: arg, stem: "stdin" });
    else if (isAddress(arg)) found.set(arg, atAddress(arg));
    else if (isOtherAddress(arg)) found.set(arg, { ...ofPath(arg), problem: `${arg}: ${onlyWeb}` });
    else for (const input of await expand(arg, platform)) found.set(resolve(input.source), input);
  }
  return [...found.values()];
}

const ofPath = (path: string): Input => ({ source: path, stem: parse(path).name });

/** Whether it is an address of the web. */
export function isAddress(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

/** Why no other address is read. */
export const onlyWeb = "only http and https addresses are fetched; give those, or a file's path";

/** Whether it is an address of something else: of FTP, or of a bucket. */
export function isOtherAddress(text: string): boolean {
  return /^(?!file:|https?:)[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** An address as it may be shown, without its query, and the name of what lies there without what no file is called. */
export function atAddress(url: string): Input & { readonly url: string } {
  const { pathname, hostname } = new URL(url);
  let last = pathname.split("/").at(-1) ?? "";
  try {
    last = decodeURIComponent(last);
  } catch {} // a percent that stands for itself
  const stem = parse(last.replaceAll(/[\p{Cc}/\\:*?"<>|]/gu, "_")).name;
  return { source: url.replace(/[?#].*$/s, ""), stem: stem === "" ? hostname : stem, url };
}

async function expand(arg: string, platform: string): Promise<readonly Input[]> {
  const there = await stat(arg).catch(() => undefined);
  if (there?.isDirectory() === true) return inFolder(arg);
  if (there !== undefined) return [ofPath(arg)]; // a file called `a[1].png` is that file
  const { folder, pattern } = await split(platform === "win32" ? arg.replaceAll("\\", "/") : arg);
  if (!isDynamicPattern(pattern)) return [ofPath(arg)];
  const paths = await glob(groupsAsText(pattern), {
    cwd: folder === "" ? "." : folder,
    expandDirectories: false,
    caseSensitiveMatch: false, // cameras write .JPG
  });
  if (paths.length > 0) return paths.sort().map((path) => ofPath(`${folder}${path}`));
  return [{ ...ofPath(arg), problem: `${arg}: there is no such file, and as a pattern it matches none` }];
}

/** Folders are as they are called, whatever their names would mean in a pattern: the pattern is what comes after them. */
async function split(path: string): Promise<{ readonly folder: string; readonly pattern: string }> {
  let folder = "";
  let pattern = path;
  for (;;) {
    const [next] = /^[^/]*\/+/.exec(pattern) ?? [];
    if (next === undefined || !(await stat(folder + next).catch(() => undefined))?.isDirectory()) break;
    folder += next;
    pattern = pattern.slice(next.length);
  }
  return { folder, pattern };
}

/** Parentheses group only after one of `!?*+@`, as shells have it. */
function groupsAsText(pattern: string): string {
  return pattern.replace(/(?<![!?*+@\\])\(([^()]*)\)/g, "\\($1\\)");
}

const byNumber = new Intl.Collator("en", { numeric: true });

async function inFolder(folder: string): Promise<readonly Input[]> {
  const names = (await listed(folder)).filter((name) => !name.startsWith(".") && isImageName(name));
  if (names.length === 0) return [{ ...ofPath(folder), problem: `${folder}: the folder has no image` }];
  return names.sort(byNumber.compare).map((name) => ofPath(join(folder, name)));
}

/** All of standard input. Rejects with the signal's reason when Ctrl-C comes first. */
export async function readStandardInput({ stdin, signal }: Pick<Host, "stdin" | "signal">): Promise<Uint8Array> {
  return buffer(addAbortSignal(signal, stdin));
}
