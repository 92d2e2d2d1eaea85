import { expect, test } from "vitest";
import { Queue } from "./queue.ts";

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

test("jobs run one at a time, in order, whatever they end in", async () => {
  const queue = new Queue();
  const log: string[] = [];
  const job =
    (name: string, fail = false) =>
    async (): Promise<string> => {
      log.push(`${name} begins`);
      await soon();
      log.push(`${name} ends`);
      if (fail) throw new Error(name);
      return name;
    };
  const outcomes = Promise.allSettled([queue.run(job("a")), queue.run(job("b", true)), queue.run(job("c"))]);
  expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

test("an aborted job that waits is left out, without waiting for its turn", async () => {
  const queue = new Queue();
  const abort = new AbortController();
  let finish = (): void => {};
  const first = queue.run(() => new Promise<void>((resolve) => (finish = resolve)));
  let ran = false;
  const second = queue.run(async () => {
    ran = true;
  }, abort.signal);
  abort.abort();
  await expect(second).rejects.toBe(abort.signal.reason); // the first still runs
  finish();
  await first;
  await queue.idle();
  expect(ran).toBe(false);
});

test("an aborted job under way rejects, and the next waits for its end", async () => {
  const queue = new Queue();
  const abort = new AbortController();
  const log: string[] = [];
  let finish = (_: string): void => {};
  const first = queue.run(
    () => new Promise<string>((resolve) => (finish = resolve)),
    abort.signal,
    (late) => log.push(`abandoned ${late}`),
  );
  const second = queue.run(async () => log.push("second"));
  await soon();
  abort.abort();
  await expect(first).rejects.toBe(abort.signal.reason);
  await soon();
  expect(log).toEqual([]);
  finish("result");
  await second;
  expect(log).toEqual(["abandoned result", "second"]);
});

test.each([true, false])(
  "who awaits sees the outcome before the next job begins (with a signal: %s)",
  async (signalled) => {
    const queue = new Queue();
    const log: string[] = [];
    const first = async (): Promise<void> => {
      await queue.run(async () => {}, signalled ? new AbortController().signal : undefined);
      log.push("first seen");
    };
    await Promise.all([first(), queue.run(async () => log.push("second begins"))]);
    expect(log).toEqual(["first seen", "second begins"]);
  },
);
