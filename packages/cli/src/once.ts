/** What need not be said again and again. */
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Environment, writeFileAtomic } from "@masklet/core/node";

const day = 24 * 60 * 60 * 1000;

/**
 * Whether `what` was not said in the last 24 hours; from now on it was. Kept as the time of a file in the user's cache:
 * where there is none that can be written to, everything is always new.
 */
export async function isNewToday(what: string, env: Environment): Promise<boolean> {
  try {
    const file = join(userCache(env), "masklet", `${what}.said`);
    const said = (await stat(file).catch(() => undefined))?.mtimeMs;
    const age = Date.now() - (said ?? Number.NEGATIVE_INFINITY);
    if (age >= 0 && age < day) return false;
    await writeFileAtomic(file, "");
  } catch {
    // Said once more than needed.
  }
  return true;
}

function userCache(env: Environment): string {
  const given = process.platform === "win32" ? env["LOCALAPPDATA"] : env["XDG_CACHE_HOME"];
  return given || join(homedir(), ".cache");
}
