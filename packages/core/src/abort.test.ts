import { expect, test } from "vitest";
import { abortable } from "./abort.ts";
import { TestAbort } from "./testing/fixtures.ts";

const never = new Promise<never>(() => {});

test("without a signal it is the promise itself", () => {
  expect(abortable(never, undefined)).toBe(never);
});

test("settles as the promise does and leaves no listener", async () => {
  const { signal, ...abort } = watched();
  expect(await abortable(Promise.resolve(1), signal)).toBe(1);
  await expect(abortable(Promise.reject(new Error("broken")), signal)).rejects.toThrow("broken");
  expect(abort.listeners()).toBe(0);
});

test("rejects while the work goes on, and hands its late result over", async () => {
  const { signal, abort, reason, listeners } = watched();
  let finish = (_: string): void => {};
  const late: string[] = [];
  const work = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const outcome = abortable(work, signal, (value) => late.push(value));
  abort();
  await expect(outcome).rejects.toBe(reason);
  expect(late).toEqual([]);
  finish("result");
  await work;
  expect(late).toEqual(["result"]);
  expect(listeners()).toBe(0);
});

test("a signal that is aborted already rejects, and a late failure is nobody's", async () => {
  const { signal, abort, reason } = watched();
  abort();
  await expect(abortable(never, signal)).rejects.toBe(reason);
  await expect(abortable(Promise.reject(new Error("late")), signal)).rejects.toBe(reason);
});

test("what cannot free a late result does not end the process", async () => {
  const { signal, abort, reason } = watched();
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", onUnhandled);
  const outcome = abortable(Promise.resolve(1), signal, () => Promise.reject(new Error("stuck")));
  abort();
  await expect(outcome).rejects.toBe(reason);
  await new Promise((resolve) => setTimeout(resolve, 1));
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

function watched() {
  const test = new TestAbort();
  return { signal: test.signal, reason: test.reason, abort: () => test.abort(), listeners: () => test.listeners };
}
