/**
 * A lock between processes: a file that only one can create. Node has no `flock`, so a holder shows that it lives by
 * touching the file, and one that does not, or whose process is gone from this machine, loses it.
 *
 * It spares work and is not what keeps a download right: who lost the lock while stopped writes the same bytes to the
 * same places of the part as its successor does, and nothing counts before its hash was checked.
 */
import { randomUUID } from "node:crypto";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Called every now and then while another process holds the lock. */
  readonly onWait?: () => Promise<void>;
  /** After how long without a sign of life a holder has lost the lock. */
  readonly staleMs?: number;
}

/** Runs `work` while holding the lock at `path`, whose folder exists. Rejects as `work`, or as the signal. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  { signal, onWait, staleMs = 15_000 }: LockOptions,
): Promise<T> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  let seen = "";
  let since = 0;
  for (;;) {
    signal.throwIfAborted();
    if (await create(path, mine)) break;
    const holder = await look(path);
    if (holder === undefined) continue;
    // Two looks at our own clock: the other machine's may be off.
    if (holder.mark !== seen) [seen, since] = [holder.mark, performance.now()];
    if (isGone(holder.text) || performance.now() - since > staleMs) {
      if (await takeAway(path, holder.text, staleMs)) continue;
    } else {
      await onWait?.();
    }
    await sleep(50 + Math.random() * 100, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), staleMs / 5).unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if ((await look(path))?.text === mine) await rm(path, { force: true });
  }
}

/** Whether a living process holds the lock; without waiting for signs of life, so one on another machine counts. */
export async function isLocked(path: string): Promise<boolean> {
  const holder = await look(path);
  return holder !== undefined && !isGone(holder.text);
}

async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined where there is no lock. One that cannot be read still shows when it was touched. */
async function look(path: string): Promise<{ readonly text: string; readonly mark: string } | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const touched = (await stat(path).catch(() => undefined))?.mtimeMs;
  return touched === undefined ? undefined : { text, mark: `${text} ${touched}` };
}

function isGone(text: string): boolean {
  const [, pid, host] = /^\{"pid":(\d+),"host":"(.*?)","id"/.exec(text) ?? [];
  if (pid === undefined || host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

/**
 * One at a time looks again and removes, so that nobody removes the lock of who was faster. Resolves with false while
 * another is at it.
 */
async function takeAway(path: string, text: string, staleMs: number): Promise<boolean> {
  const guard = `${path}.stale`;
  if (!(await create(guard, ""))) {
    const made = (await stat(guard).catch(() => undefined))?.mtimeMs;
    if (made !== undefined && Date.now() - made > staleMs) await rm(guard, { force: true });
    return false;
  }
  try {
    if ((await look(path))?.text === text) await rm(path, { force: true });
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}
