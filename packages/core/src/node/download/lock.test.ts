import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isLocked, withLock } from "./lock.ts";

let root = "";
let path = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-lock-"));
  path = join(root, "lock");
});
afterEach(() => rm(root, { recursive: true }));

const { signal } = new AbortController();
const holder = (pid: number, host: string): string => JSON.stringify({ pid, host, id: "another" });
/** No process has this number: Linux's are below 2^22, others' far below. */
const dead = 2 ** 22 + 1;

test("one at a time, and it is gone afterwards", async () => {
  let [inside, most] = [0, 0];
  await Promise.all(
    Array.from({ length: 6 }, () =>
      withLock(
        path,
        async () => {
          most = Math.max(most, ++inside);
          expect(await isLocked(path)).toBe(true);
          await sleep(5);
          inside--;
        },
        { signal },
      ),
    ),
  );
  expect(most).toBe(1);
  expect(await readdir(root)).toEqual([]);
  expect(await isLocked(path)).toBe(false);
});

test("what the work throws comes out, and the lock is gone", async () => {
  await expect(withLock(path, () => Promise.reject(new Error("mine")), { signal })).rejects.toThrow("mine");
  expect(await readdir(root)).toEqual([]);
});

test("a dead process of this machine loses it at once, to one of many", async () => {
  for (let round = 0; round < 10; round++) {
    await writeFile(path, holder(dead, hostname()));
    expect(await isLocked(path)).toBe(false);
    let [inside, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(1);
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(path, work, { signal })));
    expect(most).toBe(1);
  }
});

test("another machine's loses it only when it shows no life", async () => {
  await writeFile(path, holder(1, "another machine"));
  const beat = setInterval(() => void utimes(path, new Date(), new Date()), 40);
  let got = false;
  let waits = 0;
  const waiting = withLock(
    path,
    async () => {
      got = true;
    },
    {
      signal,
      staleMs: 300,
      onWait: async () => {
        waits++;
      },
    },
  );
  await sleep(700);
  expect([got, waits > 2]).toEqual([false, true]);
  clearInterval(beat);
  await waiting;
  expect(got).toBe(true);
});

test("a holder shows life, and does not remove the lock of its successor", async () => {
  await withLock(
    path,
    async () => {
      const old = new Date(1000);
      await utimes(path, old, old);
      await sleep(150);
      expect((await stat(path)).mtimeMs).toBeGreaterThan(1_000_000);
      await writeFile(path, holder(1, "a thief"));
    },
    { signal, staleMs: 200 },
  );
  expect(await readFile(path, "utf8")).toContain("a thief");
});

test("a half-written lock is waited for, then taken", async () => {
  await writeFile(path, "");
  expect(await withLock(path, async () => "got", { signal, staleMs: 100 })).toBe("got");
});

test("what cannot be taken away is an error, and no wait for ever", async () => {
  await mkdir(path);
  await expect(withLock(path, async () => "got", { signal, staleMs: 100 })).rejects.toHaveProperty("syscall");
});

test("who died while taking a dead one's lock is in nobody's way", async () => {
  await writeFile(path, holder(dead, hostname()));
  await writeFile(`${path}.stale`, "");
  expect(await withLock(path, async () => "got", { signal, staleMs: 100 })).toBe("got");
  expect(await readdir(root)).toEqual([]);
});
